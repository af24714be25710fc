//! Signals that ask for the end, and for the counters.

use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};
use tokio::sync::{Notify, mpsc};

/// Signals, for which a thread waits. The event loop could do that too, but a library that can makes a pair of sockets in every
/// process that has an event loop, workers included.
pub(super) struct Signals {
    /// Those that ask for the end.
    ends: mpsc::UnboundedReceiver<End>,
    /// One of them that has been seen, and that nobody has acted upon.
    first: Option<End>,
    /// Told of those that ask for the counters.
    pub(super) asked: Arc<Notify>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Terminate,
    Interrupt,
}

impl End {
    /// What a shell makes of a process that a signal killed: 128 and the signal's number.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            End::Terminate => 128 + 15,
            End::Interrupt => 128 + 2,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            End::Terminate => "SIGTERM",
            End::Interrupt => "SIGINT",
        })
    }
}

impl Signals {
    /// Starts to listen. To be called before there is another thread: threads have the mask of the one that starts them, and a
    /// signal that any of them does not block does what it does by default. Workers start with an empty mask.
    pub(super) fn listen() -> std::io::Result<Signals> {
        let set = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1]);
        set.thread_block()?;
        let (sender, ends) = mpsc::unbounded_channel();
        let asked = Arc::new(Notify::new());
        let counters = asked.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            while let Ok(signal) = set.wait() {
                match signal {
                    Signal::SIGUSR1 => counters.notify_one(),
                    // Whoever no longer listens has ended.
                    signal => drop(sender.send(if signal == Signal::SIGINT { End::Interrupt } else { End::Terminate })),
                }
            }
        })?;
        Ok(Signals { ends, first: None, asked })
    }

    /// Waits until there is one that asks for the end, and leaves it there.
    pub(super) async fn wait(&mut self) {
        if self.first.is_none() {
            self.first = Some(self.next().await);
        }
    }

    /// The next signal that asks for the end.
    pub(super) async fn next(&mut self) -> End {
        if let Some(first) = self.first.take() {
            return first;
        }
        // The thread never ends.
        self.ends.recv().await.unwrap_or(End::Terminate)
    }
}
