//! Durable Objects: their classes, and where they keep what they store. None of them can be made yet: what uses one fails then.

use bulkhead_ipc::workerd_capnp::{service, worker};
use capnp::struct_list;

use super::Validator;
use crate::config::{diagnostics::nearest, model::ActorClass, position::Cursor};

/// What is said where a configuration has some.
const NOT_YET: &str = "Durable Objects are not there yet: every call of this namespace fails";

impl Validator<'_> {
    /// Which namespaces and directories there are, for what names them, which may stand before them.
    pub(super) fn namespace_names(&mut self, services: struct_list::Reader<'_, service::Owned>) {
        for service in services {
            // What cannot be read is reported where the service is.
            let Some(name) = service.get_name().ok().and_then(|name| name.to_string().ok()) else { continue };
            let worker = match service.which() {
                Ok(service::Worker(Ok(worker))) => worker,
                Ok(service::Disk(Ok(disk))) => {
                    self.disks.insert(name, disk.get_writable());
                    continue;
                }
                _ => continue,
            };
            let Ok(namespaces) = worker.get_durable_object_namespaces() else { continue };
            let names = namespaces.iter().filter_map(|namespace| {
                let class = namespace.get_class_name().ok()?.to_string().ok()?;
                let ephemeral = matches!(namespace.which(), Ok(worker::durable_object_namespace::EphemeralLocal(())));
                Some((class, ephemeral))
            });
            self.namespaces.insert(name, names.collect());
        }
    }

    /// The classes of a worker, in the order of the configuration.
    pub(super) fn actor_classes(
        &mut self,
        worker: worker::Reader<'_>,
        name: &str,
        at: &Cursor<'_>,
    ) -> Option<Vec<ActorClass>> {
        let list_at = at.field("durableObjectNamespaces");
        let list = self.intact(worker.get_durable_object_namespaces(), &list_at)?;
        let mut classes: Vec<ActorClass> = Vec::new();
        for index in 0..list.len() {
            let (namespace, at) = (list.get(index), list_at.index(index));
            let known = ["className", "uniqueKey", "ephemeralLocal", "preventEviction", "enableSql", "container"];
            self.refuse_others(namespace, &at, &known);
            let class_at = at.field("className");
            let class = self.string(namespace.get_class_name(), &class_at)?;
            let ephemeral = match namespace.which() {
                Ok(worker::durable_object_namespace::UniqueKey(key)) => {
                    self.string(key, &at.field("uniqueKey"))?;
                    false
                }
                Ok(worker::durable_object_namespace::EphemeralLocal(())) => true,
                Err(_) => return self.newer(&at),
            };
            if namespace.has_container() {
                self.warning(
                    &at.field("container"),
                    "containers are not supported yet, nor Durable Objects, which have them",
                );
            }
            if class.is_empty() {
                if !at.is_incomplete() {
                    self.error(&class_at, "a namespace of Durable Objects needs a `className`");
                }
            } else if classes.iter().any(|other| other.name == class) {
                self.error(&class_at, format!("there is already a namespace of the class `{class}`"));
            } else {
                self.warning(&class_at, NOT_YET);
                classes.push(ActorClass { name: class, ephemeral });
            }
        }
        self.storage(worker, name, !classes.is_empty(), at)?;
        Some(classes)
    }

    fn storage(&mut self, worker: worker::Reader<'_>, name: &str, is_needed: bool, at: &Cursor<'_>) -> Option<()> {
        use worker::durable_object_storage as kind;
        let storage_at = at.field("durableObjectStorage");
        match worker.get_durable_object_storage().which() {
            Ok(kind::None(())) => {
                let list = worker.get_durable_object_namespaces().ok()?;
                let stores = list
                    .iter()
                    .any(|namespace| matches!(namespace.which(), Ok(worker::durable_object_namespace::UniqueKey(_))));
                if is_needed && stores && !storage_at.is_incomplete() {
                    let message = format!(
                        "Worker service \"{name}\" implements durable object classes but has `durableObjectStorage` set to `none`."
                    );
                    self.error_with_help(
                        at,
                        message,
                        "set `durableObjectStorage` to (inMemory = void) or (localDisk = \"…\")",
                    );
                }
            }
            Ok(kind::InMemory(())) => {}
            Ok(kind::LocalDisk(disk)) => {
                let disk_at = storage_at.field("localDisk");
                let disk = self.string(disk, &disk_at)?;
                self.storage_disk(&disk, &disk_at);
            }
            Err(_) => return self.newer(&storage_at),
        }
        Some(())
    }

    fn storage_disk(&mut self, disk: &str, at: &Cursor<'_>) {
        if at.is_incomplete() || !self.services_complete {
            return;
        }
        match (self.services.contains_key(disk), self.disks.get(disk)) {
            (false, _) => {
                let message =
                    format!("durableObjectStorage config refers to a service \"{disk}\", but no such service is defined.");
                match nearest(disk, self.services.keys().map(String::as_str)).map(str::to_owned) {
                    Some(meant) => self.error_with_help(at, message, format!("did you mean `{meant}`?")),
                    None => self.error(at, message),
                }
            }
            (true, None) => self.error(
                at,
                format!(
                    "durableObjectStorage config refers to the service \"{disk}\", but that service is not a local disk service."
                ),
            ),
            (true, Some(false)) => self.error(
                at,
                format!(
                    "durableObjectStorage config refers to the disk service \"{disk}\", but that service is defined read-only."
                ),
            ),
            (true, Some(true)) => {}
        }
    }
}
