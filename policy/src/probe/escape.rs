//! Ways out of the sandbox, to be tried in a shut worker. Each says whether it worked; which layers stop it is for the test
//! to know, which leaves layers out.

use std::{ffi::CString, os::fd::RawFd, time::Duration};

use super::last_errno;

/// The directory's descriptor, or `AT_FDCWD` without one.
struct World<'a> {
    directory: RawFd,
    args: &'a [String],
}

type Attempt = fn(&World<'_>) -> i64;

/// What can be tried, by name. An attempt gives a negative number and leaves `errno` when it was stopped.
const ATTEMPTS: &[(&str, Attempt)] = &[
    ("read", |world| world.read(libc::AT_FDCWD, world.path(0), 0)),
    ("read-at", |world| world.read(libc::AT_FDCWD, world.path(0), world.number(1))),
    ("read-beneath", |world| world.read(world.directory, world.path(0), 0)),
    ("read-any-descriptor", |_| (0..4096).map(|fd| peek(fd, 0)).max().unwrap_or(-1)),
    ("read-beneath-any-descriptor", |world| (0..4096).map(|fd| world.read(fd, world.path(0), 0)).max().unwrap_or(-1)),
    ("link", |world| {
        let path = world.path(0);
        call(libc::SYS_linkat, [at(libc::AT_FDCWD), pointer(&path), at(world.directory), pointer(c"linked"), 0])
    }),
    ("rename", |world| {
        let path = world.path(0);
        call(libc::SYS_renameat2, [at(world.directory), pointer(&path), at(world.directory), pointer(c"taken"), 0])
    }),
    ("mkdir", |world| call(libc::SYS_mkdirat, [at(world.directory), pointer(c"made"), 0o700, 0, 0])),
    ("mkfifo", |world| {
        call(libc::SYS_mknodat, [at(world.directory), pointer(c"made"), u64::from(libc::S_IFIFO | 0o600), 0, 0])
    }),
    ("symlink", |world| {
        call(libc::SYS_symlinkat, [pointer(c"/etc/passwd"), at(world.directory), pointer(c"made"), 0, 0])
    }),
    ("bind-path", |world| {
        let path = world.text(0);
        with_unix_address(path, |socket, address, length| call(libc::SYS_bind, [at(socket), address, length, 0, 0]))
    }),
    ("execute", |world| {
        let path = world.path(0);
        call(libc::SYS_execveat, [at(world.directory), pointer(&path), 0, 0, 0])
    }),
    ("connect-unix", |world| {
        with_unix_address(world.text(0), |socket, address, length| {
            call(libc::SYS_connect, [at(socket), address, length, 0, 0])
        })
    }),
    ("connect-tcp4", |world| inet(libc::SOCK_STREAM, &v4(world.number(0)))),
    ("connect-tcp6", |world| inet(libc::SOCK_STREAM, &v6(world.number(0)))),
    ("send-udp4", |world| inet(libc::SOCK_DGRAM, &v4(world.number(0)))),
    ("send-udp6", |world| inet(libc::SOCK_DGRAM, &v6(world.number(0)))),
    ("kill", |world| call(libc::SYS_kill, [world.number(0), libc::SIGKILL as u64, 0, 0, 0])),
    ("threads", |world| {
        let start = || {
            let builder = std::thread::Builder::new().stack_size(64 << 10);
            builder.spawn(|| std::thread::sleep(Duration::from_secs(1000))).map_or(-1, |_| 0)
        };
        repeat(world.number(0), start)
    }),
    ("processes", |world| {
        repeat(world.number(0), || {
            // The child must not go on with what the parent does, and ends with its namespace's init.
            match call(libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0, 0]) {
                0 => loop {
                    std::thread::sleep(Duration::from_secs(1000));
                },
                pid => pid,
            }
        })
    }),
    ("descriptors", |world| repeat(world.number(0), || call(libc::SYS_eventfd2, [0; 5]))),
    ("files", |world| {
        let mut at = 0;
        repeat(world.number(0), || {
            at += 1;
            close(world.open(world.directory, &name(at), libc::O_RDWR | libc::O_CREAT))
        })
    }),
    ("database", database),
    ("write", |world| {
        let file = world.open(world.directory, c"long", libc::O_RDWR | libc::O_CREAT) as u64;
        let page = [1u8; 4096];
        let mut at = 0;
        repeat(world.number(0) / 4096, || {
            at += 4096;
            call(libc::SYS_pwrite64, [file, page.as_ptr().addr() as u64, 4096, at - 4096, 0])
        })
    }),
    ("open-for-neither", |world| world.open(libc::AT_FDCWD, &world.path(0), libc::O_WRONLY | libc::O_RDWR)),
    ("change-flags", |world| {
        let file = world.open(world.directory, c"mine", libc::O_RDWR) as u64;
        call(libc::SYS_fcntl, [file, libc::F_SETFL as u64, (libc::O_APPEND | libc::O_ASYNC) as u64, 0, 0])
    }),
    ("stretch-the-stack", |world| {
        let here = 0u64;
        // One page that is not in use, which stays a stack wherever it is moved to.
        let page = (std::ptr::from_ref(&here).addr() as u64 & !4095) - (64 << 10);
        call(libc::SYS_mremap, [page, 4096, world.number(0), libc::MREMAP_MAYMOVE as u64, 0])
    }),
    ("send-descriptor", |_| {
        // The control connection through itself.
        let byte = libc::iovec { iov_base: c"x".as_ptr().cast_mut().cast(), iov_len: 1 };
        // A header of a length, a level and a type, and the descriptor, as `CMSG_SPACE` lays them out.
        let mut rights = [20, 0, 3u64];
        rights[1] = (libc::SOL_SOCKET as u64) | (libc::SCM_RIGHTS as u64) << 32;
        // SAFETY: all-zero is a valid header of a message.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = std::ptr::from_ref(&byte).cast_mut();
        message.msg_iovlen = 1;
        message.msg_control = rights.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&rights) as _;
        call(libc::SYS_sendmsg, [3, std::ptr::from_ref(&message).addr() as u64, libc::MSG_DONTWAIT as u64, 0, 0])
    }),
    ("map", |world| {
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
        // SAFETY: a new mapping that nobody uses.
        unsafe { libc::syscall(libc::SYS_mmap, 0u64, world.number(0), 3u64, flags, u64::MAX, 0u64).min(0) }
    }),
    // Not writable, and so no data: every read takes a piece of a page table and nothing else.
    ("map-to-read", |world| {
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
        // SAFETY: a new mapping that nobody uses.
        unsafe { libc::syscall(libc::SYS_mmap, 0u64, world.number(0), 1u64, flags, u64::MAX, 0u64).min(0) }
    }),
];

/// What SQLite asks of the kernel for a transaction with a rollback journal, and no attempt to get out. The names of the files
/// begin with the first argument.
fn database(world: &World<'_>) -> i64 {
    let path = |name: &str| CString::new(format!("{}{name}", world.text(0))).unwrap_or_default();
    let (base, journal) = (path("db"), path("db-journal"));
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_NOFOLLOW;
    let directory = world.directory;
    let mut status = [0u64; 32];
    let status = status.as_mut_ptr().addr() as u64;
    let mut page = [7u8; 4096];
    let bytes = page.as_mut_ptr().addr() as u64;
    // SAFETY: all-zero is a valid lock: the whole file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    let lock = std::ptr::from_ref(&lock).addr() as u64;
    let steps = || {
        let file = done(world.open(directory, &base, flags))?;
        done(call(libc::SYS_newfstatat, [file, pointer(c""), status, libc::AT_EMPTY_PATH as u64, 0]))?;
        done(call(libc::SYS_fcntl, [file, libc::F_SETLK as u64, lock, 0, 0]))?;
        done(call(libc::SYS_faccessat, [at(directory), pointer(&base), libc::R_OK as u64, 0, 0]))?;
        let missing = call(libc::SYS_newfstatat, [at(directory), pointer(&journal), status, 0, 0]);
        let missing = missing < 0 && last_errno() == libc::ENOENT;
        missing.then_some(())?;
        let log = done(world.open(directory, &journal, flags | libc::O_EXCL))?;
        done(call(libc::SYS_pwrite64, [log, bytes, 4096, 0, 0]))?;
        done(call(libc::SYS_fdatasync, [log, 0, 0, 0, 0]))?;
        let names =
            done(world.open(directory, if world.text(0).is_empty() { c"." } else { c"/actor" }, libc::O_RDONLY))?;
        done(call(libc::SYS_fsync, [names, 0, 0, 0, 0]))?;
        done(call(libc::SYS_pwrite64, [file, bytes, 4096, 4096, 0]))?;
        done(call(libc::SYS_ftruncate, [file, 8192, 0, 0, 0]))?;
        done(call(libc::SYS_fsync, [file, 0, 0, 0, 0]))?;
        done(call(libc::SYS_close, [log, 0, 0, 0, 0]))?;
        done(call(libc::SYS_unlinkat, [at(directory), pointer(&journal), 0, 0, 0]))?;
        #[cfg(target_arch = "x86_64")]
        {
            let log = done(world.open(directory, &journal, flags))?;
            done(call(libc::SYS_close, [log, 0, 0, 0, 0]))?;
            // These take no directory: they mean the file where there is an absolute path.
            if !world.text(0).is_empty() {
                done(call(libc::SYS_access, [pointer(&base), libc::W_OK as u64, 0, 0, 0]))?;
                done(call(libc::SYS_unlink, [pointer(&journal), 0, 0, 0, 0]))?;
            }
        }
        done(call(libc::SYS_geteuid, [0; 5]))?;
        (call(libc::SYS_pread64, [file, bytes, 4096, 4096, 0]) == 4096 && page == [7; 4096]).then_some(())
    };
    if steps().is_some() { 0 } else { -1 }
}

/// What a call that must not fail has given.
fn done(result: i64) -> Option<u64> {
    u64::try_from(result).ok()
}

impl World<'_> {
    fn text(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    fn path(&self, at: usize) -> CString {
        CString::new(self.text(at)).unwrap_or_default()
    }

    fn number(&self, at: usize) -> u64 {
        self.text(at).parse().unwrap_or(0)
    }

    fn open(&self, directory: RawFd, path: &std::ffi::CStr, flags: i32) -> i64 {
        call(libc::SYS_openat, [at(directory), pointer(path), (flags | libc::O_CLOEXEC) as u64, 0o600, 0])
    }

    /// Opens and reads; an empty file counts as read.
    fn read(&self, directory: RawFd, path: CString, offset: u64) -> i64 {
        let file = self.open(directory, &path, libc::O_RDONLY);
        if file < 0 {
            return file;
        }
        let mut byte = [0u8; 1];
        // Without pread64, which only an actor has.
        if offset != 0 && call(libc::SYS_lseek, [file as u64, offset, libc::SEEK_SET as u64, 0, 0]) < 0 {
            return -1;
        }
        let count = call(libc::SYS_read, [file as u64, byte.as_mut_ptr().addr() as u64, 1, 0, 0]);
        let errno = last_errno();
        close(file);
        set_errno(errno);
        count
    }
}

/// Tries one attempt: 0, or the `errno` that stopped it.
pub(super) fn attempt(name: &str, args: &[String], directory: Option<RawFd>) -> Option<i32> {
    let (_, attempt) = ATTEMPTS.iter().find(|(known, _)| *known == name)?;
    let world = World { directory: directory.unwrap_or(libc::AT_FDCWD), args };
    set_errno(0);
    Some(if attempt(&world) >= 0 { super::SUCCEEDED } else { last_errno().max(1) })
}

/// One byte of what a descriptor refers to, if it is something with positions: 0 or more when there was one.
fn peek(fd: RawFd, offset: u64) -> i64 {
    let mut byte = [0u8; 1];
    match call(libc::SYS_pread64, [at(fd), byte.as_mut_ptr().addr() as u64, 1, offset, 0]) {
        1 => 1,
        _ => -1,
    }
}

fn repeat(times: u64, mut what: impl FnMut() -> i64) -> i64 {
    for _ in 0..times {
        if what() < 0 {
            return -1;
        }
    }
    0
}

fn close(file: i64) -> i64 {
    if file < 0 { file } else { call(libc::SYS_close, [file as u64, 0, 0, 0, 0]) }
}

fn name(number: u32) -> CString {
    CString::new(format!("file{number}")).unwrap_or_default()
}

fn v4(port: u64) -> Vec<u8> {
    let [high, low] = (port as u16).to_be_bytes();
    let mut address = vec![libc::AF_INET as u8, 0, high, low, 127, 0, 0, 1];
    address.resize(16, 0);
    address
}

fn v6(port: u64) -> Vec<u8> {
    let [high, low] = (port as u16).to_be_bytes();
    let mut address = vec![libc::AF_INET6 as u8, 0, high, low];
    address.resize(28, 0);
    address[23] = 1;
    address
}

fn inet(kind: i32, address: &[u8]) -> i64 {
    let socket = call(libc::SYS_socket, [u64::from(address[0]), kind as u64, 0, 0, 0]);
    if socket < 0 {
        return socket;
    }
    let (pointer, length) = (address.as_ptr().addr() as u64, address.len() as u64);
    match kind {
        libc::SOCK_STREAM => call(libc::SYS_connect, [socket as u64, pointer, length, 0, 0]),
        _ => {
            let byte = b"x".as_ptr().addr() as u64;
            // SAFETY: the byte and the address live for the call.
            unsafe { libc::syscall(libc::SYS_sendto, socket, byte, 1u64, 0u64, pointer, length) }
        }
    }
}

/// A stream socket and the address of `path`, where a leading `@` stands for the abstract namespace.
fn with_unix_address(path: &str, what: impl FnOnce(RawFd, u64, u64) -> i64) -> i64 {
    let socket = call(libc::SYS_socket, [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0, 0, 0]);
    if socket < 0 {
        return socket;
    }
    let mut address = vec![libc::AF_UNIX as u8, 0];
    address.extend(path.bytes());
    match address.get_mut(2) {
        Some(first @ b'@') => *first = 0,
        _ => address.push(0),
    }
    what(socket as RawFd, address.as_ptr().addr() as u64, address.len() as u64)
}

fn at(fd: RawFd) -> u64 {
    fd as u64
}

fn pointer(text: &std::ffi::CStr) -> u64 {
    text.as_ptr().addr() as u64
}

fn set_errno(value: i32) {
    // SAFETY: errno is this thread's.
    unsafe { *libc::__errno_location() = value }
}

/// One raw system call.
fn call(number: libc::c_long, args: [u64; 5]) -> i64 {
    // SAFETY: the callers pass integers, null, or pointers to what lives for the call.
    unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4]) }
}
