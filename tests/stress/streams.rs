//! Long bodies in each direction, with the memory of every process bounded.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bulkhead_test_support::http::Connection;
use bulkhead_test_support::{Server, Setup, process};

const GIBIBYTE: u64 = 1 << 30;

/// Length of an upload: as long as a request may be by default, nearly.
pub(super) const UPLOAD: u64 = 480 << 20;

/// What a process may hold more than before while bodies stream through it. A body that is held whole would be
/// about twice as much or more; what is allowed is for a collector that has not run yet (the reference was seen to use 150 MiB of it).
const ALLOWED_GROWTH: u64 = 256 << 20;

#[test]
fn echo_of_a_long_body() {
    let server = bulkhead_test_support::supervisor!().serve(Setup::sample("streaming"));
    let received = with_bounded_memory(&server, || {
        let mut connection = Connection::open(server.port());
        let head = format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {UPLOAD}\r\n\r\n");
        connection.send(head).expect("send the head");
        let mut upload = connection.stream().try_clone().expect("clone the socket");
        let sender = thread::spawn(move || {
            for block in 0..UPLOAD / BLOCK {
                upload.write_all(&pattern(block)).expect("send the body");
            }
        });
        let response = connection.head().expect("a response");
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-length"), Some(UPLOAD.to_string().as_str()));
        let received = check_pattern(&mut connection);
        sender.join().expect("the sender");
        received
    });
    assert_eq!(received, UPLOAD);
}

#[test]
fn upload_of_a_long_body_in_chunks() {
    let server = bulkhead_test_support::supervisor!().serve(Setup::sample("streaming"));
    with_bounded_memory(&server, || {
        let mut connection = Connection::open(server.port());
        connection
            .send("POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            .expect("send the head");
        let block = pattern(0);
        for _ in 0..UPLOAD / BLOCK {
            connection.send(format!("{BLOCK:x}\r\n")).expect("send a chunk size");
            connection.send(&block).expect("send a chunk");
            connection.send("\r\n").expect("end a chunk");
        }
        connection.send("0\r\n\r\n").expect("end the body");
        let response = connection.response("POST").expect("a response");
        assert_eq!(response.text(), format!("{{\"bytes\":{UPLOAD}}}"));
    });
}

#[test]
fn download_of_a_gibibyte() {
    let server = bulkhead_test_support::supervisor!().serve(Setup::sample("streaming"));
    with_bounded_memory(&server, || {
        let mut connection = Connection::open(server.port());
        let request = format!("GET /zeroes?bytes={GIBIBYTE} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        connection.send(request).expect("send");
        let response = connection.head().expect("a head");
        assert_eq!((response.status, response.header("transfer-encoding")), (200, Some("chunked")));
        // With the connection closed at the end, what came is the body and its framing, and no less than the body.
        let received = drain(&mut connection);
        assert!(received >= GIBIBYTE, "{received} bytes");
    });
}

#[test]
fn client_that_does_not_read_holds_nothing_up() {
    let server = bulkhead_test_support::supervisor!().serve(Setup::sample("streaming"));
    with_bounded_memory(&server, || {
        let mut stalled = Connection::open(server.port());
        stalled.send(format!("GET /zeroes?bytes={GIBIBYTE} HTTP/1.1\r\nHost: h\r\n\r\n")).expect("send");
        for _ in 0..50 {
            let response =
                Connection::open(server.port()).request("POST", "/echo", &[], b"meanwhile").expect("a response");
            assert_eq!(response.text(), "meanwhile");
        }
        stalled.stream().shutdown(Shutdown::Both).expect("shut down");
    });
    let response = Connection::open(server.port()).request("POST", "/echo", &[], b"after").expect("a response");
    assert_eq!(response.text(), "after");
}

pub(super) const BLOCK: u64 = 64 * 1024;

/// A block of a body in which no two are equal.
pub(super) fn pattern(block: u64) -> Vec<u8> {
    let mut bytes = vec![b'.'; usize::try_from(BLOCK).expect("a block")];
    bytes[..8].copy_from_slice(&block.to_le_bytes());
    bytes
}

/// Receives an upload and compares it, block by block, with what was sent.
fn check_pattern(connection: &mut Connection) -> u64 {
    let mut early = io::Cursor::new(connection.rest());
    let mut received = vec![0; usize::try_from(BLOCK).expect("a block")];
    for block in 0..UPLOAD / BLOCK {
        let from_head = early.read(&mut received).expect("a buffer");
        connection.stream().read_exact(&mut received[from_head..]).expect("receive the body");
        assert!(received == pattern(block), "block {block} is not what was sent");
    }
    UPLOAD
}

pub(super) fn drain(connection: &mut Connection) -> u64 {
    let mut received = connection.rest().len() as u64;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match connection.stream().read(&mut chunk) {
            Ok(0) => return received,
            Ok(length) => received += length as u64,
            // It broke off.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return received,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs `action` while it watches the resident set of the server and of everything below it.
pub(super) fn with_bounded_memory<T>(server: &Server, action: impl FnOnce() -> T) -> T {
    let warm = Connection::open(server.port()).request("POST", "/echo", &[], b"warm").expect("a response");
    assert_eq!(warm.text(), "warm");
    let processes = || process::descendants(server.pid()).into_iter().chain([server.pid()]);
    let before: Vec<(u32, u64)> = processes().map(|pid| (pid, process::footprint(pid).resident)).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut worst = before.clone();
            while !done.load(Ordering::Relaxed) {
                for (pid, peak) in &mut worst {
                    *peak = (*peak).max(process::resident(*pid));
                }
                thread::sleep(Duration::from_millis(20));
            }
            worst
        });
        // The scope waits for the watcher also where this panics.
        let result = panic::catch_unwind(AssertUnwindSafe(action));
        done.store(true, Ordering::Relaxed);
        let result = result.unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        for ((pid, before), (_, peak)) in before.iter().zip(watcher.join().expect("the watcher")) {
            let growth = peak.saturating_sub(*before);
            assert!(growth < ALLOWED_GROWTH, "process {pid} grew by {} MiB", growth >> 20);
        }
        result
    })
}
