//! The last lines of a process that runs tests, which it may have had no time to send as its log.

use std::{collections::VecDeque, os::unix::net::UnixDatagram as StdDatagram};

use bulkhead_ipc::last_words::{self, Line, MAX_DATAGRAM};
use tokio::net::UnixDatagram;

/// Lines that are kept of one process. Each is short ([`last_words::MAX_TEXT`]).
const KEPT: usize = 64;

/// Lines that are taken before others have their turn.
const BATCH: usize = 64;

/// The end at which they are read.
pub(super) struct LastWords {
    socket: Option<UnixDatagram>,
    kept: VecDeque<Line>,
}

impl LastWords {
    /// Reads there, if a process was given such a thing.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub(super) fn new(socket: Option<StdDatagram>) -> std::io::Result<Self> {
        Ok(Self { socket: socket.map(UnixDatagram::from_std).transpose()?, kept: VecDeque::new() })
    }

    /// Keeps the last lines, for as long as somebody waits. May be dropped at any time and called again.
    pub(super) async fn drain(&mut self) {
        let Some(socket) = &self.socket else { return std::future::pending().await };
        let mut buffer = [0; MAX_DATAGRAM];
        while socket.readable().await.is_ok() {
            for _ in 0..BATCH {
                match socket.try_recv(&mut buffer) {
                    Ok(count) => keep(&mut self.kept, &buffer[..count]),
                    Err(_) => break,
                }
            }
            tokio::task::yield_now().await;
        }
        std::future::pending().await
    }

    /// After the end of the process: the last lines, oldest first, of those that are none of the first `taken`.
    pub(super) fn finish(mut self, taken: u64) -> Vec<Line> {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some(socket) = &self.socket
            // Not `try_recv`, which trusts a readiness that may not have been reported yet.
            && let Ok(count @ 1..) = nix::unistd::read(socket, &mut buffer)
        {
            keep(&mut self.kept, &buffer[..count]);
        }
        self.kept.into_iter().filter(|line| line.number > taken).collect()
    }
}

fn keep(kept: &mut VecDeque<Line>, datagram: &[u8]) {
    let Some(line) = last_words::read(datagram) else { return };
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(line);
}

#[cfg(test)]
mod tests {
    use bulkhead_ipc::worker_capnp::log_entry::{Level, Source};

    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept_and_those_that_were_taken_left_out() {
        let (ours, theirs) = StdDatagram::pair().expect("a pair");
        ours.set_nonblocking(true).expect("it can be");
        let mut words = LastWords::new(Some(ours)).expect("a socket");
        for number in 1..=100 {
            theirs.send(&last_words::write(number, Level::Log, Source::Console, "x")).expect("room");
            if number == 50 {
                let _ = tokio::time::timeout(std::time::Duration::from_millis(50), words.drain()).await;
                assert_eq!(words.kept.len(), 50);
            }
        }
        theirs.send(b"no line").expect("room");
        drop(theirs);
        let numbers: Vec<u64> = words.finish(90).iter().map(|line| line.number).collect();
        assert_eq!(numbers, (91..=100).collect::<Vec<_>>());
        assert!(LastWords::new(None).expect("nothing").finish(0).is_empty());
    }
}
