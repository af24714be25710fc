//! Classes, conversions and errors, seen from scripts in a bare isolate.

use std::{
    cell::{Cell, RefCell},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use jsg::{BufferSource, ByteString, Error, OrUndefined, Place, Receiver, Ref, Registry, Rest};

thread_local! { static DROPPED: Cell<u32> = const { Cell::new(0) }; }

#[derive(jsg::Trace)]
struct Animal {
    name: RefCell<String>,
    friend: RefCell<Option<Ref<Animal>>>,
}

impl Drop for Animal {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
    }
}

#[jsg::class]
impl Animal {
    #[constructor]
    fn new(name: String) -> Self {
        Animal { name: RefCell::new(name), friend: RefCell::new(None) }
    }

    #[getter]
    fn name(&self) -> String {
        self.name.borrow().clone()
    }

    #[setter]
    fn set_name(&self, name: String) {
        *self.name.borrow_mut() = name;
    }

    #[method]
    fn befriend<'s>(&self, scope: &mut v8::PinScope<'s, '_>, other: v8::Local<'s, v8::Value>) -> Result<(), Error> {
        let other = v8::Local::<v8::Object>::try_from(other).map_err(|_| Error::type_error("no object"))?;
        let friend = Ref::new(scope, other).ok_or_else(|| Error::type_error("no animal"))?;
        *self.friend.borrow_mut() = Some(friend);
        Ok(())
    }

    #[getter]
    fn friend<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> OrUndefined<v8::Local<'s, v8::Object>> {
        OrUndefined(self.friend.borrow().as_ref().map(|friend| friend.object(scope)))
    }

    #[static_method]
    fn nameless(_scope: &mut v8::PinScope<'_, '_>) -> Animal {
        Animal::new(String::new())
    }

    #[method(promise)]
    fn later(&self, count: u32) -> Result<u32, Error> {
        Err(Error::range_error(format!("{count} is too many")))
    }

    #[method(name = "self")]
    fn this<'s>(&self, receiver: Receiver<'s>) -> v8::Local<'s, v8::Object> {
        receiver.0
    }
}

#[derive(jsg::Trace)]
struct Dog {
    base: Animal,
    #[trace(skip)]
    tricks: RefCell<Vec<(ByteString, f64)>>,
}

#[jsg::class(extends = Animal, iterable)]
impl Dog {
    #[constant]
    const LEGS: u32 = 4;

    #[constructor]
    fn new(name: String, options: Option<DogInit>) -> Self {
        let tricks = options.and_then(|options| options.tricks).map_or_else(Vec::new, |record| record.0);
        Dog { base: Animal::new(name), tricks: RefCell::new(tricks) }
    }

    #[method]
    fn count(&self, buffer: BufferSource<'_>, more: Rest<ByteString>) -> u32 {
        u32::try_from(buffer.to_vec().len() + more.0.len()).unwrap_or(u32::MAX)
    }

    #[method]
    fn bark(&self, how: Option<Volume>, what: Option<What<'_>>) -> String {
        let what = match what {
            None => "nothing".to_owned(),
            Some(What::Dog(dog)) => dog.base.name(),
            Some(What::List(list)) => format!("{:?}", list.0),
            Some(What::Text(text)) => text,
        };
        format!("{} {what}", how.map_or("none", |how| how.as_str()))
    }
}

impl jsg::PairIterable for Dog {
    fn pair_at<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        index: usize,
    ) -> Result<Option<(v8::Local<'s, v8::Value>, v8::Local<'s, v8::Value>)>, Error> {
        let Some((name, grade)) = self.tricks.borrow().get(index).cloned() else { return Ok(None) };
        Ok(Some((jsg::one_byte(scope, &name).into(), v8::Number::new(scope, grade).into())))
    }
}

#[derive(jsg::Dict)]
struct DogInit {
    tricks: Option<jsg::Record<ByteString, f64>>,
}

#[derive(jsg::Enum, Clone, Copy)]
enum Volume {
    Loud,
    #[jsg(name = "very-soft")]
    Soft,
}

#[derive(jsg::Union)]
enum What<'s> {
    Dog(&'s Dog),
    List(jsg::Sequence<u8>),
    Text(String),
}

#[derive(jsg::Trace)]
struct Secret;

#[jsg::class]
impl Secret {}

jsg::classes! {
    static CLASSES = [Animal, Dog, Secret];
}

/// Isolates are made one at a time: those of one process share a read-only heap (see the README beside the library).
fn lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    static START: Once = Once::new();
    let guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    START.call_once(|| {
        v8::V8::set_flags_from_string("--expose-gc --no-freeze-flags-after-init");
        v8::V8::initialize_platform(v8::new_unprotected_default_platform(0, false).make_shared());
        v8::V8::initialize();
    });
    guard
}

/// Runs a script; its completion value, or the exception, as text.
fn eval(source: &str) -> String {
    let _guard = lock();
    let heap = v8::cppgc::Heap::create(v8::V8::get_current_platform(), Registry::heap_params());
    let isolate = &mut v8::Isolate::new(v8::CreateParams::default().cpp_heap(heap));
    Registry::install(isolate);
    v8::scope!(let scope, isolate);
    let context = v8::Context::new(scope, v8::ContextOptions::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    let global = context.global(scope);
    Registry::expose::<Animal>(scope, global);
    Registry::expose::<Dog>(scope, global);
    Registry::expose::<Secret>(scope, global);
    v8::tc_scope!(let scope, scope);
    let source = v8::String::new(scope, source).expect("the script is short");
    let result = v8::Script::compile(scope, source, None).and_then(|script| script.run(scope));
    scope.perform_microtask_checkpoint();
    match result {
        Some(value) => {
            if let Ok(promise) = v8::Local::<v8::Promise>::try_from(value) {
                return format!("{:?} {}", promise.state(), promise.result(scope).to_rust_string_lossy(scope));
            }
            value.to_rust_string_lossy(scope)
        }
        None => scope.exception().expect("there was an exception").to_rust_string_lossy(scope),
    }
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(eval(source), expected, "{source}");
}

#[test]
fn members() {
    check("const a = new Animal('Rex'); a.name = 'Max'; a.name", "Max");
    check("Animal.nameless().name", "");
    check("const a = new Animal('a'); a.self() === a", "true");
    check("const a = new Animal('a'), b = new Animal('b'); a.befriend(b); a.friend === b && b.friend", "undefined");
    check("Object.prototype.toString.call(new Animal('a'))", "[object Animal]");
    check(
        "JSON.stringify(Object.getOwnPropertyDescriptor(Animal.prototype, 'befriend'))",
        r#"{"writable":true,"enumerable":true,"configurable":true}"#,
    );
    check("Dog.LEGS + Dog.prototype.LEGS", "8");
    check("Object.getOwnPropertyNames(Animal.prototype).join()", "name,befriend,friend,later,self,constructor");
}

#[test]
fn inheritance() {
    check("const d = new Dog('d'); d.name = 'e'; d.name + (d instanceof Animal)", "etrue");
    check("class Puppy extends Dog { get name() { return '*' + super.name } } new Puppy('p').name", "*p");
    check("const a = new Animal('a'); a.befriend(new Dog('d')); a.friend.name", "d");
    check("Dog.prototype.count.call(new Animal('a'), new Uint8Array(1))", ILLEGAL);
}

const ILLEGAL: &str = "TypeError: Illegal invocation: function called with incorrect `this` reference. See https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.";

#[test]
fn brands() {
    check("Animal.prototype.befriend.call({})", ILLEGAL);
    check("Animal.prototype.befriend.call(Object.create(Animal.prototype))", ILLEGAL);
    check(
        "Object.getOwnPropertyDescriptor(Animal.prototype, 'name').get.call(new Dog.prototype.constructor('x'))",
        "x",
    );
    check("Object.getOwnPropertyDescriptor(Animal.prototype, 'name').get.call(new Map)", ILLEGAL);
    check(
        "Object.getOwnPropertyDescriptor(Animal.prototype, 'name').get.call(new Proxy(new Animal('a'), {}))",
        ILLEGAL,
    );
    check("new Secret", "TypeError: Illegal constructor");
    check(
        "Animal('a')",
        "TypeError: Failed to construct 'Animal': Please use the 'new' operator, this object constructor cannot be called as a function.",
    );
}

#[test]
fn conversions() {
    check("new Animal()", "TypeError: Failed to construct 'Animal': constructor parameter 1 is not of type 'string'.");
    check("new Animal(undefined).name + new Animal(5).name + new Animal('\\ud800').name", "undefined5\u{fffd}");
    check("new Dog('d').count(new Uint16Array(3), 'a', 'b')", "8");
    check(
        "new Dog('d').count(5)",
        "TypeError: Failed to execute 'count' on 'Dog': parameter 1 is not of type 'BufferSource'.",
    );
    check("new Dog('d').bark()", "none nothing");
    check("new Dog('d').bark('very-soft', new Dog('x'))", "very-soft x");
    check("new Dog('d').bark('loud', new Set([1, 258]))", "loud [1, 2]");
    check("new Dog('d').bark('loud', 7)", "loud 7");
    check(
        "new Dog('d').bark('x')",
        "TypeError: Failed to execute 'bark' on 'Dog': parameter 1 is not of type 'Volume'.",
    );
    check("new Dog('d', 5)", "TypeError: Failed to construct 'Dog': constructor parameter 2 is not of type 'DogInit'.");
    check(
        "new Dog('d', { tricks: 5 })",
        "TypeError: Incorrect type for the 'tricks' field on 'DogInit': the provided value is not of type 'object'.",
    );
    check("new Dog('d', { tricks: { get sit() { throw 'up' } } })", "up");
    check(
        "new Dog('d', { tricks: { '\\u1234': 1 } })",
        "TypeError: Cannot convert argument to a ByteString because it contains a character with a value greater than 255.",
    );
}

#[test]
fn iterables() {
    check("JSON.stringify([...new Dog('d', { tricks: { sit: 1, roll: 2 } })])", r#"[["sit",1],["roll",2]]"#);
    check("[...new Dog('d', { tricks: { sit: 1, roll: 2 } }).keys()].join()", "sit,roll");
    check(
        "let s = ''; new Dog('d', { tricks: { a: 1 } }).forEach(function (v, k, d) { s += k + v + d.name + this.x }, { x: 9 }); s",
        "a1d9",
    );
    check("Dog.prototype.entries === Dog.prototype[Symbol.iterator]", "true");
    check(
        "const i = new Dog('d').entries(); i[Symbol.iterator]() === i && i.next().done && Object.prototype.toString.call(i)",
        "[object EntryIterator]",
    );
}

#[test]
fn promises() {
    check("new Animal('a').later(3)", "Rejected RangeError: 3 is too many");
    check("new Animal('a').later({ valueOf() { throw 'up' } })", "Rejected up");
    check("Animal.prototype.later.call(1)", &format!("Rejected {ILLEGAL}"));
}

#[test]
fn garbage() {
    DROPPED.set(0);
    // A cycle through Rust is collected; what is reachable is kept.
    check(
        "globalThis.kept = new Animal('kept'); kept.befriend(new Animal('friend'));
         (() => { for (let i = 0; i < 1000; i++) { const a = new Animal('a'), b = new Animal('b'); a.befriend(b); b.befriend(a) } })();
         gc(); gc(); kept.friend.name",
        "friend",
    );
    assert!(DROPPED.get() > 1900, "only {} of 2000 were collected", DROPPED.get());
}

#[test]
fn places() {
    let text = |place: Place<'_>| match place.mismatch("T") {
        Error::Type(text) => text.into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        text(Place::Attribute("URL", "href")),
        "Failed to set the 'href' property on 'URL': the provided value is not of type 'T'."
    );
    assert_eq!(text(Place::Inner), "Incorrect type: the provided value is not of type 'T'.");
}

#[test]
fn what_v8_calls_is_listed_in_the_order_of_definition() {
    let mut names = Vec::new();
    let listed = jsg::references(CLASSES, &mut |name| names.push(name.to_owned()));
    let own =
        "EntryIterator next [Symbol.iterator] KeyIterator next [Symbol.iterator] ValueIterator next [Symbol.iterator]";
    let text = names.iter().filter(|name| !name.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    let rest = text.strip_prefix(own).expect("the classes of this crate come first");
    assert!(rest.starts_with(" Animal name = befriend friend"), "{rest}");
    assert!(rest.ends_with(" Secret"), "{rest}");
    // A name for each, but for constants and getters without a setter.
    let calls = names.iter().filter(|name| !name.is_empty() && *name != "LEGS").count();
    assert_eq!(listed.len(), calls);
}
