//! `setTimeout` and `setInterval` (HTML, "timers").

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, hash_map::Entry},
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use jsg::Error;
use tokio::time::{Instant, Sleep};

use super::{Event, EventHandle, Frame, IoContext, IoContextHandle, frame};
use crate::isolate::clock::{self, Begun};

/// The longest delay, in milliseconds: what fits into the 31 bits of the web platform.
const MAX_DELAY: f64 = 2_147_483_647.0;

/// Most timers that an owner may have active at a time, as in the reference.
const MAX_ACTIVE: usize = 10_000;

/// When a timer is due, and the order among those that are due at the same time.
type Key = (Instant, u64);

struct Timer {
    callback: v8::Global<v8::Function>,
    arguments: Vec<v8::Global<v8::Value>>,
    /// The event that set it, and the frame that it did so in, if that is not the one that the event began in.
    event: EventHandle,
    frame: Option<Frame>,
    /// For an interval, its period.
    every: Option<Duration>,
    /// Where it is among those that are due; `None` until it is there.
    key: Option<Key>,
}

/// The timers of one owner; dropped with it.
#[derive(Default)]
pub(super) struct Timers {
    active: RefCell<HashMap<u32, Timer>>,
    due: RefCell<BTreeMap<Key, u32>>,
    /// Those that were set since they were last polled, and their delays.
    set: RefCell<Vec<(Begun, u32)>>,
    /// How many were ever put among those that are due.
    count: Cell<u64>,
    last: Cell<u32>,
    /// How many have run or were cleared.
    finished: Cell<u32>,
    sleep: RefCell<Option<Pin<Box<Sleep>>>>,
    /// Runs them one after the other; made with the first.
    task: RefCell<Option<Pin<Box<dyn Future<Output = Infallible>>>>>,
    /// What is due by then is run before others have their turn.
    now: Cell<Option<Instant>>,
    /// Whether one has run since `now` was set.
    ran: Cell<bool>,
}

/// A delay in milliseconds as scripts give it.
pub(super) fn delay(milliseconds: f64) -> Duration {
    // NaN becomes 0 here, as it should.
    Duration::from_millis(milliseconds.clamp(0.0, MAX_DELAY) as u64)
}

impl Timers {
    pub(super) fn is_empty(&self) -> bool {
        self.active.borrow().is_empty()
    }

    /// Drops all timers.
    pub(super) fn clear(&self) {
        drop((self.active.take(), self.due.take(), self.set.take(), self.sleep.take(), self.task.take()));
    }

    fn remove(&self, id: u32) {
        let Some(timer) = self.active.borrow_mut().remove(&id) else { return };
        self.finished.set(self.finished.get().saturating_add(1));
        if let Some(key) = timer.key {
            self.due.borrow_mut().remove(&key);
        }
    }

    /// Puts the timers that were set among those that are due.
    fn sort(&self) {
        let set = self.set.take();
        if set.is_empty() {
            return;
        }
        let (mut active, mut due) = (self.active.borrow_mut(), self.due.borrow_mut());
        for (at, id) in clock::due(set) {
            // It may have been cleared.
            let Some(timer) = active.get_mut(&id) else { continue };
            let key = (at, self.count.get());
            self.count.set(key.1 + 1);
            timer.key = Some(key);
            due.insert(key, id);
        }
    }

    /// Runs the timers that are due; says whether any was.
    pub(super) fn poll(&self, context: &Rc<IoContext>, cx: &mut Context<'_>) -> bool {
        if self.is_empty() {
            self.sleep.take();
            return false;
        }
        let task = self.task.take();
        self.now.set(Some(Instant::now()));
        self.ran.set(false);
        let mut task = task.unwrap_or_else(|| Box::pin(run(context.handle())));
        let _ = task.as_mut().poll(cx);
        *self.task.borrow_mut() = Some(task);
        self.ran.get()
    }

    /// The next timer that is due.
    fn poll_due(&self, cx: &mut Context<'_>) -> Poll<u32> {
        self.sort();
        let Some((&key, &id)) = self.due.borrow().first_key_value() else {
            self.sleep.take();
            return Poll::Pending;
        };
        if self.now.get().is_none_or(|now| key.0 > now) {
            // tokio's timer has a granularity of one millisecond and never fires early.
            let mut sleep = self.sleep.borrow_mut();
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(key.0)));
            if sleep.deadline() != key.0 {
                sleep.as_mut().reset(key.0);
            }
            if sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        self.due.borrow_mut().remove(&key);
        self.ran.set(true);
        Poll::Ready(id)
    }

    /// On behalf of which event a timer is to run, and in which frame.
    fn setter(&self, id: u32) -> Option<(EventHandle, Option<Frame>)> {
        self.active.borrow().get(&id).map(|timer| (timer.event.clone(), timer.frame.clone()))
    }

    /// Runs the callback of a timer, unless that was cleared.
    fn call(&self, scope: &mut v8::PinScope<'_, '_>, id: u32) {
        let (callback, arguments, every) = {
            let mut active = self.active.borrow_mut();
            let Entry::Occupied(mut entry) = active.entry(id) else { return };
            if entry.get().every.is_none() {
                self.finished.set(self.finished.get().saturating_add(1));
                let timer = entry.remove();
                (timer.callback, timer.arguments, None)
            } else {
                let timer = entry.get_mut();
                timer.key = None;
                (timer.callback.clone(), timer.arguments.clone(), timer.every)
            }
        };
        {
            v8::tc_scope!(let scope, scope);
            let callback = v8::Local::new(scope, callback);
            let arguments: Vec<_> = arguments.iter().map(|value| v8::Local::new(scope, value)).collect();
            // HTML, "timer initialization steps": the callback this value is the global object.
            let receiver = scope.get_current_context().global(scope).into();
            if callback.call(scope, receiver, &arguments).is_none()
                && let Some(exception) = scope.exception()
            {
                match Event::current(scope) {
                    Some(event) => event.fail(scope, exception),
                    None => crate::isolate::report_exception(scope, exception),
                }
            }
        }
        // The next delay begins when the callback has run, so that a slow one does not pile up calls.
        if let Some(every) = every
            && self.active.borrow().contains_key(&id)
        {
            self.set.borrow_mut().push((clock::begin(every.max(Duration::from_millis(1))), id));
        }
    }
}

/// Runs the timers of an owner one after the other, for as long as it is polled.
async fn run(context: IoContextHandle) -> Infallible {
    loop {
        let due = poll_fn(|cx| context.get().map_or(Poll::Pending, |context| context.timers.poll_due(cx)));
        let id = due.await;
        let setter = context.get().and_then(|context| context.timers.setter(id));
        let Some((event, frame)) = setter else { continue };
        let call = |scope: &mut v8::PinScope<'_, '_>| {
            if let Some(context) = context.get() {
                context.timers.call(scope, id);
            }
        };
        if event.run_in(frame, call).await.is_none()
            && let Some(context) = context.get()
        {
            // What set it is over.
            context.clear_timer(id);
        }
    }
}

impl Event {
    /// Starts a timer, which belongs to the event's owner; its number is not reused there.
    ///
    /// `milliseconds` is clamped to 0 … 2³¹ − 1. For an interval the callback runs until the event ends or the timer is
    /// cleared.
    ///
    /// # Errors
    ///
    /// The owner has as many timers as it may have.
    pub fn set_timer<'s>(
        self: &Rc<Self>,
        scope: &mut v8::PinScope<'s, '_>,
        callback: v8::Local<'s, v8::Function>,
        milliseconds: f64,
        interval: bool,
        arguments: &[v8::Local<'s, v8::Value>],
    ) -> Result<u32, Error> {
        let frame = frame::current(scope).filter(|frame| !self.is_first_frame(*frame));
        self.start_timer(scope, frame, callback, milliseconds, interval, arguments)
    }

    /// As [`Self::set_timer`] for what is no callback of a tenant's. As in the reference, it is called in the frame in which the event
    /// began, so that listeners of `AbortSignal.timeout()` see no store.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set_own_timer<'s>(
        self: &Rc<Self>,
        scope: &mut v8::PinScope<'s, '_>,
        callback: v8::Local<'s, v8::Function>,
        milliseconds: f64,
    ) -> Result<u32, Error> {
        self.start_timer(scope, None, callback, milliseconds, false, &[])
    }

    fn start_timer<'s>(
        self: &Rc<Self>,
        scope: &mut v8::PinScope<'s, '_>,
        frame: Option<v8::Local<'s, v8::Array>>,
        callback: v8::Local<'s, v8::Function>,
        milliseconds: f64,
        interval: bool,
        arguments: &[v8::Local<'s, v8::Value>],
    ) -> Result<u32, Error> {
        let timers = &self.context().timers;
        let active = timers.active.borrow().len();
        if active >= MAX_ACTIVE {
            return Err(Error::dom(
                "QuotaExceededError",
                format!(
                    "You have exceeded the number of active timeouts you may set. max active timeouts: {MAX_ACTIVE}, \
                     current active timeouts: {active}, finished timeouts: {}",
                    timers.finished.get()
                ),
            ));
        }
        let id = timers.last.get().wrapping_add(1);
        timers.last.set(id);
        let delay = delay(milliseconds);
        let timer = Timer {
            callback: v8::Global::new(scope, callback),
            arguments: arguments.iter().map(|value| v8::Global::new(scope, *value)).collect(),
            event: self.handle(),
            frame: frame.map(|frame| Frame::new(scope, frame)),
            every: interval.then_some(delay),
            key: None,
        };
        timers.active.borrow_mut().insert(id, timer);
        timers.set.borrow_mut().push((clock::begin(delay), id));
        self.context().count();
        self.context().wake();
        Ok(id)
    }
}

impl IoContext {
    /// Clears a timer or an interval; a number that names none is ignored.
    pub fn clear_timer(&self, id: u32) {
        self.timers.remove(id);
        self.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_clamped() {
        assert_eq!(delay(f64::NAN), Duration::ZERO);
        assert_eq!(delay(-5.0), Duration::ZERO);
        assert_eq!(delay(1.9), Duration::from_millis(1));
        assert_eq!(delay(f64::INFINITY), Duration::from_millis(2_147_483_647));
    }
}
