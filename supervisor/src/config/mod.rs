//! Configuration: Cap'n Proto text or binary in, a checked [`Config`] out.
//!
//! ```text
//! text ──lexer, parser──▶ declarations ──evaluate──▶ typed values ──encode──▶ message ┐
//! binary ──────────────────────────────────────────────────────────────────▶ message ┴─validate──▶ Config
//! ```
//!
//! - `text` knows the language and nothing about what a configuration means: the schema's own description leads it.
//! - `validate` knows what a configuration means and nothing about text: it reads a message, and finds where a value was
//!   written through `position`.
//! - `diagnostics` collects what is wrong, all of it, and points into the source.
//! - Nothing here knows the rest of the program but what TLS is made of: a configuration is checked without a process, a
//!   socket or a clock.
//! - `limits` is how much a configuration may ask for, `policy` how much its workers may use.

mod diagnostics;
pub mod limits;
pub mod model;
mod position;
mod schema;
mod text;
mod validate;

use std::{
    fmt,
    fs::File,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use zeroize::Zeroizing;

use bulkhead_ipc::{
    compatibility::{Date, MAX_DATE},
    policy_capnp, workerd_capnp,
};
use capnp::{
    introspect::Type,
    message::{Builder, HeapAllocator, ReaderOptions},
};

pub use self::{
    diagnostics::{Diagnostic, Diagnostics, Severity},
    model::{
        ActorClass, Binding, BindingValue, Broken, Cache, Config, Designator, ExtensionModule, External, ExternalKind,
        ExternalTls, HeaderInjection, HttpOptions, HttpStyle, Hyperdrive, Loaded, MemoryCacheLimits, Module,
        ModuleKind, Network, NotYet, Protocol, Reached, Service, ServiceId, ServiceKind, Socket, TlsOptions, Worker,
        WorkerSource,
    },
};
use self::{
    diagnostics::{Place, Reporter},
    limits::{MAX_DEPTH, MAX_MESSAGE_BYTES},
    position::Positions,
    text::{
        encode::{encode, wipe},
        evaluate::{Evaluator, Typed},
        files::{Content, Disk, FileSystem, Memory, Observed, describe, read_bounded},
    },
    validate::Rules,
};
pub use bulkhead_ipc::policy;

/// Where a configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of Cap'n Proto text.
    Text(PathBuf),
    /// A file that holds one Cap'n Proto message in stream framing.
    Binary(PathBuf),
    /// The same on standard input, to its end.
    BinaryStdin,
    /// What [`compile`] made.
    Compiled(Arc<Compiled>),
}

/// A configuration and what goes with it as messages, whose bytes are wiped when they are dropped: there may be private keys among
/// them.
#[derive(Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The configuration, of one segment in stream framing.
    pub config: Zeroizing<Vec<u8>>,
    /// The policy for it, if it has one, as such a message.
    pub policy: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

/// What loading depends on besides the source.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which constant of a text is the configuration, by its name, dotted where it lies in an imported file. Without one
    /// there has to be exactly one constant of type `Config`.
    pub const_name: Option<String>,
    /// A text whose constant of type `Policy` holds, whatever a configuration in text says itself.
    pub policy: Option<PathBuf>,
    /// Which constant of that text, or else of the configuration's own, is the policy. Without one there may be at most
    /// one of type `Policy` in a configuration, and has to be exactly one in a text of its own.
    pub policy_const: Option<String>,
    /// Where imports and embeds that begin with `/` are looked for, in this order.
    pub import_paths: Vec<PathBuf>,
    /// Whether experimental compatibility flags are allowed.
    pub experimental: bool,
    /// The date in UTC; [`Date::from_unix_seconds`] makes it. Workers cannot be written for a later one.
    pub today: Date,
    /// The compatibility date of all workers, none of which has one of its own then: see [`test_date`].
    pub compat_date: Option<String>,
    /// Whether what is not there yet is a warning where the rest can go without it, and fails where it is used. A service with anything
    /// wrong is [`Broken`] then.
    pub lenient: bool,
}

impl Options {
    /// Nothing but the date.
    pub fn on(today: Date) -> Self {
        Self {
            const_name: None,
            policy: None,
            policy_const: None,
            import_paths: Vec::new(),
            experimental: false,
            today,
            compat_date: None,
            lenient: false,
        }
    }
}

/// The compatibility date that a test asks for, with which workers can be resolved: from 2000-01-01 to 2999-12-31, or `0000-00-00` for
/// the oldest and `9999-12-31` for the newest. What is later than the newest date that there is counts as that.
pub fn test_date(text: &str) -> Option<Date> {
    let date = match text {
        "0000-00-00" => Date::new(2000, 1, 1),
        "9999-12-31" => MAX_DATE,
        text => Date::parse(text).filter(|date| (2000..=2999).contains(&date.year()))?,
    };
    Some(date.min(MAX_DATE))
}

/// Loads and checks a configuration.
///
/// Reads files and, for [`Source::BinaryStdin`], standard input. How much it reads and holds is bounded by [`limits`].
///
/// # Errors
///
/// All that is wrong with it, and where.
pub fn load(source: &Source, options: &Options) -> Result<Loaded, Diagnostics> {
    load_observed(source, options, &|_| ())
}

/// As [`load`]. `looks_for` is told the path of each file before it is looked for: of those that are read, and of those that would
/// be if they were there. When one of them changes, another load may have another result, also where this one fails. A path may be
/// told several times.
///
/// # Errors
///
/// All that is wrong with it, and where.
pub fn load_observed(source: &Source, options: &Options, looks_for: &dyn Fn(&Path)) -> Result<Loaded, Diagnostics> {
    let disk = &Observed { files: Disk, looks_for };
    match source {
        Source::Text(path) => load_text(disk, path, options),
        Source::Binary(path) => {
            let bytes = disk.read(path, MAX_MESSAGE_BYTES);
            let mut loaded = load_binary(&path.display().to_string(), slice(&bytes), None, disk, options)?;
            loaded.files.insert(0, path.clone());
            Ok(loaded)
        }
        Source::BinaryStdin => load_binary("<stdin>", slice(&read_stdin()), None, disk, options),
        Source::Compiled(compiled) => load_binary(
            "<this program>",
            Ok(&compiled.config),
            compiled.policy.as_deref().map(Vec::as_slice),
            disk,
            options,
        ),
    }
}

fn read_stdin() -> std::io::Result<Content> {
    // Not by way of the library's buffer, which keeps what went through it.
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().map(File::from)?;
    read_bounded(stdin, 0, MAX_MESSAGE_BYTES)
}

fn slice(bytes: &std::io::Result<Content>) -> Result<&[u8], &std::io::Error> {
    bytes.as_ref().map(|bytes| bytes.as_slice())
}

/// Makes messages of a configuration and its policy, of which nothing is needed any more then. Whether they mean something is not
/// checked: that depends on where and how they are used. Reads as [`load`] does.
///
/// # Errors
///
/// What is wrong with the text, or that a binary configuration is none.
pub fn compile(source: &Source, options: &Options) -> Result<(Compiled, Vec<Diagnostic>), Diagnostics> {
    let name = match source {
        Source::Compiled(compiled) => return Ok((Compiled::clone(compiled), Vec::new())),
        Source::Text(path) => return compile_text(path, options),
        Source::Binary(path) => path.display().to_string(),
        Source::BinaryStdin => "<stdin>".to_owned(),
    };
    let bytes = match source {
        Source::Binary(path) => Disk.read(path, MAX_MESSAGE_BYTES),
        _ => read_stdin(),
    };
    let mut evaluator = evaluator(&Disk, Path::new(&name), options)?;
    let file = evaluator.reporter.add_file(name, None);
    let policy = load_policy(&mut evaluator, None, options);
    let Evaluator { mut reporter, .. } = evaluator;
    let Some(message) = read_message(slice(&bytes), file, &mut reporter) else { return Err(reporter.finish()) };
    let config = message.get_root().and_then(one_segment);
    finish_compiled(config, policy, reporter, file)
}

fn compile_text(path: &Path, options: &Options) -> Result<(Compiled, Vec<Diagnostic>), Diagnostics> {
    let mut evaluator = evaluator(&Disk, path, options)?;
    let Some(module) = load_config(&mut evaluator, path) else { return Err(evaluator.reporter.finish()) };
    let file = evaluator.file_of(module);
    let value = constant(&mut evaluator, module, CONFIG, options.const_name.as_deref());
    let policy = load_policy(&mut evaluator, Some(module), options);
    let Evaluator { mut reporter, .. } = evaluator;
    let encoded = value.and_then(|value| encode_reporting::<workerd_capnp::config::Owned>(&value, file, &mut reporter));
    let Some((mut message, _)) = encoded else { return Err(finish(reporter, file)) };
    let config = message.get_root_as_reader().and_then(one_segment);
    let wiped = message.get_root::<workerd_capnp::config::Builder<'_>>().and_then(|root| wipe(root.into()));
    finish_compiled(wiped.and(config), policy, reporter, file)
}

fn finish_compiled(
    config: capnp::Result<Builder<HeapAllocator>>,
    policy: Option<Encoded>,
    mut reporter: Reporter,
    file: u32,
) -> Result<(Compiled, Vec<Diagnostic>), Diagnostics> {
    let compiled = config.and_then(|mut message| {
        let config = Content::new(capnp::serialize::write_message_to_words(&message));
        wipe(message.get_root::<workerd_capnp::config::Builder<'_>>()?.into())?;
        let policy = policy.map(|(message, _)| message.get_root_as_reader().and_then(one_segment)).transpose()?;
        let policy = policy.map(|message| Content::new(capnp::serialize::write_message_to_words(&message)));
        Ok(Compiled { config, policy })
    });
    match compiled {
        Ok(compiled) if !reporter.has_errors() => Ok((compiled, reporter.take_warnings())),
        Ok(_) => Err(finish(reporter, file)),
        Err(error) => {
            reporter.error(Place::File(file), format!("cannot encode the configuration: {error}"));
            Err(reporter.finish())
        }
    }
}

/// A message with this root, of one segment, which readers can use where it lies.
fn one_segment(root: capnp::any_pointer::Reader<'_>) -> capnp::Result<Builder<HeapAllocator>> {
    let words = u32::try_from(root.target_size()?.word_count + 1)
        .map_err(|_| capnp::Error::failed("it is too long".to_owned()))?;
    let mut message = Builder::new(HeapAllocator::new().first_segment_words(words));
    message.set_root(root)?;
    Ok(message)
}

/// Loads a configuration from bytes of text alone: imports and embeds find only what `files` holds under absolute
/// paths; the text itself lies at `/config.capnp`. Meant for fuzzing and tests.
///
/// # Errors
///
/// All that is wrong with it, and where.
pub fn load_text_from_bytes(
    text: &[u8],
    files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>,
    options: &Options,
) -> Result<Loaded, Diagnostics> {
    let path = PathBuf::from("/config.capnp");
    let mut memory = Memory::default();
    memory.0.extend(files);
    memory.0.insert(path.clone(), text.to_vec());
    load_text(&memory, &path, options)
}

/// Loads a binary configuration from bytes alone: there is no file to read a policy from.
///
/// # Errors
///
/// All that is wrong with it, and where in the message.
pub fn load_binary_from_bytes(bytes: &[u8], options: &Options) -> Result<Config, Diagnostics> {
    load_binary("<bytes>", Ok(bytes), None, &Memory::default(), options).map(|loaded| loaded.config)
}

/// The binary form of a configuration written as text: one message in stream framing. Whether it means something is not
/// checked.
///
/// # Errors
///
/// What is wrong with the text.
pub fn encode_text(path: &Path, options: &Options) -> Result<Vec<u8>, Diagnostics> {
    encode_constant::<workerd_capnp::config::Owned>(path, CONFIG, options.const_name.as_deref(), options)
}

/// The same for the policy in a text.
///
/// # Errors
///
/// What is wrong with the text.
pub fn encode_policy_text(path: &Path, options: &Options) -> Result<Vec<u8>, Diagnostics> {
    encode_constant::<policy_capnp::policy::Owned>(path, POLICY, options.policy_const.as_deref(), options)
}

fn encode_constant<T>(
    path: &Path,
    wanted: Wanted,
    const_name: Option<&str>,
    options: &Options,
) -> Result<Vec<u8>, Diagnostics>
where
    T: capnp::traits::Owned,
    for<'a> T::Builder<'a>: capnp::traits::FromPointerBuilder<'a> + Into<capnp::dynamic_value::Builder<'a>>,
{
    let mut evaluator = evaluator(&Disk, path, options)?;
    let value = load_config(&mut evaluator, path)
        .and_then(|module| Some((module, constant(&mut evaluator, module, wanted, const_name)?)));
    let Some((module, value)) = value else { return Err(evaluator.reporter.finish()) };
    let file = evaluator.file_of(module);
    match encode_reporting::<T>(&value, file, &mut evaluator.reporter) {
        Some((message, _)) if !evaluator.reporter.has_errors() => {
            Ok(capnp::serialize::write_message_to_words(&message))
        }
        _ => Err(evaluator.reporter.finish()),
    }
}

/// A text with every bare string that stands for a struct written out, as older `capnp` tools need it:
/// `"main"` becomes `(name = "main")`.
///
/// # Errors
///
/// What is wrong with the text.
pub fn write_out_shorthands(path: &Path, options: &Options) -> Result<String, Diagnostics> {
    let mut evaluator = evaluator(&Disk, path, options)?;
    let Some(module) = load_config(&mut evaluator, path) else { return Err(evaluator.reporter.finish()) };
    if evaluator.reporter.has_errors() {
        return Err(evaluator.reporter.finish());
    }
    let file = evaluator.file_of(module);
    let mut places: Vec<_> = evaluator.shorthands.iter().filter(|(span, _)| span.file == file).collect();
    places.sort();
    places.dedup();
    let text = evaluator.reporter.text(file);
    let (mut written, mut at) = (String::with_capacity(text.len()), 0);
    for (span, field) in places {
        written.push_str(&text[at..span.start as usize]);
        written.push_str(&format!("({field} = {})", &text[span.start as usize..span.end as usize]));
        at = span.end as usize;
    }
    written.push_str(&text[at..]);
    Ok(written)
}

fn evaluator<'a>(files: &'a dyn FileSystem, path: &Path, options: &'a Options) -> Result<Evaluator<'a>, Diagnostics> {
    Evaluator::new(files, &options.import_paths).map_err(|error| {
        let mut reporter = Reporter::default();
        let file = reporter.add_file(path.display().to_string(), None);
        reporter.error(Place::File(file), format!("cannot read the configuration schema: {error}"));
        reporter.finish()
    })
}

/// Reads and evaluates the text of a configuration. `None` when that is not possible; then it was reported.
fn load_config(evaluator: &mut Evaluator<'_>, path: &Path) -> Option<usize> {
    evaluator.load_main(path, "the configuration", "a binary configuration is read with --binary").ok()
}

/// A constant that is looked for by its type.
struct Wanted {
    ty: fn() -> Type,
    name: &'static str,
    /// What the file is called that has to have one, and how one is written there.
    required: Option<(&'static str, &'static str)>,
    /// How to choose among several.
    choose: &'static str,
}

const CONFIG: Wanted = Wanted {
    ty: schema::config_type,
    name: "Config",
    required: Some((
        "config",
        "using Workerd = import \"/workerd/workerd.capnp\"; const config :Workerd.Config = (…);",
    )),
    choose: "give the name of one after the file",
};

/// In the text of a configuration.
const OWN_POLICY: Wanted = Wanted {
    ty: schema::policy_type,
    name: "Policy",
    required: None,
    choose: "give the name of one with --policy-const",
};

/// In a text that is named because of it.
const POLICY: Wanted = Wanted {
    required: Some((
        "policy",
        "using Bulkhead = import \"/bulkhead/policy.capnp\"; const policy :Bulkhead.Policy = (…);",
    )),
    ..OWN_POLICY
};

/// The constant of a file that is wanted, or that is asked for by name. `None` when there is none; where there has to be
/// one, that was reported.
fn constant(
    evaluator: &mut Evaluator<'_>,
    module: usize,
    wanted: Wanted,
    const_name: Option<&str>,
) -> Option<Rc<Typed>> {
    let place = Place::File(evaluator.file_of(module));
    let ty = (wanted.ty)();
    if let Some(name) = const_name {
        return match evaluator.constant_by_name(module, name, ty) {
            Ok(value) => Some(value),
            Err(message) => {
                let known = evaluator.constants_of_type(module, ty);
                match diagnostics::nearest(name, known.iter().map(|(name, _)| name.as_str())) {
                    Some(meant) => {
                        evaluator.reporter.error_with_help(place, message, format!("did you mean `{meant}`?"));
                    }
                    None => evaluator.reporter.error(place, message),
                }
                None
            }
        };
    }
    let mut known = evaluator.constants_of_type(module, ty);
    let what = wanted.required.map_or("config", |(what, _)| what);
    match (known.len(), wanted.required) {
        (1, _) => known.pop().map(|(_, value)| value),
        (0, None) => None,
        (0, Some((_, example))) => {
            // One that could not be read is not missing.
            if !evaluator.reporter.has_errors() {
                let message =
                    format!("The {what} file does not define any top-level constants of type '{}'.", wanted.name);
                evaluator.reporter.error_with_help(place, message, example);
            }
            None
        }
        _ => {
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!("The {what} file defines multiple top-level constants of type '{}'", wanted.name);
            let help = format!("{}. The options are: {}", wanted.choose, names.join(", "));
            evaluator.reporter.error_with_help(place, message, help);
            None
        }
    }
}

/// A message that was made from text.
type Encoded = (Builder<HeapAllocator>, Positions);

/// As [`encode`]; what cannot be encoded is reported.
fn encode_reporting<T>(value: &Rc<Typed>, file: u32, reporter: &mut Reporter) -> Option<Encoded>
where
    T: capnp::traits::Owned,
    for<'a> T::Builder<'a>: capnp::traits::FromPointerBuilder<'a> + Into<capnp::dynamic_value::Builder<'a>>,
{
    match encode::<T>(value, file) {
        Ok(encoded) => Some(encoded),
        Err(error) => {
            reporter.error(Place::Span(value.span), error.to_string());
            None
        }
    }
}

/// The policy that holds for a configuration whose text is `config`, or that has none. `None` when there is none, or it is
/// wrong; then that was reported.
fn load_policy(evaluator: &mut Evaluator<'_>, config: Option<usize>, options: &Options) -> Option<Encoded> {
    let (module, wanted) = match &options.policy {
        Some(path) => (evaluator.load_main(path, "the policy", "a policy is written as text").ok()?, POLICY),
        None => (config?, OWN_POLICY),
    };
    let value = constant(evaluator, module, wanted, options.policy_const.as_deref())?;
    let file = evaluator.file_of(module);
    encode_reporting::<policy_capnp::policy::Owned>(&value, file, &mut evaluator.reporter)
}

/// Checks a message and the policy for it.
fn validate_with(
    config: workerd_capnp::config::Reader<'_>,
    positions: &Positions,
    policy: Option<&Encoded>,
    options: &Options,
    reporter: &mut Reporter,
) -> Option<Config> {
    let rules = Rules {
        experimental: options.experimental,
        today: options.today,
        compat_date: options.compat_date.clone(),
        lenient: options.lenient,
    };
    let policy = match policy {
        Some((message, positions)) => match message.get_root_as_reader() {
            Ok(reader) => Some((reader, positions.root())),
            Err(error) => {
                reporter.error(positions.root().place(), format!("cannot encode the policy: {error}"));
                None
            }
        },
        None => None,
    };
    validate::validate(config, &positions.root(), policy, &rules, reporter)
}

fn load_text(files: &dyn FileSystem, path: &Path, options: &Options) -> Result<Loaded, Diagnostics> {
    let mut evaluator = evaluator(files, path, options)?;
    let module = load_config(&mut evaluator, path);
    let Some(module) = module else { return Err(evaluator.reporter.finish()) };
    let file = evaluator.file_of(module);
    let value = constant(&mut evaluator, module, CONFIG, options.const_name.as_deref());
    let policy = load_policy(&mut evaluator, Some(module), options);
    let Evaluator { mut reporter, read, .. } = evaluator;
    let Some((mut message, positions)) =
        value.and_then(|value| encode_reporting::<workerd_capnp::config::Owned>(&value, file, &mut reporter))
    else {
        return Err(finish(reporter, file));
    };
    let config = match message.get_root_as_reader() {
        Ok(reader) => validate_with(reader, &positions, policy.as_ref(), options, &mut reporter),
        Err(error) => {
            reporter.error(Place::File(file), format!("cannot encode the configuration: {error}"));
            None
        }
    };
    let wiped = message.get_root::<workerd_capnp::config::Builder<'_>>().and_then(|root| wipe(root.into()));
    match config {
        Some(_) if let Err(error) = wiped => {
            reporter.error(Place::File(file), format!("cannot wipe the configuration: {error}"));
            Err(finish(reporter, file))
        }
        Some(config) => Ok(Loaded { config, files: without_repeats(read), warnings: reporter.take_warnings() }),
        None => Err(finish(reporter, file)),
    }
}

fn without_repeats(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut known = std::collections::HashSet::new();
    files.into_iter().filter(|path| known.insert(path.clone())).collect()
}

/// The files are those of the policy, which is `own_policy` where the command line names none.
fn load_binary(
    name: &str,
    bytes: Result<&[u8], &std::io::Error>,
    own_policy: Option<&[u8]>,
    files: &dyn FileSystem,
    options: &Options,
) -> Result<Loaded, Diagnostics> {
    let mut evaluator = evaluator(files, Path::new(name), options)?;
    let file = evaluator.reporter.add_file(name.to_owned(), None);
    let policy = match own_policy {
        Some(own) if options.policy.is_none() => decode_policy(own, file, &mut evaluator.reporter),
        _ => load_policy(&mut evaluator, None, options),
    };
    let Evaluator { mut reporter, read, .. } = evaluator;
    let Some(message) = read_message(bytes, file, &mut reporter) else { return Err(reporter.finish()) };
    let positions = Positions::new(file);
    let config = match message.get_root() {
        Ok(reader) => validate_with(reader, &positions, policy.as_ref(), options, &mut reporter),
        Err(error) => {
            let message = format!("this is not a binary configuration: {error}");
            reporter.error_with_help(Place::File(file), message, BINARY_HELP);
            None
        }
    };
    match config {
        Some(config) => Ok(Loaded { config, files: without_repeats(read), warnings: reporter.take_warnings() }),
        None => Err(finish(reporter, file)),
    }
}

const BINARY_HELP: &str = "--binary expects one Cap'n Proto message of type `Config` in stream framing";

/// A message whose parts lie where they were read.
type Borrowed<'a> = capnp::message::Reader<capnp::serialize::BufferSegments<&'a [u8]>>;

/// Takes bytes for one message. `None` where they are none; then that was reported.
fn read_message<'a>(
    bytes: Result<&'a [u8], &std::io::Error>,
    file: u32,
    reporter: &mut Reporter,
) -> Option<Borrowed<'a>> {
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            reporter.error(Place::File(file), format!("cannot read the configuration: {}", describe(error)));
            return None;
        }
    };
    let mut options = ReaderOptions::new();
    // A text is looked at up to four times, which counts each time. A message that points at one place from many is the
    // reason for a limit.
    options.traversal_limit_in_words(Some(bytes.len() + 1024)).nesting_limit(MAX_DEPTH as i32);
    let mut rest = bytes;
    let what = match capnp::serialize::read_message_from_flat_slice(&mut rest, options) {
        Ok(message) if rest.is_empty() => return Some(message),
        Ok(_) => format!("{} bytes follow the message", rest.len()),
        Err(_) if bytes.is_empty() => "it is empty".to_owned(),
        Err(error) => error.to_string(),
    };
    reporter.error_with_help(Place::File(file), format!("this is not a binary configuration: {what}"), BINARY_HELP);
    None
}

/// A policy as [`compile`] makes it. `None` where it is none; then that was reported.
fn decode_policy(mut bytes: &[u8], file: u32, reporter: &mut Reporter) -> Option<Encoded> {
    let decoded =
        capnp::serialize::read_message_from_flat_slice(&mut bytes, ReaderOptions::new()).and_then(|message| {
            let mut policy = Builder::new_default();
            policy.set_root(message.get_root::<policy_capnp::policy::Reader<'_>>()?)?;
            Ok(policy)
        });
    match decoded {
        Ok(policy) => Some((policy, Positions::new(file))),
        Err(error) => {
            reporter.error(Place::File(file), format!("cannot read the policy: {error}"));
            None
        }
    }
}

/// The diagnostics of a configuration that has been refused.
fn finish(mut reporter: Reporter, file: u32) -> Diagnostics {
    if !reporter.has_errors() {
        // Something cannot be left out: it is among what was said to be.
        reporter.take_warnings_for_errors();
    }
    if !reporter.has_errors() {
        // Cannot happen as long as everything that refuses says why. Then at least nothing is served.
        reporter.error(Place::File(file), "the configuration was refused");
    }
    reporter.finish()
}
