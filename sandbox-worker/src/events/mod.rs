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
    io::{IoContext, Outlet, Settled},
    limits::Limit,
    process::{Active, Process},
    worker::Worker,
};

/// An event that is being answered.
///
/// When it is dropped, because it was answered or because the client is gone, what was given to `waitUntil` still runs to
/// its end, as in the reference; everything else that the event owns ends with it.
struct Event {
    context: Rc<IoContext>,
    process: Rc<Process>,
    started: Instant,
    _active: Active,
}

impl Event {
    fn new(process: &Rc<Process>, worker: &Worker, outlet: Outlet) -> Self {
        let context = IoContext::new(worker.isolate.clone(), outlet);
        Event { context, process: process.clone(), started: Instant::now(), _active: Active::new(process) }
    }

    /// When the response must have come to its end.
    fn deadline(&self) -> Option<Deadline> {
        self.context.isolate().limits().wall_time.map(|limit| Deadline::new(self.started, limit, Limit::WallTime))
    }

    /// The reply is made; a body that is still to be pulled keeps the event alive.
    fn finish(self, body: Option<crate::streams::StreamingBody>) {
        self.context.set_answered();
        if let Some(body) = body {
            tokio::task::spawn_local(async move { drive(&self.context, self.deadline(), body.wait()).await });
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.context.set_answered();
        if self.context.is_settled() {
            return;
        }
        let limit = self.context.isolate().limits().wait_until;
        let deadline = limit.map(|limit| Deadline::new(Instant::now(), limit, Limit::WaitUntil));
        let (context, active) = (self.context.clone(), Active::new(&self.process));
        tokio::task::spawn_local(async move {
            // A promise that nothing is left to settle is not waited for.
            let ended = |cx: &mut std::task::Context<'_>| match context.poll_settled(cx) {
                Poll::Pending if context.is_hung() => Poll::Ready(()),
                settled => settled,
            };
            // A limit that ends it was reported where it did.
            let _ = drive(&context, deadline, std::future::poll_fn(ended)).await;
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
async fn settled(context: &IoContext, mut promise: impl Future<Output = Settled> + Unpin) -> Option<Settled> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut promise).poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if context.is_hung() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Runs the tasks and timers of an event until `end`, or until a limit has ended the event.
async fn drive<T>(
    context: &Rc<IoContext>,
    deadline: Option<Deadline>,
    end: impl Future<Output = T>,
) -> Result<T, Limit> {
    let mut end = pin!(end);
    let mut expired = pin!(async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.at).await,
            None => std::future::pending().await,
        }
    });
    std::future::poll_fn(|cx| {
        let _ = context.poll_tasks(cx);
        if context.breach().is_none()
            && let Poll::Ready(value) = end.as_mut().poll(cx)
        {
            return Poll::Ready(Ok(value));
        }
        if let Some(deadline) = deadline
            && expired.as_mut().poll(cx).is_ready()
        {
            context.end(deadline.limit);
        }
        context.breach().map_or(Poll::Pending, |limit| Poll::Ready(Err(limit)))
    })
    .await
}
