//! The programs from `package.json` that the tests use: the reference runtime and the bundler.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/support is two levels deep").to_path_buf()
}

/// The npm `workerd` binary: `BULKHEAD_WORKERD` or what `npm ci` installed.
///
/// # Panics
///
/// When it is not installed: a differential test without the other side proves nothing, so it fails.
pub fn workerd() -> PathBuf {
    npm_binary(
        "BULKHEAD_WORKERD",
        "@cloudflare/workerd-linux-64/bin/workerd",
        "@cloudflare/workerd-linux-arm64/bin/workerd",
    )
}

/// The npm `esbuild` binary: `BULKHEAD_ESBUILD` or what `npm ci` installed.
///
/// # Panics
///
/// When it is not installed.
pub fn esbuild() -> PathBuf {
    npm_binary("BULKHEAD_ESBUILD", "@esbuild/linux-x64/bin/esbuild", "@esbuild/linux-arm64/bin/esbuild")
}

/// Bundles the ES module `entry` and everything that it imports into the one file `out`, as `wrangler` would.
///
/// # Panics
///
/// When the bundler reports an error.
pub fn bundle(entry: &Path, out: &Path) {
    let output = Command::new(esbuild())
        .current_dir(repository())
        .arg(entry)
        .args(["--bundle", "--format=esm", "--target=es2022", "--log-level=warning"])
        .arg(format!("--outfile={}", out.display()))
        .output()
        .expect("start esbuild");
    assert!(output.status.success(), "esbuild failed:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn npm_binary(variable: &str, x86_64: &str, aarch64: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{variable} names {}, which is not a file", path.display());
        return path;
    }
    let path = repository().join("node_modules").join(if cfg!(target_arch = "x86_64") { x86_64 } else { aarch64 });
    assert!(
        path.is_file(),
        "{} is missing: run `npm ci` in the root of the repository once, or set {variable}",
        path.display()
    );
    path
}
