//! From a `Policy` message to the cache of the workers.

use std::sync::Arc;

use bulkhead_ipc::policy_capnp::policy;

use super::{Validator, size};
use crate::config::{
    model::{Cache, Designator, Service, ServiceId, ServiceKind},
    position::Cursor,
};

/// What all caches together may have of the memory, in bytes.
const MEMORY_BYTES: (u64, u64) = (1 << 20, 1 << 40);

/// The same of the disk.
const DISK_BYTES: (u64, u64) = (16 << 20, 64 << 40);

/// What it is when nobody says anything.
const DEFAULT_DISK_BYTES: u64 = 1 << 30;

/// The longest body that may be stored without being asked for, in bytes.
const DEFAULT_OBJECT_BYTES: u64 = 512 << 20;

/// The part of the space that one body may have at most.
const OBJECTS: u64 = 4;

impl Validator<'_> {
    /// The cache that the policy says that there is, and its name.
    pub(super) fn cache(&mut self, policy: policy::Reader<'_>, at: &Cursor<'_>) -> Option<Option<(String, Cache)>> {
        if !policy.has_cache() {
            return Some(None);
        }
        let cache_at = at.field("cache");
        let cache = self.intact(policy.get_cache(), &cache_at)?;
        self.refuse_others(cache, &cache_at, &["name", "memoryBytes", "objectBytes", "directory", "diskBytes"]);
        let name_at = cache_at.field("name");
        let name = self.string(cache.get_name(), &name_at)?;
        if name.is_empty() {
            if !name_at.is_incomplete() {
                self.error(&name_at, "the cache needs a `name`");
            }
        } else if self.services.contains_key(&name) {
            let at = if cache.has_name() { &name_at } else { &cache_at };
            self.error_with_help(
                at,
                format!("there is already a service `{name}`, so the cache cannot have this name"),
                "give it another one: `cache = (name = \"…\")`",
            );
        }
        let memory_bytes = cache.get_memory_bytes();
        self.in_range(memory_bytes, MEMORY_BYTES, "memoryBytes", &cache_at);
        let directory_at = cache_at.field("directory");
        let directory = match cache.has_directory() {
            true => Some(self.string(cache.get_directory(), &directory_at)?),
            false => None,
        };
        if directory.as_deref() == Some("") && !directory_at.is_incomplete() {
            self.error_with_help(&directory_at, "this is not a directory", "leave it out for memory alone");
        }
        let disk_bytes = cache.get_disk_bytes();
        self.in_range(disk_bytes, DISK_BYTES, "diskBytes", &cache_at);
        if directory.is_none() && disk_bytes != DEFAULT_DISK_BYTES {
            self.error(&cache_at.field("diskBytes"), "`diskBytes` needs a `directory`");
        }
        let disk = directory.map(|directory| (directory.into(), disk_bytes));
        let most = if disk.is_some() { disk_bytes } else { memory_bytes } / OBJECTS;
        let object_bytes = match cache.get_object_bytes() {
            0 => most.min(DEFAULT_OBJECT_BYTES),
            bytes => bytes,
        };
        if object_bytes > most {
            self.error(
                &cache_at.field("objectBytes"),
                format!("`objectBytes` must be at most a quarter of the space for bodies, which is {}", size(most)),
            );
        }
        Some(Some((name, Cache { memory_bytes, object_bytes, disk })))
    }

    fn in_range(&mut self, value: u64, (low, high): (u64, u64), field: &'static str, at: &Cursor<'_>) {
        if !(low..=high).contains(&value) {
            self.error(&at.field(field), format!("`{field}` must be from {} to {}", size(low), size(high)));
        }
    }

    /// Gives every worker the cache that says nothing else, and adds the service that it is.
    pub(in crate::config::validate) fn implicit_cache(&mut self, services: &mut Vec<Service>) {
        let Some((name, cache)) = self.policies.cache.take() else { return };
        let id = ServiceId::named(&name);
        for service in services.iter_mut() {
            if let ServiceKind::Worker(worker) = &mut service.kind
                && worker.cache_api_outbound.is_none()
            {
                let to = Designator { service: id.clone(), entrypoint: None, props_json: None };
                Arc::make_mut(worker).cache_api_outbound = Some(to);
            }
        }
        services.push(Service { id, kind: ServiceKind::Cache(cache) });
    }

    /// Whether a service of this name is the cache.
    pub(in crate::config::validate) fn is_cache(&self, name: &str) -> bool {
        let is_it = self.policies.cache.as_ref().is_some_and(|(cache, _)| cache == name);
        is_it && !self.services.contains_key(name)
    }
}
