//! Services by their names, and what each is.

use std::{collections::hash_map::Entry, sync::Arc};

use bulkhead_ipc::workerd_capnp::{external_server, network, service, worker};
use capnp::{struct_list, text};

use super::{Validator, tls::TlsRole};
use crate::{
    config::{
        model::{
            Broken, Disk, External, ExternalKind, ExternalTls, Network, Service, ServiceId, ServiceKind, TlsOptions,
        },
        position::Cursor,
    },
    net::{
        peers::{PeerFilter, RuleError},
        tls::client::server_name,
    },
};

/// The service that is there without being configured, unless another one has its name: what the internet is to workers.
pub(super) const INTERNET: &str = "internet";

/// What [`INTERNET`] may connect to.
const DEFAULT_ALLOW: &str = "public";

impl Validator<'_> {
    pub(super) fn service_names(&mut self, services: struct_list::Reader<'_, service::Owned>, at: &Cursor<'_>) {
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

    /// A service. Where tests are to be run, one that is wrong fails what needs it, and nothing else.
    pub(super) fn service(&mut self, service: service::Reader<'_>, at: &Cursor<'_>) -> Option<Service> {
        let mark = self.reporter.mark();
        let read = self.service_of_a_kind(service, at);
        let is_kind = !matches!(service.which(), Ok(service::Unspecified(())));
        if !self.rules.lenient || !is_kind || self.option_is_wrong {
            return read;
        }
        let name = service.get_name().ok()?.to_str().ok()?;
        match self.reporter.excuse(mark, &format!("the service `{name}` does not work: what needs it fails")) {
            None => read,
            Some(reason) => {
                let broken = Broken { reason: reason.into(), is_worker: has_code(service) };
                Some(Service { id: ServiceId::named(name), kind: ServiceKind::Broken(broken) })
            }
        }
    }

    fn service_of_a_kind(&mut self, service: service::Reader<'_>, at: &Cursor<'_>) -> Option<Service> {
        let name = service.get_name().ok()?.to_str().ok()?.to_owned();
        self.refuse_others(service, at, &["name", "worker", "network", "external", "disk", "unspecified"]);
        let worker_at = at.field("worker");
        match service.which() {
            Ok(service::Worker(worker)) => {
                let worker = self.intact(worker, &worker_at)?;
                let mut worker = self.worker(worker, &name, &worker_at, self.policies.of(&name))?;
                worker.schedules = self.policies.schedules_of(&name);
                Some(Service { id: ServiceId::named(&name), kind: ServiceKind::Worker(Arc::new(worker)) })
            }
            Ok(service::Network(network)) => {
                let network_at = at.field("network");
                let network = self.intact(network, &network_at)?;
                let network = self.network(network, &network_at)?;
                Some(Service { id: ServiceId::named(&name), kind: ServiceKind::Network(Arc::new(network)) })
            }
            Ok(service::External(external)) => {
                let external_at = at.field("external");
                let external = self.intact(external, &external_at)?;
                let external = self.external(external, &external_at)?;
                Some(Service { id: ServiceId::named(&name), kind: ServiceKind::External(Arc::new(external)) })
            }
            Ok(service::Disk(disk)) => {
                let disk_at = at.field("disk");
                let disk = self.intact(disk, &disk_at)?;
                self.refuse_others(disk, &disk_at, &["path", "writable", "allowDotfiles"]);
                let path = self.string(disk.get_path(), &disk_at.field("path"))?;
                // As in the reference, no path is the same as an empty one.
                let path = (!path.is_empty()).then(|| path.into());
                let disk = Disk { path, writable: disk.get_writable(), allow_dotfiles: disk.get_allow_dotfiles() };
                Some(Service { id: ServiceId::named(&name), kind: ServiceKind::Disk(disk) })
            }
            Ok(service::Unspecified(())) => {
                if !at.is_incomplete() {
                    self.error_with_help(
                        at,
                        format!("the service `{name}` does not say what it is"),
                        "set one of its fields `worker`, `network`, `external` and `disk`",
                    );
                }
                None
            }
            Ok(_) => None,
            Err(_) => self.newer(at),
        }
    }

    fn network(&mut self, network: network::Reader<'_>, at: &Cursor<'_>) -> Option<Network> {
        self.refuse_others(network, at, &["allow", "deny", "tlsOptions"]);
        let tls_at = at.field("tlsOptions");
        let tls = match network.has_tls_options() {
            true => {
                let tls = self.intact(network.get_tls_options(), &tls_at);
                tls.and_then(|tls| self.tls(tls, &tls_at, TlsRole::Client)).map(Some)
            }
            false => Some(None),
        };
        let allow_at = at.field("allow");
        let allow = self.strings(network.get_allow(), &allow_at);
        let deny_at = at.field("deny");
        let deny = self.strings(network.get_deny(), &deny_at);
        let (allow, deny) = (allow?, deny?);
        // One by one, to say which.
        let mut sound = true;
        for (index, rule) in (0..).zip(&allow) {
            sound &= self.rule(PeerFilter::new([rule.as_str()], []), &allow_at.index(index));
        }
        for (index, rule) in (0..).zip(&deny) {
            sound &= self.rule(PeerFilter::new([], [rule.as_str()]), &deny_at.index(index));
        }
        if !sound {
            return None;
        }
        let peers = PeerFilter::new(allow.iter().map(String::as_str), deny.iter().map(String::as_str)).ok()?;
        Some(Network { peers, tls: tls? })
    }

    fn rule(&mut self, read: Result<PeerFilter, RuleError>, at: &Cursor<'_>) -> bool {
        match read {
            Ok(_) => true,
            Err(_) if at.is_incomplete() => false,
            Err(error) => {
                let help = "a rule is a range such as `10.0.0.0/8`, or one of `public`, `private`, `local`, `network`, \
                            `unix` and `unix-abstract`";
                self.error_with_help(at, error.to_string(), help);
                false
            }
        }
    }

    fn external(&mut self, external: external_server::Reader<'_>, at: &Cursor<'_>) -> Option<External> {
        self.refuse_others(external, at, &["address", "http", "https", "tcp"]);
        let address = match external.has_address() {
            true => Some(self.string(external.get_address(), &at.field("address"))?),
            false => None,
        };
        match external.which() {
            Ok(external_server::Http(options)) => {
                let http_at = at.field("http");
                let options = self.intact(options, &http_at)?;
                let kind = ExternalKind::Http(self.http(options, &http_at)?);
                Some(External { address, kind, tls: None })
            }
            Ok(external_server::Https(https)) => {
                let https_at = at.field("https");
                self.refuse_others(https, &https_at, &["options", "tlsOptions", "certificateHost"]);
                let options_at = https_at.field("options");
                let options = self.intact(https.get_options(), &options_at);
                let http = options.and_then(|options| self.http(options, &options_at));
                let tls_at = https_at.field("tlsOptions");
                let tls = self.intact(https.get_tls_options(), &tls_at);
                let tls = tls.and_then(|tls| self.tls(tls, &tls_at, TlsRole::Client));
                let certificate_host = match https.has_certificate_host() {
                    true => Some(self.certificate_host(https.get_certificate_host(), &https_at)?),
                    false => None,
                };
                let tls = Some(ExternalTls { options: tls?, certificate_host });
                Some(External { address, kind: ExternalKind::Http(http?), tls })
            }
            Ok(external_server::Tcp(tcp)) => {
                let tcp_at = at.field("tcp");
                self.refuse_others(tcp, &tcp_at, &["tlsOptions", "certificateHost"]);
                let certificate_host = match tcp.has_certificate_host() {
                    true => Some(self.certificate_host(tcp.get_certificate_host(), &tcp_at)?),
                    false => None,
                };
                let tls = match tcp.has_tls_options() {
                    true => {
                        let tls_at = tcp_at.field("tlsOptions");
                        let options = self.intact(tcp.get_tls_options(), &tls_at)?;
                        let options = self.tls(options, &tls_at, TlsRole::Client)?;
                        Some(ExternalTls { options, certificate_host })
                    }
                    false if certificate_host.is_some() => {
                        self.error(&tcp_at.field("certificateHost"), "without `tlsOptions` there are no certificates");
                        return None;
                    }
                    false => None,
                };
                Some(External { address, kind: ExternalKind::Tcp, tls })
            }
            Err(_) => self.newer(at),
        }
    }

    fn certificate_host(&mut self, text: capnp::Result<text::Reader<'_>>, at: &Cursor<'_>) -> Option<String> {
        let at = at.field("certificateHost");
        let host = self.string(text, &at)?;
        match server_name(&host) {
            Ok(_) => Some(host),
            Err(_) if at.is_incomplete() => None,
            Err(error) => {
                self.error(&at, error.to_string());
                None
            }
        }
    }

    /// The service [`INTERNET`], if no other has its name.
    pub(super) fn implicit_internet(&self) -> Option<Service> {
        if self.services.contains_key(INTERNET) {
            return None;
        }
        let peers = PeerFilter::new([DEFAULT_ALLOW], []).ok()?;
        let network = Network { peers, tls: Some(TlsOptions { trust_browser_cas: true, ..TlsOptions::default() }) };
        Some(Service { id: ServiceId::named(INTERNET), kind: ServiceKind::Network(Arc::new(network)) })
    }
}

/// Whether a service is a worker with code of its own, which may have tests. What is bundled with the reference has none.
fn has_code(service: service::Reader<'_>) -> bool {
    let Ok(service::Worker(Ok(worker))) = service.which() else { return false };
    let Ok(worker::Modules(Ok(modules))) = worker.which() else { return true };
    !modules.iter().take(1).any(|main| matches!(main.which(), Ok(worker::module::Bundled(_))))
}
