//! What the URL parser, which is in C++, asks of a C++ library: four functions, of which it calls none for what it is given.
//!
//! V8 brings a C++ library of its own, beside which another cannot be linked into the program. With these none has to be: the
//! program is whole in itself.

use std::ffi::{CStr, c_char, c_void};

/// Ends the process, which is what an exception would do that no C++ code catches.
fn thrown(what: *const c_char) -> ! {
    // SAFETY: the caller is code that a C++ compiler made of the library's headers, which pass the address of a string literal.
    let what = unsafe { CStr::from_ptr(what) };
    eprintln!("sandbox-worker: the URL parser threw: {}", what.to_string_lossy());
    std::process::abort()
}

/// `std::__throw_length_error(char const*)`.
#[unsafe(export_name = "_ZSt20__throw_length_errorPKc")]
extern "C" fn throw_length_error(what: *const c_char) -> ! {
    thrown(what)
}

/// `std::__throw_logic_error(char const*)`.
#[unsafe(export_name = "_ZSt19__throw_logic_errorPKc")]
extern "C" fn throw_logic_error(what: *const c_char) -> ! {
    thrown(what)
}

/// `std::__throw_out_of_range_fmt(char const*, ...)`, which leaves alone what the format is for.
#[unsafe(export_name = "_ZSt24__throw_out_of_range_fmtPKcz")]
extern "C" fn throw_out_of_range(what: *const c_char) -> ! {
    thrown(what)
}

/// `std::ios_base::Init::Init()`, which readies streams that nobody uses.
#[unsafe(export_name = "_ZNSt8ios_base4InitC1Ev")]
extern "C" fn init_streams(_this: *mut c_void) {}

/// `std::ios_base::Init::~Init()`.
#[unsafe(export_name = "_ZNSt8ios_base4InitD1Ev")]
extern "C" fn flush_streams(_this: *mut c_void) {}
