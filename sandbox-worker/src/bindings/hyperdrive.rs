//! Bindings that say how a database is reached.

use std::fmt::Write as _;

use jsg::{Error, Result};

use crate::api::{crypto::random, hyperdrive::Hyperdrive};

/// How a database is reached, as the configuration has it.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) scheme: String,
}

impl Database {
    pub(super) fn into_js<'s>(
        self,
        scope: &mut v8::PinScope<'s, '_>,
        position: u32,
    ) -> Result<v8::Local<'s, v8::Value>> {
        let Database { name, user, password, scheme } = self;
        // A name and an address that nothing else has, by which a library that connects is known to mean this database.
        let mut bytes = [0; 18];
        random(&mut bytes)?;
        let (label, address) = bytes.split_at(16);
        let mut host = String::new();
        for byte in label {
            let _ = write!(host, "{byte:02x}");
        }
        host.push_str(".hyperdrive.local");
        let ip = format!("240.0.{}.{}", address[0], address[1]);
        let (port, parameter) = if scheme == "mysql" { (3306, "ssl-mode=disabled") } else { (5432, "sslmode=disable") };
        let whole = format!("{scheme}://{user}:{password}@{host}:{port}/{name}?{parameter}");
        let object = Hyperdrive::make(scope, position, format!("{host}:{port}"), &format!("{ip}:{port}"))?;
        let port = v8::Integer::new(scope, port);
        for (name, value) in [
            ("connectionString", whole),
            ("port", String::new()),
            ("ip", ip),
            ("host", host),
            ("password", password),
            ("user", user),
            ("database", name),
        ] {
            let value = if name == "port" { port.into() } else { jsg::string(scope, &value).into() };
            let key = jsg::string(scope, name);
            let defined = object.define_own_property(scope, key.into(), value, v8::PropertyAttribute::READ_ONLY);
            defined.ok_or(Error::Pending)?;
        }
        Ok(object.into())
    }
}
