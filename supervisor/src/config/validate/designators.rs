//! Designators: which service, which part of it, with which parameters.

use bulkhead_ipc::workerd_capnp::service_designator;

use super::{Validator, services::INTERNET};
use crate::config::{
    diagnostics::nearest,
    model::{Designator, ServiceId},
    position::Cursor,
};

impl Validator<'_> {
    /// Which service is meant by `whose`, such as `Socket "http"`.
    pub(super) fn designator(
        &mut self,
        designator: service_designator::Reader<'_>,
        whose: &str,
        at: &Cursor<'_>,
    ) -> Option<Designator> {
        self.refuse_others(designator, at, &["name", "entrypoint", "props"]);
        let name_at = at.field("name");
        let name = self.string(designator.get_name(), &name_at)?;
        let exists = self.services.contains_key(&name) || name == INTERNET || self.is_cache(&name);
        let service = exists.then(|| ServiceId::named(&name));
        if name.is_empty() {
            if !at.is_incomplete() {
                self.error(&name_at, "this does not name a service");
            }
        } else if service.is_none() && self.services_complete {
            let message = format!("{whose} refers to a service \"{name}\", but no such service is defined.");
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
}
