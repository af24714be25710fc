//! Processes seen from outside, through `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// Every live process below `root`, nearest first; not `root` itself. Zombies do not count.
pub fn descendants(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("read /proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Some(fields) = stat(pid) else { continue };
        if fields[0] != "Z" {
            children.entry(fields[1].parse().unwrap_or(0)).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            found.push(*child);
            next.push(*child);
        }
    }
    found
}

/// The descendants of `root` whose command line starts with a path that ends in `sandbox-worker`: bound workers and
/// those that wait in the warm pool.
pub fn workers(root: u32) -> Vec<u32> {
    let mut workers = descendants(root);
    workers.retain(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
        program.ends_with(b"sandbox-worker")
    });
    workers
}

/// Children of `root` that have ended and that nobody has waited for.
pub fn zombies(root: u32) -> usize {
    let entries = fs::read_dir("/proc").expect("read /proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    pids.filter_map(stat).filter(|fields| fields[0] == "Z" && fields[1] == root.to_string()).count()
}

/// Whether `pid` exists and is not a zombie.
pub fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z")
}

/// The fields of `/proc/<pid>/stat` after the command: state, parent, …
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command may contain anything, parentheses too.
    let rest = &text[text.rfind(')')? + 1..];
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// What a process holds that could leak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Resident set in bytes.
    pub resident: u64,
}

/// What `pid` holds now.
///
/// # Panics
///
/// When there is no such process.
pub fn footprint(pid: u32) -> Footprint {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).expect("the process lives").count();
    Footprint { descriptors: count("fd"), threads: count("task"), resident: resident(pid) }
}

/// Resident set of `pid` in bytes; 0 when there is no such process.
pub fn resident(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS").unwrap_or(0)
}

/// Processor time, user and system, that `pid` alone has used.
pub fn cpu(pid: u32) -> Duration {
    let fields = stat(pid).unwrap_or_default();
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The highest resident set that `pid` has ever had, in bytes.
pub fn peak_resident(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmHWM")
}

/// One line of `/proc/<pid>/status`, or of a thread's when `thread` is given, without its name.
pub fn status_field(pid: u32, thread: Option<u32>, name: &str) -> Option<String> {
    let path = match thread {
        Some(thread) => format!("/proc/{pid}/task/{thread}/status"),
        None => format!("/proc/{pid}/status"),
    };
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned()))
}

fn status_bytes(pid: u32, name: &str) -> Option<u64> {
    let field = status_field(pid, None, name)?;
    field.strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// The threads of `pid`.
pub fn threads(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The descriptors of `pid` and what each refers to.
pub fn descriptors(pid: u32) -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, fs::read_link(entry.path()).ok()?)))
        .collect()
}

/// Proportional set size of one process in bytes: private pages, and its share of the shared ones.
pub fn proportional_set(pid: u32) -> Option<u64> {
    all_mappings(pid, "Pss:")
}

/// Memory of one process that belongs to no file, in bytes: what it has written to.
pub fn anonymous(pid: u32) -> Option<u64> {
    all_mappings(pid, "Anonymous:")
}

fn all_mappings(pid: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Proportional set size of `root` and everything below it, in bytes.
pub fn tree_proportional_set(root: u32) -> u64 {
    tree(root).into_iter().filter_map(proportional_set).sum()
}

/// Processor time, user and system, that `root` and everything below it have used, children that have ended and were
/// waited for included.
pub fn tree_cpu(root: u32) -> Duration {
    let ticks: u64 = tree(root)
        .into_iter()
        .filter_map(stat)
        .map(|fields| fields[11..15].iter().filter_map(|field| field.parse::<u64>().ok()).sum::<u64>())
        .sum();
    // USER_HZ is 100 on every Linux that runs here.
    Duration::from_millis(ticks * 10)
}

fn tree(root: u32) -> Vec<u32> {
    let mut all = descendants(root);
    all.push(root);
    all
}

/// In how many hundredths of a second the kernel asks after the other side of the connection that `stream` has, as it says of the end that
/// is not this process's; `None`: it does not.
///
/// # Panics
/// There is no such connection of IPv4.
pub fn asks_after(stream: &TcpStream) -> Option<u64> {
    let port = |address: std::io::Result<SocketAddr>| format!(":{:04X}", address.expect("an address").port());
    let (theirs, ours) = (port(stream.peer_addr()), port(stream.local_addr()));
    let all = fs::read_to_string("/proc/net/tcp").expect("the kernel tells");
    let mut rows = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1].ends_with(&theirs) && row[2].ends_with(&ours)).expect("the connection is there");
    let (timer, when) = row[5].split_once(':').expect("a timer");
    (timer == "02").then(|| u64::from_str_radix(when, 16).expect("a number"))
}
