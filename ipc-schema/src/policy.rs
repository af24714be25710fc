//! What one worker may use: one table, of which the configuration is read and checked, the bundle is written and read, and
//! the table of `docs/limits.md` is made.
//!
//! A limit is a row here and a field of `Limits` in `schema/config/bulkhead/policy.capnp`, in which it is configured and in
//! which the worker is told of it. After a change run
//! `BULKHEAD_REFRESH=1 cargo test --workspace --lib limits_document` and review the diff.

use std::time::Duration;

use capnp::{
    dynamic_struct, dynamic_value,
    introspect::TypeVariant,
    schema::{EnumSchema, Field},
};

use crate::policy_capnp::{Choice, limits};

/// A body that is complete and at most this long travels inside the call or the reply, in bytes.
pub const INLINE_BODY_BYTES: u32 = 64 << 10;

/// What a limit can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// A number.
    Number(Range),
    /// Yes or no.
    Choice,
}

/// What the numbers of a range are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// Pieces.
    Pieces,
}

/// The numbers that a limit can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// What zero means, where it can be zero too, whatever `low` is.
    pub zero: Option<&'static str>,
    /// The least.
    pub low: u64,
    /// The most.
    pub high: u64,
    /// What is counted.
    pub unit: Unit,
    /// What has to be true besides; empty for nothing.
    pub also: &'static str,
}

impl Range {
    const fn new(unit: Unit, zero: Option<&'static str>, low: u64, high: u64) -> Self {
        Self { zero, low, high, unit, also: "" }
    }

    /// Whether a limit can be this number.
    pub fn contains(&self, number: u64) -> bool {
        (self.low..=self.high).contains(&number) || (self.zero.is_some() && number == 0)
    }
}

const NO_LIMIT: Option<&str> = Some("no limit");
/// Up to a day.
const TIME: Values = Values::Number(Range::new(Unit::Milliseconds, NO_LIMIT, 1, 24 * 60 * 60 * 1000));
const BODY: Values = sizes(NO_LIMIT, 1, 1 << 40);

const fn sizes(zero: Option<&'static str>, low: u64, high: u64) -> Values {
    Values::Number(Range::new(Unit::Bytes, zero, low, high))
}

/// A kind of number that a limit can be in Rust. Zero is no limit.
trait Number {
    fn from_number(number: u64) -> Self;
    fn to_number(self) -> u64;
}

impl Number for Duration {
    fn from_number(number: u64) -> Self {
        Duration::from_millis(number)
    }

    fn to_number(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Number for u64 {
    fn from_number(number: u64) -> Self {
        number
    }

    fn to_number(self) -> u64 {
        self
    }
}

impl Number for u32 {
    fn from_number(number: u64) -> Self {
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn to_number(self) -> u64 {
        self.into()
    }
}

impl Number for bool {
    fn from_number(number: u64) -> Self {
        number == Choice::Yes as u64
    }

    fn to_number(self) -> u64 {
        (if self { Choice::Yes } else { Choice::No }) as u64
    }
}

/// A limit.
#[derive(Debug)]
pub struct Row {
    /// The field of the schema.
    pub field: &'static str,
    /// What it is, in sentences.
    pub what: &'static str,
    /// What it can be.
    pub values: Values,
    /// What it is in a policy.
    pub get: fn(&WorkerPolicy) -> u64,
    /// Makes it a number of its range in a policy.
    pub set: fn(&mut WorkerPolicy, u64),
}

macro_rules! limits {
    ($($(#[doc = $what:literal])+ $name:ident: $kind:ty = $default:expr, $field:literal, $values:expr;)*) => {
        /// The limits of one worker. A duration or size of zero means that there is no limit, where the range says so.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct WorkerPolicy {
            $($(#[doc = $what])+ pub $name: $kind,)*
        }

        impl Default for WorkerPolicy {
            /// What suits strangers.
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl WorkerPolicy {
            /// No limits.
            pub fn unlimited() -> Self {
                Self { $($name: <$kind>::from_number(0),)* }
            }
        }

        /// Every limit.
        pub const ROWS: &[Row] = &[$(Row {
            field: $field,
            what: concat!($($what),+),
            values: $values,
            get: |policy| policy.$name.to_number(),
            set: |policy, number| policy.$name = <$kind>::from_number(number),
        }),*];
    };
}

limits! {
    /// Processor time of the worker's process while it runs script of one event, or encodes its response.
    cpu_time: Duration = Duration::from_secs(30), "cpuTimeMs", TIME;
    /// From the start of an event to the end of its response.
    wall_time: Duration = Duration::from_secs(15 * 60), "wallTimeMs", TIME;
    /// From the end of the response to the end of what was given to `waitUntil`.
    wait_until: Duration = Duration::from_secs(30), "waitUntilMs", TIME;
    /// Processor time for compiling and evaluating the modules.
    start_up_cpu_time: Duration = Duration::from_secs(2), "startUpCpuTimeMs", TIME;
    /// The heap of JavaScript objects.
    // V8 does not start in less; in more than its pointers reach it cannot be.
    heap_bytes: u64 = 128 << 20, "heapBytes", sizes(Some("V8 chooses, by the machine"), 8 << 20, 4 << 30);
    /// Contents of `ArrayBuffer`s and `SharedArrayBuffer`s, all together, of those that can grow as far as they have; not
    /// memories of WebAssembly.
    buffer_bytes: u64 = 128 << 20, "bufferBytes", sizes(Some("only `memoryBytes`"), 1 << 20, 64 << 30);
    /// Private writable memory of the process beyond what it has when it starts: heap, buffers, WebAssembly memories, stacks,
    /// the runtime's own.
    memory_bytes: u64 = 512 << 20, "memoryBytes", Values::Number(Range {
        also: "at least twice `heapBytes`",
        ..Range::new(Unit::Bytes, NO_LIMIT, 64 << 20, 64 << 30)
    });
    /// A request's body.
    request_body_bytes: u64 = 500 << 20, "requestBodyBytes", BODY;
    /// A response's body.
    response_body_bytes: u64 = 5 << 30, "responseBodyBytes", BODY;
    /// Names and values of a response's headers, all together.
    // The wire carries no longer head.
    response_head_bytes: u32 = 128 << 10, "responseHeadBytes", sizes(None, 1 << 10, 128 << 10);
    /// Log text that the worker keeps while the log is busy.
    // All of it can be sent in one message, and the supervisor takes messages of 512 KiB.
    log_buffer_bytes: u32 = 256 << 10, "logBufferBytes", sizes(None, 1 << 10, 256 << 10);
    /// Log text for each second, over time; a burst may be sixteen times as long.
    log_bytes_per_second: u32 = 64 << 10, "logBytesPerSecond", sizes(NO_LIMIT, 1 << 10, 1 << 30);
    /// Threads of the process, V8's own included.
    // The process has a few before it runs anything.
    threads: u32 = 16, "threads", Values::Number(Range::new(Unit::Pieces, None, 4, 256));
    /// Requests that one event makes, each redirect that is followed included.
    subrequests: u32 = 1000, "subrequests", Values::Number(Range::new(Unit::Pieces, NO_LIMIT, 1, 1 << 20));
    /// Requests of one event that wait for the head of their response at a time; the others wait for them.
    connections: u32 = 6, "connections", Values::Number(Range::new(Unit::Pieces, NO_LIMIT, 1, 4096));
    /// No machine code is generated: scripts are interpreted, there is no WebAssembly, and the process maps nothing executable.
    jitless: bool = false, "jitless", Values::Choice;
}

/// A limit as one that there may not be.
pub fn bound<T: Default + PartialEq>(limit: T) -> Option<T> {
    (limit != T::default()).then_some(limit)
}

impl Row {
    /// The limit in a message; `None` where it is not set, which the schema says by the largest number, and by `inherit`.
    ///
    /// # Errors
    /// The message is malformed, or the schema has no such field.
    pub fn read(&self, from: limits::Reader<'_>) -> capnp::Result<Option<u64>> {
        let from: dynamic_struct::Reader<'_> = dynamic_value::Reader::from(from).downcast();
        Ok(match from.get_named(self.field)? {
            dynamic_value::Reader::UInt32(number) => (number != u32::MAX).then_some(number.into()),
            dynamic_value::Reader::UInt64(number) => (number != u64::MAX).then_some(number),
            dynamic_value::Reader::Enum(choice) => bound(choice.get_value().into()),
            _ => return Err(capnp::Error::failed(format!("`{}` is no number", self.field))),
        })
    }

    fn write(&self, to: &mut dynamic_struct::Builder<'_>, number: u64) -> capnp::Result<()> {
        let field: Field = to.get_schema().get_field_by_name(self.field)?;
        let value = match field.get_type().which() {
            TypeVariant::UInt32 => u32::from_number(number).into(),
            TypeVariant::Enum(schema) => dynamic_value::Enum::new(number as u16, EnumSchema::new(schema)).into(),
            _ => number.into(),
        };
        to.set(field, value)
    }
}

/// An event that goes on for as long as both sides like has at most one part in so many of a processor, over time.
const LASTING_SHARE: u32 = 30;

/// How long such an event has what it may start, where nothing else says.
const UNLIMITED_RENEWAL: Duration = Duration::from_secs(15 * 60);

impl WorkerPolicy {
    /// After how long the limits of an event begin anew that goes on for as long as both sides like, as event streams and upgraded
    /// connections do: not before any other event would be over, and with a thirtieth of a processor at most.
    pub fn renewal(&self) -> Duration {
        let renewal = self.wall_time.max(self.cpu_time.saturating_mul(LASTING_SHARE));
        bound(renewal).unwrap_or(UNLIMITED_RENEWAL)
    }

    /// Writes every limit.
    ///
    /// # Errors
    /// The schema lacks one, which a test excludes.
    pub fn write(&self, to: limits::Builder<'_>) -> capnp::Result<()> {
        let mut to: dynamic_struct::Builder<'_> = dynamic_value::Builder::from(to).downcast();
        ROWS.iter().try_for_each(|row| row.write(&mut to, (row.get)(self)))
    }

    /// Reads what was written. What is not set is no limit.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn read(from: limits::Reader<'_>) -> capnp::Result<Self> {
        let mut policy = Self::unlimited();
        for row in ROWS {
            if let Some(number) = row.read(from)? {
                (row.set)(&mut policy, number);
            }
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the largest unit in which it is a whole number.
    fn size(bytes: u64) -> String {
        let units = ["", " KiB", " MiB", " GiB", " TiB"];
        let unit = if bytes == 0 { 0 } else { (bytes.trailing_zeros() / 10).min(4) };
        format!("{}{}", bytes >> (10 * unit), units[unit as usize])
    }

    fn written(row: &Row, number: u64) -> String {
        match row.values {
            Values::Number(Range { unit: Unit::Bytes, .. }) => size(number),
            Values::Number(_) => number.to_string(),
            Values::Choice => if bool::from_number(number) { "`yes`" } else { "`no`" }.to_owned(),
        }
    }

    fn default(row: &Row) -> String {
        written(row, (row.get)(&WorkerPolicy::default()))
    }

    /// The rows of the table.
    fn document() -> String {
        let mut out = String::new();
        for row in ROWS {
            let what = row.what.trim().trim_end_matches('.');
            let (first, rest) = what.split_at(1);
            let range = match row.values {
                Values::Number(range) => {
                    let zero = range.zero.map_or(String::new(), |zero| format!("0 ({zero}), "));
                    let also = if range.also.is_empty() { "" } else { "; " };
                    format!("{zero}{} to {}{also}{}", written(row, range.low), written(row, range.high), range.also)
                }
                Values::Choice => "`yes`, `no`".to_owned(),
            };
            let (field, first, default) = (row.field, first.to_lowercase(), default(row));
            out.push_str(&format!("| `{field}` | {first}{rest} | {default} | {range} |\n"));
        }
        out
    }

    #[test]
    fn limits_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
        let text = std::fs::read_to_string(path).unwrap();
        let begin = "| field | what | default | range |\n|---|---|---|---|\n";
        let start = text.find(begin).expect("docs/limits.md has the table") + begin.len();
        let end = start + text[start..].find("\n\n").expect("it ends") + 1;
        if std::env::var_os("BULKHEAD_REFRESH").is_some() {
            std::fs::write(path, format!("{}{}{}", &text[..start], document(), &text[end..])).unwrap();
            return;
        }
        assert!(
            text[start..end] == document(),
            "docs/limits.md is stale: run `BULKHEAD_REFRESH=1 cargo test --workspace --lib limits_document` and review the diff"
        );
    }

    #[test]
    fn the_schema_names_the_defaults() {
        let schema = include_str!("../schema/config/bulkhead/policy.capnp");
        let (_, limits) = schema.split_once("struct Limits {").expect("the limits");
        for row in ROWS {
            let (_, after) = limits.split_once(&format!("  {} @", row.field)).expect(row.field);
            let comment: String = after.lines().skip(1).take_while(|line| line.starts_with("  #")).collect();
            let said = comment.split_once("By default ").expect(row.field).1;
            assert!(said.starts_with(&default(row)), "{}: {said}", row.field);
        }
    }

    #[test]
    fn every_limit_comes_through() {
        let mut message = capnp::message::Builder::new_default();
        for policy in [WorkerPolicy::default(), WorkerPolicy { jitless: true, ..WorkerPolicy::unlimited() }] {
            policy.write(message.init_root()).expect("written");
            assert_eq!(WorkerPolicy::read(message.get_root_as_reader().expect("a root")).expect("read"), policy);
        }
        message.init_root::<limits::Builder<'_>>();
        let nothing: limits::Reader<'_> = message.get_root_as_reader().expect("a root");
        assert!(ROWS.iter().all(|row| row.read(nothing).expect("read").is_none()));
        assert_eq!(WorkerPolicy::read(nothing).expect("read"), WorkerPolicy::unlimited());
    }

    #[test]
    fn an_event_that_goes_on_has_no_more_than_others() {
        let policy = |cpu_time, wall_time| WorkerPolicy {
            cpu_time: Duration::from_millis(cpu_time),
            wall_time: Duration::from_millis(wall_time),
            ..WorkerPolicy::default()
        };
        for (cpu_time, wall_time, renewal) in [
            (30_000, 900_000, 900_000),
            (10, 5_000, 5_000),
            (1_000, 1, 30_000),
            (0, 70, 70),
            (50, 0, 1_500),
            (0, 0, 900_000),
        ] {
            assert_eq!(policy(cpu_time, wall_time).renewal(), Duration::from_millis(renewal));
        }
    }

    #[test]
    fn every_default_is_in_its_range() {
        let policy = WorkerPolicy::default();
        for row in ROWS {
            let number = (row.get)(&policy);
            if let Values::Number(range) = row.values {
                assert!(number != 0 && range.contains(number), "{}: {number}", row.field);
            }
        }
        assert!(policy.memory_bytes >= 2 * policy.heap_bytes);
    }

    #[test]
    fn ranges_are_what_the_rest_can_carry() {
        let high = |field: &str| {
            let row = ROWS.iter().find(|row| row.field == field).expect(field);
            let Values::Number(range) = row.values else { panic!("{field} is a number") };
            range.high
        };
        assert_eq!(high("responseHeadBytes"), crate::head::HeadLimits::default().max_bytes as u64);
        let message = crate::transport::Limits::for_worker().max_message_words as u64 * 8;
        assert!(high("logBufferBytes") <= message / 2);
    }
}
