//! The walls around the real worker process: from outside, through `/proc`; from inside, with calls that must not succeed;
//! and from the tenant's side, with code that tries to take its process down.

mod containment {
    mod check_sandbox;
    mod compile;
    mod crashes;
    mod engine;
    #[cfg(feature = "probes")]
    mod escape;
    mod outside;
    mod probes;
    #[cfg(feature = "probes")]
    mod table;
    mod testing;

    use std::{
        io::Read,
        os::{fd::OwnedFd, unix::net::UnixStream},
    };

    use bulkhead_policy::spawn::{Exit, PidNamespace, WorkerCommand};

    /// Starts the real worker as the fleet does, with a control connection and one event connection, and waits for its end.
    /// Gives how it ended, and what it wrote to descriptor 2.
    fn start(arguments: &[&str]) -> (Exit, String) {
        start_with(arguments, Vec::new(), PidNamespace::IfPermitted)
    }

    /// As [`start`], with more descriptors after the two connections.
    fn start_with(arguments: &[impl AsRef<str>], more: Vec<OwnedFd>, pid_namespace: PidNamespace) -> (Exit, String) {
        let (mut diagnostics, theirs) = std::io::pipe().expect("make a pipe");
        let mut command = WorkerCommand::new(env!("CARGO_BIN_EXE_sandbox-worker"), theirs.into());
        command.args = arguments.iter().map(|argument| argument.as_ref().into()).collect();
        command.pid_namespace = pid_namespace;
        let pairs = [(); 2].map(|()| UnixStream::pair().expect("make a pair of sockets"));
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        command.fds = theirs.into_iter().map(Into::into).chain(more).collect();
        let mut worker = command.spawn().expect("start the worker");
        let mut said = String::new();
        diagnostics.read_to_string(&mut said).expect("what it says is text");
        let exit = worker.wait().expect("wait for the worker");
        drop(ours);
        (exit, said)
    }

    /// What `judge` has to say about each of `all`, asked by two threads.
    #[cfg(feature = "probes")]
    fn in_two_halves<T: Sync>(all: &[T], judge: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
        let (first, second) = all.split_at(all.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| second.iter().filter_map(&judge).collect::<Vec<_>>());
            let mut said: Vec<String> = first.iter().filter_map(&judge).collect();
            said.extend(other.join().expect("the other half"));
            said
        })
    }
}
