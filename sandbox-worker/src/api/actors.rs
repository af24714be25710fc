//! Namespaces of Durable Objects: present, and clear about that there are no objects yet.

use jsg::{Error, Result};

fn no_actors() -> Result<()> {
    Err(Error::error("Durable Objects are not supported yet."))
}

/// The class `DurableObjectNamespace`; scripts cannot name it.
#[derive(jsg::Trace)]
pub(crate) struct DurableObjectNamespace;

#[jsg::class]
impl DurableObjectNamespace {
    #[method]
    fn new_unique_id(&self) -> Result<()> {
        no_actors()
    }

    #[method]
    fn id_from_name(&self) -> Result<()> {
        no_actors()
    }

    #[method]
    fn id_from_string(&self) -> Result<()> {
        no_actors()
    }

    #[method]
    fn get(&self) -> Result<()> {
        no_actors()
    }

    #[method]
    fn get_by_name(&self) -> Result<()> {
        no_actors()
    }

    #[method]
    fn jurisdiction(&self) -> Result<()> {
        no_actors()
    }
}

/// The class `ColoLocalActorNamespace`, of objects without storage; scripts cannot name it.
#[derive(jsg::Trace)]
pub(crate) struct ColoLocalActorNamespace;

#[jsg::class]
impl ColoLocalActorNamespace {
    #[method]
    fn get(&self) -> Result<()> {
        no_actors()
    }
}
