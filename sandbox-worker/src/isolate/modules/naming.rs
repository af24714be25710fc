//! What names and specifiers come to, and the words for what is not there: all in which the two registries differ.
//!
//! In the first one, names are paths: `./a//b/../c` is the module `a/c`, and a specifier is resolved against the directory of the module
//! that imports it, whether it starts with `./` or not. In the second, `new_module_registry`, they are URLs, those of the bundle below
//! `file:///bundle/`. There a module has an instance for each query and fragment that it is imported with.
//!
//! A *location* is what a specifier comes to: a path, or a URL.

use bulkhead_ipc::compatibility::Flag;
use jsg::Error;

use crate::isolate::Isolate;

const URLS: Flag = Flag::named("new_module_registry");

/// What the URLs of the bundle's modules begin with.
const BUNDLE: &str = "file:///bundle/";

/// How modules are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Paths,
    Urls,
}

impl Names {
    pub(super) fn of(isolate: &Isolate) -> Self {
        if isolate.flags().is_on(URLS) { Self::Urls } else { Self::Paths }
    }

    /// Where the bundle's module of this name is, or why it can be nowhere.
    pub(super) fn bundled(self, name: &str) -> Result<String, String> {
        if self == Self::Paths {
            return join("", name)
                .ok_or_else(|| format!("Uncaught TypeError: Module name \"{name}\" leads out of the bundle's root"));
        }
        let url = self.resolve(BUNDLE, name).map(|url| definition(&url).to_owned());
        let url = url.ok_or_else(|| format!("Uncaught TypeError: Module name \"{name}\" is no URL"))?;
        match url.split_once(':') {
            Some((scheme @ ("cloudflare" | "workerd"), _)) => Err(format!(
                "Uncaught TypeError: Module name \"{name}\": the {scheme}: protocol is reserved and cannot be used in module bundles"
            )),
            Some(("data", _)) => Err(format!(
                "Uncaught TypeError: Module name \"{name}\": the data: protocol cannot be used in module bundles"
            )),
            _ if url == BUNDLE => Err(format!("Uncaught TypeError: Module name \"{name}\" is empty")),
            _ => Ok(url),
        }
    }

    /// Where the main module is, which has been found to be [somewhere](Self::bundled): its name may have a query and a fragment.
    pub(super) fn main(self, name: &str) -> String {
        match self {
            Self::Paths => join("", name),
            Self::Urls => self.resolve(BUNDLE, name),
        }
        .unwrap_or_default()
    }

    /// Where an extension's module of this name is, or why it can be nowhere.
    pub(super) fn extension(self, name: &str) -> Result<String, String> {
        match self {
            Self::Paths => join("", name)
                .ok_or_else(|| format!("Uncaught TypeError: Module name \"{name}\" leads out of the extension's root")),
            Self::Urls => match self.resolve("", name).map(|url| definition(&url).to_owned()) {
                Some(url) if url.starts_with("file:") => Err(format!(
                    "Uncaught TypeError: Invalid extension module name \"{name}\": the file: protocol is reserved for module bundles"
                )),
                Some(url) => Ok(url),
                None => Err(format!(
                    "Invalid extension module name \"{name}\": when the new_module_registry compatibility flag is enabled, \
                     extension module names must be fully-qualified URLs (e.g. \"my-extension:module\")."
                )),
            },
        }
    }

    /// The location that `specifier` means to the module at `referrer`; `None` if it means none.
    pub(super) fn resolve(self, referrer: &str, specifier: &str) -> Option<String> {
        match self {
            Self::Paths if has_scheme(specifier) => Some(specifier.to_owned()),
            Self::Paths => join(directory_of(referrer), specifier),
            Self::Urls => normalized(parse(specifier, referrer)?),
        }
    }

    /// As [`resolve`](Self::resolve), as scripts are told it.
    pub(super) fn resolve_to_show(referrer: &str, specifier: &str) -> Option<String> {
        parse(specifier, referrer).map(|url| url.href().to_owned())
    }

    /// The location that a server sends somebody on to.
    pub(super) fn redirected(self, to: &str) -> Option<String> {
        match self {
            Self::Paths if has_scheme(to) => Some(to.to_owned()),
            Self::Paths => join("", to),
            Self::Urls => self.resolve(BUNDLE, to).map(|url| definition(&url).to_owned()),
        }
    }

    /// The location of a script that V8 knows by the name `script`, if it is one.
    pub(super) fn of_script(self, script: &str) -> String {
        match self {
            Self::Paths => join("", script),
            // What has no URL of its own, like code from a string, is nowhere.
            Self::Urls => self.resolve("", script).or_else(|| Some(BUNDLE.to_owned())),
        }
        .unwrap_or_default()
    }

    /// The location of a file that begins with `/`.
    pub(super) fn of_file(self, file: &str) -> Option<String> {
        match self {
            Self::Paths => Some(file.strip_prefix('/').unwrap_or(file).to_owned()),
            Self::Urls => self.resolve("file:///", file),
        }
    }

    /// The name of the file that a module at `location` is, and of its directory.
    pub(super) fn file(self, location: &str) -> (String, String) {
        match self {
            Self::Paths => (format!("/{location}"), format!("/{}", directory_of(location))),
            Self::Urls => {
                let path = parse(location, "").map_or_else(String::new, |url| url.pathname().to_owned());
                let file = if path.starts_with('/') { path } else { format!("/{path}") };
                let directory = directory_of(&file);
                let directory = if directory.is_empty() { "/" } else { directory }.to_owned();
                (file, directory)
            }
        }
    }

    /// What V8 is to call the script of a module `name` at `location`, and says where errors come from.
    pub(super) fn script(self, name: &str, location: &str) -> String {
        match self {
            Self::Paths => name.to_owned(),
            Self::Urls => definition(location).to_owned(),
        }
    }

    /// Under which location a module is defined that is an instance at `location`.
    pub(super) fn definition(self, location: &str) -> &str {
        match self {
            Self::Paths => location,
            Self::Urls => definition(location),
        }
    }

    /// What is said of the main module, if it awaits what does not come while the worker starts.
    pub(super) fn unsettled(self, main: &str) -> String {
        match self {
            Self::Paths => "Top-level await in module is unsettled.".to_owned(),
            Self::Urls => format!(
                "Use of top-level await in a synchronously required module is restricted to promises that are resolved \
                 synchronously. This includes any top-level awaits in the entrypoint module for a worker. Specifier: \"{main}\"."
            ),
        }
    }

    /// A location as it is said outside.
    pub(super) fn outside(self, location: &str) -> String {
        match self {
            Self::Paths if !has_scheme(location) => format!("/{location}"),
            Self::Paths | Self::Urls => self.definition(location).to_owned(),
        }
    }
}

/// Why there is no module for a specifier.
#[derive(Debug)]
pub(super) enum Missing {
    /// No module is at this location.
    Unknown(String),
    /// The specifier means no location.
    Nowhere(String),
    /// The module could not be compiled.
    Failed(Error),
    /// The reference has a module of this name, and this program has none yet.
    NotYet(String),
}

/// Who says that a module is missing.
#[derive(Clone, Copy)]
pub(super) enum By<'a> {
    /// An `import` declaration in the module at this location, and so a start-up error.
    Declaration(&'a str),
    /// `import()`.
    Call,
    /// `require()` of this specifier.
    Require(&'a str),
}

impl Missing {
    /// As `by` says it.
    pub(super) fn said(self, names: Names, by: By<'_>) -> Error {
        match (names, self, by) {
            (_, Missing::Failed(error), _) => error,
            (_, Missing::NotYet(specifier), by) => {
                let importer = match by {
                    By::Declaration(importer) => format!("\n  imported from \"{importer}\""),
                    By::Call | By::Require(_) => String::new(),
                };
                Error::error(format!("The module \"{specifier}\" is not implemented yet.{importer}"))
            }
            (Names::Urls, Missing::Unknown(_), By::Require(specifier)) => {
                Error::error(format!("Module not found: {specifier}"))
            }
            (Names::Urls, Missing::Unknown(url), _) => Error::error(format!("Module not found: {url}")),
            (Names::Urls, Missing::Nowhere(specifier), _) => {
                Error::type_error(format!("Invalid module specifier: {specifier}"))
            }
            (Names::Paths, Missing::Unknown(path), By::Declaration(importer)) => {
                Error::error(format!("No such module \"{}\".\n  imported from \"{importer}\"", shown(&path)))
            }
            (Names::Paths, Missing::Unknown(path), _) => Error::error(format!("No such module \"{}\".", shown(&path))),
            (Names::Paths, Missing::Nowhere(specifier), By::Declaration(importer)) => {
                Error::type_error(format!("Invalid module specifier \"{specifier}\".\n  imported from \"{importer}\"."))
            }
            (Names::Paths, Missing::Nowhere(specifier), By::Call) => {
                Error::error(format!("No such module \"{specifier}\""))
            }
            (Names::Paths, Missing::Nowhere(specifier), By::Require(_)) => {
                Error::type_error(format!("Invalid module specifier \"{specifier}\"."))
            }
        }
    }
}

/// A path as messages show it: the root is a dot.
pub(super) fn shown(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

/// The path that `specifier` means in the directory `directory`; `None` if that leads out of the root.
fn join(directory: &str, specifier: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let relative = if specifier.starts_with('/') { "" } else { directory };
    for part in relative.split('/').chain(specifier.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What is before the last part of a path.
fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Specifiers with one of these schemes are names as they stand, and relative to nothing.
pub(super) fn has_scheme(specifier: &str) -> bool {
    ["cloudflare:", "node:", "workerd:"].iter().any(|scheme| specifier.starts_with(scheme))
}

/// The URL of a module without query and fragment.
fn definition(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn parse(specifier: &str, base: &str) -> Option<ada_url::Url> {
    ada_url::Url::parse(specifier, (!base.is_empty()).then_some(base)).ok()
}

/// The URL of a module, with the path written in one way: nothing is percent-encoded in it that need not be. An encoded `/` stays, for it
/// separates nothing.
fn normalized(mut url: ada_url::Url) -> Option<String> {
    // What does not begin so has no path of parts.
    if url.pathname().starts_with('/') && url.pathname().contains('%') {
        let path = decoded(url.pathname());
        url.set_pathname(Some(&path)).ok()?;
    }
    Some(url.href().to_owned())
}

/// A path in which what is percent-encoded is decoded, unless a parser of URLs would encode it again, or take it for a `/`.
fn decoded(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let byte = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            // Two digits may be written with a sign there, which no code has.
            Some(byte) if rest.as_bytes()[at + 1].is_ascii_hexdigit() => {
                match byte {
                    b'\0'..=b' ' | b'"' | b'#' | b'/' | b'<' | b'>' | b'?' | b'^' | b'`' | b'{' | b'}' | 0x7f.. => {
                        decoded.push_str(&format!("%{byte:02X}"));
                    }
                    byte => decoded.push(char::from(byte)),
                }
                rest = &rest[at + 3..];
            }
            _ => {
                decoded.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Option<String> {
        Some(path.to_owned())
    }

    #[test]
    fn specifiers_are_resolved_against_the_directory() {
        let resolve = |referrer: &str, specifier| {
            let referrer = join("", referrer).expect("a name within the root");
            join(directory_of(&referrer), specifier)
        };
        assert_eq!(resolve("lib/a.js", "b"), path("lib/b"));
        assert_eq!(resolve("lib/a.js", "./b"), path("lib/b"));
        assert_eq!(resolve("lib/a.js", "../b"), path("b"));
        assert_eq!(resolve("lib/a.js", "../../b"), None);
        assert_eq!(resolve("lib/a.js", "/b"), path("b"));
        assert_eq!(resolve("lib/a.js", "/../b"), None);
        assert_eq!(resolve("a", "./x//y/./z"), path("x/y/z"));
        assert_eq!(resolve("a", "x/../y?z#w%20"), path("y?z#w%20"));
        // The name of the module that imports may be written in as many ways.
        for referrer in ["./lib/a.js", "lib//a.js", "lib/x/../a.js", "x/../lib/./a.js", "/lib/a.js"] {
            assert_eq!(resolve(referrer, "./b"), path("lib/b"), "{referrer}");
            assert_eq!(resolve(referrer, "../b"), path("b"), "{referrer}");
        }
        assert_eq!(join("", "../up.js"), None);
        assert_eq!(resolve("lib/", "./b"), path("b"));
    }

    #[test]
    fn specifiers_are_urls_in_the_second_registry() {
        let resolve = |referrer: &str, specifier| Names::Urls.resolve(referrer, specifier);
        let main = "file:///bundle/lib/a.js?q#h";
        assert_eq!(resolve(main, "./b"), path("file:///bundle/lib/b"));
        assert_eq!(resolve(main, "../../../b"), path("file:///b"));
        assert_eq!(resolve(main, ""), path("file:///bundle/lib/a.js?q"));
        assert_eq!(resolve(main, "NODE:Buffer"), path("node:Buffer"));
        assert_eq!(resolve(main, "http://["), None);
        assert_eq!(resolve("ext:a", "./b"), None);
        assert_eq!(resolve("", "b"), None);
        // Written in one way, but for what would mean something else.
        assert_eq!(resolve(main, "./%62%2F%2e%25%zz%e9%?%62"), path("file:///bundle/lib/b%2F.%%zz%E9%?%62"));
        assert_eq!(resolve(main, "./%+1%5c%3f%23%0a"), path("file:///bundle/lib/%+1/%3F%23%0A"));
        assert_eq!(resolve(main, "node:%62"), path("node:%62"));
    }

    #[test]
    fn modules_of_a_bundle_have_urls() {
        let bundled = |name| Names::Urls.bundled(name).ok();
        assert_eq!(bundled("./a//b?q#h"), path("file:///bundle/a//b"));
        assert_eq!(bundled("node:own"), path("node:own"));
        assert_eq!(Names::Urls.main("a?q#h"), "file:///bundle/a?q#h");
        for refused in ["", ".", "a/..", "?q", "cloudflare:a", "Workerd:a", "data:text/javascript,", "http://["] {
            assert_eq!(bundled(refused), None, "{refused}");
        }
        assert_eq!(Names::Urls.extension("ext:a?q").ok(), path("ext:a"));
        assert!(["a", "", "file:///bundle/a"].iter().all(|name| Names::Urls.extension(name).is_err()));
        let file = |url| Names::Urls.file(url);
        assert_eq!(file("file:///bundle/a%20b?q"), ("/bundle/a%20b".to_owned(), "/bundle".to_owned()));
        assert_eq!(file("node:x"), ("/x".to_owned(), "/".to_owned()));
        assert_eq!(Names::Urls.of_script("s/n"), "file:///bundle/");
    }
}
