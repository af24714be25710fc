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

use std::{
    ffi::CStr,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    sync::atomic::{AtomicBool, Ordering},
};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope,
};

use crate::{
    filter,
    report::{Layer, Report, Status},
    spawn::ABORTED_AS_INIT,
    sys::{self, check},
    table::{Ceiling, LIMITS, Profile, RIGHTS, Right},
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

/// Where the user ids of workers lie when the supervisor is root.
///
/// A worker without storage takes `base` plus its process id as the supervisor's namespace numbers it: no two live
/// processes share it, nothing has to be allocated or given back, and two supervisors in one pid namespace do not
/// collide (those in different ones can: `docs/security/threat-model.md`). The ids above the largest process id are for
/// the owners of directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    /// The first id. The range is twice as long as there are process ids.
    pub base: u32,
}

impl UidRange {
    /// The kernel's largest process id is below this.
    const PIDS: u32 = 1 << 22;

    /// The user id number `number` of those that own directories, or `None` when there are not as many.
    pub fn owner(self, number: u32) -> Option<u32> {
        if number < Self::PIDS { self.base.checked_add(Self::PIDS)?.checked_add(number) } else { None }
    }

    /// Whether a user id is one that a directory of a worker may belong to.
    pub fn owns_directories(self, uid: u32) -> bool {
        uid.checked_sub(self.base).is_some_and(|offset| (Self::PIDS..2 * Self::PIDS).contains(&offset))
    }
}

impl Default for UidRange {
    /// From 1,879,048,192, which systemd's table of user ids lists as unused.
    fn default() -> Self {
        Self { base: 0x7000_0000 }
    }
}

/// Resource limits, soft and hard alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open descriptors, beyond the ones handed over.
    pub extra_fds: u64,
    /// Threads and processes of the worker's user id. Meaningful when it has a user id or user namespace of its own.
    pub threads: u64,
    /// Bytes of private writable memory (`RLIMIT_DATA`) beyond what the process has mapped when it is sealed, or `None` for
    /// no limit.
    pub data: Option<u64>,
    /// Bytes of address space (`RLIMIT_AS`) beyond what the process has mapped when it is sealed, or `None` for no limit. V8
    /// reserves much more than it uses, so this bounds no memory by itself. What it bounds are page tables, which no other
    /// rlimit counts: one page for each two megabytes that are touched, if only to read the zeroes that are there.
    pub address_space: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { extra_fds: 32, threads: 64, data: None, address_space: None }
    }
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
    /// The longest that one file can be, in bytes (`RLIMIT_FSIZE`). The sum over all files is for the supervisor to watch:
    /// see [`crate::storage`].
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

/// What the filter does with a call that no row of the table permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Write one line that names the call to descriptor 2 and die by `SIGSYS`.
    #[default]
    Kill,
    /// Let it pass, and write one line that names it to descriptor 2 when it is the first with its number. For finding
    /// rows that are missing. It protects nothing.
    Log,
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
    /// The descriptors that the process was handed, from 3 up, in order. Empty when called again.
    /// [`Prepared::seal`] closes those that were not taken.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// The worker's directory, opened for reading: the one at [`DIRECTORY`], or without an empty root the one that was
    /// handed over. `None` without [`Options::storage`], and when called again. [`Prepared::seal`] closes it if it was not
    /// taken.
    pub fn take_directory(&mut self) -> Option<OwnedFd> {
        self.directory.take()
    }

    /// The layers so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Puts the system call filter of `profile` on every thread of the process.
    ///
    /// # Errors
    /// [`EnterError::Seccomp`] in [`Mode::Required`]. In [`Mode::BestEffort`] the report says that it is missing.
    pub fn seal(mut self, profile: Profile, refusal: Refusal) -> Result<Report, EnterError> {
        if !self.without_limits {
            self.limit_memory()?;
        }
        if self.without_filter {
            return Ok(self.report);
        }
        let status = match filter::install(profile, refusal) {
            Ok(()) if refusal == Refusal::Log => Status::Partial("log mode: calls are logged, not refused".into()),
            Ok(()) => Status::Enforced,
            Err(error) if self.mode == Mode::Required => return Err(error.into()),
            Err(error) => Status::Missing(error.to_string()),
        };
        self.report.set(Layer::Seccomp, status);
        Ok(self.report)
    }

    /// The limits that count from what the engine has mapped by now.
    fn limit_memory(&mut self) -> Result<(), EnterError> {
        let limits = self.limits;
        if limits.data.is_none() && limits.address_space.is_none() {
            return Ok(());
        }
        let detail = match self
            .statm
            .as_mut()
            .map_err(|error| error.to_string())
            .and_then(|statm| mapped(statm).map_err(|error| error.to_string()))
        {
            Ok((size, data)) => match rlimits(|ceiling| match ceiling {
                Ceiling::Data => limits.data.map(|more| data.saturating_add(more)),
                Ceiling::AddressSpace => limits.address_space.map(|more| size.saturating_add(more)),
                _ => None,
            }) {
                Status::Enforced => return Ok(()),
                status => status.detail().to_owned(),
            },
            Err(error) => format!("/proc/self/statm: {error}"),
        };
        self.report.set(Layer::Rlimits, Status::Missing(detail.clone()));
        match self.mode {
            Mode::Required => Err(EnterError::Required { layer: Layer::Rlimits, detail }),
            Mode::BestEffort => Ok(()),
        }
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

    let variables = std::env::vars_os().count();
    if variables != 0 {
        return Err(EnterError::EnvironmentNotEmpty(variables));
    }
    report.set(Layer::Environment, Status::Enforced);

    let mut descriptors = descriptors(options, &mut report)?;
    let handed = options.storage.map(|_| descriptors.pop().expect("it was counted")).map(File::from);
    let owner = match &handed {
        None => None,
        Some(directory) => {
            let metadata =
                directory.metadata().map_err(|source| EnterError::Step { step: "looking at the directory", source })?;
            if !metadata.is_dir() {
                return Err(EnterError::NotADirectory);
            }
            Some(metadata.uid())
        }
    };

    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(EnterError::Threads(threads));
    }

    options.put_up(&mut report, Layer::NoNewPrivs, || from(sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)));

    // Taken now, because there is no /proc later: the id maps, and our process id as the supervisor sees it.
    let proc_self = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open("/proc/self")
        .map(OwnedFd::from);
    let outer_pid: Option<u32> = std::fs::read_link("/proc/self").ok().and_then(|target| target.to_str()?.parse().ok());

    let statm = File::open("/proc/self/statm");
    options.put_up(&mut report, Layer::Rlimits, || {
        let limits = rlimits(|ceiling| match ceiling {
            Ceiling::Of(value) => Some(value),
            Ceiling::Descriptors => Some(3 + options.handed() as u64 + options.limits.extra_fds),
            Ceiling::Threads => Some(options.limits.threads),
            Ceiling::FileBytes => Some(options.storage.map_or(0, |storage| storage.file_bytes)),
            // When the process is sealed.
            Ceiling::Data | Ceiling::AddressSpace => None,
        });
        // Where memory runs out all the same, this process goes, and not the supervisor or a neighbour.
        match std::fs::write("/proc/self/oom_score_adj", "1000") {
            Err(error) if limits == Status::Enforced => Status::Partial(format!("oom_score_adj: {error}")),
            _ => limits,
        }
    });
    pid_namespace(&mut report)?;
    namespaces(options, proc_self.as_ref().ok(), handed.as_ref(), &mut report);
    let directory = match handed {
        Some(outside) if report.get(Layer::EmptyRoot) == Some(&Status::Enforced) => {
            // It leads out of the root through `..`.
            drop(outside);
            Some(File::open(DIRECTORY).map_err(|source| EnterError::Step { step: "opening the directory", source })?)
        }
        handed => handed,
    };
    // SAFETY: these only change attributes of the process. setsid fails in a process that already leads its group.
    unsafe {
        libc::umask(0o077);
        libc::setsid();
        if directory.is_some() {
            // A file at its quota is an error for the database, not the end of the process.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        }
    }

    // While we may still be root: afterwards the permission to drop from the bounding set is gone.
    if !options.leaves_out(Layer::Capabilities) {
        let _ = drop_bounding_set();
    }
    if !options.leaves_out(Layer::Uid) {
        report.set(Layer::Uid, own_uid(options.uids, outer_pid, owner)?);
    }
    options.put_up(&mut report, Layer::UserNamespace, || {
        from(match &proc_self {
            Ok(dir) => user_namespace(dir),
            Err(error) => Err(io::Error::new(error.kind(), "there is no /proc")),
        })
    });
    drop(proc_self);
    options.put_up(&mut report, Layer::Capabilities, capabilities);
    options.put_up(&mut report, Layer::Process, || from(process_attributes()));
    options.put_up(&mut report, Layer::Landlock, || landlock(directory.as_ref()));

    if directory.is_some() && !held(&report) && !options.leaves_out(Layer::Landlock) {
        return Err(EnterError::NothingHoldsIt);
    }
    if options.mode == Mode::Required {
        for (layer, status) in report.iter() {
            if let Status::Missing(detail) = status
                && layer.required()
            {
                return Err(EnterError::Required { layer, detail: detail.clone() });
            }
        }
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

/// Sets the limits of the table for which `value` has one.
fn rlimits(value: impl Fn(Ceiling) -> Option<u64>) -> Status {
    let wanted: Vec<_> = LIMITS.iter().filter_map(|row| Some((row.name, row.resource, value(row.ceiling)?))).collect();
    let failed: Vec<_> = wanted
        .iter()
        .filter_map(|(name, resource, value)| Some(format!("{name}: {}", sys::setrlimit(*resource, *value).err()?)))
        .collect();
    if failed.is_empty() {
        Status::Enforced
    } else if failed.len() == wanted.len() {
        Status::Missing(failed.join(", "))
    } else {
        Status::Partial(failed.join(", "))
    }
}

/// Address space and private writable memory of this process in bytes, from its `/proc/self/statm` (proc(5)).
fn mapped(statm: &mut File) -> io::Result<(u64, u64)> {
    let mut text = String::new();
    statm.read_to_string(&mut text)?;
    // SAFETY: reads a constant of the system.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let field = |at| text.split(' ').nth(at).and_then(|pages| pages.parse::<u64>().ok()).map(|pages| pages * page);
    field(0).zip(field(5)).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has another form"))
}

fn pid_namespace(report: &mut Report) -> Result<(), EnterError> {
    if std::process::id() != 1 {
        report.set(
            Layer::PidNamespace,
            Status::Missing("the supervisor was not permitted to make a pid namespace".into()),
        );
        return Ok(());
    }
    // The kernel drops a SIGABRT that the init of a pid namespace sends itself and has no handler for.
    // SAFETY: an all-zero sigaction is valid; the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_abort as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_ONSTACK;
        check(libc::sigaction(libc::SIGABRT, &action, std::ptr::null_mut()))
            .map_err(|source| EnterError::Step { step: "installing the SIGABRT handler", source })?;
    }
    report.set(Layer::PidNamespace, Status::Enforced);
    Ok(())
}

extern "C" fn on_abort(_: libc::c_int) {
    // SAFETY: async-signal-safe, does not return.
    unsafe { libc::_exit(ABORTED_AS_INIT) }
}

/// Mount, network, IPC and host name namespaces, and the empty root.
fn namespaces(options: &Options, proc_self: Option<&OwnedFd>, directory: Option<&File>, report: &mut Report) {
    let unshare = |flag| {
        // SAFETY: the process has one thread and no memory is involved.
        check(unsafe { libc::unshare(flag) }).map(drop)
    };
    let mounts = || {
        // SAFETY: these cannot fail.
        let ids = unsafe { (libc::geteuid(), libc::getegid()) };
        // A mount namespace can clone only mounts that are its own. The working directory is carried along when it is
        // made, and so becomes one of those.
        if let Some(directory) = directory {
            // SAFETY: a descriptor that is open.
            check(unsafe { libc::fchdir(directory.as_raw_fd()) })?;
        }
        if let Err(error) = unshare(libc::CLONE_NEWNS) {
            // Not root and not in a user namespace yet: in one of our own we may.
            let Some(dir) = proc_self else { return Err(error) };
            if unshare(libc::CLONE_NEWUSER).is_err() {
                return Err(error);
            }
            map_ids(dir, 0, ids.0, ids.1)?;
            unshare(libc::CLONE_NEWNS)?;
        }
        empty_root(directory.is_some())
    };
    options.put_up(report, Layer::EmptyRoot, || {
        let result = mounts();
        if result.is_err() {
            // SAFETY: a NUL-terminated string. Where it fails there is nothing better to be in.
            unsafe { libc::chdir(c"/".as_ptr()) };
        }
        from(result)
    });
    options.put_up(report, Layer::NetNamespace, || from(unshare(libc::CLONE_NEWNET)));
    options.put_up(report, Layer::IpcNamespace, || from(unshare(libc::CLONE_NEWIPC)));
    options.put_up(report, Layer::UtsNamespace, || from(unshare(libc::CLONE_NEWUTS)));
}

/// Makes an empty read-only file system the root and lets go of everything else. With `directory`, what was the working
/// directory is the one thing in it.
fn empty_root(directory: bool) -> io::Result<()> {
    const HARDENED: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // Nothing we mount or unmount may reach the namespace we came from.
    sys::mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    let tree = if directory { Some(sys::clone_working_directory()?) } else { None };
    // /proc is a directory that is there on every machine; what it holds is not needed any more.
    let target = c"/proc";
    let data = if directory { c"size=4k,nr_inodes=3,mode=0555" } else { c"size=4k,nr_inodes=2,mode=0555" };
    sys::mount(Some(c"none"), target, Some(c"tmpfs"), HARDENED, Some(data))?;
    let chdir = |path: &CStr| {
        // SAFETY: a NUL-terminated string.
        check(unsafe { libc::chdir(path.as_ptr()) }).map(drop)
    };
    chdir(target)?;
    let name = DIRECTORY.trim_start_matches('/');
    if let Some(tree) = tree {
        std::fs::create_dir(name)?;
        sys::attach_mount(&tree, name)?;
    }
    // With both arguments ".", the old root ends up on top of the new one, from where it is detached: see pivot_root(2).
    // SAFETY: NUL-terminated strings.
    unsafe {
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
    }
    chdir(c"/")?;
    sys::mount(None, c"/", None, libc::MS_REMOUNT | libc::MS_RDONLY | HARDENED, None)?;
    let found = std::fs::read_dir("/")?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    if found.iter().any(|found| !directory || found != name) {
        return Err(io::Error::other("the new root is not empty"));
    }
    Ok(())
}

/// Gives up root for a user id that no other tenant has: the `owner` of the directory, or without one an id that no other
/// process has.
fn own_uid(uids: UidRange, outer_pid: Option<u32>, owner: Option<u32>) -> Result<Status, EnterError> {
    // SAFETY: cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(Status::Missing("the supervisor is not root: the worker has its user".into()));
    }
    let own = outer_pid.and_then(|pid| uids.base.checked_add(pid));
    let Some(id) = owner.filter(|owner| uids.owns_directories(*owner)).or(own) else {
        return Ok(Status::Missing("the process id is not to be had from /proc/self".into()));
    };
    let step = |step| move |source| EnterError::Step { step, source };
    // SAFETY: a null list of length zero, and plain integers. Groups go first: afterwards we may not.
    unsafe {
        if let Err(error) = check(libc::setresgid(id, id, id)) {
            // EINVAL: root only inside a user namespace that maps nobody else.
            return Ok(Status::Missing(format!("user id {id} is not to be had here ({error})")));
        }
        // Only now, because in a user namespace that maps nobody else the directory of the one user seems to be root's.
        if let Some(owner) = owner.filter(|owner| *owner != id) {
            return Err(EnterError::DirectoryOwner(owner));
        }
        check(libc::setgroups(0, std::ptr::null())).map_err(step("setgroups"))?;
        check(libc::setresuid(id, id, id)).map_err(step("setresuid"))?;
        let (mut real, mut effective, mut saved) = (0, 0, 0);
        check(libc::getresuid(&mut real, &mut effective, &mut saved)).map_err(step("getresuid"))?;
        if [real, effective, saved] != [id; 3] || libc::setuid(0) == 0 {
            return Err(step("giving up root")(io::Error::from_raw_os_error(libc::EPERM)));
        }
    }
    Ok(Status::Enforced)
}

/// A user namespace that knows no user but ours and owns none of the other namespaces.
fn user_namespace(proc_self: &OwnedFd) -> io::Result<()> {
    // Changing the user made our /proc entries root's, and we are about to write to them.
    sys::prctl(libc::PR_SET_DUMPABLE, 1, 0)?;
    // SAFETY: cannot fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    // SAFETY: the process has one thread and no memory is involved.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) })?;
    map_ids(proc_self, uid, uid, gid)
}

fn map_ids(proc_self: &OwnedFd, inside: u32, uid: u32, gid: u32) -> io::Result<()> {
    let write = |name: &CStr, text: String| {
        // SAFETY: a NUL-terminated name relative to an open directory; the new descriptor is ours alone.
        let fd = unsafe {
            check(libc::openat(proc_self.as_raw_fd(), name.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))
                .map(|fd| OwnedFd::from_raw_fd(fd))
        }?;
        File::from(fd).write_all(text.as_bytes())
    };
    write(c"setgroups", "deny".into())?;
    write(c"uid_map", format!("{inside} {uid} 1\n"))?;
    write(c"gid_map", format!("{inside} {gid} 1\n"))
}

fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        match sys::prctl(libc::PR_CAPBSET_READ, capability, 0) {
            Ok(1) => drop(sys::prctl(libc::PR_CAPBSET_DROP, capability, 0)?),
            Ok(_) => {}
            // The first number that the kernel does not know.
            Err(_) => break,
        }
    }
    Ok(())
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

fn capabilities() -> Status {
    let bounding = drop_bounding_set();
    // Being user 0 means nothing any more, and none of this can be taken back.
    let locked = libc::SECBIT_NOROOT
        | libc::SECBIT_NOROOT_LOCKED
        | libc::SECBIT_NO_SETUID_FIXUP
        | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
        | libc::SECBIT_KEEP_CAPS_LOCKED
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    let bits = sys::prctl(libc::PR_SET_SECUREBITS, locked as u64, 0);
    let _ = sys::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0);
    let header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [CapData::default(); 2];
    // SAFETY: the structures have the layout that version 3 demands and live for the calls.
    let cleared = unsafe {
        check(libc::syscall(libc::SYS_capset, &header, data.as_ptr())).and_then(|_| {
            data = [CapData { effective: 1, permitted: 1, inheritable: 1 }; 2];
            check(libc::syscall(libc::SYS_capget, &header, data.as_mut_ptr()))
        })
    };
    match cleared {
        Err(error) => return Status::Missing(error.to_string()),
        Ok(_) if data != [CapData::default(); 2] => return Status::Missing("capset left some".into()),
        Ok(_) => {}
    }
    match (bounding, bits) {
        (Ok(()), Ok(_)) => Status::Enforced,
        _ => Status::Partial("the bounding set and securebits remain; no_new_privs keeps them out of reach".into()),
    }
}

fn process_attributes() -> io::Result<()> {
    sys::prctl(libc::PR_SET_DUMPABLE, 0, 0)?;
    // Each change of user or capabilities cleared it. If the supervisor has died in between, its end of the control
    // socket is closed, and the worker ends with that.
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64, 0)?;
    Ok(())
}

/// The landlock ABI of the running kernel; 0 when landlock is not there or not enabled.
pub fn landlock_abi() -> u32 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with the version flag the kernel takes no structure.
    let abi =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0usize, VERSION) };
    u32::try_from(abi).unwrap_or(0)
}

/// Every right that the kernel's landlock knows is handled, and granted is what the table says.
fn landlock(directory: Option<&File>) -> Status {
    let version = landlock_abi();
    let abi = match version {
        0 => return Status::Missing("the kernel has no landlock or it is not enabled at boot".into()),
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        9 => ABI::V9,
        _ => ABI::V10,
    };
    let profile = Profile::of(directory.is_some(), false);
    let granted =
        RIGHTS.iter().filter(|row| row.granted.contains(&profile)).fold(BitFlags::<AccessFs>::EMPTY, |granted, row| {
            match row.right {
                Right::File(right) => granted | right,
                Right::Net(_) | Right::Scope(_) => granted,
            }
        });
    let restrict = || {
        let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?;
        if version >= 4 {
            ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
        }
        if version >= 6 {
            ruleset = ruleset.scope(Scope::from_all(abi))?;
        }
        let mut ruleset = ruleset.create()?;
        if let Some(directory) = directory {
            ruleset = ruleset.add_rule(PathBeneath::new(directory.as_fd(), granted & AccessFs::from_all(abi)))?;
        }
        ruleset.restrict_self()
    };
    match restrict() {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => Status::Missing("not enforced".into()),
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced && version >= 6 => Status::Enforced,
        Ok(_) if version < 4 => Status::Partial(format!("ABI {version}: files only, no TCP, no scopes")),
        Ok(_) if version < 6 => Status::Partial(format!("ABI {version}: files and TCP, no scopes")),
        Ok(_) => Status::Partial(format!("ABI {version}: the kernel enforces a part")),
        Err(error) => Status::Missing(error.to_string()),
    }
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

    #[test]
    fn owners_of_directories_are_nobody_elses_ids() {
        let range = UidRange::default();
        assert_eq!(range.owner(0), Some(0x7040_0000));
        assert_eq!(range.owner((1 << 22) - 1), Some(0x707f_ffff));
        assert_eq!(range.owner(1 << 22), None);
        for uid in [0, 1000, range.base, range.base + (1 << 22) - 1, u32::MAX] {
            assert!(!range.owns_directories(uid), "{uid}");
        }
        assert!([0, 1, (1 << 22) - 1].into_iter().all(|number| range.owns_directories(range.owner(number).unwrap())));
    }
}
