//! Compatibility dates and flags: one table, asked by both processes.
//!
//! A worker carries the date it was written for and sees the behaviour of that day. Each change in behaviour is a flag
//! with a name; most flags become the default on some date, and most of those have a second name that switches the
//! change off again. [`resolve`] turns a date and a list of flags into the set of changes that are on. Names, dates and
//! implications are those of the reference, because users write them into their configurations.
//!
//! Each row says what the change does here ([`State`]). A flag that asks for what is missing is refused by name; one that a
//! date brings is told by `serve --verbose`. `docs/compatibility.md` has a section that is made from the table: after a
//! change run `BULKHEAD_REFRESH=1 cargo test -p bulkhead-ipc --lib compatibility_document` and review the diff.
//!
//! Code that has to know asks with a constant, which is checked when it is compiled:
//!
//! ```
//! use bulkhead_ipc::compatibility::{Flag, resolve};
//! const URL_STANDARD: Flag = Flag::named("url_standard");
//! let flags = resolve("2024-01-01", &["no_global_navigator"], false).unwrap();
//! assert!(flags.is_on(URL_STANDARD));
//! const NAVIGATOR: Flag = Flag::named("global_navigator");
//! assert!(!flags.is_on(NAVIGATOR));
//! ```

use std::fmt;

/// The newest date that a worker may ask for. The table below says nothing about changes that came after it.
pub const MAX_DATE: Date = Date::new(2026, 11, 24);

/// How many flags a worker may be given; a bound for whoever passes on a list that others wrote.
pub const MAX_FLAGS: usize = 2 * TABLE.len();

/// A compatibility date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The year.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, from 1.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// A date from its parts, which are taken as they are.
    pub const fn new(year: u16, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// Reads `YYYY-MM-DD`. As in the reference, the month is at most 12 and the day at most 31, and that is all that is
    /// checked. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            bytes[range]
                .iter()
                .try_fold(0u16, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u16::from(byte - b'0')))
        };
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self {
            year,
            month: month as u8,
            day: day as u8,
        })
    }

    /// The date in UTC at a moment given in seconds since 1970. Years after 9999 are 9999.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        // Days are counted from 1 March of year 0, so that the leap day is the last of its year; 400 years repeat.
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        if year > 9999 {
            return Self::new(9999, 12, 31);
        }
        Self::new(year as u16, month as u8, day as u8)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// One change in behaviour: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flag(u16);

impl Flag {
    /// The flag with this name. Meant for constants: an unknown name stops the compilation.
    ///
    /// # Panics
    ///
    /// When no flag is switched on by this name.
    pub const fn named(name: &str) -> Self {
        let mut index = 0;
        while index < TABLE.len() {
            if same(TABLE[index].on, name) {
                return Self(index as u16);
            }
            index += 1;
        }
        panic!("no compatibility flag has this name");
    }

    /// The name that switches the change on.
    pub const fn name(self) -> &'static str {
        TABLE[self.0 as usize].on
    }

    /// The name that switches the change off, where there is one.
    pub const fn off_name(self) -> Option<&'static str> {
        TABLE[self.0 as usize].off
    }

    /// What the change does in this runtime.
    pub const fn state(self) -> State {
        TABLE[self.0 as usize].state
    }

    /// The flag with this name, for names that are known only at run time.
    pub fn find(name: &str) -> Option<Self> {
        TABLE.iter().position(|row| row.on == name).map(|index| Self(index as u16))
    }
}

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The set of changes that are on for a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CompatibilityFlags {
    bits: [u64; TABLE.len().div_ceil(64)],
}

impl CompatibilityFlags {
    const NONE: Self = Self { bits: [0; TABLE.len().div_ceil(64)] };

    /// The set of these changes and no others. Meant for constants, as [`Flag::named`].
    ///
    /// # Panics
    ///
    /// When no flag is switched on by one of the names.
    pub const fn of(names: &[&str]) -> Self {
        let mut set = Self::NONE;
        let mut index = 0;
        while index < names.len() {
            let flag = Flag::named(names[index]).0;
            set.bits[flag as usize / 64] |= 1 << (flag % 64);
            index += 1;
        }
        set
    }

    /// Whether any change is on in both sets.
    pub fn has_any(&self, of: &Self) -> bool {
        self.bits.iter().zip(&of.bits).any(|(own, other)| own & other != 0)
    }

    /// Whether a change is on: one bit, the place of which is known when the caller is compiled.
    #[inline]
    pub const fn is_on(&self, flag: Flag) -> bool {
        self.bits[flag.0 as usize / 64] & (1 << (flag.0 % 64)) != 0
    }

    /// The flags whose behaviour this set asks for and this runtime does not have, each by the name that asks for it, with
    /// what is missing. One that another of them implies is left out, for it is missing with that.
    pub fn lacking(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.iter().filter_map(|(flag, on)| {
            let row = &TABLE[flag.0 as usize];
            let what = row.state.lacks(on)?;
            let implied = |(by, _): &(&[&str], Date)| {
                by.iter()
                    .filter_map(|name| Flag::find(name))
                    .any(|by| self.is_on(by) && by.state().lacks(true).is_some())
            };
            if on && row.implied.as_ref().is_some_and(implied) {
                return None;
            }
            let name = if on { row.on } else { row.off.unwrap_or(row.on) };
            Some((name, what))
        })
    }

    /// Every flag of the table with whether it is on, in the order of `Cloudflare.compatibilityFlags`.
    pub fn iter(&self) -> impl Iterator<Item = (Flag, bool)> + '_ {
        (0..TABLE.len() as u16).map(|index| (Flag(index), self.is_on(Flag(index))))
    }

    fn set(&mut self, flag: Flag, on: bool) {
        let bit = 1 << (flag.0 % 64);
        if on {
            self.bits[flag.0 as usize / 64] |= bit;
        } else {
            self.bits[flag.0 as usize / 64] &= !bit;
        }
    }
}

impl fmt::Debug for CompatibilityFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().filter(|(_, on)| *on).map(|(flag, _)| flag.name())).finish()
    }
}

/// Why a date or one of the flags cannot be. `index` is the flag's place in the list that was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompatibilityError {
    /// Not `YYYY-MM-DD`.
    #[error("Invalid compatibility date: {0}")]
    InvalidDate(String),
    /// After [`MAX_DATE`].
    #[error(
        "This Worker requires compatibility date \"{0}\", but the newest date supported by this server binary is \
         \"{MAX_DATE}\"."
    )]
    BeyondMaximum(Date),
    /// No flag has this name.
    #[error("No such compatibility flag: {name}")]
    Unknown {
        /// Its place in the list.
        index: usize,
        /// As given.
        name: String,
    },
    /// The same name twice.
    #[error("Compatibility flag specified multiple times: {name}")]
    Repeated {
        /// The place of the second one.
        index: usize,
        /// As given.
        name: String,
    },
    /// The name that switches a change on, and the one that switches it off.
    #[error("Compatibility flags are mutually contradictory: {on} vs {off}")]
    Contradiction {
        /// The place of the later one.
        index: usize,
        /// Switches the change on.
        on: &'static str,
        /// Switches it off.
        off: &'static str,
    },
    /// The flag may change or go away, and the operator has not said that this is acceptable.
    #[error(
        "The compatibility flag {name} is experimental and may break or be removed in a future version. To use this flag, \
         you must pass --experimental on the command line."
    )]
    Experimental {
        /// Its place in the list.
        index: usize,
        /// As given.
        name: &'static str,
    },
}

/// All names that can stand in `compatibilityFlags`.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|row| std::iter::once(row.on).chain(row.off))
}

/// The flags of the list that ask for what this runtime does not have: the place of each, and what is missing. Names that
/// are no flags are skipped, and so is what says itself that it is missing ([`later`]).
pub fn missing<S: AsRef<str>>(flags: &[S]) -> impl Iterator<Item = (usize, &'static str)> + '_ {
    lacking(flags).filter(|(_, row, _)| !matches!(row.state, Later(_))).map(|(index, _, what)| (index, what))
}

/// The flags of the list whose use fails with an error that says what is missing: the place of each, and that.
pub fn later<S: AsRef<str>>(flags: &[S]) -> impl Iterator<Item = (usize, &'static str)> + '_ {
    lacking(flags).filter(|(_, row, _)| matches!(row.state, Later(_))).map(|(index, _, what)| (index, what))
}

fn lacking<S: AsRef<str>>(flags: &[S]) -> impl Iterator<Item = (usize, &'static Row, &'static str)> + '_ {
    flags.iter().enumerate().filter_map(|(index, name)| {
        let name = name.as_ref();
        let row = TABLE.iter().find(|row| row.on == name || row.off == Some(name))?;
        Some((index, row, row.state.lacks(row.on == name)?))
    })
}

/// What a date and flags together switch on.
///
/// A flag that is named is on or off, whatever the date says. Without that, it is on from its date, or when another flag
/// that implies it is on and the date has come from which it does.
///
/// # Errors
///
/// Everything that is wrong with the date and the flags, in their order. A date in the future is not an error here:
/// that is for whoever has a clock.
pub fn resolve<S: AsRef<str>>(
    date: &str,
    flags: &[S],
    allow_experimental: bool,
) -> Result<CompatibilityFlags, Vec<CompatibilityError>> {
    let mut errors = Vec::new();
    let parsed = Date::parse(date);
    match parsed {
        None => errors.push(CompatibilityError::InvalidDate(date.chars().take(40).collect())),
        Some(date) if date > MAX_DATE => errors.push(CompatibilityError::BeyondMaximum(date)),
        Some(_) => {}
    }
    let mut named_on = CompatibilityFlags::NONE;
    let mut named_off = CompatibilityFlags::NONE;
    for (index, name) in flags.iter().enumerate() {
        let name = name.as_ref();
        let Some(place) = TABLE.iter().position(|row| row.on == name || row.off == Some(name)) else {
            errors.push(CompatibilityError::Unknown { index, name: name.chars().take(200).collect() });
            continue;
        };
        let (flag, row) = (Flag(place as u16), &TABLE[place]);
        let (own, other) = if row.on == name { (&mut named_on, &named_off) } else { (&mut named_off, &named_on) };
        if own.is_on(flag) {
            errors.push(CompatibilityError::Repeated { index, name: name.to_owned() });
        } else if other.is_on(flag) {
            errors.push(CompatibilityError::Contradiction { index, on: row.on, off: row.off.unwrap_or_default() });
        } else if row.on == name && row.experimental && !allow_experimental {
            errors.push(CompatibilityError::Experimental { index, name: row.on });
        }
        own.set(flag, true);
    }
    let Some(date) = parsed.filter(|_| errors.is_empty()) else { return Err(errors) };

    let mut result = CompatibilityFlags::NONE;
    for (index, row) in TABLE.iter().enumerate() {
        let flag = Flag(index as u16);
        let by_date = row.since.is_some_and(|since| date >= since);
        result.set(flag, named_on.is_on(flag) || (by_date && !named_off.is_on(flag)));
    }
    // A flag can imply another that implies a third, in any order of the table.
    loop {
        let mut changed = false;
        for (index, row) in TABLE.iter().enumerate() {
            let flag = Flag(index as u16);
            let Some((by, from)) = &row.implied else { continue };
            let is_implied = |name: &&str| Flag::find(name).is_some_and(|by| result.is_on(by));
            if !result.is_on(flag) && !named_off.is_on(flag) && date >= *from && by.iter().any(is_implied) {
                result.set(flag, true);
                changed = true;
            }
        }
        if !changed {
            return Ok(result);
        }
    }
}

/// What a flag does in this runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Both behaviours are there: with the change and without it.
    Implemented,
    /// There is nothing that could behave differently, for this reason.
    NoEffect(&'static str),
    /// The change needs what is not there: workers behave as without it. The text names what is missing.
    Missing(&'static str),
    /// The change is there but for what the text names, whose use is an error that says that it is not there yet.
    Later(&'static str),
    /// Workers behave as with the change, whatever they ask for. The text names what is missing without it.
    OnlyOn(&'static str),
}

use State::{Implemented, Later, Missing, NoEffect, OnlyOn};

impl State {
    /// What is missing for a worker for which the change is on, or off.
    const fn lacks(self, on: bool) -> Option<&'static str> {
        match self {
            Missing(what) | Later(what) if on => Some(what),
            OnlyOn(what) if !on => Some(what),
            _ => None,
        }
    }
}

struct Row {
    on: &'static str,
    state: State,
    off: Option<&'static str>,
    since: Option<Date>,
    implied: Option<(&'static [&'static str], Date)>,
    experimental: bool,
}

impl Row {
    const fn off(mut self, name: &'static str) -> Self {
        self.off = Some(name);
        self
    }

    const fn since(mut self, year: u16, month: u8, day: u8) -> Self {
        self.since = Some(Date::new(year, month, day));
        self
    }

    const fn always(self) -> Self {
        self.since(0, 1, 1)
    }

    const fn implied(mut self, by: &'static [&'static str], year: u16, month: u8, day: u8) -> Self {
        self.implied = Some((by, Date::new(year, month, day)));
        self
    }

    const fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }
}

const fn flag(on: &'static str, state: State) -> Row {
    Row { on, state, off: None, since: None, implied: None, experimental: false }
}

/// In the order of the reference, which scripts can see. A flag without a date has to be named to be on.
#[rustfmt::skip]
static TABLE: [Row; 205] = [
    flag("formdata_parser_supports_files", Implemented).off("formdata_parser_converts_files_to_strings").since(2021, 11, 3),
    flag("fetch_refuses_unknown_protocols", Implemented).off("fetch_treats_unknown_protocols_as_http").since(2021, 11, 10),
    flag("html_rewriter_treats_esi_include_as_void_tag", Missing("`HTMLRewriter`")),
    flag("durable_object_fetch_requires_full_url", Missing("Durable Objects")).off("durable_object_fetch_allows_relative_url").since(2021, 11, 10),
    flag("streams_byob_reader_detaches_buffer", Implemented).off("streams_byob_reader_does_not_detach_buffer").since(2021, 11, 10),
    flag("streams_enable_constructors", Implemented).off("streams_disable_constructors").since(2022, 11, 30),
    flag("workers_api_getters_setters_on_prototype", Implemented).off("workers_api_getters_setters_on_instance").since(2022, 1, 31),
    flag("minimal_subrequests", NoEffect("for Cloudflare's network; the program itself never asks")).off("no_minimal_subrequests").since(2022, 4, 5),
    flag("no_cots_on_external_fetch", NoEffect("for Cloudflare's network; the program itself never asks")).off("cots_on_external_fetch").since(2022, 3, 8),
    flag("url_standard", OnlyOn("the URL parser of before the URL Standard")).off("url_original").since(2022, 10, 31),
    flag("global_navigator", Implemented).off("no_global_navigator").since(2022, 3, 21),
    flag("capture_async_api_throws", Implemented).off("do_not_capture_async_api_throws").since(2022, 10, 31),
    flag("r2_public_beta_bindings", Missing("R2 bindings")).off("r2_internal_beta_bindings").always(),
    flag("durable_object_alarms", Missing("Durable Objects")),
    flag("dont_substitute_null_on_type_error", Implemented).off("substitute_null_on_type_error").since(2022, 6, 1),
    flag("transformstream_enable_standard_constructor", Implemented).off("transformstream_disable_standard_constructor").since(2022, 11, 30),
    flag("r2_list_honor_include", Missing("R2 bindings")).since(2022, 8, 4),
    flag("export_commonjs_default", Implemented).off("export_commonjs_namespace").since(2022, 10, 31),
    flag("durable_object_rename", Missing("Durable Objects")).experimental(),
    flag("web_socket_compression", Implemented).off("no_web_socket_compression").since(2023, 8, 15),
    flag("nodejs_compat", Later("the larger `node:` modules")).off("no_nodejs_compat").since(2026, 8, 4),
    flag("tcp_sockets_support", NoEffect("`connect()` is there without it")),
    flag("response_redirect_url_standard", Implemented).off("response_redirect_url_original").since(2023, 3, 14),
    flag("experimental", Later("experimental APIs")).experimental(),
    flag("durable_object_get_existing", Missing("Durable Objects")).experimental(),
    flag("http_headers_getsetcookie", Implemented).off("no_http_headers_getsetcookie").since(2023, 3, 1),
    flag("dynamic_dispatch_tunnel_exceptions", Missing("dispatch namespaces")).off("dynamic_dispatch_treat_exceptions_as_500").since(2023, 3, 1),
    flag("service_binding_extra_handlers", Later("`Fetcher.queue()` and `Fetcher.scheduled()`")).experimental(),
    flag("no_cf_botmanagement_default", Implemented).off("cf_botmanagement_default").since(2023, 8, 1),
    flag("urlsearchparams_delete_has_value_arg", Implemented).off("no_urlsearchparams_delete_has_value_arg").since(2023, 7, 1),
    flag("strict_compression_checks", Implemented).off("no_strict_compression_checks").since(2023, 8, 1),
    flag("brotli_content_encoding", Implemented).off("no_brotli_content_encoding").since(2024, 4, 29),
    flag("strict_crypto_checks", Missing("`crypto.subtle` beyond `digest`")).off("no_strict_crypto_checks").since(2023, 8, 1),
    flag("rtti_api", Missing("experimental APIs")).experimental(),
    flag("webgpu", Missing("WebGPU")).experimental(),
    flag("crypto_preserve_public_exponent", Missing("`crypto.subtle` beyond `digest`")).off("no_crypto_preserve_public_exponent").since(2023, 12, 1),
    flag("vectorize_query_metadata_optional", Missing("Vectorize bindings")).off("vectorize_query_original").since(2023, 11, 8),
    flag("unsafe_module", Later("the module `workerd:unsafe`")).experimental(),
    flag("js_rpc", Missing("RPC")).experimental(),
    flag("no_global_importscripts", Implemented).off("global_importscripts").since(2024, 3, 4),
    flag("nodejs_als", Implemented).off("no_nodejs_als"),
    flag("queues_json_messages", Missing("queues")).off("no_queues_json_messages").since(2024, 3, 18),
    flag("python_workers", Missing("Python workers")).implied(&["python_workers_development"], 2000, 1, 1),
    flag("fetcher_no_get_put_delete", Missing("service bindings")).off("fetcher_has_get_put_delete").since(2024, 3, 26),
    flag("unwrap_custom_thenables", Implemented).off("no_unwrap_custom_thenables").since(2024, 4, 1),
    flag("rpc", Missing("RPC")).off("no_rpc").since(2024, 4, 3),
    flag("internal_stream_byob_return_view", Implemented).off("internal_stream_byob_return_undefined").since(2024, 5, 13),
    flag("blob_standard_mime_type", Implemented).off("blob_legacy_mime_type").since(2024, 6, 3),
    flag("fetch_standard_url", Implemented).off("fetch_legacy_url").since(2024, 6, 3),
    flag("nodejs_compat_v2", Later("the larger `node:` modules")).off("no_nodejs_compat_v2").since(2026, 8, 4).implied(&["nodejs_compat"], 2024, 9, 23),
    flag("global_fetch_strictly_public", NoEffect("for Cloudflare's network; the program itself never asks")).off("global_fetch_private_origin"),
    flag("new_module_registry", Implemented).off("legacy_module_registry").since(2026, 11, 17),
    flag("cache_option_enabled", Implemented).off("cache_option_disabled").since(2024, 11, 11),
    flag("kv_direct_binding", Missing("KV bindings")).experimental(),
    flag("allow_custom_ports", NoEffect("for Cloudflare's network; the program itself never asks")).off("ignore_custom_ports").since(2024, 9, 2),
    flag("increase_websocket_message_size", Implemented).experimental(),
    flag("internal_writable_stream_abort_clears_queue", Implemented).off("internal_writable_stream_abort_does_not_clear_queue").since(2024, 9, 2),
    flag("python_workers_development", Missing("Python workers")).experimental(),
    flag("nodejs_zlib", Later("the larger `node:` modules")).off("no_nodejs_zlib").implied(&["nodejs_compat", "nodejs_compat_v2"], 2024, 9, 23),
    flag("replica_routing", Missing("Durable Objects")).experimental(),
    flag("enable_d1_with_sessions_api", Missing("D1 bindings")).experimental(),
    flag("handle_cross_request_promise_resolution", Implemented).off("no_handle_cross_request_promise_resolution").since(2024, 10, 14),
    flag("set_tostring_tag", Implemented).off("do_not_set_tostring_tag").since(2024, 9, 26),
    flag("upper_case_all_http_methods", Implemented).off("no_upper_case_all_http_methods").since(2024, 10, 14),
    flag("python_external_packages", Missing("Python workers")),
    flag("disable_top_level_await_in_require", Implemented).off("enable_top_level_await_in_require").since(2024, 12, 2),
    flag("fixup-transform-stream-backpressure", Implemented).off("original-transform-stream-backpressure").since(2024, 12, 16),
    flag("tail_worker_user_spans", Missing("tail workers")).experimental(),
    flag("cache_no_cache_enabled", Implemented).off("cache_no_cache_disabled").implied(&["cache_option_enabled"], 2025, 8, 7),
    flag("python_workers_20250116", Missing("Python workers")).off("no_python_workers_20250116").implied(&["python_workers"], 2025, 9, 29),
    flag("request_cf_overrides_cache_rules", NoEffect("for Cloudflare's network; the program itself never asks")).off("no_request_cf_overrides_cache_rules").since(2025, 4, 2),
    flag("memory_cache_delete", Implemented).experimental(),
    flag("unique_ctx_per_invocation", NoEffect("each event has a `ctx` of its own on every date, also in the reference")).since(2025, 3, 10),
    flag("queue_consumer_no_wait_for_wait_until", Missing("queues")).off("queue_consumer_wait_for_wait_until"),
    flag("nodejs_compat_populate_process_env", Implemented).off("nodejs_compat_do_not_populate_process_env").implied(&["nodejs_compat"], 2025, 4, 1),
    flag("cache_api_request_cf_overrides_cache_rules", NoEffect("for Cloudflare's network; the program itself never asks")).off("no_cache_api_request_cf_overrides_cache_rules").since(2025, 5, 19),
    flag("disallow_importable_env", Implemented).off("allow_importable_env"),
    flag("assets_navigation_prefers_asset_serving", NoEffect("for Cloudflare's network; the program itself never asks")).off("assets_navigation_has_no_effect").since(2025, 4, 1),
    flag("cache_api_compat_flags", NoEffect("for Cloudflare's network; the program itself never asks")).off("no_cache_api_compat_flags").since(2025, 4, 19),
    flag("python_workers_durable_objects", Missing("Python workers")).experimental(),
    flag("streaming_tail_worker", Missing("tail workers")).experimental(),
    flag("urlpattern_standard", Missing("`URLPattern`")).off("urlpattern_original").since(2025, 5, 1),
    flag("enable_weak_ref", Implemented).off("disable_weak_ref").since(2025, 5, 5),
    flag("request_signal_passthrough", Implemented).off("no_request_signal_passthrough"),
    flag("enable_navigator_language", Implemented).off("disable_navigator_language").since(2025, 5, 19),
    flag("enable_web_file_system", Missing("the web file system")).experimental(),
    flag("enable_abortsignal_rpc", Missing("RPC")).experimental(),
    flag("allow_eval_during_startup", Implemented).off("disallow_eval_during_startup").since(2025, 6, 1),
    flag("enable_request_signal", Implemented).off("disable_request_signal").since(2026, 11, 17),
    flag("connect_pass_through", Later("connections that are passed on where no handler takes them")).experimental(),
    flag("nonclass_entrypoint_reuses_ctx_across_invocations", Missing("one `ctx` for all events of an entrypoint")),
    flag("bind_asynclocalstorage_snapshot_to_request", Implemented).off("do_not_bind_asynclocalstorage_snapshot_to-request").since(2025, 6, 16),
    flag("throw_on_unrecognized_import_assertion", Implemented).off("ignore_unrecognized_import_assertion").since(2025, 6, 16),
    flag("python_workflows", Missing("Python workers")).off("disable_python_workflows").implied(&["python_workers"], 2025, 9, 20),
    flag("unsupported_process_actual_platform", Missing("the `node:` modules")).experimental(),
    flag("enable_nodejs_process_v2", Later("the streams of `process`, and what acts on files")).off("disable_nodejs_process_v2").implied(&["nodejs_compat"], 2025, 9, 15),
    flag("set_event_target_this", Implemented).off("no_set_event_target_this").since(2025, 8, 1),
    flag("set_forwardable_email_full_headers", Missing("email handlers")).off("set_forwardable_email_single_headers").since(2025, 8, 1),
    flag("enable_nodejs_http_modules", Later("the larger `node:` modules")).off("disable_nodejs_http_modules").implied(&["nodejs_compat"], 2025, 8, 15),
    flag("pedantic_wpt", Missing("the many small changes that it switches on")).off("non_pedantic_wpt"),
    flag("expose_global_message_channel", Missing("`MessageChannel`")).off("no_expose_global_message_channel").since(2025, 8, 15),
    flag("enable_nodejs_http_server_modules", Later("the larger `node:` modules")).off("disable_nodejs_http_server_modules").implied(&["enable_nodejs_http_modules"], 2025, 9, 1),
    flag("python_no_global_handlers", Missing("Python workers")).off("disable_python_no_global_handlers").since(2025, 8, 14),
    flag("enable_nodejs_fs_module", Later("the larger `node:` modules")).off("disable_nodejs_fs_module").implied(&["nodejs_compat"], 2025, 9, 15),
    flag("enable_nodejs_os_module", Implemented).off("disable_nodejs_os_module").implied(&["nodejs_compat"], 2025, 9, 15),
    flag("python_workers_force_new_vendor_path", Missing("Python workers")).since(2025, 8, 11),
    flag("remove_nodejs_compat_eol", Missing("the `node:` modules")).off("add_nodejs_compat_eol").implied(&["nodejs_compat"], 2025, 9, 1),
    flag("enable_validate_workflow_entrypoint", Missing("Workflows")).off("disable_validate_workflow_entrypoint").since(2025, 9, 20),
    flag("python_dedicated_snapshot", Missing("Python workers")).off("disable_python_dedicated_snapshot").implied(&["python_workers_20250116"], 2025, 10, 16),
    flag("typescript_strip_types", Missing("TypeScript sources")).experimental(),
    flag("enable_nodejs_http2_module", Implemented).off("disable_nodejs_http2_module").implied(&["nodejs_compat"], 2025, 9, 1),
    flag("allow_insecure_inefficient_logged_eval", Missing("`eval` outside of the start")).experimental(),
    flag("strip_authorization_on_cross_origin_redirect", Implemented).off("retain_authorization_on_cross_origin_redirect").since(2025, 9, 1),
    flag("enhanced_error_serialization", Implemented).off("legacy_error_serialization").since(2026, 4, 21),
    flag("enable_email_sending_queuing", Missing("email handlers")).off("disable_email_sending_queuing"),
    flag("remove_nodejs_compat_eol_v22", Missing("the `node:` modules")).off("add_nodejs_compat_eol_v22").implied(&["remove_nodejs_compat_eol"], 2027, 4, 30),
    flag("remove_nodejs_compat_eol_v23", Missing("the `node:` modules")).off("add_nodejs_compat_eol_v23").implied(&["remove_nodejs_compat_eol_v24"], 2025, 9, 1),
    flag("remove_nodejs_compat_eol_v24", Missing("the `node:` modules")).off("add_nodejs_compat_eol_v24").implied(&["remove_nodejs_compat_eol"], 2028, 4, 30),
    flag("enable_nodejs_console_module", Implemented).off("disable_nodejs_console_module").implied(&["nodejs_compat"], 2025, 9, 21),
    flag("enable_nodejs_vm_module", Implemented).off("disable_nodejs_vm_module").implied(&["nodejs_compat"], 2025, 10, 1),
    flag("enable_nodejs_perf_hooks_module", Implemented).off("disable_nodejs_perf_hooks_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_global_performance_classes", Implemented).off("disable_global_performance_classes").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_domain_module", Implemented).off("disable_nodejs_domain_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_v8_module", Implemented).off("disable_nodejs_v8_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_tty_module", Later("the larger `node:` modules")).off("disable_nodejs_tty_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_punycode_module", Implemented).off("disable_nodejs_punycode_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_cluster_module", Implemented).off("disable_nodejs_cluster_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_child_process_module", Implemented).off("disable_nodejs_child_process_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_worker_threads_module", Later("the larger `node:` modules")).off("disable_nodejs_worker_threads_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_stream_wrap_module", Later("the larger `node:` modules")).off("disable_nodejs_stream_wrap_module").implied(&["nodejs_compat"], 2026, 1, 29),
    flag("enable_nodejs_wasi_module", Implemented).off("disable_nodejs_wasi_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_dgram_module", Implemented).off("disable_nodejs_dgram_module").implied(&["nodejs_compat"], 2026, 1, 29),
    flag("enable_nodejs_inspector_module", Implemented).off("disable_nodejs_inspector_module").implied(&["nodejs_compat"], 2026, 1, 29),
    flag("enable_nodejs_trace_events_module", Implemented).off("disable_nodejs_trace_events_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_readline_module", Implemented).off("disable_nodejs_readline_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_repl_module", Implemented).off("disable_nodejs_repl_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_sqlite_module", Implemented).off("disable_nodejs_sqlite_module").implied(&["nodejs_compat"], 2026, 1, 29),
    flag("enable_ctx_exports", Implemented).off("disable_ctx_exports").since(2025, 11, 17),
    flag("enable_python_external_sdk", Missing("Python workers")).off("disable_python_external_sdk").since(2026, 4, 21),
    flag("enable_fast_jsg_struct", Implemented).off("disable_fast_jsg_struct").since(2025, 12, 3),
    flag("cache_reload_enabled", Implemented).off("cache_reload_disabled").experimental(),
    flag("enable_streams_nodejs_v24_compat", Missing("the `node:` modules")).off("disable_streams_nodejs_v24_compat"),
    flag("python_check_rng_state", Missing("Python workers")).off("disable_python_check_rng_state").implied(&["python_workers"], 2025, 12, 16),
    flag("immutable_api_prototypes", Missing("prototypes of classes that cannot be changed")).off("mutable_api_prototypes"),
    flag("fetch_iterable_type_support", Implemented).off("no_fetch_iterable_type_support").since(2026, 2, 19),
    flag("env_module_nullable_support", Implemented).off("no_env_module_nullable_support"),
    flag("precise_timers", Implemented).off("no_precise_timers").experimental(),
    flag("fetch_iterable_type_support_override_adjustment", Implemented).off("no_fetch_iterable_type_support_override_adjustment").implied(&["fetch_iterable_type_support"], 2026, 1, 15),
    flag("strip_bom_in_read_all_text", Implemented).off("do_not_strip_bom_in_read_all_text").since(2026, 1, 13).implied(&["pedantic_wpt"], 2026, 1, 13),
    flag("allow_irrevocable_stub_storage", Missing("RPC")),
    flag("rpc_params_dup_stubs", Missing("RPC")).off("rpc_params_transfer_stubs").since(2026, 1, 20),
    flag("enable_nodejs_global_timers", Implemented).off("no_nodejs_global_timers").implied(&["nodejs_compat"], 2026, 2, 10),
    flag("streams_no_default_auto_allocate_chunk_size", Implemented).off("streams_auto_allocate_chunk_size_default").experimental(),
    flag("python_workflows_implicit_dependencies", Missing("Python workers")).off("no_python_workflows_implicit_dependencies").implied(&["python_workers"], 2026, 2, 25),
    flag("require_returns_default_export", Implemented).off("require_returns_namespace").since(2026, 1, 22),
    flag("python_request_headers_preserve_commas", Missing("Python workers")).off("disable_python_request_headers_preserve_commas").since(2026, 2, 17),
    flag("queue_expose_error_codes", Missing("queues")).off("no_queue_expose_error_codes").since(2026, 3, 12),
    flag("text_decoder_replace_surrogates", Implemented).off("disable_text_decoder_replace_surrogates").since(2026, 2, 24).implied(&["pedantic_wpt"], 2026, 2, 24),
    flag("containers_pid_namespace", Missing("containers")).off("no_containers_pid_namespace").since(2026, 4, 1),
    flag("delete_all_deletes_alarm", Missing("Durable Objects")).off("delete_all_preserves_alarm").since(2026, 2, 24),
    flag("unhandled_rejection_after_microtask_checkpoint", Implemented).off("no_unhandled_rejection_after_microtask_checkpoint").since(2026, 3, 3),
    flag("text_decoder_cjk_decoder", OnlyOn("the older decoders of Chinese, Japanese and Korean text")).off("disable_text_decoder_cjk_decoder").since(2026, 3, 3),
    flag("websocket_close_reason_byte_limit", Implemented).off("no_websocket_close_reason_byte_limit").since(2026, 3, 3),
    flag("enable_version_api", Missing("versions of a worker")).experimental(),
    flag("websocket_standard_binary_type", Implemented).off("no_websocket_standard_binary_type").since(2026, 3, 17),
    flag("writable_stream_spec_compliant_writer", Implemented).off("no_writable_stream_spec_compliant_writer").since(2026, 3, 24),
    flag("encoder_stream_spec_compliant_backpressure", Implemented).off("no_encoder_stream_spec_compliant_backpressure").since(2026, 3, 24),
    flag("spec_compliant_property_attributes", Missing("attributes and lengths of members as in Web IDL")).off("no_spec_compliant_property_attributes").experimental(),
    flag("workflows_preserve_non_retryable_error_message", Missing("Workflows")).off("workflows_replace_non_retryable_error_message").since(2026, 5, 14),
    flag("web_socket_auto_reply_to_close", Implemented).off("web_socket_manual_reply_to_close").since(2026, 4, 7),
    flag("enable_ctx_version_metadata", Missing("versions of a worker")).experimental(),
    flag("no_resizable_array_buffer_in_blob", Implemented).off("resizable_array_buffer_in_blob"),
    flag("diagnostics_channel_has_subscribers_getter", Implemented).off("no_diagnostics_channel_has_subscribers_getter").since(2026, 5, 19),
    flag("workflows_step_rollback", Missing("Workflows")).experimental(),
    flag("python_process_pth_files", Missing("Python workers")).off("disable_python_process_pth_files").since(2026, 5, 26),
    flag("throw_on_not_implemented_tls_options", Missing("the `node:` modules")).off("no_throw_on_not_implemented_tls_options").since(2026, 6, 16),
    flag("auto_grpc_convert", NoEffect("for Cloudflare's network; the program itself never asks")),
    flag("python_workers_20260610", Missing("Python workers")).off("no_python_workers_20260610"),
    flag("enable_nodejs_inspector_local_dev", Missing("the `node:` modules")).experimental(),
    flag("d1_binding_jsrpc", Missing("D1 bindings")).experimental(),
    flag("workflows_bindings_rpc", Missing("Workflows")).experimental(),
    flag("typescript_implemented_streams", Missing("streams that are written in TypeScript")).experimental(),
    flag("expose_draining_reader", Missing("streams that are written in TypeScript")).experimental(),
    flag("workflows_enable_fast_engine_creation", Missing("Workflows")).off("workflows_disable_fast_engine_creation").since(2026, 8, 11),
    flag("wasm_memory_discard", Missing("`memory.discard` of WebAssembly")).experimental(),
    flag("python_workers_314", Missing("Python workers")).off("no_python_workers_314").implied(&["python_workers"], 2026, 9, 8),
    flag("spec_compliant_dispatch_exceptions", Implemented).off("no_spec_compliant_dispatch_exceptions").since(2026, 9, 15),
    flag("auto_inject_python_workers", Missing("Python workers")).off("no_auto_inject_python_workers").experimental(),
    flag("durable_object_io_tasks_prevent_eviction", Missing("Durable Objects")).off("durable_object_io_tasks_do_not_prevent_eviction").since(2026, 10, 1),
    flag("webcrypto_modern_algorithms", Missing("`crypto.subtle` beyond `digest`")),
    flag("wasm_esm_integration_builtins", Missing("imports of WebAssembly's built-in strings")),
    flag("pipe_to_backward_propagation", Implemented).off("no_pipe_to_backward_propagation").since(2026, 11, 17),
    flag("cache_option_preserves_cache_control", Implemented).off("cache_option_overrides_cache_control").since(2026, 11, 17),
    flag("durable_object_snapshots", Missing("Durable Objects")).experimental(),
    flag("connect_handler_starttls", Implemented).experimental(),
    flag("offpeak_location_hint", Missing("Durable Objects")).experimental(),
    flag("python_shared_standard_library", Missing("Python workers")).implied(&["python_workers"], 2026, 11, 19),
    flag("wasm_source_url_support", Missing("source URLs of WebAssembly")).off("no_wasm_source_url_support").since(2026, 12, 1),
    flag("temporal", Missing("`Temporal`")).off("no_temporal").since(2026, 12, 1),
    flag("python_zstd_snapshot", Missing("Python workers")).experimental(),
    flag("nodejs_process_version_24", Implemented).off("no_nodejs_process_version_24").since(2026, 11, 24),
    flag("r2_binding_jsrpc", Missing("R2 bindings")).experimental(),
    flag("rpc_dispose_cancels_call", Missing("RPC")).experimental(),
    flag("expose_serialization_test_class", Missing("experimental APIs")).experimental(),
    flag("python_dedicated_snapshot_keep_import_caches", Missing("Python workers")).off("no_python_dedicated_snapshot_keep_import_caches"),
];

/// The section of `docs/compatibility.md` that is made from the table.
#[cfg(test)]
fn document() -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let mut count = 0;
    let mut section = |title: &str, kind: fn(State) -> Option<&'static str>| {
        let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
        for row in &TABLE {
            let Some(what) = kind(row.state) else { continue };
            count += 1;
            let since = match row.since {
                Some(date) if date >= Date::new(2021, 1, 1) => format!(" ({date})"),
                Some(_) => " (always)".into(),
                None => String::new(),
            };
            let named = match row.state {
                OnlyOn(_) => format!("`{}`{since}", row.off.unwrap_or(row.on)),
                _ => format!("`{}`{since}", row.on),
            };
            match groups.iter_mut().find(|(known, _)| *known == what) {
                Some((_, names)) => names.push(named),
                None => groups.push((what, vec![named])),
            }
        }
        let _ = writeln!(out, "{title}\n\n| | flags |\n|---|---|");
        for (what, names) in groups {
            let _ = writeln!(out, "| {what} | {} |", names.join(", "));
        }
        out.push('\n');
    };
    section("### Implemented, in both directions", |state| (state == Implemented).then_some("as the reference"));
    section("### Without effect", |state| if let NoEffect(why) = state { Some(why) } else { None });
    section("### There but for what is named: to use that is an error that says so", |state| {
        if let Later(what) = state { Some(what) } else { None }
    });
    section("### Missing: refused when it is named, told by `serve --verbose` when a date brings it", |state| {
        if let Missing(what) = state { Some(what) } else { None }
    });
    section("### The behaviour of before is missing: likewise, under the name that switches it off", |state| {
        if let OnlyOn(what) = state { Some(what) } else { None }
    });
    assert_eq!(count, TABLE.len());
    out.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn compatibility_document() {
        const BEGIN: &str = "<!-- made from ipc-schema/src/compatibility.rs -->\n";
        const END: &str = "<!-- end of what is made -->\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
        let text = std::fs::read_to_string(path).unwrap();
        let start =
            text.find(BEGIN).expect("docs/compatibility.md has the mark where the section begins") + BEGIN.len();
        let end = text.find(END).expect("docs/compatibility.md has the mark where the section ends");
        let made = format!("\n{}\n", document());
        if std::env::var_os("BULKHEAD_REFRESH").is_some() {
            std::fs::write(path, format!("{}{made}{}", &text[..start], &text[end..])).unwrap();
            return;
        }
        assert!(
            text[start..end] == made,
            "docs/compatibility.md is stale: run `BULKHEAD_REFRESH=1 cargo test -p bulkhead-ipc --lib compatibility_document` and review the diff"
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(
            missing(&["rtti_api", "nodejs_compat", "no_nodejs_compat", "url_standard", "nope"]).collect::<Vec<_>>(),
            [(0, "experimental APIs")]
        );
        assert_eq!(later(&["rtti_api", "unsafe_module"]).collect::<Vec<_>>(), [(1, "the module `workerd:unsafe`")]);
        let none: &[&str] = &[];
        let newest = resolve(&MAX_DATE.to_string(), none, false).unwrap();
        let lacking: Vec<&str> = newest.lacking().map(|(name, _)| name).collect();
        assert!(lacking.contains(&"nodejs_compat"), "{lacking:?}");
        // With its cause.
        assert!(!lacking.contains(&"enable_nodejs_fs_module"), "{lacking:?}");
        let old = resolve("2021-09-14", none, false).unwrap();
        assert!(old.lacking().all(|(name, _)| name != "nodejs_compat"));
        for row in &TABLE {
            if let NoEffect(why) | Missing(why) | Later(why) | OnlyOn(why) = row.state {
                assert!(!why.is_empty(), "{} says nothing", row.on);
            }
            // Otherwise nobody could ask for what is missing, and it would be no difference.
            assert!(!matches!(row.state, OnlyOn(_)) || row.off.is_some() || row.since.is_some(), "{}", row.on);
        }
    }

    #[test]
    fn every_name_is_there_once_and_every_implication_names_a_flag() {
        let mut seen = HashSet::new();
        for name in names() {
            assert!(seen.insert(name), "{name} is there twice");
        }
        for row in &TABLE {
            for name in row.implied.iter().flat_map(|(by, _)| *by) {
                assert!(TABLE.iter().any(|other| other.on == *name), "{name} implies {} but is no flag", row.on);
            }
        }
    }

    #[test]
    fn what_the_reference_says_is_what_we_say() {
        let observed = include_str!("../tests/compatibility/observed.tsv");
        let mut cases = 0;
        for line in observed.lines().filter(|line| !line.starts_with('#')) {
            let list = |column: &'static str| column.split(',').filter(|name| *name != "-").collect::<Vec<_>>();
            let columns: Vec<&'static str> = line.split('\t').collect();
            let (date, flags, expected) = (columns[0], list(columns[1]), list(columns[2]));
            let resolved = resolve(date, &flags, true).unwrap_or_else(|errors| panic!("{date} {flags:?}: {errors:?}"));
            let mut on: Vec<&str> = resolved.iter().filter(|(_, on)| *on).map(|(flag, _)| flag.name()).collect();
            on.sort_unstable();
            assert_eq!(on, expected, "{date} {flags:?}");
            cases += 1;
        }
        assert!(cases > 40, "the observations are gone");
    }

    #[test]
    fn wrong_flags_are_all_reported_with_their_place() {
        let errors =
            resolve("2024-13-01", &["nope", "url_standard", "url_standard", "url_original", "experimental"], false)
                .unwrap_err();
        assert_eq!(
            errors,
            [
                CompatibilityError::InvalidDate("2024-13-01".into()),
                CompatibilityError::Unknown { index: 0, name: "nope".into() },
                CompatibilityError::Repeated { index: 2, name: "url_standard".into() },
                CompatibilityError::Contradiction { index: 3, on: "url_standard", off: "url_original" },
                CompatibilityError::Experimental { index: 4, name: "experimental" },
            ]
        );
        assert!(resolve("2024-01-01", &["experimental"], true).unwrap().is_on(Flag::named("experimental")));
    }

    #[test]
    fn dates_are_read_and_written() {
        for (text, good) in [
            ("2024-02-29", true),
            ("2021-02-30", true),
            ("2024-1-01", false),
            ("2024-00-01", false),
            ("2024-01-32", false),
            ("20240101", false),
            ("2024-01-01 ", false),
            ("２024-01-01", false),
            ("", false),
        ] {
            assert_eq!(Date::parse(text).is_some(), good, "{text}");
        }
        assert_eq!(Date::parse("2024-02-29").unwrap().to_string(), "2024-02-29");
        assert!(resolve("2026-11-25", &[] as &[&str], true).is_err());
    }

    #[test]
    fn days_are_counted_right() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (86_400, "1970-01-02"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (4_107_542_400, "2100-03-01"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(Date::from_unix_seconds(seconds).to_string(), expected);
        }
    }
}
