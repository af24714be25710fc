//! What a hostile peer may say.
//!
//! Passed are: calls on capabilities that we gave, with results to the caller; returns with results, an exception, or
//! the acknowledgement of a cancellation; finish; release; abort. Refused is everything that no interface of ours needs:
//! promises and what belongs to them (resolve, disembargo, pipelined calls), tail calls, the bootstrap capability of
//! this side, and every message that `capnp-rpc` answers by copying it into an `unimplemented` message, which takes time
//! exponential in the nesting for a message made for that.

use capnp::struct_list;
use capnp_rpc::rpc_capnp::{call, cap_descriptor, message, message_target, return_};

use super::Limits;

/// A message this short cannot make its copy expensive.
const COPYABLE_WORDS: usize = 16;

pub(super) fn message(message: message::Reader<'_>, words: usize, limits: &Limits) -> Result<(), String> {
    let kind = message.which().map_err(|error| format!("a message of unknown kind {}", error.0))?;
    match kind {
        message::Call(call) => {
            let call = call.map_err(unreadable)?;
            if call.get_question_id() >= limits.max_open_calls {
                return Err(format!("more than {} calls are open", limits.max_open_calls));
            }
            match call.get_target().map_err(unreadable)?.which() {
                Ok(message_target::ImportedCap(_)) => {}
                Ok(message_target::PromisedAnswer(answer)) if limits.max_transform > 0 => {
                    let transform = answer.and_then(|answer| answer.get_transform()).map_err(unreadable)?;
                    if transform.len() > limits.max_transform {
                        return Err(format!(
                            "a call on an answer goes through more than {} fields",
                            limits.max_transform
                        ));
                    }
                }
                _ => return Err("a call on something else than a capability that it was given".into()),
            }
            match call.get_send_results_to().which() {
                Ok(call::send_results_to::Caller(())) => {}
                _ => return Err("a call whose results go elsewhere".into()),
            }
            let payload = call.get_params().map_err(unreadable)?;
            capabilities(payload.get_cap_table().map_err(unreadable)?, limits)
        }
        message::Return(ret) => match ret.map_err(unreadable)?.which() {
            Ok(return_::Results(payload)) => {
                let payload = payload.map_err(unreadable)?;
                capabilities(payload.get_cap_table().map_err(unreadable)?, limits)
            }
            Ok(return_::Exception(exception)) => exception.map(drop).map_err(unreadable),
            // Answers our finish; at any other time it is copied.
            Ok(return_::Canceled(())) if words <= COPYABLE_WORDS => Ok(()),
            _ => Err("a return of a kind that is not used here".into()),
        },
        message::Finish(finish) => finish.map(drop).map_err(unreadable),
        message::Release(release) => release.map(drop).map_err(unreadable),
        message::Abort(abort) => abort.map(drop).map_err(unreadable),
        _ => Err("a message of a kind that is not used here".into()),
    }
}

fn unreadable(error: capnp::Error) -> String {
    format!("a message cannot be read: {error}")
}

fn capabilities(table: struct_list::Reader<'_, cap_descriptor::Owned>, limits: &Limits) -> Result<(), String> {
    // The length first: a list of empty structs claims any length in no space.
    if table.len() > limits.max_capabilities {
        return Err(format!("a message carries more than {} capabilities", limits.max_capabilities));
    }
    for descriptor in table {
        match descriptor.which() {
            Ok(cap_descriptor::None(())) => {}
            Ok(cap_descriptor::SenderHosted(export)) if export < limits.max_imports => {}
            Ok(cap_descriptor::SenderHosted(_)) => {
                return Err(format!("it exports more than {} capabilities", limits.max_imports));
            }
            // One of ours, handed back: an unread request body that becomes the response's. The peer holds it anyway, and a
            // number that we did not export makes a broken capability.
            Ok(cap_descriptor::ReceiverHosted(_)) => {}
            _ => return Err("a capability of a kind that is not used here".into()),
        }
    }
    Ok(())
}
