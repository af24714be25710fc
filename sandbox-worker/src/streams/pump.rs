//! Bytes from a source to a sink, without script.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
};

use futures::future::{Either, select};

use super::{
    MAX_PULL_BYTES,
    reading::Reading,
    sink::Sink,
    source::{Broken, Given, Passed, Passing, Source as _, Terms},
};
use crate::io::{Bell, IoContext, IoContextHandle};

/// How a pump has come to its end.
pub(crate) enum Pumped {
    /// All that there is was written. The sink is not at its end.
    All,
    /// It was asked to stop, and what it had read is written.
    Stopped,
    /// The source broke.
    Source(Broken),
    /// The sink takes no more.
    Sink(Broken),
}

/// Asks a pump to stop.
pub(crate) struct Stop {
    asked: Cell<bool>,
    bell: Bell,
}

impl Stop {
    pub(crate) fn new(context: &IoContext) -> Rc<Self> {
        Rc::new(Stop { asked: Cell::new(false), bell: Bell::new(context) })
    }

    /// Asks. What the pump waits for from the source is left to who reads next.
    pub(crate) fn ask(&self) {
        self.asked.set(true);
        self.bell.ring();
    }
}

/// What a pump reads from. Whoever reads from its sink may be given it instead, for as long as the pump has not begun.
pub(crate) struct Feed {
    from: Rc<Reading>,
    /// What becomes of it, once it was given away.
    passing: RefCell<Option<Passing>>,
}

impl Feed {
    pub(crate) fn new(from: Rc<Reading>) -> Rc<Self> {
        Rc::new(Feed { from, passing: RefCell::default() })
    }

    /// Gives the source away: see [`Source::give`]. The pump waits for what becomes of it.
    pub(crate) fn give(&self, terms: Terms) -> Option<Given> {
        let given = self.from.give(terms)?;
        let passing = given.passing.unwrap_or_else(|| given.whole.passing());
        *self.passing.borrow_mut() = Some(passing.clone());
        Some(Given { passing: Some(passing), ..given })
    }
}

/// Moves bytes until one of the two has come to its end, or it is asked to stop; to be run as a task of the owner. It has one piece
/// at a time, so that the sink sets the pace.
pub(crate) async fn pump(feed: Rc<Feed>, to: Rc<dyn Sink>, stop: Rc<Stop>, owner: IoContextHandle) -> Pumped {
    let passing = feed.passing.take();
    if let Some(passing) = passing {
        return match passing.await {
            Passed::Drained => {
                to.passed();
                Pumped::All
            }
            Passed::Broken(broken) => Pumped::Source(broken),
            Passed::Cancelled => Pumped::Sink(Broken::UNREAD),
        };
    }
    let from = &feed.from;
    let waits = || owner.get().map(|owner| owner.waits());
    loop {
        // Whoever is outside will answer; anybody else may be waiting too.
        let waiting = if from.is_outside() { None } else { waits() };
        let stopped = pin!(stop.bell.wait(|| stop.asked.get().then_some(())));
        let shortcut = from.connection().and_then(|connection| to.shortcut(connection));
        let read = match select(stopped, select(to.gone(), pin!(from.read(MAX_PULL_BYTES)))).await {
            Either::Left(_) => return Pumped::Stopped,
            Either::Right((Either::Left((broken, _)), _)) => return Pumped::Sink(broken),
            Either::Right((Either::Right((read, _)), _)) => read,
        };
        drop(waiting);
        if let Some(shortcut) = shortcut {
            shortcut.end();
        }
        match read {
            Ok(Some(bytes)) => {
                let waiting = waits();
                if let Err(broken) = to.write(bytes).await {
                    return Pumped::Sink(broken);
                }
                drop(waiting);
                if !from.is_outside() {
                    // What this process has in memory comes at once, and a codec may take any number of bytes.
                    tokio::task::yield_now().await;
                }
            }
            Ok(None) => return Pumped::All,
            Err(broken) => return Pumped::Source(broken),
        }
    }
}
