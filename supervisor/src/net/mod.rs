//! The network as services see it: who may be connected to, from names to connections, and HTTP/1.1 as a client.
//!
//! Knows no configuration, no service and no worker.

pub mod address;
pub mod budget;
pub mod client;
pub mod connect;
pub mod peers;
pub mod resolve;
pub mod secure;
mod stream;
pub mod tls;

use std::rc::Rc;

use self::{
    budget::Budget,
    resolve::{Resolver, ResolverSettings, SetupError},
};

/// What all services of a shard share of the network.
#[derive(Clone)]
pub struct Outlet {
    resolver: Rc<Resolver>,
    budget: Rc<Budget>,
}

impl Outlet {
    /// For one shard, with so many connections. Belongs into the event loop of the shard.
    ///
    /// # Errors
    ///
    /// No names can be resolved.
    pub fn new(settings: &ResolverSettings, connections: usize) -> Result<Self, SetupError> {
        Ok(Self { resolver: Rc::new(Resolver::new(settings)?), budget: Budget::new(connections) })
    }
}
