//! Limits by cgroup v2, where the machine delegates them; where it does not, that this is said.

use std::{fs, io::Read, os::fd::OwnedFd};

use bulkhead_policy::{
    cgroup::{CgroupLimits, Delegation},
    spawn::{Exit, PidNamespace, WorkerCommand},
};

/// Runs a shell in a cgroup with these limits. Gives what it said, how it ended, and whether memory was the reason.
fn run(delegation: &Delegation, limits: CgroupLimits, script: &str) -> (String, Exit, bool) {
    let cgroup = delegation.worker(&limits).expect("make a cgroup");
    let (mut said, diagnostics) = std::io::pipe().expect("make a pipe");
    let mut command = WorkerCommand::new("/bin/sh", OwnedFd::from(diagnostics));
    command.args = ["-c", script].map(Into::into).into();
    command.pid_namespace = PidNamespace::Off;
    command.cgroup = Some(cgroup.procs().expect("open cgroup.procs"));
    let mut worker = command.spawn().expect("start the shell");
    let mut text = String::new();
    said.read_to_string(&mut text).expect("what it says is text");
    let exit = worker.wait().expect("wait for the shell");
    (text, exit, cgroup.ran_out_of_memory())
}

#[test]
fn limits_hold_where_cgroups_are_delegated() {
    let own = || fs::read_to_string("/proc/self/cgroup").expect("there is /proc");
    let before = own();
    let delegation = match Delegation::take() {
        Ok(delegation) => delegation,
        Err(error) => {
            let error = error.to_string();
            let known = [
                "this machine uses cgroup v1",
                "no controller is delegated",
                "holds other processes",
                "another supervisor has",
                "failed: ",
            ];
            assert!(known.iter().any(|words| error.contains(words)), "{error}");
            assert_eq!(own(), before, "nothing has changed");
            println!("not tried: {error}");
            return;
        }
    };
    let limits = CgroupLimits { memory_bytes: Some(64 << 20), threads: 4, cpu_millis: Some(500) };
    let (said, exit, _) = run(&delegation, limits, "read own < /proc/self/cgroup; cat /proc/self/cgroup >&2");
    assert!(exit == Exit::Code(0) && said.contains("/worker-1\n"), "{exit} {said}");
    let has = |name: &str| !format!("{:?}", delegation.status()).contains(name);
    if has("pids") {
        let (said, ..) = run(&delegation, limits, "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait");
        assert!(said.contains("fork"), "{said}");
    }
    if has("memory") {
        let (said, exit, out_of_memory) = run(&delegation, limits, "head -c 200000000 /dev/zero | tail >/dev/null");
        assert!(out_of_memory, "{exit} {said}");
    }
    drop(delegation);
    assert_eq!(own(), before, "the process is where it was");
}
