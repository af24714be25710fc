//! What bindings are that cannot be used yet: objects of the reference's classes, whose methods say so. Scripts cannot name the classes.

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result};

use super::actors::DurableObjectClass;

const EXPERIMENTAL: Flag = Flag::named("experimental");

fn refuse(what: &str) -> Result<()> {
    Err(Error::error(format!("{what} are not supported yet.")))
}

/// The kinds of binding that are there and cannot be used yet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotYet {
    KvNamespace,
    R2Bucket,
    Queue,
    DurableObjectClass,
    WorkerLoader,
    DebugPort,
    CryptoKey,
}

/// The object for a binding of this kind.
///
/// # Errors
/// It cannot be made.
pub(crate) fn make<'s>(scope: &mut v8::PinScope<'s, '_>, kind: NotYet) -> Result<v8::Local<'s, v8::Value>> {
    let object = match kind {
        NotYet::KvNamespace => jsg::instantiate(scope, KvNamespace)?,
        NotYet::R2Bucket => jsg::instantiate(scope, R2Bucket)?,
        NotYet::Queue => jsg::instantiate(scope, WorkerQueue)?,
        NotYet::DurableObjectClass => jsg::instantiate(scope, DurableObjectClass)?,
        NotYet::WorkerLoader => jsg::instantiate(scope, WorkerLoader)?,
        NotYet::DebugPort => jsg::instantiate(scope, WorkerdDebugPortConnector)?,
        NotYet::CryptoKey => jsg::instantiate(scope, CryptoKey)?,
    };
    Ok(object.into())
}

/// The class `KvNamespace`.
#[derive(jsg::Trace)]
pub(crate) struct KvNamespace;

#[jsg::class]
impl KvNamespace {
    #[method(promise)]
    fn get(&self) -> Result<()> {
        refuse("KV namespaces")
    }

    #[method(promise)]
    fn list(&self) -> Result<()> {
        refuse("KV namespaces")
    }

    #[method(promise)]
    fn put(&self) -> Result<()> {
        refuse("KV namespaces")
    }

    #[method(promise)]
    fn get_with_metadata(&self) -> Result<()> {
        refuse("KV namespaces")
    }

    #[method(promise)]
    fn delete(&self) -> Result<()> {
        refuse("KV namespaces")
    }

    #[method(promise, flag = EXPERIMENTAL)]
    fn delete_bulk(&self) -> Result<()> {
        refuse("KV namespaces")
    }
}

/// The class `R2Bucket`.
#[derive(jsg::Trace)]
pub(crate) struct R2Bucket;

#[jsg::class]
impl R2Bucket {
    #[method(promise)]
    fn head(&self) -> Result<()> {
        refuse("R2 buckets")
    }

    #[method(promise)]
    fn get(&self) -> Result<()> {
        refuse("R2 buckets")
    }

    #[method(promise)]
    fn put(&self) -> Result<()> {
        refuse("R2 buckets")
    }

    #[method(promise)]
    fn create_multipart_upload(&self) -> Result<()> {
        refuse("R2 buckets")
    }

    #[method]
    fn resume_multipart_upload(&self) -> Result<()> {
        refuse("R2 buckets")
    }

    #[method(promise)]
    fn delete(&self) -> Result<()> {
        refuse("R2 buckets")
    }

    #[method(promise)]
    fn list(&self) -> Result<()> {
        refuse("R2 buckets")
    }
}

/// The class `WorkerQueue`.
#[derive(jsg::Trace)]
pub(crate) struct WorkerQueue;

#[jsg::class]
impl WorkerQueue {
    #[method(promise)]
    fn metrics(&self) -> Result<()> {
        refuse("Queues")
    }

    #[method(promise)]
    fn send(&self) -> Result<()> {
        refuse("Queues")
    }

    #[method(promise)]
    fn send_batch(&self) -> Result<()> {
        refuse("Queues")
    }
}

/// The class `WorkerLoader`.
#[derive(jsg::Trace)]
pub(crate) struct WorkerLoader;

#[jsg::class]
impl WorkerLoader {
    #[method]
    fn get(&self) -> Result<()> {
        refuse("Worker loaders")
    }

    #[method]
    fn load(&self) -> Result<()> {
        refuse("Worker loaders")
    }
}

/// The class `WorkerdDebugPortConnector`.
#[derive(jsg::Trace)]
pub(crate) struct WorkerdDebugPortConnector;

#[jsg::class]
impl WorkerdDebugPortConnector {
    #[method]
    fn connect(&self) -> Result<()> {
        refuse("Debug ports")
    }

    #[method]
    fn current(&self) -> Result<()> {
        refuse("Debug ports")
    }
}

/// The class `CryptoKey`, whose properties say so: nothing takes a key yet.
#[derive(jsg::Trace)]
pub(crate) struct CryptoKey;

#[jsg::class]
impl CryptoKey {
    #[getter]
    fn usages(&self) -> Result<()> {
        refuse("CryptoKey bindings")
    }

    #[getter]
    fn algorithm(&self) -> Result<()> {
        refuse("CryptoKey bindings")
    }

    #[getter]
    fn extractable(&self) -> Result<()> {
        refuse("CryptoKey bindings")
    }

    #[getter(name = "type")]
    fn kind(&self) -> Result<()> {
        refuse("CryptoKey bindings")
    }
}
