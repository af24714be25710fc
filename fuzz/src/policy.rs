//! The system call filter against the table that it is made from.

use std::sync::LazyLock;

use bulkhead_policy::{
    Instruction,
    names::Arch,
    programs,
    table::{Decision, Errno, Profile, Test, decide, rows},
};

const OWN_PID: u32 = 7;

/// `AUDIT_ARCH_X86_64`: the filter is compiled for one architecture, whatever this machine is.
const AUDIT_ARCH: u32 = 0xc000_003e;

struct Filter {
    profile: Profile,
    programs: Vec<Vec<Instruction>>,
    /// Values that conditions of the table speak about.
    values: Vec<u64>,
}

static FILTERS: LazyLock<[Filter; 4]> = LazyLock::new(|| Profile::ALL.map(filter));

fn filter(profile: Profile) -> Filter {
    let mut values = vec![0, 1, OWN_PID.into(), u64::MAX];
    for condition in rows(profile).flat_map(|row| row.when) {
        match condition.test {
            Test::OneOf(names) => values.extend(names.iter().map(|named| named.value)),
            Test::Bits { required, optional } => {
                values.extend(required.iter().chain(optional).map(|named| named.value));
                values.push(required.iter().chain(optional).fold(0, |bits, named| bits | named.value));
            }
            Test::OwnPid => {}
        }
    }
    values.sort_unstable();
    values.dedup();
    let programs = programs(profile, Arch::X86_64, OWN_PID).expect("the table compiles");
    Filter { profile, programs, values }
}

/// What the kernel would do with one program (classic BPF, the part of it that filters use).
fn interpret(program: &[Instruction], data: &[u32; 16]) -> u32 {
    let (mut accumulator, mut at) = (0u32, 0usize);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let mut jump = |taken: bool| at += usize::from(if taken { jt } else { jf });
        match code {
            0x20 => accumulator = data[k as usize / 4],
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => jump(accumulator == k),
            0x25 => jump(accumulator > k),
            0x35 => jump(accumulator >= k),
            0x45 => jump(accumulator & k != 0),
            0x06 => return k,
            other => panic!("instruction {other:#x} is not known here"),
        }
    }
}

/// What the kernel would do with all programs: the strictest answer counts, which is the least as a signed number.
fn filtered(filter: &Filter, number: u32, audit_arch: u32, args: &[u64; 6]) -> Decision {
    let mut data = [0; 16];
    data[0] = number;
    data[1] = audit_arch;
    for (index, arg) in args.iter().enumerate() {
        data[4 + 2 * index] = *arg as u32;
        data[5 + 2 * index] = (*arg >> 32) as u32;
    }
    let answers = filter.programs.iter().map(|program| interpret(program, &data) as i32);
    let answer = answers.min().expect("a program") as u32;
    match answer & 0xffff_0000 {
        0x8000_0000 => Decision::Kill,
        0x0003_0000 => Decision::Refuse,
        0x7fff_0000 => Decision::Allow,
        0x0005_0000 => {
            let number = (answer & 0xffff) as i32;
            let errno = Errno::ALL.into_iter().find(|errno| errno.number() == number);
            Decision::Errno(errno.unwrap_or_else(|| panic!("errno {number}")))
        }
        other => panic!("action {other:#x}"),
    }
}

/// Bytes as a system call: two for its number, then three for each argument: which value of the table, how it is
/// changed, and where; then one for the part that is made up, and one for the profile.
pub fn policy_table(bytes: &[u8]) {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let calls = Arch::X86_64.calls();
    let choice = usize::from(u16::from_le_bytes([byte(0), byte(1)]));
    let filter = &FILTERS[usize::from(byte(21)) % FILTERS.len()];
    let mut args = [0; 6];
    for (index, arg) in args.iter_mut().enumerate() {
        let at = 2 + 3 * index;
        let value = filter.values[usize::from(byte(at)) % filter.values.len()];
        *arg = value ^ u64::from(byte(at + 1)) << (byte(at + 2) % 64);
    }
    let (number, name) = calls[choice % calls.len()];
    let decision = decide(filter.profile, name, &args, OWN_PID);
    assert_eq!(filtered(filter, number, AUDIT_ARCH, &args), decision, "{name} {args:x?}");
    // No number without a name is allowed, x32's least of all; and no other architecture has any call.
    let other = number | u32::from(byte(20)) << 20 | 1 << 30;
    assert_eq!(filtered(filter, other, AUDIT_ARCH, &args), Decision::Refuse, "{other:#x}");
    assert_eq!(filtered(filter, number, 0x4000_0003, &args), Decision::Kill, "{name} of 32 bits");
}
