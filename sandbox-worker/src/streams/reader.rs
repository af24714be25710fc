//! A body that script produces, chunk by chunk.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::Poll,
};

use bulkhead_ipc::{failure::HUNG, transport::Reservation};
use bytes::Bytes;
use futures::future::{Either, LocalBoxFuture, select};

use super::{
    OpenBody,
    source::{Pulled, Source},
};
use crate::{
    io::{Event, Hold, JsFuture, Settled, js_future},
    isolate::{Isolate, describe, script, watch},
    limits::{self, Limit},
    log::{self, Level},
};

/// A body that script produces.
pub(crate) struct ReaderSource {
    /// The event lives for as long as its response is pulled.
    event: Rc<Event>,
    reader: v8::Global<v8::Value>,
    /// Dropped at the end.
    open: RefCell<Option<OpenBody>>,
    /// Whoever pulls has the event go on, but while a pull waits for script, and at the end.
    hold: RefCell<Option<Hold>>,
    reading: RefCell<Reading>,
    /// How many bytes more the body may have.
    left: Cell<u64>,
}

#[derive(Default)]
struct Reading {
    /// What is left of a chunk that was longer than the last pull allowed.
    rest: Bytes,
    /// The chunk that was asked for and has not come.
    next: Option<JsFuture>,
    ended: bool,
}

impl Source for ReaderSource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, capnp::Error>> {
        Box::pin(async move {
            let mut room = None;
            let bytes = self.read(max_bytes, &mut room).await.map_err(|message| {
                self.reading.borrow_mut().ended = true;
                drop((self.open.take(), self.hold.take()));
                capnp::Error::failed(message)
            })?;
            let done = {
                let reading = self.reading.borrow();
                reading.ended && reading.rest.is_empty()
            };
            if done {
                drop((self.open.take(), self.hold.take()));
            }
            Ok(Pulled { bytes, done, room })
        })
    }
}

/// A pull that waits for script.
struct Waiting<'a>(&'a ReaderSource);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let hold = self.0.event.context().hold();
        *self.0.hold.borrow_mut() = Some(hold);
    }
}

impl ReaderSource {
    /// A body of at most `max_bytes` bytes that a reader of the built-in streams gives.
    pub(crate) fn new(
        event: &Rc<Event>,
        reader: v8::Global<v8::Value>,
        open: OpenBody,
        max_bytes: u64,
    ) -> ReaderSource {
        ReaderSource {
            event: event.clone(),
            reader,
            open: RefCell::new(Some(open)),
            hold: RefCell::new(Some(event.context().hold())),
            reading: RefCell::default(),
            left: Cell::new(max_bytes),
        }
    }

    /// At least one byte and at most `max_bytes`, or nothing at the end. Chunks that are there already are merged. As soon as
    /// there is one, `room` is asked for, and nothing is waited for afterwards.
    async fn read(&self, max_bytes: usize, room: &mut Option<Reservation>) -> Result<Bytes, String> {
        let mut merged: Vec<u8> = Vec::new();
        let mut ended = pin!(self.event.ended());
        loop {
            if let Some(limit) = self.event.breach() {
                // What came before goes out; the next pull fails.
                return if merged.is_empty() { Err(limits::text(limit).into()) } else { Ok(merged.into()) };
            }
            if room.is_none() && !self.reading.borrow().rest.is_empty() {
                *room = self.event.outlet().room(max_bytes).await;
            }
            {
                let mut reading = self.reading.borrow_mut();
                let length = reading.rest.len().min(max_bytes - merged.len());
                if length > 0 {
                    let part = reading.rest.split_to(length);
                    if merged.is_empty() && (length == max_bytes || reading.ended) {
                        return Ok(part);
                    }
                    merged.extend_from_slice(&part);
                }
                if merged.len() == max_bytes || reading.ended {
                    return Ok(merged.into());
                }
            }
            if self.reading.borrow().next.is_none() {
                let next = self.event.run(|scope| ask(scope, &self.reader)).await;
                if self.event.breach().is_some() {
                    continue;
                }
                self.reading.borrow_mut().next = Some(next?);
            }
            let has_bytes = !merged.is_empty();
            let mut waiting = None;
            let settled = poll_fn(|cx| {
                let mut reading = self.reading.borrow_mut();
                let next = reading.next.as_mut().expect("a chunk was asked for");
                match std::pin::Pin::new(next).poll(cx) {
                    Poll::Ready(settled) => {
                        reading.next = None;
                        Poll::Ready(Some(settled))
                    }
                    Poll::Pending if has_bytes => Poll::Ready(None),
                    Poll::Pending => {
                        waiting.get_or_insert_with(|| Waiting(self));
                        drop(self.hold.take());
                        Poll::Pending
                    }
                }
            });
            let hung = pin!(self.event.hung());
            let settled = match select(settled, select(ended.as_mut(), hung)).await {
                Either::Left((Some(settled), _)) => settled,
                Either::Left((None, _)) => return Ok(merged.into()),
                Either::Right((Either::Left(_), _)) => continue,
                Either::Right((Either::Right(_), _)) => {
                    let text = format!("Uncaught {HUNG}");
                    self.event.isolate().logger().write(Level::Error, log::Source::Runtime, &text);
                    return Err(HUNG.to_owned());
                }
            };
            drop(waiting);
            let chunk = self.event.run(|scope| chunk(scope, settled)).await;
            if self.event.breach().is_some() {
                continue;
            }
            match chunk? {
                Some(bytes) => match self.left.get().checked_sub(bytes.len() as u64) {
                    Some(left) => {
                        self.left.set(left);
                        self.reading.borrow_mut().rest = bytes;
                    }
                    None => self.event.end(Limit::ResponseBody),
                },
                None => self.reading.borrow_mut().ended = true,
            }
        }
    }
}

/// Asks for the next chunk.
fn ask(scope: &mut v8::PinScope<'_, '_>, reader: &v8::Global<v8::Value>) -> Result<JsFuture, String> {
    v8::tc_scope!(let scope, scope);
    let reader = v8::Local::new(scope, reader);
    match script::call(scope, |script| &script.read_chunk, &[reader]) {
        Ok(promise) => {
            let promise = v8::Local::<v8::Promise>::try_from(promise).expect("it gives a promise");
            Ok(js_future(scope, promise))
        }
        Err(_) => match scope.exception() {
            Some(exception) => Err(broke(scope, exception)),
            None => Err("the stream cannot be read".to_owned()),
        },
    }
}

/// The bytes that `readChunk` gave, or `None` at the end.
fn chunk(scope: &mut v8::PinScope<'_, '_>, settled: Settled) -> Result<Option<Bytes>, String> {
    v8::tc_scope!(let scope, scope);
    let result = match settled {
        Ok(result) => v8::Local::new(scope, result),
        Err(reason) => {
            let reason = v8::Local::new(scope, reason);
            return Err(broke(scope, reason));
        }
    };
    let result = v8::Local::<v8::Object>::try_from(result).expect("readChunk gives an object");
    let key = jsg::string(scope, "value");
    let value = result.get(scope, key.into()).ok_or("the stream cannot be read")?;
    Ok((!value.is_undefined()).then(|| Bytes::from(jsg::BufferSource(value).to_vec())))
}

/// Logs what ended a response's body early. Its head is sent, so that there is no other way to say it.
fn broke<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) -> String {
    if let Some(limit) = watch::breach() {
        return limits::text(limit).into();
    }
    let described = describe(scope, exception);
    let text = format!("Uncaught {}", described.text());
    Isolate::of(scope).logger().write(Level::Error, log::Source::Runtime, &text);
    described.message
}

impl Drop for ReaderSource {
    fn drop(&mut self) {
        if self.reading.get_mut().ended || self.event.breach().is_some() {
            return;
        }
        let reader = self.reader.clone();
        let open = self.open.take();
        let event = self.event.handle();
        // As a task, because script may be running now.
        self.event.context().spawn(async move {
            let cancel = |scope: &mut v8::PinScope<'_, '_>| {
                v8::tc_scope!(let scope, scope);
                let reader = v8::Local::new(scope, reader);
                // As in the reference, the stream is not told why.
                let reason = v8::undefined(scope).into();
                let cancelled = script::call(scope, |script| &script.cancel_reader, &[reader, reason]);
                if let Ok(promise) = cancelled
                    && let Ok(promise) = v8::Local::<v8::Promise>::try_from(promise)
                {
                    promise.mark_as_handled();
                }
            };
            event.run(cancel).await;
            drop(open);
        });
    }
}
