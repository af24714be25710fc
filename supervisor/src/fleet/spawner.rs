//! How a process comes into being. A trait, so that the fleet can be tested with processes that misbehave to order.

use std::{
    cell::OnceCell,
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixStream},
    },
    rc::Rc,
    sync::Arc,
};

use bulkhead_ipc::{process::WorkerArgs, transport::MAX_CHUNK};
use bulkhead_policy::{
    cgroup::{CgroupLimits, Delegation, WorkerCgroup},
    spawn::{Exit, Program, SharedBytes, WorkerCommand, WorkerProcess},
};
use socket2::SockRef;
use tokio::io::unix::AsyncFd;

use super::{decide::Usage, usage};
use crate::{config::policy::WorkerPolicy, service::LocalFuture};

/// A process that was started, with our ends of what it was given.
pub struct Spawned {
    /// The process itself.
    pub process: Box<dyn Process>,
    /// The control connection.
    pub control: UnixStream,
    /// The event connection of each shard.
    pub events: Vec<UnixStream>,
    /// Where the process asks for modules, if it was started to.
    pub modules: Option<UnixStream>,
    /// Where the lines of its log come at once, if it was started to send them.
    pub last_words: Option<UnixDatagram>,
    /// Read end of the diagnostic pipe.
    pub diagnostics: OwnedFd,
    /// Says what the process has used; after its end, what it had used until then.
    pub meter: Meter,
}

/// Reads what a process has used so far, or says in one line why that cannot be known.
pub type Meter = Box<dyn Fn() -> Result<Usage, String>>;

/// Starts processes.
pub trait Spawner: Send {
    /// Starts one with the given arguments. Called on the fleet's own thread; may block as long as an `execve` does.
    ///
    /// # Errors
    /// One line that names the step that failed.
    fn spawn(&mut self, args: &WorkerArgs) -> Result<Spawned, String>;
}

/// A process that can be watched and killed. Dropping it kills it.
pub trait Process {
    /// Its number, for the log.
    fn pid(&self) -> i32;

    /// Kills it; no error if it has already ended.
    fn kill(&self);

    /// Whether the kernel ended it because all processes of its cgroup together had too much memory.
    fn ran_out_of_memory(&self) -> bool {
        false
    }

    /// Waits for its end; `None` if that cannot be known. May be dropped and called again.
    fn wait(&mut self) -> LocalFuture<'_, Option<Exit>>;
}

/// What a process has to be started with so that a worker with this policy can be bound in it; `common` holds what is the
/// same for all workers.
pub(super) fn arguments(policy: &WorkerPolicy, common: &WorkerArgs) -> WorkerArgs {
    WorkerArgs {
        heap_bytes: policy.heap_bytes,
        memory_bytes: policy.memory_bytes,
        threads: policy.threads,
        jitless: policy.jitless,
        ..common.clone()
    }
}

/// Starts the real worker.
pub struct ProcessSpawner {
    /// The worker's program.
    pub program: Program,
    /// Where each process gets a cgroup of its own, if the machine lets it.
    pub cgroups: Option<Arc<Delegation>>,
    /// What processes are handed that are started with `extensions`.
    pub extensions: Option<SharedBytes>,
}

/// What a cgroup may have beyond the limit on the worker's own memory: the program, page tables, socket buffers, what V8
/// has when it starts.
const CGROUP_BASE: u64 = 256 << 20;

/// Processors that one worker may keep busy: its script and V8's helper.
const CGROUP_CPU_MILLIS: u32 = 2000;

/// The limits of a process's cgroup: outside of its own, so that those speak first.
fn cgroup_limits(args: &WorkerArgs) -> CgroupLimits {
    CgroupLimits {
        memory_bytes: (args.memory_bytes != 0).then(|| args.memory_bytes.saturating_add(CGROUP_BASE)),
        threads: args.threads.into(),
        cpu_millis: Some(CGROUP_CPU_MILLIS),
    }
}

impl Spawner for ProcessSpawner {
    fn spawn(&mut self, args: &WorkerArgs) -> Result<Spawned, String> {
        let pair = || -> Result<(UnixStream, UnixStream), String> {
            let (ours, theirs) = UnixStream::pair().map_err(|e| format!("making a socketpair failed: {e}"))?;
            for end in [&ours, &theirs] {
                end.set_nonblocking(true).map_err(|e| format!("making a socket non-blocking failed: {e}"))?;
            }
            Ok((ours, theirs))
        };
        let (control, their_control) = pair()?;
        let mut fds = vec![OwnedFd::from(their_control)];
        let mut events = Vec::new();
        for _ in 0..args.shards {
            let (ours, theirs) = pair()?;
            for end in [&ours, &theirs] {
                // A chunk of a body is written at once. Where the system allows less, it takes more writes.
                let _ = SockRef::from(end).set_send_buffer_size(MAX_CHUNK as usize);
            }
            events.push(ours);
            fds.push(theirs.into());
        }
        let modules = if args.modules {
            let (ours, theirs) = UnixStream::pair().map_err(|e| format!("making a socketpair failed: {e}"))?;
            // The process waits for its answers.
            ours.set_nonblocking(true).map_err(|e| format!("making a socket non-blocking failed: {e}"))?;
            fds.push(theirs.into());
            Some(ours)
        } else {
            None
        };
        let last_words = if args.last_words {
            let (ours, theirs) = UnixDatagram::pair().map_err(|e| format!("making a socketpair failed: {e}"))?;
            ours.set_nonblocking(true).map_err(|e| format!("making a socket non-blocking failed: {e}"))?;
            fds.push(theirs.into());
            Some(ours)
        } else {
            None
        };
        if args.extensions {
            let shared = self.extensions.as_ref().ok_or("there are no extensions")?;
            fds.push(shared.open().map_err(|e| format!("opening the extensions failed: {e}"))?);
        }
        let (diagnostics, their_diagnostics) =
            std::io::pipe().map_err(|e| format!("making the diagnostic pipe failed: {e}"))?;
        let mut command = WorkerCommand::new(self.program.clone(), their_diagnostics.into());
        command.args = args.to_argv();
        command.fds = fds;
        let cgroup = match &self.cgroups {
            Some(cgroups) => {
                let cgroup = cgroups.worker(&cgroup_limits(args)).map_err(|error| error.to_string())?;
                command.cgroup = Some(cgroup.procs().map_err(|error| error.to_string())?);
                Some(cgroup)
            }
            None => None,
        };
        let process = command.spawn().map_err(|error| error.to_string())?;
        // The function is deprecated because its argument could change its descriptor, and the new one is unsafe for that
        // reason; a process keeps its pidfd until it is dropped, and this crate contains no unsafe code.
        #[expect(deprecated)]
        let process = AsyncFd::new(process).map_err(|e| format!("watching the process failed: {e}"))?;
        let pid = process.get_ref().pid();
        let last = Rc::new(OnceCell::new());
        let at_end = last.clone();
        // The number is another process's as soon as this one was waited for.
        let program = self.program.memory_bytes();
        let meter: Meter = Box::new(move || last.get().cloned().unwrap_or_else(|| usage::read(pid, program)));
        let process = Box::new(Watched { process, cgroup, program, at_end });
        Ok(Spawned { process, control, events, modules, last_words, diagnostics: diagnostics.into(), meter })
    }
}

/// The process goes before its cgroup, which cannot be removed before.
struct Watched {
    process: AsyncFd<WorkerProcess>,
    cgroup: Option<WorkerCgroup>,
    /// Bytes of its program that count as its memory and are not.
    program: u64,
    /// What it had used at its end.
    at_end: Rc<OnceCell<Result<Usage, String>>>,
}

impl Process for Watched {
    fn pid(&self) -> i32 {
        self.process.get_ref().pid()
    }

    fn kill(&self) {
        // It can only fail when the process is gone already.
        let _ = self.process.get_ref().kill();
    }

    fn ran_out_of_memory(&self) -> bool {
        self.cgroup.as_ref().is_some_and(WorkerCgroup::ran_out_of_memory)
    }

    fn wait(&mut self) -> LocalFuture<'_, Option<Exit>> {
        Box::pin(async move {
            loop {
                let mut ready = match self.process.readable_mut().await {
                    Ok(ready) => ready,
                    Err(_) => return None,
                };
                // It has ended, and its number is its own until it is waited for.
                let used = usage::read(ready.get_inner().pid(), self.program);
                match ready.get_inner_mut().try_wait() {
                    Ok(Some(exit)) => {
                        let _ = self.at_end.set(used);
                        return Some(exit);
                    }
                    Ok(None) => ready.clear_ready(),
                    Err(_) => return None,
                }
            }
        })
    }
}
