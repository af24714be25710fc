//! The landlock ruleset, from the rows of the table.

use std::{fs::File, os::fd::AsFd};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope,
};

use crate::{
    report::Status,
    table::{Profile, RIGHTS, Right},
};

/// The landlock ABI of the running kernel; 0 when landlock is not there or not enabled.
pub fn landlock_abi() -> u32 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with the version flag the kernel takes no structure.
    let abi =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0usize, VERSION) };
    u32::try_from(abi).unwrap_or(0)
}

/// Every right that the kernel's landlock knows is handled, and granted is what the table says.
pub(super) fn landlock(directory: Option<&File>) -> Status {
    let version = landlock_abi();
    let abi = match version {
        0 => return Status::Missing("the kernel has no landlock or it is not enabled at boot".into()),
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        9 => ABI::V9,
        _ => ABI::V10,
    };
    let profile = Profile::of(directory.is_some(), false);
    let granted =
        RIGHTS.iter().filter(|row| row.granted.contains(&profile)).fold(BitFlags::<AccessFs>::EMPTY, |granted, row| {
            match row.right {
                Right::File(right) => granted | right,
                Right::Net(_) | Right::Scope(_) => granted,
            }
        });
    let restrict = || {
        let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?;
        if version >= 4 {
            ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
        }
        if version >= 6 {
            ruleset = ruleset.scope(Scope::from_all(abi))?;
        }
        let mut ruleset = ruleset.create()?;
        if let Some(directory) = directory {
            ruleset = ruleset.add_rule(PathBeneath::new(directory.as_fd(), granted & AccessFs::from_all(abi)))?;
        }
        ruleset.restrict_self()
    };
    match restrict() {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => Status::Missing("not enforced".into()),
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced && version >= 6 => Status::Enforced,
        Ok(_) if version < 4 => Status::Partial(format!("ABI {version}: files only, no TCP, no scopes")),
        Ok(_) if version < 6 => Status::Partial(format!("ABI {version}: files and TCP, no scopes")),
        Ok(_) => Status::Partial(format!("ABI {version}: the kernel enforces a part")),
        Err(error) => Status::Missing(error.to_string()),
    }
}
