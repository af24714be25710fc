//! Resource limits, from the rows of the table.

use std::{
    fs::File,
    io::{self, Read},
};

use super::{EnterError, Mode, Options, Prepared};
use crate::{
    report::{Layer, Status},
    sys,
    table::{Ceiling, LIMITS},
};

/// Resource limits, soft and hard alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open descriptors, beyond the ones handed over.
    pub extra_fds: u64,
    /// Threads and processes of the worker's user id. Meaningful when it has a user id or user namespace of its own.
    pub threads: u64,
    /// Bytes of private writable memory (`RLIMIT_DATA`) beyond what the process has mapped when it is sealed, or `None` for
    /// no limit.
    pub data: Option<u64>,
    /// Bytes of address space (`RLIMIT_AS`) beyond what the process has mapped when it is sealed, or `None` for no limit. V8
    /// reserves much more than it uses, so this bounds no memory by itself. What it bounds are page tables, which no other
    /// rlimit counts: one page for each two megabytes that are touched, if only to read the zeroes that are there.
    pub address_space: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { extra_fds: 32, threads: 64, data: None, address_space: None }
    }
}

impl Prepared {
    /// The limits that count from what the engine has mapped by now.
    pub(super) fn limit_memory(&mut self) -> Result<(), EnterError> {
        let limits = self.limits;
        if limits.data.is_none() && limits.address_space.is_none() {
            return Ok(());
        }
        let detail = match self
            .statm
            .as_mut()
            .map_err(|error| error.to_string())
            .and_then(|statm| mapped(statm).map_err(|error| error.to_string()))
        {
            Ok((size, data)) => match rlimits(|ceiling| match ceiling {
                Ceiling::Data => limits.data.map(|more| data.saturating_add(more)),
                Ceiling::AddressSpace => limits.address_space.map(|more| size.saturating_add(more)),
                _ => None,
            }) {
                Status::Enforced => return Ok(()),
                status => status.detail().to_owned(),
            },
            Err(error) => format!("/proc/self/statm: {error}"),
        };
        self.report.set(Layer::Rlimits, Status::Missing(detail.clone()));
        match self.mode {
            Mode::Required => Err(EnterError::Required { layer: Layer::Rlimits, detail }),
            Mode::BestEffort => Ok(()),
        }
    }
}

/// The limits that are known before there is an engine, and who goes first where memory runs out.
pub(super) fn at_start(options: &Options) -> Status {
    let limits = rlimits(|ceiling| match ceiling {
        Ceiling::Of(value) => Some(value),
        Ceiling::Descriptors => Some(3 + options.handed() as u64 + options.limits.extra_fds),
        Ceiling::Threads => Some(options.limits.threads),
        Ceiling::FileBytes => Some(options.storage.map_or(0, |storage| storage.file_bytes)),
        // When the process is sealed.
        Ceiling::Data | Ceiling::AddressSpace => None,
    });
    // Where memory runs out all the same, this process goes, and not the supervisor or a neighbour.
    match std::fs::write("/proc/self/oom_score_adj", "1000") {
        Err(error) if limits == Status::Enforced => Status::Partial(format!("oom_score_adj: {error}")),
        _ => limits,
    }
}

/// Sets the limits of the table for which `value` has one.
fn rlimits(value: impl Fn(Ceiling) -> Option<u64>) -> Status {
    let wanted: Vec<_> = LIMITS.iter().filter_map(|row| Some((row.name, row.resource, value(row.ceiling)?))).collect();
    let failed: Vec<_> = wanted
        .iter()
        .filter_map(|(name, resource, value)| Some(format!("{name}: {}", sys::setrlimit(*resource, *value).err()?)))
        .collect();
    if failed.is_empty() {
        Status::Enforced
    } else if failed.len() == wanted.len() {
        Status::Missing(failed.join(", "))
    } else {
        Status::Partial(failed.join(", "))
    }
}

/// Address space and private writable memory of this process in bytes, from its `/proc/self/statm` (proc(5)).
fn mapped(statm: &mut File) -> io::Result<(u64, u64)> {
    let mut text = String::new();
    statm.read_to_string(&mut text)?;
    // SAFETY: reads a constant of the system.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let field = |at| text.split(' ').nth(at).and_then(|pages| pages.parse::<u64>().ok()).map(|pages| pages * page);
    field(0).zip(field(5)).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has another form"))
}
