//! The sandbox as a worker sees it. This program is its own worker: the tests start it again through the real spawner,
//! with an argument that says what to do inside.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use bulkhead_policy::{
    cgroup::Delegation,
    check,
    enter::{self, Mode, Options, Prepared},
    probe::{self, Expect, PROBE_ARG, PROBES},
    report::{Layer, OUTSIDE_PREFIX, Status, parse_violation},
    spawn::{Exit, PidNamespace, Program, SpawnError, WorkerCommand, WorkerProcess},
    table::{Profile, Refusal},
};
use libtest_mimic::{Arguments, Failed, Trial};

const CHILD: &str = "--child";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some(check::SELF_TEST_ARG) => check::self_test_child(),
        Some(PROBE_ARG) => probe_child(&args[2]),
        Some(CHILD) => child(&args[2], &args[3..]),
        _ => {}
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    let tests = vec![
        trial("a_worker_inherits_exactly_what_it_is_given", inherits_exactly_what_it_is_given),
        trial("a_program_in_memory_is_as_one_in_a_file", program_in_memory),
        trial("descriptors_arrive_in_order_whatever_their_numbers", descriptors_arrive_in_order),
        trial("a_missing_executable_is_an_error_and_leaves_no_child", missing_executable),
        trial("every_thread_is_shut_and_the_walls_stand", walls_stand),
        trial("prepare_refuses_an_environment", refuses_an_environment),
        trial("prepare_refuses_a_descriptor_that_is_not_open", refuses_missing_descriptor),
        trial("prepare_refuses_a_second_thread", refuses_a_second_thread),
        trial("landlock_alone_refuses_files_and_tcp", landlock_alone),
        trial("a_worker_outlives_the_thread_that_asked_for_it", outlives_the_asking_thread),
        trial("a_worker_dies_with_its_supervisor", dies_with_its_supervisor),
        trial("a_dropped_worker_is_killed_and_reaped", dropped_is_reaped),
        trial("kill_is_reported_as_sigkill", kill_is_reported),
        trial("abort_is_sigabrt_with_and_without_a_pid_namespace", abort_is_sigabrt),
        trial("log_mode_lets_calls_pass_and_says_so", log_mode),
        trial("every_probe_ends_as_it_must", probes_end_as_they_must),
        trial("the_self_test_finds_every_required_layer", self_test),
        trial("the_self_test_works_without_root", self_test_without_root),
        trial("the_self_test_says_what_a_child_that_fails_said", self_test_of_a_failing_child),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit()
}

// The worker's side.

fn shut(refusal: Refusal) -> File {
    prepared().seal(Profile::Stateless, refusal).unwrap().take_descriptors().remove(0).into()
}

fn prepared() -> Prepared {
    enter::prepare(&Options { fds: 1, ..Options::default() }).unwrap()
}

fn channel() -> File {
    // SAFETY: every child here is started with a socket as descriptor 3 that nothing else in it owns.
    File::from(unsafe { OwnedFd::from_raw_fd(3) })
}

/// A panic must not unwind out of the probe, as it would not in a worker, which is built with `panic = "abort"`.
extern "C" fn no_unwinding(name: *const String) {
    // SAFETY: `probe_child` passes a reference.
    probe::run(std::slice::from_ref(unsafe { &*name }), None)
}

fn probe_child(name: &String) -> ! {
    let prepared = prepared();
    // As V8's helpers: threads that exist when the filter comes.
    let (go, wait) = mpsc::channel::<()>();
    let helper = std::thread::spawn(move || wait.recv().is_err());
    let _sealed = prepared.seal(Profile::Stateless, Refusal::Kill).unwrap();
    drop(go);
    assert!(helper.join().unwrap());
    no_unwinding(name);
    unreachable!()
}

#[expect(clippy::too_many_lines, reason = "one arm for each mode")]
fn child(mode: &str, rest: &[String]) -> ! {
    match mode {
        // Says what it was started with. Not shut.
        "list" => {
            let mut fds: Vec<i32> = fs::read_dir("/proc/self/fd")
                .unwrap()
                .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
                .collect();
            // Not the one that read the directory.
            fds.retain(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).is_ok());
            fds.sort_unstable();
            let names: Vec<_> =
                (0..2).map(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().display().to_string()).collect();
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let signals: Vec<_> =
                status.lines().filter(|line| line.starts_with("SigBlk") || line.starts_with("SigIgn")).collect();
            let environment = std::env::vars_os().count();
            writeln!(channel(), "{fds:?} {names:?} {environment} {signals:?}").unwrap();
        }
        // Writes the number of each descriptor from 3 up into it.
        "number" => {
            for fd in 3..3 + rest[0].parse::<i32>().unwrap() {
                // SAFETY: the test has handed these over.
                let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
                write!(file, "{fd}").unwrap();
            }
        }
        // Shut; answers each byte, ends at the end of the channel. Has a thread from before and one from after.
        "hold" => {
            let prepared = prepared();
            std::thread::spawn(|| std::thread::sleep(Duration::from_secs(1000)));
            let mut sealed = prepared.seal(Profile::Stateless, Refusal::Kill).unwrap();
            std::thread::spawn(|| std::thread::sleep(Duration::from_secs(1000)));
            let mut channel = File::from(sealed.take_descriptors().remove(0));
            writeln!(channel, "{}.", sealed.report().to_lines()).unwrap();
            let mut byte = [0];
            while channel.read(&mut byte).unwrap() == 1 {
                channel.write_all(&byte).unwrap();
            }
        }
        // Shut; says so and then listens to nothing.
        "deaf" => {
            shut(Refusal::Kill).write_all(b"!").unwrap();
            loop {
                std::thread::sleep(Duration::from_secs(1000));
            }
        }
        "log" => {
            let _channel = shut(Refusal::Log);
            let call = || {
                // SAFETY: no arguments. Not in the table.
                assert!(unsafe { libc::syscall(libc::SYS_getppid) } >= 0);
                // SAFETY: as above.
                assert!(unsafe { libc::syscall(libc::SYS_getuid) } >= 0);
                // SAFETY: a row that gives an error does so in log mode too.
                assert!(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) } < 0);
            };
            call();
            // Also in another thread, and once is enough.
            std::thread::spawn(call).join().unwrap();
        }
        "threads" => {
            std::thread::spawn(|| std::thread::sleep(Duration::from_secs(1000)));
            let error = enter::prepare(&Options { fds: 1, ..Options::default() }).unwrap_err();
            eprint!("{error}");
        }
        "missing" => {
            let error = enter::prepare(&Options { fds: 2, ..Options::default() }).unwrap_err();
            eprint!("{error}");
        }
        // Prepared but not sealed: what stands between it and the world is not seccomp. Descriptor 4 is a directory.
        "landlock" => {
            let options = Options { fds: 2, mode: Mode::Required, ..Options::default() };
            let _prepared = enter::prepare(&options).unwrap();
            // SAFETY: strings that end in NUL, an address of the right size; what is opened is never used.
            let errors = unsafe {
                let errno = |value: i64| if value < 0 { *libc::__errno_location() } else { 0 };
                let open = errno(libc::openat(4, c"passwd".as_ptr(), libc::O_RDONLY).into());
                let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
                let address = [2u8, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
                let connect = errno(libc::connect(socket, address.as_ptr().cast(), 16).into());
                let bind = errno(libc::bind(socket, address.as_ptr().cast(), 16).into());
                [open, connect, bind]
            };
            // It is owned by what was prepared, which has no use for it.
            write!(std::mem::ManuallyDrop::new(channel()), "{errors:?}").unwrap();
        }
        // A supervisor that starts a deaf worker whose diagnostics go where ours do, and then waits to be killed.
        "supervisor" => {
            let (mut ours, worker) = start("deaf", &[], io::stderr().as_fd_owned());
            ours.read_exact(&mut [0]).unwrap();
            println!("{}", worker.pid());
            std::thread::sleep(Duration::from_secs(1000));
        }
        "as-nobody" => {
            // SAFETY: plain integers and a null list of length zero.
            unsafe {
                assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
                assert_eq!(libc::setresgid(65534, 65534, 65534), 0);
                assert_eq!(libc::setresuid(65534, 65534, 65534), 0);
                assert_eq!(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
            }
            print!(
                "{}",
                check::run(&own_exe().into(), Delegation::take().as_ref().map_err(ToString::to_string))
                    .unwrap()
                    .to_lines()
            );
        }
        other => panic!("{other}"),
    }
    std::process::exit(0)
}

trait OwnedClone {
    fn as_fd_owned(&self) -> OwnedFd;
}

impl<T: std::os::fd::AsFd> OwnedClone for T {
    fn as_fd_owned(&self) -> OwnedFd {
        self.as_fd().try_clone_to_owned().unwrap()
    }
}

// The supervisor's side.

fn own_exe() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn is_root() -> bool {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn command(mode: &str, rest: &[&str], diagnostics: OwnedFd) -> (UnixStream, WorkerCommand) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = WorkerCommand::new(own_exe(), diagnostics);
    command.args = [CHILD, mode].iter().chain(rest).map(Into::into).collect();
    command.fds.push(theirs.into());
    (ours, command)
}

fn start(mode: &str, rest: &[&str], diagnostics: OwnedFd) -> (UnixStream, WorkerProcess) {
    let (ours, command) = command(mode, rest, diagnostics);
    (ours, command.spawn().unwrap())
}

/// Starts, reads the channel and the diagnostics to their ends, and waits.
fn ended(command: WorkerCommand, mut ours: UnixStream, mut diagnostics: impl Read) -> (String, String, Exit) {
    let mut worker = command.spawn().unwrap();
    let (mut said, mut lines) = (String::new(), String::new());
    let _ = ours.read_to_string(&mut said);
    diagnostics.read_to_string(&mut lines).unwrap();
    (said, lines, worker.wait().unwrap())
}

fn outcome(mode: &str, rest: &[&str]) -> (String, String, Exit) {
    let (reader, writer) = io::pipe().unwrap();
    let (ours, command) = command(mode, rest, writer.into());
    ended(command, ours, reader)
}

fn read_until_dot(channel: &mut UnixStream) -> String {
    let mut reader = BufReader::new(channel);
    let mut all = String::new();
    while !all.ends_with("\n.\n") {
        assert_ne!(reader.read_line(&mut all).unwrap(), 0, "{all}");
    }
    all
}

fn stderr() -> OwnedFd {
    io::stderr().as_fd_owned()
}

fn inherits_exactly_what_it_is_given() {
    let leak = File::open("/dev/null").unwrap();
    // SAFETY: clears close-on-exec on a descriptor that we own.
    assert_eq!(unsafe { libc::fcntl(leak.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    let (said, _, exit) = outcome("list", &[]);
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(
        said.trim(),
        r#"[0, 1, 2, 3] ["/dev/null", "/dev/null"] 0 ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000001000"]"#,
        "SIGPIPE is ignored by Rust's own start-up"
    );
}

fn program_in_memory() {
    let program = Program::in_memory(|file| io::copy(&mut File::open(own_exe())?, file).map(drop)).unwrap();
    // Nothing more is open, also not the program itself.
    let (reader, writer) = io::pipe().unwrap();
    let (ours, mut command) = command("list", &[], writer.into());
    command.program = program.clone();
    let (said, lines, exit) = ended(command, ours, reader);
    assert_eq!((exit, &said), (Exit::Code(0), &outcome("list", &[]).0), "{lines}");
    let report =
        |program| check::run(program, Delegation::take().as_ref().map_err(ToString::to_string)).unwrap().to_lines();
    assert_eq!(report(&program), report(&own_exe().into()));
    // A program that is none.
    let program = Program::in_memory(|file| file.write_all(b"nothing")).unwrap();
    let error = WorkerCommand::new(program, stderr()).spawn().unwrap_err();
    assert!(matches!(error, SpawnError::Child { step: "execveat", .. }), "{error}");
}

fn descriptors_arrive_in_order() {
    // Their own numbers overlap with their targets in the opposite order.
    let mut pipes: Vec<_> = (0..100).map(|_| io::pipe().unwrap()).collect();
    pipes.reverse();
    let (mut readers, writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
    let mut command = WorkerCommand::new(own_exe(), stderr());
    command.args = [CHILD, "number", "100"].map(Into::into).into();
    command.fds = writers.into_iter().map(Into::into).collect();
    let mut worker = command.spawn().unwrap();
    for (at, reader) in readers.iter_mut().enumerate() {
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, (3 + at).to_string());
    }
    assert_eq!(worker.wait().unwrap(), Exit::Code(0));
}

fn missing_executable() {
    let error = WorkerCommand::new("/nonexistent/worker", stderr()).spawn().unwrap_err();
    let SpawnError::Child { step: "execve", source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("/nonexistent/worker"), "{error}");
}

fn walls_stand() {
    let (mut channel, worker) = start("hold", &[], stderr());
    let report = bulkhead_policy::report::Report::parse(&read_until_dot(&mut channel));
    let pid = worker.pid();
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned()).unwrap()
        };
        threads += 1;
        assert_eq!(field("Seccomp:"), "2");
        assert_eq!(field("NoNewPrivs:"), "1");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(set), "0000000000000000", "{set}");
        }
        if report.get(Layer::Capabilities) == Some(&Status::Enforced) {
            assert_eq!(field("CapBnd:"), "0000000000000000");
        }
        if report.get(Layer::Uid) == Some(&Status::Enforced) {
            let id = 0x7000_0000 + u32::try_from(pid).unwrap();
            assert_eq!(field("Uid:"), format!("{id}\t{id}\t{id}\t{id}"));
            assert_eq!(field("Gid:"), format!("{id}\t{id}\t{id}\t{id}"));
            assert_eq!(field("Groups:"), "");
        }
    }
    assert_eq!(threads, 3);
    // The rest of /proc is closed to others because the worker is not dumpable; root sees it.
    if is_root() {
        let mut fds: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse::<i32>().unwrap())
            .collect();
        fds.sort_unstable();
        assert_eq!(fds, [0, 1, 2, 3]);
        assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
        for (layer, name) in [
            (Layer::PidNamespace, "pid"),
            (Layer::EmptyRoot, "mnt"),
            (Layer::NetNamespace, "net"),
            (Layer::IpcNamespace, "ipc"),
            (Layer::UtsNamespace, "uts"),
            (Layer::UserNamespace, "user"),
        ] {
            if report.get(layer) == Some(&Status::Enforced) {
                let theirs = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
                assert_ne!(theirs, fs::read_link(format!("/proc/self/ns/{name}")).unwrap(), "{name}");
            }
        }
        if report.get(Layer::EmptyRoot) == Some(&Status::Enforced) {
            assert_eq!(fs::read_dir(format!("/proc/{pid}/root/")).unwrap().count(), 0);
            let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
            assert_eq!(mounts.lines().count(), 1, "{mounts}");
            assert!(mounts.contains(" / / ro,nosuid,nodev,noexec"), "{mounts}");
        }
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let limit = |name: &str| {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..].split_whitespace().take(2).map(|n| n.parse().unwrap()).collect::<Vec<u64>>()
        };
        assert_eq!(limit("Max open files"), [36, 36]);
        assert_eq!(limit("Max processes"), [64, 64]);
        assert_eq!(limit("Max core file size"), [0, 0]);
        assert_eq!(limit("Max file size"), [0, 0]);
        assert_eq!(limit("Max locked memory"), [0, 0]);
        assert_eq!(limit("Max msgqueue size"), [0, 0]);
    }
    for (layer, status) in report.iter().filter(|(layer, _)| layer.required()) {
        assert!(!matches!(status, Status::Missing(_)), "{layer}: {status:?}");
    }
}

fn refuses_an_environment() {
    let output = Command::new(own_exe())
        .args([CHILD, "hold"])
        .env_clear()
        .env("LD_LIBRARY_PATH", "/x")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("EnvironmentNotEmpty(1)"), "{said}");
}

fn refuses_missing_descriptor() {
    assert_eq!(
        outcome("missing", &[]).1,
        "the sandbox was not shut: descriptor 4 is not open; start workers through `supervisor`"
    );
}

fn refuses_a_second_thread() {
    assert!(outcome("threads", &[]).1.contains("already has 2 threads"));
}

fn landlock_alone() {
    let (ours, mut command) = command("landlock", &[], stderr());
    command.fds.push(File::open("/etc").unwrap().into());
    let (said, _, exit) = ended(command, ours, io::empty());
    assert_eq!(exit, Exit::Code(0));
    if enter::landlock_abi() >= 4 {
        assert_eq!(said, format!("{:?}", [libc::EACCES; 3]));
    } else {
        assert!(said.starts_with(&format!("[{},", libc::EACCES)), "{said}");
    }
}

fn outlives_the_asking_thread() {
    let (mut channel, mut worker) = std::thread::spawn(|| start("hold", &[], stderr())).join().unwrap();
    read_until_dot(&mut channel);
    for byte in b"ab" {
        channel.write_all(&[*byte]).unwrap();
        let mut answer = [0];
        channel.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [*byte]);
    }
    assert_eq!(worker.try_wait().unwrap(), None);
    drop(channel);
    assert_eq!(worker.wait().unwrap(), Exit::Code(0), "the end of its channel ends a worker");
    assert_eq!(worker.try_wait().unwrap(), Some(Exit::Code(0)));
}

fn dies_with_its_supervisor() {
    let mut supervisor = Command::new(own_exe())
        .args([CHILD, "supervisor"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let worker: i32 = line.trim().parse().unwrap();
    // Held open by the supervisor and by the worker, so it ends when both have.
    let mut both = supervisor.stderr.take().unwrap();
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(both.read_to_end(&mut Vec::new()).map(drop)));
    let result = ended.recv_timeout(Duration::from_secs(30));
    if result.is_err() {
        // SAFETY: the worker that this test caused to be started.
        unsafe { libc::kill(worker, libc::SIGKILL) };
    }
    result.expect("the worker outlived its supervisor").unwrap();
}

fn dropped_is_reaped() {
    let (mut channel, worker) = start("deaf", &[], stderr());
    channel.read_exact(&mut [0]).unwrap();
    let pid = worker.pid();
    drop(worker);
    assert_eq!(channel.read(&mut [0]).unwrap_or(0), 0);
    // A following start goes through the same thread, so the reaping is over when it returns.
    drop(start("deaf", &[], stderr()));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(!stat.contains(&format!(" {} ", std::process::id())), "{stat}");
}

fn kill_is_reported() {
    let (mut channel, mut worker) = start("deaf", &[], stderr());
    channel.read_exact(&mut [0]).unwrap();
    worker.kill().unwrap();
    assert_eq!(worker.wait().unwrap(), Exit::Signal { signal: libc::SIGKILL, core: false });
    worker.kill().unwrap();
}

fn probe_outcome(name: &str, pid_namespace: PidNamespace) -> (String, Exit) {
    let (reader, writer) = io::pipe().unwrap();
    let (ours, mut command) = command("", &[], writer.into());
    command.args = [PROBE_ARG, name].map(Into::into).into();
    command.pid_namespace = pid_namespace;
    let (_, lines, exit) = ended(command, ours, reader);
    (lines, exit)
}

fn abort_is_sigabrt() {
    for name in ["panic", "abort"] {
        for pid_namespace in [PidNamespace::Off, PidNamespace::IfPermitted] {
            let (lines, exit) = probe_outcome(name, pid_namespace);
            assert_eq!(exit, Exit::Signal { signal: libc::SIGABRT, core: false }, "{name} {pid_namespace:?} {lines}");
            assert_eq!(lines.contains("a probe panics"), name == "panic", "{lines}");
        }
    }
}

fn log_mode() {
    let (_, lines, exit) = outcome("log", &[]);
    let names: Vec<_> = lines.lines().map(|line| line.strip_prefix(OUTSIDE_PREFIX).unwrap_or(line)).collect();
    let [first, second] = names[..] else { panic!("{lines}") };
    assert!(first.starts_with(&format!("getppid nr={} args=0x", libc::SYS_getppid)), "{first}");
    assert!(second.starts_with("getuid "), "{second}");
    assert_eq!(exit, Exit::Code(0));
}

fn probes_end_as_they_must() {
    let mut wrong = Vec::new();
    for probe in PROBES {
        let (lines, exit) = probe_outcome(probe.name, PidNamespace::IfPermitted);
        let violation = lines.lines().find_map(parse_violation);
        let killed = matches!(exit, Exit::Signal { signal: libc::SIGSYS, .. });
        let right = match probe.expect {
            Expect::Success => exit == Exit::Code(probe::SUCCEEDED),
            Expect::Errno(errno) => exit == Exit::Code(errno),
            Expect::Death => killed && violation.is_some(),
            Expect::SilentDeath => killed && violation.is_none(),
            Expect::Signal(signal) => exit == Exit::Signal { signal, core: false },
        };
        if !right {
            wrong.push(format!("{}: {exit}, expected {:?}: {lines}", probe.name, probe.expect));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn self_test() {
    let report = check::run(&own_exe().into(), Delegation::take().as_ref().map_err(ToString::to_string)).unwrap();
    for layer in Layer::ALL {
        assert!(report.get(layer).is_some(), "{layer}");
    }
    assert!(check::sufficient(&report), "{}", check::to_text(&report));
    assert_eq!(report.get(Layer::Seccomp), Some(&Status::Enforced));
    if enter::landlock_abi() >= 6 {
        assert_eq!(report.get(Layer::Landlock), Some(&Status::Enforced));
    }
}

fn self_test_without_root() {
    if !is_root() {
        return self_test();
    }
    let output = Command::new(own_exe()).args([CHILD, "as-nobody"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = bulkhead_policy::report::Report::parse(&said);
    assert!(check::sufficient(&report), "{}", check::to_text(&report));
    assert!(matches!(report.get(Layer::Uid), Some(Status::Missing(_))));
    if fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|max| max.trim() != "0") {
        assert_eq!(report.get(Layer::PidNamespace), Some(&Status::Enforced), "{}", check::to_text(&report));
        assert_eq!(report.get(Layer::EmptyRoot), Some(&Status::Enforced), "{}", check::to_text(&report));
    }
}

fn self_test_of_a_failing_child() {
    let error = check::run(&"/bin/ls".into(), Delegation::take().as_ref().map_err(ToString::to_string))
        .unwrap_err()
        .to_string();
    assert!(error.contains("exit code 2") && error.contains("sandbox-self-test"), "{error}");
}
