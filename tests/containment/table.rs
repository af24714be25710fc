//! The policy's table, row by row and number by number, inside of the real worker.

use std::{fs::File, os::fd::OwnedFd, path::Path};

use bulkhead_policy::{
    names::Arch,
    probe::{
        self, CALLS, PROBE_ARG,
        cases::{self, Case},
    },
    report::parse_violation,
    spawn::{Exit, PidNamespace},
    table::{Decision, Profile},
};

pub(super) const SIGSYS: i32 = 31;

/// The longest file of an actor in these tests, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// A directory that a worker can be handed: its owner is one of the workers' when this runs as root.
pub(super) fn actor_directory(owner: u32) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("make a directory");
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(directory.path(), Some(owner), Some(owner)).expect("give the directory away");
    }
    directory
}

/// A user id from the part of the range that owners of directories have.
pub(super) fn owner(number: u32) -> u32 {
    bulkhead_policy::enter::UidRange::default().owner(number).expect("the number is in range")
}

/// Makes the calls in one worker of the profile.
fn run(profile: Profile, directory: &Path, calls: &[&Case]) -> (Exit, String) {
    let mut arguments = vec!["--shards=1".to_owned()];
    let mut more = Vec::new();
    let storage = matches!(profile, Profile::Actor | Profile::ActorJitless);
    if storage {
        arguments.push(format!("--storage={FILE_BYTES}"));
        more.push(OwnedFd::from(File::open(directory).expect("open the directory")));
    }
    if matches!(profile, Profile::StatelessJitless | Profile::ActorJitless) {
        arguments.push("--jitless".to_owned());
    }
    arguments.extend([PROBE_ARG.to_owned(), CALLS.to_owned()]);
    arguments.extend(calls.iter().map(|case| case.word()));
    super::start_with(&arguments, more, PidNamespace::IfPermitted)
}

/// Says what is wrong with the calls after which the process goes on. They share one.
fn judge_those_that_return(profile: Profile, directory: &Path, calls: &[&Case]) -> Vec<String> {
    let (exit, said) = run(profile, directory, calls);
    let results: Vec<(usize, i32)> = said.lines().filter_map(probe::parse_result).collect();
    let mut wrong = Vec::new();
    for (at, case) in calls.iter().enumerate() {
        let errno = results.iter().find(|(of, _)| *of == at).map(|(_, errno)| *errno);
        let right = match (case.expected, errno) {
            (Decision::Allow, Some(_)) => true,
            (Decision::Errno(expected), Some(errno)) => errno == expected.number(),
            _ => false,
        };
        if !right {
            wrong.push(format!("{profile:?}: {case:?} ended in {errno:?}"));
        }
    }
    if exit != Exit::Code(probe::SUCCEEDED) {
        wrong.push(format!("{profile:?}: the worker of {} calls ended in {exit}: {said}", calls.len()));
    }
    wrong
}

/// Says what is wrong with a call that has a worker of its own.
fn judge_one(profile: Profile, directory: &Path, case: &Case) -> Option<String> {
    let (exit, said) = run(profile, directory, &[case]);
    let violation = said.lines().find_map(parse_violation);
    let killed = matches!(exit, Exit::Signal { signal: SIGSYS, .. });
    let right = match case.expected {
        Decision::Allow => !killed,
        Decision::Errno(errno) => {
            exit == Exit::Code(probe::SUCCEEDED) && said == format!("result 0 {}\n", errno.number())
        }
        Decision::Refuse => {
            killed && violation.is_some_and(|v| v.number == i64::from(case.number) && v.args == case.args)
        }
        Decision::Kill => killed && violation.is_none(),
    };
    (!right).then(|| format!("{profile:?}: {case:?} ended in {exit}: {said}"))
}

fn verify(profile: Profile, all: &[Case]) {
    let directory = actor_directory(owner(0));
    let (returning, others): (Vec<&Case>, Vec<&Case>) = all.iter().partition(|case| case.returns());
    let mut wrong = judge_those_that_return(profile, directory.path(), &returning);
    wrong.extend(super::in_two_halves(&others, |case| judge_one(profile, directory.path(), case)));
    println!("{}: {} calls that return, {} that do not", profile.name(), returning.len(), others.len());
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

/// Those whose outcome differs between the profiles: what is the same in both need not be tried twice.
fn only_where_it_differs(from: Profile, all: Vec<Case>) -> Vec<Case> {
    all.into_iter()
        .filter(|case| bulkhead_policy::table::decide(from, case.name, &case.args, 1) != case.expected)
        .collect()
}

fn arch() -> Arch {
    Arch::native().expect("the policy covers this processor")
}

#[test]
fn every_row_of_a_stateless_worker_does_what_it_says() {
    verify(Profile::Stateless, &cases::of_rows(Profile::Stateless, arch()));
}

#[test]
fn every_row_of_an_actor_does_what_it_says() {
    verify(Profile::Actor, &only_where_it_differs(Profile::Stateless, cases::of_rows(Profile::Actor, arch())));
}

#[test]
fn every_row_of_workers_without_a_compiler_does_what_it_says() {
    let own = |of: Profile, than: Profile| {
        let mut all = only_where_it_differs(than, cases::of_rows(of, arch()));
        // What only the other profile has a row for, with that row's arguments.
        all.extend(only_where_it_differs(than, cases::of_rows_of(than, of, arch())));
        all
    };
    verify(Profile::StatelessJitless, &own(Profile::StatelessJitless, Profile::Stateless));
    verify(Profile::ActorJitless, &own(Profile::ActorJitless, Profile::Actor));
}

#[test]
fn every_other_number_ends_a_stateless_worker() {
    verify(Profile::Stateless, &cases::of_other_numbers(Profile::Stateless, arch()));
}

#[test]
fn every_other_number_ends_an_actor() {
    verify(Profile::Actor, &cases::of_other_numbers(Profile::Actor, arch()));
}
