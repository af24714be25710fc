//! A body that script produces, chunk by chunk.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
};

use bulkhead_ipc::{failure::HUNG, transport::Reservation};
use bytes::Bytes;
use futures::future::{Either, LocalBoxFuture, select};
use jsg::Error;

use super::{
    OpenBody,
    source::{Broken, Pulled, Source},
};
use crate::{
    io::{Bell, Event, Hold, IoContext},
    isolate::{Isolate, describe, script, watch},
    limits::{self, Limit},
    log::{self, Level},
};

/// A body that script produces.
pub(crate) struct ReaderSource {
    /// The event lives for as long as its response is pulled.
    event: Rc<Event>,
    reader: v8::Global<v8::Value>,
    chunks: Rc<Chunks>,
    /// Dropped at the end.
    open: RefCell<Option<OpenBody>>,
    /// Whoever pulls has the event go on, but while a pull waits for script, and at the end.
    hold: RefCell<Option<Hold>>,
    /// What is left of chunks that were longer than the last pull allowed.
    rest: RefCell<Bytes>,
    /// How many bytes more the body may have.
    left: Cell<u64>,
    /// Whether whoever pulls tells script what the body broke with, so that the log need not.
    untold: bool,
}

/// What a reader has given and nobody has taken. Script reads on by itself for as long as chunks come and there are fewer bytes than
/// the last pull wanted, so that one entry into the isolate brings all that is ready.
pub(crate) struct Chunks {
    bytes: RefCell<Vec<u8>>,
    wanted: Cell<usize>,
    /// Script has asked for a chunk, and will go on when it comes.
    reading: Cell<bool>,
    end: RefCell<Option<Result<(), v8::Global<v8::Value>>>>,
    /// Rings for the pull that waits.
    bell: Bell,
}

impl Chunks {
    fn new(context: &IoContext) -> Self {
        Chunks {
            bytes: RefCell::default(),
            wanted: Cell::new(0),
            reading: Cell::new(false),
            end: RefCell::default(),
            bell: Bell::new(context),
        }
    }

    fn end(&self, end: Result<(), v8::Global<v8::Value>>) {
        self.reading.set(false);
        self.end.borrow_mut().get_or_insert(end);
        self.bell.ring();
    }

    fn take(&self) -> Option<Bytes> {
        let bytes = self.bytes.take();
        (!bytes.is_empty()).then(|| bytes.into())
    }
}

/// Where script puts chunks: see [`Chunks`].
#[derive(jsg::Trace)]
pub(crate) struct Batch(#[trace(skip)] Rc<Chunks>);

#[jsg::class]
impl Batch {
    /// A chunk. Gives whether the next one is wanted.
    #[method]
    fn push(&self, chunk: jsg::BufferSource<'_>) -> bool {
        let chunks = &*self.0;
        let mut bytes = chunks.bytes.borrow_mut();
        if !bytes.is_empty() {
            // There is more than one: room for as many as there may be.
            let room = chunks.wanted.get().saturating_sub(bytes.len()).max(chunk.byte_length());
            bytes.reserve_exact(room);
        }
        chunk.append_to(&mut bytes);
        let goes_on = bytes.len() < chunks.wanted.get();
        let is_empty = bytes.is_empty();
        drop(bytes);
        chunks.reading.set(goes_on);
        if !is_empty {
            chunks.bell.ring();
        }
        goes_on
    }

    /// There are no more chunks.
    #[method]
    fn end(&self) {
        self.0.end(Ok(()));
    }

    /// There will be no more chunks.
    #[method]
    fn fail<'s>(&self, scope: &mut v8::PinScope<'s, '_>, reason: v8::Local<'s, v8::Value>) {
        self.0.end(Err(v8::Global::new(scope, reason)));
    }
}

impl Source for ReaderSource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let mut room = None;
            let bytes = self.read(max_bytes, &mut room).await.inspect_err(|_| {
                self.chunks.end.borrow_mut().get_or_insert(Ok(()));
                drop((self.open.take(), self.hold.take()));
            })?;
            let done = self.is_done();
            if done {
                drop((self.open.take(), self.hold.take()));
            }
            Ok(Pulled { room, ..Pulled::new(bytes, done) })
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
            chunks: Rc::new(Chunks::new(event.context())),
            open: RefCell::new(Some(open)),
            hold: RefCell::new(Some(event.context().hold())),
            rest: RefCell::default(),
            left: Cell::new(max_bytes),
            untold: false,
        }
    }

    /// The same, of which the log says nothing when it breaks: whoever pulls gets what script broke it with.
    pub(crate) fn untold(mut self) -> Self {
        self.untold = true;
        self
    }

    /// Whether script has come to the end, and all that came before was pulled.
    fn is_done(&self) -> bool {
        matches!(&*self.chunks.end.borrow(), Some(Ok(())))
            && self.chunks.bytes.borrow().is_empty()
            && self.rest.borrow().is_empty()
    }

    /// At least one byte and at most `max_bytes`, or nothing at the end. Chunks that are there already are merged. As soon as
    /// there is one, `room` is asked for, and nothing is waited for afterwards.
    async fn read(&self, max_bytes: usize, room: &mut Option<Reservation>) -> Result<Bytes, Broken> {
        let chunks = &*self.chunks;
        // What of the chunks was counted already.
        let mut counted = 0;
        let mut has_asked = false;
        loop {
            if self.rest.borrow().is_empty()
                && let Some(bytes) = chunks.take()
            {
                match self.left.get().checked_sub((bytes.len() - std::mem::take(&mut counted)) as u64) {
                    Some(left) => {
                        self.left.set(left);
                        *self.rest.borrow_mut() = bytes;
                    }
                    None => self.event.end(Limit::ResponseBody),
                }
            }
            if !self.rest.borrow().is_empty() {
                if room.is_none() {
                    *room = self.event.outlet().room(max_bytes).await;
                }
                let length = max_bytes.min(self.rest.borrow().len());
                if length == max_bytes || has_asked || chunks.reading.get() || chunks.end.borrow().is_some() {
                    return Ok(self.rest.borrow_mut().split_to(length));
                }
                // There may be more at once, or the end.
                counted = length;
                *chunks.bytes.borrow_mut() = self.rest.take().into();
                has_asked = true;
                chunks.wanted.set(max_bytes);
                self.ask().await?;
                continue;
            }
            if let Some(limit) = self.event.breach() {
                return Err(Broken::failed(limits::text(limit)));
            }
            let end = chunks.end.borrow().clone();
            match end {
                Some(Ok(())) => return Ok(Bytes::new()),
                Some(Err(reason)) if self.untold => return Err(Broken::Script(Error::Value(reason))),
                Some(Err(reason)) => {
                    let tell = |scope: &mut v8::PinScope<'_, '_>| {
                        let reason = v8::Local::new(scope, reason);
                        tell_broken(scope, reason)
                    };
                    return Err(Broken::failed(&self.event.run(tell).await));
                }
                None => {}
            }
            chunks.wanted.set(max_bytes);
            if !chunks.reading.get() {
                has_asked = true;
                self.ask().await?;
                continue;
            }
            if self.wait().await {
                return Err(match self.untold {
                    true => Broken::Script(Error::error(HUNG)),
                    false => Broken::failed(&tell_hung(&self.event)),
                });
            }
        }
    }

    /// Has script read on.
    async fn ask(&self) -> Result<(), Broken> {
        let asked = self.event.run(|scope| ask(scope, &self.reader, &self.chunks)).await;
        asked.map_err(|message| Broken::failed(&message))
    }

    /// Waits until script has given something, or a limit has ended the event. True if it never will.
    async fn wait(&self) -> bool {
        let chunks = &*self.chunks;
        drop(self.hold.take());
        let _waiting = Waiting(self);
        let has_come = || (!chunks.bytes.borrow().is_empty() || chunks.end.borrow().is_some()).then_some(());
        let (ended, hung) = (pin!(self.event.ended()), pin!(self.event.hung()));
        match select(pin!(chunks.bell.wait(has_come)), select(ended, hung)).await {
            Either::Left(_) | Either::Right((Either::Left(_), _)) => false,
            Either::Right((Either::Right(_), _)) => true,
        }
    }
}

/// Has script read on.
fn ask(scope: &mut v8::PinScope<'_, '_>, reader: &v8::Global<v8::Value>, chunks: &Rc<Chunks>) -> Result<(), String> {
    v8::tc_scope!(let scope, scope);
    let reader = v8::Local::new(scope, reader);
    chunks.reading.set(true);
    let asked = jsg::instantiate(scope, Batch(chunks.clone()))
        .and_then(|batch| script::call(scope, |script| &script.read_chunks, &[reader, batch.into()]));
    match asked {
        Ok(_) => Ok(()),
        Err(error) => {
            let exception = error.caught(scope);
            Err(tell_broken(scope, exception))
        }
    }
}

/// Logs that a response's body will never go on.
pub(super) fn tell_hung(event: &Event) -> String {
    let text = format!("Uncaught {HUNG}");
    event.isolate().logger().write(Level::Error, log::Source::Runtime, &text);
    HUNG.to_owned()
}

/// Logs what ended a response's body early. Its head is sent, so that there is no other way to say it.
pub(super) fn tell_broken<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) -> String {
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
        if self.chunks.end.borrow().is_some() || self.event.breach().is_some() {
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
