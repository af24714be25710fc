//! From a message to the model: every rule that needs no tenant code to run.
//!
//! What has no behaviour yet is refused here, by one function that looks at all fields a message sets and knows only the
//! names of those that are taken care of. A field that is added to the schema is therefore refused until somebody takes
//! care of it.
//!
//! Where the reference has a sentence for what is wrong, that sentence is the message, so that whoever knows or searches
//! for it finds it; where and what to do about it is added.

mod policy;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use bulkhead_ipc::{
    compatibility::{self, CompatibilityError, CompatibilityFlags, Date},
    policy_capnp,
    workerd_capnp::{self as schema, http_options, service, service_designator, socket, worker},
};
use bytes::Bytes;
use capnp::{
    dynamic_struct, dynamic_value, introspect::TypeVariant, schema::Field, schema_capnp::field, struct_list, text,
    text_list,
};

use self::policy::Policies;
use super::{
    diagnostics::{Reporter, nearest},
    model::{
        Binding, BindingValue, Config, Designator, HeaderInjection, HttpOptions, HttpStyle, Module, ModuleKind,
        Service, ServiceKind, Socket, Worker, WorkerSource,
    },
    policy::WorkerPolicy,
    position::Cursor,
    schema::{field_name, in_union},
};

/// What the rules depend on besides the message.
pub(crate) struct Rules {
    /// Whether experimental features are allowed.
    pub(crate) experimental: bool,
    /// The date in UTC.
    pub(crate) today: Date,
}

/// A message that is a policy, and its root.
pub(crate) type Policy<'a> = (policy_capnp::policy::Reader<'a>, Cursor<'a>);

/// Checks a message, and the policy that goes with it, and makes the model of them. `None` when something was wrong; then
/// it has been reported.
pub(crate) fn validate(
    config: schema::config::Reader<'_>,
    root: &Cursor<'_>,
    policy: Option<Policy<'_>>,
    rules: &Rules,
    reporter: &mut Reporter,
) -> Option<Config> {
    let mut validator = Validator { rules, reporter, services: HashMap::new(), policies: Policies::default() };
    let config = validator.config(config, root, policy);
    if reporter.has_errors() { None } else { config }
}

struct Validator<'a> {
    rules: &'a Rules,
    reporter: &'a mut Reporter,
    services: HashMap<String, usize>,
    policies: Policies,
}

impl Validator<'_> {
    fn error(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        let message = self.located(at, message.into());
        self.reporter.error(at.place(), message);
    }

    fn error_with_help(&mut self, at: &Cursor<'_>, message: impl Into<String>, help: impl Into<String>) {
        let message = self.located(at, message.into());
        self.reporter.error_with_help(at.place(), message, help);
    }

    /// A message about a binary configuration says where in the message; one about a text shows the text.
    fn located(&self, at: &Cursor<'_>, message: String) -> String {
        match at.place() {
            super::diagnostics::Place::Span(_) => message,
            super::diagnostics::Place::File(_) => match at.to_string() {
                path if path.is_empty() => message,
                path => format!("{path}: {message}"),
            },
        }
    }

    fn unsupported(&mut self, at: &Cursor<'_>) {
        self.reporter.error(at.name_place(), format!("`{at}` is not supported yet"));
    }

    /// The value, or a message that the configuration is damaged here. Happens to binary configurations only.
    fn intact<T>(&mut self, result: capnp::Result<T>, at: &Cursor<'_>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(at, format!("the message is damaged here: {error}"));
                None
            }
        }
    }

    fn string(&mut self, result: capnp::Result<text::Reader<'_>>, at: &Cursor<'_>) -> Option<String> {
        let text = self.intact(result, at)?;
        match text.to_str() {
            Ok(text) => Some(text.to_owned()),
            Err(_) => {
                self.error(at, "this text is not valid UTF-8");
                None
            }
        }
    }

    fn strings(&mut self, result: capnp::Result<text_list::Reader<'_>>, at: &Cursor<'_>) -> Option<Vec<String>> {
        let list = self.intact(result, at)?;
        let strings: Vec<Option<String>> =
            (0..list.len()).map(|index| self.string(list.get(index), &at.index(index))).collect();
        strings.into_iter().collect()
    }

    /// Refuses every field that is set, but for those named.
    fn refuse_others<'a>(
        &mut self,
        reader: impl Into<dynamic_value::Reader<'a>>,
        at: &Cursor<'_>,
        known: &[&str],
    ) -> Option<()> {
        let dynamic_value::Reader::Struct(reader) = reader.into() else { return Some(()) };
        let fields = self.intact(reader.get_schema().get_fields(), at)?;
        for one in fields {
            let name = field_name(one);
            if known.contains(&name) {
                continue;
            }
            let inside = at.field(name);
            if self.intact(is_set(&reader, one), &inside)? {
                self.unsupported(&inside);
            }
        }
        Some(())
    }

    fn config(
        &mut self,
        config: schema::config::Reader<'_>,
        at: &Cursor<'_>,
        policy: Option<Policy<'_>>,
    ) -> Option<Config> {
        self.refuse_others(config, at, &["services", "sockets", "v8Flags"]);

        let services_at = at.field("services");
        let services = self.intact(config.get_services(), &services_at)?;
        let services_complete = !services_at.is_incomplete();
        self.service_names(services, &services_at);
        if let Some((policy, policy_at)) = policy {
            self.policies = self.policies(policy, &policy_at, services, services_complete).unwrap_or_default();
        }
        let services: Vec<Option<Service>> =
            (0..services.len()).map(|index| self.service(services.get(index), &services_at.index(index))).collect();

        let sockets_at = at.field("sockets");
        let sockets = self.intact(config.get_sockets(), &sockets_at)?;
        let mut socket_names = HashSet::new();
        let sockets: Vec<Option<Socket>> = (0..sockets.len())
            .map(|index| {
                self.socket(sockets.get(index), &sockets_at.index(index), &mut socket_names, services_complete)
            })
            .collect();

        let flags_at = at.field("v8Flags");
        let v8_flags = self.strings(config.get_v8_flags(), &flags_at).unwrap_or_default();
        for (index, flag) in v8_flags.iter().enumerate() {
            let flag_at = flags_at.index(index as u32);
            if (!flag.starts_with('-') || flag.contains('\0')) && !flag_at.is_incomplete() {
                self.error(&flag_at, "a flag for V8 begins with a dash, such as `--expose-gc`");
            }
        }
        Some(Config {
            services: services.into_iter().collect::<Option<_>>()?,
            sockets: sockets.into_iter().collect::<Option<_>>()?,
            v8_flags,
        })
    }

    fn service_names(&mut self, services: struct_list::Reader<'_, service::Owned>, at: &Cursor<'_>) {
        for index in 0..services.len() {
            let service_at = at.index(index);
            let name_at = service_at.field("name");
            let Some(name) = self.string(services.get(index).get_name(), &name_at) else { continue };
            if name.is_empty() {
                if !service_at.is_incomplete() {
                    self.error(&name_at, "a service needs a `name`");
                }
            } else {
                match self.services.entry(name) {
                    Entry::Vacant(free) => drop(free.insert(index as usize)),
                    Entry::Occupied(taken) => {
                        let message = format!("there is already a service `{}`", taken.key());
                        self.error(&name_at, message);
                    }
                }
            }
        }
    }

    fn service(&mut self, service: service::Reader<'_>, at: &Cursor<'_>) -> Option<Service> {
        let name = service.get_name().ok()?.to_str().ok()?.to_owned();
        self.refuse_others(service, at, &["name", "worker", "unspecified"]);
        let worker_at = at.field("worker");
        match service.which() {
            Ok(service::Worker(worker)) => {
                if name == "internet" {
                    self.error_with_help(
                        &at.field("name"),
                        "a service of one's own under the name `internet` is not supported yet",
                        "it would answer the global `fetch` of every worker; give the service another name",
                    );
                }
                let worker = self.intact(worker, &worker_at)?;
                let worker = self.worker(worker, &worker_at, self.policies.of(&name))?;
                Some(Service { name, kind: ServiceKind::Worker(Arc::new(worker)) })
            }
            Ok(service::Unspecified(())) => {
                if !at.is_incomplete() {
                    self.error_with_help(
                        at,
                        format!("the service `{name}` does not say what it is"),
                        "set its field `worker`",
                    );
                }
                None
            }
            Ok(_) => None,
            Err(_) => self.newer(at),
        }
    }

    /// A union says something that this schema does not know.
    fn newer<T>(&mut self, at: &Cursor<'_>) -> Option<T> {
        self.error(at, "this was made for a newer schema: it is of a kind that this release does not know");
        None
    }

    fn worker(&mut self, worker: worker::Reader<'_>, at: &Cursor<'_>, policy: WorkerPolicy) -> Option<Worker> {
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
            ],
        );
        let outbound_at = at.field("globalOutbound");
        if worker.has_global_outbound() {
            let outbound = self.intact(worker.get_global_outbound(), &outbound_at)?;
            let default = outbound.get_name().is_ok_and(|name| name == "internet")
                && !outbound.has_entrypoint()
                && matches!(outbound.get_props().which(), Ok(service_designator::props::Empty(())));
            if !default {
                self.unsupported(&outbound_at);
            }
        }
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
        let bindings: Vec<Option<Binding>> = (0..bindings.len())
            .map(|index| self.binding(bindings.get(index), &bindings_at.index(index), &mut names, service_worker))
            .collect();
        let (compatibility_date, compatibility_flags, compatibility) = compatibility?;
        let worker = Worker {
            source: source?,
            compatibility_date,
            compatibility_flags,
            compatibility,
            bindings: bindings.into_iter().collect::<Option<_>>()?,
            policy,
        };
        self.compilable(&worker, at);
        Some(worker)
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
        let has_date = worker.has_compatibility_date();
        if !has_date && !date_at.is_incomplete() && !at.is_incomplete() {
            self.error_with_help(
                at,
                "Worker must specify compatibilityDate.",
                format!(
                    "for one that is written today: compatibilityDate = \"{}\"",
                    self.rules.today.min(compatibility::MAX_DATE)
                ),
            );
        }
        let date = self.string(worker.get_compatibility_date(), &date_at)?;
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
        let mut missing = false;
        for (index, what) in compatibility::missing(&flags).filter(|(index, _)| !faulty.contains(index)) {
            missing = true;
            self.error_with_help(
                &flags_at.index(index as u32),
                format!("The compatibility flag {} is not implemented: what is missing: {what}.", flags[index]),
                "docs/compatibility.md says for every flag what it does here",
            );
        }
        if has_date
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

    fn modules(
        &mut self,
        modules: struct_list::Reader<'_, worker::module::Owned>,
        worker_at: &Cursor<'_>,
        at: &Cursor<'_>,
    ) -> Option<WorkerSource> {
        if modules.is_empty() {
            if !worker_at.is_incomplete() && !at.is_incomplete() {
                self.error_with_help(
                    at,
                    "Modules list cannot be empty.",
                    "set `modules` to a list with at least one module, or `serviceWorkerScript`",
                );
            }
            return None;
        }
        let mut names = HashSet::new();
        let list: Vec<Option<Module>> =
            (0..modules.len()).map(|index| self.module(modules.get(index), &at.index(index), &mut names)).collect();
        let main_at = at.index(0);
        if !matches!(modules.get(0).which(), Ok(worker::module::EsModule(_)))
            && list.first().is_some_and(Option::is_some)
            && !main_at.is_incomplete()
        {
            self.error(&main_at, "Main module must be an ES module.");
        }
        Some(WorkerSource::Modules(list.into_iter().collect::<Option<_>>()?))
    }

    fn module(
        &mut self,
        module: worker::module::Reader<'_>,
        at: &Cursor<'_>,
        names: &mut HashSet<String>,
    ) -> Option<Module> {
        use worker::module as kind;
        self.refuse_others(
            module,
            at,
            &["name", "esModule", "commonJsModule", "text", "data", "wasm", "json", "namedExports"],
        );
        let name_at = at.field("name");
        let name = self.string(module.get_name(), &name_at)?;
        if name.is_empty() {
            if !at.is_incomplete() {
                self.error(&name_at, "a module needs a `name`");
            }
        } else if !names.insert(name.clone()) {
            self.error(&name_at, format!("Module \"{name}\" already added to bundle"));
        }
        let exports_at = at.field("namedExports");
        let named_exports = self.strings(module.get_named_exports(), &exports_at)?;
        if !named_exports.is_empty() && !matches!(module.which(), Ok(kind::CommonJsModule(_))) {
            self.error(&exports_at, "only a `commonJsModule` has `namedExports`");
        }
        let mut seen = HashSet::new();
        for (index, export) in named_exports.iter().enumerate() {
            if !seen.insert(export) {
                self.error(&exports_at.index(index as u32), format!("the export `{export}` is there twice"));
            }
        }
        let kind = match module.which() {
            Ok(kind::EsModule(text)) => ModuleKind::EsModule(self.string(text, &at.field("esModule"))?),
            Ok(kind::CommonJsModule(text)) => {
                ModuleKind::CommonJs { source: self.string(text, &at.field("commonJsModule"))?, named_exports }
            }
            Ok(kind::Text(text)) => ModuleKind::Text(self.string(text, &at.field("text"))?),
            Ok(kind::Data(data)) => ModuleKind::Data(self.bytes(data, &at.field("data"))?),
            Ok(kind::Wasm(data)) => ModuleKind::Wasm(self.bytes(data, &at.field("wasm"))?),
            Ok(kind::Json(text)) => ModuleKind::Json(self.string(text, &at.field("json"))?),
            // Have been refused.
            Ok(_) => return None,
            Err(_) => return self.newer(at),
        };
        if !at.is_incomplete() && !module_is_set(module) {
            self.error_with_help(
                at,
                format!("the module `{name}` has no content"),
                "set one of `esModule`, `commonJsModule`, `text`, `data`, `wasm`, `json`",
            );
            return None;
        }
        Some(Module { name, kind })
    }

    fn bytes(&mut self, result: capnp::Result<&[u8]>, at: &Cursor<'_>) -> Option<Bytes> {
        self.intact(result, at).map(Bytes::copy_from_slice)
    }

    fn binding(
        &mut self,
        binding: worker::binding::Reader<'_>,
        at: &Cursor<'_>,
        names: &mut HashSet<String>,
        service_worker: bool,
    ) -> Option<Binding> {
        use worker::binding as kind;
        self.refuse_others(binding, at, &["name", "unspecified", "text", "data", "json", "wasmModule"]);
        let name_at = at.field("name");
        let name = self.string(binding.get_name(), &name_at)?;
        if name.is_empty() {
            if !at.is_incomplete() {
                self.error(&name_at, "a binding needs a `name`");
            }
        } else if !names.insert(name.clone()) {
            self.error(&name_at, format!("there is already a binding `{name}`"));
        }
        let value = match binding.which() {
            Ok(kind::Text(text)) => BindingValue::Text(self.string(text, &at.field("text"))?),
            Ok(kind::Data(data)) => BindingValue::Data(self.bytes(data, &at.field("data"))?),
            Ok(kind::Json(text)) => {
                let json_at = at.field("json");
                let json = self.string(text, &json_at)?;
                self.json(&json, &json_at);
                BindingValue::Json(json)
            }
            Ok(kind::WasmModule(data)) => {
                let wasm_at = at.field("wasmModule");
                if !service_worker {
                    self.reporter.error_with_help(
                        wasm_at.name_place(),
                        "a `wasmModule` binding is for service-worker syntax only",
                        "make it a module: (name = \"…\", wasm = embed \"…\")",
                    );
                }
                BindingValue::WasmModule(self.bytes(data, &wasm_at)?)
            }
            Ok(kind::Unspecified(())) => {
                if !at.is_incomplete() {
                    self.error_with_help(
                        at,
                        format!("binding \"{name}\" does not specify any binding value"),
                        "set one of `text`, `data`, `json`",
                    );
                }
                return None;
            }
            // Have been refused.
            Ok(_) => return None,
            Err(_) => return self.newer(at),
        };
        Some(Binding { name, value })
    }

    fn json(&mut self, text: &str, at: &Cursor<'_>) {
        if let Err(error) = serde_json::from_str::<&serde_json::value::RawValue>(text) {
            self.error(at, format!("this is not valid JSON: {error}"));
        }
    }

    fn socket(
        &mut self,
        socket: socket::Reader<'_>,
        at: &Cursor<'_>,
        names: &mut HashSet<String>,
        services_complete: bool,
    ) -> Option<Socket> {
        self.refuse_others(socket, at, &["name", "address", "http", "service"]);
        let name_at = at.field("name");
        let name = self.string(socket.get_name(), &name_at)?;
        if name.is_empty() {
            if !at.is_incomplete() {
                self.error(&name_at, "a socket needs a `name`");
            }
        } else if !names.insert(name.clone()) {
            self.error(&name_at, format!("there is already a socket `{name}`"));
        }
        let address_at = at.field("address");
        let address = if socket.has_address() { Some(self.string(socket.get_address(), &address_at)?) } else { None };
        if address.as_deref() == Some("") && !address_at.is_incomplete() {
            self.error_with_help(
                &address_at,
                "this address is empty",
                "leave it out to give it with --socket-addr or --socket-fd",
            );
        }
        let http_at = at.field("http");
        let http = match socket.which() {
            Ok(socket::Http(options)) => {
                let options = self.intact(options, &http_at)?;
                self.http(options, &http_at)
            }
            // Have been refused.
            Ok(_) => None,
            Err(_) => self.newer(at),
        };
        let service_at = at.field("service");
        if !socket.has_service() {
            if !at.is_incomplete() && !service_at.is_incomplete() {
                self.error(at, "the socket does not say which `service` answers");
            }
            return None;
        }
        let designator = self.intact(socket.get_service(), &service_at)?;
        let service = self.designator(designator, &name, &service_at, services_complete)?;
        Some(Socket { name, address, http: http?, service })
    }

    fn designator(
        &mut self,
        designator: service_designator::Reader<'_>,
        socket: &str,
        at: &Cursor<'_>,
        services_complete: bool,
    ) -> Option<Designator> {
        self.refuse_others(designator, at, &["name", "entrypoint", "props"]);
        let name_at = at.field("name");
        let name = self.string(designator.get_name(), &name_at)?;
        let service = self.services.get(&name).copied();
        if name.is_empty() {
            if !at.is_incomplete() {
                self.error(&name_at, "this does not name a service");
            }
        } else if service.is_none() && services_complete {
            let message =
                format!("Socket \"{socket}\" refers to a service \"{name}\", but no such service is defined.");
            match nearest(&name, self.services.keys().map(String::as_str)).map(str::to_owned) {
                Some(meant) => self.error_with_help(&name_at, message, format!("did you mean `{meant}`?")),
                None => self.error(&name_at, message),
            }
        }
        let entrypoint_at = at.field("entrypoint");
        let entrypoint = if designator.has_entrypoint() {
            Some(self.string(designator.get_entrypoint(), &entrypoint_at)?)
        } else {
            None
        };
        if entrypoint.as_deref() == Some("") && !entrypoint_at.is_incomplete() {
            self.error_with_help(&entrypoint_at, "this entrypoint has no name", "leave it out for the default export");
        }
        let props_at = at.field("props");
        let props_json = match designator.get_props().which() {
            Ok(service_designator::props::Empty(())) => None,
            Ok(service_designator::props::Json(json)) => {
                let json_at = props_at.field("json");
                let json = self.string(json, &json_at)?;
                if !json_at.is_incomplete() {
                    self.json(&json, &json_at);
                }
                Some(json)
            }
            Err(_) => return self.newer(&props_at),
        };
        Some(Designator { service: service?, entrypoint, props_json })
    }

    fn http(&mut self, options: http_options::Reader<'_>, at: &Cursor<'_>) -> Option<HttpOptions> {
        self.refuse_others(
            options,
            at,
            &["style", "forwardedProtoHeader", "cfBlobHeader", "injectRequestHeaders", "injectResponseHeaders"],
        );
        let style = match options.get_style() {
            Ok(http_options::Style::Host) => Some(HttpStyle::Host),
            Ok(http_options::Style::Proxy) => Some(HttpStyle::Proxy),
            Err(_) => self.newer(&at.field("style")),
        };
        // `None` for one that is wrong, `Some(None)` for none.
        let forwarded_proto_header = match options.has_forwarded_proto_header() {
            true => self.header_name(options.get_forwarded_proto_header(), &at.field("forwardedProtoHeader")).map(Some),
            false => Some(None),
        };
        let cf_blob_header = match options.has_cf_blob_header() {
            true => self.header_name(options.get_cf_blob_header(), &at.field("cfBlobHeader")).map(Some),
            false => Some(None),
        };
        let request_at = at.field("injectRequestHeaders");
        let request = self.intact(options.get_inject_request_headers(), &request_at);
        let inject_request_headers = request.and_then(|headers| self.injections(headers, &request_at));
        let response_at = at.field("injectResponseHeaders");
        let response = self.intact(options.get_inject_response_headers(), &response_at);
        let inject_response_headers = response.and_then(|headers| self.injections(headers, &response_at));
        Some(HttpOptions {
            style: style?,
            forwarded_proto_header: forwarded_proto_header?,
            cf_blob_header: cf_blob_header?,
            inject_request_headers: inject_request_headers?,
            inject_response_headers: inject_response_headers?,
        })
    }

    fn injections(
        &mut self,
        headers: struct_list::Reader<'_, http_options::header::Owned>,
        at: &Cursor<'_>,
    ) -> Option<Vec<HeaderInjection>> {
        let list: Vec<Option<HeaderInjection>> = (0..headers.len())
            .map(|index| {
                let (header, at) = (headers.get(index), at.index(index));
                if at.is_incomplete() {
                    return None;
                }
                self.refuse_others(header, &at, &["name", "value"]);
                let name = self.header_name(header.get_name(), &at.field("name"))?;
                let value_at = at.field("value");
                let value = if header.has_value() {
                    let text = self.string(header.get_value(), &value_at)?;
                    match http::HeaderValue::from_bytes(text.as_bytes()) {
                        Ok(value) => Some(value),
                        Err(_) => {
                            self.error(&value_at, "this cannot be the value of a header: it has control characters");
                            return None;
                        }
                    }
                } else {
                    None
                };
                Some(HeaderInjection { name, value })
            })
            .collect();
        list.into_iter().collect()
    }

    fn header_name(&mut self, text: capnp::Result<text::Reader<'_>>, at: &Cursor<'_>) -> Option<http::HeaderName> {
        let name = self.string(text, at)?;
        match http::HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Some(name),
            Err(_) if at.is_incomplete() => None,
            Err(_) => {
                self.error(at, format!("`{name}` cannot be the name of a header"));
                None
            }
        }
    }
}

/// Whether a module says what it is. The first kind is what an empty message says too, so its pointer is looked at.
fn module_is_set(module: worker::module::Reader<'_>) -> bool {
    match module.which() {
        Ok(worker::module::EsModule(_)) => module.has_es_module(),
        _ => true,
    }
}

/// Whether a field of a struct has another value than it has when nobody sets it. An empty list counts as not set, a
/// struct without content as set.
fn is_set(reader: &dynamic_struct::Reader<'_>, one: Field) -> capnp::Result<bool> {
    if in_union(one) {
        let active = reader.which()?.is_some_and(|active| active.get_index() == one.get_index());
        if !active {
            return Ok(false);
        }
        // The first alternative is what an empty message says too.
        if one.get_proto().get_discriminant_value() != 0 {
            return Ok(true);
        }
    }
    match one.get_proto().which()? {
        field::Group(_) => {
            let dynamic_value::Reader::Struct(group) = reader.get(one)? else { return Ok(false) };
            for inner in group.get_schema().get_fields()? {
                if is_set(&group, inner)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        field::Slot(slot) => {
            if one.get_type().is_pointer_type() {
                if !reader.has(one)? {
                    return Ok(false);
                }
                return Ok(match reader.get(one)? {
                    dynamic_value::Reader::List(list) => !list.is_empty(),
                    _ => true,
                });
            }
            let default = dynamic_value::Reader::new(slot.get_default_value()?, one.get_type())?;
            Ok(!same_scalar(reader.get(one)?, default) && !matches!(one.get_type().which(), TypeVariant::Void))
        }
    }
}

fn same_scalar(left: dynamic_value::Reader<'_>, right: dynamic_value::Reader<'_>) -> bool {
    use dynamic_value::Reader;
    match (left, right) {
        (Reader::Void, Reader::Void) => true,
        (Reader::Bool(left), Reader::Bool(right)) => left == right,
        (Reader::Int8(left), Reader::Int8(right)) => left == right,
        (Reader::Int16(left), Reader::Int16(right)) => left == right,
        (Reader::Int32(left), Reader::Int32(right)) => left == right,
        (Reader::Int64(left), Reader::Int64(right)) => left == right,
        (Reader::UInt8(left), Reader::UInt8(right)) => left == right,
        (Reader::UInt16(left), Reader::UInt16(right)) => left == right,
        (Reader::UInt32(left), Reader::UInt32(right)) => left == right,
        (Reader::UInt64(left), Reader::UInt64(right)) => left == right,
        (Reader::Float32(left), Reader::Float32(right)) => left.to_bits() == right.to_bits(),
        (Reader::Float64(left), Reader::Float64(right)) => left.to_bits() == right.to_bits(),
        (Reader::Enum(left), Reader::Enum(right)) => left.get_value() == right.get_value(),
        _ => false,
    }
}
