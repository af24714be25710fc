//! One process from its start to its end: what there is of it, its end and its last words.

use std::{
    cell::{Cell, RefCell},
    os::unix::net::UnixStream as StdStream,
    rc::Rc,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bulkhead_ipc::{
    transport::{self, Handle, Limits, TransportError},
    worker_capnp::worker_control,
};
use tokio::{
    net::UnixStream,
    sync::{Notify, watch},
};

use super::{
    Entrypoint,
    counters::Counter,
    diagnostics::{Diagnostics, LineBudget},
    last_words::LastWords,
    manager::Manager,
    reason,
    spawner::{Meter, Process, Spawned},
};
use crate::link::{Work, host::Voice};

/// Longest time for reading what a process had to say after its event connection ended without a reason.
pub(super) const GRACE: Duration = Duration::from_millis(200);

/// What a process is called before it is bound.
pub(super) const BLANK: &str = "a blank worker";

/// Bounds of a control connection: a bundle may be as long as everything that a configuration can embed.
fn control_limits(connection: Limits) -> Limits {
    Limits { max_queued_bytes: 1 << 30, max_held_bytes: 16 << 20, max_open_calls: 16, max_imports: 16, ..connection }
}

/// How a process ended: the words for the log.
pub(super) type Ended = Option<String>;

/// A process, blank or bound.
pub(super) struct Live {
    pub(super) generation: u64,
    pub(super) pid: i32,
    pub(super) control: worker_control::Client,
    pub(super) connection: Handle,
    pub(super) events: RefCell<Vec<Option<StdStream>>>,
    /// Where it asks for modules, until it is bound.
    pub(super) modules: RefCell<Option<StdStream>>,
    /// Whether it waits for the answer to a question there.
    pub(super) awaits_module: Arc<AtomicBool>,
    pub(super) ended: watch::Receiver<Ended>,
    pub(super) kill: Rc<Kill>,
    pub(super) label: Rc<RefCell<Label>>,
    pub(super) meter: Meter,
    /// What the shards know too.
    pub(super) work: Arc<Work>,
    /// It shall get no further event, and finish.
    pub(super) retire: Notify,
    /// Somebody doubts that it lives.
    pub(super) suspected: Notify,
    /// What the bound code exports.
    pub(super) entrypoints: RefCell<Vec<Entrypoint>>,
}

/// Whose lines a process writes.
pub(super) struct Label {
    pub(super) name: String,
    pub(super) lines: Rc<RefCell<LineBudget>>,
    /// What writes them, once it is known whose they are.
    pub(super) voice: Option<Rc<Voice>>,
}

/// The end of a process, if the supervisor wants it. The first reason counts, and none that comes after the end.
#[derive(Default)]
pub(super) struct Kill {
    pub(super) why: RefCell<Option<(Option<Counter>, String)>>,
    pub(super) asked: Notify,
    pub(super) ended: Cell<bool>,
}

impl Kill {
    pub(super) fn now(&self, counter: impl Into<Option<Counter>>, why: impl Into<String>) {
        if !self.ended.get() {
            self.why.borrow_mut().get_or_insert_with(|| (counter.into(), why.into()));
        }
        self.asked.notify_one();
    }
}

impl Live {
    pub(super) fn is_alive(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Waits for the end and gives its words.
    pub(super) async fn wait(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(words) => words.clone().unwrap_or_default(),
            Err(_) => "is no longer watched".to_owned(),
        }
    }
}

impl Manager {
    /// Begins to watch a process: its end, its diagnostics, its control connection.
    pub(super) fn watch(self: &Rc<Self>, spawned: Spawned) -> std::io::Result<Rc<Live>> {
        let Spawned { process, control, events, modules, last_words, diagnostics, meter } = spawned;
        let (control, connection, driver) = transport::client::<worker_control::Client>(
            UnixStream::from_std(control)?,
            control_limits(self.fleet.connection),
        );
        let (diagnostics, last_words) = (Diagnostics::new(diagnostics)?, LastWords::new(last_words)?);
        let (sender, ended) = watch::channel(None);
        let kill = Rc::new(Kill::default());
        let label = Label { name: BLANK.to_owned(), lines: self.blank_lines.clone(), voice: None };
        let label = Rc::new(RefCell::new(label));
        self.started.set(self.started.get() + 1);
        let live = Rc::new(Live {
            generation: self.started.get(),
            pid: process.pid(),
            control,
            connection: connection.clone(),
            events: RefCell::new(events.into_iter().map(Some).collect()),
            modules: RefCell::new(modules),
            awaits_module: Arc::default(),
            ended,
            kill: kill.clone(),
            label: label.clone(),
            meter,
            work: Arc::default(),
            retire: Notify::new(),
            suspected: Notify::new(),
            entrypoints: RefCell::default(),
        });
        self.processes.borrow_mut().insert(live.generation, kill.clone());
        let (for_driver, generation) = (kill.clone(), live.generation);
        let mut driver_ended = sender.subscribe();
        tokio::task::spawn_local(async move {
            let why = match driver.await {
                Err(TransportError::Violation(what) | TransportError::Aborted(what)) => what,
                Ok(()) | Err(TransportError::Io(_)) => {
                    let _ = tokio::time::timeout(GRACE, driver_ended.wait_for(Option::is_some)).await;
                    "it closed its control connection".to_owned()
                }
            };
            for_driver.now(Counter::Violation, why);
        });
        let manager = self.clone();
        tokio::task::spawn_local(async move {
            let (words, last_words) = manager.attend(process, diagnostics, last_words, &kill, &label).await;
            // Whatever a dead process left in the socket is not read any more.
            connection.close();
            let voice = label.borrow().voice.clone();
            if let Some(voice) = voice {
                voice.write_last(last_words.finish(voice.taken())).await;
            }
            let _ = sender.send(Some(words));
            let mut processes = manager.processes.borrow_mut();
            processes.remove(&generation);
            if processes.is_empty() {
                manager.all_ended.notify_waiters();
            }
        });
        Ok(live)
    }

    /// Stays with a process until it has ended.
    async fn attend(
        &self,
        mut process: Box<dyn Process>,
        mut diagnostics: Diagnostics,
        mut last_words: LastWords,
        kill: &Kill,
        label: &RefCell<Label>,
    ) -> (String, LastWords) {
        let pid = process.pid();
        let log = |line: &str| {
            let label = label.borrow();
            if let Some(line) = label.lines.borrow_mut().pass(line, std::time::Instant::now()) {
                self.event(format!("{} (pid {pid}): {line}", label.name));
            }
        };
        let exit = loop {
            tokio::select! {
                exit = process.wait() => break exit,
                () = diagnostics.drain(log) => {}
                () = last_words.drain() => {}
                () = kill.asked.notified() => process.kill(),
            }
        };
        if process.ran_out_of_memory() {
            kill.now(Counter::TotalMemory, "its cgroup has more memory than its limits allow");
        }
        kill.ended.set(true);
        let lines = diagnostics.finish(log);
        let words = reason::describe(exit, kill.why.borrow().as_ref().map(|(_, why)| why.as_str()), &lines);
        (words, last_words)
    }
}
