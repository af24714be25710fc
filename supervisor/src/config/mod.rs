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
//! - `limits` is how much a configuration may ask for.

mod diagnostics;
pub mod limits;
pub mod model;
pub mod policy;
mod position;
mod schema;
mod text;
mod validate;

use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use bulkhead_ipc::compatibility::Date;
use capnp::message::ReaderOptions;

pub use self::{
    diagnostics::{Diagnostic, Diagnostics},
    model::{
        Binding, BindingValue, Config, Designator, HeaderInjection, HttpOptions, HttpStyle, Loaded, Module, ModuleKind,
        Service, ServiceKind, Socket, Worker, WorkerSource,
    },
    policy::WorkerPolicy,
};
use self::{
    diagnostics::{Place, Reporter},
    limits::{MAX_DEPTH, MAX_MESSAGE_BYTES},
    position::Positions,
    text::{
        encode::encode,
        evaluate::{Evaluator, Typed},
        files::{Disk, FileSystem, Memory, describe, read_bounded},
    },
    validate::Rules,
};

/// Where a configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of Cap'n Proto text.
    Text(PathBuf),
    /// A file that holds one Cap'n Proto message in stream framing.
    Binary(PathBuf),
    /// The same on standard input, to its end.
    BinaryStdin,
}

/// What loading depends on besides the source.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which constant of a text is the configuration, by its name, dotted where it lies in an imported file. Without one
    /// there has to be exactly one constant of type `Config`.
    pub const_name: Option<String>,
    /// Where imports and embeds that begin with `/` are looked for, in this order.
    pub import_paths: Vec<PathBuf>,
    /// Whether experimental compatibility flags are allowed.
    pub experimental: bool,
    /// The date in UTC; [`Date::from_unix_seconds`] makes it. Workers cannot be written for a later one.
    pub today: Date,
}

/// Loads and checks a configuration.
///
/// Reads files and, for [`Source::BinaryStdin`], standard input. How much it reads and holds is bounded by [`limits`].
///
/// # Errors
///
/// All that is wrong with it, and where.
pub fn load(source: &Source, options: &Options) -> Result<Loaded, Diagnostics> {
    match source {
        Source::Text(path) => load_text(&Disk, path, options),
        Source::Binary(path) => {
            let bytes = Disk.read(path, MAX_MESSAGE_BYTES);
            load_binary(&path.display().to_string(), bytes, options)
                .map(|config| Loaded { config, files: vec![path.clone()] })
        }
        Source::BinaryStdin => {
            let bytes = read_bounded(std::io::stdin().lock(), MAX_MESSAGE_BYTES);
            load_binary("<stdin>", bytes, options).map(|config| Loaded { config, files: Vec::new() })
        }
    }
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

/// Loads a binary configuration from bytes.
///
/// # Errors
///
/// All that is wrong with it, and where in the message.
pub fn load_binary_from_bytes(bytes: &[u8], options: &Options) -> Result<Config, Diagnostics> {
    load_binary("<bytes>", Ok(bytes.to_vec()), options)
}

/// The binary form of a configuration written as text: one message in stream framing. Whether it means something is not
/// checked.
///
/// # Errors
///
/// What is wrong with the text.
pub fn encode_text(path: &Path, options: &Options) -> Result<Vec<u8>, Diagnostics> {
    let mut evaluator = evaluator(&Disk, path, options)?;
    let Some((file, value)) = main_constant(&mut evaluator, path, options) else {
        return Err(evaluator.reporter.finish());
    };
    match encode(&value, file) {
        Ok((message, _)) if !evaluator.reporter.has_errors() => Ok(capnp::serialize::write_message_to_words(&message)),
        Ok(_) => Err(evaluator.reporter.finish()),
        Err(error) => {
            evaluator.reporter.error(Place::Span(value.span), error.to_string());
            Err(evaluator.reporter.finish())
        }
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
    let Ok(module) = evaluator.load_main(path) else { return Err(evaluator.reporter.finish()) };
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

/// The file and value of the constant that is the configuration. `None` when there is none; then that was reported.
fn main_constant(evaluator: &mut Evaluator<'_>, path: &Path, options: &Options) -> Option<(u32, Rc<Typed>)> {
    let module = evaluator.load_main(path).ok()?;
    let file = evaluator.file_of(module);
    let config = schema::config_type();
    if let Some(name) = &options.const_name {
        return match evaluator.constant_by_name(module, name, config) {
            Ok(value) => Some((file, value)),
            Err(message) => {
                let known = evaluator.constants_of_type(module, config);
                let near = diagnostics::nearest(name, known.iter().map(|(name, _)| name.as_str()));
                match near {
                    Some(meant) => evaluator.reporter.error_with_help(
                        Place::File(file),
                        message,
                        format!("did you mean `{meant}`?"),
                    ),
                    None => evaluator.reporter.error(Place::File(file), message),
                }
                None
            }
        };
    }
    let mut known = evaluator.constants_of_type(module, config);
    match known.len() {
        1 => known.pop().map(|(_, value)| (file, value)),
        0 => {
            // One that could not be read is not missing.
            if !evaluator.reporter.has_errors() {
                evaluator.reporter.error_with_help(
                    Place::File(file),
                    "The config file does not define any top-level constants of type 'Config'.",
                    "using Workerd = import \"/workerd/workerd.capnp\"; const config :Workerd.Config = (…);",
                );
            }
            None
        }
        _ => {
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            evaluator.reporter.error_with_help(
                Place::File(file),
                "The config file defines multiple top-level constants of type 'Config'",
                format!("give the name of one after the file. The options are: {}", names.join(", ")),
            );
            None
        }
    }
}

fn load_text(files: &dyn FileSystem, path: &Path, options: &Options) -> Result<Loaded, Diagnostics> {
    let mut evaluator = evaluator(files, path, options)?;
    let Some((file, value)) = main_constant(&mut evaluator, path, options) else {
        return Err(evaluator.reporter.finish());
    };
    let encoded = encode(&value, file);
    let Evaluator { mut reporter, read, .. } = evaluator;
    let (message, positions) = match encoded {
        Ok(encoded) => encoded,
        Err(error) => {
            reporter.error(Place::Span(value.span), error.to_string());
            return Err(reporter.finish());
        }
    };
    let reader = message.get_root_as_reader();
    let rules = Rules { experimental: options.experimental, today: options.today };
    let config = match reader {
        Ok(reader) => validate::validate(reader, &positions.root(), &rules, &mut reporter),
        Err(error) => {
            reporter.error(Place::File(file), format!("cannot encode the configuration: {error}"));
            None
        }
    };
    match config {
        Some(config) => {
            let mut known = std::collections::HashSet::new();
            let files = read.into_iter().filter(|path| known.insert(path.clone())).collect();
            Ok(Loaded { config, files })
        }
        None => Err(finish(reporter, file)),
    }
}

fn load_binary(name: &str, bytes: std::io::Result<Vec<u8>>, options: &Options) -> Result<Config, Diagnostics> {
    let mut reporter = Reporter::default();
    let file = reporter.add_file(name.to_owned(), None);
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            reporter.error(Place::File(file), format!("cannot read the configuration: {}", describe(&error)));
            return Err(reporter.finish());
        }
    };
    let help = "--binary expects one Cap'n Proto message of type `Config` in stream framing";
    let mut options_for_reader = ReaderOptions::new();
    // A text is looked at up to four times, which counts each time. A message that points at one place from many is the
    // reason for a limit.
    options_for_reader.traversal_limit_in_words(Some(bytes.len() + 1024)).nesting_limit(MAX_DEPTH as i32);
    let mut rest = bytes.as_slice();
    let message = match capnp::serialize::read_message_from_flat_slice(&mut rest, options_for_reader) {
        Ok(message) => message,
        Err(error) => {
            let what = if bytes.is_empty() { "it is empty".to_owned() } else { error.to_string() };
            reporter.error_with_help(Place::File(file), format!("this is not a binary configuration: {what}"), help);
            return Err(reporter.finish());
        }
    };
    if !rest.is_empty() {
        let message = format!("this is not a binary configuration: {} bytes follow the message", rest.len());
        reporter.error_with_help(Place::File(file), message, help);
        return Err(reporter.finish());
    }
    let positions = Positions::new(file);
    let rules = Rules { experimental: options.experimental, today: options.today };
    let config = match message.get_root() {
        Ok(reader) => validate::validate(reader, &positions.root(), &rules, &mut reporter),
        Err(error) => {
            let message = format!("this is not a binary configuration: {error}");
            reporter.error_with_help(Place::File(file), message, help);
            None
        }
    };
    config.ok_or_else(|| finish(reporter, file))
}

/// The diagnostics of a configuration that has been refused.
fn finish(mut reporter: Reporter, file: u32) -> Diagnostics {
    if !reporter.has_errors() {
        // Cannot happen as long as everything that refuses says why. Then at least nothing is served.
        reporter.error(Place::File(file), "the configuration was refused");
    }
    reporter.finish()
}
