//! How the two programs are linked: each is one file that needs no other, also no library of the system's.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // 58,000 of the worker's constants have pointers to others, which each process relocates when it starts: as a bitmap, and not
    // as a table of 1.4 MB that has to be read first. Linkers that do not know it say so, and go on.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // A function of V8's has another in its place: `keep_inlining` in sandbox-worker/src/isolate/continuations.rs.
    println!(
        "cargo::rustc-link-arg-bin=sandbox-worker=-Wl,--wrap=_ZN2v88internal10Protectors21InvalidatePromiseHookEPNS0_7IsolateE"
    );
    link_statically()
}

/// The libraries that the standard library and the C++ code ask for.
const LIBRARIES: [&str; 8] = ["stdc++", "gcc_s", "util", "rt", "pthread", "m", "dl", "c"];

/// What is linked for them. Of a C++ library nothing is used: see sandbox-worker/src/cxx.rs.
const ARCHIVES: [(&str, &str); 3] =
    [("stdc++", "/* nothing */"), ("m", "GROUP ( -l:libm.a )"), ("", "GROUP ( -l:libc.a -l:libgcc_eh.a -l:libgcc.a )")];

/// Functions of the C library that are used where it has them. An archive gives nothing that nobody insists on: without `pkey_…` V8
/// would believe that there are no protection keys for its code.
const IF_THERE: [&str; 8] =
    ["__cxa_thread_atexit_impl", "gettid", "pkey_alloc", "pkey_free", "pkey_get", "pkey_mprotect", "pkey_set", "statx"];

/// Links the programs, and only them, with the archives of the C library: position-independent all the same.
///
/// `-C target-feature=+crt-static` does that for everything that is built, procedural macros among it, unless they are built for
/// another target, in a directory of its own. So the linker is given a directory that has, by the names of the libraries that are
/// asked for, scripts that name archives.
fn link_statically() -> Result<(), Box<dyn Error>> {
    if env::var("CARGO_CFG_TARGET_ENV")? != "gnu" {
        return Ok(());
    }
    if !has_archives()? {
        println!(
            "cargo::warning=there is no libc.a: the programs, and what `compile` makes, will need libraries of the system"
        );
        return Ok(());
    }
    let directory = PathBuf::from(env::var("OUT_DIR")?).join("archives");
    fs::create_dir_all(&directory)?;
    for library in LIBRARIES {
        let script =
            ARCHIVES.iter().find(|(name, _)| name.is_empty() || *name == library).expect("the last is for all").1;
        fs::write(directory.join(format!("lib{library}.so")), script)?;
    }
    println!("cargo::rustc-link-arg-bins=-L{}", directory.display());
    println!("cargo::rustc-link-arg-bins=-static-pie");
    for function in IF_THERE {
        println!("cargo::rustc-link-arg-bins=-Wl,--undefined={function}");
    }
    // There is nothing that could be looked up: see policy/src/alone.rs.
    println!("cargo::rustc-link-arg-bins=-Wl,--wrap=dlsym");
    Ok(())
}

/// Whether the compiler that links finds the archive of the C library.
fn has_archives() -> Result<bool, Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let output = Command::new(linker).arg("-print-file-name=libc.a").output()?;
    // What it does not find it calls by the name alone.
    Ok(Path::new(String::from_utf8(output.stdout)?.trim()).is_absolute())
}
