//! Objects that belong to one owner of I/O.

use std::{any::Any, cell::RefCell, marker::PhantomData, rc::Rc};

use jsg::Error;

use super::{Event, IoContext, IoContextHandle};

fn different_request(what: &str) -> Error {
    Error::error(format!(
        "Cannot perform I/O on behalf of a different request. I/O objects (such as streams, request/response bodies, and \
         others) created in the context of one request handler cannot be accessed from a different request's handler. This \
         is a limitation of Cloudflare Workers which allows us to improve overall performance. (I/O type: {what})",
    ))
}

/// What the reference calls a body.
const BODY: &str = "ReadableStreamSource>";

/// Whose something is that counts as I/O though native code need not do any, such as a body in memory. What was made in the
/// global scope is everybody's.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnedBy(Option<u64>);

impl OwnedBy {
    /// The owner itself.
    pub fn context(context: &IoContext) -> Self {
        OwnedBy(Some(context.number()))
    }

    /// A number for scripts to keep: 0 for what is everybody's.
    pub fn number(self) -> f64 {
        self.0.unwrap_or(0) as f64
    }

    /// Of what [`Self::number`] has given.
    pub fn from_number(number: f64) -> Self {
        OwnedBy(Some(number as u64).filter(|&number| number != 0))
    }

    /// The current event's owner.
    pub fn current(scope: &v8::PinScope<'_, '_>) -> Self {
        OwnedBy(Event::current(scope).map(|event| event.context().number()))
    }

    /// # Errors
    ///
    /// It is not the current event's owner.
    pub fn check(self, scope: &v8::PinScope<'_, '_>) -> Result<(), Error> {
        self.check_as(scope, BODY)
    }

    /// As [`Self::check`]; `what` is the reference's name of what is used.
    ///
    /// # Errors
    ///
    /// It is not the current event's owner.
    pub fn check_as(self, scope: &v8::PinScope<'_, '_>, what: &str) -> Result<(), Error> {
        match self.0 {
            Some(_) if Self::current(scope).0 != self.0 => Err(different_request(what)),
            _ => Ok(()),
        }
    }
}

/// A value that performs I/O and belongs to one owner, held by an object that scripts may keep for longer.
///
/// It is unusable from events of another owner, and is freed when its owner goes, whatever JavaScript still holds.
pub struct IoOwn<T> {
    context: IoContextHandle,
    key: usize,
    value: PhantomData<T>,
}

impl<T: 'static> IoOwn<T> {
    /// Gives `value` to the context.
    pub fn new(context: &Rc<IoContext>, value: T) -> Self {
        Self::share(context, Rc::new(value))
    }

    /// Gives the context a share in `value`.
    pub fn share(context: &Rc<IoContext>, value: Rc<T>) -> Self {
        let key = context.owned.borrow_mut().insert(Box::new(value) as Box<dyn Any>);
        IoOwn { context: context.handle(), key, value: PhantomData }
    }

    /// The value, if its owner is the current event's; else the reference's exception.
    pub fn get(&self, scope: &v8::PinScope<'_, '_>) -> Result<Rc<T>, Error> {
        let owner = self.context.get();
        match (&owner, IoContext::current(scope)) {
            (Some(owner), Some(current)) if Rc::ptr_eq(owner, &current) => {}
            _ => {
                return Err(different_request(BODY));
            }
        }
        self.owned().ok_or_else(|| Error::error("This object belongs to a request that has ended."))
    }

    /// The value, whoever asks, unless its owner is gone.
    pub fn owned(&self) -> Option<Rc<T>> {
        let owner = self.context.get()?;
        let owned = owner.owned.borrow();
        owned.get(self.key).and_then(|value| value.downcast_ref::<Rc<T>>()).cloned()
    }
}

impl<T> Drop for IoOwn<T> {
    fn drop(&mut self) {
        // The value goes with the object or with the owner, whichever ends first.
        let removed = self.context.get().and_then(|context| {
            let owned: &RefCell<slab::Slab<Box<dyn Any>>> = &context.owned;
            owned.try_borrow_mut().ok().and_then(|mut owned| owned.try_remove(self.key))
        });
        drop(removed);
    }
}

impl<T> std::fmt::Debug for IoOwn<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IoOwn")
    }
}

impl<T> jsg::Trace for IoOwn<T> {
    fn trace(&self, _: &mut v8::cppgc::Visitor) {}
}
