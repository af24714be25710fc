//! From the table to a filter in the kernel, and the handler that says which call was refused.
//!
//! # One table, several programs
//!
//! A program of `seccompiler` has one action for what matches and one for the rest, and the table has more actions than
//! that, so it becomes a stack of programs. The kernel runs all and takes the strictest answer:
//!
//! 1. one program for each error: the calls that fail with it; everything else passes on,
//! 2. one for the rows that kill at once; everything else passes on,
//! 3. last the list of calls that any row mentions with an allowed or failing result; *everything else is refused*.
//!
//! Calls that are allowed whatever their arguments cost nothing per program: the kernel keeps a bitmap for them.
//!
//! # Why refused calls trap
//!
//! The default action is `SECCOMP_RET_TRAP`, also for the most dangerous calls. The call is not made in either case; the
//! trap gives the supervisor a line with number, name and arguments, without which nobody could tell a missing row from an
//! attack. A tenant who already runs native code could hijack the handler and survive his attempt: he learns that the
//! call is refused, which this documentation also tells him.
//!
//! # Log mode
//!
//! With [`Refusal::Log`] the last program notifies a thread of the same process instead of trapping. The thread says that
//! the call is to be made, and writes one line for each number that it sees for the first time. Rows that give an error or
//! kill do so in this mode too.

use std::{
    collections::BTreeMap,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    sync::{atomic::AtomicI32, mpsc},
};

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::{
    names::{Arch, syscall_name},
    report::{OUTSIDE_PREFIX, VIOLATION_PREFIX},
    sys::check,
    table::{Action, Condition, Errno, Profile, Refusal, Row, Test, Width, rows},
};

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// No table for this processor.
    #[error("there is no policy for this processor")]
    Architecture,
    /// The table could not be compiled: a mistake in a row.
    #[error("the table does not compile: {0}")]
    Compile(#[from] BackendError),
    /// The handler for refused calls could not be installed.
    #[error("installing the SIGSYS handler failed: {0}")]
    Handler(#[source] std::io::Error),
    /// The kernel did not take a program.
    #[error("installing failed: {0}")]
    Install(#[from] seccompiler::Error),
    /// The kernel did not give what log mode needs.
    #[error("log mode needs seccomp notifications: {0}")]
    Listener(#[source] std::io::Error),
}

/// The programs of a profile, in the order in which they must be installed.
pub(crate) fn compile(
    profile: Profile,
    refusal: Refusal,
    arch: Arch,
    own_pid: u32,
) -> Result<Vec<BpfProgram>, FilterError> {
    let target = match arch {
        Arch::X86_64 => TargetArch::x86_64,
        Arch::Aarch64 => TargetArch::aarch64,
    };
    let program = |select: &dyn Fn(&Row) -> bool, matching, otherwise| -> Result<Option<BpfProgram>, FilterError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        let mut unconditional = Vec::new();
        for row in rows(profile).filter(|row| select(row)) {
            for (number, _) in row.numbers(arch) {
                let of_call = rules.entry(number.into()).or_default();
                for alternative in alternatives(row.when, own_pid)? {
                    if alternative.is_empty() {
                        unconditional.push(i64::from(number));
                    } else {
                        of_call.push(SeccompRule::new(alternative)?);
                    }
                }
            }
        }
        // No rule at all is how seccompiler says "whatever the arguments".
        for number in unconditional {
            rules.insert(number, Vec::new());
        }
        if rules.is_empty() {
            return Ok(None);
        }
        Ok(Some(SeccompFilter::new(rules, otherwise, matching, target)?.try_into()?))
    };

    let mut programs = Vec::new();
    for errno in Errno::ALL {
        let fail = SeccompAction::Errno(errno.number() as u32);
        programs.extend(program(&|row| row.action == Action::Errno(errno), fail, SeccompAction::Allow)?);
    }
    programs.extend(program(&|row| row.action == Action::Kill, SeccompAction::KillProcess, SeccompAction::Allow)?);
    // Last, because it refuses the call that installs programs.
    let refuse = match refusal {
        Refusal::Kill => SeccompAction::Trap,
        Refusal::Log => SeccompAction::Log,
    };
    programs.extend(program(&|row| row.action != Action::Kill, SeccompAction::Allow, refuse)?);
    if refusal == Refusal::Log {
        notify(programs.last_mut().expect("every profile allows something"));
    }
    Ok(programs)
}

/// What the compiler cannot say: turns "log" into "notify", and lets the thread that is notified make its own requests.
fn notify(program: &mut BpfProgram) {
    for instruction in program.iter_mut() {
        if u32::from(instruction.code) == libc::BPF_RET | libc::BPF_K && instruction.k == libc::SECCOMP_RET_LOG {
            instruction.k = libc::SECCOMP_RET_USER_NOTIF;
        }
    }
    // In front of everything; jumps are relative, so that the rest stays as it is.
    let (number, request) = (0, 16 + 8 + if cfg!(target_endian = "big") { 4 } else { 0 });
    let statement = |code: u32, jt, jf, k| seccompiler::sock_filter { code: code as u16, jt, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let prologue = [
        statement(load, 0, 0, number),
        statement(equal, 0, 4, libc::SYS_ioctl as u32),
        statement(load, 0, 0, request),
        statement(equal, 1, 0, libc::SECCOMP_IOCTL_NOTIF_RECV as u32),
        statement(equal, 0, 1, libc::SECCOMP_IOCTL_NOTIF_SEND as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    program.splice(0..0, prologue);
}

/// One instruction of a filter program (`struct sock_filter` of `seccomp(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip where the comparison holds.
    pub jt: u8,
    /// Instructions to skip where it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

/// The programs that [`seal`](crate::enter::Prepared::seal) installs for a process with the id `own_pid`, to be read by tests and
/// fuzzers: the kernel runs all of them and the strictest answer counts.
///
/// # Errors
/// The table does not compile.
pub fn programs(profile: Profile, arch: Arch, own_pid: u32) -> Result<Vec<Vec<Instruction>>, FilterError> {
    let programs = compile(profile, Refusal::Kill, arch, own_pid)?;
    let copy = |program: BpfProgram| {
        program.into_iter().map(|i| Instruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect()
    };
    Ok(programs.into_iter().map(copy).collect())
}

/// All ways in which the conditions of a row can hold, each a list of comparisons that must all be true.
fn alternatives(conditions: &[Condition], own_pid: u32) -> Result<Vec<Vec<SeccompCondition>>, BackendError> {
    let mut ways = vec![Vec::new()];
    for condition in conditions {
        let width = match condition.width {
            Width::Int => SeccompCmpArgLen::Dword,
            Width::Long => SeccompCmpArgLen::Qword,
        };
        let comparisons: Vec<(SeccompCmpOp, u64)> = match condition.test {
            Test::OneOf(values) => values.iter().map(|named| (SeccompCmpOp::Eq, named.value)).collect(),
            Test::Bits { required, optional } => {
                let required = required.iter().fold(0, |bits, named| bits | named.value);
                let optional = optional.iter().fold(0, |bits, named| bits | named.value);
                vec![(SeccompCmpOp::MaskedEq(!optional | required), required)]
            }
            Test::OwnPid => vec![(SeccompCmpOp::Eq, own_pid.into())],
        };
        let mut next = Vec::with_capacity(ways.len() * comparisons.len());
        for way in &ways {
            for (op, value) in &comparisons {
                let mut longer: Vec<SeccompCondition> = way.clone();
                longer.push(SeccompCondition::new(condition.arg, width.clone(), op.clone(), *value)?);
                next.push(longer);
            }
        }
        ways = next;
    }
    Ok(ways)
}

/// Installs the handler and all programs on every thread.
pub(crate) fn install(profile: Profile, refusal: Refusal) -> Result<(), FilterError> {
    let arch = Arch::native().ok_or(FilterError::Architecture)?;
    let programs = compile(profile, refusal, arch, std::process::id())?;
    install_handler().map_err(FilterError::Handler)?;
    let (last, rest) = programs.split_last().expect("every profile allows something");
    for program in rest {
        seccompiler::apply_filter_all_threads(program)?;
    }
    match refusal {
        Refusal::Kill => seccompiler::apply_filter_all_threads(last)?,
        Refusal::Log => {
            // The thread is there before the filter, so that nothing that it needs to come into being can wait for it.
            let (send, receive) = mpsc::sync_channel(1);
            std::thread::Builder::new()
                .name("seccomp-log".into())
                .spawn(move || {
                    if let Ok(listener) = receive.recv() {
                        answer(&listener);
                    }
                })
                .map_err(FilterError::Listener)?;
            let listener = install_with_listener(last).map_err(FilterError::Listener)?;
            let _ = send.send(listener);
        }
    }
    Ok(())
}

/// Installs a program on every thread, and gives the descriptor from which its notifications are read.
fn install_with_listener(program: &BpfProgram) -> std::io::Result<OwnedFd> {
    const FLAGS: libc::c_ulong = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
        | libc::SECCOMP_FILTER_FLAG_TSYNC
        | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    let length = u16::try_from(program.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    // `seccompiler::sock_filter` is the kernel's structure, as `libc`'s is.
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: the structure and the program live for the call, and the kernel does not write to them. The new descriptor is
    // ours alone.
    unsafe {
        check(libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, FLAGS, &filter))
            .map(|fd| OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Lets every call pass, and says of each number once that it was made. Only raw calls that the filter lets through: a call
/// of this thread's that had to wait for this thread would wait for ever.
fn answer(listener: &OwnedFd) {
    const KNOWN: usize = 1024;
    // One flag for each number, and one for all beyond.
    let mut seen = [false; KNOWN + 1];
    loop {
        // SAFETY: all-zero is a valid value of both structures of integers, and what the kernel demands of the first.
        let (mut call, mut reply): (libc::seccomp_notif, libc::seccomp_notif_resp) = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel fills the structure, which lives for the call.
        if unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &mut call) } < 0 {
            match std::io::Error::last_os_error().raw_os_error() {
                // The caller was killed or interrupted before it was heard.
                Some(libc::EINTR | libc::ENOENT) => continue,
                _ => return,
            }
        }
        let flag = &mut seen[usize::try_from(call.data.nr).unwrap_or(KNOWN).min(KNOWN)];
        if !std::mem::replace(flag, true) {
            say(OUTSIDE_PREFIX, call.data.nr, call.data.args);
        }
        reply.id = call.id;
        reply.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        // SAFETY: the structure lives for the call. It fails when the caller is gone meanwhile, which is all right.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &mut reply) };
    }
}

fn install_handler() -> std::io::Result<()> {
    // SAFETY: an all-zero sigaction is valid; the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction =
            on_refused as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        check(libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut())).map(drop)
    }
}

/// The number of lines written, so that a handler that faults itself cannot write for ever.
static REPORTED: AtomicI32 = AtomicI32::new(0);

/// Runs in place of a refused call: one line to descriptor 2, then death.
extern "C" fn on_refused(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if REPORTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
        // SAFETY: the kernel passes valid structures. For SIGSYS the union holds call address (pointer), number (int)
        // and architecture after the common head of 16 bytes.
        let (number, args) = unsafe { (info.cast::<u8>().add(24).cast::<i32>().read(), arguments(context)) };
        say(VIOLATION_PREFIX, number, args);
    }
    die()
}

/// Writes one line about a call to descriptor 2. Safe to call from a signal handler.
fn say(prefix: &str, number: i32, args: [u64; 6]) {
    let mut line = Line::new();
    line.text(prefix);
    line.text(syscall_name(number.into()).unwrap_or("unknown"));
    line.text(" nr=");
    line.number(number as u32 as u64, 10);
    line.text(" args=");
    for (at, arg) in args.into_iter().enumerate() {
        line.text(if at == 0 { "0x" } else { ",0x" });
        line.number(arg, 16);
    }
    line.text("\n");
    // SAFETY: the buffer is initialised up to its length. A raw call, because the library's may be an interrupted one.
    unsafe { libc::syscall(libc::SYS_write, 2, line.bytes.as_ptr(), line.len) };
}

fn die() -> ! {
    // SAFETY: null pointers, which the kernel never gets to see: the table kills this call.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, libc::SIGSYS, 0usize, 0usize, 8usize);
        // Reached when the kill row is missing.
        libc::_exit(128 + libc::SIGSYS)
    }
}

/// The argument registers of the refused call.
///
/// # Safety
/// `context` must be what the kernel gave to a handler.
#[cfg(target_arch = "x86_64")]
unsafe fn arguments(context: *mut libc::c_void) -> [u64; 6] {
    use libc::{REG_R8, REG_R9, REG_R10, REG_RDI, REG_RDX, REG_RSI};
    // SAFETY: the caller's promise.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9].map(|register| registers[register as usize] as u64)
}

/// The argument registers of the refused call.
///
/// # Safety
/// `context` must be what the kernel gave to a handler.
#[cfg(target_arch = "aarch64")]
unsafe fn arguments(context: *mut libc::c_void) -> [u64; 6] {
    // SAFETY: the caller's promise.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.regs };
    [registers[0], registers[1], registers[2], registers[3], registers[4], registers[5]]
}

/// A line under construction on the stack: a handler must not allocate.
struct Line {
    bytes: [u8; 320],
    len: usize,
}

impl Line {
    fn new() -> Self {
        Self { bytes: [0; 320], len: 0 }
    }

    fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            if let Some(slot) = self.bytes.get_mut(self.len) {
                *slot = byte;
                self.len += 1;
            }
        }
    }

    fn number(&mut self, mut value: u64, base: u64) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b"0123456789abcdef"[(value % base) as usize];
            value /= base;
            if value == 0 {
                break;
            }
        }
        self.text(std::str::from_utf8(&digits[at..]).unwrap_or("?"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_compiles_for_every_architecture() {
        for profile in Profile::ALL {
            for arch in [Arch::X86_64, Arch::Aarch64] {
                for refusal in [Refusal::Kill, Refusal::Log] {
                    let programs = compile(profile, refusal, arch, 1).unwrap();
                    assert_eq!(programs.len(), Errno::ALL.len() + 2);
                    assert!(programs.iter().map(Vec::len).sum::<usize>() < 4096);
                }
            }
        }
    }

    #[test]
    fn a_full_line_fits_and_is_read_back() {
        let mut line = Line::new();
        line.text(VIOLATION_PREFIX);
        line.text("set_mempolicy_home_node nr=4294967295 args=");
        for at in 0..6 {
            line.text(if at == 0 { "0x" } else { ",0x" });
            line.number(u64::MAX, 16);
        }
        assert!(line.len < line.bytes.len());
        let violation = crate::report::parse_violation(std::str::from_utf8(&line.bytes[..line.len]).unwrap()).unwrap();
        assert_eq!(violation.args, [u64::MAX; 6]);
    }
}
