//! How the two programs are linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // 58,000 of the worker's constants have pointers to others, which each process relocates when it starts: as a bitmap, and not
    // as a table of 1.4 MB that has to be read first. Linkers that do not know it say so, and go on.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // A function of V8's has another in its place: `keep_inlining` in sandbox-worker/src/isolate/continuations.rs.
    println!(
        "cargo::rustc-link-arg-bin=sandbox-worker=-Wl,--wrap=_ZN2v88internal10Protectors21InvalidatePromiseHookEPNS0_7IsolateE"
    );
}
