//! What this process offers the supervisor: `WorkerControl` on the control connection, `EventPort` on the others.

use std::rc::Rc;

use bulkhead_ipc::{blob, worker_capnp as wire};

use crate::{
    events::Dispatcher,
    io::{Outlet, find_hung},
    process::Process,
    worker::{Parts, Worker},
};

/// Longest `ctx.props`, as JSON, in bytes: what a configuration can have.
const MAX_PROPS: u64 = 512 << 20;

/// The bootstrap capability of the control connection.
pub fn control(process: Rc<Process>) -> wire::worker_control::Client {
    capnp_rpc::new_client(Control(process))
}

/// The bootstrap capability of an event connection, whose answers go out by `outlet`.
pub fn port(process: Rc<Process>, outlet: Outlet) -> wire::event_port::Client {
    capnp_rpc::new_client(Port(process, outlet))
}

struct Control(Rc<Process>);

impl wire::worker_control::Server for Control {
    async fn bind(
        self: Rc<Self>,
        params: wire::worker_control::BindParams,
        mut results: wire::worker_control::BindResults,
    ) -> Result<(), capnp::Error> {
        let process = &self.0;
        let params = params.get()?;
        let bundle = params.get_bundle()?;
        let Some(isolate) = process.blank.borrow_mut().take() else {
            return Err(capnp::Error::failed("this process was bound before".into()));
        };
        let host = params.get_host()?;
        tokio::task::spawn_local(isolate.reporter().clone().run(host.clone()));
        tokio::task::spawn_local(process.logger.clone().run(host));
        tokio::task::spawn_local(isolate.clone().run_tasks());
        tokio::task::spawn_local(find_hung(isolate.clone()));
        let mut outcome = results.get().init_outcome();
        let started = match Parts::read(bundle).await {
            Ok(parts) => Worker::start(isolate, bundle, parts, process.handed.take()),
            Err(error) => Err(Err(error)),
        };
        if bundle.get_testing().get_running_clock() {
            // What the code writes when it is evaluated is no part of its first test.
            process.logger.taken().await;
        }
        match started {
            Ok(worker) => {
                let mut list = outcome.init_ready(worker.entrypoints.len() as u32);
                for (entrypoint, index) in worker.entrypoints.iter().zip(0..) {
                    let mut builder = list.reborrow().get(index);
                    builder.set_name(entrypoint.name.as_str());
                    let mut handlers = builder.init_handlers(entrypoint.handlers.iter().count() as u32);
                    for (handler, index) in entrypoint.handlers.iter().zip(0..) {
                        handlers.set(index, handler.name());
                    }
                }
                let first = process.worker.set(Rc::new(worker)).is_ok();
                debug_assert!(first, "the blank isolate was taken once");
            }
            Err(Ok(error)) => {
                process.failed.set(true);
                let mut builder = outcome.reborrow().init_error();
                builder.set_message(error.message.as_str());
                builder.set_stack(error.stack.as_str());
            }
            Err(Err(error)) => {
                process.failed.set(true);
                process.bound.notify_waiters();
                return Err(error);
            }
        }
        process.bound.notify_waiters();
        Ok(())
    }

    async fn drain(
        self: Rc<Self>,
        _: wire::worker_control::DrainParams,
        _: wire::worker_control::DrainResults,
    ) -> Result<(), capnp::Error> {
        loop {
            let notified = self.0.idle.notified();
            if self.0.active.get() == 0 {
                return Ok(());
            }
            notified.await;
        }
    }

    async fn ping(
        self: Rc<Self>,
        _: wire::worker_control::PingParams,
        _: wire::worker_control::PingResults,
    ) -> Result<(), capnp::Error> {
        Ok(())
    }
}

struct Port(Rc<Process>, Outlet);

impl wire::event_port::Server for Port {
    async fn entrypoint(
        self: Rc<Self>,
        params: wire::event_port::EntrypointParams,
        mut results: wire::event_port::EntrypointResults,
    ) -> Result<(), capnp::Error> {
        let worker = self.0.worker().await?;
        let params = params.get()?;
        let name = params.get_name()?.to_str()?;
        let props_json = blob::read_text(params.get_props_json()?, MAX_PROPS).await?;
        let dispatcher = Dispatcher::new(self.0.clone(), self.1.clone(), worker, name, props_json);
        results.get().set_dispatcher(capnp_rpc::new_client(dispatcher));
        Ok(())
    }

    async fn open(
        self: Rc<Self>,
        params: wire::event_port::OpenParams,
        _: wire::event_port::OpenResults,
    ) -> Result<(), capnp::Error> {
        let clients = params.get()?.get_channels()?.iter().collect::<Result<_, _>>()?;
        self.1.channels().open(clients);
        Ok(())
    }
}
