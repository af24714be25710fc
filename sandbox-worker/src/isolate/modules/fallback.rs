//! Modules that neither the worker nor anybody else here has: somebody outside is asked, and the isolate waits.

use std::rc::Rc;

use jsg::Result;

use super::{
    Entry, ModuleSource, instance,
    naming::{Missing, Names},
    resolve::{Referrer, Wanted, find_here},
};
use crate::isolate::Isolate;

/// Most redirects that are followed for one module.
const MAX_REDIRECTS: usize = 16;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the import means: a path that begins with `/`, or a name with a scheme; in the second registry a URL.
    pub specifier: &'a str,
    /// As it is written.
    pub raw_specifier: &'a str,
    /// The module that imports, written as `specifier` is.
    pub referrer: &'a str,
    /// Whether by `require()`.
    pub required: bool,
    /// The attribute `type` of the import; in the first registry none.
    pub kind: Option<&'a str>,
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

/// The module at `location`, for which nobody here has one. What is found is found here from then on; what is not may be there the next
/// time.
pub(super) fn find(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    referrer: &str,
    wanted: Wanted<'_>,
    location: String,
) -> std::result::Result<Rc<Entry>, Missing> {
    let fallback = isolate.modules.borrow().fallback.clone();
    let Some(fallback) = fallback else { return Err(Missing::Unknown(location)) };
    let names = Names::of(isolate);
    let Wanted { specifier: raw_specifier, required, kind } = wanted;
    let referrer = names.outside(referrer);
    let mut at = names.definition(&location).to_owned();
    for _ in 0..=MAX_REDIRECTS {
        let specifier = &names.outside(&at);
        let question = Question { specifier, raw_specifier, referrer: &referrer, required, kind };
        match fallback.ask(question) {
            Answer::Module(source) if source.name.is_empty() || source.name == at => {
                let source = ModuleSource { name: at.clone(), ..source };
                return define(scope, isolate, source, at, location).map_err(Missing::Failed);
            }
            Answer::Missing | Answer::Module(_) => break,
            Answer::Redirect(to) => {
                let Some(to) = names.redirected(&to) else { break };
                let defined = isolate.modules.borrow().definitions.get(&to).cloned();
                if let Some(source) = defined {
                    return define_as(scope, isolate, source, location).map_err(Missing::Failed);
                }
                match find_here(scope, isolate, Referrer::Tenant(&referrer), to) {
                    Ok(entry) => {
                        isolate.modules.borrow_mut().instances.insert(location, entry.clone());
                        return Ok(entry);
                    }
                    Err(Missing::Unknown(to)) => at = to,
                    Err(missing) => return Err(missing),
                }
            }
        }
    }
    Err(Missing::Unknown(location))
}

/// The instance at `location` of a module that is found at `at` too, for those who were sent on to it.
fn define(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    source: ModuleSource,
    at: String,
    location: String,
) -> Result<Rc<Entry>> {
    if Names::of(isolate) == Names::Urls {
        let source = Rc::new(source);
        isolate.modules.borrow_mut().definitions.insert(at, source.clone());
        return define_as(scope, isolate, source, location);
    }
    let entry = instance(scope, isolate, &source, at)?;
    isolate.modules.borrow_mut().instances.insert(location, entry.clone());
    Ok(entry)
}

/// The instance at `location` of a module that has, with other queries and fragments, more there.
fn define_as(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    source: Rc<ModuleSource>,
    location: String,
) -> Result<Rc<Entry>> {
    let name = Names::of(isolate).definition(&location).to_owned();
    isolate.modules.borrow_mut().definitions.insert(name, source.clone());
    instance(scope, isolate, &source, location)
}
