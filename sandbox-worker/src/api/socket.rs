//! What `Socket` has of native code: a connection, from when it is asked for. The class itself is written in JavaScript (`js/socket.js`).

use std::rc::Rc;

use bulkhead_ipc::{
    failure::LOST,
    head::{SWITCHING_PROTOCOLS, write_request},
    worker_capnp::{byte_source, connect::Transport, http_request, http_response, subrequest_outcome},
};
use jsg::{Error, Result};

use super::{
    fetch::{
        fetcher::{Addressee, Fetcher},
        subrequest::GLOBAL_OUTBOUND,
    },
    streams::{Has, stream_of, writable_end},
};
use crate::{
    io::{Event, EventHandle, IoOwn},
    isolate::script,
    streams::{
        connection::{Connection, End},
        wire::{Kept, WireSource, offer_revocably},
    },
};

/// What the reference says of a connection that is not there, whatever the reason.
const NO_CONNECTION: &str = "proxy request failed, cannot connect to the specified address";

/// What it adds where the port is one of HTTP.
const TRY_FETCH: &str =
    "It looks like you might be trying to connect to a HTTP-based service — consider using fetch instead";

/// Longest address, in bytes: that of a host whose name is as long as can be (RFC 1035, section 2.3.4).
const MAX_ADDRESS: usize = 261;

/// The native half of a `Socket`.
#[derive(jsg::Trace)]
pub(crate) struct SocketConnection(#[trace(skip)] IoOwn<Connection>);

impl SocketConnection {
    fn new(event: &Event, connection: Rc<Connection>) -> Self {
        SocketConnection(IoOwn::share(event.context(), connection))
    }
}

#[jsg::class]
impl SocketConnection {
    /// A connection to an address by way of a `Fetcher`, or of what the global `fetch` goes to.
    #[static_method]
    fn open_socket<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        to: v8::Local<'s, v8::Value>,
        address: String,
        transport: String,
    ) -> Result<v8::Local<'s, v8::Object>> {
        let to = match jsg::unwrap_value::<Fetcher>(scope, to) {
            Some(fetcher) => fetcher.addressee(scope)?,
            None => GLOBAL_OUTBOUND,
        };
        let transport = match &*transport {
            "on" => Transport::Tls,
            "starttls" => Transport::StartTls,
            _ => Transport::Plain,
        };
        let event = Event::require(scope)?;
        let (connection, source) = Connection::new(&event);
        let (client, upload) = offer_revocably(source);
        event.note_upload(upload);
        let asked = open(event.handle(), &event, to, address, transport, client)?;
        let opening = connection.clone();
        event.context().spawn(async move { opening.set_open(asked.await) });
        jsg::instantiate(scope, SocketConnection::new(&event, connection))
    }

    /// Throws the reference's exceptions for what is no address. `parse`: as it was given, and not made of a host and a port.
    #[static_method]
    fn check_address(address: String, parse: bool) -> Result<()> {
        check(&address, parse)
    }

    /// A promise for when the connection is there.
    #[method]
    fn opened<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        let (connection, event) = (self.0.get(scope)?, Event::require(scope)?);
        let waits = event.context().waits();
        event.promise(scope, async move {
            let opened = connection.opened().await;
            drop(waits);
            opened
        })
    }

    /// A promise for when the other end has sent all, of whether it is lost.
    #[method]
    fn ended<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        let (connection, event) = (self.0.get(scope)?, Event::require(scope)?);
        let waits = event.context().waits();
        event.promise(scope, async move {
            let end = connection.ended().await;
            drop(waits);
            Ok(end == End::Lost)
        })
    }

    /// What comes: a `ReadableStream`. Once.
    #[method]
    fn readable<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        let (connection, event) = (self.0.get(scope)?, Event::require(scope)?);
        let reading = Rc::new(connection.incoming());
        stream_of(scope, Has::Source(IoOwn::share(event.context(), reading)), None)
    }

    /// What is sent: the native end of a `WritableStream`.
    #[method]
    fn writable<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        let (connection, event) = (self.0.get(scope)?, Event::require(scope)?);
        writable_end(scope, &event, connection.sink())
    }

    #[method]
    fn close(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
        self.0.get(scope)?.close();
        Ok(())
    }

    /// What the connection will go on as inside of TLS.
    #[method]
    fn inside<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        self.0.get(scope)?;
        let event = Event::require(scope)?;
        let (connection, source) = Connection::new(&event);
        connection.set_outgoing(source);
        jsg::instantiate(scope, SocketConnection::new(&event, connection))
    }

    /// Has it go on so. Nothing is being written.
    #[method]
    fn start_tls<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        inside: v8::Local<'s, v8::Value>,
        host: String,
    ) -> Result<()> {
        let inside = jsg::unwrap_value::<SocketConnection>(scope, inside).ok_or(jsg::Illegal)?.0.get(scope)?;
        let connection = self.0.get(scope)?;
        let event = Event::require(scope)?;
        let Some(source) = inside.take_outgoing() else { return Ok(()) };
        let (client, upload) = offer_revocably(source);
        event.note_upload(upload);
        let Some(from) = connection.take_source() else {
            inside.set_open(Err(Error::error(LOST)));
            return Ok(());
        };
        // The call goes out before anybody is told that nothing more is sent as it is.
        let started = from.start_tls(&host, client, event.outlet());
        connection.goes_on_as(inside.clone());
        connection.finish();
        event.context().spawn(async move {
            inside.set_open(match started.await {
                Ok(Some(source)) => Ok(source),
                Ok(None) => Err(Error::error("startTls() is not supported on this connection.")),
                // The reference adds a number under which its log has the rest.
                Err(_) => Err(Error::error("internal error")),
            });
        });
        Ok(())
    }
}

/// Asks for a connection.
///
/// # Errors
/// The event may start nothing more.
fn open(
    handle: EventHandle,
    event: &Event,
    to: Addressee,
    address: String,
    transport: Transport,
    client: byte_source::Client,
) -> Result<impl Future<Output = Result<Rc<WireSource>>> + use<>> {
    let subrequest = event.subrequest(to.position)?;
    Ok(async move {
        let is_for_http = [":80", ":443"].iter().any(|port| address.ends_with(port));
        let failed = || match is_for_http {
            true => Error::error(format!("{NO_CONNECTION}. {TRY_FETCH}")),
            false => Error::error(NO_CONNECTION),
        };
        let write = |mut request: http_request::Builder<'_>| {
            write_request(request.reborrow(), "CONNECT", &[&address], "", 0, std::iter::empty());
            request.set_upgrade(true);
            request.reborrow().init_connect().set_transport(transport);
            request.init_body().set_stream(client);
        };
        // One that is there is no request under way.
        let (reply, _) = match subrequest.fetch(address.len(), to.props, write).await {
            Ok(Ok(answered)) => answered,
            // What a worker says that takes no such connection.
            Ok(Err(thrown)) if thrown.message.starts_with("Incoming CONNECT") => {
                return Err(Error::error(thrown.message));
            }
            Ok(Err(_)) | Err(_) => return Err(failed()),
        };
        let event = handle.get().ok_or_else(failed)?;
        let response = match reply.get().and_then(|results| Ok(results.get_outcome()?.which()?)) {
            Ok(subrequest_outcome::Response(Ok(response))) if response.get_status() == SWITCHING_PROTOCOLS => response,
            _ => return Err(failed()),
        };
        let Ok(http_response::body::Stream(Ok(source))) = response.get_body().which() else { return Err(failed()) };
        Ok(Rc::new(WireSource::kept(source, None, event.outlet(), Kept { under_way: None, broken: None })))
    })
}

fn check(address: &str, parse: bool) -> Result<()> {
    if parse {
        let url = ada_url::Url::parse(format!("fake://{address}"), None)
            .map_err(|_| Error::type_error("Specified address could not be parsed."))?;
        if url.hostname().is_empty() {
            return Err(Error::type_error("Specified address is missing hostname."));
        }
        if url.port().is_empty() {
            return Err(Error::type_error("Specified address is missing port."));
        }
    }
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if address.is_empty() || address.len() > MAX_ADDRESS || !address.bytes().all(is_usual) {
        return Err(Error::type_error(
            "Specified address is empty string, contains unsupported characters or is too long.",
        ));
    }
    Ok(())
}

/// A connection that a `connect` handler is given.
pub(crate) struct Accepted {
    /// The handler's argument.
    pub(crate) connection: Rc<Connection>,
    /// What goes to the other end.
    pub(crate) to: byte_source::Client,
}

/// The `Socket` for a connection from which `from` comes, and that was made at `local` by `remote`, if that is known.
///
/// # Errors
/// The object cannot be made.
pub(crate) fn accepted<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event: &Rc<Event>,
    from: byte_source::Client,
    (remote, local): (Option<&str>, &str),
    starts_tls: bool,
) -> Result<(v8::Local<'s, v8::Object>, Accepted)> {
    let (connection, source) = Connection::new(event);
    let (to, upload) = offer_revocably(source);
    event.note_upload(upload);
    connection.set_open(Ok(Rc::new(WireSource::new(from, None, event.outlet()))));
    let end = jsg::instantiate(scope, SocketConnection::new(event, connection.clone()))?;
    let text = |scope: &mut v8::PinScope<'s, '_>, text: &str| v8::String::new(scope, text).ok_or(Error::Pending);
    let remote = match remote {
        Some(remote) => text(scope, remote)?.into(),
        None => v8::undefined(scope).into(),
    };
    let local = text(scope, local)?.into();
    let starts_tls = v8::Boolean::new(scope, starts_tls).into();
    let socket = script::call(scope, |script| &script.accepted_socket, &[end.into(), remote, local, starts_tls])?;
    let socket = v8::Local::<v8::Object>::try_from(socket).map_err(|_| Error::error(LOST))?;
    Ok((socket, Accepted { connection, to }))
}
