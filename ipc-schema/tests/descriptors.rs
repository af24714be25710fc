//! A worker can attach descriptors to what it sends. They must not arrive.

use std::{
    io::{IoSlice, Read},
    os::fd::AsRawFd,
    time::Duration,
};

use bulkhead_ipc::{
    transport::{self, Limits, TransportError},
    worker_capnp::worker_control,
};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::net::UnixStream;

#[test]
fn descriptors_that_a_peer_attaches_are_closed_by_the_kernel() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socketpair");
        ours.set_nonblocking(true).expect("a non-blocking socket");
        let ours = UnixStream::from_std(ours).expect("watch it");
        let (_client, _, connection) = transport::client::<worker_control::Client>(ours, Limits::for_worker());
        let connection = tokio::task::spawn_local(connection);

        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let attached = [writer.as_raw_fd(); 16];
        // The beginning of a message, so that the connection goes on reading.
        let sent = sendmsg::<()>(
            theirs.as_raw_fd(),
            &[IoSlice::new(&[0, 0, 0, 0])],
            &[ControlMessage::ScmRights(&attached)],
            MsgFlags::empty(),
            None,
        );
        assert_eq!(sent, Ok(4));
        drop(writer);
        // The last write end was in the message. It is gone when the pipe has ended; whoever had received it would hold it
        // open, and this would wait for ever.
        let ended = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()));
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await.expect("nobody holds the pipe");
        assert_eq!(ended.expect("the thread").expect("read"), 0);
        // And the bytes did arrive.
        theirs.shutdown(std::net::Shutdown::Write).expect("shut it down");
        let end = connection.await.expect("the driver");
        assert!(matches!(&end, Err(TransportError::Io(why)) if why.contains("inside a message")), "{end:?}");
    });
}
