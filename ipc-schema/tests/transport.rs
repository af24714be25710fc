//! The transport with well-behaved and with hostile peers.
#![allow(clippy::drop_non_drop)] // Ends the borrow of a builder in an expression.

use std::{cell::Cell, future::Future, rc::Rc, time::Duration};

use bulkhead_ipc::{
    transport::{self, Limits, TransportError},
    worker_capnp::{byte_source, event_port, host, worker_control},
};
use capnp_rpc::rpc_capnp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// Yields blocks of the size asked for and counts calls that are open.
#[derive(Default)]
struct Source {
    never: bool,
    open: Rc<Cell<u32>>,
}

struct Open(Rc<Cell<u32>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl byte_source::Server for Source {
    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        self.open.set(self.open.get() + 1);
        let _open = Open(self.open.clone());
        if self.never {
            std::future::pending::<()>().await;
        }
        let length = params.get()?.get_max_bytes();
        results.get().init_bytes(length).fill(7);
        Ok(())
    }
}

fn local<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// Fails a test that would hang.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("no answer")
}

fn serve(stream: UnixStream, source: Source) -> tokio::task::JoinHandle<Result<(), TransportError>> {
    let client: byte_source::Client = capnp_rpc::new_client(source);
    let (_, connection) = transport::server(stream, Limits::for_supervisor(), client.client);
    tokio::task::spawn_local(connection)
}

async fn pull(client: &byte_source::Client, length: u32) -> Result<usize, capnp::Error> {
    let mut request = client.pull_request();
    request.get().set_max_bytes(length);
    let response = request.send().promise.await?;
    Ok(response.get()?.get_bytes()?.len())
}

#[test]
fn messages_of_every_size_come_through() {
    local(async {
        let (a, b) = UnixStream::pair().expect("a socketpair");
        let server = serve(b, Source::default());
        let (client, handle, connection) = transport::client::<byte_source::Client>(a, Limits::for_worker());
        let driver = tokio::task::spawn_local(connection);
        for length in [0, 1, 7, 8, 1000, 8191, 8192, 65_000, 65_536, 131_072, 500_000] {
            assert_eq!(soon(pull(&client, length)).await.expect("bytes"), length as usize);
        }
        let all: Vec<_> = (0..200).map(|n| pull(&client, n * 1000)).collect();
        for (n, length) in soon(futures::future::join_all(all)).await.into_iter().enumerate() {
            assert_eq!(length.expect("bytes"), n * 1000);
        }
        assert_eq!(handle.held_bytes(), 0, "every message was given back");
        handle.close();
        assert!(soon(driver).await.expect("the task").is_ok());
        drop(client);
        assert!(soon(server).await.expect("the task").is_ok());
    });
}

#[test]
fn what_is_much_is_sent_before_the_turn_ends() {
    local(async {
        let (a, b) = UnixStream::pair().expect("a socketpair");
        let _server = serve(b, Source::default());
        let (client, handle, connection) = transport::client::<byte_source::Client>(a, Limits::for_worker());
        let _driver = tokio::task::spawn_local(connection);
        assert_eq!(soon(pull(&client, 1)).await.expect("bytes"), 1);
        // No other task has a turn in between.
        let mut calls = Vec::new();
        let queued: Vec<usize> = (0..100)
            .map(|_| {
                calls.push(client.pull_request().send());
                handle.queued_bytes()
            })
            .collect();
        let most = queued.iter().max().expect("calls");
        assert!(*most < 50 * queued[0], "all calls of a turn wait for its end: {queued:?}");
        for call in calls {
            soon(call.promise).await.expect("an answer");
        }
    });
}

#[test]
fn bytes_of_a_message_can_be_kept_for_longer_than_it() {
    local(async {
        let (a, b) = UnixStream::pair().expect("a socketpair");
        let _server = serve(b, Source::default());
        let (client, handle, connection) = transport::client::<byte_source::Client>(a, Limits::for_worker());
        let _driver = tokio::task::spawn_local(connection);
        for (length, shares) in [(1, false), (4000, false), (20_000, true), (256 << 10, true)] {
            let mut request = client.pull_request();
            request.get().set_max_bytes(length);
            let response = soon(request.send().promise).await.expect("an answer");
            let bytes = response.get().expect("results").get_bytes().expect("bytes");
            // All of it, and a part that is not worth the rest.
            let (all, part) = (handle.keep(bytes), handle.keep(&bytes[..length as usize / 3]));
            assert_eq!(all.as_ptr() == bytes.as_ptr(), shares, "{length}");
            assert_ne!(part.as_ptr(), bytes.as_ptr(), "{length}");
            assert_eq!(
                handle.keep(b"no part of it, and the address of something else"),
                &b"no part of it, and the address of something else"[..]
            );
            assert!(handle.held_bytes() > length as usize);
            drop(response);
            soon(async {
                while handle.held_bytes() > 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            assert!(all.len() == length as usize && all.iter().chain(&part).all(|byte| *byte == 7), "{length}");
        }
        // The memory of a message that is gone is nobody's any more.
        let other = vec![1; 256 << 10];
        assert_ne!(handle.keep(&other).as_ptr(), other.as_ptr());
    });
}

#[test]
fn dropping_a_call_cancels_it_and_dropping_the_connection_fails_it() {
    local(async {
        let (a, b) = UnixStream::pair().expect("a socketpair");
        let open = Rc::new(Cell::new(0));
        let _server = serve(b, Source { never: true, open: open.clone() });
        let (client, handle, connection) = transport::client::<byte_source::Client>(a, Limits::for_worker());
        let driver = tokio::task::spawn_local(connection);
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let client = client.clone();
                tokio::task::spawn_local(async move { pull(&client, 1).await })
            })
            .collect();
        soon(async {
            while open.get() < 10 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        calls[0].abort();
        soon(async {
            while open.get() != 9 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        driver.abort();
        for call in calls.into_iter().skip(1) {
            assert!(soon(call).await.expect("the task").is_err());
        }
        assert!(handle.is_closed());
        soon(async {
            while open.get() != 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    });
}

#[test]
fn a_peer_that_does_not_read_costs_a_fixed_amount() {
    local(async {
        let (a, _b) = UnixStream::pair().expect("a socketpair");
        let limits = Limits { max_queued_bytes: 1 << 20, writable_below_bytes: 100_000, ..Limits::for_worker() };
        let (client, handle, connection) = transport::client::<event_port::Client>(a, limits);
        let driver = tokio::task::spawn_local(connection);
        let mut calls = Vec::new();
        while !handle.is_closed() {
            let mut request = client.entrypoint_request();
            request.get().set_name("x".repeat(10_000).as_str());
            calls.push(request.send());
            assert!(handle.queued_bytes() < limits.max_queued_bytes + 20_000);
            if calls.len() == 50 {
                // More than half a million bytes wait: whoever is polite waits too.
                assert!(tokio::time::timeout(Duration::from_millis(20), handle.reserve(0)).await.is_err());
            }
        }
        assert!(matches!(soon(driver).await.expect("the task"), Err(TransportError::Violation(_))));
        drop(soon(handle.reserve(0)).await);
        for call in calls {
            assert!(soon(call.promise).await.is_err());
        }
    });
}

#[test]
fn writable_resolves_when_the_peer_reads_again() {
    local(async {
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let limits = Limits { writable_below_bytes: 100_000, ..Limits::for_worker() };
        let (client, handle, connection) = transport::client::<event_port::Client>(a, limits);
        let _driver = tokio::task::spawn_local(connection);
        let _calls: Vec<_> = (0..200)
            .map(|_| {
                let mut request = client.entrypoint_request();
                request.get().set_name("x".repeat(10_000).as_str());
                request.send()
            })
            .collect();
        assert!(tokio::time::timeout(Duration::from_millis(20), handle.reserve(0)).await.is_err());
        let reader = tokio::task::spawn_local(async move {
            let mut buffer = vec![0; 1 << 16];
            while b.read(&mut buffer).await.unwrap_or(0) > 0 {}
        });
        drop(soon(handle.reserve(0)).await);
        reader.abort();
    });
}

/// Many that wait for room do not all take it at once.
#[test]
fn room_is_given_to_one_after_the_other() {
    local(async {
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let limits = Limits { writable_below_bytes: 100_000, ..Limits::for_worker() };
        let (client, handle, connection) = transport::client::<event_port::Client>(a, limits);
        let _driver = tokio::task::spawn_local(connection);
        let most = Rc::new(Cell::new(0));
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let senders: Vec<_> = (0..1000)
            .map(|index| {
                let (client, handle, most, order) = (client.clone(), handle.clone(), most.clone(), order.clone());
                tokio::task::spawn_local(async move {
                    let room = handle.reserve(50_000).await;
                    order.borrow_mut().push(index);
                    let mut request = client.entrypoint_request();
                    request.get().set_name("x".repeat(50_000).as_str());
                    let answer = request.send().promise;
                    drop(room);
                    most.set(most.get().max(handle.queued_bytes()));
                    let _ = answer.await;
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let started = order.borrow().len();
        assert!((2..100).contains(&started), "{started} did not wait");
        let reader = tokio::task::spawn_local(async move {
            let mut buffer = vec![0; 1 << 16];
            while b.read(&mut buffer).await.unwrap_or(0) > 0 {}
        });
        soon(async {
            while order.borrow().len() < 1000 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(order.borrow().is_sorted(), "who asks first gets it first");
        assert!(most.get() < 100_000 + 2 * 51_000, "{} bytes were queued", most.get());
        reader.abort();
        senders.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

/// A queue that is never empty is no fault as long as it is short.
#[test]
fn a_long_conversation_without_a_pause_is_no_violation() {
    local(async {
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let (client, handle, connection) = transport::client::<event_port::Client>(a, Limits::for_worker());
        let _driver = tokio::task::spawn_local(connection);
        let reader = tokio::task::spawn_local(async move {
            let mut buffer = vec![0; 4096];
            while b.read(&mut buffer).await.unwrap_or(0) > 0 {
                tokio::task::yield_now().await;
            }
        });
        let mut calls = Vec::new();
        for _ in 0..100_000 {
            drop(handle.reserve(0).await);
            calls.push(client.entrypoint_request().send());
            if handle.queued_bytes() > 500_000 {
                tokio::task::yield_now().await;
            }
            assert!(handle.fault().is_none(), "{:?}", handle.fault());
        }
        reader.abort();
    });
}

/// Answers with far more than its supervisor reads.
#[test]
fn a_worker_whose_supervisor_does_not_read_takes_no_more_to_do() {
    local(async {
        let (a, b) = UnixStream::pair().expect("a socketpair");
        let source: byte_source::Client = capnp_rpc::new_client(Source::default());
        let (handle, connection) = transport::server(b, Limits::for_supervisor(), source.client);
        let _worker = tokio::task::spawn_local(connection);
        let (mut reading, mut writing) = a.into_split();
        let bootstrap = framed(|message| message.init_bootstrap().set_question_id(0));
        let pulls: Vec<u8> = (1..4000)
            .flat_map(|question| {
                framed(|message| {
                    let mut call = message.init_call();
                    call.set_question_id(question);
                    call.set_interface_id(<byte_source::Client as capnp::traits::HasTypeId>::TYPE_ID);
                    call.reborrow().init_target().set_imported_cap(0);
                    let mut params = call.init_params();
                    let content = params.reborrow().get_content();
                    content.init_as::<byte_source::pull_params::Builder<'_>>().set_max_bytes(256 << 10);
                })
            })
            .collect();
        let writer = tokio::task::spawn_local(async move {
            let _ = writing.write_all(&bootstrap).await;
            let _ = writing.write_all(&pulls).await;
            std::future::pending::<()>().await;
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        // A quarter of what would be a violation.
        assert!(handle.queued_bytes() < 40 << 20, "{handle:?}");
        let total = soon(async {
            let (mut buffer, mut total) = (vec![0; 1 << 20], 0);
            while total < 3999 * (256 << 10) {
                total += reading.read(&mut buffer).await.expect("it goes on");
            }
            total
        });
        assert!(total.await >= 3999 * (256 << 10));
        assert!(!handle.is_closed());
        writer.abort();
    });
}

fn framed(build: impl FnOnce(rpc_capnp::message::Builder<'_>)) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    build(message.init_root());
    capnp::serialize::write_message_to_words(&message)
}

/// Sends `bytes` to a supervisor's side that waits for the peer's bootstrap capability, and says how that ended.
fn hostile(bytes: Vec<u8>) -> String {
    local(async {
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let (client, _handle, connection) = transport::client::<event_port::Client>(a, Limits::for_worker());
        let call = client.entrypoint_request().send().promise;
        let driver = tokio::task::spawn_local(connection);
        let writer = tokio::task::spawn_local(async move {
            // The other side may hang up before all is written.
            let _ = b.write_all(&bytes).await;
            let mut buffer = vec![0; 1 << 16];
            while b.read(&mut buffer).await.unwrap_or(0) > 0 {}
        });
        let end = soon(driver).await.expect("the task");
        assert!(soon(call).await.is_err(), "the call in flight fails");
        writer.abort();
        match end {
            Err(TransportError::Violation(what)) => what,
            other => panic!("not a violation: {other:?}"),
        }
    })
}

#[test]
fn what_no_worker_needs_is_a_violation() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("more than 64 segments", [0xff; 64].to_vec()),
        ("longer than 65536 words", [[0, 0, 0, 0], 65_537u32.to_le_bytes()].concat()),
        ("longer than 65536 words", [[0, 0, 0, 0], [0xff; 4]].concat()),
        ("empty", vec![0; 8]),
    ];
    for (expected, bytes) in cases {
        let what = hostile(bytes);
        assert!(what.contains(expected), "{what:?} instead of {expected:?}");
    }
    let not_used = "of a kind that is not used here";
    for (expected, bytes) in [
        (not_used, framed(|message| drop(message.init_bootstrap()))),
        (not_used, framed(|message| drop(message.init_unimplemented()))),
        (not_used, framed(|message| drop(message.init_resolve()))),
        (not_used, framed(|message| drop(message.init_disembargo()))),
        (not_used, framed(|message| drop(message.init_provide()))),
        (not_used, framed(|message| drop(message.init_accept()))),
        (not_used, framed(|message| drop(message.init_join()))),
        (not_used, framed(|message| message.init_return().set_results_sent_elsewhere(()))),
        (not_used, framed(|message| message.init_return().set_take_from_other_question(0))),
        ("calls are open", framed(|message| message.init_call().set_question_id(Limits::for_worker().max_open_calls))),
        (
            "something else than a capability",
            framed(|message| drop(message.init_call().init_target().init_promised_answer())),
        ),
        (
            "results go elsewhere",
            framed(|message| {
                let mut call = message.init_call();
                call.reborrow().init_target().set_imported_cap(0);
                call.get_send_results_to().set_yourself(());
            }),
        ),
        ("more than 8 capabilities", framed(|message| drop(message.init_return().init_results().init_cap_table(9)))),
        (
            "exports more than",
            framed(|message| {
                let far = Limits::for_worker().max_imports;
                message.init_return().init_results().init_cap_table(1).get(0).set_sender_hosted(far);
            }),
        ),
        (
            not_used,
            framed(|message| message.init_return().init_results().init_cap_table(1).get(0).set_sender_promise(0)),
        ),
    ] {
        let what = hostile(bytes);
        assert!(what.contains(expected), "{what:?} instead of {expected:?}");
    }
}

#[test]
fn a_list_of_nothing_of_any_length_is_refused_by_its_length() {
    // A `Return` whose capability table says that it has half a milliard elements of no size, in two words.
    let mut bytes = framed(|message| drop(message.init_return().init_results().init_cap_table(1)));
    let tag = bytes
        .chunks_exact(8)
        .position(|word| word == [4, 0, 0, 0, 2, 0, 1, 0] || word == [4, 0, 0, 0, 1, 0, 1, 0])
        .expect("the tag of the list");
    // The element count is in the tag; sizes become zero.
    bytes[tag * 8..tag * 8 + 8].copy_from_slice(&[0xfc, 0xff, 0xff, 0x7f, 0, 0, 0, 0]);
    assert!(hostile(bytes).contains("capabilities"));
}

#[test]
fn held_messages_are_bounded() {
    local(async {
        let (a, b) = UnixStream::pair().expect("a socketpair");
        let limits = Limits { max_held_bytes: 100_000, ..Limits::for_worker() };
        let _server = serve(b, Source::default());
        let (client, handle, connection) = transport::client::<byte_source::Client>(a, limits);
        let driver = tokio::task::spawn_local(connection);
        let mut held = Vec::new();
        loop {
            let mut request = client.pull_request();
            request.get().set_max_bytes(10_000);
            match soon(request.send().promise).await {
                Ok(response) => held.push(response),
                Err(_) => break,
            }
            assert!(handle.held_bytes() < 111_000);
        }
        assert!(held.len() >= 9);
        assert!(matches!(soon(driver).await.expect("the task"), Err(TransportError::Violation(_))));
    });
}

/// Counts how often a future is polled.
struct Polled<F> {
    future: std::pin::Pin<Box<F>>,
    times: Rc<Cell<u64>>,
}

impl<F: Future> Future for Polled<F> {
    type Output = F::Output;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        self.times.set(self.times.get() + 1);
        self.future.as_mut().poll(cx)
    }
}

fn counted<F: Future>(future: F) -> (Polled<F>, Rc<Cell<u64>>) {
    let times = Rc::new(Cell::new(0));
    (Polled { future: Box::pin(future), times: times.clone() }, times)
}

/// A finish of nothing is no fault, and says nothing.
fn short() -> Vec<u8> {
    framed(|message| message.init_finish().set_question_id(9))
}

#[test]
fn who_sends_much_is_heard_at_its_rate() {
    local(async {
        let limits = Limits { messages_burst: 200, messages_per_second: 2000, ..Limits::for_worker() };
        let started = std::time::Instant::now();
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let (_client, handle, connection) = transport::client::<event_port::Client>(a, limits);
        let (connection, polls) = counted(connection);
        let driver = tokio::task::spawn_local(connection);
        let writer = tokio::task::spawn_local(async move {
            let flood = short().repeat(1000);
            while b.write_all(&flood).await.is_ok() {}
        });
        soon(async {
            while handle.received() < 2000 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let received = handle.received();
                let passed = started.elapsed().as_millis() as u64;
                // The first call of ours allows some too.
                let most = 200 + 2 * (passed + 1) + transport::MESSAGES_FOR_A_CALL + 1;
                assert!(received <= most, "{received} messages of {most}");
                assert!(polls.get() <= 100 + passed, "polled {polls:?} times in {passed} ms");
                assert!(handle.fault().is_none(), "{:?}", handle.fault());
                assert!(handle.held_bytes() < 64 << 10 && handle.queued_bytes() < 1000, "{handle:?}");
            }
        })
        .await;
        writer.abort();
        handle.close();
        assert!(soon(driver).await.expect("the task").is_ok());
    });
}

#[test]
fn what_is_owed_comes_after_a_flood() {
    local(async {
        let limits = Limits { messages_burst: 100, messages_per_second: 2000, ..Limits::for_worker() };
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let (client, handle, connection) = transport::client::<event_port::Client>(a, limits);
        let _driver = tokio::task::spawn_local(connection);
        let call = client.entrypoint_request().send().promise;
        let mut bytes = short().repeat(500);
        for answer in 0..2 {
            bytes.extend(framed(|message| {
                let mut to = message.init_return();
                to.set_answer_id(answer);
                to.init_exception().set_reason("after all that");
            }));
        }
        b.write_all(&bytes).await.expect("the socket takes it");
        let error = soon(call).await.map(drop).expect_err("an exception");
        assert!(error.to_string().contains("after all that"), "{error}");
        assert!(!handle.is_closed());
        // What was held back when the peer closed its side is heard too.
        b.write_all(&short().repeat(100)).await.expect("the socket takes it");
        b.shutdown().await.expect("a socket");
        soon(async {
            while !handle.is_closed() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        assert_eq!(handle.received(), 602);
    });
}

#[test]
fn who_sends_long_messages_is_heard_at_its_rate() {
    local(async {
        let limits = Limits { bytes_burst: 100_000, bytes_per_second: 1_000_000, ..Limits::for_worker() };
        let started = std::time::Instant::now();
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let (_client, handle, connection) = transport::client::<event_port::Client>(a, limits);
        let _driver = tokio::task::spawn_local(connection);
        // A finish, and a segment to which nothing in it points.
        let finish = short().split_off(8);
        let table = [1, finish.len() as u32 / 8, 50_000 / 8, 0].map(u32::to_le_bytes).concat();
        let long = [table, finish, vec![0; 50_000]].concat();
        let writer = tokio::task::spawn_local(async move { while b.write_all(&long).await.is_ok() {} });
        soon(async {
            while handle.received() < 10 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let received = handle.received();
                let most = 100_000 + 1000 * (started.elapsed().as_millis() as u64 + 1) + 50_100;
                assert!(received * 50_000 <= most, "{received} messages");
                assert!(handle.fault().is_none(), "{:?}", handle.fault());
            }
        })
        .await;
        writer.abort();
    });
}

/// What is read of a long message to see how long it is, its sender did not choose.
#[test]
fn a_long_message_after_another_costs_one_message() {
    local(async {
        let limits = Limits { messages_burst: 60, messages_per_second: 1, ..Limits::for_worker() };
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let (_client, handle, connection) = transport::client::<event_port::Client>(a, limits);
        let _driver = tokio::task::spawn_local(connection);
        let finish = short().split_off(8);
        for count in 1..=50 {
            // Whether it fits into the buffer, or just not.
            let filling = [20_000, 65_000, 66_000, 200_000][count % 4];
            let table = [1, finish.len() as u32 / 8, filling as u32 / 8, 0].map(u32::to_le_bytes).concat();
            let long = [table, finish.clone(), vec![0; filling]].concat();
            soon(b.write_all(&long)).await.expect("the socket takes it");
            soon(async {
                while handle.received() < count as u64 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        let slowed = std::pin::pin!(handle.slowed(0));
        assert!(futures::poll!(slowed).is_pending(), "it was slowed down");
        assert!(handle.fault().is_none(), "{:?}", handle.fault());
    });
}

/// A message that comes byte by byte costs as much as many that are complete.
#[test]
fn a_message_in_single_bytes_is_slowed_down() {
    local(async {
        let limits = Limits { messages_burst: 100, messages_per_second: 1, ..Limits::for_worker() };
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let (_client, handle, connection) = transport::client::<event_port::Client>(a, limits);
        let (connection, polls) = counted(connection);
        let _driver = tokio::task::spawn_local(connection);
        let message = framed(|message| message.init_abort().set_reason("x".repeat(100_000).as_str()));
        for byte in &message[..2000] {
            b.write_all(std::slice::from_ref(byte)).await.expect("the socket takes it");
            tokio::time::sleep(Duration::ZERO).await;
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
        assert!(polls.get() < 300, "{polls:?}");
        assert!(!handle.is_closed());
    });
}

#[test]
fn what_was_asked_for_is_no_flood() {
    local(async {
        let (a, b) = UnixStream::pair().expect("a socketpair");
        let limits = Limits {
            messages_burst: 16,
            messages_per_second: 1,
            bytes_burst: 1000,
            bytes_per_second: 1,
            ..Limits::for_worker()
        };
        let _server = serve(b, Source::default());
        let (client, handle, connection) = transport::client::<byte_source::Client>(a, limits);
        let _driver = tokio::task::spawn_local(connection);
        for _ in 0..1000 {
            soon(pull(&client, 256 << 10)).await.expect("an answer");
        }
        // All answers may come at once.
        let answers = (0..100).map(|_| pull(&client, 256 << 10));
        assert!(soon(futures::future::join_all(answers)).await.iter().all(Result::is_ok));
        assert!(handle.fault().is_none());
    });
}

/// Found by fuzzing: messages that had arrived and were not yet handed over when their connection ended.
#[test]
fn messages_that_nobody_took_are_freed_with_their_connection() {
    local(async {
        let (a, mut b) = UnixStream::pair().expect("a socketpair");
        let (_client, handle, connection) = transport::client::<event_port::Client>(a, Limits::for_worker());
        let driver = tokio::task::spawn_local(connection);
        let mut bytes =
            framed(|message| message.init_finish().set_question_id(9)).repeat(2 * transport::BATCH_MESSAGES);
        bytes.extend([0xff; 8]);
        b.write_all(&bytes).await.expect("the socket takes it");
        assert!(matches!(soon(driver).await.expect("the task"), Err(TransportError::Violation(_))));
        assert_eq!((handle.held_bytes(), handle.queued_bytes()), (0, 0));
    });
}

mod garbage {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// Whatever comes, the supervisor's side neither panics nor hangs.
        #[test]
        fn any_bytes_end_in_an_orderly_way(bytes in proptest::collection::vec(any::<u8>(), 0..400), words in any::<bool>()) {
            let mut bytes = bytes;
            if words {
                // A frame of the right length, so that what is inside gets looked at.
                bytes.truncate(bytes.len() / 8 * 8);
                let length = (bytes.len() / 8) as u32;
                bytes.splice(0..0, [[0; 4], length.to_le_bytes()].concat());
            }
            local(async {
                let (a, mut b) = UnixStream::pair().expect("a socketpair");
                let (client, _, connection) = transport::client::<event_port::Client>(a, Limits::for_worker());
                let call = client.entrypoint_request().send().promise;
                let driver = tokio::task::spawn_local(connection);
                let _ = b.write_all(&bytes).await;
                drop(b);
                let _ = soon(driver).await.expect("the task");
                assert!(soon(call).await.is_err());
            });
        }
    }
}

/// Never answers.
struct Deaf;

impl host::Server for Deaf {
    async fn log(self: Rc<Self>, _: host::LogParams, _: host::LogResults) -> Result<(), capnp::Error> {
        std::future::pending().await
    }
}

/// Calls its host and gives up, many times.
struct Impatient {
    at_once: bool,
}

impl worker_control::Server for Impatient {
    async fn bind(
        self: Rc<Self>,
        params: worker_control::BindParams,
        _: worker_control::BindResults,
    ) -> Result<(), capnp::Error> {
        let host = params.get()?.get_host()?;
        for _ in 0..2000 {
            let call = tokio::task::spawn_local(host.log_request().send().promise);
            if !self.at_once {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
            call.abort();
            let _ = call.await;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn drain(
        self: Rc<Self>,
        _: worker_control::DrainParams,
        _: worker_control::DrainResults,
    ) -> Result<(), capnp::Error> {
        Ok(())
    }
}

// capnp-rpc 0.27.3 drops what would answer a call together with the cancelled call: no `Return` is ever sent, and both
// sides keep the number. That is why `calls::Call` cancels by a message and waits for the answer. When this test passes,
// with a later version, that can go.
#[test]
#[ignore = "known: capnp-rpc never answers a call that was taken back"]
fn cancelled_calls_leave_their_numbers_free() {
    for at_once in [false, true] {
        local(async {
            let (a, b) = UnixStream::pair().expect("a socketpair");
            let server: worker_control::Client = capnp_rpc::new_client(Impatient { at_once });
            let (_, connection) = transport::server(b, Limits::for_supervisor(), server.client);
            tokio::task::spawn_local(connection);
            let (client, handle, connection) = transport::client::<worker_control::Client>(a, Limits::for_worker());
            tokio::task::spawn_local(connection);
            let mut request = client.bind_request();
            request.get().set_host(capnp_rpc::new_client(Deaf));
            let result = soon(request.send().promise).await.map(drop);
            assert!(result.is_ok(), "at once: {at_once}: {:?}", handle.fault());
        });
    }
}
