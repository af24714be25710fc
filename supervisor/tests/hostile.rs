//! Workers that speak the wire badly, each in one way.
//!
//! Whatever a worker process says, only that process may end: with one line in the log, with an answer for its client,
//! and with nothing left of it.

#![allow(clippy::drop_non_drop)] // Ends the borrow of a builder in an expression.

mod fakes;

use std::{
    collections::{HashSet, VecDeque},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bulkhead_ipc::{
    bench::{Bench, MAX_REPORT},
    scheduled::Scheduled,
    transport::{Limits, MAX_DEPTH, MAX_SUBREQUESTS},
    worker_capnp::{
        Limit, byte_source, channel, event_dispatcher, event_failure, event_port, fetch_outcome, http_request,
        http_response, log_entry, request_rest, scheduled_outcome, worker_control,
    },
};
use bulkhead_policy::spawn::Exit;
use bulkhead_supervisor::{
    body::Body,
    config::policy::WorkerPolicy,
    fleet::{
        FleetConfig, FleetHandle,
        counters::Counter,
        decide::{Usage, WatchPolicy},
    },
    log::Stream,
    service::{Depth, Event, LocalFuture, Service, ServiceError, ServiceRequest, worker::WorkerService},
    shard::{Letter, Served, ShardServices, Shards},
    upgrade::Upgrade,
};
use bytes::Bytes;
use capnp::traits::HasTypeId;
use fakes::{
    Ends, Rig, World, eventually, get, local, request, settings, text,
    wire::{
        Cap, Message, Method, Said, Wire, calls, closed, empty, exceeded, frame, log, message, nobody, outcome, pull,
        ran, recall, response, returns, start_tls, subrequest, unknown,
    },
    worker,
};
use tokio::sync::mpsc;

/// What the client of the request gets during which the worker misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// 503.
    Unavailable,
    /// A response that breaks off.
    Torn,
}

use Client::{Torn, Unavailable};

/// The ways: the path of the request that makes the worker do it, or the expression of the scheduled run (`run-…`), what the client gets, and words of the log line.
const WAYS: &[(&str, Client, &str)] = &[
    // The stream of bytes.
    ("many-segments", Unavailable, "more than 64 segments"),
    ("long-message", Unavailable, "longer than"),
    ("long-message-in-parts", Unavailable, "longer than"),
    ("empty-message", Unavailable, "a message is empty"),
    ("close", Unavailable, "it closed an event connection"),
    ("close-half", Unavailable, "it closed an event connection"),
    ("close-in-table", Unavailable, "it closed an event connection"),
    ("close-in-message", Unavailable, "it closed an event connection"),
    ("noise", Unavailable, "more than 64 segments"),
    ("text", Unavailable, ""),
    // Messages that cannot be read.
    ("null-root", Unavailable, "a kind that is not used here"),
    ("far-root", Unavailable, "cannot be read"),
    ("far-loop", Unavailable, "cannot be read"),
    ("wild-root", Unavailable, "cannot be read"),
    ("list-root", Unavailable, "cannot be read"),
    ("capability-root", Unavailable, "cannot be read"),
    // Kinds of message.
    ("unknown-message", Unavailable, "a message of unknown kind"),
    ("unimplemented", Unavailable, "a kind that is not used here"),
    ("bootstrap", Unavailable, "a kind that is not used here"),
    ("resolve", Unavailable, "a kind that is not used here"),
    ("disembargo", Unavailable, "a kind that is not used here"),
    ("provide", Unavailable, "a kind that is not used here"),
    ("accept", Unavailable, "a kind that is not used here"),
    ("join", Unavailable, "a kind that is not used here"),
    ("abort", Unavailable, "because I say so"),
    // Answers.
    ("return-to-nobody", Unavailable, "Invalid question ID"),
    ("return-elsewhere", Unavailable, "a return of a kind"),
    ("return-other-question", Unavailable, "a return of a kind"),
    ("return-third-party", Unavailable, "a return of a kind"),
    ("return-unknown-kind", Unavailable, "a return of a kind"),
    ("return-promise", Unavailable, "a capability of a kind"),
    ("return-third-party-capability", Unavailable, "a capability of a kind"),
    ("return-answer-capability", Unavailable, "a capability of a kind"),
    ("return-many-capabilities", Unavailable, "more than 8 capabilities"),
    ("return-far-capability", Unavailable, "it exports more than"),
    // What the answers say.
    ("result-null", Unavailable, "status 0"),
    ("result-text", Unavailable, ""),
    ("result-of-another-type", Unavailable, ""),
    ("outcome-unknown", Unavailable, ""),
    ("response-text", Unavailable, ""),
    ("body-unknown", Unavailable, ""),
    ("body-of-the-request", Unavailable, "sent a body back that it was not sent"),
    ("failure-unknown", Unavailable, ""),
    ("failure-limit-unknown", Unavailable, ""),
    ("rest-read-too-much", Unavailable, "more of a body than it was given"),
    ("rest-unread", Unavailable, "more of a body than it was given"),
    ("rest-unknown", Unavailable, ""),
    ("status-0", Unavailable, "status 0"),
    ("status-101", Unavailable, "status 101"),
    ("status-1000", Unavailable, "status 1000"),
    ("status-65535", Unavailable, "status 65535"),
    ("header-injection", Unavailable, "an invalid value of header x"),
    ("header-name", Unavailable, "an invalid header name"),
    ("header-name-empty", Unavailable, "an invalid header name"),
    ("header-name-endless", Unavailable, ""),
    ("headers-many", Unavailable, "headers are more than"),
    ("headers-long", Unavailable, "the headers are longer"),
    ("headers-shared", Unavailable, "the headers are longer"),
    ("status-text-injection", Unavailable, "an invalid status text"),
    ("status-text-long", Unavailable, "a status text that is too long"),
    // Bodies of responses.
    ("stream-too-much", Torn, "more than it was asked for"),
    ("stream-nothing", Torn, "nothing that was not the end"),
    ("stream-more-than-announced", Torn, "more than it had announced"),
    ("stream-null", Torn, "nothing that was not the end"),
    ("stream-text", Torn, ""),
    ("stream-other-type", Torn, ""),
    ("stream-none", Unavailable, "invalid capability pointer"),
    ("stream-rest", Torn, "to be had elsewhere"),
    ("stream-meanwhile", Torn, "of what is no connection"),
    // Connections that are upgraded.
    ("upgrade-bare", Unavailable, "without a stream"),
    ("upgrade-bytes", Unavailable, "without a stream"),
    ("upgrade-status", Unavailable, "status 102"),
    ("channel-upgrade-unnamed", Unavailable, "an upgrade to what it does not name"),
    ("channel-upgrade-unknown", Unavailable, "an upgrade to what it does not name"),
    ("channel-upgrade-twice", Unavailable, "an upgrade to what it does not name"),
    ("channel-upgrade-no-stream", Unavailable, "an upgrade without a stream"),
    ("channel-connect-headers", Unavailable, "a connection that is one for something else too"),
    ("channel-connect-no-stream", Unavailable, "a connection without a stream"),
    ("channel-connect-from", Unavailable, "an address that is not its own"),
    ("stream-close", Torn, "it closed an event connection"),
    // What is said of a scheduled run.
    ("run-results-text", Unavailable, ""),
    ("run-results-capability", Unavailable, ""),
    ("run-outcome-text", Unavailable, ""),
    ("run-outcome-capability", Unavailable, ""),
    ("run-outcome-unknown", Unavailable, ""),
    ("run-failure-text", Unavailable, ""),
    ("run-failure-unknown", Unavailable, ""),
    ("run-failure-limit-unknown", Unavailable, ""),
    ("run-failure-endless", Unavailable, ""),
    ("run-failure-too-long", Unavailable, "longer than"),
    ("run-return-promise", Unavailable, "a capability of a kind"),
    ("run-return-many-capabilities", Unavailable, "more than 8 capabilities"),
    ("run-return-far-capability", Unavailable, "it exports more than"),
    ("run-return-to-nobody", Unavailable, "Invalid question ID"),
    ("run-close", Unavailable, "it closed an event connection"),
    ("run-die", Unavailable, "was killed by SIGSEGV"),
    // Calls.
    ("call-nobody", Unavailable, ""),
    ("call-promise", Unavailable, "a call on something else"),
    ("call-results-elsewhere", Unavailable, "a call whose results go elsewhere"),
    ("call-far-question", Unavailable, "calls are open"),
    ("call-question-twice", Unavailable, ""),
    ("call-many-capabilities", Unavailable, "more than 8 capabilities"),
    ("pull-nothing", Unavailable, "pulled nothing, or twice"),
    ("pull-twice", Unavailable, "pulled nothing, or twice"),
    ("pull-with-bytes", Unavailable, "sent with a pull what it was not asked for"),
    ("ask-end-twice", Unavailable, "asked twice at once what became of a body"),
    ("tls-host-long", Unavailable, "named a host that is too long"),
    // Requests of its own.
    ("channel-props", Unavailable, "props to what is not its own"),
    ("channel-method", Unavailable, "an unknown method"),
    ("channel-method-small", Unavailable, "an unknown method"),
    ("channel-url-relative", Unavailable, "a URL that is not absolute"),
    ("channel-url-credentials", Unavailable, "a URL that is not absolute"),
    ("channel-header", Unavailable, "an invalid value of header x"),
    ("channel-header-name", Unavailable, "an invalid header name"),
    ("channel-headers-many", Unavailable, "headers are more than"),
    ("channel-cf", Unavailable, "a cf object"),
    ("channel-cf-long", Unavailable, "a cf object"),
    ("channel-twice", Unavailable, "two open requests one number"),
    ("channel-event-none", Unavailable, "for an event that it was never given"),
    ("channel-event-to-come", Unavailable, "for an event that it was never given"),
    ("channel-event-deep", Unavailable, "for an event that it was never given"),
    // References.
    ("release-nothing", Unavailable, ""),
    ("release-too-often", Unavailable, ""),
    ("release-overflow", Unavailable, ""),
    ("release-twice", Unavailable, ""),
    // The control connection.
    ("control-close", Unavailable, "it closed its control connection"),
    ("control-noise", Unavailable, "more than 64 segments"),
    ("control-return-to-nobody", Unavailable, "Invalid question ID"),
    ("control-bootstrap", Unavailable, "a kind that is not used here"),
    ("control-far-question", Unavailable, "more than 16 calls are open"),
    ("log-many", Unavailable, "it logged 5000 entries"),
    ("log-not-text", Unavailable, "not UTF-8"),
    ("log-level", Unavailable, "an unknown level"),
    ("log-source", Unavailable, "an unknown source"),
    ("log-shared", Unavailable, "bytes at once"),
    ("log-twice", Unavailable, "it logged again"),
    ("control-bind-twice", Unavailable, "Invalid question ID"),
    ("exceeded-unknown", Unavailable, "an unknown limit"),
    ("exceeded-twice", Unavailable, "it exceeded a limit again"),
    ("abort-and-more", Unavailable, "because I say so"),
    // The process.
    ("die", Unavailable, "was killed by SIGSEGV"),
    ("exit", Unavailable, "ended with exit code 0"),
];

/// What a worker may say although it makes no sense: it gets an error, and its next words count.
const ODDITIES: &[&str] = &[
    "call-unknown-method",
    "call-unknown-interface",
    "call-params-text",
    "finish-early",
    "finish-nothing",
    "return-twice",
    "answer-of-nobody",
    "spare-capabilities",
    "log-nothing",
    "log-unknown-method",
    "release-none",
    "cancel-nothing",
    "ask-end-finish-early",
    "tls-of-a-body",
    "recall-of-a-body",
    "channel-hello",
    "channel-hello-twice",
    "channel-cancel-nothing",
    "channel-url",
    "channel-url-injection",
    "channel-body-of-nobody",
    "channel-unknown-method",
    "channel-params-text",
];

/// Bodies that break off without a rule being broken.
const TORN_BODIES: &[&str] = &["stream-early", "stream-fails", "stream-of-nobody"];

/// What a worker may say of a scheduled run, true or not, and words of what its caller hears: nothing where all is well.
const RUNS: &[(&str, &str)] = &[
    ("run-null", ""),
    ("run-response", ""),
    ("run-twice", ""),
    ("run-spare-capabilities", ""),
    ("run-after-a-flood", ""),
    ("run-exception", "because I say so"),
    ("run-failure-long", "worker \"one\": Uncaught yyy"),
    ("run-failure-not-text", "worker \"one\": Uncaught \u{fffd}ome words"),
    ("run-failure-busy", "events live in the process"),
    ("run-failure-exceeded", "exceeded CPU time limit"),
];

/// What the log says of worker "one" then.
const SLOWED: &str = "\"one\" sends more than it may, and is slowed down";

/// What is harmless once, without end: the worker is heard at its rate.
const FLOODS: &[&str] = &[
    "flood-finish",
    "flood-release",
    "flood-bytes",
    "flood-call",
    "flood-cancel",
    "flood-pull-one-byte",
    "control-flood-finish",
    "control-flood-exceeded",
];

/// The bit of an event's number at which its depth begins, as far as a worker may guess.
const DEPTH_AT: u32 = 15;

/// A message of one segment, word by word.
fn words(words: &[u64]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend((words.len() as u32).to_le_bytes());
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes
}

/// Lets the pointers of all elements of a list of structs lead where those of the first lead.
fn share(message: &Message, count: usize, data_words: usize, pointers: usize) -> Vec<u8> {
    let mut bytes = frame(message);
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().expect("8 bytes"));
    let tag = (count as u64) << 2 | (data_words as u64) << 32 | (pointers as u64) << 48;
    let tag = (0..bytes.len() / 8).find(|at| word(&bytes, *at) == tag).expect("the list");
    let stride = data_words + pointers;
    for pointer in 0..pointers {
        let first = tag + 1 + data_words + pointer;
        let value = word(&bytes, first);
        for index in 1..count {
            let offset = (value as u32 as i32 >> 2) - (index * stride) as i32;
            let moved = value & !0xffff_ffff | u64::from((offset << 2) as u32 | value as u32 & 3);
            let at = (first + index * stride) * 8;
            bytes[at..at + 8].copy_from_slice(&moved.to_le_bytes());
        }
    }
    bytes
}

/// Headers on a response with status 200.
fn headers(answer: u32, headers: &[(&str, &[u8])]) -> Message {
    response(answer, &[], |response| {
        bulkhead_ipc::head::write(response.init_headers(headers.len() as u32), headers.iter().copied());
    })
}

/// A request that is passed on, and what is said to be left of its body.
fn passed_on(answer: u32, fill: impl FnOnce(request_rest::had::Builder<'_>)) -> Message {
    outcome(answer, &[], |outcome| {
        let mut failure = outcome.init_failure();
        failure.set_kind(event_failure::Kind::PassThrough);
        fill(failure.init_rest().init_had());
    })
}

/// A response with a stream, by whatever capability.
fn stream(answer: u32, cap: Cap, announced: Option<u64>) -> Message {
    response(answer, &[cap], |mut response| {
        if let Some(announced) = announced {
            response.set_body_length(announced);
        }
        response.init_body().set_stream(nobody());
    })
}

fn bytes_reply(answer: u32, length: u32, done: bool) -> Message {
    returns(answer, &[], |content| {
        let mut results = content.init_as::<byte_source::pull_results::Builder<'_>>();
        results.reborrow().init_bytes(length).fill(b'x');
        results.set_done(done);
    })
}

fn entries(count: u32, level: log_entry::Level, source: log_entry::Source, host: u32) -> Message {
    log(0, host, |params| {
        let mut list = params.init_entries(count);
        for index in 0..count {
            let mut entry = list.reborrow().get(index);
            entry.set_message(if index == 0 { "some words" } else { "" });
            entry.set_level(level);
            entry.set_source(source);
        }
    })
}

async fn play(ends: Ends) {
    let Ends { world, pid, control, events, stderr: _stderr } = ends;
    // What an event connection was told to do on the control connection.
    let (orders, mut ordered) = mpsc::unbounded_channel::<String>();
    for stream in events {
        tokio::task::spawn_local(serve(Wire::new(stream), world.clone(), pid, orders.clone()));
    }
    let mut wire = Wire::new(control);
    let (mut host, mut bind) = (0, 0);
    let mut exceeded_flood = false;
    let mut torrent = Vec::new();
    loop {
        wire.bytes(&torrent).await;
        let said = tokio::select! {
            said = wire.receive() => said,
            () = std::future::ready(()), if !torrent.is_empty() => continue,
            order = ordered.recv() => {
                let order = order.expect("we hold a sender");
                if order == "control-close" {
                    drop(wire);
                    return std::future::pending().await;
                }
                if order == "control-flood-exceeded" {
                    exceeded_flood = true;
                    wire.send(&exceeded(0, host, Limit::CpuTime)).await;
                } else if order == "control-flood-finish" {
                    torrent = frame(&finish(500)).repeat(FLOOD);
                } else {
                    misbehave_in_control(&order, &mut wire, host, bind).await;
                }
                continue;
            }
        };
        let Some(said) = said else { return };
        if let Said::Return { answer, .. } = said {
            wire.send(&finish(answer)).await;
            if exceeded_flood {
                wire.send(&exceeded(0, host, Limit::CpuTime)).await;
            }
            continue;
        }
        if matches!(said, Said::Call { method: Method::Ping, .. }) {
            world.pings.fetch_add(1, Ordering::SeqCst);
        }
        if let Some(Said::Call { method: Method::Bind, caps, question, .. }) = wire.polite(said).await {
            (host, bind) = (caps[0], question);
        }
    }
}

async fn misbehave_in_control(way: &str, wire: &mut Wire, host: u32, bind: u32) {
    use log_entry::{Level, Source};
    let bytes = match way {
        "control-noise" => vec![0xff; 64],
        "control-return-to-nobody" => frame(&returns(77, &[], |_| {})),
        "control-bootstrap" => frame(&message(|message| message.init_bootstrap().set_question_id(0))),
        "control-far-question" => frame(&log(16, host, |_| {})),
        "log-many" => frame(&entries(5000, Level::Log, Source::Console, host)),
        "log-not-text" => {
            let mut bytes = frame(&entries(1, Level::Log, Source::Console, host));
            let at = bytes.windows(4).position(|window| window == b"some").expect("the text");
            bytes[at] = 0xff;
            bytes
        }
        "log-level" => {
            unknown(&entries(1, Level::Info, Source::Console, host), &entries(1, Level::Error, Source::Console, host))
        }
        "log-source" => {
            unknown(&entries(1, Level::Info, Source::Console, host), &entries(1, Level::Info, Source::Runtime, host))
        }
        "log-shared" => {
            let long = "x".repeat(4000);
            let message = log(0, host, |params| params.init_entries(200).get(0).set_message(long.as_str()));
            share(&message, 200, 1, 1)
        }
        // More than may be logged at once, so that one of the calls stays open.
        "log-twice" => {
            let long = "x".repeat(400_000);
            let call =
                |question| log(question, host, |params| params.init_entries(1).get(0).set_message(long.as_str()));
            [0, 1, 2, 3].iter().flat_map(|question| frame(&call(*question))).collect()
        }
        "control-bind-twice" => frame(&empty(bind)),
        "exceeded-unknown" => unknown(&exceeded(0, host, Limit::WallTime), &exceeded(0, host, Limit::WaitUntil)),
        "exceeded-twice" => {
            [exceeded(0, host, Limit::CpuTime), exceeded(1, host, Limit::CpuTime)].iter().flat_map(frame).collect()
        }
        "log-nothing" => frame(&log(0, host, |_| {})),
        "log-unknown-method" => {
            frame(&calls(0, host, bulkhead_ipc::worker_capnp::host::Client::TYPE_ID, 9, &[], |_| {}))
        }
        other => panic!("no such way {other}"),
    };
    wire.bytes(&bytes).await;
}

/// One event connection.
#[expect(clippy::too_many_lines, reason = "one arm for each call")]
async fn serve(mut wire: Wire, world: Arc<World>, pid: i32, orders: mpsc::UnboundedSender<String>) {
    // What the streams do that were handed out.
    let mut streams = String::new();
    let mut odd: Option<u32> = None;
    // The next call of a flood in which each waits for the answer to the last.
    let mut flood: Option<fn(u32) -> Message> = None;
    let mut caps_of_flood = 0;
    // What is said again and again without waiting for anything.
    let mut torrent = Vec::new();
    // What it may start.
    let mut channel = 0;
    // Answers that are given when something is cancelled.
    let mut late: Vec<Message> = Vec::new();
    // Requests that were counted, some of which may never be answered.
    let mut asked = 0;
    // Messages of which each waits for the answer to the one before it.
    let mut in_turn: VecDeque<Message> = VecDeque::new();
    loop {
        wire.bytes(&torrent).await;
        let said = tokio::select! {
            biased;
            said = wire.receive() => said,
            () = std::future::ready(()), if !torrent.is_empty() => continue,
        };
        let Some(said) = said else { return };
        if let Said::Return { answer, .. } = said {
            wire.send(&finish(answer)).await;
            world.answers.fetch_add(1, Ordering::SeqCst);
            if let Some(next) = in_turn.pop_front() {
                wire.send(&next).await;
            }
            if let Some(next) = flood {
                wire.send(&next(caps_of_flood)).await;
            }
            // The answer to the odd call.
            if let Some(question) = odd.take() {
                wire.send(&hello(question, pid)).await;
            }
            continue;
        }
        match wire.polite(said).await {
            Some(Said::Call { method: Method::Open, caps, .. }) => channel = caps.first().copied().unwrap_or_default(),
            Some(Said::Call { question, method: Method::Fetch, text, event, caps }) => {
                let way = text.strip_prefix("http://host/").unwrap_or(&text).to_owned();
                if matches!(way.as_str(), "hello" | "kept") {
                    wire.send(&hello(question, pid)).await;
                } else if way.starts_with("control-flood-")
                    || way.starts_with("log-") && ODDITIES.contains(&way.as_str())
                {
                    let _ = orders.send(way);
                    wire.send(&hello(question, pid)).await;
                } else if way.starts_with("control-") || way.starts_with("log-") || way.starts_with("exceeded-") {
                    let _ = orders.send(way);
                } else if way.starts_with("close") {
                    let bytes: &[u8] = match way.as_str() {
                        "close-in-table" => &[0, 0, 0],
                        "close-in-message" => &[0, 0, 0, 0, 9, 0, 0, 0, 1, 2, 3],
                        _ => &[],
                    };
                    wire.bytes(bytes).await;
                    if way != "close-half" {
                        return;
                    }
                    wire.shutdown().await;
                } else if way.starts_with("stream-") {
                    let (cap, announced) = match way.as_str() {
                        "stream-more-than-announced" | "stream-early" => (Cap::SenderHosted(7), Some(10)),
                        "stream-of-nobody" => (Cap::ReceiverHosted(4000), None),
                        "stream-none" => (Cap::None, None),
                        _ => (Cap::SenderHosted(7), None),
                    };
                    streams = way;
                    wire.send(&stream(question, cap, announced)).await;
                } else if matches!(way.as_str(), "flood-finish" | "flood-release" | "flood-bytes") {
                    torrent = flood_of(&way, caps[0]);
                    wire.send(&hello(question, pid)).await;
                } else if matches!(way.as_str(), "flood-call" | "flood-cancel" | "flood-pull-one-byte") {
                    let next: fn(u32) -> Message = match way.as_str() {
                        "flood-call" => |source| calls(0, source, byte_source::Client::TYPE_ID, 9, &[], |_| {}),
                        "flood-cancel" => |source| calls(0, source, byte_source::Client::TYPE_ID, 1, &[], |_| {}),
                        _ => |source| pull(0, source, 1),
                    };
                    (flood, caps_of_flood) = (Some(next), caps[0]);
                    wire.send(&next(caps[0])).await;
                    wire.send(&hello(question, pid)).await;
                } else if way == "late" {
                    late.push(stream(question, Cap::SenderHosted(7), None));
                } else if way == "never" {
                } else if way == "channel-many" {
                    for number in 0..u64::from(MAX_SUBREQUESTS) + 100 {
                        let never = subrequest(number as u32, channel, event, number, &[], |mut request| {
                            request.set_url("http://a.test/never");
                        });
                        wire.send(&never).await;
                    }
                    wire.send(&hello(question, pid)).await;
                } else if let Some((how, count)) = counted(&way) {
                    let (event, path) = match how {
                        "shallow" => (event & !(0xff << DEPTH_AT), "/"),
                        "at-once" | "unanswered" => (event, "/never"),
                        _ => (event, "/"),
                    };
                    let numbers = asked..asked + count;
                    asked += count;
                    let asks = numbers.map(|number| {
                        subrequest(number, channel, event, number.into(), &[], |mut request| {
                            request.set_url(format!("http://a.test{path}").as_str());
                        })
                    });
                    match how {
                        "at-once" | "unanswered" => {
                            for ask in asks {
                                wire.send(&ask).await;
                            }
                            if how == "at-once" {
                                wire.send(&hello(question, pid)).await;
                            }
                        }
                        "over" => {
                            wire.send(&hello(question, pid)).await;
                            in_turn.extend(asks);
                        }
                        _ => {
                            in_turn.extend(asks);
                            in_turn.push_back(hello(question, pid));
                        }
                    }
                    if let Some(first) = in_turn.pop_front() {
                        wire.send(&first).await;
                    }
                } else if way == "die" {
                    world.kill(pid, 11);
                } else if way == "exit" {
                    world.end(pid, Exit::Code(0));
                } else if ODDITIES.contains(&way.as_str()) {
                    let is_call = way.starts_with("call-") || way.starts_with("channel-") || way == "cancel-nothing";
                    let target = if way.starts_with("channel-") { channel } else { caps[0] };
                    wire.bytes(&be_odd(&way, question, target, event)).await;
                    if is_call {
                        odd = Some(question);
                    } else if !matches!(way.as_str(), "spare-capabilities" | "return-twice") {
                        wire.send(&hello(question, pid)).await;
                    }
                } else {
                    let target = if way.starts_with("channel-") { channel } else { caps[0] };
                    wire.bytes(&misbehave(&way, question, target, event)).await;
                }
            }
            Some(Said::Call { question, method: Method::Scheduled, text: way, .. }) => match way.as_str() {
                "run-late" => late.push(ran(question, &[], |_| {})),
                "run-flood" => {
                    torrent = flood_of("flood-finish", 0);
                    late.push(ran(question, &[], |_| {}));
                }
                "run-never" => {}
                "run-die" => world.kill(pid, 11),
                "run-close" => return,
                other => wire.bytes(&answer_run(other, question)).await,
            },
            Some(Said::Call { question, method: Method::Cancel, .. }) => {
                torrent.clear();
                for answer in late.drain(..) {
                    wire.send(&answer).await;
                }
                wire.send(&empty(question)).await;
            }
            Some(Said::Call { question, method: Method::Pull, .. }) => {
                let answer = match streams.as_str() {
                    "stream-too-much" => bytes_reply(question, (256 << 10) + 1, false),
                    "stream-nothing" => bytes_reply(question, 0, false),
                    "stream-more-than-announced" => bytes_reply(question, 11, true),
                    "stream-early" => bytes_reply(question, 9, true),
                    "stream-null" => returns(question, &[], |_| {}),
                    "stream-text" => returns(question, &[], |mut content| {
                        content.set_as("text").expect("a text");
                    }),
                    "stream-other-type" => returns(question, &[], |content| {
                        // A struct where the bytes should be.
                        let results = content.init_as::<worker_control::bind_results::Builder<'_>>();
                        results.init_outcome().init_ready(1);
                    }),
                    "stream-fails" => message(|message| {
                        let mut to = message.init_return();
                        to.set_answer_id(question);
                        to.init_exception().set_reason("no");
                    }),
                    "stream-rest" => returns(question, &[Cap::SenderHosted(8)], |content| {
                        content.init_as::<byte_source::pull_results::Builder<'_>>().set_rest(nobody());
                    }),
                    "stream-meanwhile" => returns(question, &[Cap::SenderHosted(8)], |content| {
                        content.init_as::<byte_source::pull_results::Builder<'_>>().set_meanwhile(nobody());
                    }),
                    "stream-close" => return,
                    other => panic!("no such stream {other}"),
                };
                wire.send(&answer).await;
            }
            _ => {}
        }
    }
}

/// A way such as `channel-times-3`: how many requests are made for the event, and how.
fn counted(way: &str) -> Option<(&str, u32)> {
    let (how, count) = way.strip_prefix("channel-")?.rsplit_once('-')?;
    Some((how, count.parse().ok()?))
}

/// Messages of a torrent that are sent before the worker listens again.
const FLOOD: usize = 100;

fn flood_of(way: &str, source: u32) -> Vec<u8> {
    match way {
        "flood-finish" => frame(&finish(500)).repeat(FLOOD),
        "flood-release" => frame(&message(|message| {
            let mut release = message.init_release();
            release.set_id(source);
            release.set_reference_count(0);
        }))
        .repeat(FLOOD),
        // A finish, and a segment to which nothing in it points.
        "flood-bytes" => {
            let finish = frame(&finish(500)).split_off(8);
            let table = [1, finish.len() as u32 / 8, LONG as u32 / 8, 0].map(u32::to_le_bytes).concat();
            [table, finish, vec![0; LONG as usize]].concat()
        }
        other => panic!("no such flood {other}"),
    }
}

/// What the worker says of a scheduled run.
fn answer_run(way: &str, question: u32) -> Vec<u8> {
    let failure =
        |fill: &dyn Fn(event_failure::Builder<'_>)| ran(question, &[], |outcome| fill(outcome.init_failure()));
    // Read as results, the failure is an outcome: its limit is the number of the union's field, its message what that holds.
    let mistaken = |limit| {
        returns(question, &[], |content| {
            let mut failure = content.init_as::<scheduled_outcome::Builder<'_>>().init_failure();
            failure.set_limit(limit);
            failure.set_message("where a struct should be");
        })
    };
    frame(&match way {
        "run-results-text" => returns(question, &[], |mut content| content.set_as("text").expect("a text")),
        "run-results-capability" => returns(question, &[Cap::SenderHosted(7)], |mut content| {
            content.set_as_capability(nobody::<byte_source::Client>().client.hook);
        }),
        "run-outcome-text" => returns(question, &[], |content| {
            content.init_as::<event_failure::Builder<'_>>().set_message("where the outcome should be");
        }),
        "run-outcome-capability" => returns(question, &[Cap::SenderHosted(7)], |content| {
            content.init_as::<event_port::entrypoint_results::Builder<'_>>().set_dispatcher(nobody());
        }),
        "run-outcome-unknown" => mistaken(Limit::WaitUntil),
        "run-failure-text" => mistaken(Limit::WallTime),
        "run-failure-unknown" => {
            let of = |kind| failure(&|mut failure| failure.set_kind(kind));
            return unknown(&of(event_failure::Kind::Exception), &of(event_failure::Kind::Hung));
        }
        "run-failure-limit-unknown" => {
            let of = |limit| {
                failure(&|mut failure| {
                    failure.set_kind(event_failure::Kind::Exceeded);
                    failure.set_limit(limit);
                })
            };
            return unknown(&of(Limit::WallTime), &of(Limit::WaitUntil));
        }
        "run-failure-endless" | "run-failure-not-text" => {
            let mut bytes = frame(&failure(&|mut failure| failure.set_message("some words")));
            let at = bytes.windows(11).position(|window| window == b"some words\0").expect("the text");
            bytes[if way == "run-failure-endless" { at + 10 } else { at }] = 0xff;
            return bytes;
        }
        "run-failure-too-long" => failure(&|mut failure| failure.set_message("y".repeat(600_000).as_str())),
        "run-failure-long" => failure(&|mut failure| failure.set_message("y".repeat(250_000).as_str())),
        "run-failure-forged" => failure(&|mut failure| failure.set_message(FORGED)),
        "run-failure-busy" => failure(&|mut failure| failure.set_kind(event_failure::Kind::Busy)),
        "run-failure-exceeded" => failure(&|mut failure| failure.set_kind(event_failure::Kind::Exceeded)),
        "report-whole" => reports(question, MAX_REPORT),
        "report-too-long" => reports(question, MAX_REPORT + 1),
        "run-return-promise" => ran(question, &[Cap::SenderPromise(7)], |_| {}),
        "run-return-many-capabilities" => ran(question, &[Cap::None; 9], |_| {}),
        "run-return-far-capability" => ran(question, &[Cap::SenderHosted(1 << 20)], |_| {}),
        "run-return-to-nobody" => ran(question + 1000, &[], |_| {}),
        "run-null" => returns(question, &[], |_| {}),
        "run-response" => hello(question, 0),
        // The first counts.
        "run-twice" => {
            let mut both = frame(&ran(question, &[], |_| {}));
            both.extend(frame(&failure(&|mut failure| failure.set_message("a second answer"))));
            return both;
        }
        "run-spare-capabilities" => ran(question, &[Cap::SenderHosted(8), Cap::SenderHosted(9), Cap::None], |_| {}),
        "run-after-a-flood" => {
            let mut bytes = frame(&finish(500)).repeat(FLOOD);
            bytes.extend(frame(&ran(question, &[], |_| {})));
            return bytes;
        }
        "run-exception" => message(|message| {
            let mut to = message.init_return();
            to.set_answer_id(question);
            to.init_exception().set_reason("because I say so");
        }),
        other => panic!("no such way {other}"),
    })
}

fn asks_for_connection(mut request: http_request::Builder<'_>) {
    request.set_method("CONNECT");
    request.set_url("a.test:80");
    request.set_upgrade(true);
    request.init_connect();
}

fn hello(question: u32, pid: i32) -> Message {
    response(question, &[], |response| response.init_body().set_bytes(format!("pid {pid}").as_bytes()))
}

fn finish(question: u32) -> Message {
    message(|message| message.init_finish().set_question_id(question))
}

fn be_odd(way: &str, question: u32, source: u32, event: u64) -> Vec<u8> {
    frame(&match way {
        "call-unknown-method" => calls(0, source, byte_source::Client::TYPE_ID, 9, &[], |_| {}),
        "call-unknown-interface" => calls(0, source, event_port::Client::TYPE_ID, 0, &[], |_| {}),
        "call-params-text" => calls(0, source, byte_source::Client::TYPE_ID, 0, &[], |mut content| {
            content.set_as("text").expect("a text");
        }),
        // Calls and takes it back at once. The number is not used again: the answer to a call that was taken back may
        // come late.
        "finish-early" => {
            let mut both = frame(&pull(900, source, 10));
            both.extend(frame(&finish(900)));
            return both;
        }
        // A number that we never gave to the worker, in a table that nothing points to.
        "answer-of-nobody" => calls(0, source, event_port::Client::TYPE_ID, 0, &[Cap::ReceiverHosted(4000)], |_| {}),
        "ask-end-finish-early" => {
            let mut both = frame(&closed(901, source));
            both.extend(frame(&finish(901)));
            return both;
        }
        "tls-of-a-body" => {
            let mut both = frame(&start_tls(902, source, "a.test"));
            both.extend(frame(&finish(902)));
            return both;
        }
        "recall-of-a-body" => {
            let mut both = frame(&recall(903, source));
            both.extend(frame(&finish(903)));
            return both;
        }
        "finish-nothing" => finish(500),
        "channel-hello" => subrequest(0, source, event, 1, &[], |_| {}),
        // Once that is answered the number is free.
        "channel-hello-twice" => subrequest(0, source, event, 1, &[], |_| {}),
        "channel-url" => subrequest(0, source, event, 1, &[], |mut request| request.set_url("http://")),
        "channel-url-injection" => {
            subrequest(0, source, event, 1, &[], |mut request| request.set_url("http://a/ HTTP/1.1\r\nx: y"))
        }
        "channel-cancel-nothing" => calls(0, source, channel::Client::TYPE_ID, 1, &[], |_| {}),
        "channel-body-of-nobody" => subrequest(0, source, event, 1, &[Cap::ReceiverHosted(4000)], |request| {
            request.init_body().set_stream(nobody());
        }),
        "channel-params-text" => calls(0, source, channel::Client::TYPE_ID, 0, &[], |mut content| {
            content.set_as("text").expect("a text");
        }),
        "channel-unknown-method" => calls(0, source, channel::Client::TYPE_ID, 9, &[], |_| {}),
        "release-none" => message(|message| {
            let mut release = message.init_release();
            release.set_id(source);
            release.set_reference_count(0);
        }),
        "cancel-nothing" => calls(0, source, byte_source::Client::TYPE_ID, 1, &[], |_| {}),
        // The second comes before anybody has looked at the first, and is not looked at.
        "return-twice" => {
            let mut twice = frame(&response(question, &[], |_| {}));
            twice.extend_from_within(..);
            return twice;
        }
        "spare-capabilities" => response(question, &[Cap::SenderHosted(8), Cap::SenderHosted(9), Cap::None], |_| {}),
        other => panic!("no such oddity {other}"),
    })
}

#[expect(clippy::too_many_lines, reason = "one arm for each way")]
fn misbehave(way: &str, question: u32, source: u32, event: u64) -> Vec<u8> {
    let response_with = |status| frame(&response(question, &[], |mut response| response.set_status(status)));
    let kind = |fill: fn(capnp_rpc::rpc_capnp::message::Builder<'_>)| frame(&message(fill));
    frame(&match way {
        "many-segments" => return [64, 0, 0, 0].into_iter().chain([0; 300]).collect(),
        "long-message" => return [0, 0, 0, 0, 0xff, 0xff, 0xff, 0].into(),
        "long-message-in-parts" => {
            return [59u32].into_iter().chain([2000; 61]).flat_map(u32::to_le_bytes).collect();
        }
        "empty-message" => return words(&[]),
        "noise" => return vec![0xff; 100],
        "text" => return b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        "null-root" => return words(&[0]),
        "far-root" => return words(&[2 | 9 << 32]),
        "far-loop" => return words(&[2]),
        "wild-root" => return words(&[1000 << 2 | 1 << 32 | 1 << 48]),
        "list-root" => return words(&[1 | 2 << 32 | 8 << 35, 0]),
        "capability-root" => return words(&[3]),
        "unknown-message" => {
            let one = message(|message| drop(message.init_obsolete_save()));
            return unknown(&one, &message(|message| drop(message.init_obsolete_delete())));
        }
        "unimplemented" => return kind(|message| drop(message.init_unimplemented())),
        "bootstrap" => return kind(|message| drop(message.init_bootstrap())),
        "resolve" => return kind(|message| drop(message.init_resolve())),
        "disembargo" => return kind(|message| drop(message.init_disembargo())),
        "provide" => return kind(|message| drop(message.init_provide())),
        "accept" => return kind(|message| drop(message.init_accept())),
        "join" => return kind(|message| drop(message.init_join())),
        "abort" => return kind(|message| message.init_abort().set_reason("because I say so")),
        "return-to-nobody" => response(question + 1000, &[], |_| {}),
        "return-elsewhere" => message(|message| {
            let mut to = message.init_return();
            to.set_answer_id(question);
            to.set_results_sent_elsewhere(());
        }),
        "return-other-question" => message(|message| {
            let mut to = message.init_return();
            to.set_answer_id(question);
            to.set_take_from_other_question(0);
        }),
        "return-third-party" => message(|message| {
            let mut to = message.init_return();
            to.set_answer_id(question);
            to.init_accept_from_third_party();
        }),
        "return-unknown-kind" => {
            let of = |elsewhere: bool| {
                message(|message| {
                    let mut to = message.init_return();
                    to.set_answer_id(question);
                    if elsewhere { to.set_results_sent_elsewhere(()) } else { to.set_canceled(()) }
                })
            };
            return unknown(&of(false), &of(true));
        }
        "return-promise" => stream(question, Cap::SenderPromise(7), None),
        "return-third-party-capability" => stream(question, Cap::ThirdParty, None),
        "return-answer-capability" => stream(question, Cap::ReceiverAnswer(0), None),
        "return-many-capabilities" => response(question, &[Cap::None; 9], |_| {}),
        "return-far-capability" => stream(question, Cap::SenderHosted(1 << 20), None),
        "result-null" => returns(question, &[], |_| {}),
        "result-text" => returns(question, &[], |mut content| content.set_as("text").expect("a text")),
        "result-of-another-type" => bytes_reply(question, 100, true),
        "outcome-unknown" => returns(question, &[], |content| {
            // Read as results, the failure is an outcome with the number of its kind.
            let failure = content.init_as::<fetch_outcome::Builder<'_>>().init_failure();
            { failure }.set_kind(event_failure::Kind::Hung);
        }),
        "response-text" => returns(question, &[], |content| {
            let failure = content.init_as::<fetch_outcome::Builder<'_>>().init_failure();
            { failure }.set_message("read as results, this is where the response should be");
        }),
        "body-unknown" => {
            let of = |fill: fn(http_response::Builder<'_>)| response(question, &[], fill);
            let none = of(|response| response.init_body().set_none(()));
            return unknown(&none, &of(|response| response.init_body().set_bytes(&[])));
        }
        "failure-unknown" => {
            let of = |kind| outcome(question, &[], |outcome| { outcome.init_failure() }.set_kind(kind));
            return unknown(&of(event_failure::Kind::Exception), &of(event_failure::Kind::Hung));
        }
        "rest-read-too-much" => passed_on(question, |mut rest| rest.set_read(u64::MAX)),
        "rest-unread" => passed_on(question, |mut rest| rest.set_unread(b"more")),
        "rest-unknown" => {
            let of = |is_handed_on| {
                outcome(question, &[], |outcome| {
                    let mut failure = outcome.init_failure();
                    failure.set_kind(event_failure::Kind::Unanswered);
                    let mut rest = failure.init_rest();
                    if is_handed_on { rest.set_handed_on(()) } else { drop(rest.init_had()) }
                })
            };
            return unknown(&of(false), &of(true));
        }
        "status-0" => return response_with(0),
        "status-101" => return response_with(101),
        "status-1000" => return response_with(1000),
        "status-65535" => return response_with(65_535),
        "header-injection" => headers(question, &[("x", b"a\r\nset-cookie: b")]),
        "header-name" => headers(question, &[("x y", b"")]),
        "header-name-empty" => headers(question, &[("", b"")]),
        "header-name-endless" => {
            let mut bytes = frame(&headers(question, &[("endless", b"")]));
            let at = bytes.windows(8).position(|window| window == b"endless\0").expect("the name");
            bytes[at + 7] = b's';
            return bytes;
        }
        "headers-many" => headers(question, &[("x", &b""[..]); 257]),
        "headers-long" => headers(question, &[("x", &[b'y'; 1000][..]); 200]),
        "headers-shared" => {
            let mut list = vec![("", &b""[..]); 200];
            let long = "x".repeat(2000);
            list[0] = (&long, long.as_bytes());
            return share(&headers(question, &list), 200, 0, 2);
        }
        "status-text-injection" => response(question, &[], |mut response| response.set_status_text("OK\r\nx: y")),
        "status-text-long" => {
            response(question, &[], |mut response| response.set_status_text("O".repeat(513).as_str()))
        }
        "call-nobody" => pull(0, source + 1000, 10),
        "call-promise" => message(|message| {
            let mut call = message.init_call();
            call.set_interface_id(byte_source::Client::TYPE_ID);
            call.reborrow().init_target().init_promised_answer().set_question_id(question);
            call.init_send_results_to().set_caller(());
        }),
        "call-results-elsewhere" => message(|message| {
            let mut call = message.init_call();
            call.set_interface_id(byte_source::Client::TYPE_ID);
            call.reborrow().init_target().set_imported_cap(source);
            call.init_send_results_to().set_yourself(());
        }),
        "call-far-question" => pull(Limits::for_worker().max_open_calls, source, 10),
        "call-question-twice" => {
            let mut twice = frame(&pull(0, source, 10));
            twice.extend_from_within(..);
            return twice;
        }
        "call-many-capabilities" => calls(0, source, byte_source::Client::TYPE_ID, 0, &[Cap::None; 9], |_| {}),
        "pull-nothing" => pull(0, source, 0),
        "body-of-the-request" => response(question, &[], |mut response| {
            response.set_status(200);
            response.init_body().set_request(());
        }),
        "ask-end-twice" => {
            let mut twice = frame(&closed(0, source));
            twice.extend(frame(&closed(1, source)));
            return twice;
        }
        "tls-host-long" => start_tls(0, source, &"a".repeat(256)),
        "channel-props" => calls(0, source, channel::Client::TYPE_ID, 0, &[], |content| {
            let mut params = content.init_as::<channel::fetch_params::Builder<'_>>();
            params.set_call(1);
            params.set_event(event);
            params.set_props(b"{}");
            let mut request = params.init_request();
            request.set_method("GET");
            request.set_url("http://a.test/");
        }),
        "channel-method" => subrequest(0, source, event, 1, &[], |mut request| request.set_method("BREW")),
        "channel-method-small" => subrequest(0, source, event, 1, &[], |mut request| request.set_method("get")),
        "channel-url-relative" => subrequest(0, source, event, 1, &[], |mut request| request.set_url("/path")),
        "channel-url-credentials" => {
            subrequest(0, source, event, 1, &[], |mut request| request.set_url("http://u:p@a/"))
        }
        "channel-header" => subrequest(0, source, event, 1, &[], |request| {
            bulkhead_ipc::head::write(request.init_headers(1), [("x", &b"a\r\nb: c"[..])]);
        }),
        "channel-header-name" => subrequest(0, source, event, 1, &[], |request| {
            bulkhead_ipc::head::write(request.init_headers(1), [("x y", &b"z"[..])]);
        }),
        "channel-headers-many" => subrequest(0, source, event, 1, &[], |request| {
            bulkhead_ipc::head::write(request.init_headers(300), (0..300).map(|_| ("x", &b"y"[..])));
        }),
        "channel-cf" => subrequest(0, source, event, 1, &[], |mut request| request.set_cf_json("{} x: y")),
        "channel-cf-long" => {
            let long = format!("\"{}\"", "y".repeat(70_000));
            subrequest(0, source, event, 1, &[], |mut request| request.set_cf_json(long.as_str()))
        }
        "channel-twice" => {
            let never = |question| {
                frame(&subrequest(question, source, event, 1, &[], |mut request| {
                    request.set_url("http://a.test/never")
                }))
            };
            return [never(0), never(1)].concat();
        }
        "channel-event-none" => subrequest(0, source, 0, 1, &[], |_| {}),
        "channel-event-to-come" => subrequest(0, source, event + (1 << 40), 1, &[], |_| {}),
        "channel-event-deep" => subrequest(0, source, event | 0xff << DEPTH_AT, 1, &[], |_| {}),
        "pull-twice" => {
            let mut twice = frame(&pull(0, source, 10));
            twice.extend(frame(&pull(1, source, 10)));
            return twice;
        }
        "pull-with-bytes" => calls(0, source, byte_source::Client::TYPE_ID, 0, &[], |content| {
            let mut params = content.init_as::<byte_source::pull_params::Builder<'_>>();
            params.set_max_bytes(10);
            params.set_back(b"x");
        }),
        "release-overflow" => message(|message| {
            let mut release = message.init_release();
            release.set_id(source);
            release.set_reference_count(u32::MAX);
        }),
        "release-twice" => {
            let mut twice = frame(&message(|message| {
                let mut release = message.init_release();
                release.set_id(source);
                release.set_reference_count(1);
            }));
            twice.extend_from_within(..);
            return twice;
        }
        "abort-and-more" => {
            let mut bytes = kind(|message| message.init_abort().set_reason("because I say so"));
            bytes.extend(frame(&pull(0, source, 10)).repeat(100));
            return bytes;
        }
        "failure-limit-unknown" => {
            let of = |limit| {
                outcome(question, &[], |outcome| {
                    let mut failure = outcome.init_failure();
                    failure.set_kind(event_failure::Kind::Exceeded);
                    failure.set_limit(limit);
                })
            };
            return unknown(&of(Limit::WallTime), &of(Limit::WaitUntil));
        }
        "release-nothing" => message(|message| message.init_release().set_id(4000)),
        "release-too-often" => message(|message| {
            let mut release = message.init_release();
            release.set_id(source);
            release.set_reference_count(1_000_000);
        }),
        "upgrade-bare" => return response_with(101),
        "upgrade-bytes" => response(question, &[], |mut response| {
            response.set_status(101);
            response.init_body().set_bytes(b"no stream");
        }),
        "upgrade-status" => return response_with(102),
        "channel-upgrade-unnamed" => upgrade(source, event, &[]),
        "channel-upgrade-unknown" => upgrade(source, event, &["h2c"]),
        "channel-upgrade-twice" => upgrade(source, event, &["websocket", "websocket"]),
        "channel-connect-headers" => subrequest(0, source, event, 1, &[], |mut request| {
            asks_for_connection(request.reborrow());
            let mut header = request.reborrow().init_headers(1).get(0);
            header.set_name("x");
            header.set_value(b"y");
        }),
        "channel-connect-no-stream" => subrequest(0, source, event, 1, &[], asks_for_connection),
        "channel-connect-from" => subrequest(0, source, event, 1, &[], |mut request| {
            asks_for_connection(request.reborrow());
            request.get_connect().expect("a connection").set_remote_address("127.0.0.1:1");
        }),
        "channel-upgrade-no-stream" => subrequest(0, source, event, 1, &[], |mut request| {
            request.set_upgrade(true);
            let mut header = request.reborrow().init_headers(1).get(0);
            header.set_name("upgrade");
            header.set_value(b"websocket");
        }),
        other => panic!("no such way {other}"),
    })
}

/// A subrequest that asks for an upgrade to these protocols.
fn upgrade(channel: u32, event: u64, protocols: &[&str]) -> Message {
    subrequest(0, channel, event, 1, &[Cap::SenderHosted(7)], |mut request| {
        request.set_upgrade(true);
        let mut headers = request.reborrow().init_headers(protocols.len() as u32);
        for (index, protocol) in (0..).zip(protocols) {
            let mut header = headers.reborrow().get(index);
            header.set_name("upgrade");
            header.set_value(protocol.as_bytes());
        }
        request.init_body().set_stream(nobody());
    })
}

// ---------------------------------------------------------------------------------------------------------------------

/// A request body of which nothing ever comes, so that the worker holds a capability.
struct Never(#[allow(dead_code)] Rc<()>);

impl bulkhead_supervisor::body::PullSource for Never {
    fn poll_pull(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, bulkhead_supervisor::body::BodyError>>> {
        std::task::Poll::Pending
    }
}

async fn pid(service: &WorkerService) -> String {
    text(service.fetch(get("/hello")).await.expect("a response")).await.expect("a body")
}

fn scheduled(way: &str) -> Event {
    Event::Scheduled(Scheduled::new(0.0, way.to_owned()).expect("a run"))
}

/// What a scheduled run fails with, whoever says so.
async fn run(service: &WorkerService, way: &str) -> Result<(), ServiceError> {
    let outcome = tokio::time::timeout(Duration::from_secs(30), service.event(scheduled(way)));
    let outcome = outcome.await.unwrap_or_else(|_| panic!("{way}: no answer"))?;
    outcome.failure.map_or(Ok(()), Err)
}

/// What the client gets of a request, or of a run, within a bounded time.
async fn ask(service: &WorkerService, way: &str, token: &Rc<()>) -> Result<Result<String, String>, ServiceError> {
    if way.starts_with("run-") {
        return run(service, way).await.map(|()| Ok("done".to_owned()));
    }
    let body = Body::Pull(Box::pin(Never(token.clone())));
    let answer = async {
        let mut request = request("POST", &format!("/{way}"), body);
        if way.starts_with("upgrade-") {
            request.http.extensions_mut().insert(Upgrade("websocket"));
        }
        let response = service.fetch(request).await?;
        Ok(text(response).await.map_err(|error| error.to_string()))
    };
    tokio::time::timeout(Duration::from_secs(30), answer).await.unwrap_or_else(|_| panic!("{way}: no answer"))
}

/// The supervisor's lines so far.
fn lines(rig: &mut Rig) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(entry) = rig.log.try_recv() {
        if entry.stream == Stream::Err {
            lines.push(entry.text);
        }
    }
    lines
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("a directory").count()
}

#[test]
fn every_way_of_misbehaving_ends_one_process_and_is_one_line() {
    let names: HashSet<&str> = WAYS.iter().map(|(name, ..)| *name).collect();
    assert!(names.len() == WAYS.len() && WAYS.len() >= 40, "{} ways", names.len());
    local(async {
        let mut rig = fakes::start(settings(), 65_536, play);
        let shard = rig.shard();
        let (one, two) = (WorkerService::new(&shard, &worker(0), None, None), rig.service(1));
        let other = pid(&two).await;
        let token = Rc::new(());
        let mut before = None;
        for (index, (way, client, words)) in WAYS.iter().enumerate() {
            println!("{way}");
            let first = pid(&one).await;
            let connection = shard.connected(&worker(0)).expect("a connection").connection.clone();
            let got = ask(&one, way, &token).await;
            let seen = match &got {
                Err(ServiceError::Unavailable(_)) => Some(Unavailable),
                Ok(Err(_)) => Some(Torn),
                _ => None,
            };
            assert_eq!(seen, Some(*client), "{way}: {got:?}");
            // It is replaced, and nobody else has noticed.
            assert_ne!(pid(&one).await, first, "{way}");
            assert_eq!(pid(&two).await, other, "{way}");
            let lines = lines(&mut rig);
            assert_eq!(lines.len(), 1, "{way}: {lines:#?}");
            let start = format!("worker \"one\" ({first}) was ended: ");
            let is_death = matches!(*way, "die" | "exit" | "run-die");
            assert!(lines[0].starts_with(&start) != is_death && lines[0].contains(words), "{way}: {lines:#?}");
            assert!(!lines[0].contains('\n'), "{way}");
            eventually(|| Rc::strong_count(&token) == 1).await;
            eventually(|| connection.held_bytes() == 0 && connection.given_up() == 0).await;
            if index == 10 {
                before = Some(descriptors());
            }
        }
        eventually(|| rig.world.alive.load(Ordering::SeqCst) <= 4).await;
        assert!(rig.fleet.stats().await.processes <= 4);
        assert_eq!(shard.connections(), 1);
        // The other test of this file runs in this process too; a leak would be as many as there are ways.
        assert!(descriptors() < before.expect("it was counted") + 40);
        drop((one, two, shard));
        rig.ended().await;
    });
}

#[test]
fn what_makes_no_sense_but_breaks_no_rule_harms_nobody() {
    local(async {
        // So long may a worker keep a body after the response.
        let policy = WorkerPolicy { wait_until: Duration::from_millis(20), ..WorkerPolicy::default() };
        let mut rig = fakes::start_with(settings(), policy, 65_536, play);
        let one = rig.service(0);
        let first = pid(&one).await;
        let token = Rc::new(());
        for way in ODDITIES {
            println!("{way}");
            let got = ask(&one, way, &token).await;
            assert!(matches!(got, Ok(Ok(_))), "{way}: {got:?}");
        }
        for way in TORN_BODIES {
            let got = ask(&one, way, &token).await;
            assert!(matches!(got, Ok(Err(_))), "{way}: {got:?}");
        }
        assert_eq!(pid(&one).await, first);
        let said = lines(&mut rig);
        assert!(said.iter().all(|line| line.contains("was not answered: a URL that")), "{said:?}");
        eventually(|| Rc::strong_count(&token) == 1).await;
        drop(one);
        rig.ended().await;
    });
}

#[test]
fn what_an_event_may_start_is_counted_whatever_the_process_says() {
    local(async {
        let policy = WorkerPolicy { subrequests: 3, connections: 2, ..WorkerPolicy::default() };
        let mut rig = fakes::start_with(settings(), policy, 65_536, play);
        let shard = rig.shard();
        let (one, two) = (WorkerService::new(&shard, &worker(0), None, None), rig.service(1));
        let other = pid(&two).await;
        let world = rig.world.clone();
        let depths = || std::mem::take(&mut *world.depths.lock().expect("no panic"));
        let ask = async |way: &str, depth| {
            let mut request = get(&format!("/channel-{way}"));
            request.http.extensions_mut().insert(Depth(depth));
            text(one.fetch(request).await?).await.map_err(|error| ServiceError::Disconnected(error.to_string()))
        };
        // As long as no event of that depth was given, it is nobody's.
        let first = ask("shallow-1", 9).await.expect("a response");
        assert_eq!(depths(), [0; 0]);
        assert_eq!(ask("times-3", 9).await.expect("a response"), first);
        assert_eq!(depths(), [10; 3]);
        assert_eq!(ask("times-1", MAX_DEPTH).await.expect("a response"), first);
        assert_eq!(depths(), [0; 0], "too deep");
        assert_eq!(ask("at-once-2", 1).await.expect("a response"), first);
        eventually(|| world.behind.load(Ordering::SeqCst) == 2).await;
        assert_eq!(depths(), [2; 2]);
        // What goes on after its response has what events of its depth had left: this one, and the one before it.
        let before = world.answers.load(Ordering::SeqCst);
        assert_eq!(ask("over-20", 1).await.expect("a response"), first);
        eventually(|| world.answers.load(Ordering::SeqCst) == before + 20).await;
        assert_eq!(depths(), [2; 4]);
        for (way, words) in [("times-4", "more requests for an event than"), ("unanswered-3", "at a time than")] {
            let before = pid(&one).await;
            let got = ask(way, 0).await;
            assert!(matches!(got, Err(ServiceError::Unavailable(_))), "{way}: {got:?}");
            assert_ne!(pid(&one).await, before, "{way}");
            let lines = lines(&mut rig);
            assert!(lines.len() == 1 && lines[0].contains(words), "{way}: {lines:#?}");
        }
        assert_eq!(pid(&two).await, other);
        eventually(|| world.behind.load(Ordering::SeqCst) == 0).await;
        drop((one, two, shard));
        rig.ended().await;
    });
}

#[test]
fn who_asks_for_much_at_once_waits() {
    local(async {
        // Else it would have to be for many events.
        let policy = WorkerPolicy { subrequests: 0, connections: 0, ..WorkerPolicy::default() };
        let mut rig = fakes::start_with(settings(), policy, 65_536, play);
        let shard = rig.shard();
        let (one, two) = (WorkerService::new(&shard, &worker(0), None, None), rig.service(1));
        let first = pid(&one).await;
        let behind = || rig.world.behind.load(Ordering::SeqCst);
        let answer = text(one.fetch(get("/channel-many")).await.expect("a response")).await;
        assert_eq!(answer.expect("a body"), first);
        eventually(|| behind() >= MAX_SUBREQUESTS as usize).await;
        // It is heard, and no more of what it asks for goes on.
        assert_eq!(pid(&one).await, first);
        assert_eq!(behind(), MAX_SUBREQUESTS as usize);
        // The end of the process is the end of all of it.
        rig.world.kill(first.trim_start_matches("pid ").parse().expect("a number"), 9);
        eventually(|| behind() == 0).await;
        assert_ne!(pid(&one).await, first);
        assert!(lines(&mut rig).iter().any(|line| line.contains("was killed by SIGKILL")));
        drop((one, two, shard));
        rig.ended().await;
    });
}

/// A request body that never ends.
struct Endless(#[allow(dead_code)] Rc<()>);

impl bulkhead_supervisor::body::PullSource for Endless {
    fn poll_pull(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, bulkhead_supervisor::body::BodyError>>> {
        std::task::Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 1000]))))
    }
}

/// Messages at once, and for each second after that, of the connections of [`floods_are_slowed_down_and_harm_nobody`].
const BURST: u64 = 1000;
const RATE: u64 = 20_000;

/// A long message, in bytes, and as many of them as above.
const LONG: u64 = 400_000;
const LONG_BURST: u64 = 3;
const LONG_RATE: u64 = 40;

#[test]
fn floods_are_slowed_down_and_harm_nobody() {
    local(async {
        let connection = Limits {
            messages_burst: BURST,
            messages_per_second: RATE,
            bytes_burst: LONG_BURST * LONG,
            bytes_per_second: LONG_RATE * LONG,
            ..Limits::for_worker()
        };
        // Asked again and again whether it lives, and patient, for the machine may be busy.
        let watch = WatchPolicy {
            interval: Duration::from_millis(20),
            silence: Duration::from_secs(60),
            ..WatchPolicy::default()
        };
        let mut rig = fakes::start(FleetConfig { connection, watch, ..settings() }, 65_536, play);
        let shard = rig.shard();
        let (one, two) = (WorkerService::new(&shard, &worker(0), None, None), rig.service(1));
        let other = pid(&two).await;
        let token = Rc::new(());
        for way in FLOODS {
            println!("{way}");
            let slowed_before = rig.fleet.counters(&worker(0)).get(Counter::Slowed);
            let first = pid(&one).await;
            let number: i32 = first.trim_start_matches("pid ").parse().expect("a number");
            let link = shard.connected(&worker(0)).expect("a connection").connection.clone();
            let started = std::time::Instant::now();
            let before = link.received();
            let body: Body = match *way {
                "flood-pull-one-byte" => Body::Pull(Box::pin(Endless(token.clone()))),
                _ => Body::Pull(Box::pin(Never(token.clone()))),
            };
            let answer = one.fetch(request("POST", &format!("/{way}"), body)).await;
            assert_eq!(text(answer.expect("a response")).await.expect("a body"), first, "{way}");
            // So many calls allow some messages each. Requests of the worker itself are served, when their time has come.
            let (mut calls, mut cpu) = (4, 0);
            let pings = rig.world.pings.load(Ordering::SeqCst);
            let rate = if *way == "flood-bytes" { LONG_RATE } else { RATE };
            let burst = if *way == "flood-bytes" { LONG_BURST } else { BURST };
            let is_on_control = way.starts_with("control-");
            while link.received() - before < burst + rate / 20 && !is_on_control
                || calls < 6
                || rig.world.pings.load(Ordering::SeqCst) < pings + 3
            {
                calls += 1;
                cpu += 1;
                rig.world.set_usage(number, Usage { cpu: Duration::from_millis(cpu), ..Usage::default() });
                assert_eq!(pid(&one).await, first, "{way}");
                assert_eq!(pid(&two).await, other, "{way}");
                // The burst, and as much again that came in before anybody sent anything.
                let most = 2 * burst + rate * (started.elapsed().as_millis() as u64 + 1) / 1000 + calls * 50;
                assert!(link.received() - before <= most, "{way}: {} messages of {most}", link.received() - before);
                assert!(link.held_bytes() < 1 << 20 && link.queued_bytes() < 1 << 20, "{way}: {link:?}");
            }
            // However much it sends, that is one episode and a line at most, unless the machine has it pause for long. What waits for
            // answers need not reach its rate.
            let slowed = || rig.fleet.counters(&worker(0)).get(Counter::Slowed) - slowed_before;
            let waits = !matches!(*way, "flood-finish" | "flood-release" | "flood-bytes" | "control-flood-finish");
            eventually(|| slowed() > 0 || waits).await;
            let episodes = 1 + started.elapsed().as_secs() / 10;
            assert!(slowed() <= episodes, "{way}: {} of {episodes}", slowed());
            let (slow, lines): (Vec<_>, Vec<_>) = lines(&mut rig)
                .into_iter()
                .filter(|line| !line.contains("exceeded its CPU time"))
                .partition(|line| line.contains(SLOWED));
            assert!(slow.len() as u64 <= episodes, "{way}: {slow:#?}");
            assert_eq!(lines, [""; 0], "{way}");
            rig.world.kill(number, 9);
            assert!(rig.logged("was killed by SIGKILL").await.contains(&first), "{way}");
            // Until what it left in its socket has been heard, or somebody asks it something.
            while link.fault().is_none() && !link.is_closed() {
                let _ = one.fetch(get("/hello")).await;
            }
            assert_ne!(pid(&one).await, first, "{way}");
            eventually(|| Rc::strong_count(&token) == 1).await;
        }
        assert_eq!(rig.fleet.counters(&worker(0)).get(Counter::Violation), 0);
        drop((one, two, shard));
        rig.ended().await;
    });
}

/// A client that asks and goes away.
async fn leave(service: &Rc<WorkerService>, request: ServiceRequest) {
    let service = service.clone();
    let call = tokio::task::spawn_local(async move { service.fetch(request).await.map(drop) });
    tokio::task::yield_now().await;
    call.abort();
    let _ = call.await;
}

#[test]
fn who_keeps_the_bodies_of_requests_keeps_their_places() {
    local(async {
        // Others have to be started and to answer within it.
        let wait_timeout = Duration::from_secs(1);
        let mut rig = fakes::start(FleetConfig { max_events: 3, wait_timeout, ..settings() }, 65_536, play);
        let (one, two) = (Rc::new(rig.service(0)), rig.service(1));
        let token = Rc::new(());
        // They are answered, and the worker lets go of nothing.
        for _ in 0..3 {
            ask(&one, "kept", &token).await.expect("a response").expect("a body");
        }
        eventually(|| Rc::strong_count(&token) == 1).await;
        for _ in 0..3 {
            let answer = one.fetch(get("/hello")).await;
            assert!(matches!(answer, Err(ServiceError::Unavailable(_))), "{answer:?}");
        }
        pid(&two).await;
        assert_eq!(lines(&mut rig), [""; 0]);
        drop((one, two));
        rig.ended().await;
    });
}

#[test]
fn who_does_not_answer_what_was_cancelled_is_ended() {
    local(async {
        let mut rig = fakes::start(FleetConfig { max_events: 3, ..settings() }, 65_536, play);
        let (one, two) = (Rc::new(rig.service(0)), rig.service(1));
        let (first, other) = (pid(&one).await, pid(&two).await);
        for _ in 0..3 {
            leave(&one, get("/never")).await;
        }
        // They keep their places for as long as they are not answered, and this one waits for one of them.
        assert_ne!(pid(&one).await, first);
        let lines = lines(&mut rig);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("it does not answer calls that were cancelled"), "{lines:#?}");
        assert_eq!(pid(&two).await, other);
        drop((one, two));
        rig.ended().await;
    });
}

#[test]
fn what_comes_after_a_cancellation_is_taken_and_forgotten() {
    local(async {
        let mut rig = fakes::start(settings(), 65_536, play);
        let shard = rig.shard();
        let one = Rc::new(WorkerService::new(&shard, &worker(0), None, None));
        let first = pid(&one).await;
        let link = shard.connected(&worker(0)).expect("a connection");
        // Each is answered with a stream after it was cancelled; a worker has numbers for some thousands.
        for _ in 0..100 {
            leave(&one, get("/late")).await;
        }
        eventually(|| link.connection.given_up() == 0).await;
        assert_eq!(link.connection.held_bytes(), 0);
        assert_eq!(pid(&one).await, first);
        assert_eq!(lines(&mut rig), [""; 0]);
        drop((link, one, shard));
        rig.ended().await;
    });
}

#[test]
fn what_is_said_of_a_run_is_believed_of_that_run_only() {
    local(async {
        // A place or a capability that is not given back is missed by the next run.
        let connection =
            Limits { max_imports: 16, messages_burst: BURST, messages_per_second: RATE, ..Limits::for_worker() };
        let mut rig = fakes::start(FleetConfig { max_events: 1, connection, ..settings() }, 65_536, play);
        let shard = rig.shard();
        let (one, two) = (WorkerService::new(&shard, &worker(0), None, None), rig.service(1));
        let (first, other) = (pid(&one).await, pid(&two).await);
        let link = shard.connected(&worker(0)).expect("a connection");
        for _ in 0..20 {
            for (way, words) in RUNS {
                match run(&one, way).await {
                    Ok(()) => assert_eq!(*words, "", "{way}"),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(!words.is_empty() && text.contains(words), "{way}: {text:.200}");
                        assert!(text.chars().count() < 8192 + 100, "{way}: {} characters", text.chars().count());
                    }
                }
            }
        }
        assert_eq!(pid(&one).await, first);
        assert_eq!(pid(&two).await, other);
        eventually(|| link.connection.held_bytes() == 0).await;
        assert_eq!(link.connection.given_up(), 0);
        assert_eq!(lines(&mut rig), [""; 0]);
        drop((link, one, two, shard));
        rig.ended().await;
    });
}

/// An answer to benchmarks, with a report of so many bytes.
fn reports(question: u32, length: usize) -> Message {
    returns(question, &[], |content| {
        let mut results = content.init_as::<event_dispatcher::test_results::Builder<'_>>();
        results.reborrow().init_outcome().set_done(());
        results.set_report("x".repeat(length).as_str());
    })
}

#[test]
fn a_report_that_is_too_long_ends_the_process() {
    local(async {
        let rig = fakes::start(settings(), 65_536, play);
        let shard = rig.shard();
        let one = WorkerService::new(&shard, &worker(0), None, None);
        let run = async |way: &str| {
            let bench = Bench { quick: true, filter: Some(way.to_owned()), pattern: String::new() };
            let outcome = tokio::time::timeout(Duration::from_secs(30), one.event(Event::Bench(bench))).await;
            outcome.expect("an answer")
        };
        let whole = run("report-whole").await.expect("an outcome");
        assert_eq!(whole.report.map(|report| report.len()), Some(MAX_REPORT));
        let outcome = run("report-too-long").await;
        assert!(matches!(outcome, Err(ServiceError::Unavailable(_))), "{outcome:?}");
        drop((one, shard));
        rig.ended().await;
    });
}

#[test]
fn an_outcome_of_a_test_that_is_none_ends_the_process() {
    local(async {
        let rig = fakes::start(settings(), 65_536, play);
        let shard = rig.shard();
        let one = WorkerService::new(&shard, &worker(0), None, None);
        let outcome = tokio::time::timeout(Duration::from_secs(30), one.event(Event::Test)).await;
        let outcome = outcome.expect("an answer");
        assert!(matches!(outcome, Err(ServiceError::Unavailable(_))), "{outcome:?}");
        drop((one, shard));
        rig.ended().await;
    });
}

#[test]
fn runs_that_are_not_answered_are_ended_in_time_and_leave_their_place() {
    local(async {
        let short = Duration::from_millis(50);
        let policy = WorkerPolicy { wall_time: short, wait_until: short, ..WorkerPolicy::default() };
        let watch = WatchPolicy { grace: short, silence: Duration::from_secs(60), ..WatchPolicy::default() };
        let connection = Limits { messages_burst: BURST, messages_per_second: RATE, ..Limits::for_worker() };
        let settings = FleetConfig { max_events: 1, connection, watch, ..settings() };
        let mut rig = fakes::start_with(settings, policy, 65_536, play);
        let shard = rig.shard();
        let (one, two) = (WorkerService::new(&shard, &worker(0), None, None), rig.service(1));
        let other = pid(&two).await;
        let mut before = None;
        // They are answered when they are cancelled, and there is one place.
        let late = ["run-late", "run-flood", "run-late", "run-flood"];
        for way in late {
            let error = run(&one, way).await.expect_err("too late");
            assert!(matches!(error, ServiceError::Exceeded(Limit::WallTime)), "{way}: {error:?}");
            let link = shard.connected(&worker(0)).expect("a connection");
            assert_eq!(*before.get_or_insert(link.generation()), link.generation(), "{way}");
            assert!(link.connection.held_bytes() < 1 << 20 && link.connection.queued_bytes() < 1 << 20, "{way}");
            assert_eq!(pid(&two).await, other, "{way}");
            eventually(|| link.connection.given_up() == 0).await;
        }
        let in_time = "worker \"one\" exceeded its wall time limit of 50 ms";
        let seen = lines(&mut rig);
        let is_known = |line: &String| line.starts_with(in_time) || line.contains(SLOWED);
        assert!(!seen.is_empty() && seen.iter().all(is_known), "{seen:#?}");
        let link = shard.connected(&worker(0)).expect("a connection");
        // It is not even answered then. Whoever waits for its place waits for another process.
        let error = run(&one, "run-never").await.expect_err("too late");
        assert!(matches!(error, ServiceError::Exceeded(Limit::WallTime)), "{error:?}");
        let error = run(&one, "run-late").await.expect_err("too late");
        assert!(matches!(error, ServiceError::Exceeded(Limit::WallTime)), "{error:?}");
        assert_ne!(shard.connected(&worker(0)).expect("a connection").generation(), link.generation());
        let seen = lines(&mut rig);
        let ended: Vec<_> = seen.iter().filter(|line| !is_known(line)).collect();
        assert!(ended.len() == 1 && ended[0].contains("it does not answer calls that were cancelled"), "{seen:#?}");
        assert_eq!(rig.fleet.counters(&worker(0)).get(Counter::WallTime), late.len() as u64 + 2);
        eventually(|| link.connection.held_bytes() == 0 && link.connection.given_up() == 0).await;
        assert_eq!(pid(&two).await, other);
        drop((link, one, two, shard));
        rig.ended().await;
    });
}

/// Worker "one", for events that are posted.
struct Posted {
    fleet: FleetHandle,
    log: bulkhead_supervisor::log::Log,
}

impl ShardServices for Posted {
    fn start(&self, shard: usize) -> LocalFuture<'_, Result<Served, String>> {
        let service: Rc<dyn Service> =
            Rc::new(WorkerService::new(&self.fleet.shard(shard as u32), &worker(0), None, None));
        let addressees = [(worker(0), service)].into();
        Box::pin(std::future::ready(Ok(Served { sockets: Vec::new(), addressees, log: self.log.clone() })))
    }
}

#[test]
fn what_a_posted_run_fails_with_is_one_line() {
    local(async {
        let mut rig = fakes::start(FleetConfig { shards: 2, ..settings() }, 65_536, play);
        let two = WorkerService::new(&rig.fleet.shard(1), &worker(1), None, None);
        let other = pid(&two).await;
        let (log, mut entries) = bulkhead_supervisor::log::Log::to_channel(1000);
        let services = Arc::new(Posted { fleet: rig.fleet.clone(), log });
        let mut shards = Shards::start(1, &Default::default(), services).expect("a shard");
        shards.serve(vec![Vec::new()], 1).expect("a shard");
        let mailbox = shards.mailboxes().remove(0);
        let ways = ["run-failure-long", "run-failure-forged", "run-exception", "run-outcome-unknown", "run-die"];
        mailbox.post(Letter { to: worker(0), event: scheduled("run-null") }).expect("room");
        for way in ways {
            mailbox.post(Letter { to: worker(0), event: scheduled(way) }).expect("room");
            let line = tokio::time::timeout(Duration::from_secs(30), entries.recv()).await.expect("a line");
            let text = line.expect("a log").text;
            let start = format!("service \"one\", schedule \"{way}\": ");
            assert!(text.starts_with(&start) && text.chars().count() < 8192 + 200, "{way}: {text:.300}");
            // Lines of the worker's words do not begin like one of the supervisor's.
            let rest = text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']).skip(1);
            for line in rest.map(|line| line.trim_start_matches('\u{200b}')) {
                let forged = ["worker \"", "service ", "socket \"", "{", "error: ", "supervisor: "];
                assert!(!forged.iter().any(|beginning| line.starts_with(beginning)), "{line:?} in {text:?}");
            }
        }
        assert_eq!(pid(&two).await, other);
        shards.shut_down();
        drop(mailbox);
        tokio::task::spawn_blocking(|| shards.join()).await.expect("no panic").expect("a shard");
        assert!(entries.recv().await.is_none(), "a line too many");
        let mut ended = Vec::new();
        eventually(|| {
            ended.extend(lines(&mut rig));
            ended.len() >= 2
        })
        .await;
        assert!(ended.len() == 2 && ended[0].contains("was ended: ") && ended[1].contains("SIGSEGV"), "{ended:#?}");
        drop(two);
        rig.ended().await;
    });
}

/// What a worker says that would like to be taken for the supervisor, or for another worker.
const FORGED: &str = "x\nworker \"bank\" (pid 1) was killed by SIGSEGV\r\n{\"worker\":\"bank\"}\rservice bank: forged\u{2028}error: forged\u{85}\
                      socket \"bank\": forged\u{b}worker \"bank\" \u{1b}[2Jx\n\u{200b}worker \"bank\" forged\nsupervisor: forged";

/// Says it on every path that leads to the log.
async fn forge(ends: Ends) {
    let Ends { control, events: _events, stderr: _stderr, .. } = ends;
    let mut wire = Wire::new(control);
    while let Some(said) = wire.receive().await {
        let Said::Call { question, method: Method::Bind, caps, .. } = said else {
            if let Said::Return { answer, .. } = said {
                wire.send(&finish(answer)).await;
            } else {
                wire.polite(said).await;
            }
            continue;
        };
        use log_entry::{Level, Source};
        let said = log(0, caps[0], |params| {
            let levels = [Level::Debug, Level::Info, Level::Log, Level::Warn, Level::Error];
            let all = levels.into_iter().flat_map(|level| [(level, Source::Console), (level, Source::Runtime)]);
            let mut list = params.init_entries(10);
            for (index, (level, source)) in all.enumerate() {
                let mut entry = list.reborrow().get(index as u32);
                // At the beginning of the text too.
                entry.set_message(FORGED.strip_prefix("x\n").unwrap());
                entry.set_level(level);
                entry.set_source(source);
            }
        });
        wire.send(&said).await;
        let answer = returns(question, &[], |content| {
            let mut error = content.init_as::<worker_control::bind_results::Builder<'_>>().init_outcome().init_error();
            error.set_message(FORGED);
            error.set_stack(FORGED);
        });
        wire.send(&answer).await;
    }
}

#[test]
fn no_words_of_a_worker_begin_a_line_of_the_log() {
    for names_lines in [false, true] {
        local(async {
            let config = FleetConfig { verbose: names_lines, names_lines, ..settings() };
            let mut rig = fakes::start(config, 65_536, forge);
            let one = rig.service(0);
            let error = one.fetch(get("/")).await.map(drop).expect_err("it does not start");
            assert!(matches!(error, ServiceError::Unavailable(_)), "{error:?}");
            let mut seen = 0;
            let all = async {
                loop {
                    let entry = rig.log.recv().await.expect("an entry");
                    // Without names, standard output is the tenants' alone.
                    if entry.stream == Stream::Out && !names_lines {
                        continue;
                    }
                    // Whatever somebody may take for a line's end.
                    for line in entry.text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
                        let visible = line.trim_start_matches('\u{200b}');
                        seen += usize::from(line.contains("bank"));
                        let forged = ["worker \"bank", "service bank", "socket \"bank", "{", "error: ", "supervisor: "]
                            .iter()
                            .any(|beginning| visible.starts_with(beginning));
                        assert!(!forged, "{line:?} in {:?}", entry.text);
                    }
                    if entry.text.starts_with("service one: x\n") {
                        break;
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(30), all).await.expect("the failed start is logged");
            assert!(seen >= 20, "{seen} lines");
            drop(one);
            rig.ended().await;
        });
    }
}
