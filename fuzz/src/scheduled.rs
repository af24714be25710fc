//! The parameters of a scheduled run, which a worker reads.

use bulkhead_ipc::{
    scheduled::{MAX_CRON, MAX_TIME, Scheduled},
    worker_capnp::event_dispatcher::scheduled_params,
};
use capnp::message::{Builder, Reader, ReaderOptions};

/// The first byte chooses: a message of the bytes as they are, or a time (eight bytes) and a text.
pub fn scheduled(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    if choice % 2 == 0 {
        let mut words = capnp::Word::allocate_zeroed_vec(rest.len() / 8);
        let bytes = capnp::Word::words_to_bytes_mut(&mut words);
        bytes.copy_from_slice(&rest[..bytes.len()]);
        let segments: [&[u8]; 1] = [bytes];
        let message = Reader::new(segments.as_slice(), ReaderOptions::new());
        let Ok(params) = message.get_root::<scheduled_params::Reader<'_>>() else { return };
        check(Scheduled::read(params));
        return;
    }
    let Some((time, cron)) = rest.split_first_chunk() else { return };
    let (time, cron) = (f64::from_le_bytes(*time), String::from_utf8_lossy(cron));
    let made = check(Scheduled::new(time, cron.clone().into_owned()));
    // Both sides have the same bounds.
    let mut message = Builder::new_default();
    let mut params: scheduled_params::Builder<'_> = message.init_root();
    params.set_scheduled_time(time);
    params.set_cron(&*cron);
    assert_eq!(check(Scheduled::read(params.into_reader())), made);
}

/// What was taken is within the bounds and survives being sent; what was not has a reason.
fn check(run: Result<Scheduled, bulkhead_ipc::scheduled::ScheduledError>) -> Option<Scheduled> {
    let run = match run {
        Ok(run) => run,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a word");
            return None;
        }
    };
    assert!(run.time.abs() <= MAX_TIME && run.cron.len() <= MAX_CRON, "{run:?}");
    let mut message = Builder::new_default();
    run.write(message.init_root());
    let params = message.get_root_as_reader().expect("a root");
    assert_eq!(Scheduled::read(params).as_ref(), Ok(&run));
    Some(run)
}
