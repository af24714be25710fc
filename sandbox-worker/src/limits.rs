//! The limits that this process watches over itself, and how it tells the supervisor that one was exceeded.
//!
//! They hold for code that keeps to JavaScript. Who owns the process is held by the supervisor's own means.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use bulkhead_ipc::worker_capnp::{host, limits};
pub use bulkhead_ipc::{limit::text, worker_capnp::Limit};

/// What a worker may use; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Processor time of the process while it runs script of one event.
    pub cpu_time: Option<Duration>,
    /// From the start of an event to the end of its response.
    pub wall_time: Option<Duration>,
    /// From the end of the response to the end of what was given to `waitUntil`.
    pub wait_until: Option<Duration>,
    /// Processor time for compiling and evaluating the modules.
    pub start_up_cpu_time: Option<Duration>,
    /// Names and values of a response's headers, all together, in bytes.
    pub response_head_bytes: Option<usize>,
    /// A response's body, in bytes.
    pub response_body_bytes: Option<u64>,
}

impl Limits {
    /// Reads what a bundle says.
    pub fn read(limits: limits::Reader<'_>) -> Self {
        let time = |milliseconds: u32| (milliseconds != 0).then(|| Duration::from_millis(milliseconds.into()));
        let head = limits.get_response_head_bytes() as usize;
        let body = limits.get_response_body_bytes();
        Limits {
            cpu_time: time(limits.get_cpu_time_ms()),
            wall_time: time(limits.get_wall_time_ms()),
            wait_until: time(limits.get_wait_until_ms()),
            start_up_cpu_time: time(limits.get_start_up_cpu_time_ms()),
            response_head_bytes: (head != 0).then_some(head),
            response_body_bytes: (body != 0).then_some(body),
        }
    }
}

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

    /// What waits to be reported, for tests.
    pub fn take_waiting(&self) -> Vec<Limit> {
        self.waiting.take().into()
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
        assert_eq!(reporter.take_waiting().len(), MAX_WAITING);
        reporter.exceeded(Limit::Memory);
        assert_eq!(reporter.take_waiting(), [Limit::Memory]);
    }
}
