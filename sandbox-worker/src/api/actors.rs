//! Namespaces and classes of Durable Objects: present, and clear about that there are no objects yet. Scripts can name none of the
//! classes.

use jsg::{Error, Result};

use super::fetch::fetcher::Options;

fn no_actors() -> Result<()> {
    Err(Error::error("Durable Objects are not supported yet."))
}

/// The class `DurableObjectNamespace`.
#[derive(Default, jsg::Trace)]
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

/// The class `ColoLocalActorNamespace`, of objects without storage.
#[derive(Default, jsg::Trace)]
pub(crate) struct ColoLocalActorNamespace;

#[jsg::class]
impl ColoLocalActorNamespace {
    #[method]
    fn get(&self) -> Result<()> {
        no_actors()
    }
}

/// The class `DurableObjectClass`, which has no methods in the reference either: it is handed to what makes objects.
#[derive(Default, jsg::Trace)]
pub(crate) struct DurableObjectClass;

#[jsg::class]
impl DurableObjectClass {}

/// The class `LoopbackDurableObjectClass`: what `ctx.exports` has for a class without a namespace. Called, as the others are, it gives the
/// class with `props`.
#[derive(Default, jsg::Trace)]
pub(crate) struct LoopbackDurableObjectClass {
    base: DurableObjectClass,
}

#[jsg::class(extends = DurableObjectClass)]
impl LoopbackDurableObjectClass {
    #[called]
    fn with_props(&self, options: Options<'_>) -> DurableObjectClass {
        let _ = options;
        DurableObjectClass
    }
}

/// The class `LoopbackDurableObjectNamespace`: the same for one with a namespace, which it is too.
#[derive(Default, jsg::Trace)]
pub(crate) struct LoopbackDurableObjectNamespace {
    base: DurableObjectNamespace,
}

#[jsg::class(extends = DurableObjectNamespace)]
impl LoopbackDurableObjectNamespace {
    #[called]
    fn with_props(&self, options: Options<'_>) -> DurableObjectClass {
        let _ = options;
        DurableObjectClass
    }
}

/// The class `LoopbackColoLocalActorNamespace`: the same for objects without storage.
#[derive(Default, jsg::Trace)]
pub(crate) struct LoopbackColoLocalActorNamespace {
    base: ColoLocalActorNamespace,
}

#[jsg::class(extends = ColoLocalActorNamespace)]
impl LoopbackColoLocalActorNamespace {
    #[called]
    fn with_props(&self, options: Options<'_>) -> DurableObjectClass {
        let _ = options;
        DurableObjectClass
    }
}
