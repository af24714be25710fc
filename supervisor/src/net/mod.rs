//! The network as services see it: who may be connected to, from names to connections, and HTTP/1.1 as a client.
//!
//! Knows no configuration, no service and no worker.

pub mod address;
pub mod budget;
pub mod client;
pub mod connect;
pub mod peers;
pub mod pipe;
pub mod resolve;
pub mod secure;
mod stream;
mod tcp;
pub mod tls;

use std::rc::Rc;

use self::{
    budget::{Budget, Share},
    pipe::Pipes,
    resolve::{Resolver, ResolverSettings, SetupError},
};

/// A shard's network, as one of its users sees it: who has connections, which are counted for it. Clones are for the same user.
#[derive(Clone)]
pub struct Outlet {
    resolver: Rc<Resolver>,
    share: Rc<Share>,
    pipes: Rc<Pipes>,
}

impl Outlet {
    /// For one shard, with so many connections for at most so many users, and for one of them. Belongs into the event loop of the shard.
    ///
    /// # Errors
    ///
    /// No names can be resolved.
    pub fn new(settings: &ResolverSettings, connections: usize, users: usize) -> Result<Self, SetupError> {
        Ok(Self {
            resolver: Rc::new(Resolver::new(settings)?),
            share: Budget::new(connections, users).share(),
            pipes: Pipes::new(connections),
        })
    }

    /// The same for another user.
    pub fn another(&self) -> Self {
        Self { resolver: self.resolver.clone(), share: self.share.another(), pipes: self.pipes.clone() }
    }
}
