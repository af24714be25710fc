//! Compatibility dates and flags: one table, asked by both processes.
//!
//! A worker carries the date it was written for and sees the behaviour of that day. Each change in behaviour is a flag
//! with a name; most flags become the default on some date, and most of those have a second name that switches the
//! change off again. [`resolve`] turns a date and a list of flags into the set of changes that are on. Names, dates and
//! implications are those of the reference, because users write them into their configurations.
//!
//! Code that has to know asks with a constant, which is checked when it is compiled:
//!
//! ```
//! use bulkhead_ipc::compatibility::{Flag, resolve};
//! const URL_STANDARD: Flag = Flag::named("url_standard");
//! let flags = resolve("2024-01-01", &["no_global_navigator"], false).unwrap();
//! assert!(flags.is_on(URL_STANDARD));
//! assert!(!flags.has("global_navigator"));
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

    /// Whether a change is on.
    pub const fn is_on(&self, flag: Flag) -> bool {
        self.bits[flag.0 as usize / 64] & (1 << (flag.0 % 64)) != 0
    }

    /// Whether the change with this name is on; `false` when there is none. [`Self::is_on`] is cheaper and catches
    /// wrong names.
    pub fn has(&self, name: &str) -> bool {
        TABLE.iter().position(|row| row.on == name).is_some_and(|index| self.is_on(Flag(index as u16)))
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
            if !result.is_on(flag) && !named_off.is_on(flag) && date >= *from && by.iter().any(|name| result.has(name))
            {
                result.set(flag, true);
                changed = true;
            }
        }
        if !changed {
            return Ok(result);
        }
    }
}

struct Row {
    on: &'static str,
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

const fn flag(on: &'static str) -> Row {
    Row { on, off: None, since: None, implied: None, experimental: false }
}

/// In the order of the reference, which scripts can see. A flag without a date has to be named to be on.
#[rustfmt::skip]
static TABLE: [Row; 205] = [
    flag("formdata_parser_supports_files").off("formdata_parser_converts_files_to_strings").since(2021, 11, 3),
    flag("fetch_refuses_unknown_protocols").off("fetch_treats_unknown_protocols_as_http").since(2021, 11, 10),
    flag("html_rewriter_treats_esi_include_as_void_tag"),
    flag("durable_object_fetch_requires_full_url").off("durable_object_fetch_allows_relative_url").since(2021, 11, 10),
    flag("streams_byob_reader_detaches_buffer").off("streams_byob_reader_does_not_detach_buffer").since(2021, 11, 10),
    flag("streams_enable_constructors").off("streams_disable_constructors").since(2022, 11, 30),
    flag("workers_api_getters_setters_on_prototype").off("workers_api_getters_setters_on_instance").since(2022, 1, 31),
    flag("minimal_subrequests").off("no_minimal_subrequests").since(2022, 4, 5),
    flag("no_cots_on_external_fetch").off("cots_on_external_fetch").since(2022, 3, 8),
    flag("url_standard").off("url_original").since(2022, 10, 31),
    flag("global_navigator").off("no_global_navigator").since(2022, 3, 21),
    flag("capture_async_api_throws").off("do_not_capture_async_api_throws").since(2022, 10, 31),
    flag("r2_public_beta_bindings").off("r2_internal_beta_bindings").always(),
    flag("durable_object_alarms"),
    flag("dont_substitute_null_on_type_error").off("substitute_null_on_type_error").since(2022, 6, 1),
    flag("transformstream_enable_standard_constructor").off("transformstream_disable_standard_constructor").since(2022, 11, 30),
    flag("r2_list_honor_include").since(2022, 8, 4),
    flag("export_commonjs_default").off("export_commonjs_namespace").since(2022, 10, 31),
    flag("durable_object_rename").experimental(),
    flag("web_socket_compression").off("no_web_socket_compression").since(2023, 8, 15),
    flag("nodejs_compat").off("no_nodejs_compat").since(2026, 8, 4),
    flag("tcp_sockets_support"),
    flag("response_redirect_url_standard").off("response_redirect_url_original").since(2023, 3, 14),
    flag("experimental").experimental(),
    flag("durable_object_get_existing").experimental(),
    flag("http_headers_getsetcookie").off("no_http_headers_getsetcookie").since(2023, 3, 1),
    flag("dynamic_dispatch_tunnel_exceptions").off("dynamic_dispatch_treat_exceptions_as_500").since(2023, 3, 1),
    flag("service_binding_extra_handlers").experimental(),
    flag("no_cf_botmanagement_default").off("cf_botmanagement_default").since(2023, 8, 1),
    flag("urlsearchparams_delete_has_value_arg").off("no_urlsearchparams_delete_has_value_arg").since(2023, 7, 1),
    flag("strict_compression_checks").off("no_strict_compression_checks").since(2023, 8, 1),
    flag("brotli_content_encoding").off("no_brotli_content_encoding").since(2024, 4, 29),
    flag("strict_crypto_checks").off("no_strict_crypto_checks").since(2023, 8, 1),
    flag("rtti_api").experimental(),
    flag("webgpu").experimental(),
    flag("crypto_preserve_public_exponent").off("no_crypto_preserve_public_exponent").since(2023, 12, 1),
    flag("vectorize_query_metadata_optional").off("vectorize_query_original").since(2023, 11, 8),
    flag("unsafe_module").experimental(),
    flag("js_rpc").experimental(),
    flag("no_global_importscripts").off("global_importscripts").since(2024, 3, 4),
    flag("nodejs_als").off("no_nodejs_als"),
    flag("queues_json_messages").off("no_queues_json_messages").since(2024, 3, 18),
    flag("python_workers").implied(&["python_workers_development"], 2000, 1, 1),
    flag("fetcher_no_get_put_delete").off("fetcher_has_get_put_delete").since(2024, 3, 26),
    flag("unwrap_custom_thenables").off("no_unwrap_custom_thenables").since(2024, 4, 1),
    flag("rpc").off("no_rpc").since(2024, 4, 3),
    flag("internal_stream_byob_return_view").off("internal_stream_byob_return_undefined").since(2024, 5, 13),
    flag("blob_standard_mime_type").off("blob_legacy_mime_type").since(2024, 6, 3),
    flag("fetch_standard_url").off("fetch_legacy_url").since(2024, 6, 3),
    flag("nodejs_compat_v2").off("no_nodejs_compat_v2").since(2026, 8, 4).implied(&["nodejs_compat"], 2024, 9, 23),
    flag("global_fetch_strictly_public").off("global_fetch_private_origin"),
    flag("new_module_registry").off("legacy_module_registry").since(2026, 11, 17),
    flag("cache_option_enabled").off("cache_option_disabled").since(2024, 11, 11),
    flag("kv_direct_binding").experimental(),
    flag("allow_custom_ports").off("ignore_custom_ports").since(2024, 9, 2),
    flag("increase_websocket_message_size").experimental(),
    flag("internal_writable_stream_abort_clears_queue").off("internal_writable_stream_abort_does_not_clear_queue").since(2024, 9, 2),
    flag("python_workers_development").experimental(),
    flag("nodejs_zlib").off("no_nodejs_zlib").implied(&["nodejs_compat", "nodejs_compat_v2"], 2024, 9, 23),
    flag("replica_routing").experimental(),
    flag("enable_d1_with_sessions_api").experimental(),
    flag("handle_cross_request_promise_resolution").off("no_handle_cross_request_promise_resolution").since(2024, 10, 14),
    flag("set_tostring_tag").off("do_not_set_tostring_tag").since(2024, 9, 26),
    flag("upper_case_all_http_methods").off("no_upper_case_all_http_methods").since(2024, 10, 14),
    flag("python_external_packages"),
    flag("disable_top_level_await_in_require").off("enable_top_level_await_in_require").since(2024, 12, 2),
    flag("fixup-transform-stream-backpressure").off("original-transform-stream-backpressure").since(2024, 12, 16),
    flag("tail_worker_user_spans").experimental(),
    flag("cache_no_cache_enabled").off("cache_no_cache_disabled").implied(&["cache_option_enabled"], 2025, 8, 7),
    flag("python_workers_20250116").off("no_python_workers_20250116").implied(&["python_workers"], 2025, 9, 29),
    flag("request_cf_overrides_cache_rules").off("no_request_cf_overrides_cache_rules").since(2025, 4, 2),
    flag("memory_cache_delete").experimental(),
    flag("unique_ctx_per_invocation").since(2025, 3, 10),
    flag("queue_consumer_no_wait_for_wait_until").off("queue_consumer_wait_for_wait_until"),
    flag("nodejs_compat_populate_process_env").off("nodejs_compat_do_not_populate_process_env").implied(&["nodejs_compat"], 2025, 4, 1),
    flag("cache_api_request_cf_overrides_cache_rules").off("no_cache_api_request_cf_overrides_cache_rules").since(2025, 5, 19),
    flag("disallow_importable_env").off("allow_importable_env"),
    flag("assets_navigation_prefers_asset_serving").off("assets_navigation_has_no_effect").since(2025, 4, 1),
    flag("cache_api_compat_flags").off("no_cache_api_compat_flags").since(2025, 4, 19),
    flag("python_workers_durable_objects").experimental(),
    flag("streaming_tail_worker").experimental(),
    flag("urlpattern_standard").off("urlpattern_original").since(2025, 5, 1),
    flag("enable_weak_ref").off("disable_weak_ref").since(2025, 5, 5),
    flag("request_signal_passthrough").off("no_request_signal_passthrough"),
    flag("enable_navigator_language").off("disable_navigator_language").since(2025, 5, 19),
    flag("enable_web_file_system").experimental(),
    flag("enable_abortsignal_rpc").experimental(),
    flag("allow_eval_during_startup").off("disallow_eval_during_startup").since(2025, 6, 1),
    flag("enable_request_signal").off("disable_request_signal").since(2026, 11, 17),
    flag("connect_pass_through").experimental(),
    flag("nonclass_entrypoint_reuses_ctx_across_invocations"),
    flag("bind_asynclocalstorage_snapshot_to_request").off("do_not_bind_asynclocalstorage_snapshot_to-request").since(2025, 6, 16),
    flag("throw_on_unrecognized_import_assertion").off("ignore_unrecognized_import_assertion").since(2025, 6, 16),
    flag("python_workflows").off("disable_python_workflows").implied(&["python_workers"], 2025, 9, 20),
    flag("unsupported_process_actual_platform").experimental(),
    flag("enable_nodejs_process_v2").off("disable_nodejs_process_v2").implied(&["nodejs_compat"], 2025, 9, 15),
    flag("set_event_target_this").off("no_set_event_target_this").since(2025, 8, 1),
    flag("set_forwardable_email_full_headers").off("set_forwardable_email_single_headers").since(2025, 8, 1),
    flag("enable_nodejs_http_modules").off("disable_nodejs_http_modules").implied(&["nodejs_compat"], 2025, 8, 15),
    flag("pedantic_wpt").off("non_pedantic_wpt"),
    flag("expose_global_message_channel").off("no_expose_global_message_channel").since(2025, 8, 15),
    flag("enable_nodejs_http_server_modules").off("disable_nodejs_http_server_modules").implied(&["enable_nodejs_http_modules"], 2025, 9, 1),
    flag("python_no_global_handlers").off("disable_python_no_global_handlers").since(2025, 8, 14),
    flag("enable_nodejs_fs_module").off("disable_nodejs_fs_module").implied(&["nodejs_compat"], 2025, 9, 15),
    flag("enable_nodejs_os_module").off("disable_nodejs_os_module").implied(&["nodejs_compat"], 2025, 9, 15),
    flag("python_workers_force_new_vendor_path").since(2025, 8, 11),
    flag("remove_nodejs_compat_eol").off("add_nodejs_compat_eol").implied(&["nodejs_compat"], 2025, 9, 1),
    flag("enable_validate_workflow_entrypoint").off("disable_validate_workflow_entrypoint").since(2025, 9, 20),
    flag("python_dedicated_snapshot").off("disable_python_dedicated_snapshot").implied(&["python_workers_20250116"], 2025, 10, 16),
    flag("typescript_strip_types").experimental(),
    flag("enable_nodejs_http2_module").off("disable_nodejs_http2_module").implied(&["nodejs_compat"], 2025, 9, 1),
    flag("allow_insecure_inefficient_logged_eval").experimental(),
    flag("strip_authorization_on_cross_origin_redirect").off("retain_authorization_on_cross_origin_redirect").since(2025, 9, 1),
    flag("enhanced_error_serialization").off("legacy_error_serialization").since(2026, 4, 21),
    flag("enable_email_sending_queuing").off("disable_email_sending_queuing"),
    flag("remove_nodejs_compat_eol_v22").off("add_nodejs_compat_eol_v22").implied(&["remove_nodejs_compat_eol"], 2027, 4, 30),
    flag("remove_nodejs_compat_eol_v23").off("add_nodejs_compat_eol_v23").implied(&["remove_nodejs_compat_eol_v24"], 2025, 9, 1),
    flag("remove_nodejs_compat_eol_v24").off("add_nodejs_compat_eol_v24").implied(&["remove_nodejs_compat_eol"], 2028, 4, 30),
    flag("enable_nodejs_console_module").off("disable_nodejs_console_module").implied(&["nodejs_compat"], 2025, 9, 21),
    flag("enable_nodejs_vm_module").off("disable_nodejs_vm_module").implied(&["nodejs_compat"], 2025, 10, 1),
    flag("enable_nodejs_perf_hooks_module").off("disable_nodejs_perf_hooks_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_global_performance_classes").off("disable_global_performance_classes").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_domain_module").off("disable_nodejs_domain_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_v8_module").off("disable_nodejs_v8_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_tty_module").off("disable_nodejs_tty_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_punycode_module").off("disable_nodejs_punycode_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_cluster_module").off("disable_nodejs_cluster_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_child_process_module").off("disable_nodejs_child_process_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_worker_threads_module").off("disable_nodejs_worker_threads_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_stream_wrap_module").off("disable_nodejs_stream_wrap_module").implied(&["nodejs_compat"], 2026, 1, 29),
    flag("enable_nodejs_wasi_module").off("disable_nodejs_wasi_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_dgram_module").off("disable_nodejs_dgram_module").implied(&["nodejs_compat"], 2026, 1, 29),
    flag("enable_nodejs_inspector_module").off("disable_nodejs_inspector_module").implied(&["nodejs_compat"], 2026, 1, 29),
    flag("enable_nodejs_trace_events_module").off("disable_nodejs_trace_events_module").implied(&["nodejs_compat"], 2025, 12, 4),
    flag("enable_nodejs_readline_module").off("disable_nodejs_readline_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_repl_module").off("disable_nodejs_repl_module").implied(&["nodejs_compat"], 2026, 3, 17),
    flag("enable_nodejs_sqlite_module").off("disable_nodejs_sqlite_module").implied(&["nodejs_compat"], 2026, 1, 29),
    flag("enable_ctx_exports").off("disable_ctx_exports").since(2025, 11, 17),
    flag("enable_python_external_sdk").off("disable_python_external_sdk").since(2026, 4, 21),
    flag("enable_fast_jsg_struct").off("disable_fast_jsg_struct").since(2025, 12, 3),
    flag("cache_reload_enabled").off("cache_reload_disabled").experimental(),
    flag("enable_streams_nodejs_v24_compat").off("disable_streams_nodejs_v24_compat"),
    flag("python_check_rng_state").off("disable_python_check_rng_state").implied(&["python_workers"], 2025, 12, 16),
    flag("immutable_api_prototypes").off("mutable_api_prototypes"),
    flag("fetch_iterable_type_support").off("no_fetch_iterable_type_support").since(2026, 2, 19),
    flag("env_module_nullable_support").off("no_env_module_nullable_support"),
    flag("precise_timers").off("no_precise_timers").experimental(),
    flag("fetch_iterable_type_support_override_adjustment").off("no_fetch_iterable_type_support_override_adjustment").implied(&["fetch_iterable_type_support"], 2026, 1, 15),
    flag("strip_bom_in_read_all_text").off("do_not_strip_bom_in_read_all_text").since(2026, 1, 13).implied(&["pedantic_wpt"], 2026, 1, 13),
    flag("allow_irrevocable_stub_storage"),
    flag("rpc_params_dup_stubs").off("rpc_params_transfer_stubs").since(2026, 1, 20),
    flag("enable_nodejs_global_timers").off("no_nodejs_global_timers").implied(&["nodejs_compat"], 2026, 2, 10),
    flag("streams_no_default_auto_allocate_chunk_size").off("streams_auto_allocate_chunk_size_default").experimental(),
    flag("python_workflows_implicit_dependencies").off("no_python_workflows_implicit_dependencies").implied(&["python_workers"], 2026, 2, 25),
    flag("require_returns_default_export").off("require_returns_namespace").since(2026, 1, 22),
    flag("python_request_headers_preserve_commas").off("disable_python_request_headers_preserve_commas").since(2026, 2, 17),
    flag("queue_expose_error_codes").off("no_queue_expose_error_codes").since(2026, 3, 12),
    flag("text_decoder_replace_surrogates").off("disable_text_decoder_replace_surrogates").since(2026, 2, 24).implied(&["pedantic_wpt"], 2026, 2, 24),
    flag("containers_pid_namespace").off("no_containers_pid_namespace").since(2026, 4, 1),
    flag("delete_all_deletes_alarm").off("delete_all_preserves_alarm").since(2026, 2, 24),
    flag("unhandled_rejection_after_microtask_checkpoint").off("no_unhandled_rejection_after_microtask_checkpoint").since(2026, 3, 3),
    flag("text_decoder_cjk_decoder").off("disable_text_decoder_cjk_decoder").since(2026, 3, 3),
    flag("websocket_close_reason_byte_limit").off("no_websocket_close_reason_byte_limit").since(2026, 3, 3),
    flag("enable_version_api").experimental(),
    flag("websocket_standard_binary_type").off("no_websocket_standard_binary_type").since(2026, 3, 17),
    flag("writable_stream_spec_compliant_writer").off("no_writable_stream_spec_compliant_writer").since(2026, 3, 24),
    flag("encoder_stream_spec_compliant_backpressure").off("no_encoder_stream_spec_compliant_backpressure").since(2026, 3, 24),
    flag("spec_compliant_property_attributes").off("no_spec_compliant_property_attributes").experimental(),
    flag("workflows_preserve_non_retryable_error_message").off("workflows_replace_non_retryable_error_message").since(2026, 5, 14),
    flag("web_socket_auto_reply_to_close").off("web_socket_manual_reply_to_close").since(2026, 4, 7),
    flag("enable_ctx_version_metadata").experimental(),
    flag("no_resizable_array_buffer_in_blob").off("resizable_array_buffer_in_blob"),
    flag("diagnostics_channel_has_subscribers_getter").off("no_diagnostics_channel_has_subscribers_getter").since(2026, 5, 19),
    flag("workflows_step_rollback").experimental(),
    flag("python_process_pth_files").off("disable_python_process_pth_files").since(2026, 5, 26),
    flag("throw_on_not_implemented_tls_options").off("no_throw_on_not_implemented_tls_options").since(2026, 6, 16),
    flag("auto_grpc_convert"),
    flag("python_workers_20260610").off("no_python_workers_20260610"),
    flag("enable_nodejs_inspector_local_dev").experimental(),
    flag("d1_binding_jsrpc").experimental(),
    flag("workflows_bindings_rpc").experimental(),
    flag("typescript_implemented_streams").experimental(),
    flag("expose_draining_reader").experimental(),
    flag("workflows_enable_fast_engine_creation").off("workflows_disable_fast_engine_creation").since(2026, 8, 11),
    flag("wasm_memory_discard").experimental(),
    flag("python_workers_314").off("no_python_workers_314").implied(&["python_workers"], 2026, 9, 8),
    flag("spec_compliant_dispatch_exceptions").off("no_spec_compliant_dispatch_exceptions").since(2026, 9, 15),
    flag("auto_inject_python_workers").off("no_auto_inject_python_workers").experimental(),
    flag("durable_object_io_tasks_prevent_eviction").off("durable_object_io_tasks_do_not_prevent_eviction").since(2026, 10, 1),
    flag("webcrypto_modern_algorithms"),
    flag("wasm_esm_integration_builtins"),
    flag("pipe_to_backward_propagation").off("no_pipe_to_backward_propagation").since(2026, 11, 17),
    flag("cache_option_preserves_cache_control").off("cache_option_overrides_cache_control").since(2026, 11, 17),
    flag("durable_object_snapshots").experimental(),
    flag("connect_handler_starttls").experimental(),
    flag("offpeak_location_hint").experimental(),
    flag("python_shared_standard_library").implied(&["python_workers"], 2026, 11, 19),
    flag("wasm_source_url_support").off("no_wasm_source_url_support").since(2026, 12, 1),
    flag("temporal").off("no_temporal").since(2026, 12, 1),
    flag("python_zstd_snapshot").experimental(),
    flag("nodejs_process_version_24").off("no_nodejs_process_version_24").since(2026, 11, 24),
    flag("r2_binding_jsrpc").experimental(),
    flag("rpc_dispose_cancels_call").experimental(),
    flag("expose_serialization_test_class").experimental(),
    flag("python_dedicated_snapshot_keep_import_caches").off("no_python_dedicated_snapshot_keep_import_caches"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

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
        assert!(resolve("2024-01-01", &["experimental"], true).unwrap().has("experimental"));
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
