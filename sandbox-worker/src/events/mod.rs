//! Events: what comes in, and how it is answered.
//!
//! The life of an event is written once, here and in [`deliver`]; a kind of event adds its arguments and its reply, in a file of
//! its own. This room stands above `worker` and `api`, which know no event: only [`rpc`](crate::rpc) is above it.

mod deliver;
mod fetch;

use std::{pin::pin, rc::Rc, task::Poll, time::Duration};

pub(crate) use deliver::Dispatcher;
use tokio::time::Instant;

use crate::{
    io::{Event, IoContext, Outlet, Settled},
    limits::Limit,
    process::{Active, Process},
    worker::Worker,
};

/// An event that is being answered.
///
/// When it is dropped, because it was answered or because the client is gone, what was given to `waitUntil` still runs to
/// its end, as in the reference; everything else that the event owns ends with it.
struct Delivery {
    event: Rc<Event>,
    process: Rc<Process>,
    _active: Active,
}

impl Delivery {
    fn new(process: &Rc<Process>, worker: &Worker, outlet: Outlet) -> Self {
        let event = Event::new(IoContext::new(worker.isolate.clone()), outlet);
        Delivery { event, process: process.clone(), _active: Active::new(process) }
    }

    /// When the response must have come to its end.
    fn deadline(&self) -> Option<Deadline> {
        let limit = self.event.isolate().limits().wall_time;
        limit.map(|limit| Deadline::new(self.event.started(), limit, Limit::WallTime))
    }

    /// The reply is made; a body that is still to be pulled keeps the event alive.
    fn finish(self, body: Option<crate::streams::StreamingBody>) {
        self.event.set_answered();
        if let Some(body) = body {
            tokio::task::spawn_local(async move { drive(&self.event, self.deadline(), body.wait()).await });
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.event.set_answered();
        if self.event.is_settled() {
            return;
        }
        let limit = self.event.isolate().limits().wait_until;
        let deadline = limit.map(|limit| Deadline::new(Instant::now(), limit, Limit::WaitUntil));
        let (event, active) = (self.event.clone(), Active::new(&self.process));
        tokio::task::spawn_local(async move {
            // A promise that nothing is left to settle is not waited for.
            let ended = |cx: &mut std::task::Context<'_>| match event.poll_settled(cx) {
                Poll::Pending if event.is_hung() => Poll::Ready(()),
                settled => settled,
            };
            // A limit that ends it was reported where it did.
            let _ = drive(&event, deadline, std::future::poll_fn(ended)).await;
            drop(active);
        });
    }
}

/// When an event must have come to something, and the limit that ends it if it has not.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    limit: Limit,
}

impl Deadline {
    fn new(start: Instant, time: Duration, limit: Limit) -> Self {
        Deadline { at: start + time, limit }
    }
}

/// What a promise of an event was settled with; `None` where nothing is left that could settle it.
async fn settled(event: &Event, mut promise: impl Future<Output = Settled> + Unpin) -> Option<Settled> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut promise).poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if event.is_hung() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Runs the tasks and timers of an event until `end`, or until a limit has ended the event.
async fn drive<T>(event: &Rc<Event>, deadline: Option<Deadline>, end: impl Future<Output = T>) -> Result<T, Limit> {
    let mut end = pin!(end);
    let mut expired = pin!(async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.at).await,
            None => std::future::pending().await,
        }
    });
    std::future::poll_fn(|cx| {
        let _ = event.context().poll_tasks(cx);
        if event.breach().is_none()
            && let Poll::Ready(value) = end.as_mut().poll(cx)
        {
            return Poll::Ready(Ok(value));
        }
        if let Some(deadline) = deadline
            && expired.as_mut().poll(cx).is_ready()
        {
            event.end(deadline.limit);
        }
        event.breach().map_or(Poll::Pending, |limit| Poll::Ready(Err(limit)))
    })
    .await
}
