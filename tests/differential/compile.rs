//! `compile`: encoded configurations that both read, and programs that contain theirs and are used alike.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use bulkhead_test_support::{Exit, Runtime, Setup, http};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// Something of each kind that a configuration can contain.
const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
using Shared = import "/shared.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main), (name = "callee", worker = .callee), (name = "files", disk = "/nonexistent") ],
  sockets = [ (name = "http", address = "127.0.0.1:0", service = "main",
    http = (injectResponseHeaders = [(name = "X-From", value = "configuration")])) ]
);
const main :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.js"),
    (name = "long.txt", text = embed "long.txt"),
    (name = "bytes.bin", data = embed "bytes.bin"),
    (name = "value.json", json = "{\"a\": [1, 2]}"),
  ],
  bindings = [ (name = "TEXT", text = Shared.text), (name = "JSON", json = "[true]"), (name = "CALLEE", service = "callee") ],
  compatibilityDate = "2026-01-01",
);
const callee :Workerd.Worker = (
  modules = [ (name = "w", esModule = "export default { fetch() { return new Response('called'); } };") ],
  compatibilityDate = "2026-01-01",
);
"#;

const WORKER: &str = "import long from 'long.txt';
import bytes from 'bytes.bin';
import value from 'value.json';
export default { async fetch(request, env) {
  const called = await (await env.CALLEE.fetch(request)).text();
  return Response.json({ long: [long.length, long.slice(-3)], bytes: [...new Uint8Array(bytes)], value, text: env.TEXT,
    json: env.JSON, called });
} };";

fn setup() -> Setup {
    let long = format!("{}end", "0123456789".repeat(200_000));
    Setup::config(CONFIG)
        .file("imports/shared.capnp", "@0xb1d2f4c3a5968778;\nconst text :Text = \"shared\";")
        .file("worker.js", WORKER)
        .file("long.txt", long)
        .file("bytes.bin", [0, 255, 10])
        .argument("-Iimports")
}

const ANSWER: &str = r#"{"long":[2000003,"end"],"bytes":[0,255,10],"value":{"a":[1,2]},"text":"shared","json":[true],"called":"called"}"#;

fn runtimes() -> [Runtime; 2] {
    [bulkhead_test_support::supervisor!(), Runtime::workerd()]
}

/// A program in a directory of its own that contains the configuration of a set-up.
fn program(runtime: &Runtime, setup: &Setup) -> (Runtime, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("program");
    let output = runtime.compile(setup, File::create(&path).expect("a file"));
    assert!(output.status.success(), "{}: {}", runtime.name, String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}: {}", runtime.name, String::from_utf8_lossy(&output.stderr));
    (Runtime { name: runtime.name, program: path }, directory)
}

fn config_only(runtime: &Runtime, setup: Setup) -> Output {
    runtime.compile(&setup.argument("--config-only"), Stdio::piped())
}

#[test]
fn an_encoded_configuration_is_read_by_both() {
    for writer in runtimes() {
        let output = config_only(&writer, setup());
        assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", writer.name);
        // One segment, which is all that follows.
        let (head, rest) = output.stdout.split_at(8);
        let words = u32::from_le_bytes(head[4..].try_into().expect("four bytes"));
        assert_eq!((&head[..4], words as usize * 8), (&[0; 4][..], rest.len()), "{}", writer.name);
        for reader in runtimes() {
            // Nothing else is there.
            let encoded = || Setup::config("").file("encoded", &output.stdout).config_file("encoded").argument("-b");
            let server = reader.serve(encoded().argument(format!("-dfiles={}", std::env::temp_dir().display())));
            let response = http::get(server.port(), "/").expect("a response");
            assert_eq!(response.text(), ANSWER, "{} reads {}", reader.name, writer.name);
            assert_eq!(response.header("x-from"), Some("configuration"));
            // What is encoded can be encoded again, and stays what it is.
            let again = config_only(&reader, encoded());
            assert!(again.stdout == output.stdout, "{} writes {}: {again:?}", reader.name, writer.name);
        }
    }
}

#[test]
fn what_is_no_configuration_is_not_compiled() {
    let two = "using Workerd = import \"/workerd/workerd.capnp\";
const a :Workerd.Config = ();\nconst b :Workerd.Config = ();";
    for runtime in runtimes() {
        let refused = |setup: Setup, reason: &str| {
            let output = config_only(&runtime, setup);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{}: {said}", runtime.name);
            assert!(said.contains(reason), "{}: {said}", runtime.name);
        };
        refused(Setup::config("").config_file("missing.capnp"), "missing.capnp");
        refused(Setup::config("const a :Nothing = ();"), "");
        refused(Setup::config(two), "multiple top-level constants");
        refused(Setup::config(two).constant("c"), "constant");
        refused(Setup::config("").config_file("-"), "Reading config from stdin is only allowed with --binary.");
        refused(Setup::config("").argument("--experimental"), "unexpected argument '--experimental'");
        assert_eq!(config_only(&runtime, Setup::config(two).constant("b")).status.code(), Some(0), "{}", runtime.name);
        // Whether it can be served is seen when it is.
        let unusable = "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (sockets = [(name = \"http\", service = \"nowhere\")]);";
        assert_eq!(config_only(&runtime, Setup::config(unusable)).status.code(), Some(0), "{}", runtime.name);
    }
}

#[test]
fn who_may_execute_what_was_made() {
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    for runtime in runtimes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("program");
        let make = |file: File, setup: Setup| assert!(runtime.compile(&setup, file).status.success());
        make(File::create(&path).expect("a file"), setup());
        let umask = mode(&path) & 0o444;
        assert_eq!(mode(&path), umask | 0o200 | umask >> 2, "{}", runtime.name);
        for (before, after) in [(0o600, 0o700), (0o640, 0o750)] {
            set(&path, before);
            make(File::create(&path).expect("a file"), setup());
            assert_eq!(mode(&path), after, "{}", runtime.name);
        }
        // Something is in it.
        set(&path, 0o600);
        make(File::options().append(true).open(&path).expect("a file"), setup());
        assert_eq!(mode(&path), 0o600, "{}", runtime.name);
        make(File::create(&path).expect("a file"), setup().argument("--config-only"));
        assert_eq!(mode(&path), 0o600, "{}", runtime.name);
    }
}

#[test]
fn a_terminal_gets_no_binary() {
    for runtime in runtimes() {
        for option in ["", " --config-only"] {
            let setup = setup();
            let command = format!("{} compile -Iimports{option} config.capnp", runtime.program.display());
            let mut script = Command::new("script");
            script.args(["-qec", &command, "/dev/null"]).current_dir(setup.path()).stdin(Stdio::null());
            let output = script.output().expect("run script(1)");
            assert_eq!(
                (output.status.code(), String::from_utf8_lossy(&output.stdout).trim_end()),
                (Some(1), "Refusing to write binary to the terminal. Please use `>` to send the output to a file."),
                "{}",
                runtime.name
            );
        }
    }
}

/// The long options that a program says it has.
fn options(help: &str) -> BTreeSet<String> {
    let words = help.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with("--")).map(|word| word.trim_end_matches(',').to_owned()).collect()
}

#[test]
fn a_program_with_its_configuration_is_used_as_the_references_is() {
    let made = runtimes().map(|runtime| program(&runtime, &setup()));
    let said = |runtime: &Runtime, arguments: &[&str]| {
        let output = Command::new(&runtime.program).args(arguments).output().expect("run it");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let [ours, theirs] = [&made[0].0, &made[1].0].map(|runtime| said(runtime, &["--help"]));
    for (code, help, error) in [&ours, &theirs] {
        assert_eq!((*code, error.as_str()), (Some(0), ""));
        assert!(help.contains("Usage: program [OPTIONS]\n"), "{help}");
    }
    let plain = said(&bulkhead_test_support::supervisor!(), &["serve", "--help"]).1;
    let mut of_serve = options(&plain);
    // What names a configuration is gone, and nothing else is.
    for gone in ["--import-path", "--binary"] {
        assert!(of_serve.remove(gone), "{plain}");
    }
    of_serve.insert("--version".to_owned());
    if made[0].0.name == "supervisor" {
        assert_eq!(options(&ours.1), of_serve);
    }
    for option in options(&theirs.1) {
        let (_, _, error) = said(&made[0].0, &[&option]);
        assert!(!error.contains("unexpected argument"), "{option}: {error}");
    }
    for (runtime, _) in &made {
        let (code, version, _) = said(runtime, &["--version"]);
        assert!(code == Some(0) && version.starts_with(runtime.name), "{version}");
        for wrong in ["serve", "config.capnp", "--bogus", "-Iimports", "--binary"] {
            let (code, out, error) = said(runtime, &[wrong]);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{} {wrong}", runtime.name);
            assert!(error.contains("unexpected argument '"), "{} {wrong}: {error}", runtime.name);
        }
    }
    let directory = || Setup::config("").argument(format!("-dfiles={}", std::env::temp_dir().display()));
    for (runtime, _) in &made {
        let server = runtime.serve_compiled(directory());
        assert_eq!(http::get(server.port(), "/").expect("a response").text(), ANSWER, "{}", runtime.name);
        server.signal(Signal::SIGTERM);
        let exit = server.wait();
        assert!(exit.stderr.is_empty(), "{}: {}", runtime.name, exit.stderr);
        let refused = |setup: Setup| -> Exit { runtime.spawn_compiled(setup).wait() };
        for (setup, reason) in [
            (Setup::config(""), "Directory named \"files\" not found: /nonexistent"),
            (directory().argument("-sbogus=127.0.0.1:0"), "did not define any socket named \"bogus\""),
            (directory().argument("-ebogus=127.0.0.1:1"), "did not define any external service named \"bogus\""),
        ] {
            let exit = refused(setup);
            assert_eq!(exit.code, Some(1), "{}: {}", runtime.name, exit.stderr);
            assert!(exit.stderr.contains(reason), "{}: {reason}: {}", runtime.name, exit.stderr);
        }
    }
}
