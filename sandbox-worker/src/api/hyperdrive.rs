//! What a `hyperdrive` binding is; its properties are the binding's to define.

use jsg::{Error, Result};

/// The class `Hyperdrive`; scripts cannot name it.
#[derive(jsg::Trace)]
pub(crate) struct Hyperdrive;

#[jsg::class]
impl Hyperdrive {
    #[method]
    fn connect(&self) -> Result<()> {
        Err(Error::error("Hyperdrive.connect() is not supported yet."))
    }
}
