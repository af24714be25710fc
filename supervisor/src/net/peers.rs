//! Which peers a service may connect to: pure functions over addresses.
//!
//! A rule is a range of addresses or a name for several. Of all ranges that hold an address the most specific one decides, and
//! between equals a denial. `public` and `network` open what no range is about: they deny nothing that another rule opens. What is
//! asked about is always the address that is connected to, never a name: a name may mean another address a moment later.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Why a rule means nothing. The texts are the reference's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Neither a range nor one of the names.
    #[error("invalid CIDR: {0}")]
    NotARange(String),
    /// These two cannot be taken away, for they would say what is left only by what they are not.
    #[error("don't deny '{denied}', allow '{allowed}' instead")]
    NotDeniable {
        /// What stands there.
        denied: &'static str,
        /// What says the same.
        allowed: &'static str,
    },
}

/// A range of addresses (RFC 4632, section 3.1; RFC 4291, section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    network: IpAddr,
    /// Bits that all addresses of the range have in common.
    prefix: u8,
}

impl Range {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { network: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(first: [u16; 3], last: u16, prefix: u8) -> Self {
        let [first, second, third] = first;
        Self { network: IpAddr::V6(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, last)), prefix }
    }

    /// How specific the range is where it holds this address.
    fn matches(&self, address: IpAddr) -> Option<u8> {
        // One shifted by all of its bits is gone; then every address is in.
        let same = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        };
        same.then_some(self.specificity())
    }

    /// IPv4 is counted as the part of IPv6 that it is embedded in, so that ranges of both families can be compared.
    fn specificity(&self) -> u8 {
        match self.network {
            IpAddr::V4(_) if self.prefix > 0 => 96 + self.prefix,
            _ => self.prefix,
        }
    }
}

impl FromStr for Range {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let parse = || {
            let (network, prefix) = text.split_once('/')?;
            let network = IpAddr::from_str(network).ok()?;
            // A sign would pass `parse`.
            let prefix: u8 = prefix.bytes().all(|byte| byte.is_ascii_digit()).then(|| prefix.parse().ok())??;
            (prefix <= if network.is_ipv4() { 32 } else { 128 }).then_some(match (network, prefix) {
                // The same addresses as IPv4 alone: they are looked at as what they embed.
                (IpAddr::V6(mapped), 96..) if mapped.to_ipv4_mapped().is_some() => {
                    Range { network: mapped.to_canonical(), prefix: prefix - 96 }
                }
                _ => Range { network, prefix },
            })
        };
        parse().ok_or_else(|| RuleError::NotARange(text.to_owned()))
    }
}

/// `local`: what leads to this machine. To connect to the unspecified address is to connect to the loopback one.
const LOCAL: [Range; 4] =
    [Range::v4(127, 0, 0, 0, 8), Range::v4(0, 0, 0, 0, 32), Range::v6([0; 3], 1, 128), Range::v6([0; 3], 0, 128)];

/// What `private` has beside `local`: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 (section 2.5.6). The last one the
/// reference does not know: prefixes that a network gives to translators of its own (RFC 8215), which may hold any address.
const PRIVATE: [Range; 8] = [
    Range::v4(10, 0, 0, 0, 8),
    Range::v4(100, 64, 0, 0, 10),
    Range::v4(169, 254, 0, 0, 16),
    Range::v4(172, 16, 0, 0, 12),
    Range::v4(192, 168, 0, 0, 16),
    Range::v6([0xfc00, 0, 0], 0, 7),
    Range::v6([0xfe80, 0, 0], 0, 10),
    Range::v6([0x64, 0xff9b, 1], 0, 48),
];

/// What no rule opens that is not as specific: protocols' own addresses, multicast and broadcast (RFC 6890, RFC 1112, RFC 919, RFC 2928,
/// RFC 4291, section 2.7).
const RESERVED: [Range; 6] = [
    Range::v4(192, 0, 0, 0, 24),
    Range::v4(224, 0, 0, 0, 4),
    Range::v4(240, 0, 0, 0, 4),
    Range::v4(255, 255, 255, 255, 32),
    Range::v6([0x2001, 0, 0], 0, 23),
    Range::v6([0xff00, 0, 0], 0, 8),
];

/// What a service may connect to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerFilter {
    allow: Vec<Range>,
    /// All but `private` is open.
    public: bool,
    /// All but `local` is open.
    network: bool,
    deny: Vec<Range>,
    unix: bool,
    unix_abstract: bool,
}

impl PeerFilter {
    /// Reads the rules of a configuration. What none of `allow` names is denied.
    ///
    /// # Errors
    ///
    /// One of them means nothing.
    pub fn new<'a>(
        allow: impl IntoIterator<Item = &'a str>,
        deny: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, RuleError> {
        let mut filter = Self::default();
        for rule in allow {
            match rule {
                "network" => filter.network = true,
                "public" => filter.public = true,
                "unix" => filter.unix = true,
                "unix-abstract" => filter.unix_abstract = true,
                ranges => filter.allow.extend(read(ranges)?),
            }
        }
        for rule in deny {
            match rule {
                "network" => return Err(RuleError::NotDeniable { denied: "network", allowed: "local" }),
                "public" => return Err(RuleError::NotDeniable { denied: "public", allowed: "private" }),
                "unix" => filter.unix = false,
                "unix-abstract" => filter.unix_abstract = false,
                ranges => filter.deny.extend(read(ranges)?),
            }
        }
        Ok(filter)
    }

    /// Whether this address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        let Faces { itself, embedded } = Faces::of(address);
        let Some(embedded) = embedded else { return self.decide(&[itself]) };
        if self.is_hidden(itself, embedded) {
            return false;
        }
        // What is denied as itself is not opened by what it embeds.
        (!self.is_shut(itself) || self.decide(&[itself])) && self.decide(&[itself, embedded])
    }

    /// Whether an address is open that is all of these.
    fn decide(&self, faces: &[IpAddr]) -> bool {
        let most_specific = |ranges: &[Range]| faces.iter().filter_map(|face| specificity(ranges, *face)).max();
        let named = || faces.iter().all(|face| self.is_open_by_name(*face)).then_some(0);
        let Some(allowed) = most_specific(&self.allow).or_else(named) else { return false };
        most_specific(&self.deny).is_none_or(|denied| denied < allowed)
            && most_specific(&RESERVED).is_none_or(|reserved| reserved <= allowed)
    }

    fn is_open_by_name(&self, address: IpAddr) -> bool {
        let is_private = || specificity(&PRIVATE, address).is_some();
        specificity(&LOCAL, address).is_none() && (self.network || self.public && !is_private())
    }

    /// Whether an address embeds one that names keep shut, and is opened by a range that does not mean that one: that is of other
    /// addresses, and no more specific than what is kept shut.
    fn is_hidden(&self, itself: IpAddr, embedded: IpAddr) -> bool {
        let private = if self.network { None } else { specificity(&PRIVATE, embedded) };
        let shut = specificity(&LOCAL, embedded).max(private);
        (self.network || self.public)
            && specificity(&self.allow, embedded).is_none()
            && specificity(&self.allow, itself).is_some_and(|opened| Some(opened) <= shut)
    }

    /// Whether there is something that keeps an address from being open.
    fn is_shut(&self, address: IpAddr) -> bool {
        [&self.deny[..], &RESERVED].iter().any(|ranges| specificity(ranges, address).is_some())
            || (self.network || self.public) && !self.is_open_by_name(address)
    }

    /// Whether Unix sockets with a path may be connected to.
    pub fn allows_unix(&self) -> bool {
        self.unix
    }

    /// Whether Unix sockets without a path may be connected to.
    pub fn allows_unix_abstract(&self) -> bool {
        self.unix_abstract
    }
}

/// How specific the most specific of the ranges is that hold an address.
fn specificity(ranges: &[Range], address: IpAddr) -> Option<u8> {
    ranges.iter().filter_map(|range| range.matches(address)).max()
}

/// The ranges that a rule means, whether it allows or denies them.
fn read(rule: &str) -> Result<Vec<Range>, RuleError> {
    Ok(match rule {
        "local" => LOCAL.to_vec(),
        "private" => [&PRIVATE[..], &LOCAL].concat(),
        range => vec![range.parse()?],
    })
}

/// What one address is to the rules: itself, and the IPv4 address that packets for it may end up at.
struct Faces {
    itself: IpAddr,
    embedded: Option<IpAddr>,
}

impl Faces {
    fn of(address: IpAddr) -> Self {
        // To the kernel a mapped address is IPv4 and nothing else.
        match address.to_canonical() {
            IpAddr::V4(address) => Self { itself: address.into(), embedded: None },
            IpAddr::V6(address) => Self { itself: address.into(), embedded: embedded(address).map(IpAddr::V4) },
        }
    }
}

/// The IPv4 address within an address of IPv6, by the forms that gateways and hosts take apart.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    match address.segments() {
        // The unspecified and the loopback address are what they are.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-compatible (RFC 4291, section 2.5.5.1), and translated (RFC 2765, section 2.1).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Some(low),
        // NAT64 (RFC 6052, section 2.1; RFC 8215, whose prefixes may also hold the address elsewhere).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => Some(low),
        // 6to4 (RFC 3056, section 2).
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        // Teredo, where the client's address is inverted (RFC 4380, section 4).
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!(bits as u32))),
        // ISATAP (RFC 5214, section 6.1).
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Some(low),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
