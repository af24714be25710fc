//! What the handler of a test gets: the `TestController`.

use jsg::Result;

/// The class `TestController`, which has no members; scripts cannot name it.
#[derive(jsg::Trace)]
pub(super) struct TestController;

#[jsg::class]
impl TestController {}

/// A controller for a test.
///
/// # Errors
/// The object cannot be made.
pub fn controller<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
    jsg::instantiate(scope, TestController)
}
