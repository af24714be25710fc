//! What the caches of all workers hold, and how much of the memory and of the disk each may have.
//!
//! One value for all shards. A worker has its own entries under its own lock, which is held for as long as it takes to look something up; the two
//! [`Space`]s have theirs. No lock is held together with another, nor while something waits, but for one that only
//! purges by tag take. What says that it may wait for a disk is called where that
//! is permitted.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64, atomic::Ordering},
    time::SystemTime,
};

use bulkhead_cache::{
    file::{self, Response},
    key::{Key, Name},
    reuse,
    share::{Space, Taken},
    shelf::{Removed, Shelf},
    storing,
    tags::{Purged, Tag},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use rustix::io::Errno;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::files::{self, Files, Seen, Writing, taken};
use crate::config::{Cache, ServiceId};

/// What an entry takes in memory beside its headers and its body, in bytes: about what the tables have for it.
const OVERHEAD: u64 = 512;

/// The longest body that is in memory where it can be on disk, in bytes.
const HOT_BYTES: u64 = 1 << 20;

/// The part of the memory that such a body may have at most.
const HOT_PART: u64 = 16;

/// Files that one worker may have open, read or written, at a time.
const OPEN_FILES: usize = 64;

/// What says that a response comes from the cache.
pub(super) const STATUS: header::HeaderName = header::HeaderName::from_static("cf-cache-status");

/// A response that can be given at once.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its head, with what every use of it says: where it comes from, and how long it is.
    pub(super) response: Response,
    pub(super) content: Content,
}

/// The body of a response, and how long it is.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// In memory, in pieces that are not empty.
    Memory(Arc<[Bytes]>, u64),
    /// In a file, as it was when it was last known to be whole.
    File(Seen, u64),
}

impl Content {
    /// How long it is.
    pub(super) fn length(&self) -> u64 {
        match self {
            Content::Memory(_, length) | Content::File(_, length) => *length,
        }
    }

    /// How much of it is in memory.
    fn bytes(&self) -> u64 {
        if let Content::Memory(_, length) = self { *length } else { 0 }
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

/// An entry and what it is called.
pub(super) type Found = (Name, Arc<Entry>);

/// The entries of one worker.
#[derive(Default)]
struct Shelves {
    /// Those in memory.
    hot: Shelf<Arc<Entry>>,
    /// Those on disk, with what was known of the file when it was last found to be whole.
    cold: Shelf<Option<Seen>>,
    purged: Purged,
}

impl Shelves {
    /// Whether an entry may be used, now or ever.
    fn is_alive(&self, name: Name, entry: &Entry, now: u64) -> bool {
        let stored = &entry.response.stored;
        stored.age(now) < stored.lifetime && !self.purged.covers(&stored.tags, name.number)
    }
}

/// Where space is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Memory,
    Disk,
}

struct Tenant {
    shelves: Mutex<Shelves>,
    files: Arc<Semaphore>,
    /// Held while it is written down what was purged: what is written last is what is newest.
    purging: Mutex<()>,
}

impl Default for Tenant {
    fn default() -> Self {
        Self { shelves: Mutex::default(), files: Arc::new(Semaphore::new(OPEN_FILES)), purging: Mutex::default() }
    }
}

/// The longest body that is kept in memory.
fn hot_bytes(config: &Cache) -> u64 {
    if config.disk.is_some() { HOT_BYTES.min(config.memory_bytes / HOT_PART) } else { config.object_bytes }
}

/// The caches of all workers. Another store may have all of it in common with this one, and more workers: [`Store::succeed`].
pub struct Store {
    tenants: Vec<Arc<Tenant>>,
    by_name: HashMap<ServiceId, usize>,
    memory: Arc<Mutex<Space>>,
    disk: Option<(Files, Arc<Mutex<Space>>)>,
    /// Where that is.
    path: Option<PathBuf>,
    object_bytes: u64,
    hot_bytes: u64,
    /// The number of the newest entry.
    newest: Arc<AtomicU64>,
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
    /// A store for these workers, with what they have on disk. What others have there is removed.
    ///
    /// # Errors
    ///
    /// There is no such directory, it cannot be used, or another process uses it.
    pub fn open<'a>(config: &Cache, workers: impl Iterator<Item = &'a ServiceId>) -> io::Result<Store> {
        let workers: Vec<_> = workers.collect();
        let space = |bytes| Arc::new(Mutex::new(Space::new(bytes, workers.len())));
        let disk = match &config.disk {
            Some((path, bytes)) => {
                let names: Vec<_> = workers.iter().map(|worker| worker.as_str()).collect();
                Some((Files::open(path, &names)?, space(*bytes)))
            }
            None => None,
        };
        let store = Store {
            tenants: std::iter::repeat_with(Arc::<Tenant>::default).take(workers.len()).collect(),
            memory: space(config.memory_bytes),
            disk,
            path: config.disk.as_ref().map(|(path, _)| path.clone()),
            object_bytes: config.object_bytes,
            hot_bytes: hot_bytes(config),
            newest: Arc::default(),
            by_name: workers.iter().map(|worker| (*worker).clone()).zip(0..).collect(),
        };
        store.scan()?;
        Ok(store)
    }

    /// A store for these workers that goes on with what this one holds, as `config` says, while this one is still used; `None` if it is to be in another place. What workers
    /// had stored that are not among these any more is given up like anything that nobody asks for. It may wait.
    pub fn succeed(&self, config: &Cache, workers: &[&ServiceId]) -> Option<Store> {
        if self.path.as_ref() != config.disk.as_ref().map(|(path, _)| path) {
            return None;
        }
        let new: Vec<&ServiceId> =
            workers.iter().copied().filter(|worker| !self.by_name.contains_key(*worker)).collect();
        let mut by_name = self.by_name.clone();
        by_name.extend(new.iter().map(|worker| (*worker).clone()).zip(self.tenants.len()..));
        let tenants = self.tenants.iter().cloned().chain(new.iter().map(|_| Arc::default())).collect();
        let disk = self.disk.as_ref();
        let store = Store {
            tenants,
            by_name,
            memory: self.memory.clone(),
            disk: disk.map(|(files, space)| (files.with(new.iter().map(|worker| worker.as_str())), space.clone())),
            path: self.path.clone(),
            object_bytes: config.object_bytes,
            hot_bytes: hot_bytes(config),
            newest: self.newest.clone(),
        };
        lock(&store.memory).resize(config.memory_bytes, store.tenants.len());
        store.shrink(Tier::Memory);
        if let (Some((_, space)), Some((_, bytes))) = (&store.disk, &config.disk) {
            lock(space).resize(*bytes, store.tenants.len());
            store.shrink(Tier::Disk);
        }
        Some(store)
    }

    /// Takes note of what is on disk, and gives up what is too much.
    fn scan(&self) -> io::Result<()> {
        let Some((files, space)) = &self.disk else { return Ok(()) };
        for (tenant, Tenant { shelves, .. }) in self.tenants.iter().map(|tenant| &**tenant).enumerate() {
            let mut shelves = lock(shelves);
            for (name, bytes) in files.scan(tenant)? {
                self.newest.fetch_max(name.number, Ordering::Relaxed);
                lock(space).put(tenant, bytes);
                let gone = shelves.cold.insert(name, bytes, None);
                lock(space).give(tenant, gone.iter().map(|gone| gone.bytes).sum());
                files.remove(tenant, gone.iter().map(|gone| gone.name));
            }
            shelves.purged = files.purged(tenant, self.newest.load(Ordering::Relaxed));
        }
        self.shrink(Tier::Disk);
        Ok(())
    }

    /// Gives up what is too much. On disk it may wait.
    fn shrink(&self, tier: Tier) {
        let mut bare = Vec::new();
        while let Some((tenant, bytes)) = { lock(self.space(tier)).excess(&bare) } {
            if self.give_up(tier, tenant, bytes) == 0 {
                bare.push(tenant);
            }
        }
    }

    fn space(&self, tier: Tier) -> &Mutex<Space> {
        match (tier, &self.disk) {
            (Tier::Disk, Some((_, space))) => space,
            _ => &self.memory,
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

    /// Has room for a worker's bytes made, by entries that are given up. Whether there is room. On disk it may wait.
    fn reserve(&self, tier: Tier, tenant: usize, bytes: u64) -> bool {
        let mut bare = Vec::new();
        loop {
            let taken = lock(self.space(tier)).take(tenant, bytes, &bare);
            match taken {
                Taken::Granted => return true,
                Taken::Refused => return false,
                Taken::From(victim, bytes) => {
                    if self.give_up(tier, victim, bytes) == 0 {
                        bare.push(victim);
                    }
                }
            }
        }
    }

    /// Has a worker give up entries of so many bytes, and says of how many it did.
    fn give_up(&self, tier: Tier, victim: usize, bytes: u64) -> usize {
        // One that only a later store knows has nothing to give up here.
        let Some(tenant) = self.tenants.get(victim) else { return 0 };
        let mut shelves = lock(&tenant.shelves);
        let (hot, cold) = match tier {
            Tier::Memory => (shelves.hot.give_up(bytes), Vec::new()),
            Tier::Disk => {
                let cold = shelves.cold.give_up(bytes);
                let hot = cold.iter().filter_map(|gone| shelves.hot.remove(gone.name)).collect();
                (hot, cold)
            }
        };
        drop(shelves);
        let count = if tier == Tier::Memory { hot.len() } else { cold.len() };
        self.gone(victim, &hot, &cold);
        count
    }

    /// Entries of a worker are in memory, or on disk, no more. Where there are any on disk it may wait.
    fn gone(&self, tenant: usize, hot: &[Removed<Arc<Entry>>], cold: &[Removed<Option<Seen>>]) {
        if !hot.is_empty() {
            lock(&self.memory).give(tenant, hot.iter().map(|gone| gone.bytes).sum());
        }
        if let Some((files, space)) = &self.disk
            && !cold.is_empty()
        {
            // Before others may have the space.
            files.remove(tenant, cold.iter().map(|gone| gone.name));
            lock(space).give(tenant, cold.iter().map(|gone| gone.bytes).sum());
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

    /// The longest body that is stored in memory.
    pub(super) fn hot_bytes(&self) -> u64 {
        self.store.hot_bytes
    }

    /// Whether there are files.
    pub(super) fn has_disk(&self) -> bool {
        self.store.disk.is_some()
    }

    /// The permission to have a file open, if the worker has not too many.
    pub(super) fn open_file(&self) -> Option<OwnedSemaphorePermit> {
        self.store.tenants[self.tenant].files.clone().try_acquire_owned().ok()
    }

    /// The newest response in memory for a request that may be used, and which others there are that nobody has read yet: one of these may be newer.
    pub(super) fn find(&self, key: Key, request: &HeaderMap, now: u64) -> (Option<Found>, Vec<Name>) {
        let (mut found, mut dead) = (None, Vec::new());
        let mut shelves = self.shelves();
        loop {
            let next = shelves.hot.find(key, |_, entry| entry.response.stored.selection.matches(request));
            let Some((name, entry)) = next.map(|(name, entry)| (name, entry.clone())) else { break };
            if shelves.is_alive(name, &entry, now) {
                shelves.cold.touch(name);
                found = reuse::is_usable(&entry.response.stored, request, now).then_some((name, entry));
                break;
            }
            // What is stale or purged is so for every request to come.
            dead.extend(shelves.hot.remove(name));
        }
        let unread = match &self.store.disk {
            Some(_) => shelves.cold.names(key).filter(|name| !shelves.hot.contains(*name)).collect(),
            None => Vec::new(),
        };
        drop(shelves);
        self.store.gone(self.tenant, &dead, &[]);
        (found, unread)
    }

    /// Reads entries from disk, and gives the newest for a request that may be used, if there is one. It may wait.
    pub(super) fn read(&self, names: &[Name], request: &HeaderMap, now: u64) -> Option<Found> {
        let mut newest: Option<Found> = None;
        for name in names {
            let file = match &self.store.disk {
                Some((files, _)) => files.open_entry(self.tenant, *name, false),
                None => return None,
            };
            let entry = match file {
                Ok(file) => {
                    let seen = self.shelves().cold.get_mut(*name).and_then(|seen| *seen);
                    files::read(&file, name.key, self.store.hot_bytes, seen)
                }
                // There may be room for it later.
                Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => continue,
                Err(_) => None,
            };
            let entry = entry.filter(|entry| self.shelves().is_alive(*name, entry, now)).map(Arc::new);
            let Some(entry) = entry else {
                self.forget(*name);
                continue;
            };
            if let Content::File(seen, _) = entry.content
                && let Some(known) = self.shelves().cold.get_mut(*name)
            {
                *known = Some(seen);
            }
            let mut room = self.room();
            if room.grow(head_bytes(&entry.response) + entry.content.bytes()) {
                self.keep(*name, entry.clone(), room);
            }
            let stored = &entry.response.stored;
            let is_newer = newest.as_ref().is_none_or(|(other, _)| other.number < name.number);
            if is_newer && stored.selection.matches(request) && reuse::is_usable(stored, request, now) {
                newest = Some((*name, entry));
            }
        }
        newest
    }

    /// Has an entry in memory that is on disk, if it still is.
    fn keep(&self, name: Name, entry: Arc<Entry>, mut room: Room) {
        let mut shelves = self.shelves();
        if shelves.cold.contains(name) {
            let bytes = std::mem::take(&mut room.bytes);
            let gone = shelves.hot.insert(name, bytes, entry);
            drop(shelves);
            self.store.gone(self.tenant, &gone, &[]);
        }
    }

    /// Takes an entry away that is no good. It may wait.
    pub(super) fn forget(&self, name: Name) {
        let (hot, cold) = {
            let mut shelves = self.shelves();
            (shelves.hot.remove(name), shelves.cold.remove(name))
        };
        self.store.gone(self.tenant, hot.as_slice(), cold.as_slice());
    }

    /// Opens the file of an entry. `cached` gives up with [`Errno::AGAIN`] where a disk would have to be waited for.
    pub(super) fn open(&self, name: Name, cached: bool) -> rustix::io::Result<File> {
        match &self.store.disk {
            Some((files, _)) => files.open_entry(self.tenant, name, cached),
            None => Err(Errno::NOENT),
        }
    }

    /// Memory for a response that is on its way.
    pub(super) fn room(&self) -> Room {
        Room { own: self.clone(), tier: Tier::Memory, bytes: 0 }
    }

    /// What a new entry is called.
    fn name(&self, key: Key, response: &Response) -> Name {
        Name { key, variant: response.stored.selection.digest(), number: self.store.number() }
    }

    /// Stores a response in memory alone, where it has the room that it takes.
    pub(super) fn insert(&self, key: Key, entry: Entry, mut room: Room) {
        let name = self.name(key, &entry.response);
        let bytes = std::mem::take(&mut room.bytes);
        let gone = self.shelves().hot.insert(name, bytes, Arc::new(entry));
        self.store.gone(self.tenant, &gone, &[]);
    }

    /// Takes away what is stored under a key. Whether there was anything. It may wait.
    pub(super) fn remove(&self, key: Key) -> bool {
        let (hot, cold) = {
            let mut shelves = self.shelves();
            (shelves.hot.remove_key(key), shelves.cold.remove_key(key))
        };
        self.store.gone(self.tenant, &hot, &cold);
        !hot.is_empty() || !cold.is_empty()
    }

    /// Takes away what has one of these tags. It may wait.
    ///
    /// # Errors
    ///
    /// It holds for as long as this process, and could not be remembered for longer.
    pub(super) fn purge(&self, tags: &[Tag]) -> io::Result<()> {
        let _purging = lock(&self.store.tenants[self.tenant].purging);
        let at = self.store.number();
        let bytes = {
            let mut shelves = self.shelves();
            tags.iter().for_each(|tag| shelves.purged.purge(*tag, at));
            shelves.purged.to_bytes()
        };
        match &self.store.disk {
            Some((files, _)) => files.set_purged(self.tenant, &bytes),
            None => Ok(()),
        }
    }
}

/// Space that a response on its way has. Dropping it gives it back.
pub(super) struct Room {
    own: Own,
    tier: Tier,
    bytes: u64,
}

impl Room {
    /// Takes so many bytes more. Whether there were as many. On disk it may wait.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let granted = self.own.store.reserve(self.tier, self.own.tenant, bytes);
        self.bytes += if granted { bytes } else { 0 };
        granted
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.bytes > 0 {
            lock(self.own.store.space(self.tier)).give(self.own.tenant, self.bytes);
        }
    }
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// There is no room for it.
    #[error("there is no room")]
    NoRoom,
    /// The disk says no.
    #[error("cannot write a file of the cache: {0}")]
    Io(#[from] io::Error),
}

/// A response on its way to disk. All that it does may wait. Dropping it leaves nothing behind.
pub(super) struct Writer {
    own: Own,
    name: Name,
    response: Response,
    room: Room,
    /// How long the file is.
    length: u64,
    writing: Writing,
}

impl Writer {
    /// Begins the file of a response that was asked for by `url` in the cache of this name.
    pub(super) fn begin(own: &Own, key: Key, asked: &Asked, response: Response) -> Result<Writer, WriteError> {
        let Some((files, _)) = &own.store.disk else { return Err(WriteError::NoRoom) };
        let beginning = file::beginning(asked.cache.as_deref(), &asked.url, &response);
        let mut room = Room { own: own.clone(), tier: Tier::Disk, bytes: 0 };
        let length = (beginning.len() + file::TRAILER) as u64;
        if !room.grow(taken(length)) {
            return Err(WriteError::NoRoom);
        }
        let name = own.name(key, &response);
        let writing = Writing::begin(files, own.tenant, name, &beginning)?;
        Ok(Writer { own: own.clone(), name, response, room, length, writing })
    }

    /// The next bytes of the body.
    pub(super) fn write(mut self, bytes: &[u8]) -> Result<Writer, WriteError> {
        self.length += bytes.len() as u64;
        let missing = taken(self.length).saturating_sub(self.room.bytes);
        if missing > 0 && !self.room.grow(missing) {
            return Err(WriteError::NoRoom);
        }
        self.writing.write(bytes)?;
        Ok(self)
    }

    /// Ends the body and stores the response, in memory too where the body is given, with the room that it has there.
    pub(super) fn finish(self, hot: Option<(Content, Room)>) -> Result<(), WriteError> {
        let Writer { own, name, response, mut room, writing, .. } = self;
        let content = writing.finish()?;
        let seen = if let Content::File(seen, _) = content { Some(seen) } else { None };
        let (content, mut hot_room) = match hot {
            Some((content, room)) => (content, Some(room)),
            None => {
                let mut room = own.room();
                let has_room = room.grow(head_bytes(&response));
                (content, has_room.then_some(room))
            }
        };
        let bytes = std::mem::take(&mut room.bytes);
        let mut shelves = own.shelves();
        let cold = shelves.cold.insert(name, bytes, seen);
        let mut hot: Vec<_> = cold.iter().filter_map(|gone| shelves.hot.remove(gone.name)).collect();
        if let Some(room) = &mut hot_room
            && shelves.cold.contains(name)
        {
            let bytes = std::mem::take(&mut room.bytes);
            hot.extend(shelves.hot.insert(name, bytes, Arc::new(Entry::new(response, content))));
        }
        drop(shelves);
        own.store.gone(own.tenant, &hot, &cold);
        Ok(())
    }
}

/// What a response was asked for by, for its file.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) cache: Option<Bytes>,
    pub(super) url: String,
}

/// The time as the rules count it.
pub(super) fn now() -> u64 {
    storing::seconds(SystemTime::now())
}

#[cfg(test)]
mod tests;
