//! Ways out of the real worker, and which layers stop each of them. Every attempt is made with all layers up, which must stop
//! it; with each of its layers as the only one of them, which must stop it too; and with none of them, where it must succeed,
//! because an attempt that cannot succeed shows nothing.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::{TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use bulkhead_policy::{
    enter,
    probe::{self, ESCAPE, PROBE_ARG, WITHOUT_ARG},
    report::Layer::{self, *},
    spawn::{self, Exit},
};
use bulkhead_test_support::process;

use super::table::{SIGSYS, owner};

/// The longest file of the actor, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// "File too large".
const EFBIG: i32 = 27;

/// V8's heap, as for workers that no policy is written for, in bytes.
const HEAP_BYTES: u64 = 128 << 20;

/// Private writable memory of the worker above what it has at its start, in bytes.
const MEMORY_BYTES: u64 = 512 << 20;

/// What there is to reach for. Everything is made anew for each attempt, so that none finds what another has left.
struct World {
    root: tempfile::TempDir,
    victim: Child,
    tcp: [TcpListener; 2],
    udp: [UdpSocket; 2],
    abstract_name: String,
    _listeners: [UnixListener; 2],
}

/// An executable that ends with 0. It is whole in itself: one that needs a loader would fail in an empty root for that reason.
fn program() -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    const MACHINE_AND_CODE: (u16, &[u8]) = (62, &[0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05]);
    #[cfg(target_arch = "aarch64")]
    const MACHINE_AND_CODE: (u16, &[u8]) = (183, &[0xa8, 0x0b, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 0x01, 0, 0, 0xd4]);
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let (machine, code) = MACHINE_AND_CODE;
    let length = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    elf.extend([2u16, machine].map(u16::to_le_bytes).concat());
    elf.extend(1u32.to_le_bytes());
    elf.extend([BASE + HEADERS, 64, 0].map(u64::to_le_bytes).concat());
    elf.extend(0u32.to_le_bytes());
    elf.extend([64u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    elf.extend([1u32, 5].map(u32::to_le_bytes).concat());
    elf.extend([0, BASE, BASE, length, length, 0x1000].map(u64::to_le_bytes).concat());
    elf.extend(code);
    elf
}

/// Something in this process's memory, which plays the supervisor's.
static SECRET: [u8; 8] = *b"\x01secret\x01";

impl World {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let root = tempfile::tempdir().expect("make a directory");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
        let own = |path: &Path, uid| std::os::unix::fs::chown(path, Some(uid), Some(uid)).expect("chown");
        // Whoever may go through here may go on to what is beneath if its own mode says so.
        mode(root.path(), 0o755);
        for (name, file, number) in [("own", "mine", 0), ("other", "secret", 1)] {
            let directory = root.path().join(name);
            fs::create_dir(&directory).expect("make a directory");
            let file = directory.join(file);
            fs::write(&file, "secret").expect("write");
            mode(&file, 0o600);
            own(&file, owner(number));
            mode(&directory, 0o700);
            own(&directory, owner(number));
        }
        let (own_directory, secret) = (root.path().join("own"), root.path().join("other/secret"));
        std::os::unix::fs::symlink(&secret, own_directory.join("symbolic")).expect("make a link");
        fs::hard_link(&secret, own_directory.join("hard")).expect("make a link");
        fs::write(own_directory.join("program"), program()).expect("write a program");
        mode(&own_directory.join("program"), 0o755);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let abstract_name = format!("bulkhead-escape-{}-{count}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&abstract_name).expect("a name");
        let at_path = UnixListener::bind(root.path().join("socket")).expect("listen");
        mode(&root.path().join("socket"), 0o777);
        Self {
            victim: Command::new("/bin/sleep").arg("1000").stdin(Stdio::null()).spawn().expect("start a victim"),
            tcp: ["127.0.0.1:0", "[::1]:0"].map(|address| TcpListener::bind(address).expect("listen")),
            udp: ["127.0.0.1:0", "[::1]:0"].map(|address| UdpSocket::bind(address).expect("bind")),
            _listeners: [UnixListener::bind_addr(&address).expect("listen"), at_path],
            abstract_name,
            root,
        }
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    fn tcp(&self, at: usize) -> String {
        self.tcp[at].local_addr().expect("an address").port().to_string()
    }

    fn udp(&self, at: usize) -> String {
        self.udp[at].local_addr().expect("an address").port().to_string()
    }

    /// How it went: nothing when the attempt succeeded, otherwise what stopped it.
    fn attempt(&self, escape: &Escape, without: &[Layer]) -> Option<String> {
        let mut arguments = vec![
            "--shards=1".to_owned(),
            "--sandbox=best-effort".to_owned(),
            format!("--heap-bytes={HEAP_BYTES}"),
            format!("--memory-bytes={MEMORY_BYTES}"),
        ];
        let mut more = Vec::new();
        if escape.actor {
            arguments.push(format!("--storage={FILE_BYTES}"));
            more.push(OwnedFd::from(File::open(self.path("own")).expect("open the directory")));
            // What somebody has forgotten to close.
            more.push(File::open(self.path("other")).expect("open the directory").into());
            more.push(File::open(self.path("other/secret")).expect("open the file").into());
        }
        let names: Vec<_> = without.iter().filter(|layer| **layer != PidNamespace).map(|layer| layer.name()).collect();
        if !names.is_empty() {
            arguments.push(format!("{WITHOUT_ARG}{}", names.join(",")));
        }
        arguments.extend([PROBE_ARG, ESCAPE, escape.attempt].map(str::to_owned));
        arguments.extend((escape.arguments)(self));
        let pid_namespace =
            if without.contains(&PidNamespace) { spawn::PidNamespace::Off } else { spawn::PidNamespace::IfPermitted };
        let (exit, said) = super::start_with(&arguments, more, pid_namespace);
        match exit {
            Exit::Code(probe::SUCCEEDED) => None,
            Exit::Code(probe::UNKNOWN) => panic!("{}: no such attempt: {said}", escape.name),
            // What the process says when it does not get as far as the attempt is no answer to it.
            Exit::Code(errno) if !said.contains("sandbox-worker:") => {
                Some(std::io::Error::from_raw_os_error(errno).to_string())
            }
            Exit::Signal { signal: SIGSYS, .. } => Some(said.trim().to_owned()),
            exit => panic!("{} without {names:?}: {exit}: {said}", escape.name),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

/// One way out.
struct Escape {
    name: &'static str,
    /// Whether it is tried by an actor. Otherwise the worker has no storage.
    actor: bool,
    attempt: &'static str,
    arguments: fn(&World) -> Vec<String>,
    /// The layers of which any alone stops it.
    stopped_by: &'static [Layer],
}

const fn stateless(
    name: &'static str,
    attempt: &'static str,
    arguments: fn(&World) -> Vec<String>,
    stopped_by: &'static [Layer],
) -> Escape {
    Escape { name, actor: false, attempt, arguments, stopped_by }
}

const fn actor(
    name: &'static str,
    attempt: &'static str,
    arguments: fn(&World) -> Vec<String>,
    stopped_by: &'static [Layer],
) -> Escape {
    Escape { name, actor: true, attempt, arguments, stopped_by }
}

fn one(argument: impl Into<String>) -> Vec<String> {
    vec![argument.into()]
}

fn nothing(_: &World) -> Vec<String> {
    Vec::new()
}

fn own_pid() -> u32 {
    std::process::id()
}

const ESCAPES: &[Escape] = &[
    // What /proc tells. The environment is empty: what is shown is that it cannot even be asked for.
    stateless("its own environment", "read", |_| one("/proc/self/environ"), &[EmptyRoot, Landlock, Seccomp, Process]),
    stateless(
        "the supervisor's environment",
        "read",
        |_| one(format!("/proc/{}/environ", own_pid())),
        &[EmptyRoot, Landlock, Seccomp, Uid, UserNamespace, Capabilities],
    ),
    stateless(
        "the supervisor's memory",
        "read-at",
        |_| vec![format!("/proc/{}/mem", own_pid()), SECRET.as_ptr().addr().to_string()],
        &[EmptyRoot, Landlock, Seccomp, Uid, UserNamespace, Capabilities],
    ),
    // The files of another tenant.
    actor(
        "another's file by its path",
        "read",
        |world| one(world.path("other/secret")),
        &[EmptyRoot, Landlock, Uid, UserNamespace, Capabilities],
    ),
    actor(
        "another's file by a symbolic link in the own directory",
        "read-beneath",
        |_| one("symbolic"),
        &[EmptyRoot, Landlock, Uid, UserNamespace, Capabilities],
    ),
    actor(
        "another's file by a hard link in the own directory",
        "read-beneath",
        |_| one("hard"),
        &[Uid, UserNamespace, Capabilities],
    ),
    actor(
        "another's file through ..",
        "read-beneath",
        |_| one("../other/secret"),
        &[EmptyRoot, Landlock, Uid, UserNamespace, Capabilities],
    ),
    actor(
        "another's file through .. of any descriptor",
        "read-beneath-any-descriptor",
        |_| one("../other/secret"),
        &[EmptyRoot, Landlock, Uid, UserNamespace, Capabilities],
    ),
    actor(
        "another's file by linking it",
        "link",
        |world| one(world.path("other/secret")),
        &[EmptyRoot, Landlock, Seccomp, Uid, UserNamespace, Capabilities],
    ),
    actor(
        "another's file by renaming it",
        "rename",
        |_| one("../other/secret"),
        &[EmptyRoot, Landlock, Seccomp, Uid, UserNamespace, Capabilities],
    ),
    actor("another's file by a descriptor that was left open", "read-any-descriptor", nothing, &[Descriptors]),
    actor(
        "another's file beneath a directory that was left open",
        "read-beneath-any-descriptor",
        |_| one("secret"),
        &[Descriptors, Landlock, Uid, UserNamespace, Capabilities],
    ),
    actor(
        "a device, opened for neither reading nor writing",
        "open-for-neither",
        |_| one("/dev/null"),
        &[EmptyRoot, Seccomp],
    ),
    // What may not be made in the own directory.
    actor("a directory", "mkdir", nothing, &[Landlock, Seccomp]),
    actor("a pipe", "mkfifo", nothing, &[Landlock, Seccomp]),
    actor("a symbolic link", "symlink", nothing, &[Landlock, Seccomp]),
    actor("a socket", "bind-path", |_| one("/actor/made"), &[Landlock, Seccomp]),
    actor("the flags of an open file", "change-flags", nothing, &[Seccomp]),
    actor("running a program", "execute", |_| one("program"), &[EmptyRoot, Landlock, Seccomp]),
    // Other processes.
    stateless(
        "an abstract socket",
        "connect-unix",
        |world| one(format!("@{}", world.abstract_name)),
        &[NetNamespace, Landlock, Seccomp],
    ),
    stateless("a socket in the file system", "connect-unix", |world| one(world.path("socket")), &[EmptyRoot, Seccomp]),
    stateless("TCP over IPv4", "connect-tcp4", |world| one(world.tcp(0)), &[NetNamespace, Landlock, Seccomp]),
    stateless("TCP over IPv6", "connect-tcp6", |world| one(world.tcp(1)), &[NetNamespace, Landlock, Seccomp]),
    stateless("UDP over IPv4", "send-udp4", |world| one(world.udp(0)), &[NetNamespace, Seccomp]),
    stateless("UDP over IPv6", "send-udp6", |world| one(world.udp(1)), &[NetNamespace, Seccomp]),
    stateless("a signal", "kill", |world| one(world.victim.id().to_string()), &[PidNamespace, Uid, Landlock, Seccomp]),
    // What there is only so much of.
    stateless("threads", "threads", |_| one("200"), &[Rlimits]),
    stateless("processes", "processes", |_| one("200"), &[Rlimits, Seccomp]),
    stateless("descriptors", "descriptors", |_| one("500"), &[Rlimits]),
    stateless("a descriptor on its way to nobody", "send-descriptor", nothing, &[Seccomp]),
    stateless("memory", "map", |_| one((2 * MEMORY_BYTES).to_string()), &[Rlimits]),
    stateless("memory as a stack", "stretch-the-stack", |_| one((2 * MEMORY_BYTES).to_string()), &[Seccomp]),
    stateless("address space", "map-to-read", |_| one((1u64 << 40).to_string()), &[Rlimits]),
    actor("a file beyond its quota", "write", |_| one((2 * FILE_BYTES).to_string()), &[Rlimits]),
];

/// Only root can give a worker a user and namespaces without a detour, and can make files that belong to others.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("not tried: this needs root");
    }
    root
}

/// What landlock stops depends on how old the kernel is.
fn stops(escape: &Escape, layer: Layer) -> bool {
    let needed = match (layer, escape.attempt) {
        (Landlock, "connect-unix" | "kill") => 6,
        (Landlock, "connect-tcp4" | "connect-tcp6") => 4,
        (Landlock, _) => 1,
        _ => 0,
    };
    needed <= enter::landlock_abi()
}

fn judge(escape: &Escape) -> Option<String> {
    let mut wrong = Vec::new();
    let mut attempt = |without: &[Layer], must_succeed: bool| {
        let stopped = World::new().attempt(escape, without);
        let names: Vec<_> = without.iter().map(|layer| layer.name()).collect();
        match &stopped {
            None if !must_succeed => wrong.push(format!("{}: not stopped without {names:?}", escape.name)),
            Some(how) if must_succeed => wrong.push(format!("{}: stopped without {names:?}: {how}", escape.name)),
            _ => {}
        }
    };
    attempt(&[], false);
    for alone in escape.stopped_by.iter().filter(|layer| stops(escape, **layer)) {
        let others: Vec<Layer> = escape.stopped_by.iter().copied().filter(|layer| layer != alone).collect();
        if !others.is_empty() {
            attempt(&others, false);
        }
    }
    attempt(escape.stopped_by, true);
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}

#[test]
fn every_way_out_is_closed_by_each_of_its_layers_alone() {
    if !is_root() {
        return;
    }
    let wrong = super::in_two_halves(ESCAPES, judge);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An actor can work: in its mount, and where there is no mount namespace through its descriptor. Its files are its
/// directory's owner's, and nobody else's. Without root there is one user, and the same holds.
#[test]
fn an_actor_keeps_files_in_its_directory() {
    use std::os::unix::fs::MetadataExt;

    let uid = if nix::unistd::geteuid().is_root() { owner(0) } else { nix::unistd::geteuid().as_raw() };
    for (prefix, without) in [("/actor/", None), ("", None), ("", Some(EmptyRoot))] {
        let directory = super::table::actor_directory(uid);
        let handed = OwnedFd::from(File::open(directory.path()).expect("open the directory"));
        let mut arguments = vec!["--shards=1".to_owned(), format!("--storage={FILE_BYTES}")];
        arguments.extend(without.map(|layer| format!("{WITHOUT_ARG}{layer}")));
        arguments.extend([PROBE_ARG, ESCAPE, "database", prefix].map(str::to_owned));
        let (exit, said) = super::start_with(&arguments, vec![handed], spawn::PidNamespace::IfPermitted);
        assert_eq!(exit, Exit::Code(probe::SUCCEEDED), "{prefix} {without:?}: {said}");
        let file = fs::metadata(directory.path().join("db")).expect("the file outlives the process");
        assert_eq!((file.uid(), file.mode() & 0o777, file.len()), (uid, 0o600, 8192));
    }
    // A file at its quota is an error and not the end, also where the signal for that would have arrived.
    for pid_namespace in [spawn::PidNamespace::IfPermitted, spawn::PidNamespace::Off] {
        let directory = super::table::actor_directory(uid);
        let handed = OwnedFd::from(File::open(directory.path()).expect("open the directory"));
        let storage = format!("--storage={FILE_BYTES}");
        let beyond = (FILE_BYTES + 4096).to_string();
        let arguments = ["--shards=1", &storage, PROBE_ARG, ESCAPE, "write", &beyond];
        let (exit, said) = super::start_with(&arguments, vec![handed], pid_namespace);
        assert_eq!(exit, Exit::Code(EFBIG), "{said}");
        assert_eq!(fs::metadata(directory.path().join("long")).expect("the file is there").len(), FILE_BYTES);
    }
}

/// No layer of the worker bounds the number of files: whoever starts an actor has to look.
#[test]
fn too_many_files_are_seen_from_outside() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let own = world.root.path().join("own");
    let escape = actor("files", "files", |_| one("300"), &[]);
    let files = || fs::read_dir(&own).expect("look").count();
    let before = files();
    assert_eq!(world.attempt(&escape, &[]), None, "an actor makes files");
    assert_eq!(files(), before + 300);
}

/// A directory that is root's, or a user's who is no worker, is not entered.
#[test]
fn a_directory_of_somebody_else_is_refused() {
    if !is_root() {
        return;
    }
    let own_range = enter::UidRange::default().base;
    for uid in [0, 1000, own_range + 1] {
        let directory = super::table::actor_directory(uid);
        let handed = OwnedFd::from(File::open(directory.path()).expect("open the directory"));
        let arguments = ["--shards=1", "--storage=1", PROBE_ARG, "nothing"];
        let (exit, said) = super::start_with(&arguments, vec![handed], spawn::PidNamespace::IfPermitted);
        assert_eq!(exit, Exit::Code(1), "{uid}: {said}");
        assert!(said.contains(&format!("the directory belongs to user {uid}")), "{said}");
    }
}

/// Where nothing is compiled nothing is executable but the files of the program, and the filter keeps it so.
#[test]
fn without_a_compiler_no_memory_is_executable() {
    if !is_root() {
        return;
    }
    let (_diagnostics, theirs) = std::io::pipe().expect("make a pipe");
    let mut command = spawn::WorkerCommand::new(env!("CARGO_BIN_EXE_sandbox-worker"), theirs.into());
    command.args = ["--shards=1", "--jitless"].map(Into::into).into();
    let (_ours, theirs): (Vec<_>, Vec<_>) =
        [(); 2].map(|()| std::os::unix::net::UnixStream::pair().expect("make a pair of sockets")).into_iter().unzip();
    command.fds = theirs.into_iter().map(Into::into).collect();
    let worker = command.spawn().expect("start the worker");
    let pid = u32::try_from(worker.pid()).expect("a process id");
    bulkhead_test_support::runtime::wait_until("the worker to be shut in", || {
        process::status_field(pid, None, "Seccomp").as_deref() == Some("2")
    });
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("root may look");
    let executable: Vec<&str> =
        maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|rights| rights.contains('x'))).collect();
    assert!(!executable.is_empty(), "{maps}");
    for line in executable {
        let file = line.split_whitespace().nth(5).unwrap_or_default();
        assert!(file.starts_with('/') || matches!(file, "[vdso]" | "[vsyscall]"), "{line}");
        assert!(!line.contains("rwx"), "{line}");
    }
}

/// Each process is laid out anew, and none shares memory that it can write to.
#[test]
fn workers_share_no_layout_and_no_memory() {
    if !is_root() {
        return;
    }
    let server = bulkhead_test_support::supervisor!().serve(bulkhead_test_support::Setup::sample("hello"));
    let mut workers = Vec::new();
    bulkhead_test_support::runtime::wait_until("two workers to be shut in", || {
        workers = process::workers(server.pid());
        let shut = |pid: &u32| process::status_field(*pid, None, "Seccomp").as_deref() == Some("2");
        workers.len() > 1 && workers.iter().all(shut)
    });
    let maps = |pid: u32| fs::read_to_string(format!("/proc/{pid}/maps")).expect("root may look");
    let executable = env!("CARGO_BIN_EXE_sandbox-worker");
    for what in [executable, "[stack]", "[vdso]"] {
        let bases: BTreeSet<String> = workers
            .iter()
            .map(|worker| {
                let maps = maps(*worker);
                let line = maps.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {maps}"));
                line.split('-').next().expect("an address").to_owned()
            })
            .collect();
        assert_eq!(bases.len(), workers.len(), "{what}");
    }
    for worker in workers {
        for line in maps(worker).lines() {
            let rights = line.split_whitespace().nth(1).expect("four letters");
            assert!(!rights.contains('w') || rights.ends_with('p'), "worker {worker}: {line}");
        }
    }
}
