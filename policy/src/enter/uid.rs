//! The user that a worker becomes.

use std::io;

use super::EnterError;
use crate::{report::Status, sys::check};

/// Where the user ids of workers lie when the supervisor is root.
///
/// A worker without storage takes `base` plus its process id as the supervisor's namespace numbers it: no two live
/// processes share it, nothing has to be allocated or given back, and two supervisors in one pid namespace do not
/// collide (those in different ones can: `docs/security/threat-model.md`). The ids above the largest process id are for
/// the owners of directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    /// The first id. The range is twice as long as there are process ids.
    pub base: u32,
}

impl UidRange {
    /// The kernel's largest process id is below this.
    const PIDS: u32 = 1 << 22;

    /// The user id number `number` of those that own directories, or `None` when there are not as many.
    pub fn owner(self, number: u32) -> Option<u32> {
        if number < Self::PIDS { self.base.checked_add(Self::PIDS)?.checked_add(number) } else { None }
    }

    /// Whether a user id is one that a directory of a worker may belong to.
    pub fn owns_directories(self, uid: u32) -> bool {
        uid.checked_sub(self.base).is_some_and(|offset| (Self::PIDS..2 * Self::PIDS).contains(&offset))
    }
}

impl Default for UidRange {
    /// From 1,879,048,192, which systemd's table of user ids lists as unused.
    fn default() -> Self {
        Self { base: 0x7000_0000 }
    }
}

/// Gives up root for a user id that no other tenant has: the `owner` of the directory, or without one an id that no other
/// process has.
pub(super) fn own_uid(uids: UidRange, outer_pid: Option<u32>, owner: Option<u32>) -> Result<Status, EnterError> {
    // SAFETY: cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(Status::Missing("the supervisor is not root: the worker has its user".into()));
    }
    let own = outer_pid.and_then(|pid| uids.base.checked_add(pid));
    let Some(id) = owner.filter(|owner| uids.owns_directories(*owner)).or(own) else {
        return Ok(Status::Missing("the process id is not to be had from /proc/self".into()));
    };
    let step = |step| move |source| EnterError::Step { step, source };
    // SAFETY: a null list of length zero, and plain integers. Groups go first: afterwards we may not.
    unsafe {
        if let Err(error) = check(libc::setresgid(id, id, id)) {
            // EINVAL: root only inside a user namespace that maps nobody else.
            return Ok(Status::Missing(format!("user id {id} is not to be had here ({error})")));
        }
        // Only now, because in a user namespace that maps nobody else the directory of the one user seems to be root's.
        if let Some(owner) = owner.filter(|owner| *owner != id) {
            return Err(EnterError::DirectoryOwner(owner));
        }
        check(libc::setgroups(0, std::ptr::null())).map_err(step("setgroups"))?;
        check(libc::setresuid(id, id, id)).map_err(step("setresuid"))?;
        let (mut real, mut effective, mut saved) = (0, 0, 0);
        check(libc::getresuid(&mut real, &mut effective, &mut saved)).map_err(step("getresuid"))?;
        if [real, effective, saved] != [id; 3] || libc::setuid(0) == 0 {
            return Err(step("giving up root")(io::Error::from_raw_os_error(libc::EPERM)));
        }
    }
    Ok(Status::Enforced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_of_directories_are_nobody_elses_ids() {
        let range = UidRange::default();
        assert_eq!(range.owner(0), Some(0x7040_0000));
        assert_eq!(range.owner((1 << 22) - 1), Some(0x707f_ffff));
        assert_eq!(range.owner(1 << 22), None);
        for uid in [0, 1000, range.base, range.base + (1 << 22) - 1, u32::MAX] {
            assert!(!range.owns_directories(uid), "{uid}");
        }
        assert!([0, 1, (1 << 22) - 1].into_iter().all(|number| range.owns_directories(range.owner(number).unwrap())));
    }
}
