//! The worker's side of a connection, message by message, so that a worker can say what no library would.

use std::rc::Rc;

use bulkhead_ipc::worker_capnp::{
    Limit, byte_source, channel, event_dispatcher, event_port, fetch_outcome, host, http_request, http_response,
    scheduled_outcome, worker_control,
};
use capnp::{
    any_pointer,
    capability::FromClientHook,
    message::{Builder, HeapAllocator},
    serialize,
    traits::HasTypeId,
};
use capnp_rpc::rpc_capnp::{call, cap_descriptor, message, payload, return_};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// A message that is to be sent.
pub type Message = Builder<HeapAllocator>;

/// Makes a message.
pub fn message(fill: impl FnOnce(message::Builder<'_>)) -> Message {
    let mut message = Builder::new_default();
    fill(message.init_root());
    message
}

/// An entry of a capability table.
#[derive(Debug, Clone, Copy)]
pub enum Cap {
    None,
    SenderHosted(u32),
    SenderPromise(u32),
    ReceiverHosted(u32),
    ReceiverAnswer(u32),
    ThirdParty,
}

struct Nobody;

impl byte_source::Server for Nobody {
    async fn pull(self: Rc<Self>, _: byte_source::PullParams, _: byte_source::PullResults) -> Result<(), capnp::Error> {
        Ok(())
    }
}

/// Writes a payload whose capability pointers mean the entries of `caps`, in the order in which they are set. What a
/// pointer is set to does not matter: [`nobody`].
pub fn fill_payload(mut payload: payload::Builder<'_>, caps: &[Cap], fill: impl FnOnce(any_pointer::Builder<'_>)) {
    let mut hooks = Vec::new();
    {
        use capnp::traits::ImbueMut;
        let mut content = payload.reborrow().init_content();
        content.imbue_mut(&mut hooks);
        fill(content);
    }
    let mut table = payload.init_cap_table(caps.len() as u32);
    for (index, cap) in (0..).zip(caps) {
        let mut entry: cap_descriptor::Builder<'_> = table.reborrow().get(index);
        match *cap {
            Cap::None => entry.set_none(()),
            Cap::SenderHosted(id) => entry.set_sender_hosted(id),
            Cap::SenderPromise(id) => entry.set_sender_promise(id),
            Cap::ReceiverHosted(id) => entry.set_receiver_hosted(id),
            Cap::ReceiverAnswer(id) => entry.init_receiver_answer().set_question_id(id),
            Cap::ThirdParty => entry.init_third_party_hosted().set_vine_id(1),
        }
    }
}

/// Stands in a message for any capability.
pub fn nobody<C: FromClientHook>() -> C {
    capnp_rpc::new_client::<byte_source::Client, _>(Nobody).client.cast_to()
}

/// The answer to call number `answer`.
pub fn returns(answer: u32, caps: &[Cap], fill: impl FnOnce(any_pointer::Builder<'_>)) -> Message {
    message(|message| {
        let mut to: return_::Builder<'_> = message.init_return();
        to.set_answer_id(answer);
        fill_payload(to.init_results(), caps, fill);
    })
}

/// The answer to a call that has no results.
pub fn empty(answer: u32) -> Message {
    returns(answer, &[], |content| {
        content.init_as::<worker_control::drain_results::Builder<'_>>();
    })
}

/// The answer to a `fetch`: whatever `fill` makes of the outcome.
pub fn outcome(answer: u32, caps: &[Cap], fill: impl FnOnce(fetch_outcome::Builder<'_>)) -> Message {
    returns(answer, caps, |content| {
        fill(content.init_as::<event_dispatcher::fetch_results::Builder<'_>>().init_outcome());
    })
}

/// The answer to a `fetch`: status 200 and what `fill` adds.
pub fn response(answer: u32, caps: &[Cap], fill: impl FnOnce(http_response::Builder<'_>)) -> Message {
    outcome(answer, caps, |outcome| {
        let mut response = outcome.init_response();
        response.set_status(200);
        fill(response);
    })
}

/// The answer to a `scheduled`: done, or whatever `fill` makes of the outcome.
pub fn ran(answer: u32, caps: &[Cap], fill: impl FnOnce(scheduled_outcome::Builder<'_>)) -> Message {
    returns(answer, caps, |content| {
        fill(content.init_as::<event_dispatcher::scheduled_results::Builder<'_>>().init_outcome());
    })
}

/// A call of a method of the capability that was imported as `target`.
pub fn calls(
    question: u32,
    target: u32,
    interface: u64,
    method: u16,
    caps: &[Cap],
    fill: impl FnOnce(any_pointer::Builder<'_>),
) -> Message {
    message(|message| {
        let mut to: call::Builder<'_> = message.init_call();
        to.set_question_id(question);
        to.set_interface_id(interface);
        to.set_method_id(method);
        to.reborrow().init_target().set_imported_cap(target);
        to.reborrow().init_send_results_to().set_caller(());
        fill_payload(to.init_params(), caps, fill);
    })
}

/// `ByteSource.pull` of the capability that was imported as `target`.
pub fn pull(question: u32, target: u32, max_bytes: u32) -> Message {
    calls(question, target, byte_source::Client::TYPE_ID, 0, &[], |content| {
        content.init_as::<byte_source::pull_params::Builder<'_>>().set_max_bytes(max_bytes);
    })
}

/// `ByteSource.closed` of the capability that was imported as `target`.
pub fn closed(question: u32, target: u32) -> Message {
    calls(question, target, byte_source::Client::TYPE_ID, 2, &[], |_| {})
}

/// `ByteSource.startTls` of the capability that was imported as `target`, for this host.
pub fn start_tls(question: u32, target: u32, host: &str) -> Message {
    calls(question, target, byte_source::Client::TYPE_ID, 3, &[], |content| {
        content.init_as::<byte_source::start_tls_params::Builder<'_>>().set_host(host);
    })
}

/// `ByteSource.recall` of the capability that was imported as `target`.
pub fn recall(question: u32, target: u32) -> Message {
    calls(question, target, byte_source::Client::TYPE_ID, 4, &[], |_| {})
}

/// `Channel.fetch` of the capability that was imported as `target`: a request for the event `event` with number `number`, as `fill`
/// completes it.
pub fn subrequest(
    question: u32,
    target: u32,
    event: u64,
    number: u64,
    caps: &[Cap],
    fill: impl FnOnce(http_request::Builder<'_>),
) -> Message {
    calls(question, target, channel::Client::TYPE_ID, 0, caps, |content| {
        let mut params = content.init_as::<channel::fetch_params::Builder<'_>>();
        params.set_call(number);
        params.set_event(event);
        let mut request = params.init_request();
        request.set_method("GET");
        request.set_url("http://a.test/");
        fill(request);
    })
}

/// `Host.log` of the capability that was imported as `target`.
pub fn log(question: u32, target: u32, fill: impl FnOnce(host::log_params::Builder<'_>)) -> Message {
    calls(question, target, host::Client::TYPE_ID, 0, &[], |content| fill(content.init_as()))
}

/// `Host.exceeded` of the capability that was imported as `target`.
pub fn exceeded(question: u32, target: u32, limit: Limit) -> Message {
    calls(question, target, host::Client::TYPE_ID, 1, &[], |content| {
        content.init_as::<host::exceeded_params::Builder<'_>>().set_limit(limit);
    })
}

/// The bytes of a message in stream framing.
pub fn frame(message: &Message) -> Vec<u8> {
    serialize::write_message_to_words(message)
}

/// What the two messages differ in (the number of a union's field, or of an enumerant), set to a number that no schema
/// has.
pub fn unknown(one: &Message, other: &Message) -> Vec<u8> {
    let (mut one, other) = (frame(one), frame(other));
    let at = one.iter().zip(&other).position(|(a, b)| a != b).expect("they differ") & !1;
    one[at..at + 2].copy_from_slice(&0x0777u16.to_le_bytes());
    one
}

/// What the supervisor said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Bootstrap {
        question: u32,
    },
    Call {
        question: u32,
        /// What is called, by the numbers of interface and method.
        method: Method,
        /// The service's name in a `bind`, the URL in a `fetch`, the expression in a `scheduled`.
        text: String,
        /// The number of the event in a `fetch`.
        event: u64,
        /// The capabilities that come with it, by the supervisor's numbers.
        caps: Vec<u32>,
    },
    Return {
        answer: u32,
        is_exception: bool,
    },
    Finish {
        question: u32,
    },
    Other,
}

/// The methods that a worker offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Bind,
    Drain,
    Ping,
    Entrypoint,
    Open,
    Fetch,
    Cancel,
    Scheduled,
    Pull,
    CancelPull,
    Unknown,
}

/// One end of a connection.
pub struct Wire {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn new(stream: std::os::unix::net::UnixStream) -> Self {
        Self { stream: UnixStream::from_std(stream).expect("a stream"), buffer: Vec::new() }
    }

    /// Sends bytes as they are. That nobody reads them is the end of many a test, and no fault.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn send(&mut self, message: &Message) {
        self.bytes(&frame(message)).await;
    }

    /// No more will be sent.
    pub async fn shutdown(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next message; `None` when the supervisor has closed the connection. Can be dropped and called again.
    pub async fn receive(&mut self) -> Option<Said> {
        loop {
            if let Some(length) = frame_length(&self.buffer)
                && self.buffer.len() >= length
            {
                let frame: Vec<u8> = self.buffer.drain(..length).collect();
                return Some(understand(&frame).expect("the supervisor speaks the protocol"));
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Answers everything but `fetch`, `scheduled`, `pull` and what cancels them as it should be. Gives back what it did not answer,
    /// and what it was bound or handed with.
    pub async fn polite(&mut self, said: Said) -> Option<Said> {
        let answer = match &said {
            Said::Bootstrap { question } => returns(*question, &[Cap::SenderHosted(0)], |mut content| {
                content.set_as_capability(nobody::<byte_source::Client>().client.hook);
            }),
            Said::Call { question, method: Method::Bind, .. } => returns(*question, &[], |content| {
                let results = content.init_as::<worker_control::bind_results::Builder<'_>>();
                results.init_outcome().init_ready(1).get(0).set_name("");
            }),
            Said::Call { question, method: Method::Drain | Method::Ping | Method::Open, .. } => empty(*question),
            Said::Call { question, method: Method::Entrypoint, .. } => {
                returns(*question, &[Cap::SenderHosted(1)], |content| {
                    let mut results = content.init_as::<event_port::entrypoint_results::Builder<'_>>();
                    results.set_dispatcher(nobody());
                })
            }
            Said::Return { .. } | Said::Finish { .. } | Said::Other => return None,
            Said::Call { .. } => return Some(said),
        };
        self.send(&answer).await;
        Some(said).filter(|said| matches!(said, Said::Call { method: Method::Bind | Method::Open, .. }))
    }
}

fn frame_length(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let segments = number(0)? + 1;
    let mut length = (4 + 4 * segments).next_multiple_of(8);
    for index in 0..segments {
        length += number(4 + 4 * index)? * 8;
    }
    Some(length)
}

fn understand(mut frame: &[u8]) -> capnp::Result<Said> {
    let mut options = capnp::message::ReaderOptions::new();
    options.traversal_limit_in_words(None);
    let reader = serialize::read_message_from_flat_slice(&mut frame, options)?;
    let root: message::Reader<'_> = reader.get_root()?;
    Ok(match root.which()? {
        message::Bootstrap(bootstrap) => Said::Bootstrap { question: bootstrap?.get_question_id() },
        message::Return(ret) => {
            let ret = ret?;
            let is_exception = matches!(ret.which(), Ok(return_::Exception(_)));
            Said::Return { answer: ret.get_answer_id(), is_exception }
        }
        message::Finish(finish) => Said::Finish { question: finish?.get_question_id() },
        message::Call(call) => {
            let call = call?;
            let (interface, number) = (call.get_interface_id(), call.get_method_id());
            let payload = call.get_params()?;
            let mut caps = Vec::new();
            for cap in payload.get_cap_table()? {
                if let cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id) = cap.which()? {
                    caps.push(id);
                }
            }
            // Reading a capability pointer needs a table, which nobody here reads.
            let content = payload.get_content();
            let mut event = 0;
            let (method, text) = if interface == worker_control::Client::TYPE_ID && number == 0 {
                let params: worker_control::bind_params::Reader<'_> = content.get_as()?;
                (Method::Bind, params.get_bundle()?.get_service()?.to_string()?)
            } else if interface == worker_control::Client::TYPE_ID {
                (if number == 1 { Method::Drain } else { Method::Ping }, String::new())
            } else if interface == event_port::Client::TYPE_ID {
                (if number == 0 { Method::Entrypoint } else { Method::Open }, String::new())
            } else if interface == event_dispatcher::Client::TYPE_ID && number == 1 {
                (Method::Cancel, String::new())
            } else if interface == event_dispatcher::Client::TYPE_ID && number == 2 {
                let params: event_dispatcher::scheduled_params::Reader<'_> = content.get_as()?;
                (Method::Scheduled, params.get_cron()?.to_string()?)
            } else if interface == event_dispatcher::Client::TYPE_ID && number == 3 {
                let params: event_dispatcher::test_params::Reader<'_> = content.get_as()?;
                // A test has no parameter that could say how it is to be answered; benchmarks have their filter.
                let way = if params.has_bench() {
                    params.get_bench()?.get_filter()?.to_str()?
                } else {
                    "run-outcome-unknown"
                };
                (Method::Scheduled, way.to_owned())
            } else if interface == event_dispatcher::Client::TYPE_ID {
                let params: event_dispatcher::fetch_params::Reader<'_> = content.get_as()?;
                event = params.get_event();
                (Method::Fetch, params.get_request()?.get_url()?.to_string()?)
            } else if interface == byte_source::Client::TYPE_ID {
                (if number == 0 { Method::Pull } else { Method::CancelPull }, String::new())
            } else {
                (Method::Unknown, String::new())
            };
            Said::Call { question: call.get_question_id(), method, text, event, caps }
        }
        _ => Said::Other,
    })
}
