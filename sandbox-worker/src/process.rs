//! The process as its connections see it: blank, then bound to one worker, with events in flight.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use tokio::sync::Notify;

use crate::{isolate::Isolate, log::Logger, worker::Worker};

/// The process, as its connections see it.
pub struct Process {
    /// The isolate that waits for a bundle.
    pub(crate) blank: RefCell<Option<Rc<Isolate>>>,
    pub(crate) logger: Rc<Logger>,
    pub(crate) worker: OnceCell<Rc<Worker>>,
    /// Told when `worker` is set or will never be.
    pub(crate) bound: Notify,
    pub(crate) failed: Cell<bool>,
    pub(crate) active: Cell<usize>,
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
            worker: OnceCell::new(),
            bound: Notify::new(),
            failed: Cell::new(false),
            active: Cell::new(0),
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
pub(crate) struct Active(Rc<Process>);

impl Active {
    pub(crate) fn new(process: &Rc<Process>) -> Self {
        process.active.set(process.active.get() + 1);
        Active(process.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
        if self.0.active.get() == 0 {
            self.0.idle.notify_waiters();
        }
    }
}
