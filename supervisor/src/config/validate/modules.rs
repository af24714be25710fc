//! The modules of a worker.

use std::collections::HashSet;

use bulkhead_ipc::workerd_capnp::worker;
use capnp::struct_list;

use super::Validator;
use crate::config::{
    model::{Module, ModuleKind, WorkerSource},
    position::Cursor,
};

/// What is taken care of here.
const KNOWN: [&str; 10] = [
    "name",
    "esModule",
    "commonJsModule",
    "text",
    "data",
    "wasm",
    "json",
    "pythonModule",
    "obsoletePythonRequirement",
    "namedExports",
];

impl Validator<'_> {
    pub(super) fn modules(
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
        let list: Vec<Option<Module>> = (0..modules.len())
            .map(|index| self.module(modules.get(index), &at.index(index), &mut names, index == 0))
            .collect();
        let main_at = at.index(0);
        let is_script = |first: &Option<Module>| {
            first.as_ref().is_none_or(|first| matches!(first.kind, ModuleKind::EsModule(_) | ModuleKind::Python))
        };
        if !list.first().is_none_or(is_script) && !main_at.is_incomplete() {
            self.error(&main_at, "Main module must be an ES module.");
        }
        Some(WorkerSource::Modules(list.into_iter().collect::<Option<_>>()?))
    }

    fn module(
        &mut self,
        module: worker::module::Reader<'_>,
        at: &Cursor<'_>,
        names: &mut HashSet<String>,
        is_main: bool,
    ) -> Option<Module> {
        use worker::module as kind;
        // In a worker of its own it is that which fails.
        let bundled = (self.rules.lenient && !is_main).then_some("bundled");
        let known: Vec<&str> = KNOWN.into_iter().chain(bundled).collect();
        self.refuse_others(module, at, &known);
        if let Ok(kind::ObsoletePythonRequirement(_)) = module.which()
            && !self.rules.lenient
        {
            self.unsupported(&at.field("obsoletePythonRequirement"));
        }
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
            // A service that does not start fails alone.
            Ok(kind::PythonModule(_) | kind::ObsoletePythonRequirement(_)) if self.rules.lenient => {
                self.warning(at, format!("the module `{name}` is written in Python: its worker does not start"));
                ModuleKind::Python
            }
            Ok(kind::PythonModule(_)) => {
                self.reporter.error_with_help(
                    at.field("pythonModule").name_place(),
                    format!("the module `{name}` is written in Python, and there are no workers in Python here"),
                    "write it in JavaScript, or compile it to WebAssembly (`wasm`)",
                );
                return None;
            }
            // Whoever imports it is told.
            Ok(kind::Bundled(_)) if self.rules.lenient && !is_main => {
                let reason =
                    format!("the module `{name}` is one of those that come with workerd, which are not supported yet");
                self.warning(at, format!("{reason}: importing it fails"));
                ModuleKind::EsModule(format!("throw new Error({})", serde_json::Value::from(reason)))
            }
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
}

/// Whether a module says what it is. The first kind is what an empty message says too, so its pointer is looked at.
fn module_is_set(module: worker::module::Reader<'_>) -> bool {
    match module.which() {
        Ok(worker::module::EsModule(_)) => module.has_es_module(),
        _ => true,
    }
}
