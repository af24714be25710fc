//! What a memory cache has: values by their keys, and who is finding the one of a key that is missing.
//!
//! One cache is shared by all shards. It reads no clock: the time, in milliseconds since the Unix epoch, is passed in.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::config::MemoryCacheLimits;

/// A cache that workers share.
#[derive(Debug)]
pub struct MemoryCache(Mutex<Store>);

#[derive(Debug)]
struct Store {
    limits: MemoryCacheLimits,
    entries: HashMap<Arc<str>, Entry>,
    /// The keys of all entries, the one first that was not used for the longest time.
    by_use: BTreeMap<u64, Arc<str>>,
    /// Of all values together.
    bytes: u64,
    /// Keys whose values somebody is finding.
    finding: HashMap<Arc<str>, Finding>,
    /// Counts uses and tickets.
    count: u64,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    expires: Option<f64>,
    used: u64,
}

#[derive(Debug)]
struct Finding {
    /// Of whoever is finding it.
    ticket: u64,
    waiting: VecDeque<oneshot::Sender<Answer>>,
}

/// What comes of reading a key that may be found.
#[derive(Debug)]
pub enum Found {
    /// It is there.
    Value(Bytes),
    /// Whoever asked is to find it.
    Yours(Ticket),
    /// Another one is finding it already. Nothing comes if the cache is gone.
    Wait(oneshot::Receiver<Answer>),
}

/// What comes of waiting.
#[derive(Debug)]
pub enum Answer {
    /// It was found, whether the cache has kept it or not.
    Value(Bytes),
    /// Those before have found nothing: whoever waited is to find it.
    Yours(Ticket),
}

/// The right to say what a key's value is. When it is dropped without that, the next one that waits has its turn.
#[derive(Debug)]
pub struct Ticket {
    cache: Arc<MemoryCache>,
    key: Arc<str>,
    number: u64,
    is_over: bool,
}

impl Ticket {
    /// Which one it is, of its cache. None is given twice.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_over {
            self.cache.pass_on(&self.key, self.number);
        }
    }
}

impl MemoryCache {
    /// An empty cache.
    pub fn new(limits: MemoryCacheLimits) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Store {
            limits,
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            bytes: 0,
            finding: HashMap::new(),
            count: 0,
        })))
    }

    /// A panic leaves nothing half done that matters here.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it may hold.
    pub fn limits(&self) -> MemoryCacheLimits {
        self.store().limits
    }

    /// The value of a key.
    pub fn get(&self, key: &str, now: f64) -> Option<Bytes> {
        self.store().get(key, now)
    }

    /// Forgets the value of a key, and nobody that waits for one or finds it.
    pub fn remove(&self, key: &str) {
        self.store().remove(key);
    }

    /// The value of a key, or who finds it.
    pub fn find(self: &Arc<Self>, key: &str, now: f64) -> Found {
        let mut store = self.store();
        if let Some(value) = store.get(key, now) {
            return Found::Value(value);
        }
        if let Some(finding) = store.finding.get_mut(key) {
            let (sender, receiver) = oneshot::channel();
            // Where the queue would grow, those leave it that do not wait any more.
            if finding.waiting.len() == finding.waiting.capacity() {
                finding.waiting.retain(|waiting| !waiting.is_closed());
            }
            finding.waiting.push_back(sender);
            return Found::Wait(receiver);
        }
        let (key, number) = (Arc::<str>::from(key), store.next());
        store.finding.insert(key.clone(), Finding { ticket: number, waiting: VecDeque::new() });
        Found::Yours(Ticket { cache: self.clone(), key, number, is_over: false })
    }

    /// Says what the value of a key is, by right of a ticket: those that wait get it, and the cache keeps it if it fits. Gives
    /// whether the ticket was good.
    pub fn put(&self, key: &str, ticket: u64, value: Bytes, expires: Option<f64>, now: f64) -> bool {
        let mut store = self.store();
        let Some(finding) = store.finding.remove_entry(key) else { return false };
        let (key, finding) = finding;
        if finding.ticket != ticket {
            store.finding.insert(key, finding);
            return false;
        }
        store.insert(key, value.clone(), expires, now);
        drop(store);
        for waiting in finding.waiting {
            // One that does not wait any more needs nothing.
            let _ = waiting.send(Answer::Value(value.clone()));
        }
        true
    }

    /// Gives the right to find a value to the next one that waits.
    fn pass_on(self: &Arc<Self>, key: &Arc<str>, mut ticket: u64) {
        loop {
            let mut store = self.store();
            let next = store.next();
            let Some(finding) = store.finding.get_mut(key).filter(|finding| finding.ticket == ticket) else { return };
            let Some(waiting) = finding.waiting.pop_front() else {
                store.finding.remove(key);
                return;
            };
            finding.ticket = next;
            drop(store);
            let turn = Ticket { cache: self.clone(), key: key.clone(), number: next, is_over: false };
            match waiting.send(Answer::Yours(turn)) {
                Err(Answer::Yours(mut turn)) => {
                    turn.is_over = true;
                    ticket = next;
                }
                _ => return,
            }
        }
    }
}

impl Store {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn get(&mut self, key: &str, now: f64) -> Option<Bytes> {
        let used = self.next();
        let entry = self.entries.get_mut(key)?;
        if entry.expires.is_some_and(|expires| expires <= now) {
            self.remove(key);
            return None;
        }
        let before = std::mem::replace(&mut entry.used, used);
        let value = entry.value.clone();
        if let Some(key) = self.by_use.remove(&before) {
            self.by_use.insert(used, key);
        }
        Some(value)
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.value.len() as u64;
        }
    }

    fn insert(&mut self, key: Arc<str>, value: Bytes, expires: Option<f64>, now: f64) {
        self.remove(&key);
        let (limits, bytes) = (self.limits, value.len() as u64);
        let fits = bytes <= u64::from(limits.max_value_size).min(limits.max_total_value_size);
        if !fits || limits.max_keys == 0 || expires.is_some_and(|expires| expires <= now) {
            return;
        }
        while self.entries.len() as u64 >= u64::from(limits.max_keys)
            || self.bytes + bytes > limits.max_total_value_size
        {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.remove(&oldest);
        }
        let used = self.next();
        self.by_use.insert(used, key.clone());
        self.bytes += bytes;
        self.entries.insert(key, Entry { value, expires, used });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(max_keys: u32, max_value_size: u32, max_total_value_size: u64) -> Arc<MemoryCache> {
        MemoryCache::new(MemoryCacheLimits { max_keys, max_value_size, max_total_value_size })
    }

    fn ticket(found: Found) -> Ticket {
        match found {
            Found::Yours(ticket) => ticket,
            other => panic!("a ticket, and not {other:?}"),
        }
    }

    fn receiver(found: Found) -> oneshot::Receiver<Answer> {
        match found {
            Found::Wait(receiver) => receiver,
            other => panic!("a place in the queue, and not {other:?}"),
        }
    }

    fn put(cache: &Arc<MemoryCache>, key: &str, value: &'static str, expires: Option<f64>, now: f64) {
        let ticket = ticket(cache.find(key, now));
        assert!(cache.put(key, ticket.number(), value.into(), expires, now));
    }

    fn keys(cache: &Arc<MemoryCache>) -> String {
        let mut keys: Vec<String> = cache.store().entries.keys().map(|key| (**key).to_owned()).collect();
        keys.sort_unstable();
        keys.concat()
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let cache = cache(3, 4, 100);
        for key in ["a", "b", "c"] {
            put(&cache, key, "v", None, 0.0);
        }
        assert!(cache.get("a", 0.0).is_some());
        put(&cache, "d", "v", None, 0.0);
        assert_eq!(keys(&cache), "acd");
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let cache = cache(100, 4, 10);
        for (index, key) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            put(&cache, key, ["1234", "123", "12345", "", "1234"][index], None, 0.0);
            assert!(cache.store().bytes <= 10);
        }
        // One was too long, and the first made room.
        assert_eq!((keys(&cache).as_str(), cache.store().bytes), ("bde", 7));
        assert_eq!(cache.store().by_use.len(), 3);
        let none = self::cache(0, 4, 10);
        put(&none, "a", "1", None, 0.0);
        assert_eq!(keys(&none), "");
    }

    #[test]
    fn a_value_ends_when_it_expires() {
        let cache = cache(10, 10, 100);
        put(&cache, "a", "v", Some(5.0), 0.0);
        put(&cache, "b", "v", Some(5.0), 5.0);
        assert_eq!(keys(&cache), "a");
        assert!(cache.get("a", 4.9).is_some() && cache.get("a", 5.0).is_none());
        assert_eq!((keys(&cache).as_str(), cache.store().bytes), ("", 0));
    }

    #[test]
    fn those_that_wait_get_what_was_found_even_if_it_is_not_kept() {
        let cache = cache(10, 2, 100);
        let ticket = ticket(cache.find("a", 0.0));
        let mut waiting = [receiver(cache.find("a", 0.0)), receiver(cache.find("a", 0.0))];
        assert!(!cache.put("a", ticket.number() + 1, "no".into(), None, 0.0), "by another right");
        assert!(!cache.put("b", ticket.number(), "no".into(), None, 0.0), "of another key");
        assert!(cache.put("a", ticket.number(), "long".into(), None, 0.0));
        assert!(!cache.put("a", ticket.number(), "again".into(), None, 0.0));
        for waiting in &mut waiting {
            assert!(matches!(waiting.try_recv(), Ok(Answer::Value(value)) if value == "long"));
        }
        drop(ticket);
        assert!(cache.get("a", 0.0).is_none() && cache.store().finding.is_empty());
    }

    #[test]
    fn who_finds_nothing_gives_the_turn_to_the_next_that_waits() {
        let cache = cache(10, 10, 100);
        let first = ticket(cache.find("a", 0.0));
        let gone = receiver(cache.find("a", 0.0));
        let mut second = receiver(cache.find("a", 0.0));
        let mut third = receiver(cache.find("a", 0.0));
        drop(gone);
        let number = first.number();
        drop(first);
        let Ok(Answer::Yours(turn)) = second.try_recv() else { panic!("the second's turn") };
        assert!(!cache.put("a", number, "late".into(), None, 0.0), "the first has lost its right");
        // One that is given its turn and does not take it loses it.
        let fourth = receiver(cache.find("a", 0.0));
        drop(turn);
        let Ok(Answer::Yours(turn)) = third.try_recv() else { panic!("the third's turn") };
        drop(turn);
        drop(fourth);
        assert!(cache.store().finding.is_empty());
    }

    #[test]
    fn who_does_not_wait_any_more_is_forgotten() {
        let cache = cache(10, 10, 100);
        let _first = ticket(cache.find("a", 0.0));
        for _ in 0..10_000 {
            drop(receiver(cache.find("a", 0.0)));
        }
        assert!(cache.store().finding["a"].waiting.capacity() < 100);
    }
}
