//! What this machine can enforce: the self-test behind `supervisor check-sandbox`.
//!
//! It does not ask the kernel what it claims. It starts the real worker executable the way the supervisor starts workers,
//! with [`SELF_TEST_ARG`]; that process shuts itself in as far as it gets and sends its
//! [`Report`] through the one descriptor it was handed. While it waits, the supervisor looks at it
//! from outside; then it tries a forbidden call, and the supervisor looks at how it died.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::{
    cgroup::{CgroupLimits, Delegation, WorkerCgroup},
    enter::{self, Mode, Options},
    report::{Layer, Report, Status, parse_violation},
    spawn::{Exit, Program, SpawnError, WorkerCommand, WorkerProcess},
    table::{Profile, Refusal},
};

/// The only argument of a worker that is started for the self-test. `sandbox-worker` must call [`self_test_child`] when it
/// sees it, before anything else.
pub const SELF_TEST_ARG: &str = "--sandbox-self-test";

/// How long the child may take for each step before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that is read from the child.
const MAX_REPORT: u64 = 64 * 1024;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The worker could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Talking to the child failed.
    #[error("the self-test failed at {step}: {source}")]
    Io {
        /// What was being done.
        step: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The child ended without a report.
    #[error("the self-test's process ended early ({exit}) and said: {said}")]
    Died {
        /// How it ended.
        exit: Exit,
        /// What it wrote to its diagnostics, at most 4096 bytes.
        said: String,
    },
}

/// Runs the self-test with the worker's `program`, in a cgroup of its own if there is a delegation that can make one; else
/// that is why there is none. Every layer has a status in the result.
///
/// Takes a few milliseconds; ends within about half a minute whatever the child does.
///
/// # Errors
/// See [`CheckError`].
pub fn run(program: &Program, cgroups: Result<&Delegation, String>) -> Result<Report, CheckError> {
    let io = |step| move |source| CheckError::Io { step, source };
    let (mut ours, theirs) = UnixStream::pair().map_err(io("making a socket pair"))?;
    let (mut said, diagnostics) = io::pipe().map_err(io("making a pipe"))?;
    ours.set_read_timeout(Some(PATIENCE)).map_err(io("setting a timeout"))?;
    let mut command = WorkerCommand::new(program.clone(), diagnostics.into());
    command.args.push(SELF_TEST_ARG.into());
    command.fds.push(theirs.into());
    let limits = CgroupLimits { memory_bytes: Some(1 << 30), threads: 64, cpu_millis: Some(1000) };
    let entered = cgroups.and_then(|delegation| {
        let cgroup = delegation.worker(&limits).map_err(|error| error.to_string())?;
        command.cgroup = Some(cgroup.procs().map_err(|error| error.to_string())?);
        Ok((delegation, cgroup))
    });
    let mut worker = command.spawn()?;
    let cgroup_status = match &entered {
        Ok((delegation, cgroup)) => verify_cgroup(&worker, delegation, cgroup),
        Err(why) => Status::Missing(why.clone()),
    };

    let text = match read_report(&mut ours) {
        Ok(text) => text,
        Err(error) => {
            let _ = worker.kill();
            let exit = worker.wait().map_err(io("waiting for the child"))?;
            let mut text = Vec::new();
            let _ = (&mut said).take(4096).read_to_end(&mut text);
            let text = String::from_utf8_lossy(&text).trim().replace('\n', "; ");
            let said = if text.is_empty() { format!("nothing ({error})") } else { text };
            return Err(CheckError::Died { exit, said });
        }
    };
    let mut report = Report::parse(&text);
    verify_from_outside(&worker, &mut report);

    // Now it may try the forbidden call.
    let _ = ours.write_all(b"g");
    let mut rest = [0];
    let silent = ours.read(&mut rest);
    if silent.is_err() {
        let _ = worker.kill();
    }
    let exit = worker.wait().map_err(io("waiting for the child"))?;
    let mut line = String::new();
    let _ = said.take(4096).read_to_string(&mut line);
    let named = line.lines().any(|line| parse_violation(line).is_some_and(|v| v.name() == Some("ptrace")));
    if report.get(Layer::Seccomp) == Some(&Status::Enforced) {
        match exit {
            Exit::Signal { signal: libc::SIGSYS, .. } if named => {}
            Exit::Signal { signal: libc::SIGSYS, .. } => {
                report.set(Layer::Seccomp, Status::Partial("a refused call kills but is not reported".into()));
            }
            other => report.set(Layer::Seccomp, Status::Missing(format!("a forbidden call ended in {other}"))),
        }
    }
    report.set(Layer::Cgroup, cgroup_status);
    for layer in Layer::ALL {
        if report.get(layer).is_none() {
            report.set(layer, Status::Missing("the worker did not report it".into()));
        }
    }
    Ok(report)
}

fn read_report(from: &mut UnixStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut limited = from.take(MAX_REPORT);
    let mut chunk = [0; 4096];
    while !bytes.ends_with(b"\n.\n") {
        match limited.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Does not believe what the child says where `/proc` can tell.
fn verify_from_outside(worker: &WorkerProcess, report: &mut Report) {
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", worker.pid())) else { return };
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim()
    };
    let facts = [
        (Layer::NoNewPrivs, "NoNewPrivs", field("NoNewPrivs") == "1"),
        (Layer::Seccomp, "Seccomp", field("Seccomp") == "2"),
        (Layer::Capabilities, "CapEff", field("CapEff").bytes().all(|b| b == b'0')),
        (Layer::Capabilities, "CapPrm", field("CapPrm").bytes().all(|b| b == b'0')),
        (Layer::Capabilities, "CapBnd", field("CapBnd").bytes().all(|b| b == b'0')),
        (Layer::Capabilities, "CapAmb", field("CapAmb").bytes().all(|b| b == b'0')),
    ];
    for (layer, name, holds) in facts {
        if !holds && report.get(layer) == Some(&Status::Enforced) {
            report.set(layer, Status::Missing(format!("/proc says {name} {}", field(name))));
        }
    }
}

/// The cgroup that the child is in, as the kernel says, must be the one that was made for it.
fn verify_cgroup(worker: &WorkerProcess, delegation: &Delegation, cgroup: &WorkerCgroup) -> Status {
    match fs::read_to_string(format!("/proc/{}/cgroup", worker.pid())) {
        Ok(text) if cgroup.is_named_in(&text) => delegation.status(),
        Ok(_) => Status::Missing("the child is not in the cgroup that was made for it".into()),
        Err(error) => Status::Missing(format!("the child's /proc/<pid>/cgroup: {error}")),
    }
}

/// The child's side of [`run`]: shuts the sandbox as far as it gets, reports on descriptor 3, waits for a byte, then makes
/// a forbidden call, which it should not survive.
pub fn self_test_child() -> ! {
    let code = match child() {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            1
        }
    };
    std::process::exit(code)
}

fn child() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options { fds: 1, mode: Mode::BestEffort, ..Options::default() };
    let mut sealed = enter::prepare(&options)?.seal(Profile::Stateless, Refusal::Kill)?;
    let mut channel = sealed.take_descriptors().pop().map(File::from).ok_or("no descriptor")?;
    channel.write_all(sealed.report().to_lines().as_bytes())?;
    channel.write_all(b".\n")?;
    channel.read_exact(&mut [0])?;
    // SAFETY: PTRACE_TRACEME takes no pointers. With the filter in force it is never made.
    unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0) };
    Ok(())
}

/// The result for people, one line a layer and one more for each that is not complete.
pub fn to_text(report: &Report) -> String {
    let mut out = String::new();
    for (layer, status) in report.iter() {
        let required = if layer.required() { "required" } else { "" };
        out.push_str(format!("{:<16} {:<9} {required}", layer.name(), status.word()).trim_end());
        out.push('\n');
        if *status != Status::Enforced {
            out.push_str(&format!("    why: {}\n    get it: {}\n", status.detail(), layer.how_to_get()));
        }
    }
    out.push_str(if sufficient(report) {
        "\nThis machine can run workers with --sandbox=required.\n"
    } else {
        "\nThis machine cannot run workers with --sandbox=required.\n"
    });
    out
}

/// Whether every required layer is there, so that workers start in [`Mode::Required`].
pub fn sufficient(report: &Report) -> bool {
    Layer::ALL
        .into_iter()
        .filter(|layer| layer.required())
        .all(|layer| !matches!(report.get(layer), None | Some(Status::Missing(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_required_layer_is_not_sufficient() {
        let mut report = Report::default();
        assert!(!sufficient(&report));
        for layer in Layer::ALL.into_iter().filter(|layer| layer.required()) {
            report.set(layer, Status::Enforced);
        }
        assert!(sufficient(&report));
        report.set(Layer::Landlock, Status::Partial("old".into()));
        assert!(sufficient(&report));
        report.set(Layer::Landlock, Status::Missing("none".into()));
        assert!(!sufficient(&report));
        assert!(to_text(&report).contains("lsm="));
    }
}
