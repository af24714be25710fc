//! What a process uses, as the kernel counts it.
//!
//! Both files are readable for every process, also of another user id and not dumpable; both count all threads.

use std::time::Duration;

use super::decide::Usage;

/// Ticks of a second in `/proc`: `USER_HZ`, which is 100 on every architecture that we build for.
const TICKS: u64 = 100;

/// Reads what the process has used so far. The process must not have been waited for, or its number may be another's. Of a program in
/// memory, which has `program` bytes, the process has as many pages among its own as it has looked at: they are nobody's.
///
/// # Errors
/// `/proc` is not there, or hides the process.
pub(super) fn read(pid: i32, program: u64) -> Result<Usage, String> {
    let file = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    };
    let (stat, status) = (file("stat")?, file("status")?);
    parse(&stat, &status, program).ok_or_else(|| format!("/proc/{pid} is not as proc(5) says"))
}

/// Reads the texts of `/proc/<pid>/stat` and `/proc/<pid>/status`, of which the worker can choose its name.
fn parse(stat: &str, status: &str, program: u64) -> Option<Usage> {
    // The name is in brackets and may have brackets.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    // Fields 14 and 15: user and system time; the state was field 3.
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let mut memory = 0;
    let mut seen = 0;
    for line in status.lines() {
        // What is not backed by a file: anonymous, shared without a file, swapped out; and the tables that find it.
        let Some((key @ ("RssAnon" | "RssShmem" | "VmSwap" | "VmPTE"), value)) = line.split_once(':') else { continue };
        let kilobytes: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        let bytes = kilobytes * 1024;
        memory += if key == "RssShmem" { bytes.saturating_sub(program) } else { bytes };
        seen += usize::from(!key.is_empty());
    }
    // A process that is ending has no memory, and says so by not having the lines, also while it is still on its way.
    if !matches!(seen, 0 | 4) {
        return None;
    }
    Some(Usage {
        cpu: Duration::from_millis((user + system) * (1000 / TICKS)),
        memory,
        runnable: matches!(state, "R" | "D"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "7 (a) R 1 (x) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 9 9 20 0 3 0 100 1000 200 18446744073709551615";
        let status = "Name:\ta\nRssAnon:\t    2048 kB\nRssFile:\t    9999 kB\nRssShmem:\t       8 kB\nVmSwap:\t       0 kB\nVmPTE:\t     100 kB\n";
        let usage = Usage { cpu: Duration::from_millis(1750), memory: 2156 << 10, runnable: false };
        assert_eq!(parse(stat, status, 0), Some(usage));
        assert_eq!(parse(stat, status, 3 << 10).map(|usage| usage.memory), Some(2153 << 10));
        assert_eq!(parse(stat, status, 1 << 20).map(|usage| usage.memory), Some(2148 << 10));
        assert_eq!(parse(&stat.replace(") S", ") R"), status, 0).map(|usage| usage.runnable), Some(true));
        assert_eq!(parse(stat, "Name:\ta\nRssAnon:\t    2048 kB\n", 0), None);
        assert_eq!(parse(&stat.replace(") S", ") R"), "Name:\ta\n", 0).map(|usage| usage.memory), Some(0));
        assert_eq!(parse(&stat.replace(") S", ") Z"), "Name:\ta\n", 0).map(|usage| usage.memory), Some(0));
        assert_eq!(parse("7 (a", status, 0), None);
    }

    #[test]
    fn all_threads_and_all_private_memory_count() {
        let own = std::process::id() as i32;
        let before = read(own, 0).expect("the own process");
        // Not on this thread, and on none that is there when we look.
        let burn = || {
            let start = std::time::Instant::now();
            while start.elapsed() < Duration::from_millis(200) {
                std::hint::spin_loop();
            }
        };
        for _ in 0..2 {
            std::thread::spawn(burn).join().expect("no panic");
        }
        let memory = vec![1u8; 64 << 20];
        let after = read(own, 0).expect("the own process");
        assert!(after.cpu > before.cpu);
        assert!(after.memory >= before.memory + (48 << 20), "{before:?} {after:?}");
        drop(memory);
        assert!(read(i32::MAX, 0).is_err());
    }
}
