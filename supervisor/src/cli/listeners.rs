//! The sockets that listen, and which of them go on when another configuration takes the place of the one before.
//!
//! A socket goes on where the next configuration has one at the same address, whatever it is called there, and not merely at an equal
//! one: clients that wait in its queue stay there.

use std::{mem, os::fd::RawFd};

use super::{args::ServeOptions, setup::InheritedSocket};
use crate::{
    config::{Config, Socket},
    net::address::{DEFAULT_HTTP_PORT, DEFAULT_HTTPS_PORT},
    socket::{BoundSocket, Listener},
};

/// What a socket listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Where {
    /// An address, with the port that it has where it leaves that out.
    Address(String, u16),
    Descriptor(RawFd),
}

/// A socket that listens, or is about to.
#[derive(Debug)]
pub(super) struct Listening {
    /// The same for as long as it listens.
    pub(super) number: u64,
    /// What it is called in the configuration.
    name: String,
    at: Where,
    pub(super) bound: BoundSocket,
}

/// A socket of the next configuration.
#[derive(Debug)]
enum Planned {
    /// It listens already: the one of this number, under this name.
    Kept(u64, String),
    /// It is to listen.
    New(Listening),
}

/// The sockets of the next configuration, in its order. As long as it is not [opened](Listeners::open), nothing has changed.
#[derive(Debug)]
pub(super) struct Plan(Vec<Planned>);

/// All sockets that listen.
pub(super) struct Listeners<'a> {
    arguments: &'a ServeOptions,
    inherited: Vec<InheritedSocket<'a>>,
    shards: usize,
    /// In the order of the configuration.
    open: Vec<Listening>,
    next: u64,
}

/// A socket that is served from now on.
pub(super) struct Opened<'a> {
    pub(super) listening: &'a Listening,
    /// What each shard accepts from, if it was not open before.
    pub(super) listeners: Option<Vec<Vec<Listener>>>,
    /// Whether nobody was told of it under this name.
    pub(super) is_news: bool,
    /// What it was called before, if it was open.
    pub(super) was: Option<String>,
}

impl<'a> Listeners<'a> {
    /// None listens yet.
    pub(super) fn new(arguments: &'a ServeOptions, inherited: Vec<InheritedSocket<'a>>, shards: usize) -> Self {
        Self { arguments, inherited, shards, open: Vec::new(), next: 0 }
    }

    /// Binds the sockets of a configuration that do not listen yet, or says everything that is wrong with them.
    pub(super) fn plan(&mut self, config: &Config) -> Result<Plan, String> {
        let addresses = &self.arguments.common.socket_addr;
        let mut errors = unmatched(config, addresses.iter().map(|(name, _)| name.as_str()));
        errors.extend(unmatched(config, self.inherited.iter().map(|(name, ..)| *name)));
        let mut wanted = Vec::with_capacity(config.sockets.len());
        for socket in &config.sockets {
            match self.place(socket) {
                Some(at) => wanted.push((socket, at)),
                None => errors.push(format!(
                    "Socket \"{0}\" has no address in the config, so must be specified on the command line with \
                     `--socket-addr`.",
                    socket.name
                )),
            }
        }
        let kept = self.kept(&wanted);
        let goes = |listening: &&Listening| !kept.contains(&Some(listening.number));
        let going: Vec<u16> = self.open.iter().filter(goes).map(|listening| listening.bound.port()).collect();
        let mut planned: Vec<Planned> = Vec::with_capacity(wanted.len());
        for ((socket, at), kept) in wanted.into_iter().zip(&kept) {
            if let Some(number) = kept {
                planned.push(Planned::Kept(*number, socket.name.clone()));
                continue;
            }
            let is_repeated = planned.iter().any(|other| matches!(other, Planned::New(other) if other.at == at));
            match self.bind(&at, if is_repeated { &[] } else { &going }) {
                Ok(bound) => {
                    let number = self.next;
                    self.next += 1;
                    planned.push(Planned::New(Listening { number, name: socket.name.clone(), at, bound }));
                }
                Err(error) => errors
                    .push(format!("Socket \"{0}\": {error} (`--socket-addr={0}=<addr>` overrides it)", socket.name)),
            }
        }
        if errors.is_empty() { Ok(Plan(planned)) } else { Err(errors.join("\n")) }
    }

    /// Where a socket is to listen, if that is said anywhere.
    fn place(&self, socket: &Socket) -> Option<Where> {
        // The last of several overrides counts, as with every option that is repeated.
        let inherited = self.inherited.iter().rev().find(|(name, ..)| *name == socket.name);
        if let Some((_, number, _)) = inherited {
            return Some(Where::Descriptor(*number));
        }
        let addresses = &self.arguments.common.socket_addr;
        let address = addresses.iter().rev().find(|(name, _)| *name == socket.name).map(|(_, address)| address);
        let port = if socket.tls.is_some() { DEFAULT_HTTPS_PORT } else { DEFAULT_HTTP_PORT };
        Some(Where::Address(address.or(socket.address.as_ref())?.clone(), port))
    }

    /// Which of those that listen each of these goes on with.
    fn kept(&self, wanted: &[(&Socket, Where)]) -> Vec<Option<u64>> {
        let mut free: Vec<&Listening> = self.open.iter().collect();
        let mut take = |fits: &dyn Fn(&Listening) -> bool| {
            let index = free.iter().position(|listening| fits(listening))?;
            Some(free.swap_remove(index).number)
        };
        let same_name = |socket: &Socket, at: &Where, other: &Listening| other.at == *at && other.name == socket.name;
        let mut kept: Vec<_> = wanted.iter().map(|(socket, at)| take(&|other| same_name(socket, at, other))).collect();
        for ((_, at), kept) in wanted.iter().zip(&mut kept) {
            // Where the kernel chose the port, the name is all that says which one it is.
            let chosen = matches!(at, Where::Address(address, _) if address.ends_with(":0"));
            if kept.is_none() && !chosen {
                *kept = take(&|other| other.at == *at);
            }
        }
        kept
    }

    fn bind(&self, at: &Where, going: &[u16]) -> Result<BoundSocket, String> {
        let bound = match at {
            Where::Address(address, port) => BoundSocket::bind_beside(address, *port, self.shards, going),
            Where::Descriptor(number) => {
                let inherited = self.inherited.iter().find(|(_, other, _)| other == number);
                let fd = inherited.and_then(|(.., fd)| fd.as_ref()).ok_or("two sockets cannot use one descriptor")?;
                let fd = fd.try_clone().map_err(|error| format!("cannot duplicate its descriptor: {error}"))?;
                BoundSocket::inherited(fd, *number, self.shards)
            }
        };
        bound.map_err(|error| error.to_string())
    }

    /// Has the sockets of a plan listen, and lets go of those that are not in it. On an error nothing has changed.
    pub(super) fn open(&mut self, plan: Plan) -> Result<Vec<Opened<'_>>, String> {
        let mut listeners = Vec::with_capacity(plan.0.len());
        let mut planned = plan.0;
        for planned in &mut planned {
            listeners.push(match planned {
                Planned::Kept(..) => None,
                Planned::New(new) => {
                    let listening = new.bound.listen();
                    Some(listening.map_err(|error| format!("Socket \"{}\": {error}", new.name))?)
                }
            });
        }
        let mut before = mem::take(&mut self.open);
        let mut names = Vec::with_capacity(planned.len());
        for planned in planned {
            match planned {
                Planned::Kept(number, name) => {
                    let Some(index) = before.iter().position(|listening| listening.number == number) else { continue };
                    let mut kept = before.swap_remove(index);
                    names.push(Some(mem::replace(&mut kept.name, name)));
                    self.open.push(kept);
                }
                Planned::New(new) => {
                    if let Where::Descriptor(number) = new.at {
                        // When it does not listen any more, nobody does.
                        let own = self.inherited.iter_mut().filter(|(_, other, _)| *other == number);
                        own.for_each(|(.., fd)| *fd = None);
                    }
                    names.push(None);
                    self.open.push(new);
                }
            }
        }
        let opened = self.open.iter().zip(listeners).zip(names).map(|((listening, listeners), was)| {
            let is_news = was.as_ref() != Some(&listening.name);
            Opened { listening, listeners, is_news, was }
        });
        Ok(opened.collect())
    }
}

/// Overrides for sockets that do not exist.
fn unmatched<'a>(config: &Config, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names
        .filter(|name| !config.sockets.iter().any(|socket| socket.name == *name))
        .map(|name| {
            format!(
                "Config did not define any socket named \"{name}\" to match the override provided on the command line."
            )
        })
        .collect()
}
