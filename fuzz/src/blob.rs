//! A value that may be long, from somebody who says of it what he likes.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use bulkhead_ipc::{
    blob as values,
    worker_capnp::{blob as wire, byte_source},
};

use capnp::{
    any_pointer,
    traits::{Imbue, ImbueMut},
};

/// Answers each pull with what the next three bytes say: a length, and whether that is the end or a failure.
struct Script(RefCell<VecDeque<u8>>);

impl byte_source::Server for Script {
    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut reply: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let next = || self.0.borrow_mut().pop_front();
        let (Some(length), Some(shift), Some(how)) = (next(), next(), next()) else {
            reply.get().set_done(true);
            return Ok(());
        };
        if how & 2 != 0 {
            return Err(capnp::Error::failed("no".into()));
        }
        // All that was asked for, or whatever.
        let length = if how & 4 != 0 { params.get()?.get_max_bytes() } else { u32::from(length) << (shift % 12) };
        reply.get().init_bytes(length).fill(how);
        reply.get().set_done(how & 1 != 0);
        Ok(())
    }
}

/// The first byte chooses: a message of the bytes as they are, a value inside of a message, or one that is pulled. Then come
/// the bound and the length that is announced.
pub fn blob(bytes: &[u8]) {
    let &[choice, bound, announced, shift, ref rest @ ..] = bytes else { return };
    let limit = u64::from(bound) << (shift % 16);
    let length = u64::from(announced) << (shift / 16);
    if choice % 4 == 0 {
        let mut words = capnp::Word::allocate_zeroed_vec(rest.len() / 8);
        let bytes = capnp::Word::words_to_bytes_mut(&mut words);
        bytes.copy_from_slice(&rest[..bytes.len()]);
        let segments: [&[u8]; 1] = [bytes];
        let message = capnp::message::Reader::new(segments.as_slice(), capnp::message::ReaderOptions::new());
        let Ok(value) = message.get_root::<wire::Reader<'_>>() else { return };
        if let Ok(read) = super::run(values::read(value, limit)) {
            assert!(read.len() as u64 <= limit);
        }
        return;
    }
    let (mut message, mut caps) = (capnp::message::Builder::new_default(), Vec::new());
    let mut root: any_pointer::Builder<'_> = message.init_root();
    root.imbue_mut(&mut caps);
    let mut value: wire::Builder<'_> = root.init_as();
    value.set_length(length);
    if choice % 4 == 1 {
        value.set_bytes(rest);
    } else {
        value.set_stream(capnp_rpc::new_client(Script(RefCell::new(rest.iter().copied().collect()))));
    }
    let mut root: any_pointer::Reader<'_> = message.get_root_as_reader().expect("a root");
    root.imbue(&caps);
    let read = super::run(values::read(root.get_as().expect("a value"), limit));
    match read {
        Ok(read) if choice % 4 == 1 => assert!(read == rest && read.len() as u64 <= limit),
        Ok(read) => assert!(read.len() as u64 == length && length <= limit),
        Err(error) => assert!(!error.extra.is_empty(), "refused without a word"),
    }
}
