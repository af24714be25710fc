//! Forbidden calls from inside the real worker executable, after it has shut itself in.

/// The hidden argument of test builds.
const MARK: &[u8] = b"--sandbox-probe";

const WORKER: &str = env!("CARGO_BIN_EXE_sandbox-worker");

/// Whether the executable contains the probes is visible in it.
fn contains_probes() -> bool {
    let executable = std::fs::read(WORKER).expect("read the worker's executable");
    executable.windows(MARK.len()).any(|window| window == MARK)
}

#[test]
fn the_worker_has_probes_only_when_it_was_built_with_them() {
    assert_eq!(contains_probes(), cfg!(feature = "probes"));
}

/// A worker that was built for use does not know the argument.
#[cfg(not(feature = "probes"))]
#[test]
fn the_hidden_argument_is_refused() {
    let (exit, said) = super::start(&["--shards=1", "--sandbox-probe", "nothing"]);
    assert_eq!(exit, bulkhead_policy::spawn::Exit::Code(1));
    assert!(said.contains("unknown argument \"--sandbox-probe\""), "{said}");
}

#[cfg(feature = "probes")]
#[test]
fn every_probe_ends_as_it_must_in_the_real_worker() {
    use bulkhead_policy::{
        probe::{self, Expect, PROBES, Probe},
        report::parse_violation,
        spawn::Exit,
    };

    const SIGSYS: i32 = 31;

    let judge = |probe: &Probe| {
        let (exit, said) = super::start(&["--shards=1", probe::PROBE_ARG, probe.name]);
        let violation = said.lines().find_map(parse_violation);
        let killed = matches!(exit, Exit::Signal { signal: SIGSYS, .. });
        let right = match probe.expect {
            Expect::Success => exit == Exit::Code(probe::SUCCEEDED),
            Expect::Errno(errno) => exit == Exit::Code(errno),
            Expect::Death => killed && violation.is_some(),
            Expect::SilentDeath => killed && violation.is_none(),
            Expect::Signal(signal) => exit == Exit::Signal { signal, core: false } && violation.is_none(),
        };
        (!right).then(|| format!("{}: {exit}, expected {:?}: {said}", probe.name, probe.expect))
    };
    let (first, second) = PROBES.split_at(PROBES.len() / 2);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let other = scope.spawn(|| second.iter().filter_map(judge).collect::<Vec<_>>());
        let mut wrong: Vec<String> = first.iter().filter_map(judge).collect();
        wrong.extend(other.join().expect("the other half"));
        wrong
    });
    assert!(wrong.is_empty(), "{wrong:#?}");

    // A name that is no probe must not end as a probe that found a hole.
    assert_eq!(super::start(&["--shards=1", probe::PROBE_ARG, "no such probe"]).0, Exit::Code(probe::UNKNOWN));
    assert_eq!(super::start(&["--shards=1", probe::PROBE_ARG]).0, Exit::Code(probe::UNKNOWN));
}
