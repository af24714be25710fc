//! Two ways in which calls on answers that are not there yet could cross: those of Cap'n Proto, and capabilities of our own
//! that wait. docs/design/pipelining.md draws the conclusion. The wire permits neither more nor less than it needs today.
//!
//! The supervisor's side answers `EventPort.entrypoint` with the capability that the worker sent along, which is the case that
//! is hard: what was promised turns out to be the worker's own.

use std::{cell::Cell, future::Future, rc::Rc, time::Duration};

use bulkhead_ipc::{
    transport::{self, Limits, TransportError},
    worker_capnp::{blob, byte_source, event_port, worker_control},
};
use capnp::capability::FromClientHook;
use tokio::{net::UnixStream, sync::Notify};

/// The supervisor's side.
struct Broker {
    /// Answers at once with a capability that waits.
    waits: bool,
    ready: Rc<Notify>,
}

impl event_port::Server for Broker {
    async fn entrypoint(
        self: Rc<Self>,
        params: event_port::EntrypointParams,
        mut results: event_port::EntrypointResults,
    ) -> Result<(), capnp::Error> {
        let blob::Stream(own) = params.get()?.get_props_json()?.which()? else {
            return Err(capnp::Error::failed("no capability".into()));
        };
        let own = own?;
        let answer = if self.waits {
            capnp_rpc::new_client(Waiting { ready: self.ready.clone(), target: own })
        } else {
            self.ready.notified().await;
            own
        };
        results.get().set_dispatcher(answer.client.cast_to());
        Ok(())
    }
}

/// Passes calls on when their target is there.
struct Waiting {
    ready: Rc<Notify>,
    target: byte_source::Client,
}

impl byte_source::Server for Waiting {
    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        self.ready.notified().await;
        let mut request = self.target.pull_request();
        request.get().set_max_bytes(params.get()?.get_max_bytes());
        let answer = request.send().promise.await?;
        results.get().set_bytes(answer.get()?.get_bytes()?);
        Ok(())
    }
}

/// The worker's own capability.
struct Own;

impl byte_source::Server for Own {
    async fn pull(
        self: Rc<Self>,
        _: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_bytes(b"own");
        Ok(())
    }
}

/// The worker: calls, and calls what it will be answered with.
struct Caller {
    pipelines: bool,
    ready: Rc<Notify>,
    pulled: Rc<Cell<bool>>,
}

impl worker_control::Server for Caller {
    async fn bind(
        self: Rc<Self>,
        params: worker_control::BindParams,
        _: worker_control::BindResults,
    ) -> Result<(), capnp::Error> {
        let broker: event_port::Client = params.get()?.get_host()?.client.cast_to();
        let mut request = broker.entrypoint_request();
        request.get().init_props_json().set_stream(capnp_rpc::new_client(Own));
        let asked = request.send();
        let mut answered = None;
        let target: byte_source::Client = if self.pipelines {
            asked.pipeline.get_dispatcher().client.cast_to()
        } else {
            let answer = asked.promise.await?;
            answered.insert(answer).get()?.get_dispatcher()?.client.cast_to()
        };
        let mut pull = target.pull_request();
        pull.get().set_max_bytes(10);
        let bytes = pull.send().promise;
        self.ready.notify_one();
        let answer = bytes.await?;
        assert_eq!(answer.get()?.get_bytes()?, b"own");
        self.pulled.set(true);
        // What the library has to say about it comes before the next call.
        let _ = target.pull_request().send().promise.await?;
        Ok(())
    }
}

/// Whether the call came through, and how the supervisor's connection ended if it did.
fn crossing(limits: Limits, pipelines: bool, waits: bool) -> (bool, Option<TransportError>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let test = async {
        let (a, b) = UnixStream::pair().expect("a socketpair");
        let (ready, pulled) = (Rc::new(Notify::new()), Rc::new(Cell::new(false)));
        let caller = Caller { pipelines, ready: ready.clone(), pulled: pulled.clone() };
        let caller: worker_control::Client = capnp_rpc::new_client(caller);
        let (_, connection) = transport::server(b, Limits::for_supervisor(), caller.client);
        tokio::task::spawn_local(connection);
        let (control, handle, connection) = transport::client::<worker_control::Client>(a, limits);
        tokio::task::spawn_local(connection);
        let broker: event_port::Client = capnp_rpc::new_client(Broker { waits, ready: ready.clone() });
        let mut bind = control.bind_request();
        bind.get().set_host(broker.client.cast_to());
        let bound = soon(async {
            let promise = bind.send().promise;
            tokio::pin!(promise);
            loop {
                tokio::select! {
                    bound = &mut promise => break bound.map(drop),
                    // Whoever waits may go on, also a second time.
                    () = tokio::time::sleep(Duration::from_millis(5)) => ready.notify_one(),
                }
            }
        });
        let bound = bound.await;
        assert_eq!(bound.is_ok(), handle.fault().is_none(), "{bound:?}");
        (pulled.get(), handle.fault())
    };
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

/// Fails a test that would hang.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("no answer")
}

fn permissive() -> Limits {
    Limits { max_transform: 4, ..Limits::for_worker() }
}

#[test]
fn the_wire_permits_no_call_on_a_promised_answer() {
    let (pulled, fault) = crossing(Limits::for_worker(), true, false);
    assert!(!pulled && fault.is_some_and(|fault| fault.to_string().contains("a call on something else")));
}

/// The first way: to permit such calls is not enough. When the promise turns out to be the caller's own capability, the
/// library has to say `Disembargo`, in an honest worker too, and what answers that in the supervisor would have to be
/// permitted with it.
#[test]
fn a_library_that_may_pipeline_says_more_than_calls() {
    let (_, fault) = crossing(permissive(), true, false);
    let fault = fault.expect("the connection has ended").to_string();
    assert!(fault.contains("a message of a kind that is not used here"), "{fault}");
}

/// The second way: a capability that waits needs nothing but what the wire permits today.
#[test]
fn a_capability_that_waits_needs_no_other_message() {
    let (pulled, fault) = crossing(Limits::for_worker(), false, true);
    assert!(pulled && fault.is_none(), "{fault:?}");
}
