//! Makes `src/generated/` from `schema/`; shared by the `generate` example and the staleness test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What the committed code was made from: one line a schema file, `<digest> <name>`.
pub(crate) const SOURCES: &str = "SOURCES";

/// Where the schema files are: the wire, and what a configuration can import. These lie as deep as they do so that
/// `capnp eval -I ipc-schema/schema/config` finds `/workerd/workerd.capnp` and `/bulkhead/policy.capnp`.
const DIRECTORIES: [&str; 3] = ["schema", "schema/config/bulkhead", "schema/config/workerd"];

/// This crate's directory.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The schema files whose code is generated, sorted by name.
pub(crate) fn schemas() -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for directory in DIRECTORIES {
        for entry in fs::read_dir(root().join(directory))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "capnp") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The text of `SOURCES` for the schema files as they are now.
pub(crate) fn digests() -> std::io::Result<String> {
    let mut text = String::new();
    for path in schemas()? {
        let name = path.strip_prefix(root().join("schema")).expect("found there").display().to_string();
        text.push_str(&format!("{:016x} {name}\n", fnv1a(&fs::read(&path)?)));
    }
    Ok(text)
}

/// Detects accidental staleness, not malice, so that it needs no cryptographic digest.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Generates everything into `directory`. Needs the `capnp` tool.
pub(crate) fn generate(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(directory)?;
    for file in schemas()? {
        // One by one, so that all code lies side by side wherever the schemas are.
        capnpc::CompilerCommand::new()
            .src_prefix(file.parent().expect("a file is in a directory"))
            .no_standard_import()
            .import_path(root().join("schema/config"))
            // The wire names a part of the policy as if it lay beside it, as its code does.
            .import_path(root().join("schema/config/bulkhead"))
            .output_path(directory)
            .default_parent_module(vec!["generated".into()])
            .file(&file)
            .run()?;
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            // The version of the tool that happened to be installed is no part of what is generated.
            let text = fs::read_to_string(&path)?;
            let kept: String = text
                .lines()
                .filter(|line| !line.starts_with("// capnp binary version:"))
                .map(|line| format!("{line}\n"))
                .collect();
            fs::write(&path, kept)?;
        }
    }
    fs::write(directory.join(SOURCES), digests()?)?;
    Ok(())
}
