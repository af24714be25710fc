//! A worker: its source, its compatibility, what it may not do.

use std::collections::HashSet;

use bulkhead_ipc::{
    compatibility::{self, CompatibilityError, CompatibilityFlags, Date},
    workerd_capnp::worker,
};

use super::{Validator, services::INTERNET};
use crate::config::{
    diagnostics::nearest,
    model::{Binding, BindingValue, Designator, ModuleKind, ServiceId, Worker, WorkerSource},
    policy::WorkerPolicy,
    position::Cursor,
    test_date,
};

impl Validator<'_> {
    pub(super) fn worker(
        &mut self,
        worker: worker::Reader<'_>,
        name: &str,
        at: &Cursor<'_>,
        policy: WorkerPolicy,
    ) -> Option<Worker> {
        self.refuse_others(
            worker,
            at,
            &[
                "modules",
                "serviceWorkerScript",
                "compatibilityDate",
                "compatibilityFlags",
                "bindings",
                "globalOutbound",
                "cacheApiOutbound",
                "durableObjectNamespaces",
                "durableObjectStorage",
                "containerEngine",
                "tails",
                "streamingTails",
                "workflowsEngine",
                "moduleFallback",
            ],
        );
        let outbound_at = at.field("globalOutbound");
        let global_outbound = if worker.has_global_outbound() {
            let outbound = self.intact(worker.get_global_outbound(), &outbound_at)?;
            self.designator(outbound, &format!("Worker \"{name}\"'s globalOutbound"), &outbound_at)
        } else {
            Some(Designator { service: ServiceId::named(INTERNET), entrypoint: None, props_json: None })
        };
        let cache_at = at.field("cacheApiOutbound");
        let cache_api_outbound = if worker.has_cache_api_outbound() {
            let outbound = self.intact(worker.get_cache_api_outbound(), &cache_at)?;
            self.designator(outbound, &format!("Worker \"{name}\"'s cacheApiOutbound"), &cache_at).map(Some)
        } else {
            Some(None)
        };
        let module_fallback = self.module_fallback(worker, at);
        let actor_classes = self.actor_classes(worker, name, at);
        self.does_not_run_yet(worker, name, at)?;
        let mut service_worker = false;
        let source = match worker.which() {
            Ok(worker::Modules(modules)) => {
                let modules_at = at.field("modules");
                let modules = self.intact(modules, &modules_at)?;
                self.modules(modules, at, &modules_at)
            }
            Ok(worker::ServiceWorkerScript(script)) => {
                service_worker = true;
                self.string(script, &at.field("serviceWorkerScript")).map(WorkerSource::ServiceWorker)
            }
            // Has been refused.
            Ok(worker::Inherit(_)) => None,
            Err(_) => self.newer(at),
        };
        let compatibility = self.compatibility(worker, at);
        let bindings_at = at.field("bindings");
        let bindings = self.intact(worker.get_bindings(), &bindings_at)?;
        let mut names = HashSet::new();
        let bindings: Vec<Option<Option<Binding>>> = (0..bindings.len())
            .map(|index| {
                let (binding, binding_at) = (bindings.get(index), bindings_at.index(index));
                if self.is_left_out(binding, &binding_at) {
                    return None;
                }
                Some(self.binding(binding, name, &binding_at, &mut names, service_worker, 0))
            })
            .collect();
        let (compatibility_date, compatibility_flags, compatibility) = compatibility?;
        let worker = Worker {
            source: source?,
            compatibility_date,
            compatibility_flags,
            compatibility,
            bindings: bindings.into_iter().flatten().collect::<Option<_>>()?,
            global_outbound: global_outbound?,
            cache_api_outbound: cache_api_outbound?,
            actor_classes: actor_classes?,
            module_fallback: module_fallback?,
            policy,
            schedules: Vec::new(),
        };
        self.compilable(&worker, at);
        Some(worker)
    }

    /// What is read and checked, and does nothing yet.
    fn does_not_run_yet(&mut self, worker: worker::Reader<'_>, name: &str, at: &Cursor<'_>) -> Option<()> {
        self.container_engine(worker, at)?;
        self.tails(worker, name, at)?;
        self.workflows(worker, name, at)
    }

    /// What runs the containers of Durable Objects, which nothing reaches as long as there are no Durable Objects.
    fn container_engine(&mut self, worker: worker::Reader<'_>, at: &Cursor<'_>) -> Option<()> {
        use worker::container_engine as kind;
        let engine_at = at.field("containerEngine");
        match worker.get_container_engine().which() {
            Ok(kind::None(())) => {}
            Ok(kind::LocalDocker(docker)) => {
                let docker_at = engine_at.field("localDocker");
                let docker = self.intact(docker, &docker_at)?;
                self.refuse_others(docker, &docker_at, &["socketPath", "containerEgressInterceptorImage", "sessionId"]);
                self.string(docker.get_socket_path(), &docker_at.field("socketPath"))?;
                self.warning(
                    &engine_at,
                    "containers are not there yet, nor Durable Objects, which alone could use them",
                );
            }
            Err(_) => return self.newer(&engine_at),
        }
        Some(())
    }

    /// The server that is asked for modules which are not there. `Some(None)`: there is none.
    fn module_fallback(&mut self, worker: worker::Reader<'_>, at: &Cursor<'_>) -> Option<Option<String>> {
        if !worker.has_module_fallback() {
            return Some(None);
        }
        let server_at = at.field("moduleFallback");
        let server = self.string(worker.get_module_fallback(), &server_at)?;
        self.experimental(&server_at, "The module fallback service is")?;
        let port = server.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            if !server_at.is_incomplete() {
                self.error_with_help(
                    &server_at,
                    "a module fallback is a host and a port",
                    "such as `localhost:8080` or `[::1]:8080`",
                );
            }
            return None;
        }
        Some(Some(server))
    }

    /// Those who are to be told what the worker did, which nobody is yet. The worker itself does not notice.
    fn tails(&mut self, worker: worker::Reader<'_>, name: &str, at: &Cursor<'_>) -> Option<()> {
        for (field, tails) in [("tails", worker.get_tails()), ("streamingTails", worker.get_streaming_tails())] {
            let tails_at = at.field(field);
            let tails = self.intact(tails, &tails_at)?;
            for index in 0..tails.len() {
                self.designator(tails.get(index), &format!("Worker \"{name}\"'s {field}"), &tails_at.index(index))?;
            }
            if !tails.is_empty() {
                self.warning(&tails_at, "tail workers are not supported yet: they are told nothing");
            }
        }
        Some(())
    }

    /// What runs the workflows of a worker, which only their bindings reach, and objects, which cannot be made yet.
    fn workflows(&mut self, worker: worker::Reader<'_>, name: &str, at: &Cursor<'_>) -> Option<()> {
        if !worker.has_workflows_engine() {
            return Some(());
        }
        let engine_at = at.field("workflowsEngine");
        let engine = self.intact(worker.get_workflows_engine(), &engine_at)?;
        self.refuse_others(engine, &engine_at, &["actorClass", "workflows"]);
        if !engine.has_actor_class() {
            if !engine_at.is_incomplete() {
                let message = format!("Worker service \"{name}\"'s workflowsEngine is missing actorClass.");
                self.error(&engine_at, message);
            }
            return None;
        }
        let class_at = engine_at.field("actorClass");
        let class = self.intact(engine.get_actor_class(), &class_at)?;
        self.designator(class, &format!("Worker \"{name}\"'s workflowsEngine"), &class_at)?;
        self.warning(&engine_at, "workflows are not supported yet: none runs");
        Some(())
    }

    /// A worker without a compiler has no WebAssembly.
    fn compilable(&mut self, worker: &Worker, at: &Cursor<'_>) {
        if !worker.policy.jitless {
            return;
        }
        let modules = match &worker.source {
            WorkerSource::Modules(modules) => modules.as_slice(),
            WorkerSource::ServiceWorker(_) => &[],
        };
        let module = modules.iter().position(|module| matches!(module.kind, ModuleKind::Wasm(_)));
        let binding = worker.bindings.iter().position(|binding| matches!(binding.value, BindingValue::WasmModule(_)));
        let places = [(module, "modules", "wasm"), (binding, "bindings", "wasmModule")];
        for (index, list, field) in places.into_iter().filter_map(|(index, list, field)| Some((index?, list, field))) {
            let list_at = at.field(list);
            let one_at = list_at.index(index as u32);
            self.error_with_help(
                &one_at.field(field),
                "this worker is `jitless`, and so has no WebAssembly",
                "leave it out, or set `jitless = no` for this worker",
            );
        }
    }

    /// Flags of which a part is not there yet.
    fn warn_of_flags(&mut self, flags: &[String], faulty: &HashSet<usize>, at: &Cursor<'_>) {
        for (index, what) in compatibility::later(flags).filter(|(index, _)| !faulty.contains(index)) {
            let flag = &flags[index];
            self.warning(
                &at.index(index as u32),
                format!("of what the compatibility flag {flag} is for there is not yet: {what}. To use it is an error"),
            );
        }
    }

    /// The date of a worker: what it says itself, or what all of them are given. Inside, `None` where nobody says one, which is an
    /// error too.
    fn compatibility_date(
        &mut self,
        worker: worker::Reader<'_>,
        at: &Cursor<'_>,
        date_at: &Cursor<'_>,
    ) -> Option<Option<String>> {
        let has_date = worker.has_compatibility_date();
        match self.rules.compat_date.clone() {
            Some(_) if has_date => {
                self.option_is_wrong = true;
                self.error(
                    date_at,
                    "Worker specifies compatibilityDate but --compat-date was provided. When using --compat-date, workers \
                     must not specify compatibilityDate in the config. Use compatibilityFlags to enable/disable specific \
                     flags if needed.",
                );
                None
            }
            Some(given) => {
                let date = test_date(&given);
                if date.is_none() {
                    self.option_is_wrong = true;
                    self.error(at, format!("Invalid compatibility date: {given}"));
                }
                Some(Some(date?.to_string()))
            }
            None if has_date => self.string(worker.get_compatibility_date(), date_at).map(Some),
            None => {
                if !date_at.is_incomplete() && !at.is_incomplete() {
                    self.error_with_help(
                        at,
                        "Worker must specify compatibilityDate.",
                        format!(
                            "for one that is written today: compatibilityDate = \"{}\"",
                            self.rules.today.min(compatibility::MAX_DATE)
                        ),
                    );
                }
                Some(None)
            }
        }
    }

    fn compatibility(
        &mut self,
        worker: worker::Reader<'_>,
        at: &Cursor<'_>,
    ) -> Option<(String, Vec<String>, CompatibilityFlags)> {
        let date_at = at.field("compatibilityDate");
        let flags_at = at.field("compatibilityFlags");
        let flags = self.strings(worker.get_compatibility_flags(), &flags_at)?;
        if flags.len() > compatibility::MAX_FLAGS {
            self.error(&flags_at, format!("there are more than {} flags", compatibility::MAX_FLAGS));
            return None;
        }
        let date = self.compatibility_date(worker, at, &date_at)?;
        let has_date = date.is_some();
        let date = date.unwrap_or_default();
        // Without a date the flags are still worth checking.
        let assumed = compatibility::MAX_DATE.to_string();
        let checked = if has_date { date.as_str() } else { assumed.as_str() };
        let resolved = compatibility::resolve(checked, &flags, self.rules.experimental);
        let mut faulty = HashSet::new();
        for error in resolved.as_ref().err().into_iter().flatten() {
            let message = error.to_string();
            match error {
                CompatibilityError::InvalidDate(_) => {
                    self.error_with_help(&date_at, message, "write it as YYYY-MM-DD");
                }
                CompatibilityError::BeyondMaximum(date) if *date > self.rules.today => {}
                CompatibilityError::BeyondMaximum(_) => self.error(&date_at, message),
                CompatibilityError::Unknown { index, name } => {
                    faulty.insert(*index);
                    let flag_at = flags_at.index(*index as u32);
                    match nearest(name, compatibility::names()) {
                        Some(meant) => self.error_with_help(&flag_at, message, format!("did you mean `{meant}`?")),
                        None => self.error(&flag_at, message),
                    }
                }
                CompatibilityError::Repeated { index, .. }
                | CompatibilityError::Contradiction { index, .. }
                | CompatibilityError::Experimental { index, .. } => {
                    faulty.insert(*index);
                    self.error(&flags_at.index(*index as u32), message);
                }
            }
        }
        self.warn_of_flags(&flags, &faulty, &flags_at);
        let mut missing = false;
        for (index, what) in compatibility::missing(&flags).filter(|(index, _)| !faulty.contains(index)) {
            let text = format!("The compatibility flag {} is not implemented: what is missing: {what}.", flags[index]);
            if self.rules.lenient {
                self.warning(&flags_at.index(index as u32), text);
                continue;
            }
            missing = true;
            self.error_with_help(
                &flags_at.index(index as u32),
                text,
                "docs/compatibility.md says for every flag what it does here",
            );
        }
        if has_date
            && self.rules.compat_date.is_none()
            && let Some(day) = Date::parse(&date)
            && day > self.rules.today
        {
            self.error(
                &date_at,
                format!(
                    "Can't set compatibility date in the future: \"{day}\". Today's date (UTC) is \"{}\".",
                    self.rules.today
                ),
            );
            return None;
        }
        if !has_date || missing {
            return None;
        }
        Some((date, flags, resolved.ok()?))
    }
}
