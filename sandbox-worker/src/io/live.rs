//! The events of an isolate that are alive, and whether any of them can still go on.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
};

use tokio::sync::Notify;

use super::{Event, deadlines::Deadlines, frame};
use crate::isolate::{Events, Isolate};

/// The live events of an isolate, by number, and whether any of their owners can still go on.
///
/// Events may wait for each other: for a promise that another one made, or a stream that it feeds. So a single event never
/// says of itself that it is hung. Each owner counts as going on while it has a timer, a task beyond those that only wait for a
/// promise, or a [`super::Hold`]. When none does, no promise is left that was settled and not yet looked at, and V8 has nothing
/// under way, then no script will ever run again, and all events that wait are hung ([`find_hung`]).
#[derive(Default, Debug)]
pub(crate) struct LiveEvents {
    events: RefCell<HashMap<u64, Weak<Event>>>,
    /// The number of the last event or owner. None is used twice: continuations of an event carry its number for as long as scripts
    /// keep their promises.
    last: Cell<u64>,
    /// The event whose script the event loop has entered.
    entered: RefCell<Option<Rc<Event>>>,
    /// What is left of an event runs on behalf of the event that settles its promise: see [`Events::set_follows_frames`].
    follows_entered: Cell<bool>,
    /// How many owners can go on by themselves.
    going_on: Cell<usize>,
    /// How many promises were settled that their waiters have not looked at.
    undelivered: Cell<usize>,
    /// Told when it may be that no event can go on.
    standstill: Notify,
    /// When events must have come to something.
    deadlines: Rc<Deadlines>,
}

impl LiveEvents {
    /// Those of an isolate.
    pub(super) fn of(isolate: &Isolate) -> Rc<Self> {
        let events: Rc<dyn std::any::Any> = isolate.events().clone();
        events.downcast().expect("an isolate's events are `io`'s")
    }

    pub(super) fn deadlines(&self) -> &Rc<Deadlines> {
        &self.deadlines
    }

    /// A number for a new event or owner.
    pub(super) fn next(&self) -> u64 {
        let number = self.last.get() + 1;
        self.last.set(number);
        number
    }

    pub(super) fn insert(&self, event: &Rc<Event>) {
        self.events.borrow_mut().insert(event.number(), Rc::downgrade(event));
    }

    pub(super) fn remove(&self, number: u64) {
        self.events.borrow_mut().remove(&number);
    }

    /// Says whose script the event loop enters, and gives whose it did.
    pub(super) fn enter(&self, event: Option<Rc<Event>>) -> Option<Rc<Event>> {
        self.entered.replace(event)
    }

    /// The event whose script is running, unless it is over.
    pub(super) fn current(&self, scope: &v8::PinScope<'_, '_>) -> Option<Rc<Event>> {
        let frame = frame::current(scope)?;
        if let Some(entered) = &*self.entered.borrow()
            && entered.is_first_frame(frame)
        {
            return Some(entered.clone());
        }
        let number = frame::number(scope, frame)?;
        if let Some(entered) = &*self.entered.borrow()
            && self.follows_entered.get()
        {
            return Some(entered.clone());
        }
        self.events.borrow().get(&number)?.upgrade()
    }

    /// A promise was settled, and nobody has looked yet.
    pub(super) fn settled(&self) {
        self.undelivered.set(self.undelivered.get() + 1);
    }

    /// The waiter has looked at a promise that was settled, or never will.
    pub(super) fn delivered(&self) {
        self.undelivered.set(self.undelivered.get() - 1);
        self.check();
    }

    /// An owner goes on by itself from now on, or no longer.
    pub(super) fn goes_on(&self, goes_on: bool) {
        let others = self.going_on.get();
        self.going_on.set(if goes_on { others + 1 } else { others - 1 });
    }

    fn stands_still(&self) -> bool {
        self.going_on.get() == 0 && self.undelivered.get() == 0
    }

    /// Has [`find_hung`] look, if it may find something.
    pub(super) fn check(&self) {
        if self.stands_still() {
            self.standstill.notify_one();
        }
    }

    /// Tells every live event that it is hung.
    fn tell_hung(&self) {
        let events: Vec<_> = self.events.borrow().values().filter_map(Weak::upgrade).collect();
        for event in events {
            event.tell_hung();
        }
    }
}

impl Events for LiveEvents {
    fn is_live(&self, number: u64) -> bool {
        if self.follows_entered.get() {
            return true;
        }
        let event = self.events.borrow().get(&number).and_then(Weak::upgrade);
        event.is_some_and(|event| event.breach().is_none())
    }

    fn set_follows_frames(&self, follows: bool) {
        self.follows_entered.set(!follows);
    }

    fn task_has_run(&self) {
        self.check();
    }
}

/// What a new isolate is given to keep the count of its events.
pub fn live_events() -> Rc<dyn Events> {
    Rc::new(LiveEvents::default())
}

/// Finds events that are hung, for as long as it is polled.
pub async fn find_hung(isolate: Rc<Isolate>) {
    let live = LiveEvents::of(&isolate);
    loop {
        live.standstill.notified().await;
        // What V8 has under way ends in a task, after which this is looked at again.
        if live.stands_still() && !isolate.has_work() {
            live.tell_hung();
        }
    }
}
