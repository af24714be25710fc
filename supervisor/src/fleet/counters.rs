//! What went wrong with each worker, counted.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bulkhead_ipc::worker_capnp::Limit;

use super::decide;
use crate::config::policy::WorkerPolicy;

/// What is counted for each worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Processor time of one event.
    CpuTime,
    /// Time of one event.
    WallTime,
    /// Time of `waitUntil`.
    WaitUntil,
    /// Start-ups that took too long, by either clock.
    StartUp,
    /// The JavaScript heap.
    Memory,
    /// Headers of a response.
    ResponseHead,
    /// Body of a response.
    ResponseBody,
    /// Body of a request, which is its client's doing.
    RequestBody,
    /// Processes that were replaced because they had exhausted their memory.
    Retired,
    /// Processes that were ended because they did not answer.
    Unresponsive,
    /// Processes that were ended because they used processor time that no event explains.
    CpuBudget,
    /// Processes that were ended for their memory, all together.
    TotalMemory,
    /// Processes that were ended because they broke a rule.
    Violation,
    /// Processes that ended by themselves.
    Died,
    /// Times in which a connection was slowed down.
    Slowed,
    /// Requests of the worker's own that nobody answered, but for what other workers' scripts have thrown.
    Unanswered,
}

/// Every counter and its name in the report.
const NAMES: [(Counter, &str); 16] = [
    (Counter::CpuTime, "cpuTime"),
    (Counter::WallTime, "wallTime"),
    (Counter::WaitUntil, "waitUntil"),
    (Counter::StartUp, "startUp"),
    (Counter::Memory, "memory"),
    (Counter::ResponseHead, "responseHead"),
    (Counter::ResponseBody, "responseBody"),
    (Counter::RequestBody, "requestBody"),
    (Counter::Retired, "retired"),
    (Counter::Unresponsive, "unresponsive"),
    (Counter::CpuBudget, "cpuBudget"),
    (Counter::TotalMemory, "totalMemory"),
    (Counter::Violation, "violation"),
    (Counter::Died, "died"),
    (Counter::Slowed, "slowed"),
    (Counter::Unanswered, "unanswered"),
];

impl From<Limit> for Counter {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::CpuTime => Counter::CpuTime,
            Limit::WallTime => Counter::WallTime,
            Limit::WaitUntil => Counter::WaitUntil,
            Limit::StartUp => Counter::StartUp,
            Limit::Memory => Counter::Memory,
            Limit::ResponseHead => Counter::ResponseHead,
            Limit::ResponseBody => Counter::ResponseBody,
        }
    }
}

/// The counters of one worker, over all its processes.
#[derive(Debug, Default)]
pub struct Counters {
    table: [AtomicU64; NAMES.len()],
    /// When each was last in the log.
    logged: Mutex<[Option<Instant>; NAMES.len()]>,
}

impl Counters {
    /// How often it happened.
    pub fn get(&self, counter: Counter) -> u64 {
        self.table[counter as usize].load(Ordering::Relaxed)
    }

    /// One more; gives how many there are.
    pub(crate) fn count(&self, counter: Counter) -> u64 {
        self.table[counter as usize].fetch_add(1, Ordering::Relaxed) + 1
    }

    /// One more; gives how many there are if the log should hear of it now.
    pub(super) fn count_for_log(&self, counter: Counter, now: Instant) -> Option<u64> {
        let count = self.count(counter);
        let last = &mut self.logged.lock().unwrap_or_else(PoisonError::into_inner)[counter as usize];
        decide::is_line_due(last.map(|last| now.saturating_duration_since(last))).then(|| {
            *last = Some(now);
            count
        })
    }

    /// One line of JSON: the worker's name and every counter.
    pub(super) fn report(&self, worker: &str) -> String {
        let mut line = serde_json::Map::new();
        line.insert("worker".to_owned(), worker.into());
        line.extend(NAMES.iter().map(|(counter, name)| ((*name).to_owned(), self.get(*counter).into())));
        serde_json::Value::Object(line).to_string()
    }
}

/// The log line for the worker `name`, which exceeded a limit for the `count`th time.
pub(super) fn line(name: &str, counter: Counter, policy: &WorkerPolicy, count: u64) -> String {
    let of = |what: &str, bound: Option<String>| match bound {
        Some(bound) => format!("exceeded its {what} of {bound}"),
        None => format!("exceeded its {what}"),
    };
    let time = |time: Duration| (!time.is_zero()).then(|| written(time));
    let size = |bytes: u64| (bytes != 0).then(|| written_size(bytes));
    let what = match counter {
        Counter::CpuTime => of("CPU time limit", time(policy.cpu_time)),
        Counter::WallTime => of("wall time limit", time(policy.wall_time)),
        Counter::WaitUntil => of("time limit for waitUntil()", time(policy.wait_until)),
        Counter::StartUp => of("start-up CPU time limit", time(policy.start_up_cpu_time)),
        Counter::Memory => of("memory limit", size(policy.heap_bytes)),
        Counter::ResponseHead => of("response header size limit", size(policy.response_head_bytes.into())),
        Counter::ResponseBody => of("response body size limit", size(policy.response_body_bytes)),
        Counter::Slowed => "sends more than it may, and is slowed down".to_owned(),
        // The others are in the line that says how a process ended.
        _ => of("limits", None),
    };
    match count {
        1 => format!("worker {name:?} {what}"),
        count => format!("worker {name:?} {what} ({count} times so far)"),
    }
}

/// Longest reason that is logged, in bytes: a host's name, and what is said of it.
const MAX_REASON: usize = 512;

/// The log line for the worker `name`, of whose own requests nobody has answered `count`, the last one because of `why`.
pub(super) fn unanswered(name: &str, why: &str, count: u64) -> String {
    let why = &why[..why.floor_char_boundary(MAX_REASON)];
    let times = if count == 1 { String::new() } else { format!(" ({count} times so far)") };
    format!("worker {name:?}: a request that it made was not answered: {why}{times}")
}

fn written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

fn written_size(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{} MiB", bytes >> 20) } else { format!("{bytes} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_place_and_its_name() {
        let counters = Counters::default();
        for (index, (counter, _)) in NAMES.iter().enumerate() {
            assert_eq!(*counter as usize, index);
            for _ in 0..=index {
                counters.count(*counter);
            }
        }
        let report: serde_json::Value = serde_json::from_str(&counters.report("a \"b\"")).expect("JSON");
        assert_eq!(report["worker"], "a \"b\"");
        for (index, (_, name)) in NAMES.iter().enumerate() {
            assert_eq!(report[name], index + 1, "{name}");
        }
    }

    #[test]
    fn lines_say_what_and_how_often() {
        let policy = WorkerPolicy { cpu_time: Duration::from_millis(50), heap_bytes: 0, ..WorkerPolicy::default() };
        let of = |counter, count| line("a", counter, &policy, count);
        assert_eq!(of(Counter::CpuTime, 3), "worker \"a\" exceeded its CPU time limit of 50 ms (3 times so far)");
        assert_eq!(of(Counter::WaitUntil, 1), "worker \"a\" exceeded its time limit for waitUntil() of 30 s");
        assert_eq!(of(Counter::Memory, 1), "worker \"a\" exceeded its memory limit");
        assert_eq!(of(Counter::Slowed, 2), "worker \"a\" sends more than it may, and is slowed down (2 times so far)");
        assert_eq!(of(Counter::ResponseBody, 1), "worker \"a\" exceeded its response body size limit of 5120 MiB");
    }

    #[test]
    fn why_nobody_answered_is_said_in_few_words() {
        let line = unanswered("a", "no such name", 1);
        assert_eq!(line, "worker \"a\": a request that it made was not answered: no such name");
        let line = unanswered("a", &"ü".repeat(10_000), 7);
        assert!(line.len() < 700 && line.ends_with("ü (7 times so far)"), "{line}");
    }

    #[test]
    fn a_flood_is_one_line_a_second() {
        let (counters, start) = (Counters::default(), Instant::now());
        let lines = |at: Duration| {
            (0..500).filter_map(|_| counters.count_for_log(Counter::CpuTime, start + at)).collect::<Vec<_>>()
        };
        assert_eq!(lines(Duration::ZERO), [1]);
        assert_eq!(lines(Duration::from_millis(999)), [0u64; 0]);
        assert_eq!(lines(Duration::from_millis(1000)), [1001]);
        // Another kind has its own.
        assert_eq!(counters.count_for_log(Counter::Memory, start), Some(1));
    }
}
