//! `supervisor compile`: a configuration, and with it the programs that serve it, as one file.

use std::{
    fs::{File, Permissions},
    io::{self, IsTerminal, Write},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    process::ExitCode,
};

use super::{
    args::CompileArgs,
    serve::end,
    setup::{self, Origin},
};
use crate::{
    config::{self, Compiled},
    program,
};

/// Writes the program, or the configuration alone, to standard output.
pub(super) fn run(arguments: &CompileArgs) -> ExitCode {
    end(compile(arguments).map(|()| ExitCode::SUCCESS))
}

fn compile(arguments: &CompileArgs) -> Result<(), String> {
    let cannot_write = |error: io::Error| format!("error: cannot write to standard output: {error}");
    if io::stdout().is_terminal() {
        return Err("Refusing to write binary to the terminal. Please use `>` to send the output to a file.".to_owned());
    }
    // Without a buffer that keeps what went through it.
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(cannot_write)?);
    let origin = Origin::named(arguments.source.clone(), arguments.const_name.clone(), &arguments.policy)?;
    let (Compiled { config, policy }, warnings) = config::compile(&origin.source, &origin.options(&arguments.policy))
        .map_err(|diagnostics| diagnostics.to_string())?;
    warnings.iter().for_each(|warning| eprintln!("{warning}"));
    if arguments.config_only {
        if policy.is_some() {
            eprintln!(
                "warning: the policy is not in the output, which is the configuration alone: give it to `serve` with --policy"
            );
        }
        return out.write_all(&config).map_err(cannot_write);
    }
    let fresh = is_fresh_file(&out).map_err(cannot_write)?;
    let written =
        program::write(&mut out, &setup::worker_beside()?, &config, policy.as_ref().map(|policy| policy.as_slice()))
            .map_err(|error| format!("error: {error}"))?;
    if written.needs_libraries {
        eprintln!(
            "warning: this supervisor was built with the system's libraries, which the result needs where it runs: docs/building.md"
        );
    }
    if fresh { make_executable(&out).map_err(cannot_write) } else { Ok(()) }
}

/// Whether all that is in the file will be ours.
fn is_fresh_file(file: &File) -> io::Result<bool> {
    file.metadata().map(|metadata| metadata.is_file() && metadata.len() == 0)
}

/// Lets those execute the file who may read it.
fn make_executable(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.mode() & 0o7777;
    file.set_permissions(Permissions::from_mode(mode | (mode & 0o444) >> 2))
}
