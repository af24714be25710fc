//! One thread for each shard: its own event loop, its own listeners, its own connections to the workers, and nothing
//! shared but read-only configuration and counters. What others have for it they leave in its [`Mailbox`].

mod clock;
mod mailbox;

use std::{
    io,
    rc::Rc,
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use tokio::{
    sync::{oneshot, watch},
    task::LocalSet,
};

use crate::{
    config::Protocol,
    log::Log,
    net::tls::server::Acceptor,
    service::{LocalFuture, Service},
    socket::{HttpSocket, Limits, Listener, Socket, TcpSocket},
};
use mailbox::Inbox;
pub use {
    clock::{SystemClock, Time, Timetable},
    mailbox::{Addressees, Letter, Mailbox, PostError},
};

/// Threads of a shard that wait for disks, so that it need not. They exist while there is something to wait for.
const DISK_THREADS: usize = 16;

/// What a shard serves.
pub struct Served {
    /// The services of the configuration's sockets, in their order.
    pub sockets: Vec<Rc<dyn Service>>,
    /// Those that events may be posted for.
    pub addressees: Addressees,
    /// Where it is written what these events fail with.
    pub log: Log,
}

/// Makes what a shard serves, on that shard's own thread.
pub trait ShardServices: Send + Sync + 'static {
    /// Called once for each shard. The future completes when the services can answer; its error is the text for the user.
    fn start(&self, shard: usize) -> LocalFuture<'_, Result<Served, String>>;
}

/// How a shard ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut off because the time for draining was over.
    pub cut_off: usize,
    /// Scheduled runs of which the same is true.
    pub runs_cut_off: usize,
}

/// Why the shards did not start.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// No thread, or no event loop.
    #[error("cannot start a shard: {0}")]
    Thread(#[source] io::Error),
    /// A service could not be started. Each error once, also when every shard has it.
    #[error("{}", .0.join("\n"))]
    Services(Vec<String>),
    /// A shard ended before it was told to.
    #[error("a shard ended: {0}")]
    Ended(String),
}

/// One socket, ready for one shard.
pub struct ShardSocket {
    /// For the log.
    pub name: String,
    /// Where it listens, as it was written.
    pub address: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Takes the handshakes, where it is spoken inside of TLS.
    pub tls: Option<Acceptor>,
    /// What this shard accepts from.
    pub listeners: Vec<Listener>,
    /// Where failures are written.
    pub log: Log,
}

struct Shard {
    thread: JoinHandle<Result<Drained, String>>,
    sockets: Option<oneshot::Sender<Vec<ShardSocket>>>,
    mailbox: Mailbox,
}

/// The running shards.
pub struct Shards {
    shards: Vec<Shard>,
    shutdown: watch::Sender<bool>,
}

impl Shards {
    /// Starts `count` threads and waits until each has its services.
    ///
    /// # Errors
    ///
    /// A thread or a service cannot be started. All threads have ended then.
    pub fn start(count: usize, limits: &Limits, services: Arc<dyn ShardServices>) -> Result<Shards, ShardError> {
        let (shutdown, _) = watch::channel(false);
        let (ready, readiness) = mpsc::channel();
        let mut shards = Vec::with_capacity(count);
        for index in 0..count {
            let (sockets, receiver) = oneshot::channel();
            let (mailbox, inbox) = Mailbox::new();
            let (services, limits, ready) = (services.clone(), limits.clone(), ready.clone());
            let shutdown = shutdown.subscribe();
            let thread = std::thread::Builder::new()
                .name(format!("shard-{index}"))
                .spawn(move || run(index, &limits, &*services, ready, receiver, inbox, shutdown))
                .map_err(ShardError::Thread)?;
            shards.push(Shard { thread, sockets: Some(sockets), mailbox });
        }
        drop(ready);
        let shards = Shards { shards, shutdown };
        let mut errors: Vec<String> = Vec::new();
        // Ends when every shard has spoken or is gone.
        for result in readiness {
            if let Err(error) = result
                && !errors.contains(&error)
            {
                errors.push(error);
            }
        }
        if errors.is_empty() {
            return Ok(shards);
        }
        // The others wait for their sockets; when those do not come, they end.
        let _ = shards.join();
        Err(ShardError::Services(errors))
    }

    /// Hands each shard its listeners: from then on it accepts. `sockets` has one entry for each shard; the sockets
    /// of an entry are in the order of the services.
    ///
    /// # Errors
    ///
    /// A shard has ended.
    pub fn serve(&mut self, sockets: Vec<Vec<ShardSocket>>) -> Result<(), ShardError> {
        for (shard, sockets) in self.shards.iter_mut().zip(sockets) {
            let sent = shard.sockets.take().is_some_and(|sender| sender.send(sockets).is_ok());
            if !sent {
                return Err(ShardError::Ended("before it was given its sockets".into()));
            }
        }
        Ok(())
    }

    /// Where events for each shard are posted.
    pub fn mailboxes(&self) -> Vec<Mailbox> {
        self.shards.iter().map(|shard| shard.mailbox.clone()).collect()
    }

    /// Asks all shards to stop accepting and to finish what is in flight. Returns at once.
    pub fn shut_down(&self) {
        self.shutdown.send_replace(true);
    }

    /// Whether all shards have ended.
    pub fn ended(&self) -> bool {
        self.shards.iter().all(|shard| shard.thread.is_finished())
    }

    /// Waits for the end of all shards. Blocks.
    ///
    /// # Errors
    ///
    /// A shard ended with an error.
    pub fn join(self) -> Result<Drained, ShardError> {
        let mut all = Drained::default();
        let mut first_error = None;
        for Shard { thread, sockets, mailbox: _ } in self.shards {
            drop(sockets);
            match thread.join() {
                Ok(Ok(drained)) => {
                    all.cut_off += drained.cut_off;
                    all.runs_cut_off += drained.runs_cut_off;
                }
                Ok(Err(error)) => {
                    first_error.get_or_insert(error);
                }
                // A panic aborts the process; where it does not (in tests), it goes on here.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        first_error.map_or(Ok(all), |error| Err(ShardError::Ended(error)))
    }
}

/// A shard's thread, from its start to its end.
fn run(
    index: usize,
    limits: &Limits,
    services: &dyn ShardServices,
    ready: mpsc::Sender<Result<(), String>>,
    sockets: oneshot::Receiver<Vec<ShardSocket>>,
    inbox: Inbox,
    shutdown: watch::Receiver<bool>,
) -> Result<Drained, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // They wait for disks, and nobody else waits for them.
        .max_blocking_threads(DISK_THREADS)
        .build()
        .map_err(|error| format!("cannot start the event loop of a shard: {error}"));
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error.clone()));
            return Err(error);
        }
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let served = match services.start(index).await {
            Ok(served) => served,
            Err(error) => {
                let _ = ready.send(Err(error));
                return Ok(Drained::default());
            }
        };
        let _ = ready.send(Ok(()));
        drop(ready);
        let Ok(sockets) = sockets.await else { return Ok(Drained::default()) };
        let sockets = sockets
            .into_iter()
            .zip(served.sockets)
            .map(|(socket, service)| {
                let ShardSocket { name, address, protocol, tls, listeners, log } = socket;
                let socket = match protocol {
                    Protocol::Http(options) => Socket::Http(HttpSocket::new(name, options, tls, limits, service, log)),
                    Protocol::Tcp { starts_tls } => {
                        Socket::Tcp(TcpSocket::new(name, address, tls, starts_tls, service, log))
                    }
                };
                (socket, listeners)
            })
            .collect();
        let letters = inbox.serve(served.addressees, served.log, limits.drain_time, shutdown.clone());
        let (connections, runs_cut_off) = tokio::join!(crate::socket::serve(sockets, limits, shutdown), letters);
        let cut_off = connections.map_err(|error| format!("cannot accept connections: {error}"))?;
        Ok(Drained { cut_off, runs_cut_off })
    })
}
