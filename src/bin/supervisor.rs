//! The trusted process: `supervisor serve config.capnp`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    bulkhead_supervisor::cli::run(std::env::args_os())
}
