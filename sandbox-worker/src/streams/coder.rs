//! A codec between one who writes and one who reads: what is native of a `CompressionStream` and a `DecompressionStream`.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use jsg::Error;

use super::{
    codec::{Codec, CodecError, Task},
    sink::Sink,
    source::{Broken, Pulled, Source},
};
use crate::{
    io::{Bell, Event, EventHandle},
    limits,
};

thread_local! {
    /// What the codecs of this thread's scripts have, in bytes. Only one isolate runs on it.
    static MEMORY: Cell<usize> = const { Cell::new(0) };
}

/// A codec whose memory counts.
pub(crate) struct Coder {
    codec: RefCell<Codec>,
    /// Its part of what all have.
    accounted: Cell<usize>,
}

impl Coder {
    pub(crate) fn new(task: Task) -> Self {
        Coder { codec: RefCell::new(Codec::new(task)), accounted: Cell::new(0) }
    }

    /// What all have, in bytes.
    pub(crate) fn memory_of_all() -> usize {
        MEMORY.get()
    }

    /// Whether it has memory already.
    pub(crate) fn has_begun(&self) -> bool {
        self.accounted.get() > 0
    }

    pub(crate) fn run<R>(&self, action: impl FnOnce(&mut Codec) -> R) -> R {
        let mut codec = self.codec.borrow_mut();
        let result = action(&mut codec);
        let now = codec.memory();
        let before = self.accounted.replace(now);
        MEMORY.set(MEMORY.get() - before + now);
        result
    }
}

impl Drop for Coder {
    fn drop(&mut self) {
        MEMORY.set(MEMORY.get() - self.accounted.get());
    }
}

struct Coding {
    coder: Rc<Coder>,
    event: EventHandle,
    /// Why nothing follows, if that is not the end.
    broken: RefCell<Option<Broken>>,
    is_gone: Cell<bool>,
    /// Rings for who reads.
    written: Bell,
    /// Rings for who writes.
    taken: Bell,
}

/// The two ends of a codec, which works at the expense of `event`. As in the reference a write is done when the codec has its bytes,
/// whether or not somebody reads; but none is taken while bytes wait for readers of what they stand for.
pub(crate) fn coding(event: &Rc<Event>, coder: Rc<Coder>) -> (Rc<dyn Sink>, Rc<dyn Source>) {
    let context = event.context();
    let coding = Rc::new(Coding {
        coder,
        event: event.handle(),
        broken: RefCell::default(),
        is_gone: Cell::new(false),
        written: Bell::new(context),
        taken: Bell::new(context),
    });
    (Rc::new(Writes(coding.clone())), Rc::new(Reads(coding)))
}

struct Writes(Rc<Coding>);

struct Reads(Rc<Coding>);

fn told(error: CodecError) -> Broken {
    Broken::Script(Error::type_error(error.to_string()))
}

impl Coding {
    /// Has the codec work at the event's expense, not while script is running.
    fn work<R>(&self, work: impl FnOnce(&mut Codec) -> Result<R, CodecError>) -> Result<R, Broken> {
        let event = self.event.get().ok_or_else(|| Broken::failed("the event is over"))?;
        let exceeded = || event.breach().map_or(Ok(()), |limit| Err(Broken::failed(limits::text(limit))));
        exceeded()?;
        let done = event.work(|| self.coder.run(work));
        exceeded()?;
        done.map_err(told)
    }

    fn fail(&self, why: Broken) {
        self.coder.run(Codec::release);
        self.broken.borrow_mut().get_or_insert(why);
        self.written.ring();
        self.taken.ring();
    }

    /// Why nobody takes what is written.
    fn gone(&self) -> Option<Broken> {
        let gone = self.is_gone.get().then_some(Broken::Script(Error::Pending));
        self.broken.borrow().clone().or(gone)
    }
}

impl Sink for Writes {
    fn write(&self, bytes: Bytes) -> LocalBoxFuture<'_, Result<(), Broken>> {
        Box::pin(async move {
            let coding = &*self.0;
            let caught_up = || match coding.gone() {
                Some(broken) => Some(Err(broken)),
                None => (!coding.coder.run(|codec| codec.is_behind())).then_some(Ok(())),
            };
            coding.taken.wait(caught_up).await?;
            coding.work(|codec| codec.push(bytes)).inspect_err(|broken| coding.fail(broken.clone()))?;
            coding.written.ring();
            Ok(())
        })
    }

    fn end(&self) -> Result<(), Broken> {
        let coding = &*self.0;
        let finished = coding.coder.run(Codec::finish).map_err(told);
        finished.inspect_err(|broken| coding.fail(broken.clone()))?;
        coding.written.ring();
        Ok(())
    }

    fn abort(&self, why: Broken) {
        self.0.fail(why);
    }

    fn gone(&self) -> LocalBoxFuture<'_, Broken> {
        Box::pin(self.0.taken.wait(|| self.0.gone()))
    }
}

impl Reads {
    /// What is there by now.
    fn look(&self, max_bytes: usize) -> Option<Result<Pulled, Broken>> {
        let coding = &*self.0;
        if let Some(broken) = coding.broken.borrow().clone() {
            return Some(Err(broken));
        }
        let piece = match coding.work(|codec| Ok((codec.pull(max_bytes)?, codec.is_done(), codec.is_behind()))) {
            Ok((piece, is_done, is_behind)) => {
                if !is_behind {
                    coding.taken.ring();
                }
                (piece.is_some() || is_done).then(|| Pulled::new(piece.unwrap_or_default(), is_done))
            }
            Err(broken) => {
                coding.fail(broken.clone());
                return Some(Err(broken));
            }
        };
        piece.map(Ok)
    }
}

impl Source for Reads {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(self.0.written.wait(move || self.look(max_bytes)))
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.0.is_gone.set(true);
        self.0.coder.run(Codec::release);
        self.0.taken.ring();
    }
}
