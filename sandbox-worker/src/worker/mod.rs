//! A worker: what its code exports, and what its handlers get.
//!
//! The wire form of a bundle is read in `bundle` and nowhere else. A worker knows no event: what is delivered to its entrypoints,
//! and how, is for `events` to know.

mod bundle;
mod entrypoints;
mod fallback;
mod handler;

pub(crate) use bundle::{Handed, Parts};

use std::{cell::Cell, rc::Rc};

pub use handler::{Handler, Handlers};
use jsg::{Error, Result};

use crate::isolate::Isolate;

/// A worker whose code has run: what it exports, and what its handlers get.
#[derive(Debug)]
pub struct Worker {
    /// The isolate.
    pub isolate: Rc<Isolate>,
    /// Exported entrypoints; the name of the default one is empty.
    pub entrypoints: Vec<Rc<Entrypoint>>,
    /// The object that handlers get as `env`.
    pub env: v8::Global<v8::Object>,
    /// Longest response body that travels in the reply, in bytes.
    pub inline_body_bytes: usize,
}

/// Something that events can be sent to.
#[derive(Debug)]
pub struct Entrypoint {
    /// The name of the export; empty for `default`.
    pub name: String,
    /// What events are delivered to.
    pub target: Target,
    /// The kinds of event that had a handler when the worker's code had run, which the supervisor is told.
    pub handlers: Handlers,
    /// The kinds of event of which it was said that there is no handler, which is said once.
    pub complained: Cell<Handlers>,
}

/// What events are delivered to.
#[derive(Debug)]
pub enum Target {
    /// An exported object, and its methods as they were when the module had run: it is not asked again.
    Object {
        /// The object.
        object: v8::Global<v8::Object>,
        /// Those of its methods that are handlers.
        methods: Vec<(Handler, v8::Global<v8::Function>)>,
    },
    /// A class that extends one of `cloudflare:workers` for this: each event has an instance of its own.
    Class(v8::Global<v8::Function>),
    /// The same, of one that runs workflows: `ctx.exports` does not have it.
    Workflow(v8::Global<v8::Function>),
    /// A class of which no instance is made for events: the reference takes it for an actor's.
    Actor,
    /// The listeners of a service-worker script.
    Listeners,
}

/// What an event of one kind is handed to.
pub(crate) enum Callee<'s> {
    /// A method of an exported object, which is given `env` and `ctx` beside the event.
    Method(v8::Local<'s, v8::Function>, v8::Local<'s, v8::Object>),
    /// A method of an instance, which has `env` and `ctx` and is given neither.
    InstanceMethod(v8::Local<'s, v8::Function>, v8::Local<'s, v8::Object>),
    /// The listeners of the global object.
    Listeners,
}

impl Entrypoint {
    fn new(name: String, target: Target, handlers: Handlers) -> Rc<Self> {
        Rc::new(Entrypoint { name, target, handlers, complained: Cell::default() })
    }

    /// What takes an event of this kind, if something does. As in the reference listeners are looked for at each event, and
    /// methods of an object are not. `ctx` and `env` are what an instance of a class is made with.
    ///
    /// # Errors
    ///
    /// What the worker's code throws meanwhile.
    pub(crate) fn callee<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        handler: Handler,
        ctx: v8::Local<'s, v8::Object>,
        env: v8::Local<'s, v8::Object>,
    ) -> Result<Option<Callee<'s>>> {
        Ok(match &self.target {
            // Nobody but a benchmark looks for its method.
            Target::Object { object, .. } if handler == Handler::Bench => {
                let object = v8::Local::new(scope, object);
                let key = handler.key(scope);
                let method = object.get(scope, key.into()).ok_or(Error::Pending)?;
                v8::Local::try_from(method).ok().map(|method| Callee::Method(method, object))
            }
            Target::Object { object, methods } => {
                let method = methods.iter().find(|(of, _)| *of == handler);
                method.map(|(_, method)| Callee::Method(v8::Local::new(scope, method), v8::Local::new(scope, object)))
            }
            Target::Class(class) | Target::Workflow(class) => {
                let class = v8::Local::new(scope, class);
                let instance = class.new_instance(scope, &[ctx.into(), env.into()]).ok_or(Error::Pending)?;
                let key = handler.key(scope);
                let method = instance.get(scope, key.into()).ok_or(Error::Pending)?;
                v8::Local::try_from(method).ok().map(|method| Callee::InstanceMethod(method, instance))
            }
            Target::Actor => None,
            Target::Listeners => entrypoints::listens(scope, handler)?.then_some(Callee::Listeners),
        })
    }
}

impl Worker {
    /// The entrypoint of this name.
    pub fn entrypoint(&self, name: &str) -> Option<&Rc<Entrypoint>> {
        self.entrypoints.iter().find(|entrypoint| entrypoint.name == name)
    }
}
