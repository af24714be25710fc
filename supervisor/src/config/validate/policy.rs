//! From a `Policy` message to what each worker may use, and when it runs.

mod schedules;

use std::time::Duration;

use bulkhead_ipc::policy_capnp::{Choice, limits, policy};
use capnp::struct_list;

use super::{
    HashMap, HashSet, Validator, nearest,
    schema::{self, service, service::Which as Kind},
};
use crate::{
    config::{policy::WorkerPolicy, position::Cursor},
    schedule::Expression,
};

/// The policies of all workers of a configuration.
#[derive(Debug, Default)]
pub(super) struct Policies {
    default: WorkerPolicy,
    named: HashMap<String, WorkerPolicy>,
    schedules: HashMap<String, Vec<Expression>>,
    handler_paths: HashSet<String>,
}

impl Policies {
    /// What the worker called `name` may use.
    pub(super) fn of(&self, name: &str) -> WorkerPolicy {
        self.named.get(name).unwrap_or(&self.default).clone()
    }
}

/// The values that a limit can have.
struct Range {
    /// Whether it can be zero too, whatever `low` is.
    zero: bool,
    low: u64,
    high: u64,
    bytes: bool,
}

const fn sizes(zero: bool, low: u64, high: u64) -> Range {
    Range { zero, low, high, bytes: true }
}

/// Up to a day, in milliseconds.
const TIME: Range = Range { zero: true, low: 1, high: 24 * 60 * 60 * 1000, bytes: false };
/// V8 does not start in less; in more than its pointers reach it cannot be.
const HEAP: Range = sizes(true, 8 << 20, 4 << 30);
const BUFFERS: Range = sizes(true, 1 << 20, 64 << 30);
const MEMORY: Range = sizes(true, 64 << 20, 64 << 30);
const BODY: Range = sizes(true, 1, 1 << 40);
/// The wire carries no longer head.
const HEAD: Range = sizes(false, 1 << 10, 128 << 10);
/// All of it can be sent in one message, and the supervisor takes messages of 512 KiB.
const LOG_BUFFER: Range = sizes(false, 1 << 10, 256 << 10);
const LOG_RATE: Range = sizes(true, 1 << 10, 1 << 30);
/// The process has a few before it runs anything.
const THREADS: Range = Range { zero: false, low: 4, high: 256, bytes: false };

impl Range {
    fn contains(&self, value: u64) -> bool {
        (self.low..=self.high).contains(&value) || (self.zero && value == 0)
    }

    /// `0, or from 8388608 (8 MiB) to 4294967296 (4 GiB)`
    fn describe(&self) -> String {
        let number = |value| if self.bytes { size(value) } else { u64::to_string(&value) };
        let zero = if self.zero { "0, or " } else { "" };
        format!("{zero}from {} to {}", number(self.low), number(self.high))
    }
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
        self.refuse_others(policy, at, &["default", "workers", "schedules", "sockets"]);
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
            let mut limits = policies.default.clone();
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
        const UNSUPPORTED: [&str; 2] = ["subrequests", "connections"];
        let set = [limits.get_subrequests(), limits.get_connections()];
        for (name, value) in UNSUPPORTED.into_iter().zip(set) {
            if value != u32::MAX {
                let at = at.field(name);
                self.reporter.error_with_help(
                    at.name_place(),
                    format!("`{at}` is not supported yet"),
                    "there is no outgoing `fetch()` that it could limit",
                );
            }
        }

        let mut known = UNSUPPORTED.to_vec();
        // Reads one field: whoever adds a limit adds a line below, and until then `refuse_others` refuses it.
        macro_rules! set {
            ($field:literal, $value:expr, $range:expr, |$number:ident| $assign:expr) => {
                known.push($field);
                if let Some($number) = self.number($field, $value, &$range, at) {
                    $assign;
                }
            };
        }
        set!("cpuTimeMs", limits.get_cpu_time_ms(), TIME, |ms| policy.cpu_time = milliseconds(ms));
        set!("wallTimeMs", limits.get_wall_time_ms(), TIME, |ms| policy.wall_time = milliseconds(ms));
        set!("waitUntilMs", limits.get_wait_until_ms(), TIME, |ms| policy.wait_until = milliseconds(ms));
        set!("startUpCpuTimeMs", limits.get_start_up_cpu_time_ms(), TIME, |ms| {
            policy.start_up_cpu_time = milliseconds(ms)
        });
        set!("heapBytes", limits.get_heap_bytes(), HEAP, |bytes| policy.heap_bytes = bytes);
        set!("bufferBytes", limits.get_buffer_bytes(), BUFFERS, |bytes| policy.buffer_bytes = bytes);
        set!("memoryBytes", limits.get_memory_bytes(), MEMORY, |bytes| policy.memory_bytes = bytes);
        set!("requestBodyBytes", limits.get_request_body_bytes(), BODY, |bytes| policy.request_body_bytes = bytes);
        set!("responseBodyBytes", limits.get_response_body_bytes(), BODY, |bytes| policy.response_body_bytes = bytes);
        set!("responseHeadBytes", limits.get_response_head_bytes(), HEAD, |bytes| policy.response_head_bytes = bytes);
        set!("logBufferBytes", limits.get_log_buffer_bytes(), LOG_BUFFER, |bytes| policy.log_buffer_bytes = bytes);
        set!("logBytesPerSecond", limits.get_log_bytes_per_second(), LOG_RATE, |bytes| {
            policy.log_bytes_per_second = bytes
        });
        set!("threads", limits.get_threads(), THREADS, |count| policy.threads = count);

        known.push("jitless");
        match limits.get_jitless() {
            Ok(Choice::Inherit) => {}
            Ok(Choice::Yes) => policy.jitless = true,
            Ok(Choice::No) => policy.jitless = false,
            Err(_) => drop(self.newer::<()>(&at.field("jitless"))),
        }
        self.refuse_others(limits, at, &known);
        self.memory_fits(limits, at, policy);
    }

    /// The number in a field, or nothing where the field does not set one.
    fn number<T: Number>(&mut self, name: &'static str, value: T, range: &Range, at: &Cursor<'_>) -> Option<T> {
        if value == T::NOT_SET {
            return None;
        }
        if !range.contains(value.into()) {
            self.error(&at.field(name), format!("`{name}` must be {}", range.describe()));
            return None;
        }
        Some(value)
    }

    /// A heap that may grow up to what the process may have kills the process instead of ending an event.
    fn memory_fits(&mut self, limits: limits::Reader<'_>, at: &Cursor<'_>, policy: &WorkerPolicy) {
        let here = |value| value != u64::NOT_SET;
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

/// Numbers of the schema, of which the largest says that none is set.
trait Number: Copy + PartialEq + Into<u64> {
    const NOT_SET: Self;
}

impl Number for u32 {
    const NOT_SET: Self = Self::MAX;
}

impl Number for u64 {
    const NOT_SET: Self = Self::MAX;
}

fn milliseconds(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_the_rest_can_carry() {
        let head = bulkhead_ipc::head::HeadLimits::default().max_bytes as u64;
        assert_eq!(HEAD.high, head);
        let message = bulkhead_ipc::transport::Limits::for_worker().max_message_words as u64 * 8;
        assert!(LOG_BUFFER.high <= message / 2);
    }

    #[test]
    fn every_default_is_in_its_range() {
        let default = WorkerPolicy::default();
        for (range, value) in [
            (TIME, default.cpu_time.as_millis() as u64),
            (TIME, default.wall_time.as_millis() as u64),
            (TIME, default.wait_until.as_millis() as u64),
            (TIME, default.start_up_cpu_time.as_millis() as u64),
            (HEAP, default.heap_bytes),
            (BUFFERS, default.buffer_bytes),
            (MEMORY, default.memory_bytes),
            (BODY, default.request_body_bytes),
            (BODY, default.response_body_bytes),
            (HEAD, default.response_head_bytes.into()),
            (LOG_BUFFER, default.log_buffer_bytes.into()),
            (LOG_RATE, default.log_bytes_per_second.into()),
            (THREADS, default.threads.into()),
        ] {
            assert!(range.contains(value) && value != 0, "{value}: {}", range.describe());
        }
        assert!(default.memory_bytes >= 2 * default.heap_bytes);
    }

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
