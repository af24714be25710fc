//! What stands for the dynamic loader in a program that is linked without one.

use std::ffi::{CStr, c_char, c_void};

/// `dlsym(3)`: what the linker puts in its place when it links a program that needs no library.
///
/// Nothing can be found there, and who looks goes without: a library of random numbers would go to `/dev/urandom`, which need not be
/// there, if it did not find this function.
#[unsafe(export_name = "__wrap_dlsym")]
extern "C" fn look_up(_handle: *mut c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: dlsym(3) is called with the address of a NUL-terminated string.
    match unsafe { CStr::from_ptr(name) }.to_bytes() {
        b"getrandom" => libc::getrandom as *mut c_void,
        _ => std::ptr::null_mut(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_come_from_the_kernel() {
        let found = look_up(std::ptr::null_mut(), c"getrandom".as_ptr());
        assert_eq!(found, libc::getrandom as *mut c_void);
        assert!(look_up(std::ptr::null_mut(), c"open".as_ptr()).is_null());
    }
}
