//! How many connections each user of a shard's network may have.
//!
//! Half of what there is is divided among the users, so that none of them can keep another from its share, and half is for whoever
//! comes first. There are never more than there are. Before anybody waits, connections that nobody uses are closed.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use tokio::sync::{Notify, oneshot};

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
pub(super) struct Budget {
    total: usize,
    /// What each user has to itself, as long as there are any: something, however many users there are.
    own: usize,
    /// What users may have together beyond that.
    common: usize,
    taken: Cell<usize>,
    /// Of these, what users have beyond their own.
    excess: Cell<usize>,
    /// Those that have ever had a connection.
    users: RefCell<Vec<Weak<Share>>>,
    /// How many wait.
    waiting: Cell<usize>,
    /// The number of the last who waited.
    last: Cell<u64>,
    /// Tells one who may be able to do without a connection that somebody waits.
    crowd: Notify,
}

impl Budget {
    /// For so many connections, which at most so many users divide.
    pub(super) fn new(total: usize, users: usize) -> Rc<Self> {
        let total = total.max(1);
        let own = (total / 2 / users.max(1)).max(1);
        Rc::new(Self {
            total,
            own,
            common: total - (own * users).min(total / 2),
            taken: Cell::new(0),
            excess: Cell::new(0),
            users: RefCell::default(),
            waiting: Cell::new(0),
            last: Cell::new(0),
            crowd: Notify::new(),
        })
    }

    /// One of the users, which takes nothing and is not known before it has a first connection.
    pub(super) fn share(self: &Rc<Self>) -> Rc<Share> {
        Rc::new(Share {
            budget: self.clone(),
            taken: Cell::new(0),
            is_known: Cell::new(false),
            waiting: RefCell::default(),
            spares: RefCell::default(),
        })
    }

    fn users(&self) -> Vec<Rc<Share>> {
        self.users.borrow().iter().filter_map(Weak::upgrade).collect()
    }

    /// Gives connections to those who wait, in their order, as far as they may have one.
    fn serve(&self) {
        while self.waiting.get() > 0 {
            let first = |user: &Rc<Share>| user.waiting.borrow().first_key_value().map(|(number, _)| *number);
            let able = self.users().into_iter().filter(|user| user.has_room());
            let Some((_, user)) = able.filter_map(|user| Some((first(&user)?, user))).min_by_key(|(number, _)| *number)
            else {
                return;
            };
            let next = user.waiting.borrow_mut().pop_first();
            if let Some((_, waiter)) = next {
                self.waiting.set(self.waiting.get() - 1);
                // Who is gone meanwhile gives it back.
                let _ = waiter.send(user.grant());
            }
        }
    }
}

/// The part that one user has.
pub(super) struct Share {
    budget: Rc<Budget>,
    taken: Cell<usize>,
    is_known: Cell<bool>,
    /// Those who wait, by their numbers.
    waiting: RefCell<BTreeMap<u64, oneshot::Sender<Permit>>>,
    /// Who may have connections that are not used.
    spares: RefCell<Vec<Weak<dyn Spare>>>,
}

impl Share {
    /// One more whom to ask for connections that are not used.
    pub(super) fn offer(&self, spare: Weak<dyn Spare>) {
        let mut spares = self.spares.borrow_mut();
        spares.retain(|spare| spare.strong_count() > 0);
        spares.push(spare);
    }

    /// Another user of the same connections.
    pub(super) fn another(&self) -> Rc<Share> {
        self.budget.share()
    }

    /// Waits until there may be one more connection. Those who wait are served in their order.
    pub(super) async fn take(self: &Rc<Self>) -> Permit {
        if !self.is_known.replace(true) {
            let mut users = self.budget.users.borrow_mut();
            users.retain(|user| user.strong_count() > 0);
            users.push(Rc::downgrade(self));
        }
        while !self.has_room() {
            if !self.make_room() {
                return self.wait().await;
            }
        }
        self.grant()
    }

    /// Whether somebody waits who could have another connection if this user closed one.
    pub(super) fn is_wanted(&self) -> bool {
        let waits = |user: &Rc<Share>| !user.waiting.borrow().is_empty();
        self.budget.waiting.get() > 0
            && self.budget.users().iter().any(|other| waits(other) && self.makes_room_for(other))
    }

    /// Resolves when somebody waits for a connection, once for each.
    pub(super) async fn crowded(&self) {
        loop {
            self.budget.crowd.notified().await;
            if self.budget.waiting.get() > 0 {
                return;
            }
        }
    }

    fn has_room(&self) -> bool {
        let budget = &self.budget;
        budget.taken.get() < budget.total && (self.taken.get() < budget.own || budget.excess.get() < budget.common)
    }

    fn grant(self: &Rc<Self>) -> Permit {
        let budget = &self.budget;
        budget.excess.set(budget.excess.get() + usize::from(self.taken.get() >= budget.own));
        budget.taken.set(budget.taken.get() + 1);
        self.taken.set(self.taken.get() + 1);
        Permit { share: self.clone() }
    }

    async fn wait(&self) -> Permit {
        let number = self.budget.last.get() + 1;
        self.budget.last.set(number);
        let (sender, permit) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, sender);
        self.budget.waiting.set(self.budget.waiting.get() + 1);
        let _waiting = Waiting(self, number);
        self.budget.crowd.notify_one();
        match permit.await {
            Ok(permit) => permit,
            Err(_) => std::future::pending().await,
        }
    }

    /// Has a connection that nobody uses be closed which this user could have instead: one of its own, or else of whoever has the
    /// most. `false`: there is none.
    fn make_room(&self) -> bool {
        let mut others = self.budget.users();
        others.retain(|other| !std::ptr::eq(&**other, self) && other.makes_room_for(self));
        others.sort_by_key(|other| std::cmp::Reverse(other.taken.get()));
        self.close_one() || others.iter().any(|other| other.close_one())
    }

    /// Whether the other could have another connection if this user had one less.
    fn makes_room_for(&self, other: &Share) -> bool {
        let budget = &self.budget;
        let excess = budget.excess.get() - usize::from(self.taken.get() > budget.own);
        std::ptr::eq(self, other) || other.taken.get() < budget.own || excess < budget.common
    }

    fn close_one(&self) -> bool {
        let spares: Vec<_> = self.spares.borrow().iter().filter_map(Weak::upgrade).collect();
        spares.iter().any(|spare| spare.close_one())
    }
}

/// One who waits.
struct Waiting<'a>(&'a Share, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Waiting(share, number) = *self;
        // Whoever was served does not wait any more.
        if share.waiting.borrow_mut().remove(&number).is_some() {
            share.budget.waiting.set(share.budget.waiting.get() - 1);
        }
    }
}

/// Permission for one connection, as long as it lives.
pub(super) struct Permit {
    share: Rc<Share>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Share { budget, taken, .. } = &*self.share;
        taken.set(taken.get() - 1);
        budget.excess.set(budget.excess.get() - usize::from(taken.get() >= budget.own));
        budget.taken.set(budget.taken.get() - 1);
        budget.serve();
    }
}

#[cfg(test)]
mod tests;
