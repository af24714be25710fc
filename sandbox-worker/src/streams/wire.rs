//! Bytes on the wire: what the supervisor pulls from, and how this side pulls. Both can be cancelled while a pull is open.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use bulkhead_ipc::{
    calls::Call,
    worker_capnp::byte_source::{self, CancelParams, CancelResults, PullParams, PullResults, Server, pull_results},
};
use capnp::capability::{Promise, Response};
use futures::future::{Either, select};
use tokio::sync::Notify;

/// Offers `source` to the supervisor, which may have one pull open, for at least one byte. When it is cancelled, an open
/// pull is answered and `source` is dropped.
pub(crate) fn offer<S: Server>(source: S) -> byte_source::Client {
    capnp_rpc::new_client(Offered {
        source: RefCell::new(Some(Rc::new(source))),
        pulling: Cell::new(false),
        cancelled: Notify::new(),
    })
}

/// One pull; when the future is dropped before the answer has come, the source is cancelled.
pub(crate) async fn pull(
    source: &byte_source::Client,
    max_bytes: u32,
) -> Result<Response<pull_results::Owned>, capnp::Error> {
    let mut request = source.pull_request();
    request.get().set_max_bytes(max_bytes);
    let source = source.clone();
    let cancel = move || {
        let source = source.clone();
        Promise::from_future(async move { source.cancel_request().send().promise.await.map(drop) })
    };
    Call::new(request.send().promise, None, (), cancel).await
}

struct Offered<S> {
    source: RefCell<Option<Rc<S>>>,
    pulling: Cell<bool>,
    cancelled: Notify,
}

/// A pull that is open.
struct Open<'a>(&'a Cell<bool>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<S: Server> Server for Offered<S> {
    async fn pull(self: Rc<Self>, params: PullParams, results: PullResults) -> Result<(), capnp::Error> {
        let cancelled = || capnp::Error::failed("the stream was cancelled".into());
        let source = self.source.borrow().clone().ok_or_else(cancelled)?;
        if params.get()?.get_max_bytes() == 0 {
            return Err(capnp::Error::failed("a pull must ask for at least one byte".into()));
        }
        if self.pulling.replace(true) {
            return Err(capnp::Error::failed("a pull is open already".into()));
        }
        // The call may be dropped while it waits.
        let _open = Open(&self.pulling);
        let pulled = Box::pin(source.pull(params, results));
        let told = std::pin::pin!(self.cancelled.notified());
        match select(pulled, told).await {
            Either::Left((pulled, _)) => pulled,
            Either::Right(_) => Err(cancelled()),
        }
    }

    async fn cancel(self: Rc<Self>, _: CancelParams, _: CancelResults) -> Result<(), capnp::Error> {
        self.source.borrow_mut().take();
        self.cancelled.notify_waiters();
        Ok(())
    }
}
