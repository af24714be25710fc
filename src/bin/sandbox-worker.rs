//! The untrusted process. Started by `supervisor`, never by hand.

#[global_allocator]
static ALLOCATOR: bulkhead_sandbox_worker::Counted<mimalloc::MiMalloc> =
    bulkhead_sandbox_worker::Counted(mimalloc::MiMalloc);

fn main() -> std::process::ExitCode {
    bulkhead_sandbox_worker::main(bulkhead_snapshot::SNAPSHOT, bulkhead_snapshot::CODE_CACHES)
}
