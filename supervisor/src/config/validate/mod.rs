//! From a message to the model: every rule that needs no tenant code to run.
//!
//! One file for each struct of the schema. What has no behaviour yet is refused, by one function (`set.rs`) that looks at all
//! fields a message sets and knows only the names of those that are taken care of. A field that is added to the schema is therefore refused until somebody takes
//! care of it.
//!
//! Where the reference has a sentence for what is wrong, that sentence is the message, so that whoever knows or searches
//! for it finds it; where and what to do about it is added.

mod bindings;
mod designators;
mod durable_objects;
mod extensions;
mod modules;
mod policy;
mod services;
mod set;
mod sockets;
mod tls;
mod workers;

use std::collections::{HashMap, HashSet};

use bulkhead_ipc::{compatibility::Date, policy_capnp, workerd_capnp as schema};
use bytes::Bytes;
use capnp::{text, text_list};

use self::policy::Policies;
use super::{
    diagnostics::{Reporter, nearest},
    model::{Config, Service, Socket},
    position::Cursor,
};

/// What the rules depend on besides the message.
pub(crate) struct Rules {
    /// Whether experimental features are allowed.
    pub(crate) experimental: bool,
    /// The date in UTC.
    pub(crate) today: Date,
    /// What stands for the compatibility date that no worker has.
    pub(crate) compat_date: Option<String>,
    /// Whether what is not there yet is a warning.
    pub(crate) lenient: bool,
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
    let mut validator = Validator {
        rules,
        reporter,
        services: HashMap::new(),
        namespaces: HashMap::new(),
        disks: HashMap::new(),
        services_complete: true,
        policies: Policies::default(),
        option_is_wrong: false,
    };
    let config = validator.config(config, root, policy);
    if reporter.has_errors() { None } else { config }
}

struct Validator<'a> {
    rules: &'a Rules,
    reporter: &'a mut Reporter,
    services: HashMap<String, usize>,
    /// The namespaces of Durable Objects that each service has, by their classes, and whether each is ephemeral.
    namespaces: HashMap<String, HashMap<String, bool>>,
    /// The services that are directories, and whether each can be written to.
    disks: HashMap<String, bool>,
    /// Whether all names of services could be read.
    services_complete: bool,
    policies: Policies,
    /// Whether an option says of all workers what cannot be.
    option_is_wrong: bool,
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

    /// Something will fail when it is used.
    fn warning(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        let message = self.located(at, message.into());
        self.reporter.warning(at.name_place(), message);
    }

    /// Refuses what only the option `--experimental` allows, in the reference's words: `what` such as "Memory cache bindings are".
    fn experimental(&mut self, at: &Cursor<'_>, what: &str) -> Option<()> {
        if self.rules.experimental {
            return Some(());
        }
        self.reporter.error_with_help(
            at.name_place(),
            format!("{what} an experimental feature which may change or go away in the future."),
            "give the option --experimental to use it",
        );
        None
    }

    fn unsupported(&mut self, at: &Cursor<'_>) {
        if self.rules.lenient {
            return self.reporter.warning(at.name_place(), format!("`{at}` is not supported yet, and left out"));
        }
        self.refused(at);
    }

    fn refused(&mut self, at: &Cursor<'_>) {
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

    fn config(
        &mut self,
        config: schema::config::Reader<'_>,
        at: &Cursor<'_>,
        policy: Option<Policy<'_>>,
    ) -> Option<Config> {
        self.refuse_others(
            config,
            at,
            &["services", "sockets", "v8Flags", "extensions", "autogates", "structuredLogging", "logging"],
        );

        let services_at = at.field("services");
        let services = self.intact(config.get_services(), &services_at)?;
        self.services_complete = !services_at.is_incomplete();
        self.service_names(services, &services_at);
        self.namespace_names(services);
        if let Some((policy, policy_at)) = policy {
            self.policies = self.policies(policy, &policy_at, config, at).unwrap_or_default();
        }
        let services: Vec<Option<Service>> =
            (0..services.len()).map(|index| self.service(services.get(index), &services_at.index(index))).collect();

        let sockets_at = at.field("sockets");
        let sockets = self.intact(config.get_sockets(), &sockets_at)?;
        let mut socket_names = HashSet::new();
        let sockets: Vec<Option<Socket>> = (0..sockets.len())
            .filter_map(|index| {
                let (socket, socket_at) = (sockets.get(index), sockets_at.index(index));
                if self.is_not_opened(socket, &socket_at) {
                    return None;
                }
                let socket = self.socket(socket, &socket_at, &mut socket_names);
                if let Some(socket) = &socket {
                    self.entrypoint_of_worker(socket, &services, &socket_at.field("service"));
                }
                Some(socket)
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
        let gates_at = at.field("autogates");
        let gates = self.strings(config.get_autogates(), &gates_at)?;
        for (index, gate) in (0..).zip(&gates) {
            self.warning(&gates_at.index(index), format!("there is no autogate `{gate}`: it changes nothing"));
        }
        let structured_logging = self.structured_logging(config, at);
        let extensions_at = at.field("extensions");
        let extensions = self.intact(config.get_extensions(), &extensions_at)?;
        let extensions = self.extensions(extensions, &extensions_at);
        let mut services = services.into_iter().collect::<Option<Vec<_>>>()?;
        services.extend(self.implicit_internet());
        self.implicit_cache(&mut services);
        Some(Config {
            services,
            sockets: sockets.into_iter().collect::<Option<_>>()?,
            v8_flags,
            extensions: extensions?.into(),
            structured_logging: structured_logging?,
        })
    }

    /// `logging`, or what stood for it before.
    fn structured_logging(&mut self, config: schema::config::Reader<'_>, at: &Cursor<'_>) -> Option<bool> {
        if !config.has_logging() {
            return Some(config.get_structured_logging());
        }
        let logging_at = at.field("logging");
        let logging = self.intact(config.get_logging(), &logging_at)?;
        self.refuse_others(logging, &logging_at, &["structuredLogging", "stdoutPrefix", "stderrPrefix"]);
        for (field, is_set) in
            [("stdoutPrefix", logging.has_stdout_prefix()), ("stderrPrefix", logging.has_stderr_prefix())]
        {
            if is_set {
                let text = "`process.stdout` and `process.stderr` are not supported yet, whose lines begin with this";
                self.warning(&logging_at.field(field), text);
            }
        }
        Some(logging.get_structured_logging() || config.get_structured_logging())
    }

    /// A union says something that this schema does not know.
    fn newer<T>(&mut self, at: &Cursor<'_>) -> Option<T> {
        self.error(at, "this was made for a newer schema: it is of a kind that this release does not know");
        None
    }

    fn bytes(&mut self, result: capnp::Result<&[u8]>, at: &Cursor<'_>) -> Option<Bytes> {
        self.intact(result, at).map(Bytes::copy_from_slice)
    }

    fn json(&mut self, text: &str, at: &Cursor<'_>) {
        if let Err(error) = serde_json::from_str::<&serde_json::value::RawValue>(text) {
            self.error(at, format!("this is not valid JSON: {error}"));
        }
    }
}
