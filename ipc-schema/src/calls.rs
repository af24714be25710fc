//! Calls that may be given up.
//!
//! `capnp-rpc` 0.27 never answers a call whose promise was dropped, and both sides keep its number for as long as the
//! connection lives. So a call that nobody waits for any more is cancelled by a message of its own, and its promise is
//! kept until the answer has come.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use capnp::{
    Error,
    capability::{Promise, Response},
    traits::{Owned, Pipelined},
};
use futures::future::{Either, select};

use crate::transport::Handle;

/// How often a peer is told that a call was given up, which it answers each time, before the call's own answer is missed.
/// Messages keep their order, so that the time between two of these answers is time in which the peer did read and write.
const TIMES_TOLD: u32 = 6;

/// Pause after each of them.
const PAUSE: Duration = Duration::from_secs(1);

/// The answer to a call. Dropped before it has come, it has `cancel` called and waits for the answer in the background, on
/// the thread's `LocalSet`.
pub struct Call<R: Owned + Pipelined, C: FnMut() -> Promise<(), Error> + 'static, K: 'static>
where
    R: 'static,
{
    open: Option<Open<R, C, K>>,
    connection: Option<Handle>,
}

struct Open<R: Owned + Pipelined, C, K> {
    promise: Promise<Response<R>, Error>,
    cancel: C,
    kept: K,
}

impl<R: Owned + Pipelined + 'static, C: FnMut() -> Promise<(), Error> + 'static, K: 'static> Call<R, C, K> {
    /// Waits for `promise`; `cancel` sends the message that has the callee answer at once. `kept` is dropped when the answer
    /// has come, whether somebody still waits for it or not.
    ///
    /// With a connection, the calls that were given up and not answered are counted there, and a peer that answers `cancel`
    /// time and again, but not the call, breaks the protocol.
    pub fn new(promise: Promise<Response<R>, Error>, connection: Option<Handle>, kept: K, cancel: C) -> Self {
        Self { open: Some(Open { promise, cancel, kept }), connection }
    }
}

impl<R: Owned + Pipelined + 'static, C: FnMut() -> Promise<(), Error> + 'static, K: 'static> Unpin for Call<R, C, K> {}

impl<R: Owned + Pipelined + 'static, C: FnMut() -> Promise<(), Error> + 'static, K: 'static> Future for Call<R, C, K> {
    type Output = Result<Response<R>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(Err(Error::failed("the answer was taken before".into())));
        };
        let answer = std::task::ready!(Pin::new(&mut open.promise).poll(cx));
        self.open = None;
        Poll::Ready(answer)
    }
}

impl<R: Owned + Pipelined + 'static, C: FnMut() -> Promise<(), Error> + 'static, K: 'static> Drop for Call<R, C, K> {
    fn drop(&mut self) {
        let Some(Open { promise, mut cancel, kept }) = self.open.take() else { return };
        let connection = self.connection.take();
        let given_up = connection.as_ref().map(Handle::give_up);
        let told = cancel();
        tokio::task::spawn_local(async move {
            answered(promise, cancel, told, connection).await;
            drop((kept, given_up));
        });
    }
}

/// Waits for the answer to a call that was given up, whatever it is: it is not for us any more.
async fn answered<R: Owned + Pipelined + 'static>(
    mut promise: Promise<Response<R>, Error>,
    mut cancel: impl FnMut() -> Promise<(), Error>,
    mut told: Promise<(), Error>,
    connection: Option<Handle>,
) {
    for _ in 0..TIMES_TOLD {
        if let Either::Left(_) = select(&mut promise, told).await {
            return;
        }
        if connection.is_none() {
            let _ = promise.await;
            return;
        }
        if let Either::Left(_) = select(&mut promise, Box::pin(tokio::time::sleep(PAUSE))).await {
            return;
        }
        told = cancel();
    }
    if let Some(connection) = connection {
        connection.violation("it does not answer calls that were cancelled");
    }
}
