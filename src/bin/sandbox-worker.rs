//! The untrusted process. Started by `supervisor`, never by hand.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    bulkhead_sandbox_worker::main()
}
