//! Calls that may be given up.
//!
//! `capnp-rpc` 0.27 never answers a call whose promise was dropped, and both sides keep its number for as long as the
//! connection lives. So a call that nobody waits for any more is cancelled by a message of its own, and its promise is
//! kept until the answer has come.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use capnp::{
    Error,
    capability::{Promise, Response},
    traits::{Owned, Pipelined},
};

use crate::transport::Handle;

/// The answer to a call. Dropped before it has come, it has `cancel` called and waits for the answer in the background, on
/// the thread's `LocalSet`.
pub struct Call<R: Owned + Pipelined, C: FnOnce() -> Promise<(), Error> + 'static>
where
    R: 'static,
{
    open: Option<(Promise<Response<R>, Error>, C)>,
    connection: Option<Handle>,
}

impl<R: Owned + Pipelined + 'static, C: FnOnce() -> Promise<(), Error> + 'static> Call<R, C> {
    /// Waits for `promise`; `cancel` sends the message that has the callee answer at once.
    ///
    /// With a connection, the calls that were given up and not answered are counted there: a peer that does not answer
    /// them breaks [`Limits::max_given_up`](crate::transport::Limits::max_given_up).
    pub fn new(promise: Promise<Response<R>, Error>, connection: Option<Handle>, cancel: C) -> Self {
        Self { open: Some((promise, cancel)), connection }
    }
}

impl<R: Owned + Pipelined + 'static, C: FnOnce() -> Promise<(), Error> + 'static> Unpin for Call<R, C> {}

impl<R: Owned + Pipelined + 'static, C: FnOnce() -> Promise<(), Error> + 'static> Future for Call<R, C> {
    type Output = Result<Response<R>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((promise, _)) = &mut self.open else {
            return Poll::Ready(Err(Error::failed("the answer was taken before".into())));
        };
        let answer = std::task::ready!(Pin::new(promise).poll(cx));
        self.open = None;
        Poll::Ready(answer)
    }
}

impl<R: Owned + Pipelined + 'static, C: FnOnce() -> Promise<(), Error> + 'static> Drop for Call<R, C> {
    fn drop(&mut self) {
        let Some((promise, cancel)) = self.open.take() else { return };
        let given_up = self.connection.take().map(|connection| connection.give_up());
        let cancelled = cancel();
        tokio::task::spawn_local(async move {
            // Whatever comes: it is not for us any more.
            let _ = cancelled.await;
            let _ = promise.await;
            drop(given_up);
        });
    }
}
