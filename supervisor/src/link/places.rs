//! Which events may be in flight at one process, and who waits for a place. One that was answered with a connection that is upgraded leaves
//! room for others, up to a bound of its own.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use tokio::sync::{Notify, oneshot};

/// The places of one process, as far as one shard fills them.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    max_exchanges: usize,
    max_waiting: usize,
    state: RefCell<State>,
    /// Told when somebody begins to wait, and again from time to time. One of those who could make room hears of it.
    crowded: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// A place that nobody holds is in `free`.
    holders: Vec<Holders>,
    free: Vec<usize>,
    /// Places that are held by upgraded connections.
    exchanges: usize,
    /// First come, first served.
    waiting: VecDeque<oneshot::Sender<Place>>,
    closed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Holders {
    count: u32,
    is_exchange: bool,
}

const ONE_HOLDER: Holders = Holders { count: 1, is_exchange: false };

/// How often who waits for a place has somebody asked to make room.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// Too many wait already.
    Full,
    /// Nobody left in time.
    Late,
    /// The process takes no events any more.
    Closed,
}

impl Places {
    /// So many places, for which so many may wait, and so many for upgraded connections.
    pub(crate) fn new(max: usize, max_exchanges: usize, max_waiting: usize) -> Rc<Self> {
        Rc::new(Self { max, max_exchanges, max_waiting, state: RefCell::default(), crowded: Notify::new() })
    }

    /// A place, at the latest after `patience`. Who gives up waiting gives up the place.
    pub(crate) async fn enter(self: &Rc<Self>, patience: Duration) -> Result<Place, NoPlace> {
        let place = {
            let state = &mut *self.state.borrow_mut();
            if state.closed {
                return Err(NoPlace::Closed);
            }
            // As long as somebody waits there is none: a place that is left goes to the first of them.
            if let Some(index) = state.take(self.max) {
                return Ok(Place { places: self.clone(), index });
            }
            if state.waiting.len() >= self.max_waiting {
                // Those that gave up make room.
                state.waiting.retain(|waiter| !waiter.is_closed());
            }
            if state.waiting.len() >= self.max_waiting {
                return Err(NoPlace::Full);
            }
            let (sender, place) = oneshot::channel();
            state.waiting.push_back(sender);
            place
        };
        let ask_for_room = async {
            loop {
                self.crowded.notify_one();
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let place = async {
            tokio::select! {
                place = place => place,
                never = ask_for_room => never,
            }
        };
        match tokio::time::timeout(patience, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(NoPlace::Closed),
            Err(_) => Err(NoPlace::Late),
        }
    }

    /// Resolves when somebody waits for a place, for one of those that ask at a time: to be asked by who holds a place that
    /// may be of no use to anybody.
    pub(crate) async fn crowded(&self) {
        while self.state.borrow().waiting.iter().all(oneshot::Sender::is_closed) {
            self.crowded.notified().await;
        }
    }

    /// Sends everybody away who waits: the process has ended.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut state = self.state.borrow_mut();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }

    /// Places that somebody holds.
    pub(crate) fn taken(&self) -> usize {
        let state = self.state.borrow();
        state.holders.len() - state.free.len()
    }
}

impl State {
    fn take(&mut self, max: usize) -> Option<usize> {
        if self.holders.len() - self.free.len() - self.exchanges >= max {
            return None;
        }
        if let Some(index) = self.free.pop() {
            self.holders[index] = ONE_HOLDER;
            return Some(index);
        }
        self.holders.push(ONE_HOLDER);
        Some(self.holders.len() - 1)
    }

    /// The first of those who wait and are still there.
    fn next_waiting(&mut self) -> Option<oneshot::Sender<Place>> {
        while self.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            self.waiting.pop_front();
        }
        self.waiting.pop_front()
    }
}

/// The place of one event. Whatever of it the process may still answer, or hold, has a clone; with the last one it is free.
#[derive(Debug)]
pub(crate) struct Place {
    places: Rc<Places>,
    index: usize,
}

impl Place {
    /// Which of the places it is, from 0.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Makes it the place of an upgraded connection, which leaves room for another event. `false`: there are as many as there may be.
    pub(crate) fn exchange(&self) -> bool {
        let next = {
            let state = &mut *self.places.state.borrow_mut();
            if state.holders[self.index].is_exchange {
                return true;
            }
            if state.exchanges >= self.places.max_exchanges {
                return false;
            }
            state.holders[self.index].is_exchange = true;
            state.exchanges += 1;
            state.next_waiting().and_then(|next| Some((next, state.take(self.places.max)?)))
        };
        if let Some((next, index)) = next {
            let _ = next.send(Place { places: self.places.clone(), index });
        }
        true
    }
}

impl Clone for Place {
    fn clone(&self) -> Self {
        self.places.state.borrow_mut().holders[self.index].count += 1;
        Self { places: self.places.clone(), index: self.index }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let state = &mut *self.places.state.borrow_mut();
            let holders = &mut state.holders[self.index];
            holders.count -= 1;
            if holders.count > 0 {
                return;
            }
            let next = if holders.is_exchange {
                state.exchanges -= 1;
                None
            } else {
                state.next_waiting()
            };
            match next {
                Some(_) => state.holders[self.index] = ONE_HOLDER,
                None => state.free.push(self.index),
            }
            next
        };
        if let Some(next) = next {
            // Should it be gone after all, what comes back is dropped, and the place goes to the one after it.
            let _ = next.send(Place { places: self.places.clone(), index: self.index });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::Future, pin::Pin};

    const PATIENCE: Duration = Duration::from_millis(100);

    type Waiting = Pin<Box<dyn Future<Output = Result<Place, NoPlace>>>>;

    fn local(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), test);
    }

    fn enter(places: &Rc<Places>) -> Waiting {
        let places = places.clone();
        Box::pin(async move { places.enter(PATIENCE).await })
    }

    fn is_waiting(waiting: &mut Waiting) -> bool {
        waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
    }

    #[test]
    fn who_comes_first_is_served_first_and_who_has_left_is_not() {
        local(async {
            let places = Places::new(2, 1, 3);
            let first = places.enter(PATIENCE).await.expect("a place");
            let second = places.enter(PATIENCE).await.expect("a place");
            let mut waiting: Vec<Waiting> = (0..3).map(|_| enter(&places)).collect();
            assert!(waiting.iter_mut().all(is_waiting));
            assert_eq!(places.enter(PATIENCE).await.unwrap_err(), NoPlace::Full);
            // One of them leaves, and makes room for another.
            drop(waiting.remove(0));
            let mut last = enter(&places);
            assert!(is_waiting(&mut last));
            drop(second);
            assert!(is_waiting(&mut waiting[1]) && is_waiting(&mut last));
            let third = waiting.remove(0).await.expect("its turn");
            assert_eq!(places.taken(), 2);
            // Who leaves with the place on its way passes it on.
            drop(first);
            drop(waiting.remove(0));
            let fourth = last.await.expect("its turn");
            drop((third, fourth));
            assert_eq!(places.taken(), 0);
        });
    }

    #[test]
    fn a_place_is_held_for_as_long_as_anything_of_its_event_is() {
        local(async {
            let places = Places::new(1, 1, 1);
            let place = places.enter(PATIENCE).await.expect("a place");
            let more = place.clone();
            drop(place);
            let mut next = enter(&places);
            assert!(is_waiting(&mut next));
            drop(more);
            assert!(next.await.is_ok());
        });
    }

    #[test]
    fn nobody_waits_for_ever() {
        local(async {
            let places = Places::new(1, 1, 2);
            let place = places.enter(PATIENCE).await.expect("a place");
            assert_eq!(places.enter(PATIENCE).await.unwrap_err(), NoPlace::Late);
            let mut waiting = enter(&places);
            assert!(is_waiting(&mut waiting));
            places.close();
            assert_eq!(waiting.await.unwrap_err(), NoPlace::Closed);
            assert_eq!(places.enter(PATIENCE).await.unwrap_err(), NoPlace::Closed);
            drop(place);
            assert_eq!(places.taken(), 0);
        });
    }

    #[test]
    fn who_waits_has_one_make_room_who_can() {
        local(async {
            let places = Places::new(2, 1, 2);
            let (one, two) =
                (places.enter(PATIENCE).await.expect("a place"), places.enter(PATIENCE).await.expect("a place"));
            let crowd = |place: Place| {
                let places = places.clone();
                tokio::task::spawn_local(async move {
                    places.crowded().await;
                    drop(place);
                })
            };
            let (one, two) = (crowd(one), crowd(two));
            tokio::task::yield_now().await;
            assert!(!one.is_finished() && !two.is_finished());
            let place = places.enter(PATIENCE).await.expect("room was made");
            tokio::task::yield_now().await;
            assert!(one.is_finished() != two.is_finished(), "by one of them, and not by both");
            drop(place);
            two.abort();
        });
    }

    proptest::proptest! {
        #[test]
        fn no_more_than_there_are_and_none_is_lost(max in 1usize..5, steps in proptest::collection::vec((0u8..5, 0usize..20), 0..100)) {
            local(async {
                let places = Places::new(max, 2, 4);
                let (mut held, mut waiting): (Vec<Place>, Vec<Waiting>) = Default::default();
                let mut exchanges: Vec<Place> = Vec::new();
                for (step, at) in steps {
                    match step {
                        0 => waiting.push(enter(&places)),
                        1 if !held.is_empty() => drop(held.swap_remove(at % held.len())),
                        2 if !waiting.is_empty() => drop(waiting.swap_remove(at % waiting.len())),
                        3 if !held.is_empty() => {
                            let place = held.swap_remove(at % held.len());
                            let is_exchange = place.exchange();
                            assert_eq!(is_exchange, exchanges.len() < 2);
                            if is_exchange { exchanges.push(place) } else { held.push(place) }
                        }
                        4 if !exchanges.is_empty() => drop(exchanges.swap_remove(at % exchanges.len())),
                        _ => {}
                    }
                    let mut still = Vec::new();
                    for mut one in waiting.drain(..) {
                        match one.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
                            std::task::Poll::Ready(place) => held.extend(place),
                            std::task::Poll::Pending => still.push(one),
                        }
                    }
                    waiting = still;
                    assert!(held.len() <= max && places.taken() == held.len() + exchanges.len());
                    assert!(waiting.is_empty() || held.len() == max, "somebody waits although there is a place");
                }
                drop((held, waiting, exchanges));
                assert_eq!(places.taken(), 0);
            });
        }
    }
}
