//! What `WebSocket` and `WebSocketPair` have of native code. The classes themselves, and their events, are written in JavaScript
//! (`js/web_socket.js`).

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    ops::ControlFlow,
    rc::Rc,
    time::{Duration, Instant},
};

use bulkhead_ipc::{compatibility::Flag, failure::LOST};
use bulkhead_websocket::{
    Close, Keys, Kind, Receiver, Role, Sender, close,
    extension::{self, Deflate},
};
use jsg::{Error, FromJs, Place, Result, ToJs as _};

use super::{
    fetch::{header_map::is_token, subrequest::Outbound, wire::COMPRESSION},
    structured_clone,
};
use crate::{
    io::{Event, EventHandle, Frame, IoContext, IoContextHandle, IoOwn, OwnedBy},
    isolate::{describe, flags, script},
    streams::{
        framing::{Next, Slot, couple},
        socket::{End, Item, Loss, Payload, pair},
        wire::WireSource,
    },
};

const REFUSES_WRONG_TYPE: Flag = Flag::named("dont_substitute_null_on_type_error");
const REASON_LIMIT: Flag = Flag::named("websocket_close_reason_byte_limit");
const INCREASED: Flag = Flag::named("increase_websocket_message_size");
const AUTO_REPLY: Flag = Flag::named("web_socket_auto_reply_to_close");

/// The longest attachment, serialized, in bytes: the reference's.
const MAX_ATTACHMENT: usize = 16 << 10;

/// The longest message that is received, in bytes: the reference's.
const MAX_MESSAGE: usize = 32 << 20;
/// The same while it is increased.
const INCREASED_MAX_MESSAGE: usize = 128 << 20;

/// For how long messages are delivered in a row before others of the isolate have their turn. It is little of what the shortest limit lets
/// a message take.
const AT_ONCE: Duration = Duration::from_micros(250);

/// What the reference calls it where it is another owner's.
const NATIVE: &str = "Native";

/// The native half of a `WebSocket`.
#[derive(jsg::Trace)]
pub(crate) struct SocketEnd {
    #[trace(skip)]
    socket: IoOwn<Socket>,
    #[trace(skip)]
    owner: OwnedBy,
    /// Of one that a script has asked for, as the script says it, like the reference.
    #[trace(skip)]
    url: Option<String>,
    #[trace(skip)]
    chosen: Rc<RefCell<Chosen>>,
    /// What `serializeAttachment` was given, serialized.
    #[trace(skip)]
    attachment: RefCell<Option<Vec<u8>>>,
}

/// What of a WebSocket is I/O.
struct Socket {
    peer: RefCell<Peer>,
    use_: Cell<Use>,
    /// A script has asked for the connection.
    constructed: bool,
    /// A close that comes is not answered at once.
    half_open: Cell<bool>,
    sent_close: Cell<bool>,
    got_close: Cell<bool>,
    /// What is sent goes nowhere, of which nobody is told.
    lost: Cell<bool>,
}

/// What the server has chosen. As in the reference it is empty before that is known, and null where there is nothing.
struct Chosen {
    protocol: Option<String>,
    extensions: Option<String>,
}

/// What is at the other end.
enum Peer {
    /// Another end, or what frames messages.
    End(Rc<End>),
    /// A connection, whose frames nobody has looked at.
    Connection(Connection),
    /// One that is to be asked for.
    Asked(Box<Outbound>),
    /// The client that the socket was given to has it.
    Given,
}

/// A connection to a server, as it came of a request.
pub(crate) struct Connection {
    /// What comes from the server.
    from: Rc<WireSource>,
    /// What goes to it.
    slot: Rc<Slot>,
    deflate: Option<Deflate>,
}

impl Connection {
    /// `extensions`: what was offered to the server, and its answer.
    ///
    /// # Errors
    /// The answer is none to the offer.
    pub(super) fn new(from: Rc<WireSource>, slot: Rc<Slot>, extensions: (&[u8], &[u8])) -> Result<Self> {
        let text = |bytes| String::from_utf8_lossy(bytes);
        let deflate = extension::agreed(&text(extensions.0), &text(extensions.1));
        let deflate = deflate.map_err(|refused| Error::error(format!("WebSocket handshake failed: {refused}.")))?;
        Ok(Connection { from, slot, deflate })
    }

    /// Has it go on to a client, from whom `from` comes. Gives what goes to that.
    pub(super) fn pass_to(self, from: Rc<WireSource>) -> Rc<WireSource> {
        self.slot.set(Next::Theirs(from));
        self.from.clone()
    }

    /// Has messages framed. Gives the end that sends and takes them.
    fn open(self, context: &Rc<IoContext>, max_message: usize) -> Result<End> {
        let deflate = self.deflate.as_ref();
        let ends = (Receiver::new(Role::Client, max_message, deflate), Sender::client(deflate, keys()?));
        let [ours, framed] = pair(context);
        self.slot.set(Next::Ours(couple(context, framed, self.from.clone(), ends, None)));
        Ok(ours)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.slot.set(Next::Nothing);
    }
}

/// Keys for the frames of a client, each of its own.
fn keys() -> Result<Keys> {
    const KEYS: usize = 64;
    let mut random = [0; 4 * KEYS];
    super::crypto::random(&mut random)?;
    let mut used = 0;
    Ok(Box::new(move || {
        if used == KEYS {
            // The kernel has given some before, and does not stop.
            super::crypto::random(&mut random).expect("the kernel has random bytes");
            used = 0;
        }
        used += 1;
        let (keys, _) = random.as_chunks();
        keys[used - 1]
    }))
}

/// Who reads from a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Nobody yet.
    Fresh,
    /// Its listeners will, when there is a connection.
    Connecting,
    /// Its listeners.
    Accepted,
    /// The client that was given it.
    Returned,
}

impl SocketEnd {
    fn new(event: &Event, peer: Peer) -> Self {
        let chosen = Chosen { protocol: Some(String::new()), extensions: Some(String::new()) };
        let socket = Socket {
            constructed: matches!(peer, Peer::Asked(_)),
            peer: RefCell::new(peer),
            use_: Cell::new(Use::Fresh),
            half_open: Cell::new(false),
            sent_close: Cell::new(false),
            got_close: Cell::new(false),
            lost: Cell::new(false),
        };
        SocketEnd {
            socket: IoOwn::new(event.context(), socket),
            owner: OwnedBy::context(event.context()),
            url: None,
            chosen: Rc::new(RefCell::new(chosen)),
            attachment: RefCell::default(),
        }
    }

    fn socket(&self, scope: &v8::PinScope<'_, '_>) -> Result<Rc<Socket>> {
        self.owner.check_as(scope, NATIVE)?;
        self.socket.get(scope)
    }

    /// The socket, to send something by it.
    fn accepted(&self, scope: &v8::PinScope<'_, '_>) -> Result<Rc<Socket>> {
        let socket = self.socket(scope)?;
        if socket.use_.get() != Use::Accepted {
            return Err(Error::type_error(
                "You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.",
            ));
        }
        Ok(socket)
    }

    /// `payload` is told whether it goes out of the isolate.
    fn send(&self, scope: &v8::PinScope<'_, '_>, kind: Kind, payload: impl FnOnce(bool) -> Payload) -> Result<()> {
        let socket = self.accepted(scope)?;
        if socket.lost.get() {
            return Ok(());
        }
        if socket.sent_close.get() {
            return Err(Error::type_error("Can't call WebSocket send() after close()."));
        }
        let payload = payload(socket.goes_outside());
        jsg::allocated(payload.len());
        socket.send(Item::Message(kind, payload));
        Ok(())
    }
}

#[jsg::class(name = "WebSocketEnd")]
impl SocketEnd {
    /// Both ends of a new pair.
    #[static_method]
    fn new_socket_pair<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Array>> {
        let event = Event::require(scope)?;
        let [one, other] = pair(event.context()).map(|end| SocketEnd::new(&event, Peer::End(Rc::new(end))));
        let one = jsg::instantiate(scope, one)?;
        let other = jsg::instantiate(scope, other)?;
        Ok(v8::Array::new_with_elements(scope, &[one.into(), other.into()]))
    }

    /// An end that is going to be connected to a server.
    #[static_method]
    fn connect_socket<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        url: String,
        protocols: Option<Protocols>,
    ) -> Result<v8::Local<'s, v8::Object>> {
        let target = socket_url(&url)?;
        let protocols = protocols.map_or(Ok(String::new()), Protocols::list)?;
        let event = Event::require(scope)?;
        let outbound = Outbound::for_socket(target, &protocols, flags::is_on(scope, COMPRESSION))?;
        let end = SocketEnd { url: Some(url), ..SocketEnd::new(&event, Peer::Asked(Box::new(outbound))) };
        jsg::instantiate(scope, end)
    }

    /// Connects it, and has the listeners of `object` told.
    #[method]
    fn establish<'s>(&self, scope: &mut v8::PinScope<'s, '_>, object: jsg::Object<'s>) -> Result<()> {
        let socket = self.socket(scope)?;
        let Peer::Asked(outbound) = socket.peer.replace(Peer::Given) else { return Ok(()) };
        socket.use_.set(Use::Connecting);
        socket.half_open.set(!flags::is_on(scope, AUTO_REPLY));
        let event = Event::require(scope)?;
        let object = v8::Global::new(scope, object.0);
        let (context, max_message) = (event.context(), max_message(scope));
        let connecting = outbound.connect(event.handle());
        let chosen = self.chosen.clone();
        let (handle, owner) = (event.handle(), context.handle());
        // As in the reference, what comes of it is told there, and all that follows where the event began.
        let frame = Frame::current(scope);
        context.spawn(async move {
            let opened = connecting.await.and_then(|opened| {
                if socket.sent_close.get() {
                    return Err(Error::error("The WebSocket was closed before it was connected."));
                }
                let context = owner.get().ok_or_else(|| Error::error(LOST))?;
                *socket.peer.borrow_mut() = Peer::Connection(opened.connection);
                let end = socket.open(&context, max_message)?;
                *chosen.borrow_mut() = Chosen { protocol: opened.protocol, extensions: opened.extensions };
                end.listen();
                socket.use_.set(Use::Accepted);
                Ok(end)
            });
            match opened {
                Ok(end) => {
                    if handle.run_in(frame, |scope| socket.dispatch_open(scope, &object)).await == Some(true) {
                        deliver(handle, owner, (socket, end), object).await;
                    }
                }
                Err(error) => drop(handle.run_in(frame, |scope| socket.dispatch_refused(scope, &object, error)).await),
            }
        });
        Ok(())
    }

    #[method]
    fn url(&self) -> Option<String> {
        self.url.clone()
    }

    #[method]
    fn protocol(&self) -> Option<String> {
        self.chosen.borrow().protocol.clone()
    }

    #[method]
    fn extensions(&self) -> Option<String> {
        self.chosen.borrow().extensions.clone()
    }

    /// Has what comes delivered to the listeners of `object`. `half_open`: see [`Socket`]; a flag says it where the script does not.
    #[method]
    fn accept<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        object: jsg::Object<'s>,
        half_open: Option<bool>,
    ) -> Result<()> {
        let socket = self.socket(scope)?;
        if socket.constructed && socket.use_.get() != Use::Accepted {
            let text = "Websockets obtained from the 'new WebSocket()' constructor cannot call accept";
            return Err(Error::type_error(text));
        }
        match socket.use_.get() {
            Use::Fresh | Use::Connecting => {}
            Use::Accepted => return Ok(()),
            Use::Returned => {
                return Err(Error::type_error("Can't accept() WebSocket that was already used in a response."));
            }
        }
        let event = Event::require(scope)?;
        let end = socket.open(event.context(), max_message(scope))?;
        end.listen();
        socket.use_.set(Use::Accepted);
        socket.half_open.set(half_open.unwrap_or_else(|| !flags::is_on(scope, AUTO_REPLY)));
        let object = v8::Global::new(scope, object.0);
        let context = event.context();
        context.spawn(deliver(event.handle(), context.handle(), (socket, end), object));
        Ok(())
    }

    #[method]
    fn send_text(&self, scope: &mut v8::PinScope<'_, '_>, text: String) -> Result<()> {
        self.send(scope, Kind::Text, |_| text.into_bytes().into())
    }

    #[method]
    fn send_bytes(&self, scope: &mut v8::PinScope<'_, '_>, bytes: jsg::BufferSource<'_>) -> Result<()> {
        self.send(scope, Kind::Binary, |goes_outside| match goes_outside {
            true => Payload::with_room(bytes.byte_length(), |out| bytes.append_to(out)),
            false => bytes.to_vec().into(),
        })
    }

    #[method]
    fn close(&self, scope: &mut v8::PinScope<'_, '_>, code: Option<i32>, reason: Option<String>) -> Result<()> {
        let socket = self.socket(scope)?;
        let close = match (code, reason) {
            (None, None) => None,
            (None, Some(_)) => {
                let text = "If you specify a WebSocket close reason, you must also specify a code.";
                return Err(Error::dom("InvalidAccessError", text));
            }
            (Some(code), reason) => {
                let valid = u16::try_from(code).ok().filter(|code| is_valid(*code));
                let invalid = || Error::dom("InvalidAccessError", format!("Invalid WebSocket close code: {code}."));
                Some(Close { code: valid.ok_or_else(invalid)?, reason: reason.unwrap_or_default() })
            }
        };
        if let Some(close) = &close
            && close.reason.len() > close::MAX_REASON
            && flags::is_on(scope, REASON_LIMIT)
        {
            let text = "WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.";
            return Err(Error::dom("SyntaxError", text));
        }
        if socket.use_.get() != Use::Connecting {
            self.accepted(scope)?;
        }
        if !socket.sent_close.replace(true) {
            socket.send(Item::Close(close));
        }
        Ok(())
    }

    #[method]
    fn ready_state(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<u16> {
        let socket = self.socket(scope)?;
        Ok(match (socket.sent_close.get(), socket.got_close.get()) {
            (false, false) if socket.use_.get() == Use::Connecting => 0,
            (false, false) => 1,
            (true, true) => 3,
            _ => 2,
        })
    }

    #[method]
    fn buffered_amount(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<f64> {
        let socket = self.socket(scope)?;
        let peer = socket.peer.borrow();
        Ok(if let Peer::End(end) = &*peer { end.buffered() as f64 } else { 0.0 })
    }

    #[method]
    fn serialize_attachment<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        value: v8::Local<'s, v8::Value>,
    ) -> Result<()> {
        let bytes = structured_clone::serialize(scope, value)?;
        if bytes.len() > MAX_ATTACHMENT {
            return Err(Error::error(format!(
                "A WebSocket 'attachment' cannot be larger than {MAX_ATTACHMENT} bytes.'attachment' was {} bytes.",
                bytes.len()
            )));
        }
        *self.attachment.borrow_mut() = Some(bytes);
        Ok(())
    }

    #[method]
    fn deserialize_attachment<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        match &*self.attachment.borrow() {
            Some(bytes) => structured_clone::deserialize(scope, bytes),
            None => Ok(v8::null(scope).into()),
        }
    }
}

/// Whether `close()` takes a code: as in the reference more than the standards', and than what may be sent.
fn is_valid(code: u16) -> bool {
    matches!(code, 1000..5000) && !matches!(code, 1004 | close::NO_STATUS | close::ABNORMAL | 1015)
}

/// Delivers what comes to the listeners of a WebSocket, until its end.
async fn deliver(
    event: EventHandle,
    context: IoContextHandle,
    (socket, end): (Rc<Socket>, Rc<End>),
    object: v8::Global<v8::Object>,
) {
    loop {
        let waits = context.get().map(|context| context.waits());
        let item = end.take().await;
        drop(waits);
        let (begun, mut next) = (Instant::now(), Some(item));
        // What has come with it is delivered too: to enter the isolate costs more than most messages.
        let goes_on = event.run_each(|scope| {
            if next.is_none() && jsg::is_interrupted() {
                // The event is over, or goes on in its next slice.
                return ControlFlow::Break(true);
            }
            let Some(item) = next.take().or_else(|| end.take_next()) else { return ControlFlow::Break(true) };
            if end.is_outside()
                && let Some(event) = event.get()
            {
                event.renew();
            }
            v8::scope!(let scope, scope);
            let is_last = !matches!(item, Item::Message(..));
            match socket.dispatch(scope, &object, item) && !is_last {
                true if end.has_more() && begun.elapsed() < AT_ONCE => ControlFlow::Continue(()),
                goes_on => ControlFlow::Break(goes_on),
            }
        });
        if goes_on.await != Some(true) {
            end.release();
            return;
        }
    }
}

impl Socket {
    fn send(&self, item: Item) {
        if let Peer::End(end) = &*self.peer.borrow() {
            end.send(item);
        }
    }

    fn goes_outside(&self) -> bool {
        matches!(&*self.peer.borrow(), Peer::End(end) if end.goes_outside())
    }

    /// The end that sends and takes messages.
    fn open(&self, context: &Rc<IoContext>, max_message: usize) -> Result<Rc<End>> {
        let end = match self.peer.replace(Peer::Given) {
            Peer::End(end) => end,
            Peer::Connection(connection) => Rc::new(connection.open(context, max_message)?),
            Peer::Given | Peer::Asked(_) => return Err(Error::error("The WebSocket belongs to a client.")),
        };
        *self.peer.borrow_mut() = Peer::End(end.clone());
        Ok(end)
    }

    /// Nothing more is sent or comes. Who is at the other end is told, if he was not before.
    fn end(&self) {
        self.sent_close.set(true);
        self.got_close.set(true);
        self.lost.set(true);
        if let Peer::End(end) = &*self.peer.borrow() {
            end.abandon();
        }
    }

    /// There is a connection. Says whether no listener has thrown.
    fn dispatch_open(&self, scope: &mut v8::PinScope<'_, '_>, object: &v8::Global<v8::Object>) -> bool {
        v8::tc_scope!(let scope, scope);
        let object = v8::Local::new(scope, object).into();
        let Err(error) = script::call(scope, |script| &script.dispatch_open, &[object]) else { return true };
        let exception = error.caught(scope);
        self.fail(scope, object, exception);
        false
    }

    /// There will be no connection.
    fn dispatch_refused(&self, scope: &mut v8::PinScope<'_, '_>, object: &v8::Global<v8::Object>, error: Error) {
        v8::tc_scope!(let scope, scope);
        self.use_.set(Use::Accepted);
        let object = v8::Local::new(scope, object).into();
        let error = error.to_value(scope);
        self.fail(scope, object, error);
    }

    /// It ends before it was used.
    fn fail<'s>(&self, scope: &mut v8::PinScope<'s, '_>, object: Value<'s>, error: Value<'s>) {
        self.end();
        let reason = "Failed to establish websocket connection".to_owned();
        let told = dispatch_error(scope, object, error);
        // Nobody is told of what a listener of these throws.
        let _ = told.and_then(|()| dispatch_close(scope, object, &Close { code: close::ABNORMAL, reason }, false));
    }

    /// Has listeners called; says whether none has thrown.
    fn dispatch(&self, scope: &mut v8::PinScope<'_, '_>, object: &v8::Global<v8::Object>, item: Item) -> bool {
        v8::tc_scope!(let scope, scope);
        let object = v8::Local::new(scope, object).into();
        let dispatched = match item {
            Item::Message(kind, payload) => dispatch_message(scope, object, kind, payload),
            Item::Close(close) => {
                self.got_close.set(true);
                if !self.half_open.get() && !self.sent_close.replace(true) {
                    self.send(Item::Close(close.clone()));
                }
                let close = close.unwrap_or(Close { code: close::NO_STATUS, reason: String::new() });
                dispatch_close(scope, object, &close, true)
            }
            Item::Lost(loss) => {
                self.end();
                let told = match loss {
                    Loss::Gone => Ok(()),
                    Loss::Unread => dispatch_failure(scope, object, "Network connection lost."),
                    Loss::Protocol(violation) => {
                        let text = format!(
                            "WebSocket protocol error; protocolError.statusCode = {}; protocolError.description = {violation}",
                            violation.code()
                        );
                        return dispatch_failure(scope, object, &text).is_ok();
                    }
                };
                let reason = "WebSocket disconnected without sending Close frame.".to_owned();
                told.and_then(|()| dispatch_close(scope, object, &Close { code: close::ABNORMAL, reason }, false))
            }
        };
        let Err(error) = dispatched else { return true };
        let exception = error.caught(scope);
        self.end();
        // Nobody is told of what a listener of this one throws.
        let _ = dispatch_error(scope, object, exception);
        false
    }
}

type Value<'s> = v8::Local<'s, v8::Value>;

fn dispatch_message<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: Value<'s>,
    kind: Kind,
    payload: Payload,
) -> Result<()> {
    let data = match kind {
        // It is UTF-8.
        Kind::Text => jsg::string(scope, std::str::from_utf8(&payload).unwrap_or_default()).into(),
        Kind::Binary => jsg::ArrayBufferBytes(payload.into_vec()).to_js(scope)?,
    };
    script::call(scope, |script| &script.dispatch_message, &[object, data]).map(drop)
}

fn dispatch_close<'s>(scope: &mut v8::PinScope<'s, '_>, object: Value<'s>, close: &Close, clean: bool) -> Result<()> {
    let code = v8::Integer::new_from_unsigned(scope, close.code.into()).into();
    let reason = jsg::string(scope, &close.reason).into();
    let clean = v8::Boolean::new(scope, clean).into();
    script::call(scope, |script| &script.dispatch_close, &[object, code, reason, clean]).map(drop)
}

fn dispatch_failure<'s>(scope: &mut v8::PinScope<'s, '_>, object: Value<'s>, text: &str) -> Result<()> {
    let error = Error::error(text.to_owned()).to_value(scope);
    dispatch_error(scope, object, error)
}

fn dispatch_error<'s>(scope: &mut v8::PinScope<'s, '_>, object: Value<'s>, error: Value<'s>) -> Result<()> {
    let text = describe(scope, error).message;
    let text = jsg::string(scope, &text).into();
    script::call(scope, |script| &script.dispatch_error, &[object, error, text]).map(drop)
}

/// The native half of a `WebSocket`, for native code; `None` for anything else.
pub(super) fn end_of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
) -> Result<Option<&'s SocketEnd>> {
    let end = script::call(scope, |script| &script.socket_end, &[value])?;
    Ok(jsg::unwrap_value::<SocketEnd>(scope, end))
}

/// The longest message that is received, in bytes.
pub(super) fn max_message(scope: &v8::PinScope<'_, '_>) -> usize {
    if flags::is_on(scope, INCREASED) { INCREASED_MAX_MESSAGE } else { MAX_MESSAGE }
}

/// What a client is given with a socket.
pub(super) enum Given {
    End(End),
    Connection(Connection),
}

/// Takes a `WebSocket` out of its object, for the client that it is returned to.
///
/// # Errors
/// Somebody else has it.
pub(super) fn give<'s>(scope: &mut v8::PinScope<'s, '_>, socket: v8::Local<'s, v8::Object>) -> Result<Given> {
    let end = end_of(scope, socket.into())?.ok_or(jsg::Illegal)?;
    let socket = end.socket(scope)?;
    let used = match socket.use_.get() {
        Use::Fresh => None,
        Use::Accepted | Use::Connecting => Some("Can't return WebSocket in a Response after calling accept()."),
        Use::Returned => Some("Can't return WebSocket that was already used in a response."),
    };
    if let Some(used) = used {
        return Err(Error::type_error(used));
    }
    socket.use_.set(Use::Returned);
    match socket.peer.replace(Peer::Given) {
        Peer::End(end) => {
            let end = Rc::into_inner(end).expect("nobody has accepted it");
            Ok(Given::End(end))
        }
        Peer::Connection(connection) => Ok(Given::Connection(connection)),
        Peer::Given | Peer::Asked(_) => Err(Error::error("The WebSocket belongs to a client.")),
    }
}

/// A `WebSocket` for a connection.
pub(super) fn connected<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event: &Event,
    connection: Connection,
) -> Result<v8::Local<'s, v8::Object>> {
    let end = jsg::instantiate(scope, SocketEnd::new(event, Peer::Connection(connection)))?;
    let socket = script::call(scope, |script| &script.new_web_socket, &[end.into()])?;
    Ok(socket.try_into().expect("a socket is an object"))
}

/// A `WebSocket?`.
pub(super) struct SocketInit<'s>(pub(super) Option<v8::Local<'s, v8::Object>>);

impl<'s> FromJs<'s> for SocketInit<'s> {
    fn expected() -> Cow<'static, str> {
        "WebSocket".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: Value<'s>, place: Place<'_>) -> Result<Self> {
        if !value.is_null() {
            if end_of(scope, value)?.is_some() {
                return Ok(SocketInit(v8::Local::try_from(value).ok()));
            }
            if flags::is_on(scope, REFUSES_WRONG_TYPE) {
                return Err(place.mismatch("WebSocket"));
            }
        }
        Ok(SocketInit(None))
    }
}

/// The protocols that a script offers.
#[derive(jsg::Union)]
enum Protocols {
    List(jsg::Sequence<String>),
    One(String),
}

impl Protocols {
    /// As a header.
    fn list(self) -> Result<String> {
        let invalid = |text| Error::dom("SyntaxError", format!("WebSocket Constructor: {text}"));
        let (list, text) = match self {
            Protocols::List(list) => (list.0, "One of the protocol header tokens is invalid."),
            Protocols::One(one) => (vec![one], "The protocol header token is invalid."),
        };
        if !list.iter().all(|protocol| is_token(protocol.as_bytes())) {
            return Err(invalid(text));
        }
        if (1..list.len()).any(|at| list[..at].contains(&list[at])) {
            return Err(invalid("The protocols header cannot have repeating values."));
        }
        Ok(list.join(", "))
    }
}

/// What a script asks for a connection.
fn socket_url(url: &str) -> Result<ada_url::Url> {
    let invalid = |text| Error::dom("SyntaxError", format!("WebSocket Constructor: {text}"));
    let mut parsed = ada_url::Url::parse(url, None).map_err(|_| invalid("The url is invalid."))?;
    let scheme = match parsed.protocol() {
        "ws:" => "http:",
        "wss:" => "https:",
        _ => return Err(invalid("The url scheme must be ws or wss.")),
    };
    if url.contains('#') {
        return Err(invalid("The url fragment must be empty."));
    }
    parsed.set_protocol(scheme).map_err(|()| invalid("The url is invalid."))?;
    Ok(parsed)
}
