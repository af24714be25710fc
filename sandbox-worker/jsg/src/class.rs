//! Rust types as JavaScript classes: templates, wrapping, unwrapping.

use std::{ffi::CStr, marker::PhantomData, rc::Rc};

use v8::cppgc::{GarbageCollected, Visitor};

use crate::{Error, JsRef, Result, Trace, own};

/// The one tag under which this crate wraps objects. What kind of object it is stands in [`Holder::info`].
const TAG: u16 = 1;

/// A class that has a place in the one list of a program's classes. Implemented by [`crate::classes!`].
#[diagnostic::on_unimplemented(
    message = "the class `{Self}` is not in the list of classes",
    note = "each class has its line in the program's `jsg::classes!`"
)]
pub trait Listed {
    /// The place in the list.
    const INDEX: usize;
}

/// Lists all classes of a program, once in a program. Their templates and what V8 calls for them are found by their places in
/// the list. A class that is not in it does not compile.
#[macro_export]
macro_rules! classes {
    ($(#[$attribute:meta])* $vis:vis static $name:ident = [$($class:ty),+ $(,)?];) => {
        $(#[$attribute])*
        $vis static $name: &[$crate::Describe] = &[$(<$class as $crate::Class>::info),+];
        $crate::classes!(@number ($crate::OWN_CLASSES.len()), $($class,)+);
    };
    (@number $index:expr, $class:ty, $($rest:ty,)*) => {
        impl $crate::Listed for $class {
            const INDEX: usize = $index;
        }
        $crate::classes!(@number ($index + 1), $($rest,)*);
    };
    (@number $index:expr,) => {};
}

/// A Rust type that scripts see as a class. Implemented by [`macro@crate::class`].
pub trait Class: Listed + Trace + Sized + 'static {
    /// The name of the class as scripts see it.
    const NAME: &'static str;

    /// The one description of this class; its address is the identity of the class.
    fn info() -> &'static ClassInfo;
}

/// Gives the description of a class.
pub type Describe = fn() -> &'static ClassInfo;

/// The way from a value of a class to the value of its parent class that it contains. Safe for pointers to live values of
/// the class that it belongs to.
pub type Upcast = unsafe fn(*const ()) -> *const ();

/// What the glue knows of a class.
pub struct ClassInfo {
    /// As scripts see it.
    pub name: &'static str,
    /// The same, for heap snapshots.
    pub c_name: &'static CStr,
    /// The class that this one extends: its description, and the way from a value of this type to the one of that type
    /// that it contains.
    pub parent: Option<(Describe, Upcast)>,
    /// Called for `new` and for calls without `new`.
    pub callback: v8::FunctionCallback,
    /// Lists the members.
    pub define: fn(&mut dyn Members),
    /// The members that only some workers have.
    pub conditions: &'static [Condition],
    /// Where the class's template sits in the [`Registry`]: [`Listed::INDEX`].
    pub index: usize,
}

/// A member that is there only while a compatibility flag is on, or only while it is off. Of classes that are made before the
/// worker's flags are known, all members are made; those that it does not have are taken away then ([`Registry::apply`]).
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// As scripts see it.
    pub member: &'static str,
    /// Whether it is the constructor's and not the prototype's.
    pub is_static: bool,
    /// The name of the flag.
    pub flag: &'static str,
    /// Whether the flag must be on for the member to be there.
    pub on: bool,
}

impl std::fmt::Debug for ClassInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClassInfo({})", self.name)
    }
}

/// The templates of one isolate; lives in an isolate slot.
#[derive(Debug, Default)]
pub struct Registry {
    /// By the place of the class in the list.
    templates: Vec<Option<Templates>>,
    /// How classes look to this worker; `None` until its flags are known.
    look: Option<Look>,
    /// Whether a flag of this name is on for this worker; `None` until they are known.
    is_on: Option<IsOn>,
    /// By index of the class, the accessors that its objects have as own properties; mostly there are none.
    own: Vec<Vec<OwnAccessor>>,
}

/// Says whether a flag is on.
#[derive(Clone)]
struct IsOn(Rc<dyn Fn(&str) -> bool>);

impl std::fmt::Debug for IsOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IsOn")
    }
}

/// A name, a getter, a setter.
type OwnAccessor = (v8::Global<v8::Name>, v8::Global<v8::Function>, Option<v8::Global<v8::Function>>);

/// How all classes look to a worker.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether prototypes have a `Symbol.toStringTag`.
    pub tags: bool,
    /// Whether what is wrong with the arguments of an operation that returns a promise rejects it; else it is thrown.
    pub rejects: bool,
    /// Whether the result of an iterator that is at its end has a `value`, `undefined`.
    pub shows_undefined: bool,
}

#[derive(Debug, Clone)]
struct Templates {
    info: &'static ClassInfo,
    class: v8::Global<v8::FunctionTemplate>,
    instance: v8::Global<v8::ObjectTemplate>,
}

impl Registry {
    /// Prepares a fresh isolate for classes. Call once, before anything else of this crate.
    pub fn install(isolate: &mut v8::Isolate) {
        isolate.set_slot(Registry::default());
        isolate.set_slot(crate::Hooks::default());
    }

    /// Takes the templates that [`Self::save`] has put into the snapshot that the isolate was started from; `made` is what it
    /// gave, `classes` the program's list. Needs a scope with a context.
    ///
    /// # Panics
    ///
    /// If they are not there: the snapshot was made by another program, which the caller has to have ruled out.
    pub fn restore(scope: &mut v8::PinScope<'_, '_>, classes: &[Describe], made: impl Iterator<Item = usize>) {
        let own = crate::OWN_CLASSES;
        for (place, index) in made.enumerate() {
            let info = if index < own.len() { own[index]() } else { classes[index - own.len()]() };
            let class: v8::Local<'_, v8::FunctionTemplate> =
                scope.get_isolate_data_from_snapshot_once(place).expect("a snapshot has its templates");
            let instance = class.instance_template(scope);
            Self::add(scope, info, class, instance);
        }
    }

    /// Puts the templates that there are into the snapshot that is made of the isolate, before any other data of the isolate;
    /// gives the places of their classes in the program's list. Afterwards the isolate has no classes: nothing may refer into
    /// its heap when the snapshot is made.
    ///
    /// # Panics
    ///
    /// If no snapshot is made of this isolate.
    pub fn save(scope: &mut v8::PinScope<'_, '_>) -> Vec<usize> {
        let registry = scope.remove_slot::<Registry>().expect("Registry::install was called on this isolate");
        scope.remove_slot::<crate::Hooks>();
        let made: Vec<Templates> = registry.templates.into_iter().flatten().collect();
        for (place, templates) in made.iter().enumerate() {
            let class = v8::Local::new(scope, &templates.class);
            let index = scope.add_isolate_data(class);
            assert_eq!(index, place, "the templates come first");
        }
        made.iter().map(|templates| templates.info.index).collect()
    }

    /// The parameters of the C++ heap that wrapped objects need: atomic marking and sweeping, so that `Trace` and `Drop`
    /// only ever run on the isolate's thread.
    pub fn heap_params() -> v8::cppgc::HeapCreateParams {
        v8::cppgc::HeapCreateParams {
            marking_support: v8::cppgc::MarkingType::Atomic,
            sweeping_support: v8::cppgc::SweepingType::Atomic,
        }
    }

    /// The constructor template of a class, made at first use.
    pub fn template<'s>(
        scope: &mut v8::PinScope<'s, '_, ()>,
        info: &'static ClassInfo,
    ) -> v8::Local<'s, v8::FunctionTemplate> {
        if let Some(Some(templates)) = Self::get(scope).templates.get(info.index) {
            return v8::Local::new(scope, &templates.class);
        }
        Self::make(scope, info).0
    }

    /// The template of a class's instances, made at first use.
    pub fn instance_template<'s>(
        scope: &mut v8::PinScope<'s, '_, ()>,
        info: &'static ClassInfo,
    ) -> v8::Local<'s, v8::ObjectTemplate> {
        if let Some(Some(templates)) = Self::get(scope).templates.get(info.index) {
            return v8::Local::new(scope, &templates.instance);
        }
        Self::make(scope, info).1
    }

    /// Puts the constructor of class `T` on `target`: writable, configurable and, as in the reference, enumerable.
    pub fn expose<T: Class>(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
        let template = Self::template(scope, T::info());
        let function = template.get_function(scope).expect("the class template is complete");
        let name = crate::string(scope, T::NAME);
        target.define_own_property(scope, name.into(), function.into(), v8::PropertyAttribute::NONE);
    }

    /// Gives all classes the members and the look that a worker has whose flags are those that `is_on` knows. Call once,
    /// before its code runs.
    pub fn apply(scope: &mut v8::PinScope<'_, '_>, look: Look, is_on: impl Fn(&str) -> bool + 'static) {
        let registry = scope.get_slot_mut::<Registry>().expect("Registry::install was called on this isolate");
        registry.look = Some(look);
        let is_on = Rc::new(is_on);
        registry.is_on = Some(IsOn(is_on.clone()));
        let all: Vec<&'static ClassInfo> = registry.templates.iter().flatten().map(|known| known.info).collect();
        for info in all {
            if look.tags && info.conditions.is_empty() {
                continue;
            }
            let (class, prototype) = Self::class_of(scope, info);
            if !look.tags {
                let tag = v8::Symbol::get_to_string_tag(scope);
                prototype.delete(scope, tag.into());
            }
            for condition in info.conditions.iter().filter(|condition| is_on(condition.flag) != condition.on) {
                let key = crate::string(scope, condition.member);
                let owner = if condition.is_static { class } else { prototype };
                owner.delete(scope, key.into());
            }
        }
    }

    /// The constructor and its prototype object.
    fn class_of<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        info: &'static ClassInfo,
    ) -> (v8::Local<'s, v8::Object>, v8::Local<'s, v8::Object>) {
        let template = Self::template(scope, info);
        let class = template.get_function(scope).expect("the class template is complete");
        let key = crate::string(scope, "prototype");
        let prototype = class.get(scope, key.into()).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
        (class.into(), prototype.expect("a class has a prototype"))
    }

    /// Moves accessors of a class from its prototype to each object that is made from now on.
    ///
    /// # Panics
    ///
    /// If the class has no accessor of one of the names.
    pub fn move_to_objects(scope: &mut v8::PinScope<'_, '_>, info: &'static ClassInfo, names: &[&str]) {
        let (_, prototype) = Self::class_of(scope, info);
        let mut own = Vec::with_capacity(names.len());
        for name in names {
            let accessor = own::take(scope, prototype, name).unwrap_or_else(|| panic!("{}: {name}?", info.name));
            let key: v8::Local<'_, v8::Name> = crate::string(scope, name).into();
            let setter = accessor.setter.map(|setter| v8::Global::new(scope, setter));
            own.push((v8::Global::new(scope, key), v8::Global::new(scope, accessor.getter), setter));
        }
        let index = info.index;
        let registry = scope.get_slot_mut::<Registry>().expect("Registry::install was called on this isolate");
        if registry.own.len() <= index {
            registry.own.resize_with(index + 1, Vec::new);
        }
        registry.own[index] = own;
    }

    /// Gives a new object of a class the accessors that are its own, those of the class itself first and the last one of
    /// each class first, as in the reference. For objects that were made before [`Self::move_to_objects`].
    pub fn adorn<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        object: v8::Local<'s, v8::Object>,
        mut info: &'static ClassInfo,
    ) {
        loop {
            let own = Self::get(scope).own.get(info.index).cloned().unwrap_or_default();
            for (name, getter, setter) in own.iter().rev() {
                let accessor = own::Accessor {
                    getter: v8::Local::new(scope, getter),
                    setter: setter.as_ref().map(|setter| v8::Local::new(scope, setter)),
                };
                let name = v8::Local::new(scope, name);
                own::define(scope, object, name, accessor);
            }
            let Some((parent, _)) = info.parent else { return };
            info = parent();
        }
    }

    /// Whether operations that return promises reject them for what is wrong with the call.
    pub(crate) fn rejects(scope: &v8::PinScope<'_, '_>) -> bool {
        Self::get(scope).look.is_none_or(|look| look.rejects)
    }

    /// Whether the result of an iterator that is at its end has a `value`.
    pub(crate) fn shows_undefined(scope: &v8::PinScope<'_, '_>) -> bool {
        Self::get(scope).look.is_none_or(|look| look.shows_undefined)
    }

    fn get<'a>(scope: &'a v8::PinScope<'_, '_, ()>) -> &'a Registry {
        scope.get_slot::<Registry>().expect("Registry::install was called on this isolate")
    }

    fn make<'s>(
        scope: &mut v8::PinScope<'s, '_, ()>,
        info: &'static ClassInfo,
    ) -> (v8::Local<'s, v8::FunctionTemplate>, v8::Local<'s, v8::ObjectTemplate>) {
        let class = v8::FunctionTemplate::builder_raw(info.callback).build(scope);
        class.set_class_name(crate::string(scope, info.name));
        if let Some((parent, _)) = info.parent {
            let parent = Self::template(scope, parent());
            class.inherit(parent);
        }
        let prototype = class.prototype_template(scope);
        let look = Self::get(scope).look;
        // Before the flags are known, all members are there.
        let is_on = Self::get(scope).is_on.clone();
        let differs =
            |condition: &&Condition| is_on.as_ref().is_some_and(|is_on| (is_on.0)(condition.flag) != condition.on);
        let absent: Vec<_> = info.conditions.iter().filter(differs).map(|one| (one.member, one.is_static)).collect();
        if look.is_none_or(|look| look.tags) {
            let tag = v8::Symbol::get_to_string_tag(scope);
            let name = crate::string(scope, info.name);
            prototype.set_with_attr(tag.into(), name.into(), v8::PropertyAttribute::DONT_ENUM);
        }
        let instance = class.instance_template(scope);
        (info.define)(&mut TemplateBuilder { scope, class, prototype, absent });
        Self::add(scope, info, class, instance);
        (class, instance)
    }

    fn add<'s>(
        scope: &mut v8::PinScope<'s, '_, ()>,
        info: &'static ClassInfo,
        class: v8::Local<'s, v8::FunctionTemplate>,
        instance: v8::Local<'s, v8::ObjectTemplate>,
    ) {
        let templates =
            Templates { info, class: v8::Global::new(scope, class), instance: v8::Global::new(scope, instance) };
        let registry = scope.get_slot_mut::<Registry>().expect("Registry::install was called on this isolate");
        if registry.templates.len() <= info.index {
            registry.templates.resize_with(info.index + 1, || None);
        }
        let before = registry.templates[info.index].replace(templates);
        assert!(before.is_none(), "{info:?}: a program has one list of classes, with each once");
    }
}

/// Takes the members of a class, one call for each.
pub trait Members {
    /// A method on the prototype.
    fn method(&mut self, name: &str, callback: v8::FunctionCallback);

    /// A method on the prototype under `@@iterator` and, where `name` is given, under that name too: the same function object.
    fn iterator_method(&mut self, name: Option<&str>, shown: &str, callback: v8::FunctionCallback);

    /// A method of the constructor.
    fn static_method(&mut self, name: &str, callback: v8::FunctionCallback);

    /// An accessor on the prototype.
    fn accessor(&mut self, name: &str, getter: Option<v8::FunctionCallback>, setter: Option<v8::FunctionCallback>);

    /// What objects of the class do when they are called, and how their template is told so: the binding wants the function itself.
    fn called(&mut self, callback: v8::FunctionCallback, tell: fn(&v8::ObjectTemplate));

    /// A number on the constructor and on the prototype, as Web IDL constants are.
    fn constant(&mut self, name: &str, value: f64);
}

/// What of the classes a snapshot refers to by its place: see [`references`].
struct References<'a> {
    found: Vec<v8::FunctionCallback>,
    names: &'a mut dyn FnMut(&str),
}

impl Members for References<'_> {
    fn method(&mut self, name: &str, callback: v8::FunctionCallback) {
        (self.names)(name);
        self.found.push(callback);
    }

    fn iterator_method(&mut self, _: Option<&str>, shown: &str, callback: v8::FunctionCallback) {
        self.method(shown, callback);
    }

    fn static_method(&mut self, name: &str, callback: v8::FunctionCallback) {
        self.method(name, callback);
    }

    fn accessor(&mut self, name: &str, getter: Option<v8::FunctionCallback>, setter: Option<v8::FunctionCallback>) {
        (self.names)(name);
        self.found.extend(getter);
        (self.names)(if setter.is_some() { "=" } else { "" });
        self.found.extend(setter);
    }

    fn called(&mut self, callback: v8::FunctionCallback, _: fn(&v8::ObjectTemplate)) {
        self.method("()", callback);
    }

    fn constant(&mut self, name: &str, _: f64) {
        (self.names)(name);
    }
}

/// The functions that V8 calls for the classes, in the order of the list and of their definition. A snapshot names each by its
/// place here, so that those with the same code, which the linker may have made one, are listed as often as they are defined.
/// `names` gets the names of classes and members, which stand for the order.
pub fn references(classes: &[Describe], names: &mut dyn FnMut(&str)) -> Vec<v8::FunctionCallback> {
    let mut references = References { found: Vec::with_capacity(256), names };
    for info in crate::OWN_CLASSES.iter().chain(classes).map(|describe| describe()) {
        (references.names)(info.name);
        references.found.push(info.callback);
        (info.define)(&mut references);
    }
    references.found
}

/// Adds members to a class's template.
struct TemplateBuilder<'b, 's, 'i> {
    scope: &'b mut v8::PinScope<'s, 'i, ()>,
    /// The constructor.
    class: v8::Local<'s, v8::FunctionTemplate>,
    /// The prototype object.
    prototype: v8::Local<'s, v8::ObjectTemplate>,
    /// The members that the worker's flags take away, and whether each is a static one.
    absent: Vec<(&'static str, bool)>,
}

impl<'s> TemplateBuilder<'_, 's, '_> {
    fn function(&mut self, name: &str, callback: v8::FunctionCallback) -> v8::Local<'s, v8::FunctionTemplate> {
        let function = v8::FunctionTemplate::builder_raw(callback)
            .constructor_behavior(v8::ConstructorBehavior::Throw)
            .build(self.scope);
        function.set_class_name(crate::string(self.scope, name));
        function
    }

    fn has(&self, name: &str, is_static: bool) -> bool {
        !self.absent.contains(&(name, is_static))
    }
}

impl Members for TemplateBuilder<'_, '_, '_> {
    fn method(&mut self, name: &str, callback: v8::FunctionCallback) {
        if !self.has(name, false) {
            return;
        }
        let function = self.function(name, callback);
        self.prototype.set(crate::string(self.scope, name).into(), function.into());
    }

    fn iterator_method(&mut self, name: Option<&str>, shown: &str, callback: v8::FunctionCallback) {
        let function = self.function(shown, callback);
        if let Some(name) = name {
            self.prototype.set(crate::string(self.scope, name).into(), function.into());
        }
        let symbol = v8::Symbol::get_iterator(self.scope);
        self.prototype.set_with_attr(symbol.into(), function.into(), v8::PropertyAttribute::DONT_ENUM);
    }

    fn static_method(&mut self, name: &str, callback: v8::FunctionCallback) {
        if !self.has(name, true) {
            return;
        }
        let function = self.function(name, callback);
        self.class.set(crate::string(self.scope, name).into(), function.into());
    }

    fn accessor(&mut self, name: &str, getter: Option<v8::FunctionCallback>, setter: Option<v8::FunctionCallback>) {
        if !self.has(name, false) {
            return;
        }
        let make = |callback: v8::FunctionCallback| {
            v8::FunctionTemplate::builder_raw(callback)
                .constructor_behavior(v8::ConstructorBehavior::Throw)
                .build(self.scope)
        };
        let getter = getter.map(make);
        let setter = setter.map(make);
        self.prototype.set_accessor_property(
            crate::string(self.scope, name).into(),
            getter,
            setter,
            v8::PropertyAttribute::NONE,
        );
    }

    fn called(&mut self, _: v8::FunctionCallback, tell: fn(&v8::ObjectTemplate)) {
        tell(&self.class.instance_template(self.scope));
    }

    fn constant(&mut self, name: &str, value: f64) {
        let key = crate::string(self.scope, name);
        let value = v8::Number::new(self.scope, value);
        let attributes = || v8::PropertyAttribute::READ_ONLY | v8::PropertyAttribute::DONT_DELETE;
        self.class.set_with_attr(key.into(), value.into(), attributes());
        self.prototype.set_with_attr(key.into(), value.into(), attributes());
    }
}

/// What a wrapped object costs beside its value, in bytes: headers, handles, the small allocations that most values own.
const OVERHEAD: usize = 256;

/// What is really allocated on the C++ heap: the value behind a word that says what it is.
#[repr(C)]
struct Holder<T> {
    info: &'static ClassInfo,
    value: T,
}

// SAFETY: `trace` visits everything that the value's own `Trace` knows of, and derived or reviewed `Trace`
// implementations cover every traced reference: `JsRef` can only be reached through them.
unsafe impl<T: Class> GarbageCollected for Holder<T> {
    fn trace(&self, visitor: &mut Visitor) {
        self.value.trace(visitor);
    }

    fn get_name(&self) -> &'static CStr {
        self.info.c_name
    }
}

/// The part of every [`Holder`] that does not depend on its type.
#[repr(C)]
struct AnyHolder {
    info: &'static ClassInfo,
}

// SAFETY: never allocated; it only names the common head of holders that are.
unsafe impl GarbageCollected for AnyHolder {
    fn trace(&self, _: &mut Visitor) {}

    fn get_name(&self) -> &'static CStr {
        c"AnyHolder"
    }
}

/// Makes `value` what stands behind the JavaScript object `wrapper`.
pub(crate) fn wrap<'s, T: Class>(scope: &mut v8::PinScope<'s, '_>, wrapper: v8::Local<'s, v8::Object>, value: T) {
    const {
        // `AnyHolder` is read where a `Holder<T>` was written: the value must not move the head to another offset.
        assert!(align_of::<Holder<T>>() == align_of::<AnyHolder>());
    }
    crate::allocated(size_of::<Holder<T>>() + OVERHEAD);
    crate::memory::collect_if_due(scope);
    let heap = scope.get_cpp_heap().expect("an isolate has a C++ heap");
    // SAFETY: the pointer stays on the stack until `wrap` hands it to the wrapper, which keeps it alive from then on.
    let pointer = unsafe { v8::cppgc::make_garbage_collected(heap, Holder { info: T::info(), value }) };
    // SAFETY: all objects in this heap are wrapped by this function, with this tag, around a `Holder`.
    unsafe { v8::Object::wrap::<TAG, Holder<T>>(scope, wrapper, &pointer) };
    if !Registry::get(scope).own.is_empty() {
        Registry::adorn(scope, wrapper, T::info());
    }
}

/// A new JavaScript object of class `T` around `value`. The class's JavaScript constructor does not run.
pub fn instantiate<'s, T: Class>(scope: &mut v8::PinScope<'s, '_>, value: T) -> Result<v8::Local<'s, v8::Object>> {
    let template = Registry::instance_template(scope, T::info());
    let object = template.new_instance(scope).ok_or(Error::Pending)?;
    wrap(scope, object, value);
    Ok(object)
}

/// The `T` behind a JavaScript object, if it is one (or a subclass of it). This is the brand check.
///
/// The reference lives as long as the handles of the scope: the object is reachable from the handle, and the collector
/// scans the stack.
pub fn unwrap<'s, T: Class>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Option<&'s T> {
    if !object.is_api_wrapper() {
        return None;
    }
    // SAFETY: everything wrapped under TAG in this heap is a `Holder<_>`, whose head is an `AnyHolder` (`wrap` checks
    // the layout). The pointer does not leave the stack.
    let any = unsafe { v8::Object::unwrap::<TAG, AnyHolder>(scope, object) }?;
    // SAFETY: as above; the object is kept alive by the handle.
    let any: *const AnyHolder = unsafe { any.as_ref() };
    // SAFETY: `any` points at a live holder.
    let mut info = unsafe { (*any).info };
    let wanted = T::info();
    // The value stands behind the head, at the same place for every type of the same alignment.
    let mut value: *const () = any.wrapping_byte_add(std::mem::offset_of!(Holder<T>, value)).cast();
    loop {
        if std::ptr::eq(info, wanted) {
            // SAFETY: the description says that a `T` was written here, or that the upcasts below led to one. The
            // handle keeps it alive for 's.
            return Some(unsafe { &*value.cast::<T>() });
        }
        let (parent, upcast) = info.parent?;
        info = parent();
        // SAFETY: `upcast` was generated for the type that `value` points at.
        value = unsafe { upcast(value) };
    }
}

/// [`unwrap`] for any value.
pub fn unwrap_value<'s, T: Class>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Option<&'s T> {
    let object = v8::Local::<v8::Object>::try_from(value).ok()?;
    unwrap(scope, object)
}

/// A reference from one wrapped object to another, through its JavaScript object, so that identity is kept.
pub struct Ref<T>(JsRef<v8::Object>, PhantomData<T>);

impl<T: Class> Ref<T> {
    /// Refers to an object of class `T`; `None` if it is not one.
    pub fn new<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Option<Self> {
        unwrap::<T>(scope, object)?;
        Some(Ref(JsRef::new(scope, object), PhantomData))
    }

    /// Wraps `value` in a new JavaScript object and refers to it.
    pub fn instantiate(scope: &mut v8::PinScope<'_, '_>, value: T) -> Result<Self> {
        let object = instantiate(scope, value)?;
        Ok(Ref(JsRef::new(scope, object), PhantomData))
    }

    /// The JavaScript object.
    pub fn object<'s>(&self, scope: &v8::PinScope<'s, '_, ()>) -> v8::Local<'s, v8::Object> {
        self.0.get(scope)
    }

    /// The Rust value.
    pub fn get<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> &'s T {
        let object = self.0.get(scope);
        unwrap(scope, object).expect("a Ref is made around an object of its class")
    }
}

impl<T> Trace for Ref<T> {
    fn trace(&self, visitor: &mut Visitor) {
        self.0.trace(visitor);
    }
}

impl<T> std::fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ref")
    }
}

/// A reference from Rust code outside the heap (a task, a queue) to a wrapped object: a root, to be dropped soon.
pub struct Global<T>(v8::Global<v8::Object>, PhantomData<T>);

impl<T: Class> Global<T> {
    /// Refers to an object of class `T`; `None` if it is not one.
    pub fn new<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Option<Self> {
        unwrap::<T>(scope, object)?;
        Some(Global(v8::Global::new(scope, object), PhantomData))
    }

    /// The JavaScript object.
    pub fn object<'s>(&self, scope: &v8::PinScope<'s, '_, ()>) -> v8::Local<'s, v8::Object> {
        v8::Local::new(scope, &self.0)
    }

    /// The Rust value.
    pub fn get<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> &'s T {
        let object = v8::Local::new(scope, &self.0);
        unwrap(scope, object).expect("a Global is made around an object of its class")
    }
}

impl<T> Clone for Global<T> {
    fn clone(&self) -> Self {
        Global(self.0.clone(), PhantomData)
    }
}

impl<T> std::fmt::Debug for Global<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Global")
    }
}

/// The text of the exception for a receiver of the wrong class, in the reference's words.
#[derive(Debug)]
pub struct Illegal;

impl From<Illegal> for Error {
    fn from(_: Illegal) -> Self {
        Error::type_error(
            "Illegal invocation: function called with incorrect `this` reference. See \
             https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.",
        )
    }
}
