//! Where the network would be.

use super::{LocalFuture, Service, ServiceError, ServiceRequest};
use crate::body::Body;

/// Says that there is no way out.
pub struct Nowhere;

impl Service for Nowhere {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        let text = format!(
            "fetch() to the network is not supported yet; a worker can be its globalOutbound. The call was for {}",
            request.http.uri()
        );
        Box::pin(std::future::ready(Err(ServiceError::NotSupported(text))))
    }
}
