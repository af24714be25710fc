//! The command line: `supervisor serve | compile | test | check-sandbox`.
//!
//! Options, their values and their errors follow the reference, so that programs which start it can start this. What does
//! not exist yet is still understood, and refused by name.
//!
//! This is the top floor: it puts the others together, and none of them knows it.

mod args;
pub mod check_sandbox;
mod control;
mod serve;
mod setup;
mod signals;
mod test;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use self::args::{Cli, Command};

/// Runs the command line in `arguments`, whose first element is the program's name. Returns when the command is done.
///
/// Exit codes are listed in `docs/command-line.md`.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let failed = error.use_stderr();
            let _ = error.print();
            return if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match cli.command {
        Command::Serve(arguments) => serve::run(*arguments, cli.verbose),
        Command::Compile(_) => not_supported("the subcommand `compile`"),
        Command::Test(arguments) => test::run(*arguments, cli.verbose),
        Command::CheckSandbox(arguments) => check_sandbox::run(arguments.json),
    }
}

/// The answer to everything that is understood and does not exist.
fn not_supported(what: &str) -> ExitCode {
    eprintln!("error: {what} is not supported yet.");
    ExitCode::FAILURE
}
