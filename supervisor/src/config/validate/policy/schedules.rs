//! From a `Policy` message to the schedules of workers, and to the sockets where handlers can be called as schedules call them.

use bulkhead_ipc::policy_capnp::policy;
use capnp::struct_list;

use super::{
    HashMap, HashSet, Policies, Validator, nearest,
    schema::{self, service},
};
use crate::{
    config::{model::MAX_SCHEDULES, position::Cursor},
    schedule::Expression,
};

impl Policies {
    /// When the worker called `name` runs.
    pub(in crate::config::validate) fn schedules_of(&self, name: &str) -> Vec<Expression> {
        self.schedules.get(name).cloned().unwrap_or_default()
    }

    /// Whether handlers can be called through the socket called `name`.
    pub(in crate::config::validate) fn has_handler_paths(&self, name: &str) -> bool {
        self.handler_paths.contains(name)
    }
}

impl Validator<'_> {
    pub(super) fn schedules(
        &mut self,
        policy: policy::Reader<'_>,
        at: &Cursor<'_>,
        services: struct_list::Reader<'_, service::Owned>,
        complete: bool,
    ) -> Option<HashMap<String, Vec<Expression>>> {
        let list_at = at.field("schedules");
        let list = self.intact(policy.get_schedules(), &list_at)?;
        let (mut names, mut schedules) = (HashSet::new(), HashMap::new());
        for index in 0..list.len() {
            let (entry, at) = (list.get(index), list_at.index(index));
            self.refuse_others(entry, &at, &["worker", "crons"]);
            let crons_at = at.field("crons");
            let texts = self.strings(entry.get_crons(), &crons_at)?;
            let expressions = self.expressions(&texts, &crons_at);
            let name_at = at.field("worker");
            let name = self.string(entry.get_worker(), &name_at)?;
            if name.is_empty() {
                if !at.is_incomplete() {
                    self.error(&name_at, "this needs the name of a `worker`");
                }
            } else if !names.insert(name.clone()) {
                self.error(&name_at, format!("`{name}` has schedules already"));
            } else {
                self.worker_exists(&name, &name_at, services, complete);
                schedules.insert(name, expressions);
            }
        }
        Some(schedules)
    }

    fn expressions(&mut self, texts: &[String], at: &Cursor<'_>) -> Vec<Expression> {
        if texts.len() > MAX_SCHEDULES as usize {
            self.error(at, format!("a worker has at most {MAX_SCHEDULES} schedules, and these are {}", texts.len()));
            return Vec::new();
        }
        let mut expressions: Vec<Expression> = Vec::new();
        for (index, text) in (0..).zip(texts) {
            let at = at.index(index);
            match text.parse() {
                Ok(_) if expressions.iter().any(|other| other.text() == text) => {
                    self.error(&at, format!("the schedule `{text}` is there twice"));
                }
                Ok(expression) => expressions.push(expression),
                Err(_) if at.is_incomplete() => {}
                Err(error) => self.error_with_help(
                    &at,
                    format!("`{text}` is not a schedule: {error}"),
                    "for example `*/30 * * * *`; docs/schedules.md has the whole language",
                ),
            }
        }
        expressions
    }

    pub(super) fn socket_permissions(
        &mut self,
        policy: policy::Reader<'_>,
        at: &Cursor<'_>,
        config: schema::config::Reader<'_>,
        config_at: &Cursor<'_>,
    ) -> Option<HashSet<String>> {
        let list_at = at.field("sockets");
        let list = self.intact(policy.get_sockets(), &list_at)?;
        if list.is_empty() {
            return Some(HashSet::new());
        }
        let sockets_at = config_at.field("sockets");
        let sockets = self.intact(config.get_sockets(), &sockets_at)?;
        let text = |name: capnp::Result<capnp::text::Reader<'_>>| name.ok().and_then(|name| name.to_string().ok());
        let sockets: Vec<String> = sockets.iter().filter_map(|socket| text(socket.get_name())).collect();
        let (mut names, mut permitted) = (HashSet::new(), HashSet::new());
        for index in 0..list.len() {
            let (entry, at) = (list.get(index), list_at.index(index));
            self.refuse_others(entry, &at, &["name", "handlerPaths"]);
            let paths_at = at.field("handlerPaths");
            if entry.get_handler_paths() && !self.rules.experimental {
                self.reporter.error_with_help(
                    paths_at.name_place(),
                    "`handlerPaths` is experimental",
                    "give the option --experimental, on a machine where whoever reaches the socket may run the handlers",
                );
            }
            let name_at = at.field("name");
            let name = self.string(entry.get_name(), &name_at)?;
            if name.is_empty() {
                if !at.is_incomplete() {
                    self.error(&name_at, "this needs the `name` of a socket");
                }
            } else if !names.insert(name.clone()) {
                self.error(&name_at, format!("`{name}` has permissions already"));
            } else if !sockets.contains(&name) && !sockets_at.is_incomplete() {
                let message = format!("there is no socket `{name}` in the configuration");
                match nearest(&name, sockets.iter().map(String::as_str)).map(str::to_owned) {
                    Some(meant) => self.error_with_help(&name_at, message, format!("did you mean `{meant}`?")),
                    None => self.error(&name_at, message),
                }
            } else if entry.get_handler_paths() {
                permitted.insert(name);
            }
        }
        Some(permitted)
    }
}
