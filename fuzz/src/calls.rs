//! A worker that follows a script, in front of the real fleet and the real worker service.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use arbitrary::{Arbitrary, Unstructured};
use bulkhead_ipc::worker_capnp::{byte_source, event_failure, host};
use bulkhead_supervisor::{
    body::{Body, BodyError, PullSource},
    service::{Service, worker::WorkerService},
};
use bytes::Bytes;
use capnp::traits::HasTypeId;
use tokio::sync::mpsc;

use super::rig::{
    self, Ends, Rig, World, get, request, settings, text,
    wire::{Cap, Method, Said, Wire, calls, frame, log, message, nobody, outcome, response, returns},
};

/// What the worker does with one request.
#[derive(Arbitrary, Debug)]
struct Script {
    /// Of the request's body.
    upload: u32,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
struct Step {
    what: What,
    /// A byte of the message that is changed, from its end.
    patch: Option<(u16, u8)>,
    on_control: bool,
}

#[derive(Arbitrary, Debug)]
enum What {
    /// Takes the next message, if one comes soon.
    Listen,
    Respond {
        response: Answer,
        to: Question,
    },
    Fail {
        kind: u8,
        text: String,
    },
    /// Answers the last `pull`.
    Give {
        length: u32,
        done: bool,
    },
    Except {
        to: Question,
    },
    Cancel {
        to: Question,
    },
    Call {
        question: u16,
        target: u8,
        interface: u8,
        method: u8,
        number: u32,
        caps: Vec<Descriptor>,
    },
    Log {
        question: u16,
        entries: u16,
        text: String,
    },
    Finish {
        question: u16,
        release: bool,
    },
    Release {
        id: u8,
        count: u32,
    },
    Raw(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Answer {
    status: Option<u16>,
    status_text: String,
    headers: Vec<(String, Vec<u8>)>,
    announced: Option<u64>,
    body: Content,
    caps: Vec<Descriptor>,
}

#[derive(Arbitrary, Debug)]
enum Content {
    None,
    Bytes(u16),
    Stream,
}

#[derive(Arbitrary, Debug)]
enum Question {
    Fetch,
    Pull,
    Other(u16),
}

#[derive(Arbitrary, Debug)]
struct Descriptor {
    kind: u8,
    id: u8,
    far: bool,
}

fn table(descriptors: &[Descriptor]) -> Vec<Cap> {
    let caps = descriptors.iter().take(12).map(|Descriptor { kind, id, far }| {
        let id = if *far { u32::from(*id) << 8 } else { u32::from(*id) };
        match kind % 8 {
            0 => Cap::None,
            1 => Cap::ReceiverHosted(id),
            2 => Cap::SenderPromise(id),
            3 => Cap::ReceiverAnswer(id),
            4 => Cap::ThirdParty,
            _ => Cap::SenderHosted(id),
        }
    });
    caps.collect()
}

struct Actor {
    fetch: u32,
    pulled: u32,
    source: u32,
    host: Rc<Cell<u32>>,
}

impl Actor {
    fn question(&self, question: &Question) -> u32 {
        match question {
            Question::Fetch => self.fetch,
            Question::Pull => self.pulled,
            Question::Other(number) => (*number).into(),
        }
    }

    fn message(&self, what: &What) -> Vec<u8> {
        frame(&match what {
            What::Listen => return Vec::new(),
            What::Raw(bytes) => return bytes.clone(),
            What::Respond { response: plan, to } => response(self.question(to), &table(&plan.caps), |mut to| {
                to.set_status(plan.status.unwrap_or(200));
                to.set_status_text(plan.status_text.as_str());
                let headers = plan.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
                bulkhead_ipc::head::write(to.reborrow().init_headers(plan.headers.len() as u32), headers);
                if let Some(announced) = plan.announced {
                    to.set_body_length(announced);
                }
                match plan.body {
                    Content::None => to.init_body().set_none(()),
                    Content::Bytes(length) => to.init_body().set_bytes(&vec![b'x'; length.into()]),
                    Content::Stream => to.init_body().set_stream(nobody()),
                }
            }),
            What::Fail { kind, text } => outcome(self.fetch, &[], |outcome| {
                use event_failure::Kind::{Exception, Hung, NoHandler, PassThrough};
                let mut failure = outcome.init_failure();
                failure.set_kind([Exception, NoHandler, Hung, PassThrough][usize::from(kind % 4)]);
                failure.set_message(text.as_str());
            }),
            What::Give { length, done } => returns(self.pulled, &[], |content| {
                let mut results = content.init_as::<byte_source::pull_results::Builder<'_>>();
                results.reborrow().init_bytes(length % 600_000);
                results.set_done(*done);
            }),
            What::Except { to } => message(|message| {
                let mut ret = message.init_return();
                ret.set_answer_id(self.question(to));
                ret.init_exception().set_reason("no");
            }),
            What::Cancel { to } => message(|message| {
                let mut ret = message.init_return();
                ret.set_answer_id(self.question(to));
                ret.set_canceled(());
            }),
            What::Call { question, target, interface, method, number, caps } => {
                let interface = if interface % 4 == 0 { host::Client::TYPE_ID } else { byte_source::Client::TYPE_ID };
                let target = if *target == 0 { self.source } else { (*target).into() };
                calls((*question).into(), target, interface, (*method / 64).into(), &table(caps), |content| {
                    content.init_as::<byte_source::pull_params::Builder<'_>>().set_max_bytes(*number);
                })
            }
            What::Log { question, entries, text } => log((*question).into(), self.host.get(), |params| {
                let mut list = params.init_entries((*entries % 6000).into());
                if !list.is_empty() {
                    list.reborrow().get(0).set_message(text.as_str());
                }
            }),
            What::Finish { question, release } => message(|message| {
                let mut finish = message.init_finish();
                finish.set_question_id((*question).into());
                finish.set_release_result_caps(*release);
            }),
            What::Release { id, count } => message(|message| {
                let mut release = message.init_release();
                release.set_id((*id).into());
                release.set_reference_count(*count);
            }),
        })
    }
}

type Slot = Arc<Mutex<Option<Script>>>;

async fn play(script: Slot, ends: Ends) {
    let Ends { world, pid, control, events, stderr: _stderr } = ends;
    let host = Rc::new(Cell::new(0));
    let (orders, mut ordered) = mpsc::unbounded_channel::<Vec<u8>>();
    for stream in events {
        tokio::task::spawn_local(serve(
            Wire::new(stream),
            (world.clone(), script.clone(), pid),
            host.clone(),
            orders.clone(),
        ));
    }
    let mut wire = Wire::new(control);
    loop {
        let said = tokio::select! {
            said = wire.receive() => said,
            order = ordered.recv() => {
                wire.bytes(&order.expect("we hold a sender")).await;
                continue;
            }
        };
        let Some(said) = said else { return };
        if let Some(Said::Call { method: Method::Bind, caps, .. }) = wire.polite(said).await {
            host.set(caps.first().copied().unwrap_or_default());
        }
    }
}

async fn serve(
    mut wire: Wire,
    (world, slot, pid): (Arc<World>, Slot, i32),
    host: Rc<Cell<u32>>,
    orders: mpsc::UnboundedSender<Vec<u8>>,
) {
    while let Some(said) = wire.receive().await {
        let Some(Said::Call { question, method: Method::Fetch, text, caps }) = wire.polite(said).await else {
            continue;
        };
        let script = if text.ends_with("/script") { slot.lock().expect("no panic").take() } else { None };
        let Some(script) = script else {
            let words = format!("pid {pid}");
            wire.send(&response(question, &[], |to| to.init_body().set_bytes(words.as_bytes()))).await;
            continue;
        };
        let source = caps.first().copied().unwrap_or_default();
        let mut actor = Actor { fetch: question, pulled: question, source, host: host.clone() };
        for step in script.steps.iter().take(64) {
            if let What::Listen = step.what {
                let said = tokio::time::timeout(Duration::from_millis(2), wire.receive()).await;
                if let Ok(Some(Said::Call { question, .. })) = said {
                    actor.pulled = question;
                }
                continue;
            }
            let mut bytes = actor.message(&step.what);
            if let Some((at, value)) = step.patch
                && !bytes.is_empty()
            {
                let at = bytes.len() - 1 - usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            if step.on_control {
                let _ = orders.send(bytes);
            } else {
                wire.bytes(&bytes).await;
            }
        }
        // Whoever still waits does not wait longer.
        tokio::time::sleep(Duration::from_millis(1)).await;
        world.kill(pid, 9);
    }
}

/// An upload in chunks.
struct Upload(u32);

impl PullSource for Upload {
    fn poll_pull(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, BodyError>>> {
        let this = self.get_mut();
        let length = this.0.min(10_000);
        this.0 -= length;
        std::task::Poll::Ready((length > 0).then(|| Ok(Bytes::from(vec![b'u'; length as usize]))))
    }
}

struct Stage {
    rig: Rig,
    slot: Slot,
    one: WorkerService,
    two: WorkerService,
    other: String,
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

async fn pid(service: &WorkerService) -> String {
    let response = service.fetch(get("/hello")).await.expect("a worker that serves");
    text(response).await.expect("a body")
}

/// Bytes as the script of a worker: what it answers, calls, finishes and releases, in any order and number, on both of
/// its connections. Afterwards the service is back, and another worker's process is the one that it was.
pub fn rpc_calls(bytes: &[u8]) {
    let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let stage = STAGE.with_borrow_mut(Option::take);
    let stage = super::run(async {
        let mut stage = match stage {
            Some(stage) => stage,
            None => {
                let slot = Slot::default();
                let for_play = slot.clone();
                let rig = rig::start(settings(), 4096, move |ends| play(for_play.clone(), ends));
                let (one, two) = (rig.service(0), rig.service(1));
                let other = pid(&two).await;
                Stage { rig, slot, one, two, other }
            }
        };
        let upload = script.upload % 1_000_000;
        *stage.slot.lock().expect("no panic") = Some(script);
        let body = if upload == 0 { Body::Empty } else { Body::Pull(Box::pin(Upload(upload))) };
        if let Ok(response) = stage.one.fetch(request("POST", "/script", body)).await {
            let mut body = response.into_body();
            let mut total = 0;
            while let Some(Ok(chunk)) = bulkhead_supervisor::body::next_chunk(&mut body).await {
                assert!(!chunk.is_empty());
                total += chunk.len();
            }
            assert!(total <= 64 * 600_000);
        }
        // Back, possibly after the last words of the old process.
        let mut tries = 0;
        while let Err(error) = stage.one.fetch(get("/hello")).await {
            tries += 1;
            assert!(tries < 1000, "{error}");
        }
        assert_eq!(pid(&stage.two).await, stage.other, "another worker's process ended");
        assert!(stage.rig.fleet.stats().await.processes <= 8);
        while stage.rig.log.try_recv().is_some() {}
        stage
    });
    STAGE.with_borrow_mut(|slot| *slot = Some(stage));
}
