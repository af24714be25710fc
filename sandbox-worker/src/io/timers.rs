//! `setTimeout` and `setInterval` of one event (HTML, "timers").

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::Context,
    time::Duration,
};

use jsg::Error;
use tokio::time::{Instant, Sleep};

use super::IoContext;
use crate::isolate::clock;

/// The longest delay, in milliseconds: what fits into the 31 bits of the web platform.
const MAX_DELAY: f64 = 2_147_483_647.0;

/// Most timers that one event may have active at a time, as in the reference.
const MAX_ACTIVE: usize = 10_000;

/// When a timer is due, and the order among those that are due at the same time.
type Key = (Instant, u32);

struct Timer {
    callback: v8::Global<v8::Function>,
    arguments: Vec<v8::Global<v8::Value>>,
    /// For an interval, its period.
    every: Option<Duration>,
}

/// The timers of one event; dropped with it.
#[derive(Default)]
pub(super) struct Timers {
    due: RefCell<BTreeMap<Key, Timer>>,
    by_id: RefCell<HashMap<u32, Instant>>,
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
        self.due.borrow().is_empty()
    }

    /// Drops all timers.
    pub(super) fn clear(&self) {
        drop((self.due.take(), self.by_id.take(), self.sleep.take()));
    }

    fn insert(&self, id: u32, at: Instant, timer: Timer) {
        self.by_id.borrow_mut().insert(id, at);
        self.due.borrow_mut().insert((at, id), timer);
    }

    fn remove(&self, id: u32) {
        if let Some(at) = self.by_id.borrow_mut().remove(&id) {
            self.finished.set(self.finished.get().saturating_add(1));
            self.due.borrow_mut().remove(&(at, id));
        }
    }

    /// Runs the timers that are due; says whether any was.
    pub(super) fn poll(&self, context: &Rc<IoContext>, cx: &mut Context<'_>) -> bool {
        if self.is_empty() {
            self.sleep.take();
            return false;
        }
        let now = Instant::now();
        let mut ran = false;
        loop {
            let Some((&key, _)) = self.due.borrow().first_key_value() else { break };
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
            let Some(timer) = self.due.borrow_mut().remove(&key) else { break };
            let id = key.1;
            let callback = timer.callback.clone();
            let arguments = timer.arguments.clone();
            match timer.every {
                // Counted from now, so that a slow callback does not pile up calls.
                Some(every) => self.insert(id, clock::align(now + every.max(Duration::from_millis(1))), timer),
                None => {
                    self.by_id.borrow_mut().remove(&id);
                    self.finished.set(self.finished.get().saturating_add(1));
                }
            }
            ran = true;
            context.enter(|scope| {
                v8::tc_scope!(let scope, scope);
                let callback = v8::Local::new(scope, callback);
                let arguments: Vec<_> = arguments.iter().map(|value| v8::Local::new(scope, value)).collect();
                let receiver = v8::undefined(scope).into();
                if callback.call(scope, receiver, &arguments).is_none()
                    && let Some(exception) = scope.exception()
                {
                    crate::isolate::report_exception(scope, exception);
                }
            });
        }
        ran
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
        let active = self.timers.by_id.borrow().len();
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
        };
        self.timers.insert(id, clock::due(delay), timer);
        self.wake();
        Ok(id)
    }

    /// Clears a timer or an interval; a number that names none is ignored.
    pub fn clear_timer(&self, id: u32) {
        self.timers.remove(id);
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
