//! What is said about the sandbox: which layers hold, and which system call was refused.

use std::fmt;

pub use crate::names::syscall_name;

/// One wall of the sandbox, in the order in which they are put up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// The environment is empty.
    Environment,
    /// The process has exactly the descriptors it was given.
    Descriptors,
    /// `no_new_privs`: no exec can raise privileges.
    NoNewPrivs,
    /// Resource limits: descriptors, processes, core files, file sizes, locked memory, message queues.
    Rlimits,
    /// The process is the init of a pid namespace of its own.
    PidNamespace,
    /// A mount namespace of its own whose root is an empty read-only file system. In it an actor has its directory.
    EmptyRoot,
    /// A network namespace of its own, without interfaces that are up.
    NetNamespace,
    /// A System V and POSIX message namespace of its own.
    IpcNamespace,
    /// A host name namespace of its own.
    UtsNamespace,
    /// A user id that no other process has.
    Uid,
    /// A user namespace of its own.
    UserNamespace,
    /// No capability in any set, including the bounding set.
    Capabilities,
    /// The process cannot be dumped or traced by its own user, and dies with its supervisor.
    Process,
    /// Landlock with every right that the kernel knows, and no exception but those of an actor in its directory.
    Landlock,
    /// The system call filter on every thread.
    Seccomp,
    /// Memory, process and CPU limits of cgroup v2. Set up by the supervisor.
    Cgroup,
}

impl Layer {
    /// Every layer, in order.
    pub const ALL: [Self; 16] = [
        Self::Environment,
        Self::Descriptors,
        Self::NoNewPrivs,
        Self::Rlimits,
        Self::PidNamespace,
        Self::EmptyRoot,
        Self::NetNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::Uid,
        Self::UserNamespace,
        Self::Capabilities,
        Self::Process,
        Self::Landlock,
        Self::Seccomp,
        Self::Cgroup,
    ];

    /// The stable name used on the command line, in JSON and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Environment => "environment",
            Self::NoNewPrivs => "no-new-privs",
            Self::Rlimits => "rlimits",
            Self::PidNamespace => "pid-namespace",
            Self::EmptyRoot => "empty-root",
            Self::NetNamespace => "net-namespace",
            Self::IpcNamespace => "ipc-namespace",
            Self::UtsNamespace => "uts-namespace",
            Self::Uid => "uid",
            Self::UserNamespace => "user-namespace",
            Self::Capabilities => "capabilities",
            Self::Process => "process",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Cgroup => "cgroup",
        }
    }

    /// The layer with that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }

    /// Whether [`Mode::Required`](crate::enter::Mode::Required) refuses to go on without this layer.
    ///
    /// These either need no privilege at all or are what the promise "opens no file and no socket" rests on. The others
    /// depend on what the kernel and the user permit, and are second walls behind these.
    pub const fn required(self) -> bool {
        matches!(
            self,
            Self::Descriptors
                | Self::Environment
                | Self::NoNewPrivs
                | Self::Rlimits
                | Self::Capabilities
                | Self::Process
                | Self::Landlock
                | Self::Seccomp
        )
    }

    /// What an operator can do to get this layer, one line.
    pub const fn how_to_get(self) -> &'static str {
        match self {
            Self::Descriptors => "needs close_range (Linux 5.9)",
            Self::Environment => "start workers through `supervisor`, never by hand",
            Self::NoNewPrivs => "needs Linux 3.5",
            Self::Rlimits => "raise the hard limits of the supervisor (ulimit -H -a); they must not be below ours",
            Self::PidNamespace
            | Self::EmptyRoot
            | Self::NetNamespace
            | Self::IpcNamespace
            | Self::UtsNamespace
            | Self::UserNamespace => {
                "start the supervisor as root, or permit user namespaces: sysctl user.max_user_namespaces=65536, \
                 kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); \
                 in a container, allow unshare and mount in its seccomp profile"
            }
            Self::Uid => "start the supervisor as root, so that every worker gets a user id of its own",
            Self::Capabilities => {
                "start the supervisor without capabilities, or with CAP_SETPCAP so that they can be dropped"
            }
            Self::Process => {
                "needs prctl(PR_SET_DUMPABLE), prctl(PR_SET_PDEATHSIG); check the container's seccomp profile"
            }
            Self::Landlock => {
                "use Linux 6.12 or newer with CONFIG_SECURITY_LANDLOCK=y and `landlock` in the boot parameter lsm="
            }
            Self::Seccomp => "use a kernel with CONFIG_SECCOMP_FILTER=y, on x86_64 or aarch64",
            Self::Cgroup => {
                "delegate a cgroup v2 subtree (systemd: Delegate=memory pids cpu); rlimits are used until then"
            }
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a layer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is complete.
    Enforced,
    /// Some of it is in force; the text says what is not.
    Partial(String),
    /// It is not there; the text says why.
    Missing(String),
}

impl Status {
    /// The stable word for this status.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Partial(_) => "partial",
            Self::Missing(_) => "missing",
        }
    }

    /// The explanation, empty for [`Status::Enforced`].
    pub fn detail(&self) -> &str {
        match self {
            Self::Enforced => "",
            Self::Partial(detail) | Self::Missing(detail) => detail,
        }
    }
}

/// Which layers hold, in the order in which they were put up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    layers: Vec<(Layer, Status)>,
}

impl Report {
    /// Adds or replaces the status of one layer.
    pub fn set(&mut self, layer: Layer, status: Status) {
        match self.layers.iter_mut().find(|(l, _)| *l == layer) {
            Some(entry) => entry.1 = status,
            None => self.layers.push((layer, status)),
        }
    }

    /// The status of one layer, or `None` when it was not tried yet.
    pub fn get(&self, layer: Layer) -> Option<&Status> {
        self.layers.iter().find(|(l, _)| *l == layer).map(|(_, status)| status)
    }

    /// All layers that were tried.
    pub fn iter(&self) -> impl Iterator<Item = (Layer, &Status)> {
        self.layers.iter().map(|(layer, status)| (*layer, status))
    }

    /// The layers that do not hold completely: what a best-effort worker has to admit in its log.
    pub fn degraded(&self) -> impl Iterator<Item = (Layer, &Status)> {
        self.iter().filter(|(_, status)| **status != Status::Enforced)
    }

    /// One line per layer: name, word, detail, separated by tabs. Read back by [`Report::parse`].
    pub fn to_lines(&self) -> String {
        let mut out = String::new();
        for (layer, status) in self.iter() {
            let detail: String = status.detail().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            out.push_str(&format!("{}\t{}\t{detail}\n", layer.name(), status.word()));
        }
        out
    }

    /// Reads what [`Report::to_lines`] wrote. Lines that name no layer are ignored; at most 64 lines and 256 characters
    /// of each explanation are looked at, because the writer is a sandboxed process.
    pub fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines().take(64) {
            let mut fields = line.splitn(3, '\t');
            let (Some(layer), Some(word)) = (fields.next().and_then(Layer::from_name), fields.next()) else { continue };
            let detail: String = fields.next().unwrap_or("").chars().filter(|c| !c.is_control()).take(256).collect();
            report.set(
                layer,
                match word {
                    "enforced" => Status::Enforced,
                    "partial" => Status::Partial(detail),
                    _ => Status::Missing(detail),
                },
            );
        }
        report
    }
}

/// A system call that the filter refused, as the worker's last line said.
///
/// This is a hint for the log and for counters, never a fact: a hostile worker can write such a line without having made
/// the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The system call's number on the worker's architecture.
    pub number: i64,
    /// The six argument registers.
    pub args: [u64; 6],
}

impl Violation {
    /// The call's name, from our own list: the text of the line is not believed.
    pub fn name(&self) -> Option<&'static str> {
        syscall_name(self.number)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name().unwrap_or("unknown"), self.number)?;
        let mut separator = '(';
        for arg in self.args {
            write!(f, "{separator}{arg:#x}")?;
            separator = ',';
        }
        f.write_str(")")
    }
}

/// How a violation line begins.
pub(crate) const VIOLATION_PREFIX: &str = "bulkhead-sandbox: forbidden system call ";

/// How the line begins about a call that no row permits and that was made all the same, because the filter only logs.
/// Otherwise the line is as that of a violation.
pub const OUTSIDE_PREFIX: &str = "bulkhead-sandbox: outside the table: ";

/// Reads a violation out of one line that a worker wrote to its diagnostics descriptor.
///
/// The form is `bulkhead-sandbox: forbidden system call NAME nr=N args=0xA,0xB,0xC,0xD,0xE,0xF`. Anything else, and
/// anything longer than 512 bytes, is `None`.
pub fn parse_violation(line: &str) -> Option<Violation> {
    if line.len() > 512 {
        return None;
    }
    let mut words = line.trim_end().strip_prefix(VIOLATION_PREFIX)?.split(' ');
    let _name = words.next()?;
    let number = words.next()?.strip_prefix("nr=")?.parse().ok()?;
    let mut values = words.next()?.strip_prefix("args=")?.split(',');
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = u64::from_str_radix(values.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    (values.next().is_none() && words.next().is_none()).then_some(Violation { number, args })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_line_is_read_back() {
        let line = "bulkhead-sandbox: forbidden system call bogus nr=101 args=0x1,0x2,0x3,0x4,0x5,0xffffffffffffffff\n";
        let violation = parse_violation(line).unwrap();
        assert_eq!(violation.number, 101);
        assert_eq!(violation.args, [1, 2, 3, 4, 5, u64::MAX]);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(violation.to_string(), "ptrace (101)(0x1,0x2,0x3,0x4,0x5,0xffffffffffffffff)");
    }

    #[test]
    fn lines_that_are_not_violations_are_refused() {
        for line in [
            "",
            "forbidden system call read nr=0 args=0x0,0x0,0x0,0x0,0x0,0x0",
            "bulkhead-sandbox: forbidden system call read nr=x args=0x0,0x0,0x0,0x0,0x0,0x0",
            "bulkhead-sandbox: forbidden system call read nr=0 args=0x0,0x0,0x0,0x0,0x0",
            "bulkhead-sandbox: forbidden system call read nr=0 args=0x0,0x0,0x0,0x0,0x0,0x0,0x0",
            "bulkhead-sandbox: forbidden system call read nr=0 args=0x0,0x0,0x0,0x0,0x0,0x0 more",
            "bulkhead-sandbox: forbidden system call read nr=0 args=0x0,0x0,0x0,0x0,0x0,0x11112222333344445",
        ] {
            assert_eq!(parse_violation(line), None, "{line}");
        }
        assert_eq!(parse_violation(&format!("{VIOLATION_PREFIX}{}", "x".repeat(600))), None);
    }

    #[test]
    fn a_report_survives_the_trip() {
        let mut report = Report::default();
        report.set(Layer::Landlock, Status::Partial("no\tTCP".into()));
        report.set(Layer::Seccomp, Status::Enforced);
        report.set(Layer::Uid, Status::Missing("not root".into()));
        let back = Report::parse(&report.to_lines());
        assert_eq!(back.get(Layer::Landlock), Some(&Status::Partial("no TCP".into())));
        assert_eq!(back.get(Layer::Seccomp), Some(&Status::Enforced));
        assert_eq!(back.get(Layer::Uid), Some(&Status::Missing("not root".into())));
        assert_eq!(Report::parse("nonsense\nlandlock\n").iter().count(), 0);
    }
}
