//! The service that is a part of the network.

use std::sync::Arc;

use super::{LocalFuture, Service, ServiceError, ServiceRequest};
use crate::{
    body::Body,
    config::{Network, ServiceId},
};

/// Sends requests where their URLs say.
pub struct NetworkService {
    id: ServiceId,
}

impl NetworkService {
    /// The service of this name.
    pub fn new(id: &ServiceId, _network: &Arc<Network>) -> Self {
        Self { id: id.clone() }
    }
}

impl Service for NetworkService {
    fn fetch(&self, _request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        let text = format!("service \"{}\": network services are not supported yet", self.id);
        Box::pin(std::future::ready(Err(ServiceError::NotSupported(text))))
    }
}
