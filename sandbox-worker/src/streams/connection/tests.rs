//! A connection whose other end is the test, without script.

use std::{collections::VecDeque, task::Poll};

use bulkhead_ipc::worker_capnp::byte_source;

use super::*;
use crate::{
    io::{IoContext, Outlet},
    isolate::Isolate,
    testing::with_isolate,
};

/// What the other end sends: pieces, and then its end, or that it is lost.
struct Sends {
    pieces: RefCell<VecDeque<&'static [u8]>>,
    is_lost: bool,
}

impl byte_source::Server for Sends {
    async fn pull(
        self: Rc<Self>,
        _: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let next = self.pieces.borrow_mut().pop_front();
        match next {
            Some(bytes) => results.get().set_bytes(bytes),
            None if self.is_lost => return Err(capnp::Error::failed("gone".to_owned())),
            None => results.get().set_done(true),
        }
        Ok(())
    }
}

fn sends(event: &Event, pieces: &[&'static [u8]], is_lost: bool) -> Rc<WireSource> {
    let sends = Sends { pieces: RefCell::new(pieces.iter().copied().collect()), is_lost };
    Rc::new(WireSource::new(capnp_rpc::new_client(sends), None, event.outlet()))
}

fn event(isolate: &Rc<Isolate>) -> Rc<Event> {
    Event::new(IoContext::new(isolate.clone()), Outlet::default(), None)
}

/// Whether it has to wait.
async fn waits<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    futures::poll!(future).is_pending()
}

async fn pulled(source: &dyn Source) -> Option<Vec<u8>> {
    let pulled = source.pull(1000).await.expect("it does not break");
    (!pulled.bytes.is_empty()).then(|| pulled.bytes.to_vec())
}

#[test]
fn whoever_reads_early_waits_until_it_is_there() {
    with_isolate(async |isolate| {
        let event = event(&isolate);
        let (connection, _sent) = Connection::new(&event);
        let incoming = Incoming(connection.clone());
        let (mut opened, mut ended) = (Box::pin(connection.opened()), Box::pin(connection.ended()));
        let mut first = incoming.pull(1000);
        assert!(waits(&mut opened).await && waits(&mut first).await);
        connection.set_open(Ok(sends(&event, &[b"one", b"two"], false)));
        // What comes second changes nothing.
        connection.set_open(Err(Error::error("too late")));
        assert!(opened.await.is_ok());
        assert_eq!(first.await.expect("bytes").bytes, "one");
        assert_eq!(pulled(&incoming).await.expect("more"), b"two");
        assert!(waits(&mut ended).await, "there may be more");
        assert_eq!(pulled(&incoming).await, None);
        assert_eq!(ended.await, End::Sent);
    });
}

#[test]
fn one_that_is_not_there_has_nothing() {
    with_isolate(async |isolate| {
        let (connection, _sent) = Connection::new(&event(&isolate));
        let incoming = Incoming(connection.clone());
        connection.set_open(Err(Error::error("refused")));
        assert!(connection.opened().await.is_err());
        assert_eq!(pulled(&incoming).await, None);
    });
}

#[test]
fn one_that_is_lost_says_so_to_both_sides() {
    with_isolate(async |isolate| {
        let event = event(&isolate);
        let (connection, sent) = Connection::new(&event);
        connection.set_open(Ok(sends(&event, &[b"one"], true)));
        let incoming = Incoming(connection.clone());
        assert_eq!(pulled(&incoming).await.expect("bytes"), b"one");
        assert!(incoming.pull(1000).await.is_err());
        assert_eq!(connection.ended().await, End::Lost);
        // Nobody takes what is written any more.
        let sink = connection.sink();
        let mut writing = sink.write(Bytes::from_static(b"late"));
        assert!(waits(&mut writing).await);
        drop(sent);
        assert!(matches!(writing.await, Err(Broken::Script(error)) if format!("{error:?}").contains(LOST)));
        assert_eq!(connection.clone().taken().await, Taken::Dropped);
    });
}

#[test]
fn one_that_nobody_sends_for_any_more_is_lost() {
    with_isolate(async |isolate| {
        let (connection, sent) = Connection::new(&event(&isolate));
        let (mut ended, mut taken) = (Box::pin(connection.ended()), Box::pin(connection.clone().taken()));
        assert!(waits(&mut ended).await && waits(&mut taken).await);
        drop(sent);
        let told = (futures::poll!(&mut ended), futures::poll!(&mut taken));
        assert_eq!(told, (Poll::Ready(End::Lost), Poll::Ready(Taken::Dropped)));
    });
}

#[test]
fn what_is_written_is_pulled_to_its_end() {
    with_isolate(async |isolate| {
        let (connection, sent) = Connection::new(&event(&isolate));
        let (sink, mut taken) = (connection.sink(), Box::pin(connection.clone().taken()));
        let mut writing = sink.write(Bytes::from_static(b"words"));
        assert!(waits(&mut writing).await);
        assert_eq!(pulled(&*sent).await.expect("bytes"), b"words");
        assert!(writing.await.is_ok());
        connection.finish();
        assert!(waits(&mut taken).await, "the end is not taken yet");
        assert_eq!(pulled(&*sent).await, None);
        assert_eq!(taken.await, Taken::All);
        // The other direction goes on, whatever becomes of this one.
        drop(sent);
        assert!(waits(&mut Box::pin(connection.ended())).await);
    });
}

#[test]
fn one_that_goes_on_as_another_is_taken_and_closed_with_it() {
    with_isolate(async |isolate| {
        let event = event(&isolate);
        let ((outer, plain), (inner, inside)) = (Connection::new(&event), Connection::new(&event));
        outer.set_open(Ok(sends(&event, &[b"before"], false)));
        let reading = Incoming(outer.clone());
        let source = outer.take_source().expect("it is there");
        // Whoever reads the old one gets nothing of the new one's.
        assert_eq!(pulled(&reading).await, None);
        assert!(waits(&mut Box::pin(outer.ended())).await, "and that is no end");
        inner.set_open(Ok(source));
        outer.goes_on_as(inner.clone());
        outer.finish();
        let mut taken = Box::pin(outer.clone().taken());
        assert_eq!(pulled(&*plain).await, None);
        assert!(waits(&mut taken).await, "what is sent inside is not taken");
        outer.close();
        assert_eq!(pulled(&*inside).await, None);
        assert_eq!(taken.await, Taken::All);
        assert_eq!(pulled(&Incoming(inner)).await, None, "closed with the other");
    });
}
