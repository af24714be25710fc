//! What there is to know of an executable file in order to put others behind it.

/// The start of a file, as far as it has to be read for [`Executable::read`].
pub(super) const HEAD: usize = 4096;

/// An executable, as its first bytes describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Executable {
    /// The end of what is loaded; what follows, for debuggers, is not needed.
    pub(super) end: u64,
    /// Whether it is loaded by a program of the system's, together with libraries of the system's.
    pub(super) needs_libraries: bool,
    /// Whether [`mark`] made it the first part of a file.
    pub(super) marked: bool,
}

const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;

/// Bytes of the header that mean nothing, and what they are in the first part of a file that has more.
const PADDING: std::ops::Range<usize> = 9..16;
const MARK: &[u8; 7] = b"one-bhd";

/// Where the header says where the sections are, how many, and which one has their names.
const SECTIONS: std::ops::Range<usize> = 40..48;
const SECTION_COUNTS: std::ops::Range<usize> = 60..64;

impl Executable {
    /// Reads the head of an ELF file of 64 bits in the byte order of this machine. `None` where it is something else.
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        const CLASS_64: u8 = 2;
        const DATA: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };
        if !head.starts_with(b"\x7fELF") || head.get(4..6)? != [CLASS_64, DATA] {
            return None;
        }
        let table = usize::try_from(u64_at(head, 32)?).ok()?;
        let (size, count) = (u16_at(head, 54)?, u16_at(head, 56)?);
        let mut executable = Self { end: 0, needs_libraries: false, marked: head.get(PADDING)? == MARK };
        for index in 0..usize::from(count) {
            let entry = table.checked_add(index.checked_mul(size.into())?)?;
            match u32_at(head, entry)? {
                LOAD => {
                    let end =
                        u64_at(head, entry.checked_add(8)?)?.checked_add(u64_at(head, entry.checked_add(32)?)?)?;
                    executable.end = executable.end.max(end);
                }
                INTERPRETER => executable.needs_libraries = true,
                _ => {}
            }
        }
        (executable.end > 0).then_some(executable)
    }
}

/// Has a file that [`Executable::read`] could read say that it has no sections, so that it is one that ends where what is loaded does.
pub(super) fn forget_sections(head: &mut [u8]) {
    head[SECTIONS].fill(0);
    head[SECTION_COUNTS].fill(0);
}

/// Has such a file say that more is to follow.
pub(super) fn mark(head: &mut [u8]) {
    head[PADDING].copy_from_slice(MARK);
}

fn bytes_at<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(head: &[u8], at: usize) -> Option<u16> {
    bytes_at(head, at).map(u16::from_ne_bytes)
}

fn u32_at(head: &[u8], at: usize) -> Option<u32> {
    bytes_at(head, at).map(u32::from_ne_bytes)
}

fn u64_at(head: &[u8], at: usize) -> Option<u64> {
    bytes_at(head, at).map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_program_ends_behind_what_is_loaded() {
        let own = std::fs::read("/proc/self/exe").expect("the own program");
        let executable = Executable::read(&own[..HEAD]).expect("an ELF file");
        assert!(executable.end > HEAD as u64 && executable.end <= own.len() as u64, "{executable:?}");
        assert!(!executable.marked);
        let mut head = own[..HEAD].to_vec();
        forget_sections(&mut head);
        mark(&mut head);
        assert_eq!(Executable::read(&head), Some(Executable { marked: true, ..executable }));
    }

    #[test]
    fn what_is_no_executable_is_said_to_be_none() {
        let own = std::fs::read("/proc/self/exe").expect("the own program");
        for len in [0, 3, 16, 40, 64, 100] {
            assert_eq!(Executable::read(&own[..len]), None, "{len}");
        }
        assert_eq!(Executable::read(b"#!/bin/sh\n"), None);
        // A table that lies anywhere.
        for table in [u64::MAX, u64::MAX - 60, 1 << 40] {
            let mut head = own[..HEAD].to_vec();
            head[32..40].copy_from_slice(&table.to_ne_bytes());
            assert_eq!(Executable::read(&head), None, "{table}");
        }
    }
}
