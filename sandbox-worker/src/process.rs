//! The process as its connections see it: blank, then bound to one worker, with events in flight.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use tokio::sync::Notify;

pub(crate) use crate::worker::Handed;
use crate::{isolate::Isolate, log::Logger, worker::Worker};

/// The process, as its connections see it.
pub struct Process {
    /// The isolate that waits for a bundle.
    pub(crate) blank: RefCell<Option<Rc<Isolate>>>,
    pub(crate) logger: Rc<Logger>,
    /// What the process was handed for the worker, until there is one.
    pub(crate) handed: RefCell<Handed>,
    pub(crate) worker: OnceCell<Rc<Worker>>,
    /// Told when `worker` is set or will never be.
    pub(crate) bound: Notify,
    pub(crate) failed: Cell<bool>,
    pub(crate) active: Cell<usize>,
    /// Those of them that were answered with a connection that goes on.
    pub(crate) exchanges: Cell<usize>,
    pub(crate) idle: Notify,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Process({} active)", self.active.get())
    }
}

impl Process {
    /// A process that waits for its bundle.
    pub fn new(isolate: Rc<Isolate>, logger: Rc<Logger>) -> Rc<Self> {
        Rc::new(Process {
            blank: RefCell::new(Some(isolate)),
            logger,
            handed: RefCell::default(),
            worker: OnceCell::new(),
            bound: Notify::new(),
            failed: Cell::new(false),
            active: Cell::new(0),
            exchanges: Cell::new(0),
            idle: Notify::new(),
        })
    }

    /// The worker, as soon as it is bound.
    pub(crate) async fn worker(&self) -> Result<Rc<Worker>, capnp::Error> {
        loop {
            let notified = self.bound.notified();
            if let Some(worker) = self.worker.get() {
                return Ok(worker.clone());
            }
            if self.failed.get() {
                return Err(capnp::Error::failed("the worker did not start".into()));
            }
            notified.await;
        }
    }
}

/// Counts an event for as long as it lives.
pub(crate) struct Active {
    process: Rc<Process>,
    is_exchange: bool,
}

impl Active {
    pub(crate) fn new(process: &Rc<Process>) -> Self {
        process.active.set(process.active.get() + 1);
        Active { process: process.clone(), is_exchange: false }
    }

    /// The event was answered with a connection.
    pub(crate) fn exchange(&mut self) {
        if !std::mem::replace(&mut self.is_exchange, true) {
            self.process.exchanges.set(self.process.exchanges.get() + 1);
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let process = &self.process;
        if self.is_exchange {
            process.exchanges.set(process.exchanges.get() - 1);
        }
        process.active.set(process.active.get() - 1);
        if process.active.get() == 0 {
            process.idle.notify_waiters();
        }
    }
}
