//! The walls around the real worker process: from outside, through `/proc`; from inside, with calls that must not succeed;
//! and from the tenant's side, with code that tries to take its process down.

mod containment {
    mod check_sandbox;
    mod crashes;
    mod engine;
    mod outside;
    mod probes;

    use std::{io::Read, os::unix::net::UnixStream};

    use bulkhead_policy::spawn::{Exit, WorkerCommand};

    /// Starts the real worker as the fleet does, with a control connection and one event connection, and waits for its end.
    /// Gives how it ended, and what it wrote to descriptor 2.
    fn start(arguments: &[&str]) -> (Exit, String) {
        let (mut diagnostics, theirs) = std::io::pipe().expect("make a pipe");
        let mut command = WorkerCommand::new(env!("CARGO_BIN_EXE_sandbox-worker"), theirs.into());
        command.args = arguments.iter().map(Into::into).collect();
        let pairs = [(); 2].map(|()| UnixStream::pair().expect("make a pair of sockets"));
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        command.fds = theirs.into_iter().map(Into::into).collect();
        let mut worker = command.spawn().expect("start the worker");
        let mut said = String::new();
        diagnostics.read_to_string(&mut said).expect("what it says is text");
        let exit = worker.wait().expect("wait for the worker");
        drop(ours);
        (exit, said)
    }
}
