//! Services by their names, and what each is.

use std::{collections::hash_map::Entry, sync::Arc};

use bulkhead_ipc::workerd_capnp::service;
use capnp::struct_list;

use super::Validator;
use crate::config::{
    model::{Service, ServiceId, ServiceKind},
    position::Cursor,
};

impl Validator<'_> {
    pub(super) fn service_names(&mut self, services: struct_list::Reader<'_, service::Owned>, at: &Cursor<'_>) {
        for index in 0..services.len() {
            let service_at = at.index(index);
            let name_at = service_at.field("name");
            let Some(name) = self.string(services.get(index).get_name(), &name_at) else { continue };
            if name.is_empty() {
                if !service_at.is_incomplete() {
                    self.error(&name_at, "a service needs a `name`");
                }
            } else {
                match self.services.entry(name) {
                    Entry::Vacant(free) => drop(free.insert(index as usize)),
                    Entry::Occupied(taken) => {
                        let message = format!("there is already a service `{}`", taken.key());
                        self.error(&name_at, message);
                    }
                }
            }
        }
    }

    pub(super) fn service(&mut self, service: service::Reader<'_>, at: &Cursor<'_>) -> Option<Service> {
        let name = service.get_name().ok()?.to_str().ok()?.to_owned();
        self.refuse_others(service, at, &["name", "worker", "unspecified"]);
        let worker_at = at.field("worker");
        match service.which() {
            Ok(service::Worker(worker)) => {
                if name == "internet" {
                    self.error_with_help(
                        &at.field("name"),
                        "a service of one's own under the name `internet` is not supported yet",
                        "it would answer the global `fetch` of every worker; give the service another name",
                    );
                }
                let worker = self.intact(worker, &worker_at)?;
                let mut worker = self.worker(worker, &name, &worker_at, self.policies.of(&name))?;
                worker.schedules = self.policies.schedules_of(&name);
                Some(Service { id: ServiceId::named(&name), kind: ServiceKind::Worker(Arc::new(worker)) })
            }
            Ok(service::Unspecified(())) => {
                if !at.is_incomplete() {
                    self.error_with_help(
                        at,
                        format!("the service `{name}` does not say what it is"),
                        "set its field `worker`",
                    );
                }
                None
            }
            Ok(_) => None,
            Err(_) => self.newer(at),
        }
    }
}
