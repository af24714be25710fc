//! How exactly the kernel wakes this process and those that it starts.

/// Has the calling thread, and every thread and process that it starts from now on, woken when the time has come that it sleeps
/// for, and not up to 50 µs later, as the kernel does to wake several at a time. The setting survives `execve`.
///
/// # Errors
///
/// The kernel's, on a kernel without `PR_SET_TIMERSLACK` (before Linux 2.6.28).
pub fn wake_on_time() -> std::io::Result<()> {
    // 0 would mean the thread's own default.
    crate::sys::prctl(libc::PR_SET_TIMERSLACK, 1, 0).map(drop)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_setting_takes_hold() {
        super::wake_on_time().expect("the kernel knows the setting");
        assert_eq!(crate::sys::prctl(libc::PR_GET_TIMERSLACK, 0, 0).expect("the kernel says"), 1);
    }
}
