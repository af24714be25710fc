//! The trusted process: `supervisor serve config.capnp`.

fn main() -> std::process::ExitCode {
    bulkhead_supervisor::cli::run(std::env::args_os())
}
