//! Web IDL iterables.

use std::cell::Cell;

use crate::{Class, Error, JsRef, Result, Trace, class};

/// A class with pairs: `#[jsg::class(iterable)]` gives it `entries`, `keys`, `values`, `forEach` and `@@iterator`.
pub trait PairIterable: Class {
    /// The pair at this index of the live list, or `None` at the end.
    fn pair_at<'s>(&self, scope: &mut v8::PinScope<'s, '_>, index: usize) -> Result<Option<Pair<'s>>>;
}

/// A key and its value.
pub type Pair<'s> = (v8::Local<'s, v8::Value>, v8::Local<'s, v8::Value>);

/// What an iterator yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Entries,
    Keys,
    Values,
}

/// A new iterator over the pairs of `object`.
pub fn iterator<'s, T: PairIterable>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    kind: Kind,
) -> Result<v8::Local<'s, v8::Value>> {
    fn pair_at<'s, T: PairIterable>(
        scope: &mut v8::PinScope<'s, '_>,
        object: v8::Local<'s, v8::Object>,
        index: usize,
    ) -> Result<Option<Pair<'s>>> {
        class::unwrap::<T>(scope, object).ok_or(class::Illegal)?.pair_at(scope, index)
    }
    let state = State { object: JsRef::new(scope, object), pair_at: pair_at::<T>, index: Cell::new(0) };
    let object = match kind {
        Kind::Entries => class::instantiate(scope, EntryIterator(state))?,
        Kind::Keys => class::instantiate(scope, KeyIterator(state))?,
        Kind::Values => class::instantiate(scope, ValueIterator(state))?,
    };
    Ok(object.into())
}

/// Makes the iterators of all classes inherit from `%IteratorPrototype%` (Web IDL, "iterator prototype object"). To be
/// called in a fresh context, before a script can have changed anything.
///
/// # Panics
/// If the context is not fresh.
pub fn inherit_iterator_prototype(scope: &mut v8::PinScope<'_, '_>) {
    fn parent<'s>(scope: &v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> v8::Local<'s, v8::Object> {
        let parent = object.get_prototype(scope).and_then(|parent| v8::Local::<v8::Object>::try_from(parent).ok());
        parent.expect("a built-in iterator has a prototype")
    }
    let array = v8::Array::new(scope, 0);
    let symbol = v8::Symbol::get_iterator(scope);
    let method = array.get(scope, symbol.into()).and_then(|method| v8::Local::<v8::Function>::try_from(method).ok());
    let iterator = method.and_then(|method| method.call(scope, array.into(), &[]));
    let iterator = iterator.and_then(|iterator| v8::Local::<v8::Object>::try_from(iterator).ok());
    let iterator = iterator.expect("an array can be iterated");
    let of_arrays = parent(scope, iterator);
    let of_all = parent(scope, of_arrays);
    for info in [EntryIterator::info(), KeyIterator::info(), ValueIterator::info()] {
        let class = crate::Registry::template(scope, info).get_function(scope).expect("the class template is complete");
        let key = crate::string(scope, "prototype");
        let prototype = class.get(scope, key.into()).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
        let set = prototype.and_then(|prototype| prototype.set_prototype(scope, of_all.into()));
        assert_eq!(set, Some(true), "the prototype of an iterator class can be set");
    }
}

/// `forEach` of a pair iterable.
pub(crate) fn for_each<'s, T: PairIterable>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    callback: v8::Local<'s, v8::Function>,
    this_arg: Option<v8::Local<'s, v8::Value>>,
) -> Result<()> {
    let receiver = this_arg.unwrap_or_else(|| v8::undefined(scope).into());
    let mut index = 0;
    loop {
        let this = class::unwrap::<T>(scope, object).ok_or(class::Illegal)?;
        let Some((key, value)) = this.pair_at(scope, index)? else { return Ok(()) };
        callback.call(scope, receiver, &[value, key, object.into()]).ok_or(Error::Pending)?;
        index += 1;
    }
}

type PairAt =
    for<'s, 'i, 'b> fn(&'b mut v8::PinScope<'s, 'i>, v8::Local<'s, v8::Object>, usize) -> Result<Option<Pair<'s>>>;

struct State {
    object: JsRef<v8::Object>,
    pair_at: PairAt,
    /// The next pair. Seeing the end does not move it: pairs that are added later are seen (Web IDL, "default iterator
    /// objects").
    index: Cell<usize>,
}

impl Trace for State {
    fn trace(&self, visitor: &mut v8::cppgc::Visitor) {
        self.object.trace(visitor);
    }
}

impl State {
    fn next<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        pick: impl FnOnce(&mut v8::PinScope<'s, '_>, Pair<'s>) -> v8::Local<'s, v8::Value>,
    ) -> Result<v8::Local<'s, v8::Object>> {
        let index = self.index.get();
        let object = self.object.get(scope);
        let pair = (self.pair_at)(scope, object, index)?;
        if pair.is_some() {
            self.index.set(index + 1);
        }
        let done_now = pair.is_none();
        let value = match pair {
            Some(pair) => pick(scope, pair),
            None => v8::undefined(scope).into(),
        };
        // Before `enable_fast_jsg_struct` a member without a value was left out.
        let hook = scope.get_slot::<crate::Hooks>().and_then(|hooks| hooks.iterator_result.clone());
        if let Some(hook) = hook.filter(|_| !done_now || class::Registry::shows_undefined(scope)) {
            let (hook, receiver) = (v8::Local::new(scope, hook), v8::undefined(scope).into());
            let done = v8::Boolean::new(scope, done_now).into();
            let result = hook.call(scope, receiver, &[done, value]).ok_or(Error::Pending)?;
            return v8::Local::try_from(result).map_err(|_| Error::Pending);
        }
        let result = v8::Object::new(scope);
        let done_key = crate::string(scope, "done");
        let done = v8::Boolean::new(scope, done_now);
        result.set(scope, done_key.into(), done.into());
        if !done_now || class::Registry::shows_undefined(scope) {
            let value_key = crate::string(scope, "value");
            result.set(scope, value_key.into(), value);
        }
        Ok(result)
    }
}

macro_rules! iterators {
    ($($index:literal $name:ident => $pick:expr),*) => {
        /// The classes of this crate, which come first in every program's list.
        pub static OWN_CLASSES: &[crate::Describe] = &[$($name::info),*];

        $(
        impl crate::Listed for $name {
            const INDEX: usize = $index;
        }

        struct $name(State);

        impl Trace for $name {
            fn trace(&self, visitor: &mut v8::cppgc::Visitor) {
                self.0.trace(visitor);
            }
        }

        #[crate::class(iterator)]
        impl $name {
            #[method]
            fn next<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
                self.0.next(scope, $pick)
            }
        }
    )* };
}
iterators!(
    0 EntryIterator => |scope, (key, value)| v8::Array::new_with_elements(scope, &[key, value]).into(),
    1 KeyIterator => |_, (key, _)| key,
    2 ValueIterator => |_, (_, value)| value
);
