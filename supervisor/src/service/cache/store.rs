//! What the caches of all workers hold, and how much of the memory and of the disk each may have.
//!
//! One value for all shards. A worker has its own entries under its own lock, which is held for as long as it takes to look something up; the two
//! [`Space`]s have theirs. No lock is held together with another, nor while something waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64, atomic::Ordering},
    time::SystemTime,
};

use bulkhead_cache::{
    file::Response,
    key::{Key, Name},
    reuse,
    share::{Space, Taken},
    shelf::{Removed, Shelf},
    storing,
    tags::{Purged, Tag},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use crate::config::{Cache, ServiceId};

/// What an entry takes in memory beside its headers and its body, in bytes: about what the tables have for it.
const OVERHEAD: u64 = 512;

/// What says that a response comes from the cache.
pub(super) const STATUS: header::HeaderName = header::HeaderName::from_static("cf-cache-status");

/// A response that can be given at once.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its head, with what every use of it says: where it comes from, and how long it is.
    pub(super) response: Response,
    pub(super) content: Content,
}

/// The body of a response.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// In memory, in pieces that are not empty.
    Memory(Arc<[Bytes]>, u64),
}

impl Content {
    /// How long it is.
    pub(super) fn length(&self) -> u64 {
        match self {
            Content::Memory(_, length) => *length,
        }
    }
}

impl Entry {
    pub(super) fn new(mut response: Response, content: Content) -> Entry {
        let headers = &mut response.headers;
        headers.insert(STATUS, HeaderValue::from_static("HIT"));
        if !bulkhead_ipc::head::has_no_body(response.status.as_u16()) {
            headers.insert(header::CONTENT_LENGTH, content.length().into());
        }
        Entry { response, content }
    }
}

/// What the head of an entry takes in memory.
pub(super) fn head_bytes(response: &Response) -> u64 {
    response.bytes() as u64 + OVERHEAD
}

/// The entries of one worker.
#[derive(Default)]
struct Shelves {
    /// Those in memory.
    hot: Shelf<Arc<Entry>>,
    purged: Purged,
}

struct Tenant {
    shelves: Mutex<Shelves>,
}

/// The caches of all workers.
pub struct Store {
    tenants: Vec<Tenant>,
    by_name: HashMap<ServiceId, usize>,
    memory: Mutex<Space>,
    object_bytes: u64,
    /// The number of the newest entry.
    newest: AtomicU64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("tenants", &self.tenants.len()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// A store for these workers.
    pub fn new<'a>(config: &Cache, workers: impl Iterator<Item = &'a ServiceId>) -> Store {
        let by_name: HashMap<_, _> = workers.cloned().zip(0..).collect();
        let tenant = || Tenant { shelves: Mutex::default() };
        Store {
            tenants: std::iter::repeat_with(tenant).take(by_name.len()).collect(),
            memory: Mutex::new(Space::new(config.memory_bytes, by_name.len())),
            by_name,
            object_bytes: config.object_bytes,
            newest: AtomicU64::new(0),
        }
    }

    /// A number that is larger than all before.
    fn number(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX / 2);
        let next = |newest: u64| now.max(newest + 1);
        let newest = self.newest.update(Ordering::Relaxed, Ordering::Relaxed, next);
        next(newest)
    }

    /// Has room for a worker's bytes made, by entries that are given up. Whether there is room.
    fn reserve(&self, tenant: usize, bytes: u64) -> bool {
        let mut bare = Vec::new();
        loop {
            let taken = lock(&self.memory).take(tenant, bytes, &bare);
            match taken {
                Taken::Granted => return true,
                Taken::Refused => return false,
                Taken::From(victim, bytes) => {
                    let gone = lock(&self.tenants[victim].shelves).hot.give_up(bytes);
                    if gone.is_empty() {
                        bare.push(victim);
                    }
                    self.gone(victim, &gone);
                }
            }
        }
    }

    /// Entries of a worker are in memory no more.
    fn gone(&self, tenant: usize, gone: &[Removed<Arc<Entry>>]) {
        if !gone.is_empty() {
            lock(&self.memory).give(tenant, gone.iter().map(|gone| gone.bytes).sum());
        }
    }
}

/// The cache of one worker.
#[derive(Clone)]
pub(super) struct Own {
    store: Arc<Store>,
    tenant: usize,
}

impl Own {
    /// That of the worker of this name, if it is one of those that the store is for.
    pub(super) fn of(store: &Arc<Store>, worker: &ServiceId) -> Option<Own> {
        store.by_name.get(worker).map(|tenant| Own { store: store.clone(), tenant: *tenant })
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        lock(&self.store.tenants[self.tenant].shelves)
    }

    /// The longest body that is stored.
    pub(super) fn object_bytes(&self) -> u64 {
        self.store.object_bytes
    }

    /// The newest response for a request that may be used.
    pub(super) fn find(&self, key: Key, request: &HeaderMap, now: u64) -> Option<Arc<Entry>> {
        let (mut found, mut gone) = (None, Vec::new());
        let mut shelves = self.shelves();
        let Shelves { hot, purged } = &mut *shelves;
        while let Some((name, entry)) = hot.find(key, |_, entry| entry.response.stored.selection.matches(request)) {
            let stored = &entry.response.stored;
            // What is stale or purged is so for every request to come.
            if stored.age(now) < stored.lifetime && !purged.covers(&stored.tags, name.number) {
                found = reuse::is_usable(stored, request, now).then(|| entry.clone());
                break;
            }
            gone.extend(hot.remove(name));
        }
        drop(shelves);
        self.store.gone(self.tenant, &gone);
        found
    }

    /// Room for a response that is on its way.
    pub(super) fn room(&self) -> Room {
        Room { own: self.clone(), bytes: 0 }
    }

    /// Stores a response, of which nothing was known before, and which has the room that it takes.
    pub(super) fn insert(&self, key: Key, entry: Entry, mut room: Room) {
        let name = Name { key, variant: entry.response.stored.selection.digest(), number: self.store.number() };
        let bytes = std::mem::take(&mut room.bytes);
        let gone = self.shelves().hot.insert(name, bytes, Arc::new(entry));
        self.store.gone(self.tenant, &gone);
    }

    /// Takes away what is stored under a key. Whether there was anything.
    pub(super) fn remove(&self, key: Key) -> bool {
        let gone = self.shelves().hot.remove_key(key);
        self.store.gone(self.tenant, &gone);
        !gone.is_empty()
    }

    /// Takes away what has one of these tags.
    pub(super) fn purge(&self, tags: &[Tag]) {
        let at = self.store.number();
        let mut shelves = self.shelves();
        tags.iter().for_each(|tag| shelves.purged.purge(*tag, at));
    }
}

/// Memory that a response on its way has. Dropping it gives it back.
pub(super) struct Room {
    own: Own,
    bytes: u64,
}

impl Room {
    /// Takes so many bytes more. Whether there were as many.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let granted = self.own.store.reserve(self.own.tenant, bytes);
        self.bytes += if granted { bytes } else { 0 };
        granted
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.bytes > 0 {
            lock(&self.own.store.memory).give(self.own.tenant, self.bytes);
        }
    }
}

/// The time as the rules count it.
pub(super) fn now() -> u64 {
    storing::seconds(SystemTime::now())
}
