//! What the supervisor and a worker process agree on before the first message: descriptors and arguments.
//!
//! | descriptor | what it is |
//! |---|---|
//! | 0, 1 | `/dev/null`, or where there is none an empty file in memory |
//! | 2 | write end of the diagnostic pipe: panic and fatal-error texts, read by the supervisor with bounds |
//! | 3 | control connection: the process serves `WorkerControl` |
//! | 4 … 3 + shards | one event connection for each supervisor shard: the process serves `EventPort` |
//! | 4 + shards | only with `--modules`: where the process asks for modules ([`modules`](crate::modules)); it blocks |
//! | the next | only with `--last-words`: where each line of its log goes at once ([`last_words`](crate::last_words)); it blocks |
//! | the next | only with `--extensions`: the texts of the extensions' modules, in a sealed file in memory that all workers read |
//! | the next | only with `--storage`: the directory of an actor |

use std::ffi::OsString;

/// The control connection.
pub const CONTROL_FD: i32 = 3;

/// The event connection of shard 0; shard `n` has `FIRST_EVENT_FD + n`.
pub const FIRST_EVENT_FD: i32 = 4;

/// Most shards that a supervisor may have.
pub const MAX_SHARDS: u32 = 64;

/// File name of the worker's executable, beside the supervisor's own.
pub const WORKER_EXECUTABLE: &str = "sandbox-worker";

/// The arguments of a worker process, without its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerArgs {
    /// Number of event connections, 1 … [`MAX_SHARDS`].
    pub shards: u32,
    /// Whether to go on without a layer of the sandbox that this kernel does not give.
    pub best_effort: bool,
    /// V8's heap in bytes, so that a blank process can make its isolate with it; 0 leaves V8's own default. A bundle
    /// that asks for another limit takes another isolate.
    pub heap_bytes: u64,
    /// Private writable memory in bytes beyond what the process has when it starts; 0 for no limit.
    pub memory_bytes: u64,
    /// Threads that the process may have; 0 leaves the sandbox's own default.
    pub threads: u32,
    /// Whether nothing in the process is compiled to machine code.
    pub jitless: bool,
    /// Whether it was handed a descriptor to ask for modules by, after the event connections.
    pub modules: bool,
    /// Whether it was handed a descriptor for the lines of its log, after those.
    pub last_words: bool,
    /// Whether it was handed the file with the extensions' modules, after those.
    pub extensions: bool,
    /// The longest file, in bytes, of a process that was handed the directory of an actor, as the last descriptor;
    /// `None` for a process without storage. The supervisor starts none with storage yet.
    pub storage: Option<u64>,
    /// Whether a system call outside of the table is made and reported instead of ending the process. It protects nothing.
    pub seccomp_log: bool,
    /// Options for V8, each as V8 spells it (`--max-lazy`).
    pub v8_flags: Vec<String>,
}

/// Why the arguments of a worker process were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    /// Not an option that a worker process knows.
    #[error("unknown argument {0:?}: this program is started by `supervisor`, not by hand")]
    Unknown(OsString),
    /// `--shards` is absent.
    #[error("--shards=N is missing: this program is started by `supervisor`, not by hand")]
    NoShards,
    /// `--shards` is not a number in range.
    #[error("--shards={0}: expected a number from 1 to {MAX_SHARDS}")]
    BadShards(String),
}

impl WorkerArgs {
    /// The arguments to start a process with.
    pub fn to_argv(&self) -> Vec<OsString> {
        let mut argv = vec![OsString::from(format!("--shards={}", self.shards))];
        if self.best_effort {
            argv.push("--sandbox=best-effort".into());
        }
        if self.heap_bytes != 0 {
            argv.push(format!("--heap-bytes={}", self.heap_bytes).into());
        }
        if self.memory_bytes != 0 {
            argv.push(format!("--memory-bytes={}", self.memory_bytes).into());
        }
        if self.threads != 0 {
            argv.push(format!("--threads={}", self.threads).into());
        }
        if self.jitless {
            argv.push("--jitless".into());
        }
        if self.modules {
            argv.push("--modules".into());
        }
        if self.last_words {
            argv.push("--last-words".into());
        }
        if self.extensions {
            argv.push("--extensions".into());
        }
        if let Some(bytes) = self.storage {
            argv.push(format!("--storage={bytes}").into());
        }
        if self.seccomp_log {
            argv.push("--seccomp=log".into());
        }
        argv.extend(self.v8_flags.iter().map(|flag| OsString::from(format!("--v8-flag={flag}"))));
        argv
    }

    /// Reads what [`Self::to_argv`] wrote; `argv` is without the program's name.
    ///
    /// # Errors
    /// An argument is unknown, or the number of shards is missing or out of range.
    pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Self, ArgsError> {
        let mut shards = None;
        let mut v8_flags = Vec::new();
        let mut best_effort = false;
        let mut heap_bytes = 0;
        let mut memory_bytes = 0;
        let mut threads = 0;
        let mut jitless = false;
        let mut modules = false;
        let mut last_words = false;
        let mut extensions = false;
        let mut storage = None;
        let mut seccomp_log = false;
        for argument in argv {
            let Some(text) = argument.to_str() else { return Err(ArgsError::Unknown(argument)) };
            if let Some(number) = text.strip_prefix("--shards=") {
                let count = number.parse().ok().filter(|count| (1..=MAX_SHARDS).contains(count));
                shards = Some(count.ok_or_else(|| ArgsError::BadShards(number.to_owned()))?);
            } else if let Some(flag) = text.strip_prefix("--v8-flag=") {
                v8_flags.push(flag.to_owned());
            } else if let Some(number) = text.strip_prefix("--heap-bytes=") {
                heap_bytes = number.parse().map_err(|_| ArgsError::Unknown(argument.clone()))?;
            } else if let Some(number) = text.strip_prefix("--memory-bytes=") {
                memory_bytes = number.parse().map_err(|_| ArgsError::Unknown(argument.clone()))?;
            } else if let Some(number) = text.strip_prefix("--threads=") {
                threads = number.parse().map_err(|_| ArgsError::Unknown(argument.clone()))?;
            } else if text == "--jitless" {
                jitless = true;
            } else if text == "--modules" {
                modules = true;
            } else if text == "--last-words" {
                last_words = true;
            } else if text == "--extensions" {
                extensions = true;
            } else if let Some(number) = text.strip_prefix("--storage=") {
                storage = Some(number.parse().map_err(|_| ArgsError::Unknown(argument.clone()))?);
            } else if text == "--seccomp=log" {
                seccomp_log = true;
            } else if text == "--sandbox=best-effort" {
                best_effort = true;
            } else {
                return Err(ArgsError::Unknown(argument));
            }
        }
        let shards = shards.ok_or(ArgsError::NoShards)?;
        Ok(Self {
            shards,
            best_effort,
            heap_bytes,
            memory_bytes,
            threads,
            jitless,
            modules,
            last_words,
            extensions,
            storage,
            seccomp_log,
            v8_flags,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arguments_survive_the_trip(shards in 1..=MAX_SHARDS, best_effort: bool, jitless: bool, heap_bytes: u64, memory_bytes: u64, threads: u32, modules: bool, last_words: bool, extensions: bool, storage: Option<u64>, seccomp_log: bool, v8_flags in proptest::collection::vec("--[a-z=0-9-]{0,20}", 0..5)) {
            let args = WorkerArgs { shards, best_effort, heap_bytes, memory_bytes, threads, jitless, modules, last_words, extensions, storage, seccomp_log, v8_flags };
            prop_assert_eq!(WorkerArgs::parse(args.to_argv()), Ok(args));
        }
    }

    #[test]
    fn faulty_arguments_are_refused() {
        let parse = |argv: &[&str]| WorkerArgs::parse(argv.iter().map(OsString::from));
        assert_eq!(parse(&[]), Err(ArgsError::NoShards));
        for bad in ["0", "65", "-1", "x", "", "99999999999"] {
            assert_eq!(parse(&[&format!("--shards={bad}")]), Err(ArgsError::BadShards(bad.to_owned())));
        }
        assert_eq!(parse(&["--shards=1", "--shard"]), Err(ArgsError::Unknown("--shard".into())));
    }
}
