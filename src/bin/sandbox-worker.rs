//! The untrusted process. Started by `supervisor`, never by hand.

fn main() -> std::process::ExitCode {
    bulkhead_sandbox_worker::main()
}
