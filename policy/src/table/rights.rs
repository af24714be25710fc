//! The landlock ruleset's rows.

use landlock::{AccessFs, AccessNet, Scope};

use super::{Profile, WITH_STORAGE};

/// One of the rights that landlock knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Something done to a file, granted or not beneath the worker's directory.
    File(AccessFs),
    /// Something done with a socket. Never granted.
    Net(AccessNet),
    /// A reach beyond the process. Always cut off.
    Scope(Scope),
}

/// A row of the landlock ruleset. Every right that a kernel knows is *handled*, which means refused unless it is granted.
#[derive(Clone, Copy, Debug)]
pub struct RightRow {
    /// The right.
    pub right: Right,
    /// Its name in `landlock(7)`, without `LANDLOCK_ACCESS_` or `LANDLOCK_`.
    pub name: &'static str,
    /// The profiles to which it is granted, beneath the worker's directory.
    pub granted: &'static [Profile],
    /// Why, and why it is safe; or what it would allow.
    pub reason: &'static str,
}

const fn file(right: AccessFs, name: &'static str, granted: &'static [Profile], reason: &'static str) -> RightRow {
    RightRow { right: Right::File(right), name, granted, reason }
}

const fn net(right: AccessNet, name: &'static str, reason: &'static str) -> RightRow {
    RightRow { right: Right::Net(right), name, granted: &[], reason }
}

const fn scope(right: Scope, name: &'static str, reason: &'static str) -> RightRow {
    RightRow { right: Right::Scope(right), name, granted: &[], reason }
}

/// The landlock ruleset.
pub const RIGHTS: &[RightRow] = &[
    file(AccessFs::ReadFile, "FS_READ_FILE", WITH_STORAGE, "The database and its journal."),
    file(AccessFs::WriteFile, "FS_WRITE_FILE", WITH_STORAGE, "The database and its journal."),
    file(AccessFs::Truncate, "FS_TRUNCATE", WITH_STORAGE, "SQLite shortens its files; a journal that ends empty."),
    file(AccessFs::MakeReg, "FS_MAKE_REG", WITH_STORAGE, "A new database, a new journal."),
    file(AccessFs::RemoveFile, "FS_REMOVE_FILE", WITH_STORAGE, "The journal at the end of a transaction."),
    file(
        AccessFs::ReadDir,
        "FS_READ_DIR",
        WITH_STORAGE,
        "SQLite opens the directory to make new names durable with fsync. The filter refuses to list it.",
    ),
    file(AccessFs::Execute, "FS_EXECUTE", &[], "No program is ever run."),
    file(AccessFs::MakeDir, "FS_MAKE_DIR", &[], "The directory stays flat, so that a walk over it is short."),
    file(AccessFs::RemoveDir, "FS_REMOVE_DIR", &[], "There is none to remove."),
    file(AccessFs::MakeSym, "FS_MAKE_SYM", &[], "A link could mislead whoever else reads the directory."),
    file(AccessFs::MakeSock, "FS_MAKE_SOCK", &[], "A way to be reached by other processes."),
    file(AccessFs::MakeFifo, "FS_MAKE_FIFO", &[], "As a socket; opening one can block for ever."),
    file(AccessFs::MakeChar, "FS_MAKE_CHAR", &[], "A device is a way into the kernel."),
    file(AccessFs::MakeBlock, "FS_MAKE_BLOCK", &[], "A device is a way into the kernel."),
    file(AccessFs::Refer, "FS_REFER", &[], "Hard links and renames between directories."),
    file(AccessFs::IoctlDev, "FS_IOCTL_DEV", &[], "There is no device."),
    file(AccessFs::ResolveUnix, "FS_RESOLVE_UNIX", &[], "Connecting to a socket in the file system."),
    net(AccessNet::BindTcp, "NET_BIND_TCP", "No sockets, ever."),
    net(AccessNet::ConnectTcp, "NET_CONNECT_TCP", "No sockets, ever."),
    net(AccessNet::BindUdp, "NET_BIND_UDP", "No sockets, ever."),
    net(AccessNet::ConnectSendUdp, "NET_CONNECT_SEND_UDP", "No sockets, ever."),
    scope(Scope::AbstractUnixSocket, "SCOPE_ABSTRACT_UNIX_SOCKET", "Sockets of other processes that have no path."),
    scope(Scope::Signal, "SCOPE_SIGNAL", "Signals to other processes."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_of_landlock_has_one_row() {
        use landlock::{ABI, Access, BitFlags};
        let (mut files, mut nets, mut scopes) = (BitFlags::EMPTY, BitFlags::EMPTY, BitFlags::EMPTY);
        for row in RIGHTS {
            let new = match row.right {
                Right::File(right) => {
                    let new = !files.contains(right);
                    files |= right;
                    new
                }
                Right::Net(right) => {
                    let new = !nets.contains(right);
                    nets |= right;
                    new
                }
                Right::Scope(right) => {
                    let new = !scopes.contains(right);
                    scopes |= right;
                    new
                }
            };
            assert!(new, "{}", row.name);
            assert!(row.granted.iter().all(|profile| WITH_STORAGE.contains(profile)), "{}", row.name);
        }
        assert_eq!(files, AccessFs::from_all(ABI::V10));
        assert_eq!(nets, AccessNet::from_all(ABI::V10));
        assert_eq!(scopes, Scope::from_all(ABI::V10));
    }
}
