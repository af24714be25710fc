//! Makes the startup snapshot of the worker, and from that the code of its built-in modules.
//!
//! A process has one isolate, so this program starts itself for what another one is needed for: what is in a usual context, and
//! whether a script looks for what is missing while a snapshot is made.

use std::{
    env,
    error::Error,
    fs,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use bulkhead_sandbox_worker::{
    api::SURFACE,
    isolate::{
        platform,
        snapshot::{self, Snapshot},
    },
};

const PROPERTIES: &str = "properties";
const CHECK: &str = "check";
const CODE: &str = "code";
const CHECK_CODE: &str = "check-code";

const SNAPSHOT: &str = "snapshot.bin";
const CODE_CACHES: &str = "code.bin";

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        None => {
            println!("cargo::rerun-if-changed=build.rs");
            let properties = start_again(PROPERTIES, "")?;
            start_again(CHECK, &properties)?;
            initialize();
            fs::write(out(SNAPSHOT)?, snapshot::make(&SURFACE))?;
            start_again(CODE, "")?;
            start_again(CHECK_CODE, "")?;
        }
        Some(CODE) => {
            initialize();
            fs::write(out(CODE_CACHES)?, snapshot::make_code_caches(&find(&[])?))?;
        }
        Some(CHECK_CODE) => {
            // As a worker does.
            platform::initialize(&[]);
            snapshot::check_code_caches(&find(fs::read(out(CODE_CACHES)?)?.leak())?);
        }
        Some(PROPERTIES) => {
            initialize();
            print!("{}", snapshot::properties());
        }
        Some(CHECK) => {
            let mut properties = String::new();
            std::io::stdin().read_to_string(&mut properties)?;
            initialize();
            snapshot::check(&SURFACE, &properties);
        }
        Some(other) => return Err(format!("{other}?").into()),
    }
    Ok(())
}

/// A file that this program makes.
fn out(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let directory = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: cargo runs this program")?;
    Ok(PathBuf::from(directory).join(name))
}

fn find(code_caches: &'static [u8]) -> Result<Snapshot, Box<dyn Error>> {
    Ok(Snapshot::find(fs::read(out(SNAPSHOT)?)?.leak(), code_caches, &SURFACE)?)
}

fn initialize() {
    platform::initialize(&[snapshot::FLAGS.to_owned()]);
}

/// What this program, started with the argument `part`, writes for `input`.
fn start_again(part: &str, input: &str) -> Result<String, Box<dyn Error>> {
    let mut child = Command::new(env::current_exe()?).arg(part).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or("the child has no input")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(
            format!("the built-in scripts fit no snapshot ({part}: {}); the reason is above", output.status).into()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
