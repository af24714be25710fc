//! A program that contains its configuration, where there is nothing else: in an empty directory that is the root of all files.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use bulkhead_test_support::runtime::{pid, wait_until};
use bulkhead_test_support::{Setup, http, process};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{chdir, pivot_root};
use tempfile::TempDir;

const WORKER: &str =
    "export default { async fetch(request, env) { return new Response(`${env.GREETING}, ${new Date(0)}`); } };";

fn setup() -> Setup {
    Setup::config(
        r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = ( modules = [ (name = "worker", esModule = embed "worker.js") ],
    bindings = [ (name = "GREETING", text = "Hello") ], compatibilityDate = "2026-08-01" )) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ]
);
const policy :Bulkhead.Policy = ( default = (threads = 9) );
"#,
    )
    .file("worker.js", WORKER)
}

/// A directory with nothing but a program of [`setup`] in it, called `program`.
fn program(alter: impl FnOnce(&mut Vec<u8>)) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("program");
    let output = bulkhead_test_support::supervisor!().compile(&setup(), File::create(&path).expect("a file"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut bytes = fs::read(&path).expect("it was made");
    alter(&mut bytes);
    fs::write(&path, bytes).expect("it is ours");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    directory
}

/// A program that is started, and does not outlive its test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `/program` where a directory is the root, in a mount namespace of its own, with or without `/proc`. What it says goes to
/// pipes: there is no `/dev/null`.
fn start(root: &Path, proc: bool, arguments: &[&str]) -> Started {
    let enter_and_start = || -> nix::Result<std::io::Result<Child>> {
        // Only this thread enters it.
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        mount(Some(root), root, none, MsFlags::MS_BIND, none)?;
        if proc {
            let target = root.join("proc");
            fs::create_dir_all(&target).expect("it is ours");
            mount(Some("/proc"), &target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
        }
        chdir(root)?;
        pivot_root(".", ".")?;
        umount2(".", MntFlags::MNT_DETACH)?;
        chdir("/")?;
        let mut command = Command::new("/program");
        command.args(arguments).env_clear();
        Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn())
    };
    let started = thread::scope(|scope| scope.spawn(enter_and_start).join().expect("no panic"));
    Started(started.expect("enter the directory").expect("start the program"))
}

fn rest(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text");
    text
}

/// The lines of a worker's `status` that the sandbox makes, but for what says that it runs.
fn walls(worker: u32) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{worker}/status")).expect("it lives");
    let kept = ["NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Groups", "NStgid"];
    let lines = status.lines().filter(|line| kept.iter().any(|name| line.starts_with(&format!("{name}:"))));
    // Whose id it is, differs.
    let lines = lines.map(|line| match line.split_once(':') {
        Some(("NStgid", ids)) => format!("namespaces of processes: {}", ids.split_whitespace().count()),
        _ => line.to_owned(),
    });
    let limits = fs::read_to_string(format!("/proc/{worker}/limits")).expect("it lives");
    // How much more it may have than when it started, of which a few pages depend on where it lies.
    let begun = ["Max data size", "Max address space"];
    let limits = limits.lines().map(|line| {
        begun.into_iter().find(|name| line.starts_with(name)).filter(|_| !line.contains("unlimited")).unwrap_or(line)
    });
    let namespaces = ["user", "mnt", "net", "ipc", "uts", "pid"].map(|name| {
        let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/{name}")).expect("root may look");
        format!("{name}: {}", of(&worker.to_string()) != of("self"))
    });
    let root = fs::read_dir(format!("/proc/{worker}/root")).expect("root may look").count();
    let descriptors = fs::read_dir(format!("/proc/{worker}/fd")).expect("root may look").count();
    lines
        .chain(limits.map(str::to_owned))
        .chain(namespaces)
        .chain([format!("files: {root}, descriptors: {descriptors}")])
        .collect()
}

/// The worker of a server that has answered, shut in.
fn worker_of(server: u32) -> u32 {
    let shut = |worker: &u32| process::status_field(*worker, None, "Seccomp").as_deref() == Some("2");
    let mut worker = None;
    wait_until("a worker to be shut in", || {
        worker = process::workers(server).into_iter().find(shut);
        worker.is_some()
    });
    worker.expect("it was found")
}

#[test]
fn a_program_runs_in_an_empty_directory_and_its_workers_are_shut_in_as_ever() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let directory = program(|_| {});
    let socket = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
    let address = format!("--socket-addr=http={socket}");
    let Started(child) = &mut start(directory.path(), true, &[&address, "--verbose", "--shards=1"]);
    wait_until("an answer", || {
        let ended = child.try_wait().expect("ask for the status");
        assert!(ended.is_none(), "{ended:?}: {}", rest(child.stderr.take().expect("piped")));
        std::net::TcpStream::connect(socket).is_ok()
    });
    let answer = http::get(socket.port(), "/").expect("a response").text();
    assert_eq!(answer, "Hello, Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)");
    // With the walls that it has where it comes from two files, in a system.
    let plain = bulkhead_test_support::supervisor!().serve(setup().argument("--shards=1"));
    assert!(http::get(plain.port(), "/").is_ok());
    let (inside, outside) = (worker_of(child.id()), worker_of(plain.pid()));
    assert_eq!(walls(inside), walls(outside));
    for (worker, program) in
        [(inside, "/memfd:sandbox-worker (deleted)"), (outside, env!("CARGO_BIN_EXE_sandbox-worker"))]
    {
        let link = fs::read_link(format!("/proc/{worker}/exe")).expect("root may look");
        assert_eq!(link, Path::new(program));
    }
    kill(pid(child.id()), Signal::SIGTERM).expect("it runs");
    let (status, said) = (child.wait().expect("it ends"), rest(child.stderr.take().expect("piped")));
    assert_eq!(status.code(), Some(0), "{said}");
    // Nothing was left out that the machine gives.
    let mine = said.lines().find(|line| line.contains("sandbox layers")).unwrap_or_default();
    let checked =
        Command::new(env!("CARGO_BIN_EXE_supervisor")).args(["check-sandbox", "--json"]).output().expect("run it");
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    for layer in report["layers"].as_array().expect("layers") {
        let name = layer["layer"].as_str().expect("a name");
        assert_eq!(mine.contains(name), layer["status"] != "enforced", "{name}: {said}");
    }
}

#[test]
fn what_a_program_lacks_is_said_in_a_line() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let said = |directory: &TempDir, proc: bool| {
        let Started(child) = &mut start(directory.path(), proc, &[]);
        let (code, said) = (child.wait().expect("it ends").code(), rest(child.stderr.take().expect("piped")));
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
        said
    };
    let whole = program(|_| {});
    let error = said(&whole, false);
    assert!(error.starts_with("error: cannot read the own program") && error.contains("/proc"), "{error}");
    for cut in [1, 100_000, 1 << 24] {
        let error = said(&program(|bytes| bytes.truncate(bytes.len() - cut)), true);
        assert!(error.starts_with("error: this program is not whole"), "{error}");
    }
    for (from_the_end, part) in [(1 << 24, "worker"), (100, "policy")] {
        let error = said(
            &program(|bytes| {
                let at = bytes.len() - from_the_end;
                bytes[at] ^= 1;
            }),
            true,
        );
        assert_eq!(error, format!("error: this program is damaged: its {part} is not what was written\n"));
    }
}

/// What programs ask for that there need not be, and that no C library has.
const NOT_OF_THE_LIBRARY: [&str; 7] =
    ["OPENSSL_memory_", "_ITM_", "_ZTH", "__cxa_finalize", "__gmon_start__", "_nl_current_", "sdallocx"];

/// A program that is linked with archives lacks what nobody insisted on, and goes without: V8 without protection keys for its code.
#[test]
fn programs_need_no_library_and_lack_nothing_of_one() {
    for path in [env!("CARGO_BIN_EXE_supervisor"), env!("CARGO_BIN_EXE_sandbox-worker")] {
        let program = fs::read(path).expect("a program");
        let number = |at: usize, len: usize| {
            program[at..at + len].iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
        };
        // Of each entry of a table of the header, where it begins.
        let entries = |table: usize, size: usize, count: usize| {
            let (table, size, count) = (number(table, 8), number(size, 2), number(count, 2));
            (0..count).map(move |index| table + index * size).collect::<Vec<_>>()
        };
        let (segments, sections) = (entries(32, 54, 56), entries(40, 58, 60));
        const INTERPRETER: usize = 3;
        const SYMBOLS: usize = 2;
        assert!(segments.iter().all(|at| number(*at, 4) != INTERPRETER), "{path} is loaded by another program");
        let symbols = sections.iter().find(|at| number(**at + 4, 4) == SYMBOLS).expect("it has symbols");
        let names = number(sections[number(symbols + 40, 4)] + 24, 8);
        let (at, len) = (number(symbols + 24, 8), number(symbols + 32, 8));
        let weak =
            program[at..at + len].chunks_exact(24).filter(|symbol| symbol[4] >> 4 == 2 && symbol[6..8] == [0, 0]);
        let missing: Vec<String> = weak
            .map(|symbol| names + u32::from_le_bytes(symbol[..4].try_into().expect("four bytes")) as usize)
            .map(|at| program[at..].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect())
            .filter(|name: &String| NOT_OF_THE_LIBRARY.iter().all(|other| !name.starts_with(other)))
            .collect();
        assert!(missing.is_empty(), "{path} goes without {missing:?}: `IF_THERE` in build.rs");
    }
}
