//! How the kernel gives memory to this process and to those that it starts.

/// Turns transparent huge pages off for this process and every process that it starts from now on.
///
/// An allocator that touches one byte of a huge page owns two MiB: with hundreds of small processes on a machine that is
/// most of their memory. The setting survives `execve`.
///
/// # Errors
///
/// The kernel's, on a kernel without `PR_SET_THP_DISABLE` (before Linux 3.15).
pub fn disable_huge_pages() -> std::io::Result<()> {
    // SAFETY: sets a flag of this process's memory map; no pointer is passed.
    match unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_setting_takes_hold() {
        super::disable_huge_pages().expect("the kernel knows the setting");
        // SAFETY: reads the flag.
        assert_eq!(unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) }, 1);
    }
}
