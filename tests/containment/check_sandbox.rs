//! `supervisor check-sandbox`, and the refusal to serve where it finds too little.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use bulkhead_test_support::tools;

const SUPERVISOR: &str = env!("CARGO_BIN_EXE_supervisor");

/// Layers without which nothing is served.
const REQUIRED: [&str; 8] =
    ["environment", "descriptors", "no-new-privs", "rlimits", "capabilities", "process", "landlock", "seccomp"];

/// The result for programs.
pub(super) fn json() -> serde_json::Value {
    let output = run(Path::new(SUPERVISOR), &["check-sandbox", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("start {program:?}: {error}"))
}

#[test]
fn this_machine_gives_every_required_layer() {
    let report = json();
    assert_eq!(report["sufficient"], true, "{report:#}");
    let layers = report["layers"].as_array().expect("a list of layers");
    for name in REQUIRED {
        let layer = layers.iter().find(|layer| layer["layer"] == name).unwrap_or_else(|| panic!("no layer {name}"));
        assert_eq!(layer["required"], true, "{layer}");
        assert_ne!(layer["status"], "missing", "{layer}");
    }
    for layer in layers.iter().filter(|layer| layer["status"] != "enforced") {
        assert!(layer["detail"].is_string() && layer["howToGet"].is_string(), "{layer}");
    }

    let output = run(Path::new(SUPERVISOR), &["check-sandbox"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    for layer in layers {
        let name = layer["layer"].as_str().expect("a name");
        assert!(text.lines().any(|line| line.split_whitespace().next() == Some(name)), "no line for {name} in {text}");
    }
    assert!(text.ends_with("This machine can run workers with --sandbox=required.\n"), "{text}");
}

/// Copies an executable, in a process of its own: a descriptor of this one that is open for writing could get into a child
/// that another test forks at that moment, and an executable that somebody may write to cannot be started.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("start cp");
    assert!(status.success(), "cp failed");
}

/// A supervisor beside a program that claims to be a worker and does what `script` says.
fn beside(script: Option<&str>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("make a temporary directory");
    let supervisor = directory.path().join("supervisor");
    copy(Path::new(SUPERVISOR), &supervisor);
    if let Some(script) = script {
        let worker = directory.path().join("sandbox-worker");
        let text = directory.path().join("script");
        fs::write(&text, format!("#!/bin/sh\n{script}\n")).expect("write the script");
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).expect("make it executable");
        copy(&text, &worker);
    }
    directory
}

#[test]
fn without_a_worker_there_is_no_result() {
    let directory = beside(None);
    let output = run(&directory.path().join("supervisor"), &["check-sandbox"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("sandbox-worker") && error.contains("No such file"), "{error}");
}

#[test]
fn nothing_is_served_without_a_required_layer() {
    // Says of every layer that it holds, and of one that it does not.
    for missing in ["seccomp", "landlock"] {
        let lines: String = json()["layers"]
            .as_array()
            .expect("a list of layers")
            .iter()
            .map(|layer| match layer["layer"].as_str().expect("a name") {
                name if name == missing => format!("{name}\\tmissing\\tthe kernel has none\\n"),
                name => format!("{name}\\tenforced\\t\\n"),
            })
            .collect();
        let directory = beside(Some(&format!("printf '{lines}.\\n' >&3; exit 0")));
        let supervisor = directory.path().join("supervisor");

        let output = run(&supervisor, &["check-sandbox"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("the kernel has none"), "{text}");
        assert!(text.ends_with("This machine cannot run workers with --sandbox=required.\n"), "{text}");

        let config = tools::repository().join("samples/hello/config.capnp");
        let config = config.to_str().expect("a path in UTF-8");
        let output = run(&supervisor, &["serve", config, "--socket-addr=http=127.0.0.1:0"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("error: this machine cannot shut workers in"), "{error}");
        // Which layer, why, and how to get it, in one line.
        assert!(error.contains(&format!("{missing} is missing (the kernel has none): ")), "{error}");
        assert!(error.contains("CONFIG_SEC") && error.trim_end().lines().count() == 1, "{error}");
    }
}

#[test]
fn a_worker_that_only_claims_to_be_shut_is_found_out() {
    // It says that everything holds, and /proc says that it does not.
    let lines: String = REQUIRED.iter().map(|name| format!("{name}\\tenforced\\t\\n")).collect();
    let directory = beside(Some(&format!("printf '{lines}.\\n' >&3; head -c1 <&3 >/dev/null; exit 0")));
    let output = run(&directory.path().join("supervisor"), &["check-sandbox", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for name in ["no-new-privs", "seccomp"] {
        let layers = report["layers"].as_array().expect("a list of layers");
        let layer = layers.iter().find(|layer| layer["layer"] == name).expect("the layer is in the list");
        assert_eq!(layer["status"], "missing", "{layer}");
    }
}
