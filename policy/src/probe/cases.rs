//! The table as test cases: argument lists around the edges of every row, and every number that no row mentions.

use crate::{
    names::Arch,
    table::{Condition, Decision, Profile, ROWS, Row, Test, Width, decide, rows},
};

/// The process id that stands for the worker's own in [`Case::args`].
const OWN_PID: u32 = 1;

/// One system call to be made in a shut worker.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its number.
    pub number: u32,
    /// Its name, empty for a number that is nobody's.
    pub name: &'static str,
    /// Its argument registers.
    pub args: [u64; 6],
    /// The register that has to hold the worker's own process id instead of [`OWN_PID`].
    own_pid_at: Option<usize>,
    /// What the table says.
    pub expected: Decision,
}

impl Case {
    fn new(profile: Profile, number: u32, name: &'static str, args: [u64; 6]) -> Self {
        let own_pid_at = ROWS
            .iter()
            .filter(|row| row.calls.contains(&name))
            .flat_map(|row| row.when)
            .find(|condition| condition.test == Test::OwnPid)
            .map(|condition| usize::from(condition.arg))
            .filter(|at| args[*at] == u64::from(OWN_PID));
        Self { number, name, args, own_pid_at, expected: decide(profile, name, &args, OWN_PID) }
    }

    /// The case as [`run`](super::run) reads it: number and arguments between commas.
    pub fn word(&self) -> String {
        let mut word = self.number.to_string();
        for (at, arg) in self.args.iter().enumerate() {
            word.push(',');
            word.push_str(&if self.own_pid_at == Some(at) { super::OWN_PID_WORD.to_owned() } else { arg.to_string() });
        }
        word
    }

    /// Whether the process goes on after the call, so that the same process can make the next one.
    pub fn returns(&self) -> bool {
        matches!(self.expected, Decision::Allow | Decision::Errno(_))
            && !matches!(self.name, "exit" | "exit_group" | "rt_sigreturn")
    }
}

/// Arguments with which a permitted call fails or does no harm, where zeros would block or crash.
fn harmless(name: &str) -> [u64; 6] {
    match name {
        // An impossible thread pointer: the kernel refuses before there is a thread.
        "clone" => [0, 0, 0, u64::MAX, u64::MAX, 0],
        // A time that cannot be read.
        "ppoll" => [0, 0, 1, 0, 0, 0],
        "epoll_wait" | "epoll_pwait" => [u64::MAX, 0, 0, 0, 0, 0],
        _ => [0; 6],
    }
}

/// Values of one argument: (those that meet the condition, those that do not).
fn values(condition: &Condition) -> (Vec<u64>, Vec<u64>) {
    let high = 1u64 << 32;
    let (mut good, mut bad) = match condition.test {
        Test::OneOf(names) => (names.iter().map(|n| n.value).collect(), vec![0x5a5a_5a5a]),
        Test::Bits { required, optional } => {
            let required = required.iter().fold(0, |bits, n| bits | n.value);
            let all = optional.iter().fold(required, |bits, n| bits | n.value);
            let mut bad: Vec<u64> =
                (0..32).map(|bit| 1 << bit).filter(|bit| all & bit == 0).map(|b| required | b).collect();
            bad.extend((0..32).map(|bit| 1 << bit).filter(|bit| required & bit != 0).map(|bit| required & !bit));
            (vec![required, all], bad)
        }
        Test::OwnPid => (vec![OWN_PID.into()], vec![2, u64::from(u32::MAX)]),
    };
    let shifted: Vec<u64> = good.iter().take(1).map(|value| value | high).collect();
    if condition.width == Width::Int {
        good.extend(shifted)
    } else {
        bad.extend(shifted)
    }
    (good, bad)
}

/// The first meets all conditions of the row; each of the others varies one argument.
fn around(row: &Row, name: &str) -> Vec<[u64; 6]> {
    let mut base = harmless(name);
    for condition in row.when {
        base[usize::from(condition.arg)] = values(condition).0[0];
    }
    let mut cases = vec![base];
    for condition in row.when {
        let (good, bad) = values(condition);
        for value in good.into_iter().chain(bad) {
            let mut args = base;
            args[usize::from(condition.arg)] = value;
            cases.push(args);
        }
    }
    cases
}

/// For every row of the profile and every call in it: arguments with which it applies, and arguments changed one by one.
///
/// # Panics
/// No arguments lead to some row: another row overrules it.
pub fn of_rows(profile: Profile, arch: Arch) -> Vec<Case> {
    let mut cases = Vec::new();
    for row in rows(profile) {
        for (number, name) in row.numbers(arch) {
            let of_row: Vec<Case> =
                around(row, name).into_iter().map(|args| Case::new(profile, number, name, args)).collect();
            assert_eq!(of_row[0].expected, row.action.into(), "no arguments lead to the row of {name}");
            cases.extend(of_row);
        }
    }
    cases
}

/// The arguments that the rows of `from` lead to, judged by `profile`: what it has no row for, where another profile has one.
pub fn of_rows_of(from: Profile, profile: Profile, arch: Arch) -> Vec<Case> {
    let judged = |case: Case| Case::new(profile, case.number, case.name, case.args);
    of_rows(from, arch).into_iter().map(judged).collect()
}

/// Every number from 0 to a little above the highest that no row of the profile mentions.
pub fn of_other_numbers(profile: Profile, arch: Arch) -> Vec<Case> {
    let last = arch.calls().last().map_or(0, |(number, _)| *number) + 8;
    (0..=last)
        .map(|number| (number, arch.name(number).unwrap_or("")))
        .filter(|(_, name)| !rows(profile).any(|row| row.calls.contains(name)))
        // The kernel lets its own probe trampolines through every filter (Linux 6.11); called from anywhere else they end
        // in SIGILL or ENXIO.
        .filter(|(_, name)| !matches!(*name, "uretprobe" | "uprobe"))
        .map(|(number, name)| Case::new(profile, number, name, [0; 6]))
        .collect()
}
