//! Regenerates the committed code after a change of the schema: `cargo run -p bulkhead-ipc --example generate`.
//!
//! It needs the `capnp` tool (Debian: `capnproto`); building and using the crate does not.

#[path = "../generate/mod.rs"]
mod generate;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    generate::generate(&generate::root().join("src/generated"))
}
