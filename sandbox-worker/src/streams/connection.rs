//! A connection as two streams of bytes, of which each comes to its end for itself.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
};

use bulkhead_ipc::failure::LOST;
use bytes::Bytes;
use futures::future::{Either, LocalBoxFuture, select};
use jsg::Error;

use super::{
    pipe::pipe,
    pump::Feed,
    reading::Reading,
    sink::Sink,
    source::{Broken, Pulled, Source},
    wire::WireSource,
};
use crate::io::{Bell, Event, EventHandle, Hold, IoContextHandle, Outlet};

/// How what comes has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The other end has sent all that it does.
    Sent,
    /// The connection is lost.
    Lost,
}

/// What comes from the other end.
enum From {
    /// It is asked for.
    Asked,
    Open(Rc<WireSource>),
    Failed(Error),
    /// Nobody reads any more.
    Gone,
}

/// A connection, from when it is asked for.
pub(crate) struct Connection {
    from: RefCell<From>,
    /// Rings for who reads.
    readable: Bell,
    /// Rings for who waits for the connection.
    opened: Bell,
    /// Rings for who waits for the end.
    ending: Bell,
    end: Cell<Option<End>>,
    /// Rings for who waits until all was taken that is sent.
    taken: Bell,
    /// Whether nobody will pull what is sent: all was pulled, or it was let go of.
    is_taken: Cell<Option<Taken>>,
    sink: Rc<dyn Sink>,
    /// What is sent, until somebody offers it.
    outgoing: RefCell<Option<Rc<dyn Source>>>,
    /// Whose it is.
    event: EventHandle,
    /// What it goes on as.
    inside: RefCell<Option<Rc<Connection>>>,
    /// What is to be sent by itself, until whoever pulls what is sent is told so.
    offered: RefCell<Option<Rc<WireSource>>>,
    /// Rings for that one.
    offering: Bell,
    outlet: Outlet,
}

/// What became of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// All of it was taken.
    All,
    /// The other side has let go of it.
    Dropped,
}

impl Connection {
    /// One that is asked for, and what is sent by it.
    pub(crate) fn new(event: &Rc<Event>) -> (Rc<Self>, Rc<dyn Source>) {
        let (context, outlet) = (event.context(), event.outlet());
        let (sink, source) = pipe(context, None);
        let connection = Rc::new(Connection {
            from: RefCell::new(From::Asked),
            readable: Bell::new(context),
            opened: Bell::new(context),
            ending: Bell::new(context),
            end: Cell::new(None),
            taken: Bell::new(context),
            is_taken: Cell::new(None),
            sink,
            outgoing: RefCell::default(),
            event: event.handle(),
            inside: RefCell::default(),
            offered: RefCell::default(),
            offering: Bell::new(context),
            outlet: outlet.clone(),
        });
        let outgoing = Outgoing {
            from: RefCell::new(Some(source)),
            connection: connection.clone(),
            context: context.handle(),
            hold: RefCell::new(Some(context.hold())),
        };
        (connection, Rc::new(outgoing))
    }

    /// Keeps what is sent for [`Self::take_outgoing`].
    pub(crate) fn set_outgoing(&self, source: Rc<dyn Source>) {
        *self.outgoing.borrow_mut() = Some(source);
    }

    /// What is sent, for somebody who offers it.
    pub(crate) fn take_outgoing(&self) -> Option<Rc<dyn Source>> {
        self.outgoing.take()
    }

    /// It is there, or will not be.
    pub(crate) fn set_open(&self, opened: Result<Rc<WireSource>, Error>) {
        let mut from = self.from.borrow_mut();
        if let From::Asked = *from {
            *from = match opened {
                Ok(source) => From::Open(source),
                Err(error) => From::Failed(error),
            };
        }
        drop(from);
        self.opened.ring();
        self.readable.ring();
    }

    /// Waits until it is there.
    ///
    /// # Errors
    /// It will not be.
    pub(crate) async fn opened(&self) -> Result<(), Error> {
        let look = || match &*self.from.borrow() {
            From::Asked => None,
            From::Failed(error) => Some(Err(error.clone())),
            From::Open(_) | From::Gone => Some(Ok(())),
        };
        self.opened.wait(look).await
    }

    /// Waits until somebody has read all that the other end has sent, or the connection is lost.
    pub(crate) async fn ended(&self) -> End {
        self.ending.wait(|| self.end.get()).await
    }

    /// From now on it is another one.
    pub(crate) fn goes_on_as(&self, inside: Rc<Connection>) {
        *self.inside.borrow_mut() = Some(inside);
    }

    /// Waits until nobody will pull any more of what is sent, by this or by what it goes on as.
    pub(crate) async fn taken(self: Rc<Self>) -> Taken {
        let mut connection = self;
        loop {
            let taken = connection.taken.wait(|| connection.is_taken.get()).await;
            let inside = connection.inside.borrow().clone();
            match inside {
                Some(inside) if taken == Taken::All => connection = inside,
                _ => return taken,
            }
        }
    }

    fn set_end(&self, end: End) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
        }
        self.ending.ring();
    }

    fn set_taken(&self, taken: Taken) {
        if self.is_taken.get().is_none() {
            self.is_taken.set(Some(taken));
        }
        self.taken.ring();
    }

    /// What comes. Once.
    pub(crate) fn incoming(self: &Rc<Self>) -> Reading {
        Reading::new(Rc::new(Incoming(self.clone())))
    }

    /// Takes what is sent.
    pub(crate) fn sink(self: &Rc<Self>) -> Rc<dyn Sink> {
        Rc::new(Sent(self.clone()))
    }

    /// Nothing more is sent.
    pub(crate) fn finish(&self) {
        // Its end fits whatever came before.
        let _ = self.sink.end();
    }

    /// Nothing more is sent or received, by this or by what it goes on as.
    pub(crate) fn close(&self) {
        self.finish();
        if let Some(inside) = &*self.inside.borrow() {
            inside.close();
        }
        drop(self.from.replace(From::Gone));
        self.readable.ring();
    }

    /// What comes, which nobody reads here any more.
    pub(crate) fn take_source(&self) -> Option<Rc<WireSource>> {
        let from = self.from.replace(From::Gone);
        self.readable.ring();
        if let From::Open(source) = from { Some(source) } else { None }
    }
}

/// What is read of a connection.
struct Incoming(Rc<Connection>);

impl Source for Incoming {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let connection = &*self.0;
            let nothing = || Ok(Pulled::new(Bytes::new(), true));
            let look = || match &*connection.from.borrow() {
                From::Asked => None,
                From::Open(source) => Some(Some(source.clone())),
                From::Failed(_) | From::Gone => Some(None),
            };
            let Some(source) = connection.readable.wait(look).await else { return nothing() };
            let pulled = source.pull(max_bytes).await;
            // Whoever has gone on by then knows another end of it.
            let is_here = matches!(*connection.from.borrow(), From::Open(_));
            match &pulled {
                _ if !is_here => return nothing(),
                Ok(pulled) => {
                    if let Some(event) = connection.event.get().filter(|_| !pulled.bytes.is_empty()) {
                        event.renew();
                    }
                    if pulled.done {
                        connection.set_end(End::Sent);
                    }
                }
                Err(_) => connection.set_end(End::Lost),
            }
            pulled
        })
    }

    fn connection(&self) -> Option<Rc<WireSource>> {
        if let From::Open(source) = &*self.0.from.borrow() { Some(source.clone()) } else { None }
    }

    /// The other end has what comes, or says whether there is a connection.
    fn is_outside(&self) -> bool {
        true
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut from = self.0.from.borrow_mut();
        if let From::Open(_) = *from {
            let gone = std::mem::replace(&mut *from, From::Gone);
            drop(from);
            drop(gone);
        }
    }
}

/// What is written to a connection. Who writes is told when that is lost.
struct Sent(Rc<Connection>);

/// What somebody who writes is told: a pipe has no words for nobody pulling any more.
fn told(broken: Broken) -> Broken {
    match broken {
        Broken::Script(Error::Pending) => Broken::Script(Error::error(LOST)),
        broken => broken,
    }
}

impl Sink for Sent {
    fn write(&self, bytes: Bytes) -> LocalBoxFuture<'_, Result<(), Broken>> {
        Box::pin(async move { self.0.sink.write(bytes).await.map_err(told) })
    }

    fn end(&self) -> Result<(), Broken> {
        self.0.sink.end()
    }

    fn abort(&self, why: Broken) {
        self.0.sink.abort(why);
    }

    fn fed_by(&self, feed: &Rc<Feed>) {
        self.0.sink.fed_by(feed);
    }

    fn passed(&self) {
        self.0.sink.passed();
    }

    fn shortcut(&self, from: Rc<WireSource>) -> Option<Shortcut> {
        let connection = &self.0;
        if connection.is_taken.get().is_some() || !from.comes_by(&connection.outlet) {
            return None;
        }
        *connection.offered.borrow_mut() = Some(from.clone());
        connection.offering.ring();
        Some(Shortcut { connection: connection.clone(), from: Some(from) })
    }

    fn gone(&self) -> LocalBoxFuture<'_, Broken> {
        Box::pin(async move { told(self.0.sink.gone().await) })
    }
}

/// While it lives, what comes by one connection goes to another, or back, by itself.
pub(crate) struct Shortcut {
    connection: Rc<Connection>,
    /// Until it is over.
    from: Option<Rc<WireSource>>,
}

impl Shortcut {
    /// A pull of what comes was answered: it did not go there, or does no more.
    pub(super) fn end(mut self) {
        self.from = None;
    }
}

impl Drop for Shortcut {
    fn drop(&mut self) {
        let is_told = self.connection.offered.take().is_none();
        if let Some(from) = self.from.take().filter(|_| is_told) {
            from.recall();
        }
    }
}

/// What is sent, as it is pulled.
struct Outgoing {
    /// Until its end.
    from: RefCell<Option<Rc<dyn Source>>>,
    connection: Rc<Connection>,
    context: IoContextHandle,
    /// Whoever pulls has the event go on, but while a pull waits for what is inside of the isolate, and at the end.
    hold: RefCell<Option<Hold>>,
}

/// A pull that waits.
struct Waiting<'a>(&'a Outgoing);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.0.hold.borrow_mut() = self.0.context.get().map(|context| context.hold());
    }
}

impl Source for Outgoing {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let Some(source) = self.from.borrow().clone() else { return Ok(Pulled::new(Bytes::new(), true)) };
            drop(self.hold.take());
            let waiting = Waiting(self);
            let offered = pin!(self.connection.offering.wait(|| self.connection.offered.take()));
            let mut pulled = match select(source.pull(max_bytes), offered).await {
                // One that was aborted ends: what comes from the other end may go on.
                Either::Left((pulled, _)) => pulled.unwrap_or_else(|_| Pulled::new(Bytes::new(), true)),
                Either::Right((from, _)) => Pulled { meanwhile: Some(from), ..Pulled::new(Bytes::new(), false) },
            };
            drop(waiting);
            pulled.room = self.connection.outlet.room(pulled.bytes.len()).await;
            if pulled.done {
                drop((self.from.take(), self.hold.take()));
                self.connection.set_taken(Taken::All);
            }
            Ok(pulled)
        })
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.connection.set_taken(Taken::Dropped);
        if self.connection.is_taken.get() == Some(Taken::Dropped) {
            self.connection.set_end(End::Lost);
        }
    }
}

#[cfg(test)]
mod tests;
