//! The service that is one server somewhere else.

use std::sync::Arc;

use super::{LocalFuture, Service, ServiceError, ServiceRequest};
use crate::{
    body::Body,
    config::{External, ServiceId},
};

/// Sends requests to one server.
pub struct ExternalService {
    id: ServiceId,
}

impl ExternalService {
    /// The service of this name.
    pub fn new(id: &ServiceId, _external: &Arc<External>) -> Self {
        Self { id: id.clone() }
    }
}

impl Service for ExternalService {
    fn fetch(&self, _request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        let text = format!("service \"{}\": external services are not supported yet", self.id);
        Box::pin(std::future::ready(Err(ServiceError::NotSupported(text))))
    }
}
