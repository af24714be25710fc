//! How a worker shuts itself in: [`prepare`] first, then V8, then [`Prepared::seal`].
//!
//! # What the caller must do, and when
//!
//! 1. Call [`prepare`] as the first thing in `main`, while the process has one thread. Landlock before its ABI 8 covers
//!    the calling thread and threads made later, so it must be in force before there is a second one: it is part of
//!    `prepare`, which a worker that opens no path can afford.
//! 2. Then initialise V8 on the main thread, before any other thread exists (memory protection keys are inherited when a
//!    thread is made), with `v8::V8::set_entropy_source`, an explicit number of platform threads and an explicit stack
//!    limit: `/dev/urandom`, `/sys/devices/system/cpu` and `/proc/self/maps` no longer exist for it. There is no
//!    `/etc/localtime` and no `TZ`, so that the time zone is UTC, as the platform promises.
//! 3. Build the async runtime, without a driver for signals: that makes a socket pair, and a process that owns both ends of one
//!    can do to the kernel's sockets what it likes.
//! 4. Call [`Prepared::seal`], which puts the system call filter on all threads. Only then read what a tenant wrote.
//!
//! Threads that V8 or the runtime start after that inherit everything.

mod attributes;
mod capabilities;
mod landlock;
mod namespaces;
mod rlimits;
mod uid;

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{FromRawFd, OwnedFd, RawFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    sync::atomic::{AtomicBool, Ordering},
};

pub use self::{landlock::landlock_abi, rlimits::Limits, uid::UidRange};
use crate::{
    filter,
    report::{Layer, Report, Status},
    sys,
    table::{Profile, Refusal},
};

/// Where a worker finds its directory when it has an empty root.
pub const DIRECTORY: &str = "/actor";

/// What to do when a layer cannot be put up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Fail unless every layer that [`Layer::required`] names is there. The default.
    #[default]
    Required,
    /// Go on with what there is and say so in the [`Report`].
    BestEffort,
}

/// A directory of the worker's own, for an actor's files.
///
/// Whoever starts the worker opens it and hands the descriptor over, after the others. `prepare` clones it into the empty
/// root as a mount of its own at [`DIRECTORY`], so that `..` and links lead nowhere; where there is no mount namespace the
/// descriptor stays, landlock alone keeps the worker inside, and the report says that `empty-root` is missing.
///
/// When the worker is started as root it becomes the *owner of the directory*, so that files outlive the process: whoever
/// makes the directory gives it to an id that no other tenant has (see [`UidRange::owner`]), with mode 0700.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The longest that one file can be, in bytes (`RLIMIT_FSIZE`). The sum over all files is for the supervisor to watch.
    pub file_bytes: u64,
}

/// What [`prepare`] is to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How many descriptors the process was handed, from 3 up.
    pub fds: usize,
    /// What to do when a layer is not to be had.
    pub mode: Mode,
    /// Where to take a user id from when started as root.
    pub uids: UidRange,
    /// Resource limits.
    pub limits: Limits,
    /// Whether one more descriptor was handed over, after the [`fds`](Self::fds): a directory.
    pub storage: Option<Storage>,
    /// Layers that are left out, so that tests can see what each of them stops. The pid namespace is not among them:
    /// whoever starts the worker decides about that.
    #[cfg(feature = "probes")]
    pub without: Vec<Layer>,
}

impl Options {
    #[cfg(feature = "probes")]
    fn leaves_out(&self, layer: Layer) -> bool {
        self.without.contains(&layer)
    }

    #[cfg(not(feature = "probes"))]
    fn leaves_out(&self, _: Layer) -> bool {
        false
    }

    /// Puts up one layer, unless it is to be left out.
    fn put_up(&self, report: &mut Report, layer: Layer, how: impl FnOnce() -> Status) {
        let left_out = || Status::Missing("left out for a test".into());
        report.set(layer, if self.leaves_out(layer) { left_out() } else { how() });
    }
}

/// Why the sandbox could not be shut. A worker that gets one must exit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// The environment holds something: somebody else than the supervisor started this process.
    #[error("the sandbox was not shut: the environment has {0} variables; start workers through `supervisor`")]
    EnvironmentNotEmpty(usize),
    /// `prepare` was called before.
    #[error("the sandbox was not shut: prepare was called twice")]
    Twice,
    /// A descriptor that should have been handed over is not open.
    #[error("the sandbox was not shut: descriptor {0} is not open; start workers through `supervisor`")]
    MissingDescriptor(RawFd),
    /// There is already a second thread, which landlock would not cover.
    #[error("the sandbox was not shut: the process already has {0} threads; prepare must come first in main")]
    Threads(usize),
    /// A required layer is not to be had.
    #[error("the sandbox was not shut: {layer} is required and missing ({detail}); {}", layer.how_to_get())]
    Required {
        /// The layer.
        layer: Layer,
        /// Why it is missing.
        detail: String,
    },
    /// The directory that was handed over cannot be the worker's.
    #[error(
        "the sandbox was not shut: the directory belongs to user {0}, who is none of the workers' users; give it to one of \
         theirs"
    )]
    DirectoryOwner(u32),
    /// What was handed over as the directory is something else.
    #[error("the sandbox was not shut: what was handed over as the directory is not one")]
    NotADirectory,
    /// There is a directory, and neither an empty root nor landlock to keep the worker inside of it.
    #[error("the sandbox was not shut: neither a mount namespace nor landlock keeps the worker in its directory")]
    NothingHoldsIt,
    /// The process would be left half in and half out.
    #[error("the sandbox was not shut: {step} failed: {source}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The filter could not be built or installed.
    #[error("the sandbox was not shut: seccomp: {source}; {}", Layer::Seccomp.how_to_get())]
    Seccomp {
        /// What failed.
        #[from]
        source: filter::FilterError,
    },
}

/// A process that has gone through [`prepare`] and must still [`seal`](Prepared::seal).
#[must_use = "a process that was prepared and not sealed has no system call filter"]
#[derive(Debug)]
pub struct Prepared {
    mode: Mode,
    report: Report,
    descriptors: Vec<OwnedFd>,
    directory: Option<OwnedFd>,
    limits: Limits,
    /// `/proc/self/statm`, which cannot be opened any more.
    statm: io::Result<File>,
    without_limits: bool,
    without_filter: bool,
}

impl Prepared {
    /// The layers so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Puts the system call filter of `profile` on every thread of the process, and gives out what it was handed.
    ///
    /// # Errors
    /// [`EnterError::Seccomp`] in [`Mode::Required`]. In [`Mode::BestEffort`] the report says that it is missing.
    pub fn seal(mut self, profile: Profile, refusal: Refusal) -> Result<Sealed, EnterError> {
        if !self.without_limits {
            self.limit_memory()?;
        }
        if !self.without_filter {
            let status = match filter::install(profile, refusal) {
                Ok(()) if refusal == Refusal::Log => Status::Partial("log mode: calls are logged, not refused".into()),
                Ok(()) => Status::Enforced,
                Err(error) if self.mode == Mode::Required => return Err(error.into()),
                Err(error) => Status::Missing(error.to_string()),
            };
            self.report.set(Layer::Seccomp, status);
        }
        Ok(Sealed { report: self.report, descriptors: self.descriptors, directory: self.directory })
    }
}

/// A process that is shut. What it was handed comes from here and from nowhere else, so that nothing is read before.
///
/// ```compile_fail
/// fn too_early(mut prepared: bulkhead_policy::enter::Prepared) {
///     prepared.take_descriptors();
/// }
/// ```
///
/// ```
/// fn in_time(mut sealed: bulkhead_policy::enter::Sealed) {
///     sealed.take_descriptors();
/// }
/// ```
#[derive(Debug)]
pub struct Sealed {
    report: Report,
    descriptors: Vec<OwnedFd>,
    directory: Option<OwnedFd>,
}

impl Sealed {
    /// The descriptors that the process was handed, from 3 up, in order. Empty when called again;
    /// those that are not taken are closed with this.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// The worker's directory, opened for reading: the one at [`DIRECTORY`], or without an empty root the one that was
    /// handed over. `None` without [`Options::storage`], and when called again; it is
    /// closed with this if it was not taken.
    pub fn take_directory(&mut self) -> Option<OwnedFd> {
        self.directory.take()
    }

    /// All layers.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// Shuts every layer but the system call filter. See the [module](self) for when to call it.
///
/// # Errors
/// See [`EnterError`]. After an error the process is in an undefined state between open and shut: exit.
pub fn prepare(options: &Options) -> Result<Prepared, EnterError> {
    static ONCE: AtomicBool = AtomicBool::new(false);
    if ONCE.swap(true, Ordering::Relaxed) {
        return Err(EnterError::Twice);
    }
    let mut report = Report::default();

    empty_environment(&mut report)?;
    let mut descriptors = descriptors(options, &mut report)?;
    let handed = options.storage.map(|_| descriptors.pop().expect("it was counted")).map(File::from);
    let owner = handed.as_ref().map(owner_of).transpose()?;
    one_thread()?;

    options.put_up(&mut report, Layer::NoNewPrivs, || from(sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)));

    // Taken now, because there is no /proc later: the id maps, and our process id as the supervisor sees it.
    let proc_self = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open("/proc/self")
        .map(OwnedFd::from);
    let outer_pid: Option<u32> = std::fs::read_link("/proc/self").ok().and_then(|target| target.to_str()?.parse().ok());

    let statm = File::open("/proc/self/statm");
    options.put_up(&mut report, Layer::Rlimits, || rlimits::at_start(options));
    namespaces::pid_namespace(&mut report)?;
    namespaces::namespaces(options, proc_self.as_ref().ok(), handed.as_ref(), &mut report);
    let directory = as_it_is_now(handed, &report)?;
    attributes::detach(directory.is_some());

    // While we may still be root: afterwards the permission to drop from the bounding set is gone.
    if !options.leaves_out(Layer::Capabilities) {
        let _ = capabilities::drop_bounding_set();
    }
    if !options.leaves_out(Layer::Uid) {
        report.set(Layer::Uid, uid::own_uid(options.uids, outer_pid, owner)?);
    }
    options.put_up(&mut report, Layer::UserNamespace, || {
        from(match &proc_self {
            Ok(dir) => namespaces::user_namespace(dir),
            Err(error) => Err(io::Error::new(error.kind(), "there is no /proc")),
        })
    });
    drop(proc_self);
    options.put_up(&mut report, Layer::Capabilities, capabilities::capabilities);
    options.put_up(&mut report, Layer::Process, || from(attributes::process_attributes()));
    options.put_up(&mut report, Layer::Landlock, || landlock::landlock(directory.as_ref()));

    if directory.is_some() && !held(&report) && !options.leaves_out(Layer::Landlock) {
        return Err(EnterError::NothingHoldsIt);
    }
    if options.mode == Mode::Required {
        nothing_required_is_missing(&report)?;
    }
    Ok(Prepared {
        mode: options.mode,
        report,
        descriptors,
        directory: directory.map(OwnedFd::from),
        limits: options.limits,
        statm,
        without_limits: options.leaves_out(Layer::Rlimits),
        without_filter: options.leaves_out(Layer::Seccomp),
    })
}

fn empty_environment(report: &mut Report) -> Result<(), EnterError> {
    let variables = std::env::vars_os().count();
    if variables != 0 {
        return Err(EnterError::EnvironmentNotEmpty(variables));
    }
    report.set(Layer::Environment, Status::Enforced);
    Ok(())
}

/// The user to whom the directory belongs.
fn owner_of(directory: &File) -> Result<u32, EnterError> {
    let metadata =
        directory.metadata().map_err(|source| EnterError::Step { step: "looking at the directory", source })?;
    if !metadata.is_dir() {
        return Err(EnterError::NotADirectory);
    }
    Ok(metadata.uid())
}

fn one_thread() -> Result<(), EnterError> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(EnterError::Threads(threads));
    }
    Ok(())
}

/// The directory where it is once there is an empty root.
fn as_it_is_now(handed: Option<File>, report: &Report) -> Result<Option<File>, EnterError> {
    Ok(match handed {
        Some(outside) if report.get(Layer::EmptyRoot) == Some(&Status::Enforced) => {
            // It leads out of the root through `..`.
            drop(outside);
            Some(File::open(DIRECTORY).map_err(|source| EnterError::Step { step: "opening the directory", source })?)
        }
        handed => handed,
    })
}

fn nothing_required_is_missing(report: &Report) -> Result<(), EnterError> {
    for (layer, status) in report.iter() {
        if let Status::Missing(detail) = status
            && layer.required()
        {
            return Err(EnterError::Required { layer, detail: detail.clone() });
        }
    }
    Ok(())
}

/// Whether something keeps a worker with a directory in it.
fn held(report: &Report) -> bool {
    [Layer::EmptyRoot, Layer::Landlock]
        .into_iter()
        .any(|layer| matches!(report.get(layer), Some(Status::Enforced | Status::Partial(_))))
}

fn from(result: io::Result<()>) -> Status {
    match result {
        Ok(()) => Status::Enforced,
        Err(error) => Status::Missing(error.to_string()),
    }
}

impl Options {
    /// How many descriptors were handed over, from 3 up.
    fn handed(&self) -> usize {
        self.fds + usize::from(self.storage.is_some())
    }
}

fn descriptors(options: &Options, report: &mut Report) -> Result<Vec<OwnedFd>, EnterError> {
    let end = 3 + options.handed() as RawFd;
    for fd in 0..end {
        // SAFETY: asks about a number, open or not.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            return Err(EnterError::MissingDescriptor(fd));
        }
    }
    options.put_up(report, Layer::Descriptors, || from(sys::close_range(end, 0)));
    // SAFETY: they are open, as was just seen, and nobody else owns them: this is the first thing in `main` and happens
    // once, so all that is open above 2 was handed over by the supervisor.
    Ok((3..end).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_with_a_directory_is_held_by_one_of_two_layers() {
        let (missing, partial) = (Status::Missing("x".into()), Status::Partial("x".into()));
        for (root, landlock, expected) in [
            (&Status::Enforced, &missing, true),
            (&missing, &Status::Enforced, true),
            (&missing, &partial, true),
            (&missing, &missing, false),
        ] {
            let mut report = Report::default();
            assert!(!held(&report));
            report.set(Layer::EmptyRoot, root.clone());
            report.set(Layer::Landlock, landlock.clone());
            assert_eq!(held(&report), expected, "{root:?} {landlock:?}");
        }
    }
}
