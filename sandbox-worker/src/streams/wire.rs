//! Bytes on the wire: what the supervisor pulls from, and how this side pulls. Both can be cancelled while a pull is open.
//!
//! The one place where a [`Source`] and a `ByteSource` of the schema meet.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::{Rc, Weak},
};

use bulkhead_ipc::{
    calls::Call,
    copy::copy,
    worker_capnp::{
        BodyEnd,
        byte_source::{self, CancelParams, CancelResults, PullParams, PullResults, Server, pull_results},
    },
};
use bytes::Bytes;
use capnp::capability::{Promise, Response};
use futures::future::{Either, LocalBoxFuture, Shared, select};
use tokio::sync::Notify;

use super::source::{Broken, Given, Passed, Pulled, Source, Terms, Whole};
use crate::io::{Outlet, Revoke, UnderWay};

/// Offers `source` to the supervisor, which may have one pull open, for at least one byte. When it is cancelled, an open
/// pull is answered and `source` is dropped.
pub(crate) fn offer(source: Rc<dyn Source>) -> byte_source::Client {
    capnp_rpc::new_client(Offered::new(source))
}

/// As [`offer`], of what is sent by a connection from which `from` comes.
pub(crate) fn offer_beside(source: Rc<dyn Source>, from: &WireSource) -> byte_source::Client {
    capnp_rpc::new_client(Offered { before: from.back.clone(), ..Offered::new(source) })
}

/// As [`offer`]; the second half takes it back.
pub(crate) fn offer_revocably(source: Rc<dyn Source>) -> (byte_source::Client, Weak<dyn Revoke>) {
    let offered = Rc::new(Offered::new(source));
    let weak: Weak<Offered> = Rc::downgrade(&offered);
    (capnp_rpc::new_client_from_rc(offered), weak)
}

/// A body that the supervisor has.
#[derive(Clone)]
pub(crate) struct WireSource {
    client: byte_source::Client,
    /// In bytes, where that is known.
    length: Option<u64>,
    /// The connection that it comes by.
    connection: Outlet,
    kept: Option<Kept>,
    /// Bytes that pulls have brought, and that went back with them.
    had: Rc<Cell<u64>>,
    back: Rc<Cell<u64>>,
}

/// What goes with the body of a response to a request of the worker's own.
#[derive(Clone)]
pub(crate) struct Kept {
    /// The request is under way for as long as there may be more of it. `None`: it was answered with a connection, and leaves room for
    /// another.
    #[expect(dead_code, reason = "held")]
    pub(crate) under_way: Option<UnderWay>,
    /// Resolves when nobody is to get more of it, with the reason.
    pub(crate) broken: Option<Shared<LocalBoxFuture<'static, jsg::Error>>>,
}

impl WireSource {
    pub(crate) fn new(client: byte_source::Client, length: Option<u64>, connection: &Outlet) -> Self {
        WireSource {
            client,
            length,
            connection: connection.clone(),
            kept: None,
            had: Rc::default(),
            back: Rc::default(),
        }
    }

    /// The body of a response to a request of the worker's own.
    pub(crate) fn kept(client: byte_source::Client, length: Option<u64>, connection: &Outlet, kept: Kept) -> Self {
        WireSource { kept: Some(kept), ..Self::new(client, length, connection) }
    }

    /// The capability itself, for a body that goes back untouched.
    pub(crate) fn client(&self) -> byte_source::Client {
        self.client.clone()
    }

    /// Whether it comes by this connection to the process, and whoever has it has it to the end.
    pub(super) fn comes_by(&self, connection: &Outlet) -> bool {
        self.connection.is(connection) && self.kept.as_ref().is_none_or(|kept| kept.broken.is_none())
    }

    /// It goes nowhere by itself any more.
    pub(super) fn recall(&self) {
        let recalled = self.client.recall_request().send().promise;
        tokio::task::spawn_local(async move { drop(recalled.await) });
    }

    /// Has the connection that this is of go on inside of TLS: from what comes to what comes then, with `to` for what is sent then. `host`:
    /// whose certificate a server has to show, unless that is empty. `None`: it cannot. The call is made at once.
    pub(crate) fn start_tls(
        self: Rc<Self>,
        host: &str,
        to: byte_source::Client,
        connection: &Outlet,
    ) -> LocalBoxFuture<'static, Result<Option<Rc<Self>>, capnp::Error>> {
        let mut request = self.client.start_tls_request();
        request.get().set_host(host);
        request.get().set_to(to);
        let call = Call::new(request.send().promise, None, (), cancel(self.client.clone()));
        let connection = connection.clone();
        Box::pin(async move {
            let response = call.await?;
            let results = response.get()?;
            if results.get_refused() {
                return Ok(None);
            }
            let (client, kept) = (results.get_from()?, self.kept.clone());
            Ok(Some(Rc::new(WireSource { kept, ..WireSource::new(client, None, &connection) })))
        })
    }

    /// Waits for what becomes of the body in the hands of somebody else. Given up before that, the body is cancelled.
    pub(super) fn closed(&self) -> LocalBoxFuture<'static, Passed> {
        let client = self.client.clone();
        Box::pin(async move {
            let call = client.closed_request().send().promise;
            let end = Call::new(call, None, (), cancel(client)).await.and_then(|closed| Ok(closed.get()?.get_end()?));
            match end {
                Ok(BodyEnd::Drained) => Passed::Drained,
                Ok(BodyEnd::Cancelled) => Passed::Cancelled,
                Ok(BodyEnd::Broken) => Passed::Broken(Broken::failed("the body broke off")),
                Err(error) => Passed::Broken(Broken::Wire(error)),
            }
        })
    }
}

impl Source for WireSource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        self.pull_with(max_bytes, Bytes::new())
    }

    fn pull_with(&self, max_bytes: usize, mut back: Bytes) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            loop {
                let back = std::mem::take(&mut back);
                self.back.set(self.back.get() + back.len() as u64);
                let pulled = pull(&self.client, max_bytes, back);
                let response = match self.kept.as_ref().and_then(|kept| kept.broken.clone()) {
                    None => pulled.await,
                    Some(broken) => match select(pin!(pulled), broken).await {
                        Either::Left((response, _)) => response,
                        Either::Right((reason, _)) => return Err(Broken::Script(reason)),
                    },
                };
                let response = response.map_err(Broken::Wire)?;
                let results = response.get().map_err(Broken::Wire)?;
                let bytes = results.get_bytes().map_err(Broken::Wire)?;
                if !bytes.is_empty() || results.get_done() {
                    self.had.set(self.had.get() + bytes.len() as u64);
                    let pulled = Pulled::new(self.connection.keep(bytes), results.get_done());
                    return Ok(Pulled { taken: results.get_taken(), ..pulled });
                }
            }
        })
    }

    fn is_outside(&self) -> bool {
        true
    }

    fn give(&self, terms: Terms) -> Option<Given> {
        let fits = terms.length.is_none() || terms.length == self.length;
        fits.then(|| Given { whole: Whole::Wire(Rc::new(self.clone())), passing: None })
    }
}

/// One pull; when the future is dropped before the answer has come, the source is cancelled.
async fn pull(
    source: &byte_source::Client,
    max_bytes: usize,
    back: Bytes,
) -> Result<Response<pull_results::Owned>, capnp::Error> {
    let mut request = source.pull_request();
    request.get().set_max_bytes(u32::try_from(max_bytes).unwrap_or(u32::MAX));
    if !back.is_empty() {
        request.get().set_back(&back);
    }
    Call::new(request.send().promise, None, (), cancel(source.clone())).await
}

/// Cancels a source, for a call that is given up.
fn cancel(source: byte_source::Client) -> impl FnMut() -> Promise<(), capnp::Error> {
    move || {
        let source = source.clone();
        Promise::from_future(async move { source.cancel_request().send().promise.await.map(drop) })
    }
}

struct Offered {
    source: RefCell<Option<Rc<dyn Source>>>,
    pulling: Cell<bool>,
    cancelled: Notify,
    /// Bytes that went another way before.
    before: Rc<Cell<u64>>,
}

impl Offered {
    fn new(source: Rc<dyn Source>) -> Self {
        let (source, before) = (RefCell::new(Some(source)), Rc::default());
        Offered { source, pulling: Cell::new(false), cancelled: Notify::new(), before }
    }
}

impl Revoke for Offered {
    fn revoke(&self) {
        drop(self.source.borrow_mut().take());
        self.cancelled.notify_waiters();
    }
}

/// A pull that is open.
struct Open<'a>(&'a Cell<bool>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Server for Offered {
    async fn pull(self: Rc<Self>, params: PullParams, mut results: PullResults) -> Result<(), capnp::Error> {
        let cancelled = || capnp::Error::failed("the stream was cancelled".into());
        let source = self.source.borrow().clone().ok_or_else(cancelled)?;
        let max_bytes = params.get()?.get_max_bytes() as usize;
        if max_bytes == 0 {
            return Err(capnp::Error::failed("a pull must ask for at least one byte".into()));
        }
        if self.pulling.replace(true) {
            return Err(capnp::Error::failed("a pull is open already".into()));
        }
        // The call may be dropped while it waits.
        let _open = Open(&self.pulling);
        let told = std::pin::pin!(self.cancelled.notified());
        let pulled = match select(source.pull(max_bytes), told).await {
            Either::Left((pulled, _)) => pulled.map_err(Broken::into_wire)?,
            Either::Right(_) => return Err(cancelled()),
        };
        copy(results.get().init_bytes(pulled.bytes.len() as u32), &pulled.bytes);
        results.get().set_done(pulled.done);
        results.get().set_before(self.before.get());
        if let Some(rest) = &pulled.rest {
            results.get().set_rest(rest.client());
        }
        if let Some(meanwhile) = &pulled.meanwhile {
            results.get().set_meanwhile(meanwhile.client());
            results.get().set_had(meanwhile.had.get());
        }
        // Queued before anybody else gets room.
        drop((results, pulled.room));
        Ok(())
    }

    async fn cancel(self: Rc<Self>, _: CancelParams, _: CancelResults) -> Result<(), capnp::Error> {
        self.revoke();
        Ok(())
    }
}
