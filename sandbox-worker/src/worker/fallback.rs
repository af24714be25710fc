//! Asking the supervisor for modules that the bundle does not have. The process waits for each.

use std::os::unix::net::UnixStream;

use bulkhead_ipc::{
    modules::{self, MAX_SPECIFIER},
    worker_capnp::{blob, module, module_answer, module_question},
};
use capnp::message;

use crate::isolate::modules::{Answer, Content, Fallback, ModuleSource, Question};

/// The supervisor, at the other end of a descriptor that blocks.
pub(super) struct Supervisor(pub(super) UnixStream);

impl Fallback for Supervisor {
    fn ask(&self, question: Question<'_>) -> Answer {
        let Question { specifier, raw_specifier, referrer, required, kind } = question;
        if [specifier, raw_specifier, referrer].iter().any(|text| text.len() > MAX_SPECIFIER) {
            return Answer::Missing;
        }
        let mut message = message::Builder::new_default();
        let mut to = message.init_root::<module_question::Builder<'_>>();
        to.set_specifier(specifier);
        to.set_raw_specifier(raw_specifier);
        to.set_referrer(referrer);
        to.set_required(required);
        to.set_type(kind.unwrap_or_default());
        // Without an answer there is no module: who knows why has said so.
        modules::ask(&self.0, &message).ok().and_then(|answer| read(&answer).ok()).unwrap_or(Answer::Missing)
    }
}

fn read(message: &message::Reader<capnp::serialize::OwnedSegments>) -> capnp::Result<Answer> {
    Ok(match message.get_root::<module_answer::Reader<'_>>()?.which()? {
        module_answer::Missing(()) => Answer::Missing,
        module_answer::Redirect(to) => Answer::Redirect(to?.to_string()?),
        module_answer::Module(module) => Answer::Module(read_module(module?)?),
    })
}

fn read_module(module: module::Reader<'_>) -> capnp::Result<ModuleSource> {
    let bytes = |blob: capnp::Result<blob::Reader<'_>>| match blob?.which()? {
        blob::Bytes(bytes) => Ok(bytes?.to_vec()),
        blob::Stream(_) => Err(capnp::Error::failed("a module that is not in its message".into())),
    };
    let text = |blob| String::from_utf8(bytes(blob)?).map_err(|error| capnp::Error::failed(error.to_string()));
    let content = match module.which()? {
        module::EsModule(blob) => Content::Es(text(blob)?),
        module::CommonJsModule(blob) => {
            let mut names = Vec::new();
            for name in module.get_named_exports()? {
                names.push(name?.to_string()?);
            }
            Content::CommonJs(text(blob)?, names)
        }
        module::Text(blob) => Content::Text(text(blob)?),
        module::Data(blob) => Content::Data(bytes(blob)?),
        module::Wasm(blob) => Content::Wasm(bytes(blob)?),
        module::Json(blob) => Content::Json(text(blob)?),
        module::Python(()) => Content::Python,
    };
    Ok(ModuleSource { name: module.get_name()?.to_string()?, content })
}
