//! The service that cannot be as it is configured: every use of it says why.

use super::{Event, LocalFuture, Outcome, Service, ServiceError, ServiceRequest};
use crate::body::Body;

/// Fails.
pub struct BrokenService {
    text: String,
}

impl BrokenService {
    /// The service of this name, which is not there for this reason.
    pub fn new(name: &str, reason: &str) -> Self {
        Self { text: format!("The service \"{name}\" does not work: {reason}") }
    }

    fn fails<T>(&self) -> LocalFuture<'_, Result<T, ServiceError>>
    where
        T: 'static,
    {
        Box::pin(std::future::ready(Err(ServiceError::NotSupported(self.text.clone()))))
    }
}

impl Service for BrokenService {
    fn fetch(&self, _: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        self.fails()
    }

    fn connect(&self, _: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        self.fails()
    }

    fn event(&self, _: Event) -> LocalFuture<'_, Result<Outcome, ServiceError>> {
        self.fails()
    }
}
