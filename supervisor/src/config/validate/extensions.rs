//! Extensions: modules that workers can import beside their own.

use std::collections::HashSet;

use bulkhead_ipc::workerd_capnp::extension;
use capnp::struct_list;

use super::Validator;
use crate::config::{model::ExtensionModule, position::Cursor};

impl Validator<'_> {
    pub(super) fn extensions(
        &mut self,
        extensions: struct_list::Reader<'_, extension::Owned>,
        at: &Cursor<'_>,
    ) -> Option<Vec<ExtensionModule>> {
        // Modules of a kind have names of their own; an internal one may be called as one that is not.
        let mut names = HashSet::new();
        let mut found = Vec::new();
        for index in 0..extensions.len() {
            let (extension, extension_at) = (extensions.get(index), at.index(index));
            self.refuse_others(extension, &extension_at, &["modules"]);
            let modules_at = extension_at.field("modules");
            let modules = self.intact(extension.get_modules(), &modules_at)?;
            for index in 0..modules.len() {
                found.push(self.extension_module(modules.get(index), &modules_at.index(index), &mut names));
            }
        }
        found.into_iter().collect()
    }

    fn extension_module(
        &mut self,
        module: extension::module::Reader<'_>,
        at: &Cursor<'_>,
        names: &mut HashSet<(bool, String)>,
    ) -> Option<ExtensionModule> {
        self.refuse_others(module, at, &["name", "internal", "esModule"]);
        let name_at = at.field("name");
        let name = self.string(module.get_name(), &name_at)?;
        if name.is_empty() {
            if !at.is_incomplete() {
                self.error(&name_at, "a module needs a `name`");
            }
            return None;
        }
        let Some(path) = path(&name) else {
            self.error(&name_at, format!("the name \"{name}\" leads out of what names of modules are relative to"));
            return None;
        };
        if !names.insert((module.get_internal(), path)) {
            self.error(&name_at, format!("Module \"{name}\" is in the extensions already"));
        }
        if !module.has_es_module() && !at.is_incomplete() {
            self.error_with_help(at, format!("the module `{name}` has no content"), "set `esModule`");
            return None;
        }
        let source = self.string(module.get_es_module(), &at.field("esModule"))?;
        Some(ExtensionModule { name, internal: module.get_internal(), source })
    }
}

/// A name in its shortest form; `None` if it leads out of the root, or nowhere.
fn path(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
