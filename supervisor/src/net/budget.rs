//! How many connections each user of a shard's network may have.
//!
//! Half of what there is is divided among the users, so that none of them can keep another from its share, and half is for whoever
//! comes first. Before anybody waits, connections that nobody uses are closed.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use slab::Slab;
use tokio::sync::Notify;

/// Connections of one shard, however many descriptors there are.
const MOST: usize = 4096;

/// Connections that each shard may have when a process has so many descriptors: they leave three quarters to others.
pub fn connections(descriptors: usize, shards: usize) -> usize {
    (descriptors / 4 / shards.max(1)).clamp(1, MOST)
}

/// Something that may close connections of its own that it does not use.
pub(super) trait Spare {
    /// Closes the one that has not been used the longest. `false`: there is none.
    fn close_one(&self) -> bool;
}

/// The connections of one shard.
pub struct Budget {
    total: usize,
    users: RefCell<Slab<Entry>>,
    /// Tells those who wait that a connection has ended.
    freed: Notify,
    /// How many wait.
    waiting: Cell<usize>,
    /// Tells one who may be able to do without a connection that somebody waits.
    crowd: Notify,
}

struct Entry {
    taken: usize,
    /// The user is gone; its connections may outlive it by a moment.
    left: bool,
    spare: Option<Weak<dyn Spare>>,
}

impl Budget {
    /// For so many connections.
    pub fn new(total: usize) -> Rc<Self> {
        Rc::new(Self {
            total,
            users: RefCell::default(),
            freed: Notify::new(),
            waiting: Cell::new(0),
            crowd: Notify::new(),
        })
    }

    /// One more user.
    pub(super) fn join(self: &Rc<Self>) -> Share {
        let key = self.users.borrow_mut().insert(Entry { taken: 0, left: false, spare: None });
        Share { budget: self.clone(), key }
    }

    fn has_room(&self, key: usize) -> bool {
        let users = self.users.borrow();
        let reserved = self.reserved();
        users[key].taken < reserved
            || users.iter().map(|(_, user)| user.taken.saturating_sub(reserved)).sum::<usize>()
                < self.total.saturating_sub(reserved * users.len())
    }

    /// Removes a user that is gone, with all of its connections.
    fn forget(&self, key: usize) {
        let mut users = self.users.borrow_mut();
        if users[key].left && users[key].taken == 0 {
            users.remove(key);
        }
    }

    /// What each user has to itself: something, however many there are.
    fn reserved(&self) -> usize {
        (self.total / 2 / self.users.borrow().len().max(1)).max(1)
    }

    /// Has a connection that nobody uses be closed: one of this user, or else of the one that has the most.
    fn make_room(&self, key: usize) -> bool {
        let mut order: Vec<(usize, usize)> = self
            .users
            .borrow()
            .iter()
            .map(|(other, user)| (if other == key { usize::MAX } else { user.taken }, other))
            .collect();
        order.sort_unstable_by(|left, right| right.cmp(left));
        order.into_iter().any(|(_, other)| {
            let spare = self.users.borrow().get(other).and_then(|user| user.spare.as_ref()?.upgrade());
            spare.is_some_and(|spare| spare.close_one())
        })
    }
}

/// The part that one user has.
pub(super) struct Share {
    budget: Rc<Budget>,
    key: usize,
}

impl Share {
    /// Whom to ask for connections that are not used.
    pub(super) fn offer(&self, spare: Weak<dyn Spare>) {
        self.budget.users.borrow_mut()[self.key].spare = Some(spare);
    }

    /// Waits until there may be one more connection. Those who wait are served in their order.
    pub(super) async fn take(&self) -> Permit {
        while !self.budget.has_room(self.key) {
            if !self.budget.make_room(self.key) || !self.budget.has_room(self.key) {
                let freed = self.budget.freed.notified();
                let _waiting = Waiting::new(&self.budget.waiting);
                self.budget.crowd.notify_one();
                freed.await;
            }
        }
        self.budget.users.borrow_mut()[self.key].taken += 1;
        Permit { budget: self.budget.clone(), key: self.key }
    }
}

impl Share {
    /// Resolves when somebody waits for a connection, once for each.
    pub(super) async fn crowded(&self) {
        loop {
            self.budget.crowd.notified().await;
            if self.budget.waiting.get() > 0 {
                return;
            }
        }
    }
}

/// One who waits.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        {
            let user = &mut self.budget.users.borrow_mut()[self.key];
            user.left = true;
            user.spare = None;
        }
        self.budget.forget(self.key);
    }
}

/// Permission for one connection, as long as it lives.
pub(super) struct Permit {
    budget: Rc<Budget>,
    key: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.users.borrow_mut()[self.key].taken -= 1;
        self.budget.forget(self.key);
        self.budget.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
