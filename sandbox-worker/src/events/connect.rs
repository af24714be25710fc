//! `connect`: a connection that a handler is given, as a `Socket`. It is answered at once, with what the handler will send, and lasts for as
//! long as the handler runs.

use std::rc::Rc;

use bulkhead_ipc::{
    failure::HUNG,
    head::{SWITCHING_PROTOCOLS, write_response},
    worker_capnp::{
        connect,
        event_dispatcher::{FetchParams, FetchResults},
        http_request,
    },
};
use tokio::time::Instant;

use super::{Deadline, Delivery, Failure, Kind, Progress, deliver::Dispatcher, drive, fetch::props, settled};
use crate::{
    api::socket::{Accepted, accepted},
    io::Event,
    isolate::{
        report_exception,
        script::{Export, Script},
    },
    limits::{Limit, bound},
    log::Level,
    streams::connection::Taken,
    worker::Handler,
};

/// One connection.
struct Connect {
    /// Until it was read.
    params: Option<FetchParams>,
    /// From then on.
    accepted: Option<Accepted>,
}

impl Kind for Connect {
    type Reply = ();

    const HANDLER: Handler = Handler::Connect;
    const LISTENERS: Export = |script: &Script| &script.dispatch_connect;
    const MISSING: &'static str =
        "Received a connect event but we lack a handler. Did you remember to export a connect() function?";

    fn props(&self) -> Option<&[u8]> {
        props(self.params.as_ref()?)
    }

    fn argument<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
    ) -> Result<jsg::Result<v8::Local<'s, v8::Object>>, capnp::Error> {
        let params = self.params.take().ok_or_else(|| capnp::Error::failed("the request was read before".into()))?;
        let request = params.get()?.get_request()?;
        let asked = request.get_connect()?;
        let remote = if asked.has_remote_address() { Some(asked.get_remote_address()?.to_str()?) } else { None };
        let local = request.get_url()?.to_str()?;
        let starts_tls = asked.get_transport()? == connect::Transport::StartTls;
        let http_request::body::Stream(from) = request.get_body().which()? else {
            return Err(capnp::Error::failed("a connection without a stream".into()));
        };
        Ok(accepted(scope, event, from?, (remote, local), starts_tls).map(|(socket, accepted)| {
            self.accepted = Some(accepted);
            socket
        }))
    }

    /// It does not matter what the handler gives.
    fn reply<'s>(
        &mut self,
        _: &mut v8::PinScope<'s, '_>,
        _: &Rc<Event>,
        _: v8::Local<'s, v8::Value>,
    ) -> Progress<Self::Reply> {
        Progress::Done(())
    }
}

impl Dispatcher {
    pub(super) async fn take_connect(
        &self,
        params: FetchParams,
        mut results: FetchResults,
    ) -> Result<(), capnp::Error> {
        let number = params.get()?.get_event();
        let mut connect = Connect { params: Some(params), accepted: None };
        let (mut delivery, progress) = match self.begin(number, &mut connect).await? {
            Ok(begun) => begun,
            Err(failure) => {
                failure.write(results.get().init_outcome().init_failure());
                return Ok(());
            }
        };
        let Some(accepted) = connect.accepted.take() else {
            if let Progress::Failed(failure) = progress {
                failure.write(results.get().init_outcome().init_failure());
            }
            return Ok(());
        };
        let mut response = results.get().init_outcome().init_response();
        write_response(response.reborrow(), SWITCHING_PROTOCOLS, "", 0, std::iter::empty());
        response.init_body().set_stream(accepted.to.clone());
        delivery.event.set_answered();
        delivery.active.exchange();
        delivery.event.goes_on();
        tokio::task::spawn_local(async move { carry(delivery, progress, accepted).await });
        Ok(())
    }
}

/// Has the handler of a connection run to its end, and then the connection end.
async fn carry(delivery: Delivery, progress: Progress<()>, accepted: Accepted) {
    let event = &delivery.event;
    let Accepted { connection, to } = accepted;
    // The supervisor has it from here.
    drop(to);
    match progress {
        Progress::Done(()) => {}
        Progress::Failed(Failure::Exceeded(limit)) => event.end(limit),
        Progress::Failed(Failure::Told(_, text) | Failure::Threw(text, _) | Failure::PassedOn(_, text, _)) => {
            event.log(Level::Error, &format!("Uncaught {text}"));
        }
        Progress::Pending(promise) => {
            let settled = settled(event, promise);
            let dropped = async {
                if connection.clone().taken().await == Taken::All {
                    std::future::pending::<()>().await;
                }
            };
            let ended = async {
                match futures::future::select(std::pin::pin!(settled), std::pin::pin!(dropped)).await {
                    futures::future::Either::Left((settled, _)) => Some(settled),
                    futures::future::Either::Right(_) => None,
                }
            };
            match drive(event, None, ended).await {
                Ok(Some(Some(Ok(_)))) => {}
                Ok(Some(Some(Err(reason)))) => {
                    let report = |scope: &mut v8::PinScope<'_, '_>| {
                        let reason = v8::Local::new(scope, reason);
                        report_exception(scope, reason);
                    };
                    event.run(report).await;
                }
                Ok(Some(None)) => event.log(Level::Error, HUNG),
                // The other end is gone.
                Ok(None) => return event.client_left().await,
                // It was reported where it was exceeded.
                Err(_) => return,
            }
        }
    }
    connection.close();
    // What was written before is still taken.
    let limit = bound(event.isolate().limits().wait_until);
    let deadline = limit.map(|limit| Deadline::new(Instant::now(), limit, Limit::WaitUntil));
    let _ = drive(event, deadline, connection.clone().taken()).await;
}
