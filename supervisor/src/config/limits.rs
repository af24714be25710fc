//! How much a configuration may ask for. An operator writes configurations, but tools and templates write them too, and a
//! mistake in one has to end in a message, not in a machine without memory.

/// The longest configuration text in one file, in bytes. Scripts and data that are longer belong in a file of their own
/// that is embedded.
pub const MAX_TEXT_BYTES: u64 = 4 << 20;

/// The longest file that can be embedded, in bytes.
pub const MAX_EMBED_BYTES: u64 = 128 << 20;

/// All files that one configuration reads, together, in bytes.
pub const MAX_TOTAL_BYTES: u64 = 512 << 20;

/// How many files one configuration may read, imports and embeds together.
pub const MAX_FILES: usize = 4096;

/// How many values all texts together may write down: an entry of a list, a field of a struct, a name.
pub const MAX_VALUES: usize = 1 << 19;

/// How many values a configuration may have once every reference to a constant is replaced by what it stands for.
pub const MAX_EXPANDED_VALUES: usize = 1 << 19;

/// The longest configuration as a message, in bytes: the longest binary one that is read, and the longest that a text
/// may turn into once every reference to a constant is replaced by what it stands for.
pub const MAX_MESSAGE_BYTES: u64 = 512 << 20;

/// How deep values may be nested, through constants too, and pointers in a binary configuration.
pub const MAX_DEPTH: usize = 48;

/// How many `using` may lie between a name and what it means, and constants between a constant and its value.
pub const MAX_INDIRECTIONS: usize = 48;

/// How many diagnostics are kept. One mistake can repeat; the first hundred are enough to find it.
pub const MAX_DIAGNOSTICS: usize = 100;
