//! `setTimeout` and `setInterval` of one event (HTML, "timers").

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, hash_map::Entry},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::Context,
    time::Duration,
};

use jsg::Error;
use tokio::time::{Instant, Sleep};

use super::IoContext;
use crate::isolate::clock::{self, Begun};

/// The longest delay, in milliseconds: what fits into the 31 bits of the web platform.
const MAX_DELAY: f64 = 2_147_483_647.0;

/// Most timers that one event may have active at a time, as in the reference.
const MAX_ACTIVE: usize = 10_000;

/// When a timer is due, and the order among those that are due at the same time.
type Key = (Instant, u64);

struct Timer {
    callback: v8::Global<v8::Function>,
    arguments: Vec<v8::Global<v8::Value>>,
    /// For an interval, its period.
    every: Option<Duration>,
    /// Where it is among those that are due; `None` until it is there.
    key: Option<Key>,
}

/// The timers of one event; dropped with it.
#[derive(Default)]
pub(super) struct Timers {
    active: RefCell<HashMap<u32, Timer>>,
    due: RefCell<BTreeMap<Key, u32>>,
    /// Those that were set since the event was last polled, and their delays.
    set: RefCell<Vec<(Begun, u32)>>,
    /// How many were ever put among those that are due.
    count: Cell<u64>,
    last: Cell<u32>,
    /// How many have run or were cleared.
    finished: Cell<u32>,
    sleep: RefCell<Option<Pin<Box<Sleep>>>>,
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
        drop((self.active.take(), self.due.take(), self.set.take(), self.sleep.take()));
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
        self.sort();
        if self.is_empty() {
            self.sleep.take();
            return false;
        }
        let now = Instant::now();
        let mut ran = false;
        loop {
            let Some((&key, &id)) = self.due.borrow().first_key_value() else { break };
            if key.0 > now {
                // tokio's timer has a granularity of one millisecond and never fires early.
                let mut sleep = self.sleep.borrow_mut();
                let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(key.0)));
                if sleep.deadline() != key.0 {
                    sleep.as_mut().reset(key.0);
                }
                if sleep.as_mut().poll(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
                break;
            }
            self.due.borrow_mut().remove(&key);
            ran = true;
            self.run(id, context);
            self.sort();
        }
        ran
    }

    /// Runs the callback of a timer.
    fn run(&self, id: u32, context: &Rc<IoContext>) {
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
        context.enter(|scope| {
            {
                v8::tc_scope!(let scope, scope);
                let callback = v8::Local::new(scope, callback);
                let arguments: Vec<_> = arguments.iter().map(|value| v8::Local::new(scope, value)).collect();
                // HTML, "timer initialization steps": the callback this value is the global object.
                let receiver = scope.get_current_context().global(scope).into();
                if callback.call(scope, receiver, &arguments).is_none()
                    && let Some(exception) = scope.exception()
                {
                    crate::isolate::report_exception(scope, exception);
                }
            }
            // The next delay begins when the callback has run, so that a slow one does not pile up calls.
            if let Some(every) = every
                && self.active.borrow().contains_key(&id)
            {
                self.set.borrow_mut().push((clock::begin(every.max(Duration::from_millis(1))), id));
            }
        });
    }
}

impl IoContext {
    /// Starts a timer; its number is not reused within the event.
    ///
    /// `milliseconds` is clamped to 0 … 2³¹ − 1. For an interval the callback runs until the event ends or the timer is
    /// cleared.
    ///
    /// # Errors
    ///
    /// The event has as many timers as it may have.
    pub fn set_timer<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        callback: v8::Local<'s, v8::Function>,
        milliseconds: f64,
        interval: bool,
        arguments: &[v8::Local<'s, v8::Value>],
    ) -> Result<u32, Error> {
        let active = self.timers.active.borrow().len();
        if active >= MAX_ACTIVE {
            return Err(Error::dom(
                "QuotaExceededError",
                format!(
                    "You have exceeded the number of active timeouts you may set. max active timeouts: {MAX_ACTIVE}, \
                     current active timeouts: {active}, finished timeouts: {}",
                    self.timers.finished.get()
                ),
            ));
        }
        let id = self.timers.last.get().wrapping_add(1);
        self.timers.last.set(id);
        let delay = delay(milliseconds);
        let timer = Timer {
            callback: v8::Global::new(scope, callback),
            arguments: arguments.iter().map(|value| v8::Global::new(scope, *value)).collect(),
            every: interval.then_some(delay),
            key: None,
        };
        self.timers.active.borrow_mut().insert(id, timer);
        self.timers.set.borrow_mut().push((clock::begin(delay), id));
        self.count();
        self.wake();
        Ok(id)
    }

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
