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

/// A worker that was built for use does not know the arguments.
#[cfg(not(feature = "probes"))]
#[test]
fn the_hidden_arguments_are_refused() {
    for hidden in ["--sandbox-probe", "--sandbox-probe-without=landlock"] {
        let (exit, said) = super::start(&["--shards=1", hidden]);
        assert_eq!(exit, bulkhead_policy::spawn::Exit::Code(1));
        assert!(said.contains(&format!("unknown argument {hidden:?}")), "{said}");
    }
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

    let judge = |jitless: bool, probe: &Probe| {
        let arguments = ["--shards=1", if jitless { "--jitless" } else { "" }, probe::PROBE_ARG, probe.name];
        let arguments: Vec<&str> = arguments.into_iter().filter(|argument| !argument.is_empty()).collect();
        let (exit, said) = super::start(&arguments);
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
    let wrong = super::in_two_halves(PROBES, |probe| judge(false, probe));
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Ends that are not the filter's, and what must work, where nothing is compiled.
    let ends: Vec<_> =
        PROBES.iter().filter(|probe| matches!(probe.expect, Expect::Success | Expect::Signal(_))).collect();
    let wrong = super::in_two_halves(&ends, |probe| judge(true, probe));
    assert!(wrong.is_empty(), "{wrong:#?}");

    // A name that is no probe must not end as a probe that found a hole.
    assert_eq!(super::start(&["--shards=1", probe::PROBE_ARG, "no such probe"]).0, Exit::Code(probe::UNKNOWN));
    assert_eq!(super::start(&["--shards=1", probe::PROBE_ARG]).0, Exit::Code(probe::UNKNOWN));
}

/// What a script does to its process ends as what it is, with a compiler and without.
#[cfg(feature = "probes")]
#[test]
fn the_end_of_a_script_shows_as_itself() {
    use bulkhead_policy::{probe::PROBE_ARG, report::parse_violation, spawn::Exit};

    for jitless in [false, true] {
        let script = |source: &str| {
            let mut arguments = vec!["--shards=1", "--heap-bytes=33554432"];
            arguments.extend(jitless.then_some("--jitless"));
            arguments.extend([PROBE_ARG, "script", source]);
            super::start(&arguments)
        };
        // Hot enough to be compiled, and with a collection of garbage.
        let hot =
            "let n = 0; for (let i = 0; i < 300000; i++) n += [i].map((x) => x + 1).length & 1; n === 300000 ? 7 : 8";
        assert_eq!(script(hot), (Exit::Code(7), String::new()), "jitless: {jitless}");
        let deep =
            "let f = () => f() + 1, n = 0; try { f() } catch (error) { n = error instanceof RangeError ? 7 : 8 } n";
        assert_eq!(script(deep), (Exit::Code(7), String::new()), "jitless: {jitless}");
        let wasm = "typeof WebAssembly === 'undefined' ? 7 : 8";
        assert_eq!(script(wasm).0, Exit::Code(if jitless { 7 } else { 8 }), "jitless: {jitless}");
        // In one piece, for which the slack that a full heap gets to come to an end with is too small.
        let (exit, said) = script("new Array(3e7).fill(0.5).length");
        assert!(said.contains("out of memory"), "jitless: {jitless}: {exit} {said}");
        assert!(matches!(exit, Exit::Signal { signal, .. } if signal != 31), "jitless: {jitless}: {exit} {said}");
        assert_eq!(said.lines().find_map(parse_violation), None, "jitless: {jitless}: {said}");
    }
}
