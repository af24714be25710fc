//! The command line: `supervisor serve | compile | test | bench | check-sandbox`.
//!
//! Options, their values and their errors follow the reference, so that programs which start it can start this. What does
//! not exist yet is still understood, and refused by name. A program that contains a configuration has no subcommands: it serves.
//!
//! This is the top floor: it puts the others together, and none of them knows it.

mod args;
pub mod check_sandbox;
mod compile;
mod control;
mod early;
mod files;
mod generation;
mod listeners;
mod retiring;
mod serve;
mod setup;
mod signals;
mod test;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use self::args::{Cli, Command, CompiledCli};
use crate::program;

/// Runs the command line in `arguments`, whose first element is the program's name. Returns when the command is done.
///
/// Exit codes are listed in `docs/command-line.md`.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match program::find() {
        Ok(None) => {}
        Ok(Some(embedded)) => {
            return match parse::<CompiledCli>(arguments) {
                Ok(cli) => serve::run_embedded(embedded, cli.options, cli.verbose),
                Err(code) => code,
            };
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    let cli = match parse::<Cli>(arguments) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match cli.command {
        Command::Serve(arguments) => serve::run(*arguments, cli.verbose),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Test(arguments) => test::run(*arguments, cli.verbose),
        Command::Bench(arguments) => test::run_benches(*arguments, cli.verbose),
        Command::CheckSandbox(arguments) => check_sandbox::run(arguments.json),
    }
}

/// Reads a command line. The exit code is that of a program that has nothing else to do.
fn parse<C: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<C, ExitCode> {
    C::try_parse_from(arguments).map_err(|error| {
        // Help and version go to standard output and are no failure.
        let failed = error.use_stderr();
        let _ = error.print();
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    })
}

/// The answer to everything that is understood and does not exist.
fn not_supported(what: &str) -> ExitCode {
    eprintln!("error: {what} is not supported yet.");
    ExitCode::FAILURE
}
