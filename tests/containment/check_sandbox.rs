//! `supervisor check-sandbox`, and the refusal to serve where it finds too little.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
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

/// Processes start while the machine is tested. None of them may be told whose code it is to run before the result is there.
#[test]
fn no_code_runs_before_the_test_has_passed() {
    let real = Path::new(SUPERVISOR).with_file_name("sandbox-worker");
    for (status, code) in [("enforced", None), ("missing", Some(1))] {
        let lines: String = json()["layers"]
            .as_array()
            .expect("a list of layers")
            .iter()
            .map(|layer| match layer["layer"].as_str().expect("a name") {
                "landlock" => format!("landlock\\t{status}\\tnone\\n"),
                name => format!("{name}\\tenforced\\t\\n"),
            })
            .collect();
        // A worker that is ready runs its code at once; a second is enough for one that need not wait.
        let script = format!(
            "if [ \"$1\" != --sandbox-self-test ]; then exec env -i {} \"$@\"; fi\nsleep 1; printf '{lines}.\\n' >&3; exit 0",
            real.display()
        );
        let directory = beside(Some(&script));
        fs::write(directory.path().join("worker.js"), "console.log('it runs'); addEventListener('fetch', () => {});")
            .expect("write the script");
        let config = "using Workerd = import \"/workerd/workerd.capnp\";
            const config :Workerd.Config = (
                services = [(name = \"main\", worker = (serviceWorkerScript = embed \"worker.js\", compatibilityDate = \"2026-11-01\"))],
                sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"main\")]);";
        fs::write(directory.path().join("config.capnp"), config).expect("write the configuration");
        let mut child = Command::new(directory.path().join("supervisor"))
            .args(["serve", "config.capnp"])
            .arg(if code.is_none() { "--sandbox=best-effort" } else { "--sandbox=required" })
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the supervisor");
        let said = &mut String::new();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        match code {
            // The code does run, when it may.
            None => {
                said.extend(stdout.lines().map_while(Result::ok).find(|line| line.contains("it runs")));
                child.kill().expect("end the supervisor");
            }
            Some(_) => said.extend(stdout.lines().map_while(Result::ok)),
        }
        let output = child.wait_with_output().expect("wait for the supervisor");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.contains("it runs"), code.is_none(), "{said}{error}");
        if code.is_some() {
            assert_eq!(output.status.code(), code, "{error}");
            assert!(error.contains("error: this machine cannot shut workers in"), "{error}");
        }
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
