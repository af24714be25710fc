//! The committed generated code belongs to the committed schema.

#[path = "../generate/mod.rs"]
mod generate;

use std::fs;

#[test]
fn generated_code_is_fresh() {
    let committed = generate::root().join("src/generated");
    let recorded = fs::read_to_string(committed.join(generate::SOURCES)).expect("src/generated/SOURCES");
    assert_eq!(
        recorded,
        generate::digests().expect("schema files"),
        "a schema changed: run `cargo run -p bulkhead-ipc --example generate`"
    );
}

/// The digest says whether the schema changed; where the `capnp` tool is installed, this says whether the code is what
/// the schema gives.
#[test]
fn generated_code_is_what_the_schema_gives() {
    if std::process::Command::new("capnp").arg("--version").output().is_err() {
        eprintln!("skipped: no `capnp` tool on this machine");
        return;
    }
    let committed = generate::root().join("src/generated");
    let fresh = tempfile::tempdir().expect("a temporary directory");
    generate::generate(fresh.path()).expect("generation");
    for entry in fs::read_dir(fresh.path()).expect("a directory") {
        let name = entry.expect("an entry").file_name();
        let new = fs::read_to_string(fresh.path().join(&name)).expect("a generated file");
        let old = fs::read_to_string(committed.join(&name)).unwrap_or_default();
        assert!(new == old, "{name:?} is stale: run `cargo run -p bulkhead-ipc --example generate`");
    }
}
