//! What events start outside of the isolate: the capabilities that the process was handed, and the one place that counts their use.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::{Rc, Weak},
    sync::Arc,
};

use bulkhead_ipc::{
    calls::Call,
    failure::{LOST, TOO_MANY_SUBREQUESTS, Thrown},
    transport::{MAX_SUBREQUESTS, Reservation},
    worker_capnp::{
        channel::{Client, fetch_results},
        http_request, subrequest_outcome,
    },
};
use bytes::Bytes;
use capnp::capability::{Promise, Response};
use jsg::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Event, Outlet};
use crate::limits::bound;

/// What the worker may start by one connection, by positions. Clones are the same. In unit tests there is nothing.
#[derive(Clone, Default)]
pub(crate) struct Channels(Rc<Inner>);

#[derive(Default)]
struct Inner {
    clients: OnceCell<Vec<Client>>,
    /// Requests that may be under way, made when there is a first.
    room: OnceCell<Arc<Semaphore>>,
    /// The number of the last call.
    calls: Cell<u64>,
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Channels")
    }
}

impl Channels {
    /// Says what they are; the first word counts.
    pub(crate) fn open(&self, clients: Vec<Client>) {
        let _ = self.0.clients.set(clients);
    }

    fn room(&self) -> Arc<Semaphore> {
        self.0.room.get_or_init(|| Arc::new(Semaphore::new(MAX_SUBREQUESTS as usize))).clone()
    }

    fn next_call(&self) -> u64 {
        self.0.calls.set(self.0.calls.get() + 1);
        self.0.calls.get()
    }
}

/// What one event has started.
#[derive(Default)]
pub(super) struct Started {
    /// What the supervisor calls the event.
    number: Cell<u64>,
    count: Cell<u32>,
    /// Who may wait for the head of a response, made when there is a first to wait.
    waiting: OnceCell<Option<Arc<Semaphore>>>,
    /// Bodies that others pull from this event.
    uploads: RefCell<Vec<Weak<dyn Revoke>>>,
}

impl Started {
    /// It may start as much as one that has started nothing.
    pub(super) fn renew(&self) {
        self.count.set(0);
    }
}

/// A body that can be taken back from who pulls it.
pub(crate) trait Revoke {
    /// There will be no more of it.
    fn revoke(&self);
}

/// A request that an event is about to make, and that was counted. It holds nothing of the event.
pub(crate) struct Subrequest {
    client: Client,
    channels: Channels,
    outlet: Outlet,
    event: u64,
    waiting: Option<Arc<Semaphore>>,
}

/// Kept for as long as a request is under way, until the last byte of its response.
pub(crate) type UnderWay = Rc<OwnedSemaphorePermit>;

impl Event {
    /// Counts a request that the event makes of what the worker has at `position`.
    ///
    /// # Errors
    /// It has made as many as it may; there is nothing at that position.
    pub(crate) fn subrequest(&self, position: u32) -> Result<Subrequest, Error> {
        let limits = self.isolate().limits();
        let count = self.started_outside.count.get();
        if bound(limits.subrequests).is_some_and(|most| count >= most) {
            return Err(Error::error(TOO_MANY_SUBREQUESTS));
        }
        let channels = self.outlet().channels().clone();
        let client = channels.0.clients.get().and_then(|clients| clients.get(position as usize)).cloned();
        let client = client.ok_or_else(|| Error::error(LOST))?;
        self.started_outside.count.set(count + 1);
        let most = bound(limits.connections);
        let waiting =
            self.started_outside.waiting.get_or_init(|| Some(Arc::new(Semaphore::new(most? as usize)))).clone();
        let (outlet, event) = (self.outlet().clone(), self.started_outside.number.get());
        Ok(Subrequest { client, channels, outlet, event, waiting })
    }

    /// Says what the supervisor calls the event, which is not [`Self::number`].
    pub(crate) fn set_number_outside(&self, number: u64) {
        self.started_outside.number.set(number);
    }

    /// Takes note of a body that is pulled from the event, to be taken back when it is over.
    pub(crate) fn note_upload(&self, upload: Weak<dyn Revoke>) {
        let mut uploads = self.started_outside.uploads.borrow_mut();
        uploads.retain(|upload| upload.strong_count() > 0);
        uploads.push(upload);
    }

    /// Whether somebody may still pull what the event was sending.
    pub(crate) fn is_uploading(&self) -> bool {
        self.started_outside.uploads.borrow().iter().any(|upload| upload.strong_count() > 0)
    }

    /// The event is over: nobody gets more of what it was sending. Not to be called while script runs.
    pub(crate) fn end_uploads(&self) {
        for upload in self.started_outside.uploads.take() {
            if let Some(upload) = upload.upgrade() {
                upload.revoke();
            }
        }
    }
}

impl Subrequest {
    /// Sends the request, which `write` writes and is about `bytes` long with `props` for an entrypoint of the worker's own, and waits for the head of the response. Dropped before, it
    /// has whoever answers stop.
    ///
    /// # Errors
    /// Outside: the request was not sent, or nobody answered. Inside: what whoever answered has thrown.
    pub(crate) async fn fetch(
        self,
        bytes: usize,
        props: Option<Bytes>,
        write: impl FnOnce(http_request::Builder<'_>),
    ) -> Result<Result<(Response<fetch_results::Owned>, UnderWay), Thrown>, Error> {
        let lost = |_| Error::error(LOST);
        let _turn = match self.waiting {
            Some(waiting) => Some(waiting.acquire_owned().await.map_err(lost)?),
            None => None,
        };
        let under_way = Rc::new(self.channels.room().acquire_owned().await.map_err(lost)?);
        let room: Option<Reservation> = self.outlet.room(bytes).await;
        let mut request = self.client.fetch_request();
        write(request.get().init_request());
        let number = self.channels.next_call();
        request.get().set_call(number);
        request.get().set_event(self.event);
        if let Some(props) = &props {
            request.get().set_props(props);
        }
        let promise = request.send().promise;
        drop(room);
        let client = self.client;
        let cancel = move || {
            let mut request = client.cancel_request();
            request.get().set_call(number);
            Promise::from_future(async move { request.send().promise.await.map(drop) })
        };
        let lost = |_| Error::error(LOST);
        let response = Call::new(promise, None, under_way.clone(), cancel).await.map_err(lost)?;
        let thrown = match response.get().and_then(|results| results.get_outcome()).map_err(lost)?.which() {
            Ok(subrequest_outcome::Failure(thrown)) => Some(Thrown::read(thrown.map_err(lost)?).map_err(lost)?),
            Ok(subrequest_outcome::Response(_)) => None,
            Err(_) => Some(Thrown::plain(LOST)),
        };
        Ok(match thrown {
            Some(thrown) => Err(thrown),
            None => Ok((response, under_way)),
        })
    }
}
