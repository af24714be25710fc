//! How this process tells the supervisor that a limit was exceeded which it watches over itself.
//!
//! They hold for code that keeps to JavaScript. Who owns the process is held by the supervisor's own means.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    task::{Poll, Waker},
};

use bulkhead_ipc::worker_capnp::host;
pub use bulkhead_ipc::{
    limit::text,
    policy::{WorkerPolicy, bound},
    worker_capnp::Limit,
};

/// Most breaches that wait to be reported; more are not counted.
const MAX_WAITING: usize = 64;

/// Breaches on their way to the supervisor: one call at a time, one for each breach.
#[derive(Debug, Default)]
pub struct Reporter {
    waiting: RefCell<VecDeque<Limit>>,
    waker: RefCell<Option<Waker>>,
}

impl Reporter {
    /// Reports a breach, unless too many wait already.
    pub fn exceeded(&self, limit: Limit) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() < MAX_WAITING {
            waiting.push_back(limit);
            if let Some(waker) = self.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }

    /// Sends what is reported, for as long as the supervisor listens.
    pub async fn run(self: Rc<Self>, host: host::Client) {
        loop {
            let limit = std::future::poll_fn(|cx| match self.waiting.borrow_mut().pop_front() {
                Some(limit) => Poll::Ready(limit),
                None => {
                    *self.waker.borrow_mut() = Some(cx.waker().clone());
                    Poll::Pending
                }
            });
            let limit = limit.await;
            let mut request = host.exceeded_request();
            request.get().set_limit(limit);
            if request.send().promise.await.is_err() {
                // The supervisor is gone, and this process goes with it.
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded() {
        let reporter = Reporter::default();
        for _ in 0..1000 {
            reporter.exceeded(Limit::CpuTime);
        }
        assert_eq!(reporter.waiting.take().len(), MAX_WAITING);
        reporter.exceeded(Limit::Memory);
        assert_eq!(reporter.waiting.take(), [Limit::Memory]);
    }
}
