use std::{future::Future, pin::Pin};

use futures::FutureExt as _;
use proptest::prelude::*;

use super::*;

/// Takes as many as there are without waiting.
fn take_all(share: &Rc<Share>) -> Vec<Permit> {
    std::iter::from_fn(|| share.take().now_or_never()).collect()
}

#[test]
fn no_user_can_take_the_share_of_another() {
    let budget = Budget::new(100, 2);
    let (first, second) = (budget.share(), budget.share());
    let mut taken = take_all(&first);
    assert_eq!(taken.len(), 75);
    // Who comes later than that has its own all the same.
    let others = take_all(&second);
    assert_eq!(others.len(), 25);
    taken.truncate(40);
    assert_eq!(take_all(&second).len(), 35, "what is for all goes to whoever comes first");
    drop((first, taken));
    assert_eq!(take_all(&second).len(), 50, "who is gone takes nothing");
    assert_eq!((budget.taken.get(), budget.excess.get()), (25, 0));
}

#[test]
fn who_never_has_a_connection_is_not_known() {
    let budget = Budget::new(100, 10);
    let shares: Vec<_> = (0..10).map(|_| budget.share()).collect();
    assert_eq!(budget.users().len(), 0);
    let permit = shares[3].take().now_or_never();
    assert_eq!(budget.users().len(), 1);
    drop((shares, permit));
    assert_eq!(budget.users().len(), 0);
}

#[test]
fn there_are_never_more_than_there_are() {
    for total in 1..6 {
        let budget = Budget::new(total, 5);
        let shares: Vec<_> = (0..5).map(|_| budget.share()).collect();
        let all: Vec<Permit> = shares.iter().flat_map(take_all).collect();
        assert_eq!(all.len(), total);
        drop(all);
        // As many users as there are connections for half of them have one, whoever came first.
        let hog = take_all(&shares[0]);
        assert_eq!(hog.len(), total - total / 2 + usize::from(total > 1));
    }
}

struct Idle(RefCell<Vec<Permit>>, Cell<usize>);

impl Spare for Idle {
    fn close_one(&self) -> bool {
        let closed = self.0.borrow_mut().pop();
        self.1.set(self.1.get() + usize::from(closed.is_some()));
        closed.is_some()
    }
}

#[test]
fn idle_connections_make_room_before_anybody_waits() {
    let budget = Budget::new(10, 2);
    let (first, second) = (budget.share(), budget.share());
    let mut idle: Vec<Permit> = take_all(&first);
    assert_eq!(idle.len(), 8);
    let used = idle.split_off(3);
    let idle = Rc::new(Idle(RefCell::new(idle), Cell::new(0)));
    first.offer(Rc::downgrade(&idle) as Weak<dyn Spare>);
    let others = take_all(&second);
    assert_eq!((others.len(), idle.1.get()), (5, 3), "its own, then one for each that was closed");
    let mut waiting = Box::pin(second.take());
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(first.crowded().now_or_never().is_some(), "who may do without hears of it");
    assert!(first.is_wanted(), "one that is not used any more is not to be kept");
    drop(used);
    assert!(waiting.now_or_never().is_some(), "whoever waits hears of it");
    assert!(first.crowded().now_or_never().is_none(), "nobody waits any more");
    assert!(!first.is_wanted());
}

#[test]
fn nothing_is_closed_that_helps_nobody() {
    let budget = Budget::new(10, 2);
    let (first, second) = (budget.share(), budget.share());
    // Within its own, and so no room for another.
    let own = vec![first.take().now_or_never().expect("one"), first.take().now_or_never().expect("another")];
    let idle = Rc::new(Idle(RefCell::new(own), Cell::new(0)));
    first.offer(Rc::downgrade(&idle) as Weak<dyn Spare>);
    assert_eq!((take_all(&second).len(), idle.1.get()), (8, 0));
}

#[test]
fn three_quarters_of_the_descriptors_are_for_others() {
    assert_eq!(connections(1000, 2), 125);
    assert_eq!(connections(1 << 20, 4), MOST);
    assert_eq!(connections(0, 64), 1);
}

type Taking = Pin<Box<dyn Future<Output = Permit>>>;

proptest! {
    #[test]
    fn shares_are_kept_and_those_who_wait_are_served_in_their_order(
        total in 1usize..24,
        users in 1usize..8,
        steps in proptest::collection::vec((0u8..6, 0usize..64), 1..200),
    ) {
        let budget = Budget::new(total, users);
        let shares: Vec<_> = (0..users).map(|_| budget.share()).collect();
        let mut held: Vec<(usize, Permit)> = Vec::new();
        // In the order in which they came.
        let mut waiting: Vec<(usize, Taking)> = Vec::new();
        for (step, at) in steps {
            match step {
                0..3 => {
                    let (user, share) = (at % users, shares[at % users].clone());
                    let mut taking: Taking = Box::pin(async move { share.take().await });
                    match taking.as_mut().now_or_never() {
                        Some(permit) => held.push((user, permit)),
                        None => waiting.push((user, taking)),
                    }
                }
                3 | 4 if !held.is_empty() => {
                    let able_before: Vec<usize> = waiting.iter().map(|(user, _)| *user).collect();
                    drop(held.swap_remove(at % held.len()));
                    let mut served = Vec::new();
                    for (index, (user, taking)) in waiting.iter_mut().enumerate() {
                        if let Some(permit) = taking.as_mut().now_or_never() {
                            served.push(index);
                            held.push((*user, permit));
                        }
                    }
                    prop_assert!(served.len() <= 1, "one connection serves one");
                    for index in served {
                        let (user, _) = waiting.remove(index);
                        prop_assert!(!able_before[..index].contains(&user), "of one user whoever came first");
                    }
                }
                5 if !waiting.is_empty() => drop(waiting.remove(at % waiting.len())),
                _ => {}
            }
            let of = |user: usize| held.iter().filter(|(other, _)| *other == user).count();
            let excess: usize = (0..users).map(|user| of(user).saturating_sub(budget.own)).sum();
            prop_assert_eq!((budget.taken.get(), budget.excess.get()), (held.len(), excess));
            prop_assert_eq!(budget.waiting.get(), waiting.len());
            prop_assert!(held.len() <= total);
            let is_enough = users <= total / 2;
            for (user, _) in &waiting {
                prop_assert!(!is_enough || of(*user) >= budget.own, "it waits for what is its own");
                prop_assert!(held.len() == total || of(*user) >= budget.own && excess >= budget.common, "it need not wait");
            }
        }
        drop((held, waiting));
        prop_assert_eq!((budget.taken.get(), budget.excess.get(), budget.waiting.get()), (0, 0, 0));
    }
}
