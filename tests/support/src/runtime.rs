//! Starting a runtime on a configuration, finding its ports and stopping it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::tools;

/// How long a start, a stop or an answer may take before a test gives up. Generous: it only ends tests that hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program that speaks the reference's command line.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// What messages call it.
    pub name: &'static str,
    /// The executable.
    pub program: PathBuf,
}

impl Runtime {
    /// Our runtime at `program`; tests use the macro [`supervisor!`](crate::supervisor). `BULKHEAD_RUNTIME=workerd`
    /// puts the reference in its place, which shows what a test says about the reference itself.
    ///
    /// # Panics
    ///
    /// When the variable names anything else.
    pub fn supervisor(program: impl Into<PathBuf>) -> Runtime {
        match std::env::var("BULKHEAD_RUNTIME").as_deref() {
            Err(_) | Ok("supervisor") => Runtime { name: "supervisor", program: program.into() },
            Ok("workerd") => Runtime::workerd(),
            Ok(other) => panic!("BULKHEAD_RUNTIME is {other:?}: it has to be supervisor or workerd"),
        }
    }

    /// The npm `workerd` binary.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn workerd() -> Runtime {
        Runtime { name: "workerd", program: tools::workerd() }
    }

    /// Starts `serve` and waits until every socket of the set-up listens.
    ///
    /// # Panics
    ///
    /// When the process exits first or stays silent for [`PATIENCE`]; the message carries its standard error.
    pub fn serve(&self, setup: Setup) -> Server {
        self.listening(setup, Some("serve"))
    }

    /// Starts a program that contains its configuration, which is this one, and waits as [`Runtime::serve`] does. Of the set-up it
    /// has the directory and the arguments.
    ///
    /// # Panics
    ///
    /// As [`Runtime::serve`].
    pub fn serve_compiled(&self, setup: Setup) -> Server {
        self.listening(setup, None)
    }

    /// Starts such a program without waiting for anything.
    pub fn spawn_compiled(&self, setup: Setup) -> Server {
        self.start(setup, None)
    }

    /// Has `compile` write to `out` what it makes of a set-up, and waits for its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn compile(&self, setup: &Setup, out: impl Into<Stdio>) -> std::process::Output {
        let mut command = Command::new(&self.program);
        command.current_dir(setup.directory.path()).arg("compile").args(&setup.arguments).arg(&setup.config);
        let child = command.args(&setup.constant).stdout(out).stderr(Stdio::piped()).spawn();
        child
            .and_then(Child::wait_with_output)
            .unwrap_or_else(|error| panic!("run {}: {error}", self.program.display()))
    }

    fn listening(&self, setup: Setup, subcommand: Option<&str>) -> Server {
        let sockets = setup.sockets;
        let mut server = self.start(setup, subcommand);
        let deadline = Instant::now() + PATIENCE;
        while server.ports.len() < sockets {
            match server.listening.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((name, port)) => {
                    server.ports.insert(name, port);
                }
                Err(error) => {
                    let status = server.child.try_wait().ok().flatten();
                    let (name, stderr) = (self.name, server.stderr());
                    panic!(
                        "{name} did not listen on {sockets} socket(s): {error}; {status:?}; standard error:\n{stderr}"
                    );
                }
            }
        }
        server
    }

    /// Starts `serve` on a set-up that must not work, and waits until the process has exited. Ours is asked to be as strict
    /// at its start as the reference is.
    ///
    /// # Panics
    ///
    /// When it still runs after [`PATIENCE`].
    pub fn serve_to_exit(&self, setup: Setup) -> Exit {
        let setup = if self.name == "supervisor" { setup.argument("--strict-start") } else { setup };
        let server = self.spawn(setup);
        server.wait()
    }

    /// Starts `serve` without waiting for anything.
    pub fn spawn(&self, setup: Setup) -> Server {
        self.start(setup, Some("serve"))
    }

    /// Starts `test` on a set-up, whose constant is the filter, without waiting for anything.
    pub fn test(&self, setup: Setup) -> Server {
        self.start(setup, Some("test"))
    }

    /// Starts `bench` likewise.
    pub fn bench(&self, setup: Setup) -> Server {
        self.start(setup, Some("bench"))
    }

    /// Without a subcommand: a program that contains its configuration.
    fn start(&self, setup: Setup, subcommand: Option<&str>) -> Server {
        let (control, control_child) = std::io::pipe().expect("make a pipe");
        let mut command = Command::new(&self.program);
        command
            .current_dir(setup.directory.path())
            .args(subcommand)
            // The child's standard input is the one descriptor that std hands over without unsafe code.
            .args((!matches!(subcommand, Some("test" | "bench"))).then_some("--control-fd=0"))
            .args(&setup.arguments)
            .args(subcommand.map(|_| &setup.config))
            .args(setup.constant.iter().filter(|_| subcommand.is_some()))
            .args((self.name == "supervisor" && seccomp_log()).then_some("--seccomp=log"))
            .envs(setup.environment.iter().cloned())
            .stdin(Stdio::from(control_child))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {}: {error}", self.program.display()));
        drop(command); // holds the write end of the control pipe
        let (sender, listening) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(control).lines().map_while(Result::ok) {
                let event: serde_json::Value = serde_json::from_str(&line).expect("control lines are JSON");
                if event["event"] == "listen" {
                    let name = event["socket"].as_str().expect("a socket name").to_owned();
                    let port = event["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
                    if sender.send((name, port)).is_err() {
                        return;
                    }
                }
            }
        });
        let stdout = Captured::of(child.stdout.take().expect("piped"));
        let stderr = Captured::of(child.stderr.take().expect("piped"));
        Server {
            name: self.name,
            started,
            child,
            ports: BTreeMap::new(),
            listening,
            stdout,
            stderr,
            directory: setup.directory,
            breaks_out: false,
        }
    }
}

/// Whether workers are to make calls outside of the policy's table and to report them, which fails the test that they
/// happen in: `BULKHEAD_SECCOMP=log`.
pub fn seccomp_log() -> bool {
    std::env::var_os("BULKHEAD_SECCOMP").is_some_and(|mode| mode == "log")
}

/// Tests are about what a user gets, who does not ask for the log mode that [`seccomp_log`] does.
fn without_seccomp_warning(stderr: String) -> String {
    match stderr.strip_prefix("warning: --seccomp=log ").and_then(|line| line.split_once('\n')) {
        Some((_, rest)) if seccomp_log() => rest.to_owned(),
        _ => stderr,
    }
}

/// A configuration in a directory of its own, and how to start a runtime on it.
#[derive(Debug)]
pub struct Setup {
    directory: TempDir,
    config: String,
    constant: Option<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    sockets: usize,
}

impl Setup {
    /// The configuration `text` in a new temporary directory, as `config.capnp`.
    pub fn config(text: &str) -> Setup {
        let setup = Setup {
            directory: tempfile::tempdir().expect("make a temporary directory"),
            config: "config.capnp".to_owned(),
            constant: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            sockets: 1,
        };
        setup.file("config.capnp", text)
    }

    /// One worker service `main`, written as the body of a `Worker` struct, behind the socket `http`.
    pub fn worker(body: &str) -> Setup {
        Setup::config(&format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ]
);
const main :Workerd.Worker = ( {body} );
"#
        ))
    }

    /// One worker service of a single ES module called `worker`.
    pub fn module(source: &str) -> Setup {
        Setup::worker(
            r#"modules = [ (name = "worker", esModule = embed "worker.js") ], compatibilityDate = "2026-08-01""#,
        )
        .file("worker.js", source)
    }

    /// A copy of the directory `samples/<name>`, whose configuration has to be called `config.capnp`. The address of
    /// its socket `http` is replaced by a free port.
    pub fn sample(name: &str) -> Setup {
        let mut setup = Setup::config("");
        copy_directory(&tools::repository().join("samples").join(name), setup.directory.path());
        setup.arguments.push("--socket-addr=http=127.0.0.1:0".to_owned());
        setup
    }

    /// Adds the file `name`, which may lie in a directory that does not exist yet.
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Setup {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a file in a directory")).expect("create directories");
        fs::write(&path, contents).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        self
    }

    /// Copies everything in `from` into the set-up's directory.
    pub fn directory(self, from: &Path) -> Setup {
        copy_directory(from, self.directory.path());
        self
    }

    /// Adds a command line argument.
    pub fn argument(mut self, argument: impl Into<String>) -> Setup {
        self.arguments.push(argument.into());
        self
    }

    /// Names another configuration file than `config.capnp`.
    pub fn config_file(mut self, name: &str) -> Setup {
        self.config = name.to_owned();
        self
    }

    /// Names the constant of the configuration file.
    pub fn constant(mut self, name: &str) -> Setup {
        self.constant = Some(name.to_owned());
        self
    }

    /// Adds an environment variable.
    pub fn environment(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many sockets have to listen before the server counts as started: 1 unless said.
    pub fn sockets(mut self, count: usize) -> Setup {
        self.sockets = count;
        self
    }

    /// The directory that holds the configuration.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn copy_directory(from: &Path, to: &Path) {
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("read {}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("read a directory entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file type").is_dir() {
            fs::create_dir_all(&target).expect("create a directory");
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copy a file");
        }
    }
}

/// A running runtime. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    started: Instant,
    child: Child,
    ports: BTreeMap<String, u16>,
    listening: mpsc::Receiver<(String, u16)>,
    stdout: Captured,
    stderr: Captured,
    directory: TempDir,
    /// Whether its workers are to make calls that the policy does not permit.
    breaks_out: bool,
}

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Exit {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The whole status.
    pub status: ExitStatus,
    /// Standard output, lossily decoded.
    pub stdout: String,
    /// Standard error, lossily decoded.
    pub stderr: String,
}

impl Server {
    /// Has the test be about calls that the policy does not permit, which fail every other.
    pub fn that_breaks_out(mut self) -> Server {
        self.breaks_out = true;
        self
    }

    /// The port of the socket `http`.
    pub fn port(&self) -> u16 {
        self.port_of("http")
    }

    /// The port of the socket `name`.
    pub fn port_of(&self, name: &str) -> u16 {
        *self.ports.get(name).unwrap_or_else(|| panic!("no socket {name} among {:?}", self.ports))
    }

    /// Waits for the next socket that is said to listen, beyond those that had to for the server to count as started.
    ///
    /// # Panics
    ///
    /// When there is none within [`PATIENCE`].
    pub fn next_socket(&self) -> (String, u16) {
        self.listening.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no socket: {error}; {}", self.stderr()))
    }

    /// The process id of the runtime (of the supervisor, in ours).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When the process was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Which runtime this is.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The directory that holds the configuration.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Standard error so far, without what [`seccomp_log`] adds to it.
    pub fn stderr(&self) -> String {
        without_seccomp_warning(self.stderr.text())
    }

    /// Waits until `done` says so of the standard error.
    ///
    /// # Panics
    ///
    /// When that does not happen within [`PATIENCE`].
    pub fn wait_for_stderr(&self, done: impl Fn(&str) -> bool) {
        wait_until("the expected line on standard error", || done(&self.stderr()));
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("ask for the status").is_none()
    }

    /// Sends `signal` to the process.
    pub fn signal(&self, signal: Signal) {
        kill(pid(self.child.id()), signal).expect("signal the process");
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(self) -> Exit {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Waits until the process has exited.
    ///
    /// # Panics
    ///
    /// When it still runs after [`PATIENCE`].
    pub fn wait(mut self) -> Exit {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("ask for the status") {
                break status;
            }
            let (name, stderr) = (self.name, || self.stderr.text());
            assert!(Instant::now() < deadline, "{name} did not exit; standard error:\n{}", stderr());
            thread::sleep(Duration::from_millis(2));
        };
        Exit {
            code: status.code(),
            status,
            stdout: self.stdout.wait(),
            stderr: without_seccomp_warning(self.stderr.wait()),
        }
    }
}

impl Drop for Server {
    /// Kills the process, if it still runs.
    ///
    /// # Panics
    ///
    /// When a worker made a system call that its policy does not permit: whatever a test is about, that means that a row
    /// is missing in the policy's table.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            if seccomp_log() {
                // What the workers said last has to come through.
                self.signal(Signal::SIGTERM);
                let deadline = Instant::now() + Duration::from_secs(2);
                while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if !thread::panicking() && !self.breaks_out {
            let stderr = self.stderr.text();
            assert!(!stderr.contains("forbidden system call"), "{stderr}");
            assert!(!stderr.contains("outside the table"), "{stderr}");
        }
    }
}

/// How many of something a test makes: what the environment variable `name` says, else `few`.
///
/// # Panics
/// The variable is no number.
pub fn many(name: &str, few: usize) -> usize {
    std::env::var(name).map_or(few, |text| text.parse().expect("a number"))
}

/// A pid as the operating system's calls take it.
pub fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("a process id"))
}

/// Waits until `done` returns true.
///
/// # Panics
///
/// When that does not happen within [`PATIENCE`]; the message says what was waited for.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a process writes, read by a thread so that it never blocks on a full pipe.
#[derive(Debug)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Captured {
    fn of(mut source: impl Read + Send + 'static) -> Captured {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                sink.lock().expect("no reader panics").extend_from_slice(&buffer[..length]);
            }
        });
        Captured { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no reader panics")).into_owned()
    }

    /// The whole text, after the end of the process. A grandchild that outlives it may hold the pipe open: what counts
    /// is what has arrived by then.
    fn wait(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let deadline = Instant::now() + Duration::from_secs(5);
            while !reader.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.text()
    }
}
