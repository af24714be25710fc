//! Modules that neither the worker nor anybody else here has: somebody outside is asked, and the isolate waits.

use std::rc::Rc;

use super::{
    Entry, ModuleSource, compile, register,
    resolve::{Missing, Referrer, find_here, has_scheme, join},
};
use crate::isolate::Isolate;

/// Most redirects that are followed for one module.
const MAX_REDIRECTS: usize = 16;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the import means: a path that begins with `/`, or a name with a scheme.
    pub specifier: &'a str,
    /// As it is written.
    pub raw_specifier: &'a str,
    /// The module that imports, written as `specifier` is.
    pub referrer: &'a str,
    /// Whether by `require()`.
    pub required: bool,
}

/// What comes of it.
#[derive(Debug)]
pub enum Answer {
    /// There is no such module.
    Missing,
    /// It is what this specifier means to the worker.
    Redirect(String),
    /// It is there. Its name has to be what was asked for, or empty.
    Module(ModuleSource),
}

/// Whoever is asked. It may take its time: nothing else runs meanwhile.
pub trait Fallback {
    /// Answers a question.
    fn ask(&self, question: Question<'_>) -> Answer;
}

/// A path as it is said outside.
fn outside(path: &str) -> String {
    if has_scheme(path) { path.to_owned() } else { format!("/{path}") }
}

/// The module of the path `path`, for which nobody here has one. What is found is found here from then on; what is not may be there the
/// next time.
pub(super) fn find(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    (referrer, raw_specifier): (&str, &str),
    path: String,
    required: bool,
) -> Result<Rc<Entry>, Missing> {
    let fallback = isolate.modules.borrow().fallback.clone();
    let Some(fallback) = fallback else { return Err(Missing::Unknown(path)) };
    let referrer = outside(referrer);
    let mut at = path.clone();
    for _ in 0..=MAX_REDIRECTS {
        let question = Question { specifier: &outside(&at), raw_specifier, referrer: &referrer, required };
        let entry = match fallback.ask(question) {
            Answer::Missing => break,
            Answer::Module(source) if source.name.is_empty() || source.name == at => {
                let source = ModuleSource { name: at.clone(), ..source };
                let entry = compile(scope, source, at.clone()).map_err(Missing::Failed)?;
                register(scope, isolate, entry)
            }
            Answer::Module(_) => break,
            Answer::Redirect(to) => {
                let to = if has_scheme(&to) { Some(to) } else { join("", &to) };
                let Some(to) = to else { break };
                match find_here(scope, isolate, Referrer::Tenant(&referrer), to) {
                    Ok(entry) => entry,
                    Err(Missing::Unknown(to)) => {
                        at = to;
                        continue;
                    }
                    Err(missing) => return Err(missing),
                }
            }
        };
        let mut modules = isolate.modules.borrow_mut();
        if at != path {
            modules.by_path.entry(at).or_insert_with(|| entry.clone());
        }
        modules.by_path.insert(path, entry.clone());
        return Ok(entry);
    }
    Err(Missing::Unknown(path))
}
