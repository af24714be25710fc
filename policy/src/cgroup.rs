//! Limits of cgroup v2 for each worker: memory, processes, processor time.
//!
//! rlimits count what a process asks for; a cgroup counts what it takes, page tables and socket buffers included, and holds
//! for all its threads together. They can only be had where whoever started the supervisor has *delegated* a cgroup to
//! it: `systemd-run --scope -p Delegate=yes`, `Delegate=yes` in a unit, or root in a cgroup of its own. Where that is not
//! so, [`Delegation::take`] says why, and the supervisor goes on with rlimits and supervision.
//!
//! ```text
//! <delegated>/                    subtree_control: +memory +pids +cpu
//!   supervisor/                   the supervisor itself: a cgroup with children holds no process (the "no internal
//!                                 processes" rule), unless it is the root
//!   worker-1/, worker-2/ …        one for each process, made before it is started and removed after it has ended
//! ```

use std::{
    fs, io,
    io::Write,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::report::Status;

/// What limits a worker is given, by the names of the kernel's controllers.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// The period of `cpu.max` in microseconds: the kernel's own default.
const CPU_PERIOD: u32 = 100_000;

/// Where the supervisor itself goes, and where it makes a place when it is in the machine's root cgroup.
const SUPERVISOR: &str = "supervisor";

/// What the names of workers' cgroups begin with.
const WORKER: &str = "worker-";

/// The limits of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupLimits {
    /// `memory.max` in bytes, of all kinds that the kernel charges to a cgroup; `None` for no limit. There is no swap.
    pub memory_bytes: Option<u64>,
    /// `pids.max`: threads.
    pub threads: u64,
    /// `cpu.max` in thousandths of a processor; `None` for no limit.
    pub cpu_millis: Option<u32>,
}

/// Why there are no cgroups for workers, in words that say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// No cgroup v2, or this process is not in one.
    #[error("this machine uses cgroup v1")]
    Version1,
    /// None of the controllers is there.
    #[error("no controller is delegated to {0}: memory, pids and cpu are missing")]
    NoControllers(PathBuf),
    /// A supervisor is at work there, whose workers and limits must stay as they are.
    #[error("another supervisor has {0}")]
    Taken(PathBuf),
    /// Others are in the same cgroup, so that it cannot have children with limits.
    #[error("{0} holds other processes than the supervisor")]
    Shared(PathBuf),
    /// The kernel refused a step.
    #[error("{step} {path} failed: {source}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
}

fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    let file = fs::OpenOptions::new().write(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| CgroupError::Step {
        step: "writing",
        path: path.to_owned(),
        source,
    })
}

fn make(path: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(path) {
        // A supervisor that was killed leaves its cgroups behind.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|source| CgroupError::Step { step: "making", path: path.to_owned(), source }),
    }
}

/// Removes a cgroup, and what lives in it.
fn remove(path: &Path) {
    if fs::remove_dir(path).is_ok() {
        return;
    }
    // Whatever is left of the process: the kernel ends it in its own time.
    let _ = write(&path.join("cgroup.kill"), "1");
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(1));
        if fs::remove_dir(path).is_ok() {
            return;
        }
    }
}

/// A cgroup in which the supervisor may make others. Dropping it leaves things as they were found, except that controllers
/// stay on in the machine's root, where others may have come to need them.
#[derive(Debug)]
pub struct Delegation {
    root: PathBuf,
    controllers: Vec<&'static str>,
    /// Where this process was moved to, if it had to be.
    own: Option<PathBuf>,
    /// Whether `root` itself was made by us.
    made: bool,
    last: AtomicU64,
}

impl Delegation {
    /// Takes possession of the cgroup that this process is in: moves the process into a child of it and turns the
    /// controllers on for further children. To be called once, before there are threads that care where they run.
    ///
    /// # Errors
    /// See [`CgroupError`]. Everything is as it was then.
    pub fn take() -> Result<Self, CgroupError> {
        let read = |path: &str| {
            fs::read_to_string(path).map_err(|source| CgroupError::Step { step: "reading", path: path.into(), source })
        };
        let own = own_path(&read("/proc/self/cgroup")?).ok_or(CgroupError::Version1)?.to_owned();
        let mount = mount_point(&read("/proc/self/mountinfo")?).ok_or(CgroupError::Version1)?;
        Self::take_at(&mount.join(own.trim_start_matches('/')))
    }

    fn take_at(found: &Path) -> Result<Self, CgroupError> {
        let path = found.join("cgroup.controllers");
        let there = fs::read_to_string(&path).map_err(|source| CgroupError::Step {
            step: "reading",
            path: path.clone(),
            source,
        })?;
        let controllers: Vec<_> =
            CONTROLLERS.into_iter().filter(|name| there.split_whitespace().any(|there| there == *name)).collect();
        if controllers.is_empty() {
            return Err(CgroupError::NoControllers(found.to_owned()));
        }
        // The root of the hierarchy is the one cgroup that has no type. It may hold processes and have children, and
        // what is turned on there concerns the whole machine: so we make ourselves a place below it.
        let is_machine_root = !found.join("cgroup.type").exists();
        let mut taken = Self { root: found.to_owned(), controllers, own: None, made: false, last: AtomicU64::new(0) };
        if is_machine_root {
            taken.switch_on()?;
            taken.root = found.join(format!("bulkhead-{}", std::process::id()));
            make(&taken.root)?;
            taken.made = true;
        } else {
            let holds_processes = |path: &Path| {
                fs::read_to_string(path.join("cgroup.procs")).is_ok_and(|processes| !processes.trim().is_empty())
            };
            let own = found.join(SUPERVISOR);
            if holds_processes(&own) {
                return Err(CgroupError::Taken(found.to_owned()));
            }
            make(&own)?;
            taken.own = Some(own.clone());
            write(&own.join("cgroup.procs"), "0")?;
            // What an earlier supervisor left here would be mistaken for ours.
            for left in fs::read_dir(found).into_iter().flatten().flatten() {
                if left.file_name().to_string_lossy().starts_with(WORKER) {
                    remove(&left.path());
                }
            }
            if holds_processes(found) {
                return Err(CgroupError::Shared(found.to_owned()));
            }
        }
        taken.switch_on()?;
        Ok(taken)
    }

    fn switch_on(&self) -> Result<(), CgroupError> {
        let text = self.controllers.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
        write(&self.root.join("cgroup.subtree_control"), &text)
    }

    /// Which of the limits hold: all, or some, named.
    pub fn status(&self) -> Status {
        let absent: Vec<_> = CONTROLLERS.into_iter().filter(|name| !self.controllers.contains(name)).collect();
        if absent.is_empty() {
            Status::Enforced
        } else {
            Status::Partial(format!(
                "controllers not delegated: {}; rlimits and supervision stand in",
                absent.join(", ")
            ))
        }
    }

    /// A new cgroup with these limits, of those whose controllers are there.
    ///
    /// # Errors
    /// The kernel refuses a step; nothing is left behind then.
    pub fn worker(&self, limits: &CgroupLimits) -> Result<WorkerCgroup, CgroupError> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let path = self.root.join(format!("{WORKER}{number}"));
        make(&path)?;
        let cgroup = WorkerCgroup { path };
        let set = |controller: &str, file: &str, value: &str| {
            if self.controllers.contains(&controller) { write(&cgroup.path.join(file), value) } else { Ok(()) }
        };
        if let Some(bytes) = limits.memory_bytes {
            set("memory", "memory.max", &bytes.to_string())?;
            // Not there when the kernel has no swap.
            if cgroup.path.join("memory.swap.max").exists() {
                set("memory", "memory.swap.max", "0")?;
            }
            // A process that lost one of its threads is of no use.
            set("memory", "memory.oom.group", "1")?;
        }
        set("pids", "pids.max", &limits.threads.to_string())?;
        if let Some(millis) = limits.cpu_millis {
            let quota = u64::from(millis) * u64::from(CPU_PERIOD) / 1000;
            set("cpu", "cpu.max", &format!("{quota} {CPU_PERIOD}"))?;
        }
        Ok(cgroup)
    }
}

impl Drop for Delegation {
    fn drop(&mut self) {
        // Each step can fail only when somebody else has changed something here, which is then theirs to keep.
        if let Some(own) = &self.own {
            let off = self.controllers.iter().map(|name| format!("-{name}")).collect::<Vec<_>>().join(" ");
            let _ = write(&self.root.join("cgroup.subtree_control"), &off);
            let _ = write(&self.root.join("cgroup.procs"), "0");
            let _ = fs::remove_dir(own);
        }
        if self.made {
            let _ = fs::remove_dir(&self.root);
        }
    }
}

/// The cgroup of one worker process. Dropped after the process was reaped, it is removed.
#[derive(Debug)]
pub struct WorkerCgroup {
    path: PathBuf,
}

impl WorkerCgroup {
    /// What [`WorkerCommand::cgroup`](crate::spawn::WorkerCommand::cgroup) takes: the process enters the cgroup before its
    /// program is loaded.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn procs(&self) -> Result<OwnedFd, CgroupError> {
        let path = self.path.join("cgroup.procs");
        let file = fs::OpenOptions::new().write(true).open(&path);
        file.map(OwnedFd::from).map_err(|source| CgroupError::Step { step: "opening", path, source })
    }

    /// Whether this is the cgroup of the process whose `/proc/<pid>/cgroup` has this text.
    pub(crate) fn is_named_in(&self, text: &str) -> bool {
        own_path(text).is_some_and(|path| self.path.ends_with(path.trim_start_matches('/')))
    }

    /// Whether the kernel ended the process because it exceeded `memory.max`.
    pub fn ran_out_of_memory(&self) -> bool {
        fs::read_to_string(self.path.join("memory.events")).is_ok_and(|events| oom_kills(&events) > 0)
    }
}

impl Drop for WorkerCgroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// The path in the version 2 hierarchy, from `/proc/self/cgroup` (cgroups(7)).
fn own_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Where the version 2 hierarchy is mounted, from `/proc/self/mountinfo` (proc(5)).
fn mount_point(text: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        // The fifth field, whose white space is written in octal. Nobody mounts cgroups at such a place.
        (after.split(' ').next() == Some("cgroup2")).then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// The number of processes that were ended, from `memory.events`.
fn oom_kills(events: &str) -> u64 {
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        assert_eq!(own_path("4:memory:/a\n0::/system.slice/x.service\n"), Some("/system.slice/x.service"));
        assert_eq!(own_path("4:memory:/a\n"), None);
        let mounts = "25 30 0:22 / /sys rw shared:7 - sysfs sysfs rw\n\
                      31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(mount_point(mounts), Some("/sys/fs/cgroup".into()));
        assert_eq!(mount_point("31 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"), None);
        assert_eq!(oom_kills("low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 1\n"), 1);
        assert_eq!(oom_kills(""), 0);
    }

    #[test]
    fn what_is_not_delegated_is_said() {
        let delegation = |controllers: &[&'static str]| Delegation {
            root: PathBuf::new(),
            controllers: controllers.to_vec(),
            own: None,
            made: false,
            last: AtomicU64::new(0),
        };
        assert_eq!(delegation(&CONTROLLERS).status(), Status::Enforced);
        let some = "controllers not delegated: memory, cpu; rlimits and supervision stand in".to_owned();
        assert_eq!(delegation(&["pids"]).status(), Status::Partial(some));
        let nowhere = Delegation::take_at(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(nowhere.starts_with("reading /nonexistent/cgroup.controllers failed"), "{nowhere}");
    }
}
