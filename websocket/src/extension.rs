//! Negotiation of permessage-deflate (RFC 7692, section 7.1; the header's grammar is RFC 6455, section 9.1).

use std::fmt::Write as _;

use crate::Role;

const NAME: &str = "permessage-deflate";

/// The largest window, which is also what counts where nobody names one.
const MAX_BITS: u8 = 15;

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// The server begins each message anew.
    pub server_no_context_takeover: bool,
    /// The client begins each message anew.
    pub client_no_context_takeover: bool,
    /// Base-two logarithm of the window that the server compresses with, 8 to 15.
    pub server_max_window_bits: u8,
    /// Base-two logarithm of the window that the client compresses with, 8 to 15.
    pub client_max_window_bits: u8,
}

impl Default for Deflate {
    fn default() -> Self {
        Deflate {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: MAX_BITS,
            client_max_window_bits: MAX_BITS,
        }
    }
}

impl Deflate {
    /// Whether this side begins each message anew.
    pub(crate) fn forgets(&self, role: Role) -> bool {
        match role {
            Role::Client => self.client_no_context_takeover,
            Role::Server => self.server_no_context_takeover,
        }
    }

    /// Of the window that this side compresses with.
    pub(crate) fn window_bits(&self, role: Role) -> u8 {
        match role {
            Role::Client => self.client_max_window_bits,
            Role::Server => self.server_max_window_bits,
        }
    }
}

/// The parameters of one element of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// A client may say that it understands the parameter, and no number.
    client_max_window_bits: Option<Option<u8>>,
}

/// Reads the elements of a header that are called `permessage-deflate`, in their order; `None` for one with parameters that make it
/// invalid (section 7.1: unknown, given twice, or with a value that is none).
fn elements(header: &str) -> impl Iterator<Item = Option<Parameters>> {
    split(header, ',').filter_map(|element| {
        let mut parts = split(element, ';').map(str::trim);
        (parts.next()? == NAME).then(|| parameters(parts))
    })
}

/// Splits at a character outside of quoted strings.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let is_escaped = escaped;
        escaped = quoted && !is_escaped && c == '\\';
        if c == '"' && !is_escaped {
            quoted = !quoted;
        }
        c == at && !quoted
    })
}

fn parameters<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Parameters> {
    let mut all = Parameters::default();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
            None => (part, None),
        };
        let first = |flag: &mut bool| value.is_none() && !std::mem::replace(flag, true);
        let is_valid = match name {
            "server_no_context_takeover" => first(&mut all.server_no_context_takeover),
            "client_no_context_takeover" => first(&mut all.client_no_context_takeover),
            "server_max_window_bits" => all.server_max_window_bits.replace(window_bits(value?)?).is_none(),
            "client_max_window_bits" => {
                let bits = match value {
                    Some(value) => Some(window_bits(value)?),
                    None => None,
                };
                all.client_max_window_bits.replace(bits).is_none()
            }
            _ => false,
        };
        if !is_valid {
            return None;
        }
    }
    Some(all)
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// A number from 8 to 15 without leading zeros.
fn window_bits(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

fn write(parameters: &Parameters) -> String {
    let mut text = NAME.to_owned();
    // Writing to a string cannot fail.
    if parameters.client_no_context_takeover {
        text.push_str("; client_no_context_takeover");
    }
    if parameters.server_no_context_takeover {
        text.push_str("; server_no_context_takeover");
    }
    match parameters.client_max_window_bits {
        Some(Some(bits)) => {
            let _ = write!(text, "; client_max_window_bits={bits}");
        }
        Some(None) => text.push_str("; client_max_window_bits"),
        None => {}
    }
    if let Some(bits) = parameters.server_max_window_bits {
        let _ = write!(text, "; server_max_window_bits={bits}");
    }
    text
}

/// Accepts the first of a client's offers that can be, on the server's own `terms`, a value of the same header: each of its elements is
/// what the server would have, the first one that an offer agrees with counts. Gives what is agreed on, and the answer's header. `None`
/// where there is no compression.
pub fn accept(offers: &str, terms: Option<&str>) -> Option<(Deflate, String)> {
    let own: Vec<_> = match terms {
        Some(terms) => elements(terms).flatten().collect(),
        None => vec![Parameters::default()],
    };
    elements(offers).flatten().find_map(|offer| own.iter().find_map(|own| accept_one(offer, *own)))
}

fn accept_one(offer: Parameters, own: Parameters) -> Option<(Deflate, String)> {
    let mut answer = Parameters {
        // A server may always do without its own context, and ask the client to do without its.
        server_no_context_takeover: offer.server_no_context_takeover || own.server_no_context_takeover,
        client_no_context_takeover: offer.client_no_context_takeover || own.client_no_context_takeover,
        ..Parameters::default()
    };
    let least = |one: Option<u8>, other: Option<u8>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    answer.server_max_window_bits = least(offer.server_max_window_bits, own.server_max_window_bits);
    answer.client_max_window_bits = match (offer.client_max_window_bits, own.client_max_window_bits.flatten()) {
        // It is not asked for what it does not understand (section 7.1.2.2).
        (None, Some(bits)) if bits < MAX_BITS => return None,
        (None, _) => None,
        (Some(theirs), ours) => Some(Some(least(theirs, ours).unwrap_or(MAX_BITS))),
    };
    Some((agreed_on(&answer), write(&answer)))
}

fn agreed_on(answer: &Parameters) -> Deflate {
    Deflate {
        server_no_context_takeover: answer.server_no_context_takeover,
        client_no_context_takeover: answer.client_no_context_takeover,
        server_max_window_bits: answer.server_max_window_bits.unwrap_or(MAX_BITS),
        client_max_window_bits: answer.client_max_window_bits.flatten().unwrap_or(MAX_BITS),
    }
}

/// Why a server's answer to an offer fails the connection (section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server answered with extensions that were not offered")]
pub struct NotOffered;

/// What a server's `answer` to a client's `offers` agrees on; `None` where there is no compression.
///
/// # Errors
/// It names an extension that was not offered, more than one, or parameters that fit none of the offers.
pub fn agreed(offers: &str, answer: &str) -> Result<Option<Deflate>, NotOffered> {
    let mut named = split(answer, ',').map(str::trim).filter(|element| !element.is_empty());
    let (first, second) = (named.next(), named.next());
    let Some(element) = first else { return Ok(None) };
    if second.is_some() {
        return Err(NotOffered);
    }
    let answer = elements(element).next().flatten().ok_or(NotOffered)?;
    // A number is required of a server (section 7.1.2.2).
    if answer.client_max_window_bits == Some(None) {
        return Err(NotOffered);
    }
    let fits = |offer: Parameters| {
        let server_bits = match (offer.server_max_window_bits, answer.server_max_window_bits) {
            (Some(most), Some(bits)) => bits <= most,
            // It did not say that it keeps to what it was asked for.
            (Some(_), None) => false,
            (None, _) => true,
        };
        let client_bits = match (offer.client_max_window_bits, answer.client_max_window_bits) {
            (Some(Some(most)), Some(Some(bits))) => bits <= most,
            (None, Some(_)) => false,
            _ => true,
        };
        server_bits && client_bits && (answer.server_no_context_takeover || !offer.server_no_context_takeover)
    };
    let offer = elements(offers).flatten().find(|offer| fits(*offer)).ok_or(NotOffered)?;
    let mut agreed = agreed_on(&answer);
    if answer.client_max_window_bits.is_none()
        && let Some(Some(bits)) = offer.client_max_window_bits
    {
        // What it has said of itself.
        agreed.client_max_window_bits = bits;
    }
    agreed.client_no_context_takeover |= offer.client_no_context_takeover;
    Ok(Some(agreed))
}
