//! A worker that follows a script, in front of the real fleet and the real worker service.
//!
//! The bytes are read from front to back, a step after the other, and numbers of calls and capabilities are mostly meant
//! as "the one that was seen last": a step that is put in, taken out or repeated leaves the others what they are.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Result, Unstructured};
use bulkhead_ipc::{
    scheduled::{MAX_CRON, Scheduled},
    transport::{Handle, Limits, MAX_EVENTS},
    worker_capnp::{
        byte_source, channel, event_dispatcher, event_failure, event_port, fetch_outcome, host, worker_control,
    },
};
use bulkhead_supervisor::{
    body::{Body, BodyError, PullSource, next_chunk},
    fleet::{FleetConfig, ShardFleet, decide::RestartPolicy},
    service::{Event, LocalFuture, Service, ServiceError, worker::WorkerService},
};
use bytes::Bytes;
use capnp::{any_pointer, traits::HasTypeId};
use http_body::Body as _;
use tokio::{sync::mpsc, task::JoinHandle};

use super::rig::{
    self, Ends, Rig, get, request, settings, text,
    wire::{Cap, Message, Method, Said, Wire, calls, frame, message, nobody, outcome, ran, response, returns},
};

/// Steps that are followed.
const MAX_STEPS: usize = 64;

/// Clients in one run.
const MAX_CLIENTS: usize = 16;

/// Up to 15 of something.
#[derive(Debug, Default, Clone)]
struct Few<T>(Vec<T>);

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Few<T> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let count = u8::arbitrary(bytes)? % 16;
        (0..count).map(|_| T::arbitrary(bytes)).collect::<Result<_>>().map(Self)
    }
}

/// Bytes: some of the input's, or many of one kind, or such as are special somewhere.
#[derive(Debug, Clone)]
struct Octets(Vec<u8>);

impl<'a> Arbitrary<'a> for Octets {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        const SPECIAL: &[&[u8]] = &[
            b"",
            b"x",
            b"content-length",
            b"transfer-encoding",
            b"connection",
            b"set-cookie",
            b"upgrade",
            b"content-type",
            b"10",
            b"chunked",
            b"close",
            b"a\r\nb: c",
            b"a\nb",
            "\u{1b}[31mé\u{9b}".as_bytes(),
            b"\0",
            b"\xff\xfe",
        ];
        let choice = u8::arbitrary(bytes)?;
        Ok(Self(match choice {
            0..0x80 => {
                let length = usize::from(choice % 32).min(bytes.len());
                bytes.bytes(length)?.to_vec()
            }
            0x80..0xc0 => SPECIAL[usize::from(choice) % SPECIAL.len()].to_vec(),
            _ => vec![b'y'; 300 * usize::from(choice - 0xbf)],
        }))
    }
}

impl Octets {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// An entry of a capability table.
#[derive(Arbitrary, Debug, Clone)]
struct Descriptor {
    kind: u8,
    id: u8,
}

/// A call of the supervisor's, or a capability of its: with the upper bit a number, and without how long ago it was
/// seen.
#[derive(Arbitrary, Debug, Clone, Copy)]
struct Seen(u8);

impl Seen {
    fn of(self, seen: &[u32]) -> u32 {
        let Seen(index) = self;
        if index & 0x80 != 0 || seen.is_empty() {
            return (index & 0x7f).into();
        }
        seen[seen.len() - 1 - usize::from(index) % seen.len()]
    }
}

/// A number of which the small ones, and those about our limits, matter.
#[derive(Arbitrary, Debug, Clone, Copy)]
struct Number(u8);

impl Number {
    fn get(self) -> u32 {
        let Number(number) = self;
        match number {
            0..0x80 => number.into(),
            0xff => u32::MAX,
            _ => 1 << (number % 32) | u32::from(number >> 5 & 1),
        }
    }
}

#[derive(Arbitrary, Debug, Clone)]
struct Answer {
    to: Seen,
    status: u8,
    status_text: Octets,
    headers: Few<(Octets, Octets)>,
    announced: Option<Number>,
    body: u8,
    length: Number,
    caps: Few<Descriptor>,
}

#[derive(Arbitrary, Debug, Clone)]
struct Invocation {
    question: Number,
    /// So many calls, with as many numbers.
    repeated: u8,
    target: Seen,
    interface: u8,
    method: u8,
    params: Params,
    caps: Few<Descriptor>,
}

#[derive(Debug, Clone)]
enum Params {
    None,
    Number(Number),
    Text(Octets),
    Log {
        entries: Number,
        level: u8,
        text: Octets,
    },
    /// A request of its own.
    Fetch {
        number: u8,
        method: u8,
        url: Octets,
        name: Octets,
        value: Octets,
        body: u8,
        event: u8,
    },
}

impl<'a> Arbitrary<'a> for Params {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u8::arbitrary(bytes)? % 8 {
            0 => Params::None,
            1 => Params::Text(bytes.arbitrary()?),
            2..4 => Params::Log { entries: bytes.arbitrary()?, level: bytes.arbitrary()?, text: bytes.arbitrary()? },
            4 => Params::Fetch {
                number: bytes.arbitrary()?,
                method: bytes.arbitrary()?,
                url: bytes.arbitrary()?,
                name: bytes.arbitrary()?,
                value: bytes.arbitrary()?,
                body: bytes.arbitrary()?,
                event: bytes.arbitrary()?,
            },
            _ => Params::Number(bytes.arbitrary()?),
        })
    }
}

#[derive(Debug, Clone)]
enum What {
    /// Takes messages as they come, for a short time.
    Listen {
        count: u8,
    },
    /// Answers calls as a good worker would, for so many messages.
    Serve {
        count: u8,
        chunk: Number,
    },
    Respond(Answer),
    /// The failure of a request, or with the upper bit of `kind` that of a scheduled run.
    Fail {
        to: Seen,
        kind: u8,
        limit: u8,
        text: Octets,
    },
    /// Bytes of a body.
    Give {
        to: Seen,
        length: Number,
        done: bool,
    },
    /// Results without anything in them.
    Nothing {
        to: Seen,
    },
    Except {
        to: Seen,
        kind: u8,
    },
    Canceled {
        to: Seen,
    },
    Call(Invocation),
    Finish {
        question: Number,
        release: bool,
    },
    Release {
        id: Seen,
        count: Number,
    },
    /// The last message once more.
    Again {
        count: u8,
    },
    Raw(Octets),
    /// The clients do something.
    Client(Order),
    /// Says that it will send nothing more.
    Shut,
}

#[derive(Debug, Clone)]
struct Step {
    what: What,
    on_control: bool,
    /// A byte of the message that is changed, from its end.
    patch: Option<(u8, u8)>,
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let head = u8::arbitrary(bytes)?;
        let what = match head % 32 {
            0 | 1 => What::Listen { count: bytes.arbitrary()? },
            2 | 3 => What::Serve { count: bytes.arbitrary()?, chunk: bytes.arbitrary()? },
            4..8 => What::Respond(bytes.arbitrary()?),
            8 => What::Fail {
                to: bytes.arbitrary()?,
                kind: bytes.arbitrary()?,
                limit: bytes.arbitrary()?,
                text: bytes.arbitrary()?,
            },
            9..12 => What::Give { to: bytes.arbitrary()?, length: bytes.arbitrary()?, done: bytes.arbitrary()? },
            12 => What::Nothing { to: bytes.arbitrary()? },
            13 => What::Except { to: bytes.arbitrary()?, kind: bytes.arbitrary()? },
            14 => What::Canceled { to: bytes.arbitrary()? },
            15..21 => What::Call(bytes.arbitrary()?),
            21 | 22 => What::Finish { question: bytes.arbitrary()?, release: bytes.arbitrary()? },
            23 | 24 => What::Release { id: bytes.arbitrary()?, count: bytes.arbitrary()? },
            25 => What::Again { count: bytes.arbitrary()? },
            26 => What::Raw(bytes.arbitrary()?),
            27..31 => What::Client(bytes.arbitrary()?),
            _ => What::Shut,
        };
        let patch = if head & 0x40 != 0 { Some(bytes.arbitrary()?) } else { None };
        Ok(Self { what, on_control: head & 0x80 != 0, patch })
    }
}

/// What a client does.
#[derive(Arbitrary, Debug, Clone, Copy)]
struct Order {
    /// It goes away, or one more comes.
    leave: bool,
    /// Which goes away. One that comes is a scheduled run with the upper bit, and sends a request without.
    who: u8,
    /// What is sent: a body, or a long expression.
    upload: u8,
    /// How much of the response it takes.
    patience: u8,
}

/// How the worker's next process begins.
#[derive(Arbitrary, Debug, Clone)]
struct Start {
    bind: u8,
    entrypoint: u8,
    text: Octets,
    patch: Option<(u8, u8)>,
}

#[derive(Debug)]
struct Script {
    first: Order,
    next: Start,
    steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Script {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let (first, next) = (bytes.arbitrary()?, bytes.arbitrary()?);
        let mut steps = Vec::new();
        while !bytes.is_empty() && steps.len() < MAX_STEPS {
            steps.push(bytes.arbitrary()?);
        }
        Ok(Self { first, next, steps })
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The worker.

/// What it was told and what it has told others.
struct Peer {
    wire: Wire,
    calls: Vec<(u32, Method)>,
    caps: Vec<u32>,
    last: Vec<u8>,
    is_shut: bool,
}

impl Peer {
    fn new(stream: std::os::unix::net::UnixStream) -> Self {
        Self { wire: Wire::new(stream), calls: Vec::new(), caps: Vec::new(), last: Vec::new(), is_shut: false }
    }

    fn note(&mut self, said: &Said) {
        if let Said::Call { question, method, caps, .. } = said {
            self.calls.push((*question, *method));
            self.caps.extend(caps);
        }
    }

    fn question(&self, which: Seen) -> u32 {
        which.of(&self.calls.iter().map(|(question, _)| *question).collect::<Vec<_>>())
    }

    fn table(&self, descriptors: &Few<Descriptor>) -> Vec<Cap> {
        let caps = descriptors.0.iter().map(|Descriptor { kind, id }| match kind % 16 {
            0 => Cap::None,
            1..6 => Cap::ReceiverHosted(Seen(*id).of(&self.caps)),
            6 => Cap::SenderPromise((*id).into()),
            7 => Cap::ReceiverAnswer((*id).into()),
            8 => Cap::ThirdParty,
            9 => Cap::SenderHosted(u32::from(*id) << 8),
            _ => Cap::SenderHosted((*id).into()),
        });
        caps.collect()
    }

    /// The next message, if it comes soon.
    async fn soon(&mut self) -> Option<Said> {
        let said = tokio::time::timeout(Duration::from_millis(1), self.wire.receive()).await.ok()??;
        self.note(&said);
        Some(said)
    }

    async fn say(&mut self, mut bytes: Vec<u8>, patch: Option<(u8, u8)>) {
        if let Some((at, value)) = patch
            && !bytes.is_empty()
        {
            let at = bytes.len() - 1 - usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        self.last = bytes;
        self.repeat().await;
    }

    async fn repeat(&mut self) {
        // A supervisor that does not read any more is what some scripts are after; the others are not to wait for it.
        let sent = self.wire.bytes(&self.last);
        let _ = tokio::time::timeout(Duration::from_millis(50), sent).await;
    }

    async fn follow(&mut self, Step { what, patch, .. }: &Step) {
        match what {
            What::Listen { count } => {
                for _ in 0..=count % 16 {
                    if self.soon().await.is_none() {
                        break;
                    }
                }
            }
            What::Serve { count, chunk } => {
                for _ in 0..=count % 64 {
                    let Some(said) = self.soon().await else { break };
                    let answer = match said {
                        Said::Call { question, method: Method::Fetch, .. } => hello(question, "served"),
                        Said::Call { question, method: Method::Pull, .. } => give(question, chunk.get().max(1), false),
                        Said::Call { question, .. } => returns(question, &[], nothing),
                        Said::Return { answer, .. } => finish(answer, true),
                        _ => continue,
                    };
                    self.say(frame(&answer), *patch).await;
                }
            }
            What::Call(invocation) => {
                for index in 0..=u32::from(invocation.repeated % 32) {
                    let call = self.call(invocation, index);
                    self.say(frame(&call), *patch).await;
                }
            }
            What::Again { count } => {
                for _ in 0..=count % 32 {
                    self.repeat().await;
                }
            }
            What::Raw(Octets(bytes)) => self.say(bytes.clone(), None).await,
            What::Shut => {
                self.is_shut = true;
                self.wire.shutdown().await;
            }
            What::Client(_) => {}
            other => {
                let message = self.message(other);
                self.say(frame(&message), *patch).await;
            }
        }
    }

    fn call(&self, call: &Invocation, index: u32) -> Message {
        let target = call.target.of(&self.caps);
        let interface = [
            byte_source::Client::TYPE_ID,
            host::Client::TYPE_ID,
            byte_source::Client::TYPE_ID,
            channel::Client::TYPE_ID,
            event_dispatcher::Client::TYPE_ID,
            event_port::Client::TYPE_ID,
            worker_control::Client::TYPE_ID,
            0,
        ][usize::from(call.interface % 8)];
        let number = call.question.get().wrapping_add(index);
        calls(number, target, interface, (call.method / 52).into(), &self.table(&call.caps), |mut content| {
            match &call.params {
                Params::None => {}
                // The only number of `pull`, and of `exceeded`; and what goes back with a pull.
                Params::Number(number) => {
                    let mut params = content.init_as::<byte_source::pull_params::Builder<'_>>();
                    params.set_max_bytes(number.get());
                    params.set_back(&[b'x'; 8][..number.get() as usize % 9]);
                }
                Params::Text(text) => content.set_as(text.text().as_str()).expect("a text"),
                Params::Log { entries, level, text } => {
                    use bulkhead_ipc::worker_capnp::log_entry::{Level, Source};
                    let params = content.init_as::<host::log_params::Builder<'_>>();
                    let mut list = params.init_entries(entries.get() % 6000);
                    for index in 0..list.len().min(8) {
                        let mut entry = list.reborrow().get(index);
                        entry.set_message(text.text().as_str());
                        entry.set_level([Level::Debug, Level::Log, Level::Error][usize::from(level % 3)]);
                        entry.set_source(if level & 0x80 == 0 { Source::Console } else { Source::Runtime });
                    }
                }
                Params::Fetch { number, method, url, name, value, body, event } => {
                    let mut params = content.init_as::<channel::fetch_params::Builder<'_>>();
                    params.set_call((number % 4).into());
                    // As the supervisor numbers its first events, and in other ways.
                    params.set_event(
                        u64::from(event % 8) << 20 | u64::from(event >> 3 & 3) << 12 | u64::from(event >> 5),
                    );
                    if body & 0x80 != 0 {
                        params.set_props(&value.0);
                    }
                    let mut request = params.init_request();
                    request.set_method(["GET", "HEAD", "POST", "PUT", "brew"][usize::from(method % 5)]);
                    let url = url.text();
                    let url = if method & 0x80 == 0 { format!("http://a.test/{url}") } else { url };
                    request.set_url(url.as_str());
                    let name = name.text();
                    let headers = [(&*name, &*value.0)];
                    bulkhead_ipc::head::write(request.reborrow().init_headers(1), headers);
                    let mut to = request.init_body();
                    match body % 3 {
                        0 => to.set_none(()),
                        1 => to.set_bytes(&value.0),
                        _ => to.set_stream(nobody()),
                    }
                }
            }
        })
    }

    fn message(&self, what: &What) -> Message {
        match what {
            What::Respond(answer) => response(self.question(answer.to), &self.table(&answer.caps), |mut to| {
                let status = [200, 204, 304, 500, 404, 101, 0, 599][usize::from(answer.status % 8)];
                to.set_status(if answer.status & 0x80 == 0 { 200 } else { status });
                to.set_status_text(answer.status_text.text().as_str());
                let headers: Vec<_> = answer.headers.0.iter().map(|(name, value)| (name.text(), &value.0)).collect();
                bulkhead_ipc::head::write(
                    to.reborrow().init_headers(headers.len() as u32),
                    headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())),
                );
                if let Some(announced) = answer.announced {
                    to.set_body_length(announced.get().into());
                }
                match answer.body {
                    0xff => to.init_body().set_request(()),
                    body => match body % 4 {
                        0 => to.init_body().set_none(()),
                        1 => drop(to.init_body().init_bytes(answer.length.get() % 100_000)),
                        _ => to.init_body().set_stream(nobody()),
                    },
                }
            }),
            What::Fail { to, kind, limit, text } => {
                use bulkhead_ipc::worker_capnp::Limit;
                use event_failure::Kind::{Busy, Exceeded, Exception, Hung, NoHandler, PassThrough, Unanswered};
                let fill = |mut failure: event_failure::Builder<'_>| {
                    let kinds = [Exception, NoHandler, Hung, PassThrough, Exceeded];
                    failure.set_kind(match kind {
                        0xff => Busy,
                        0x7f => Unanswered,
                        kind => kinds[usize::from(kind % 5)],
                    });
                    if let Ok(limit) = Limit::try_from(u16::from(limit % 8)) {
                        failure.set_limit(limit);
                    }
                    failure.set_message(text.text().as_str());
                    let mut rest = failure.init_rest();
                    if limit & 0x40 == 0 {
                        let mut had = rest.init_had();
                        had.set_read(u64::from(limit & 0x3f));
                        let text = text.text();
                        had.set_unread(if limit & 0x20 == 0 { &[] } else { text.as_bytes() });
                        had.set_ended(limit & 0x80 != 0);
                    } else {
                        rest.set_handed_on(());
                    }
                };
                if kind & 0x80 == 0 {
                    outcome(self.question(*to), &[], |outcome| fill(outcome.init_failure()))
                } else {
                    ran(self.question(*to), &[], |mut outcome| {
                        outcome.set_no_retry(kind & 0x40 != 0);
                        fill(outcome.init_failure());
                    })
                }
            }
            What::Give { to, length, done } => give(self.question(*to), length.get(), *done),
            What::Nothing { to } => returns(self.question(*to), &[], nothing),
            What::Except { to, kind } => message(|message| {
                use capnp_rpc::rpc_capnp::exception::Type::{Disconnected, Failed, Overloaded, Unimplemented};
                let mut ret = message.init_return();
                ret.set_answer_id(self.question(*to));
                let mut exception = ret.init_exception();
                exception.set_type([Failed, Overloaded, Disconnected, Unimplemented][usize::from(kind % 4)]);
                exception.set_reason("no");
            }),
            What::Canceled { to } => message(|message| {
                let mut ret = message.init_return();
                ret.set_answer_id(self.question(*to));
                ret.set_canceled(());
            }),
            What::Finish { question, release } => finish(question.get(), *release),
            What::Release { id, count } => message(|message| {
                let mut release = message.init_release();
                release.set_id(id.of(&self.caps));
                release.set_reference_count(count.get());
            }),
            _ => unreachable!("that is no message of its own"),
        }
    }
}

fn nothing(content: any_pointer::Builder<'_>) {
    content.init_as::<worker_control::ping_results::Builder<'_>>();
}

fn give(question: u32, length: u32, done: bool) -> Message {
    returns(question, &[], |content| {
        let mut results = content.init_as::<byte_source::pull_results::Builder<'_>>();
        results.reborrow().init_bytes(length % 600_000);
        results.set_done(done);
        results.set_before((length / 600_000).into());
    })
}

fn finish(question: u32, release: bool) -> Message {
    message(|message| {
        let mut finish = message.init_finish();
        finish.set_question_id(question);
        finish.set_release_result_caps(release);
    })
}

fn hello(question: u32, words: &str) -> Message {
    response(question, &[], |to| to.init_body().set_bytes(words.as_bytes()))
}

/// What the worker is to do. The sender of orders to the clients goes with it: when it is dropped, there will be none.
type Part = (Script, mpsc::UnboundedSender<Order>);

/// What the two sides of the stage share.
#[derive(Default)]
struct Prompter {
    script: Mutex<Option<Part>>,
    start: Mutex<Option<Start>>,
    /// The process of the worker that follows scripts.
    pid: AtomicI32,
}

impl Prompter {
    fn take(&self) -> Option<Part> {
        self.script.lock().expect("no panic").take()
    }
}

async fn play(prompter: Arc<Prompter>, ends: Ends) {
    let Ends { world, pid, control, mut events, stderr: _stderr } = ends;
    let mut control = Peer::new(control);
    let mut events = Peer::new(events.pop().expect("there is one shard"));
    let mut start = None;
    loop {
        let (said, is_control) = tokio::select! {
            said = control.wire.receive() => (said, true),
            said = events.wire.receive() => (said, false),
        };
        // Whatever closed: we are about to be ended.
        let Some(said) = said else { return std::future::pending().await };
        let peer = if is_control { &mut control } else { &mut events };
        peer.note(&said);
        match &said {
            Said::Call { question, method: Method::Bind, text, .. } if text == "one" => {
                prompter.pid.store(pid, Ordering::SeqCst);
                let next = prompter.start.lock().expect("no panic").take();
                if let Some(next) = next {
                    if next.bind % 16 == 15 {
                        world.kill(pid, 9);
                    }
                    let answer = bound(*question, &next);
                    peer.say(frame(&answer), next.patch).await;
                    start = Some(next);
                    continue;
                }
            }
            Said::Call { question, method: Method::Entrypoint, .. } => {
                if let Some(next) = start.take()
                    && let Some(answer) = dispatcher(*question, &next, peer)
                {
                    peer.say(frame(&answer), next.patch).await;
                    continue;
                }
            }
            Said::Call { question, method: method @ (Method::Fetch | Method::Scheduled), text, .. } => {
                if text.ends_with("/script")
                    && let Some((script, orders)) = prompter.take()
                {
                    for step in &script.steps {
                        if let What::Client(order) = step.what {
                            let _ = orders.send(order);
                        }
                        let peer = if step.on_control { &mut control } else { &mut events };
                        if !peer.is_shut {
                            peer.follow(step).await;
                        }
                    }
                    // Whoever still waits does not wait longer.
                    world.kill(pid, 9);
                    return std::future::pending().await;
                }
                let answer = match method {
                    Method::Fetch => hello(*question, &format!("pid {pid}")),
                    _ => ran(*question, &[], |_| {}),
                };
                peer.wire.send(&answer).await;
                continue;
            }
            _ => {}
        }
        peer.wire.polite(said).await;
    }
}

/// The answer to `bind`.
fn bound(question: u32, Start { bind, text, .. }: &Start) -> Message {
    let text = text.text();
    if bind % 16 == 14 {
        return message(|message| {
            let mut ret = message.init_return();
            ret.set_answer_id(question);
            ret.init_exception().set_reason(text.as_str());
        });
    }
    returns(question, &[], |content| match bind % 16 {
        13 => {}
        12 => {
            let results = content.init_as::<worker_control::bind_results::Builder<'_>>();
            let mut error = results.init_outcome().init_error();
            error.set_message(text.as_str());
            error.set_stack(text.repeat(3).as_str());
        }
        11 => {
            let results = content.init_as::<worker_control::bind_results::Builder<'_>>();
            let mut list = results.init_outcome().init_ready(300);
            for index in 0..300 {
                list.reborrow().get(index).set_name(text.as_str());
            }
        }
        _ => {
            let results = content.init_as::<worker_control::bind_results::Builder<'_>>();
            results.init_outcome().init_ready(1).get(0).set_name("");
        }
    })
}

/// The answer to `entrypoint`, if it is not to be the usual one.
fn dispatcher(question: u32, Start { entrypoint, .. }: &Start, peer: &Peer) -> Option<Message> {
    let cap = match entrypoint % 16 {
        10 => Cap::None,
        11 => Cap::SenderHosted(8191),
        12 => Cap::SenderHosted(Limits::for_worker().max_imports),
        13 => Cap::ReceiverHosted(Seen(0).of(&peer.caps)),
        14 => {
            return Some(returns(question, &[], nothing));
        }
        15 => {
            return Some(returns(question, &[], |content| {
                content.init_as::<fetch_outcome::Builder<'_>>().init_failure().set_message("no dispatcher");
            }));
        }
        _ => return None,
    };
    Some(returns(question, &[cap], |content| {
        content.init_as::<event_port::entrypoint_results::Builder<'_>>().set_dispatcher(nobody());
    }))
}

// ---------------------------------------------------------------------------------------------------------------------
// The clients.

/// An upload in chunks, which may break off or never end.
struct Upload {
    left: usize,
    end: End,
    /// Whoever has it shows that the supervisor still has the body.
    _held: Rc<()>,
}

enum End {
    Whole,
    Broken,
    Never,
}

impl PullSource for Upload {
    fn poll_pull(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::result::Result<Bytes, BodyError>>> {
        use std::task::Poll;
        let length = self.left.min(10_000);
        self.left -= length;
        match self.end {
            _ if length > 0 => Poll::Ready(Some(Ok(Bytes::from(vec![b'u'; length])))),
            End::Whole => Poll::Ready(None),
            End::Broken => {
                self.end = End::Whole;
                Poll::Ready(Some(Err(BodyError("no more".into()))))
            }
            End::Never => Poll::Pending,
        }
    }
}

/// An upload, and whether it ends.
fn upload(choice: u8, held: &Rc<()>) -> (Body, bool) {
    let of = |left, end| Body::Pull(Box::pin(Upload { left, end, _held: held.clone() }));
    let length = [1, 9_000, 65_536, 65_537, 300_000, 1_000_000][usize::from(choice >> 3) % 6];
    match choice % 8 {
        0 => (Body::Empty, true),
        1 => (Body::Bytes(vec![b'b'; length].into()), true),
        2 => (of(length, End::Broken), true),
        3 => (of(length, End::Never), false),
        4 => (of(0, End::Never), false),
        _ => (of(length, End::Whole), true),
    }
}

/// Whether a client stops taking its response, after `patience / 4` chunks.
fn waits(patience: u8) -> bool {
    patience % 4 == 3
}

/// A scheduled run's life, which is as long as the worker likes.
async fn scheduled(service: Rc<WorkerService>, cron: String, answered: Rc<Cell<bool>>) {
    let run = Scheduled::new(0.0, cron).expect("a run");
    let outcome = service.event(Event::Scheduled(run)).await;
    answered.set(true);
    let Ok(outcome) = outcome else { return };
    if let Some(ServiceError::Exception(text)) = outcome.failure {
        assert!(text.chars().count() < 8192 + 200, "{} characters", text.chars().count());
    }
}

/// A client's life. It ends because everything comes to an end, or is ended.
async fn client(service: Rc<WorkerService>, path: &'static str, body: Body, patience: u8, answered: Rc<Cell<bool>>) {
    let Ok(response) = service.fetch(request("POST", path, body)).await else { return };
    answered.set(true);
    assert!(bulkhead_ipc::head::is_status(response.status().as_u16()), "{:?}", response.status());
    let headers = response.headers();
    assert!(headers.len() <= 256, "{} headers", headers.len());
    for name in ["connection", "transfer-encoding", "upgrade", "te", "trailer", "keep-alive", "proxy-connection"] {
        assert!(!headers.contains_key(name), "{name} comes from the socket");
    }
    let mut body = response.into_body();
    let announced = body.size_hint().exact();
    let mut total = 0;
    let mut chunks = 0;
    loop {
        if waits(patience) && chunks == u32::from(patience >> 2) {
            return std::future::pending().await;
        }
        match next_chunk(&mut body).await {
            Some(Ok(chunk)) => {
                assert!(!chunk.is_empty() && chunk.len() <= 512 << 10, "a chunk of {} bytes", chunk.len());
                total += chunk.len() as u64;
                chunks += 1;
                assert!(announced.is_none_or(|length| total <= length), "{total} of {announced:?} bytes");
            }
            Some(Err(_)) => return,
            None => {
                assert!(announced.is_none_or(|length| total == length), "{total} of {announced:?} bytes");
                return;
            }
        }
    }
}

/// A client that has come.
struct Client {
    task: JoinHandle<()>,
    /// It has the head of a response.
    answered: Rc<Cell<bool>>,
    /// It does not end by itself.
    is_endless: bool,
}

struct Stage {
    rig: Rig,
    prompter: Arc<Prompter>,
    shard: ShardFleet,
    one: Rc<WorkerService>,
    two: WorkerService,
    /// What the second worker says.
    other: String,
    /// See [`Upload`].
    held: Rc<()>,
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

async fn stage() -> Stage {
    let prompter = Arc::new(Prompter::default());
    let for_play = prompter.clone();
    let at_once = RestartPolicy { base: Duration::ZERO, max: Duration::ZERO, ..settings().restart };
    // What never answers is waited for as long as this; a machine that is this slow is asked again.
    let wait = Duration::from_secs(1);
    let settings = FleetConfig { restart: at_once, wait_timeout: wait, bind_timeout: wait, ..settings() };
    let rig = rig::start(settings, 4096, move |ends| play(for_play.clone(), ends));
    let shard = rig.shard();
    let one = Rc::new(WorkerService::new(&shard, &rig::worker(0), None, None));
    let two = rig.service(1);
    let other = loop {
        match two.fetch(get("/hello")).await {
            Ok(response) => break text(response).await.expect("a body"),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let stage = Stage { rig, prompter, shard, one, two, other, held: Rc::new(()) };
    stage.back().await;
    stage
}

async fn pid(service: &WorkerService) -> String {
    let response = service.fetch(get("/hello")).await.expect("a worker that serves");
    text(response).await.expect("a body")
}

/// Waits for what must come to pass, whatever the worker did.
async fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to pass that {what}");
}

fn check_held(connection: &Handle) {
    let limits = Limits::for_worker();
    let message = limits.max_message_words * 8;
    assert!(connection.held_bytes() <= limits.max_held_bytes + message, "{connection:?}");
    assert!(connection.queued_bytes() <= limits.max_queued_bytes + message, "{connection:?}");
    assert!(connection.given_up() <= MAX_EVENTS, "{connection:?}");
}

impl Stage {
    /// Waits until the first worker serves again.
    async fn back(&self) {
        for tries in 1.. {
            let asked = Instant::now();
            match self.one.fetch(get("/hello")).await {
                Ok(response) => match text(response).await {
                    Ok(words) if words.starts_with("pid ") => return,
                    _ => {}
                },
                Err(_) => tokio::time::sleep(Duration::from_micros(200)).await,
            }
            assert!(tries < 1000, "it does not come back");
            // A process may have begun so badly that it cannot serve, which is nobody's fault but its own.
            if tries % 20 == 0 || asked.elapsed() > Duration::from_millis(500) {
                self.rig.world.kill(self.prompter.pid.load(Ordering::SeqCst), 9);
            }
        }
    }

    fn join(&self, path: &'static str, order: Order) -> Client {
        let answered = Rc::new(Cell::new(false));
        let (client, is_endless): (LocalFuture<'static, ()>, _) = if order.who & 0x80 != 0 {
            let cron =
                "x".repeat(usize::from(order.upload) * 4).chars().take(MAX_CRON - path.len()).collect::<String>();
            (Box::pin(scheduled(self.one.clone(), cron + path, answered.clone())), false)
        } else {
            let (body, is_whole) = upload(order.upload, &self.held);
            let client = client(self.one.clone(), path, body, order.patience, answered.clone());
            (Box::pin(client), waits(order.patience) || !is_whole)
        };
        let prompter = self.prompter.clone();
        let task = tokio::task::spawn_local(async move {
            client.await;
            // If the worker has not taken it by now, it never will.
            drop(prompter.take());
        });
        Client { task, answered, is_endless }
    }

    /// One run. Whatever the worker did: every client gets an answer, and nothing of it is left.
    async fn perform(&mut self, script: Script) {
        // A process that began with a lie may be found out after it has served.
        let connection = loop {
            match self.shard.connected(&rig::worker(0)) {
                Some(link) => break link.connection.clone(),
                None => self.back().await,
            }
        };
        let (sender, mut orders) = mpsc::unbounded_channel();
        *self.prompter.start.lock().expect("no panic") = Some(script.next.clone());
        let first = script.first;
        *self.prompter.script.lock().expect("no panic") = Some((script, sender));
        let mut clients = vec![self.join("/script", first)];
        while let Some(order) = orders.recv().await {
            check_held(&connection);
            if order.leave {
                clients[usize::from(order.who) % clients.len()].task.abort();
            } else if clients.len() < MAX_CLIENTS {
                clients.push(self.join("/more", order));
            }
        }
        check_held(&connection);
        // Where no client had reached the worker, there was no script.
        self.rig.world.kill(self.prompter.pid.load(Ordering::SeqCst), 9);
        drop(self.prompter.take());
        // Who waits for itself, or for a client that does, may do so as long as it likes once it has an answer.
        for client in clients.iter().filter(|client| client.is_endless) {
            soon("a client is answered", || client.answered.get() || client.task.is_finished()).await;
            client.task.abort();
        }
        for client in clients {
            if let Err(error) = client.task.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        soon("the connection ends", || connection.is_closed()).await;
        self.back().await;
        soon("no request's body is held", || Rc::strong_count(&self.held) == 1).await;
        soon("no message is held", || connection.held_bytes() == 0).await;
        soon("no call is open", || connection.given_up() == 0).await;
        assert_eq!(pid(&self.two).await, self.other, "another worker's process ended");
        let stats = self.rig.fleet.stats().await;
        assert!(stats.processes <= 8 && self.shard.connections() <= 2, "{stats:?}");
        while let Some(entry) = self.rig.log.try_recv() {
            let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
            assert!(!entry.text.contains(steers), "{:?}", entry.text);
        }
    }
}

/// Bytes as the script of a worker and its clients: what it answers, calls, finishes and releases, in any order and
/// number, on both of its connections, while clients come and go. Afterwards every client has been answered, nothing is
/// held any more, the service is back, and another worker's process is the one that it was.
pub fn rpc_calls(bytes: &[u8]) {
    let Ok(script) = Script::arbitrary(&mut Unstructured::new(bytes)) else { return };
    if std::env::var_os("BULKHEAD_SHOW_INPUTS").is_some() {
        println!("{script:#?}");
    }
    let before = STAGE.with_borrow_mut(Option::take);
    let stage = super::run(async {
        let mut stage = match before {
            Some(stage) => stage,
            None => stage().await,
        };
        stage.perform(script).await;
        stage
    });
    STAGE.with_borrow_mut(|slot| *slot = Some(stage));
}
