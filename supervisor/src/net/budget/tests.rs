use std::cell::Cell;

use futures::FutureExt as _;

use super::*;

/// Takes as many as there are without waiting.
fn take_all(share: &Share) -> Vec<Permit> {
    std::iter::from_fn(|| share.take().now_or_never()).collect()
}

#[test]
fn no_user_can_take_the_share_of_another() {
    let budget = Budget::new(100);
    let (first, second) = (budget.join(), budget.join());
    let mut taken = take_all(&first);
    assert_eq!(taken.len(), 75);
    let others = take_all(&second);
    assert_eq!(others.len(), 25);
    taken.truncate(40);
    assert_eq!(take_all(&second).len(), 35, "what is for all goes to whoever comes first");
    drop((first, taken));
    assert_eq!(take_all(&second).len(), 75, "who is gone takes nothing");
    drop((second, others));
    assert_eq!(budget.users.borrow().len(), 0);
}

#[test]
fn everybody_has_something_however_many_there_are() {
    let budget = Budget::new(2);
    let shares: Vec<Share> = (0..5).map(|_| budget.join()).collect();
    let permits: Vec<Permit> = shares.iter().filter_map(|share| share.take().now_or_never()).collect();
    assert_eq!(permits.len(), 5);
}

struct Idle(RefCell<Vec<Permit>>, Cell<usize>);

impl Spare for Idle {
    fn close_one(&self) -> bool {
        let closed = self.0.borrow_mut().pop().is_some();
        self.1.set(self.1.get() + usize::from(closed));
        closed
    }
}

#[test]
fn idle_connections_make_room_before_anybody_waits() {
    let budget = Budget::new(10);
    let (first, second) = (budget.join(), budget.join());
    let mut idle: Vec<Permit> = take_all(&first);
    assert_eq!(idle.len(), 8);
    let used = idle.split_off(3);
    let idle = Rc::new(Idle(RefCell::new(idle), Cell::new(0)));
    first.offer(Rc::downgrade(&idle) as Weak<dyn Spare>);
    let others = take_all(&second);
    assert_eq!((others.len(), idle.1.get()), (5, 3), "two of its own, then one for each that was closed");
    let mut waiting = Box::pin(second.take());
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(first.crowded().now_or_never().is_some(), "who may do without hears of it");
    drop(used);
    assert!(waiting.now_or_never().is_some(), "whoever waits hears of it");
    assert!(first.crowded().now_or_never().is_none(), "nobody waits any more");
}

#[test]
fn three_quarters_of_the_descriptors_are_for_others() {
    assert_eq!(connections(1000, 2), 125);
    assert_eq!(connections(1 << 20, 4), MOST);
    assert_eq!(connections(0, 64), 1);
}
