//! One thread for each shard: its own event loop, its own listeners, its own connections to the workers, and nothing
//! shared but read-only configuration and counters. What others have for it they leave in its [`Mailbox`].
//!
//! What shards serve can change: the services of a configuration are made beside those of the one before, take their places at once, and
//! the others finish what they do.

mod clock;
mod mailbox;

use std::{
    io,
    rc::Rc,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    sync::{mpsc as queue, oneshot, watch},
    task::{JoinHandle as TaskHandle, JoinSet, LocalSet},
};

use crate::{
    config::Protocol,
    log::Log,
    net::tls::server::Acceptor,
    service::{LocalFuture, Service},
    socket::{Front, HttpSocket, Limits, Opening, Socket, TcpSocket, Used},
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

/// How a shard, or a configuration on it, ended.
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
    pub opening: Opening,
    /// Where failures are written.
    pub log: Log,
}

/// What a shard is told.
enum Order {
    /// To make services ready.
    Prepare { services: Arc<dyn ShardServices>, inbox: Inbox, ready: mpsc::Sender<Result<(), String>> },
    /// To let go of those that are ready and not served.
    Discard,
    /// To serve with those that it made ready last, in place of those before.
    Serve {
        number: u64,
        sockets: Vec<ShardSocket>,
        connections: usize,
        done: mpsc::Sender<Result<(), String>>,
        left: oneshot::Sender<Drained>,
        hurry: watch::Receiver<bool>,
    },
}

struct Shard {
    thread: JoinHandle<Result<Drained, String>>,
    orders: queue::UnboundedSender<Order>,
}

/// The running shards.
pub struct Shards {
    shards: Vec<Shard>,
    shutdown: watch::Sender<bool>,
    /// How often they were told what to serve.
    served: u64,
    /// Of what was made ready last.
    mailboxes: Vec<Mailbox>,
}

/// What shards served before, and finish.
pub struct Leaving {
    shards: Vec<oneshot::Receiver<Drained>>,
    hurry: watch::Sender<bool>,
}

impl Leaving {
    /// Waits for its end, which comes at the latest when [`Limits::drain_time`] is over, or right after `time`.
    pub async fn finish(self, time: impl Future<Output = ()>) -> Drained {
        let all = async {
            let mut drained = Drained::default();
            for shard in self.shards {
                // A shard that has ended has cut off what was left, and said so.
                drained.add(shard.await.unwrap_or_default());
            }
            drained
        };
        let mut all = std::pin::pin!(all);
        tokio::select! {
            biased;
            drained = &mut all => return drained,
            () = time => {}
        }
        self.hurry.send_replace(true);
        all.await
    }
}

impl Drained {
    fn add(&mut self, other: Drained) {
        self.cut_off += other.cut_off;
        self.runs_cut_off += other.runs_cut_off;
    }
}

impl Shards {
    /// Starts `count` threads and waits until each has its services.
    ///
    /// # Errors
    ///
    /// A thread or a service cannot be started. All threads have ended then.
    pub fn start(count: usize, limits: &Limits, services: Arc<dyn ShardServices>) -> Result<Shards, ShardError> {
        let (shutdown, _) = watch::channel(false);
        let mut shards = Vec::with_capacity(count);
        for index in 0..count {
            let (orders, receiver) = queue::unbounded_channel();
            let limits = limits.clone();
            let shutdown = shutdown.subscribe();
            let thread = std::thread::Builder::new()
                .name(format!("shard-{index}"))
                .spawn(move || run(index, &limits, receiver, shutdown))
                .map_err(ShardError::Thread)?;
            shards.push(Shard { thread, orders });
        }
        let mut shards = Shards { shards, shutdown, served: 0, mailboxes: Vec::new() };
        match shards.prepare(services) {
            Ok(()) => Ok(shards),
            Err(error) => {
                // They were told to serve nothing; when nobody can tell them any more, they end.
                let _ = shards.join();
                Err(error)
            }
        }
    }

    /// Has each shard make services ready, in place of others that are ready and not served. What is served goes on.
    ///
    /// # Errors
    ///
    /// A service cannot be started, or a shard has ended.
    pub fn prepare(&mut self, services: Arc<dyn ShardServices>) -> Result<(), ShardError> {
        let (ready, readiness) = mpsc::channel();
        self.mailboxes.clear();
        for shard in &self.shards {
            let (mailbox, inbox) = Mailbox::new();
            self.mailboxes.push(mailbox);
            let _ = shard.orders.send(Order::Prepare { services: services.clone(), inbox, ready: ready.clone() });
        }
        drop(ready);
        let mut errors: Vec<String> = Vec::new();
        let mut spoken = 0;
        // Ends when every shard has spoken or is gone.
        for result in readiness {
            spoken += 1;
            if let Err(error) = result
                && !errors.contains(&error)
            {
                errors.push(error);
            }
        }
        if errors.is_empty() && spoken == self.shards.len() {
            return Ok(());
        }
        self.discard();
        Err(if errors.is_empty() {
            ShardError::Ended("before it had its services".into())
        } else {
            ShardError::Services(errors)
        })
    }

    /// Has each shard let go of services that are ready and not served.
    pub fn discard(&self) {
        for shard in &self.shards {
            let _ = shard.orders.send(Order::Discard);
        }
    }

    /// Has each shard serve with the services that are ready, and with these sockets alone: from then on it accepts. `sockets` has one
    /// entry for each shard; the sockets of an entry are in the order of the services. A shard has at most `connections` connections.
    /// Gives what was served before, where something was.
    ///
    /// # Errors
    ///
    /// A shard has ended, or cannot accept.
    pub fn serve(&mut self, sockets: Vec<Vec<ShardSocket>>, connections: usize) -> Result<Option<Leaving>, ShardError> {
        let (done, all_done) = mpsc::channel();
        let (hurry, hurried) = watch::channel(false);
        let number = self.served;
        self.served += 1;
        let mut leaving = Vec::with_capacity(self.shards.len());
        for (shard, sockets) in self.shards.iter().zip(sockets) {
            let (left, leaves) = oneshot::channel();
            leaving.push(leaves);
            let (done, hurry) = (done.clone(), hurried.clone());
            let _ = shard.orders.send(Order::Serve { number, sockets, connections, done, left, hurry });
        }
        drop(done);
        let results: Vec<_> = all_done.iter().collect();
        let spoken = results.len();
        results.into_iter().collect::<Result<(), String>>().map_err(ShardError::Ended)?;
        if spoken < self.shards.len() {
            return Err(ShardError::Ended("before it was given its sockets".into()));
        }
        Ok((number > 0).then_some(Leaving { shards: leaving, hurry }))
    }

    /// Where events for each shard are posted, which the services get that were made ready last.
    pub fn mailboxes(&self) -> Vec<Mailbox> {
        self.mailboxes.clone()
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
        for Shard { thread, orders } in self.shards {
            drop(orders);
            match thread.join() {
                Ok(Ok(drained)) => all.add(drained),
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
    mut orders: queue::UnboundedReceiver<Order>,
    mut shutdown: watch::Receiver<bool>,
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
            if let Some(Order::Prepare { ready, .. }) = orders.blocking_recv() {
                let _ = ready.send(Err(error.clone()));
            }
            return Err(error);
        }
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let mut serving = Serving::new(limits);
        loop {
            let order = tokio::select! {
                biased;
                // An error means that the other end is gone, which is a shutdown too.
                _ = shutdown.wait_for(|shutdown| *shutdown) => break,
                order = orders.recv() => order,
            };
            match order {
                Some(Order::Prepare { services, inbox, ready }) => {
                    serving.ready = None;
                    let result = services.start(index).await.map(|served| serving.ready = Some((served, inbox)));
                    // Whoever asked may have given up.
                    let _ = ready.send(result);
                }
                Some(Order::Discard) => serving.ready = None,
                Some(Order::Serve { number, sockets, connections, done, left, hurry }) => {
                    let result = serving.serve(number, sockets, connections, left, hurry).await;
                    let _ = done.send(result.clone());
                    result?;
                }
                // Nobody tells it anything any more; what is served is served until the shutdown.
                None if serving.letters.is_some() => {
                    let _ = shutdown.wait_for(|shutdown| *shutdown).await;
                    break;
                }
                None => break,
            }
        }
        Ok(serving.finish().await)
    })
}

/// What is served on a shard.
struct Serving<'a> {
    limits: &'a Limits,
    front: Front,
    /// Services that are ready, and the mailbox of those among them that have one.
    ready: Option<(Served, Inbox)>,
    letters: Option<Letters>,
    /// What was served before.
    leaving: JoinSet<()>,
}

/// The events that come from no socket, for one configuration.
struct Letters {
    delivering: TaskHandle<usize>,
    end: watch::Sender<bool>,
}

impl<'a> Serving<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self { limits, front: Front::new(limits), ready: None, letters: None, leaving: JoinSet::new() }
    }

    /// Serves with the services that are ready, in place of those before, which finish what they do and are `left` then.
    async fn serve(
        &mut self,
        number: u64,
        sockets: Vec<ShardSocket>,
        connections: usize,
        left: oneshot::Sender<Drained>,
        hurry: watch::Receiver<bool>,
    ) -> Result<(), String> {
        let Some((Served { sockets: services, addressees, log }, inbox)) = self.ready.take() else {
            return Err("it has no services".to_owned());
        };
        let limits = self.limits;
        let sockets = sockets.into_iter().zip(services).map(|(socket, service)| {
            let ShardSocket { name, address, protocol, tls, opening, log } = socket;
            let socket = match protocol {
                Protocol::Http(options) => Socket::Http(HttpSocket::new(name, options, tls, limits, service, log)),
                Protocol::Tcp { starts_tls } => {
                    Socket::Tcp(TcpSocket::new(name, address, tls, starts_tls, service, log))
                }
            };
            (socket, opening)
        });
        let used = self.front.serve(number, sockets.collect(), connections).await;
        let used = used.map_err(|error| format!("cannot accept connections: {error}"))?;
        let (end, ends) = watch::channel(false);
        let delivering = tokio::task::spawn_local(inbox.serve(addressees, log, limits.drain_time, ends));
        let letters = self.letters.replace(Letters { delivering, end });
        if let Some((used, letters)) = used.zip(letters) {
            self.leaving.spawn_local(leave(used, letters, limits.drain_time, hurry, left));
        }
        Ok(())
    }

    /// Finishes all that is served.
    async fn finish(mut self) -> Drained {
        let letters = async {
            match self.letters {
                Some(Letters { delivering, end }) => {
                    end.send_replace(true);
                    delivering.await.unwrap_or_else(resume)
                }
                None => 0,
            }
        };
        let (cut_off, runs_cut_off) = tokio::join!(self.front.finish(), letters);
        while self.leaving.join_next().await.is_some() {}
        Drained { cut_off, runs_cut_off }
    }
}

/// Lets what was served before finish, for at most so long, or until it has to hurry.
async fn leave(
    used: Used,
    letters: Letters,
    drain_time: Duration,
    mut hurry: watch::Receiver<bool>,
    left: oneshot::Sender<Drained>,
) {
    let Letters { delivering, end } = letters;
    end.send_replace(true);
    // The workers end next, and runs that they are in fail, and are in the log with that.
    let mut hurried = hurry.clone();
    let runs = async {
        tokio::select! {
            runs = delivering => runs.unwrap_or_else(resume),
            _ = hurried.wait_for(|hurry| *hurry) => 0,
        }
    };
    let time = async {
        let hurried = async {
            if hurry.wait_for(|hurry| *hurry).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(drain_time, hurried).await;
    };
    let (cut_off, runs_cut_off) = tokio::join!(used.finish(time), runs);
    let _ = left.send(Drained { cut_off, runs_cut_off });
}

/// A panic aborts the process; where it does not (in tests), it goes on here.
fn resume(error: tokio::task::JoinError) -> usize {
    std::panic::resume_unwind(error.into_panic())
}
