//! Capabilities, of which nothing is left.

use std::io;

use crate::{
    report::Status,
    sys::{self, check},
};

pub(super) fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        match sys::prctl(libc::PR_CAPBSET_READ, capability, 0) {
            Ok(1) => drop(sys::prctl(libc::PR_CAPBSET_DROP, capability, 0)?),
            Ok(_) => {}
            // The first number that the kernel does not know.
            Err(_) => break,
        }
    }
    Ok(())
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

pub(super) fn capabilities() -> Status {
    let bounding = drop_bounding_set();
    // Being user 0 means nothing any more, and none of this can be taken back.
    let locked = libc::SECBIT_NOROOT
        | libc::SECBIT_NOROOT_LOCKED
        | libc::SECBIT_NO_SETUID_FIXUP
        | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
        | libc::SECBIT_KEEP_CAPS_LOCKED
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    let bits = sys::prctl(libc::PR_SET_SECUREBITS, locked as u64, 0);
    let _ = sys::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0);
    let header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [CapData::default(); 2];
    // SAFETY: the structures have the layout that version 3 demands and live for the calls.
    let cleared = unsafe {
        check(libc::syscall(libc::SYS_capset, &header, data.as_ptr())).and_then(|_| {
            data = [CapData { effective: 1, permitted: 1, inheritable: 1 }; 2];
            check(libc::syscall(libc::SYS_capget, &header, data.as_mut_ptr()))
        })
    };
    match cleared {
        Err(error) => return Status::Missing(error.to_string()),
        Ok(_) if data != [CapData::default(); 2] => return Status::Missing("capset left some".into()),
        Ok(_) => {}
    }
    match (bounding, bits) {
        (Ok(()), Ok(_)) => Status::Enforced,
        _ => Status::Partial("the bounding set and securebits remain; no_new_privs keeps them out of reach".into()),
    }
}
