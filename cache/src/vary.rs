//! `Vary`: which requests a stored response is for (RFC 9111, section 4.1).

use http::{HeaderMap, HeaderName, header};
use sha2::{Digest, Sha256};

use crate::list::{members, split};

/// Fields that a response may vary by.
pub const MAX_FIELDS: usize = 32;

/// Names and values of them in one request, all together, in bytes.
pub const MAX_BYTES: usize = 8 << 10;

/// Why a response cannot be stored for its `Vary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unselectable {
    /// It is for one request alone (`*`).
    All,
    /// There are more fields, or longer ones, than [`MAX_FIELDS`] and [`MAX_BYTES`].
    TooMuch,
}

/// What a response goes by of the request that it answered: names, and values in a normal form. `None` is a field that was not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection(Vec<(HeaderName, Option<Box<[u8]>>)>);

impl Selection {
    /// What the response with these headers goes by of that request.
    ///
    /// # Errors
    ///
    /// It cannot be reused, or there is too much of it.
    pub fn of(response: &HeaderMap, request: &HeaderMap) -> Result<Selection, Unselectable> {
        let mut names = Vec::new();
        for name in members(response, header::VARY) {
            if name == "*" {
                return Err(Unselectable::All);
            }
            // What no request can have is the same for all.
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
            if !names.contains(&name) {
                if names.len() == MAX_FIELDS {
                    return Err(Unselectable::TooMuch);
                }
                names.push(name);
            }
        }
        // A line that is no text may have had a `*`.
        if response.get_all(header::VARY).iter().any(|line| line.to_str().is_err()) {
            return Err(Unselectable::All);
        }
        names.sort_by(|left, right| left.as_str().cmp(right.as_str()));
        let fields = names.into_iter().map(|name| {
            let value = normal(request, &name);
            (name, value)
        });
        let selection = Selection(fields.collect());
        if selection.bytes() > MAX_BYTES { Err(Unselectable::TooMuch) } else { Ok(selection) }
    }

    /// A selection of these fields, which was made by [`Self::of`] before.
    pub(crate) fn from_fields(fields: Vec<(HeaderName, Option<Box<[u8]>>)>) -> Selection {
        Selection(fields)
    }

    /// Names and values, by the names.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&HeaderName, Option<&[u8]>)> {
        self.0.iter().map(|(name, value)| (name, value.as_deref()))
    }

    /// Whether a request has the same as the one that was answered.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| normal(request, name) == *value)
    }

    /// Names and values all together.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.as_str().len() + value.as_ref().map_or(0, |value| value.len())).sum()
    }

    /// The same for the same selections, and for no others.
    pub fn digest(&self) -> u64 {
        let mut hasher = Sha256::new();
        for (name, value) in self.fields() {
            hasher.update((name.as_str().len() as u64).to_le_bytes());
            hasher.update(name.as_str());
            // One more than there are, so that none is not the same as an empty one.
            hasher.update(value.map_or(0, |value| value.len() as u64 + 1).to_le_bytes());
            hasher.update(value.unwrap_or_default());
        }
        let digest = hasher.finalize();
        u64::from_be_bytes(std::array::from_fn(|index| digest[index]))
    }
}

/// A field of a request, its lines as one, without white space around the members of a list.
fn normal(request: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    let mut lines = request.get_all(name).iter().peekable();
    lines.peek()?;
    let mut value = Vec::new();
    for line in lines {
        if !value.is_empty() {
            value.push(b',');
        }
        match line.to_str() {
            Ok(line) => {
                for (index, member) in split(line).enumerate() {
                    if index > 0 {
                        value.push(b',');
                    }
                    value.extend_from_slice(member.as_bytes());
                }
            }
            Err(_) => value.extend_from_slice(line.as_bytes()),
        }
    }
    Some(value.into())
}
