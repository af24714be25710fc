//! From a `Policy` message to what each worker may use, and when it runs.

mod cache;
mod schedules;

use bulkhead_ipc::{
    policy::{ROWS, Range, Unit, Values, WorkerPolicy},
    policy_capnp::{Choice, limits, policy},
};
use capnp::struct_list;

use super::{
    HashMap, HashSet, Validator, nearest,
    schema::{self, service, service::Which as Kind},
};
use crate::{
    config::{model::Cache, position::Cursor},
    schedule::Expression,
};

/// The policies of all workers of a configuration.
#[derive(Debug, Default)]
pub(super) struct Policies {
    default: WorkerPolicy,
    named: HashMap<String, WorkerPolicy>,
    schedules: HashMap<String, Vec<Expression>>,
    handler_paths: HashSet<String>,
    /// With its name.
    cache: Option<(String, Cache)>,
}

impl Policies {
    /// What the worker called `name` may use.
    pub(super) fn of(&self, name: &str) -> WorkerPolicy {
        *self.named.get(name).unwrap_or(&self.default)
    }
}

/// `0, or from 8388608 (8 MiB) to 4294967296 (4 GiB)`
fn describe(range: &Range) -> String {
    let number = |value| if range.unit == Unit::Bytes { size(value) } else { u64::to_string(&value) };
    let zero = if range.zero.is_some() { "0, or " } else { "" };
    format!("{zero}from {} to {}", number(range.low), number(range.high))
}

/// `8388608 (8 MiB)`; a size that is no whole number of a larger unit stays as it is.
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = if bytes == 0 { 0 } else { (bytes.trailing_zeros() / 10).min(4) };
    match unit {
        0 => bytes.to_string(),
        unit => format!("{bytes} ({} {})", bytes >> (10 * unit), units[unit as usize]),
    }
}

impl Validator<'_> {
    /// Reads a policy for a configuration.
    pub(super) fn policies(
        &mut self,
        policy: policy::Reader<'_>,
        at: &Cursor<'_>,
        config: schema::config::Reader<'_>,
        config_at: &Cursor<'_>,
    ) -> Option<Policies> {
        self.refuse_others(policy, at, &["default", "workers", "schedules", "sockets", "cache"]);
        let services_at = config_at.field("services");
        let services = self.intact(config.get_services(), &services_at)?;
        // Otherwise one that is named may be missing because it was wrong.
        let complete = !services_at.is_incomplete();
        let mut policies = Policies::default();
        let default = self.intact(policy.get_default(), at)?;
        self.limits(default, &at.field("default"), &mut policies.default);

        let workers_at = at.field("workers");
        let workers = self.intact(policy.get_workers(), &workers_at)?;
        let mut names = HashSet::new();
        for index in 0..workers.len() {
            let (entry, at) = (workers.get(index), workers_at.index(index));
            self.refuse_others(entry, &at, &["name", "limits"]);
            let entry_limits = self.intact(entry.get_limits(), &at)?;
            let mut limits = policies.default;
            self.limits(entry_limits, &at.field("limits"), &mut limits);

            let name_at = at.field("name");
            let name = self.string(entry.get_name(), &name_at)?;
            if name.is_empty() {
                if !at.is_incomplete() {
                    self.error(&name_at, "this needs the `name` of a worker");
                }
            } else if !names.insert(name.clone()) {
                self.error(&name_at, format!("`{name}` has limits already"));
            } else {
                self.worker_exists(&name, &name_at, services, complete);
                policies.named.insert(name, limits);
            }
        }
        policies.schedules = self.schedules(policy, at, services, complete)?;
        policies.handler_paths = self.socket_permissions(policy, at, config, config_at)?;
        policies.cache = self.cache(policy, at)?;
        Some(policies)
    }

    fn worker_exists(
        &mut self,
        name: &str,
        at: &Cursor<'_>,
        services: struct_list::Reader<'_, service::Owned>,
        complete: bool,
    ) {
        match self.services.get(name) {
            Some(index) => {
                let kind = services.get(*index as u32).which();
                if !matches!(kind, Ok(Kind::Worker(_) | Kind::Unspecified(())) | Err(_)) {
                    self.error(at, format!("the service `{name}` is not a worker"));
                }
            }
            None if complete => {
                let message = format!("there is no worker `{name}` in the configuration");
                // Many wrong names times many services take long, and nobody sees more than the first.
                let services = self.services.keys().filter(|_| !self.reporter.is_full());
                match nearest(name, services.map(String::as_str)).map(str::to_owned) {
                    Some(meant) => self.error_with_help(at, message, format!("did you mean `{meant}`?")),
                    None => self.error(at, message),
                }
            }
            None => {}
        }
    }

    /// Puts what a layer sets over what the layers below have set.
    fn limits(&mut self, limits: limits::Reader<'_>, at: &Cursor<'_>, policy: &mut WorkerPolicy) {
        let mut known = Vec::new();
        for row in ROWS {
            known.push(row.field);
            let Some(Some(number)) = self.intact(row.read(limits), at) else { continue };
            match row.values {
                Values::Number(range) if !range.contains(number) => {
                    self.error(&at.field(row.field), format!("`{}` must be {}", row.field, describe(&range)));
                }
                Values::Choice if Choice::try_from(number as u16).is_err() => {
                    self.newer::<()>(&at.field(row.field));
                }
                Values::Number(_) | Values::Choice => (row.set)(policy, number),
            }
        }
        self.refuse_others(limits, at, &known);
        self.memory_fits(limits, at, policy);
    }

    /// A heap that may grow up to what the process may have kills the process instead of ending an event.
    fn memory_fits(&mut self, limits: limits::Reader<'_>, at: &Cursor<'_>, policy: &WorkerPolicy) {
        let here = |value| value != u64::MAX;
        // What this layer does not set has been looked at where it is set.
        let at = match (here(limits.get_memory_bytes()), here(limits.get_heap_bytes())) {
            (true, _) => at.field("memoryBytes"),
            (false, true) => at.field("heapBytes"),
            (false, false) => return,
        };
        if policy.memory_bytes != 0 && policy.memory_bytes / 2 < policy.heap_bytes {
            let (memory, heap) = (size(policy.memory_bytes), size(policy.heap_bytes));
            self.error_with_help(
                &at,
                "`memoryBytes` must be at least twice `heapBytes`",
                format!("`memoryBytes` is {memory}, `heapBytes` is {heap}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_the_largest_whole_unit() {
        for (bytes, expected) in [
            (0, "0"),
            (1, "1"),
            (1000, "1000"),
            (1 << 10, "1024 (1 KiB)"),
            (3 << 19, "1572864 (1536 KiB)"),
            (1 << 40, "1099511627776 (1 TiB)"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
