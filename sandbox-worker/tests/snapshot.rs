//! The startup snapshot beside the evaluated built-ins.

mod support;

use std::process::Command;

use bulkhead_sandbox_worker::{
    api::SURFACE,
    isolate::{
        platform,
        snapshot::{self, Snapshot, SnapshotError},
    },
};
use support::eval;

/// Every property that can be reached from the global scope, with what it looks like; in the order of their names, for what V8
/// adds to the global object late comes behind our own there.
const DUMP: &str = "(() => {
    const lines = [], seen = new Map([[globalThis, 'globalThis']]);
    const look = (value) => typeof value === 'function' ? `function ${value.name} ${value.length}`
        : Object(value) === value ? Object.prototype.toString.call(value) : typeof value === 'string' ? JSON.stringify(value) : String(value);
    const walk = (object, path, depth) => {
        const prototype = Object.getPrototypeOf(object);
        lines.push(`${path} of ${prototype === null ? null : seen.get(prototype) ?? prototype.constructor?.name} ${Object.isExtensible(object)}`);
        // `gc` is of a flag that only tests have.
        lines.push(`${path} has ${Object.keys(object).filter((key) => key !== 'gc')}`);
        for (const key of Reflect.ownKeys(object).sort((a, b) => (String(a) < String(b) ? -1 : 1))) {
            const name = `${path}.${String(key)}`;
            const { value, get, set, writable, enumerable, configurable } = Reflect.getOwnPropertyDescriptor(object, key);
            lines.push(`${name} ${writable} ${enumerable} ${configurable} ${get?.name} ${set?.name} ${look(value)}`);
            for (const part of [value, get, set]) {
                if (Object(part) !== part || seen.has(part) || depth === 5) continue;
                seen.set(part, name);
                walk(part, name, depth + 1);
            }
        }
        if (prototype !== null && !seen.has(prototype)) {
            seen.set(prototype, `${path}.[[Prototype]]`);
            walk(prototype, `${path}.[[Prototype]]`, depth + 1);
        }
    };
    walk(globalThis, 'globalThis', 0);
    return lines.join('\\n');
})()";

/// Marks the lines of the dump among those of the harness.
const MARK: &str = "dump: ";

#[test]
#[ignore = "started by `the_snapshot_is_what_evaluation_makes`, with and without the snapshot"]
fn dump() {
    for line in eval(DUMP).lines() {
        println!("{MARK}{line}");
    }
}

/// What is there; what it does is what all other tests of the API show, which run from the snapshot.
#[test]
fn the_snapshot_is_what_evaluation_makes() {
    let dumped = |evaluate: bool| {
        let mut command = Command::new(std::env::current_exe().expect("the program has a path"));
        command.args(["--exact", "dump", "--ignored", "--nocapture"]);
        if evaluate {
            command.env("BULKHEAD_EVALUATE", "1");
        } else {
            command.env_remove("BULKHEAD_EVALUATE");
        }
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect::<Vec<_>>()
    };
    let (evaluated, loaded) = (dumped(true), dumped(false));
    assert!(evaluated.len() > 3000, "{} lines", evaluated.len());
    let differences: Vec<_> = evaluated.iter().zip(&loaded).filter(|(evaluated, loaded)| evaluated != loaded).collect();
    assert!(differences.is_empty(), "{} differences, first {:#?}", differences.len(), &differences[..1]);
    assert_eq!(evaluated.len(), loaded.len());
}

const FLAG: &str = "BULKHEAD_V8_FLAG";

#[test]
#[ignore = "started by `code_is_taken_with_the_flags_that_it_was_made_with`, with a flag of V8 or without"]
fn take_code() {
    platform::initialize(&std::env::var(FLAG).into_iter().collect::<Vec<_>>());
    let found = Snapshot::find(bulkhead_snapshot::SNAPSHOT, bulkhead_snapshot::CODE_CACHES, &SURFACE);
    snapshot::check_code_caches(&found.expect("the snapshot is of this build"));
}

/// V8 takes the code of built-in modules that the program has, and refuses it where its flags could make that wrong. `tests/start.rs`
/// of the whole shows that the modules work with such flags.
#[test]
fn code_is_taken_with_the_flags_that_it_was_made_with() {
    for (flag, taken) in
        [(None, true), (Some("--random-seed=7"), true), (Some("--no-opt"), false), (Some("--jitless"), false)]
    {
        let mut command = Command::new(std::env::current_exe().expect("the program has a path"));
        command.args(["--exact", "take_code", "--ignored", "--nocapture"]).env_remove(FLAG);
        command.envs(flag.map(|flag| (FLAG, flag)));
        let output = command.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), taken, "{flag:?}: {said}");
        assert!(taken || said.contains("V8 does not take the code of"), "{flag:?}: {said}");
    }
}

#[test]
fn a_snapshot_of_another_build_is_refused() {
    let snapshot = bulkhead_snapshot::SNAPSHOT;
    assert!(Snapshot::find(snapshot, &[], &SURFACE).is_ok());
    // Of the head, for V8's part is not looked at: it comes with the head.
    for index in 0..8 {
        let mut other = snapshot.to_vec();
        other[index] ^= 1;
        assert_eq!(Snapshot::find(other.leak(), &[], &SURFACE).err(), Some(SnapshotError::OtherBuild));
    }
    for length in [0, 7, 8, 15, 16, 20, 64] {
        assert_eq!(
            Snapshot::find(&snapshot[..length], &[], &SURFACE).err(),
            Some(SnapshotError::Incomplete),
            "{length}"
        );
    }
    let mut other = snapshot.to_vec();
    other[8..16].fill(0xff);
    assert_eq!(Snapshot::find(other.leak(), &[], &SURFACE).err(), Some(SnapshotError::Incomplete));
}
