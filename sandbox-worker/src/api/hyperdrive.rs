//! What a `hyperdrive` binding is; its properties are the binding's to define.

use jsg::Result;

use super::fetch::fetcher::Fetcher;
use crate::isolate::script;

/// The class `Hyperdrive`; scripts cannot name it.
#[derive(jsg::Trace)]
pub(crate) struct Hyperdrive {
    /// The name that nothing else has, and the port.
    #[trace(skip)]
    address: String,
}

impl Hyperdrive {
    /// Has sockets that are connected to `address`, or to `ip`, which nothing else has either, lead to the service at a position.
    ///
    /// # Errors
    /// The object cannot be made.
    pub(crate) fn make<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        position: u32,
        address: String,
        ip: &str,
    ) -> Result<v8::Local<'s, v8::Object>> {
        let service = jsg::instantiate(scope, Fetcher::new(position))?.into();
        let shown = jsg::string(scope, &address).into();
        for means in [&*address, ip] {
            let means = jsg::string(scope, means).into();
            script::call(scope, |script| &script.route_address, &[means, service, shown])?;
        }
        jsg::instantiate(scope, Hyperdrive { address })
    }
}

#[jsg::class]
impl Hyperdrive {
    /// A `Socket` (`js/socket.js`).
    #[method]
    fn connect<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let undefined = v8::undefined(scope).into();
        let (address, name) = (jsg::string(scope, &self.address).into(), jsg::string(scope, "Hyperdrive").into());
        script::call(scope, |script| &script.new_socket_to, &[undefined, address, undefined, name])
    }
}
