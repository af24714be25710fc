//! Why a process ended, in words for one log line. The diagnostic lines are the worker's and prove nothing.

use bulkhead_policy::{report::parse_violation, spawn::Exit};

use super::decide::Overrun;
use crate::text::quote;

/// Number of `SIGSYS`, `SIGABRT`, `SIGTRAP` and `SIGILL`, the same on every architecture that Linux calls generic.
const SIGSYS: i32 = 31;

/// The end of the sentence that begins with the worker's name.
///
/// `killed` says why the supervisor itself killed the process, if it did. `lines` are the last ones that the process
/// wrote to its diagnostic descriptor.
pub(crate) fn describe(exit: Option<Exit>, killed: Option<&str>, lines: &[String]) -> String {
    if let Some(why) = killed {
        return format!("was ended: {}", quote(why));
    }
    let last = |marks: &[&str]| lines.iter().rev().find(|line| marks.iter().any(|mark| line.contains(mark)));
    if let Some(line) = last(&["out of memory", "OutOfMemory", "memory allocation of"]) {
        return format!("ran out of memory: {}", quote(line));
    }
    match exit {
        Some(Exit::Signal { signal: SIGSYS, .. }) => match lines.iter().rev().find_map(|line| parse_violation(line)) {
            Some(call) => {
                let name = call.name().unwrap_or("unknown");
                format!("was killed by a forbidden system call {} ({name})", call.number)
            }
            None => "was killed by a forbidden system call".to_owned(),
        },
        Some(exit @ Exit::Signal { .. }) => {
            let how = format!("was killed by {}", exit.to_string().trim_start_matches("signal "));
            match last(&["panicked", "Fatal error", "fatal error", "FATAL"]).or(lines.last()) {
                Some(line) => format!("{how}: {}", quote(line)),
                None => how,
            }
        }
        Some(Exit::Code(code)) => match lines.last() {
            Some(line) => format!("ended with exit code {code}: {}", quote(line)),
            None => format!("ended with exit code {code}"),
        },
        None => "ended in an unknown way".to_owned(),
    }
}

impl std::fmt::Display for Overrun {
    /// The rest of a line that says that a process was ended.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Overrun::Computes(time) => {
                write!(f, "it did not answer after {:.1} s of processor time", time.as_secs_f64())
            }
            Overrun::Sleeps(time) => write!(f, "it did not answer within {:.1} s", time.as_secs_f64()),
            Overrun::CpuBudget(time, events) => {
                write!(f, "it used {:.1} s of processor time, which {events} events do not explain", time.as_secs_f64())
            }
            Overrun::Memory(bytes) => write!(f, "it has {} MiB of memory, more than its limits allow", bytes >> 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn each_kind_of_end_has_its_words() {
        let signal = |signal| Some(Exit::Signal { signal, core: false });
        assert_eq!(describe(signal(9), None, &[]), "was killed by SIGKILL");
        assert_eq!(describe(signal(11), None, &[]), "was killed by SIGSEGV");
        assert_eq!(describe(signal(9), Some("it sent\nrubbish"), &[]), "was ended: it sent rubbish");
        let refused = "bulkhead-sandbox: forbidden system call lies nr=41 args=0x2,0x1,0x0,0x0,0x0,0x0";
        #[cfg(target_arch = "x86_64")]
        assert_eq!(
            describe(signal(31), None, &lines(&["noise", refused])),
            "was killed by a forbidden system call 41 (socket)"
        );
        assert_eq!(describe(signal(31), None, &lines(&["noise"])), "was killed by a forbidden system call");
        assert_eq!(
            describe(signal(6), None, &lines(&["thread 'main' panicked at x.rs:1", "note: more"])),
            "was killed by SIGABRT: thread 'main' panicked at x.rs:1"
        );
        assert_eq!(
            describe(signal(5), None, &lines(&["Fatal JavaScript out of memory: Reached heap limit"])),
            "ran out of memory: Fatal JavaScript out of memory: Reached heap limit"
        );
        assert_eq!(describe(Some(Exit::Code(1)), None, &lines(&["no"])), "ended with exit code 1: no");
        assert_eq!(describe(None, None, &[]), "ended in an unknown way");
        // A violation that was only claimed is no violation.
        assert_eq!(
            describe(Some(Exit::Code(0)), None, &lines(&[refused])),
            format!("ended with exit code 0: {refused}")
        );
    }

    #[test]
    fn each_overrun_has_its_words() {
        let second = std::time::Duration::from_secs(1);
        assert_eq!(Overrun::Computes(second * 35).to_string(), "it did not answer after 35.0 s of processor time");
        assert_eq!(Overrun::Sleeps(second * 5).to_string(), "it did not answer within 5.0 s");
        let words = "it used 12.0 s of processor time, which 1 events do not explain";
        assert_eq!(Overrun::CpuBudget(second * 12, 1).to_string(), words);
        let words = "it has 700 MiB of memory, more than its limits allow";
        assert_eq!(Overrun::Memory((700 << 20) + 1).to_string(), words);
    }
}
