//! An end against a peer in memory, who speaks bytes.

use std::collections::VecDeque;

use bulkhead_websocket::{Kind, Role, extension::Deflate};

use super::*;
use crate::{
    io::{Bell, IoContext},
    streams::{
        StreamingBody,
        socket::{Payload, pair},
    },
    testing::with_isolate,
};

/// What the peer sends.
struct Sent {
    pieces: RefCell<VecDeque<Bytes>>,
    /// Whether it has sent all of it, and how it ends.
    end: Cell<Option<bool>>,
    more: Bell,
    pulls: Cell<usize>,
    /// What came with the pulls.
    back: RefCell<Vec<Bytes>>,
    /// Whether the next answer says that it is taken.
    taken: Cell<bool>,
}

impl Source for Rc<Sent> {
    fn pull(&self, _: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        self.pulls.set(self.pulls.get() + 1);
        let next = || match (self.pieces.borrow_mut().pop_front(), self.end.get()) {
            (Some(bytes), _) => Some(Ok(Pulled { taken: self.taken.take(), ..Pulled::new(bytes, false) })),
            (None, Some(true)) => Some(Ok(Pulled::new(Bytes::new(), true))),
            (None, Some(false)) => Some(Err(Broken::failed("gone"))),
            (None, None) => None,
        };
        Box::pin(self.more.wait(next))
    }

    fn pull_with(&self, max_bytes: usize, back: Bytes) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        self.back.borrow_mut().extend((!back.is_empty()).then_some(back));
        self.pull(max_bytes)
    }

    fn is_outside(&self) -> bool {
        true
    }
}

/// A connection of which one side is coupled to an end, and the other is the test's.
struct Rig {
    context: Rc<IoContext>,
    sent: Rc<Sent>,
    frames: RefCell<Option<Rc<dyn Source>>>,
    end: End,
    sender: RefCell<Sender>,
    receiver: RefCell<Receiver>,
}

fn keys() -> bulkhead_websocket::Keys {
    Box::new(|| [1, 2, 3, 4])
}

fn ends(role: Role, deflate: Option<&Deflate>) -> (Receiver, Sender) {
    let sender = match role {
        Role::Server => Sender::server(deflate),
        Role::Client => Sender::client(deflate, keys()),
    };
    (Receiver::new(role, 100_000, deflate), sender)
}

impl Rig {
    fn new(context: Rc<IoContext>, role: Role, deflate: Option<Deflate>, open: Option<OpenBody>) -> Self {
        let sent = Rc::new(Sent {
            pieces: RefCell::default(),
            end: Cell::default(),
            more: Bell::new(&context),
            pulls: Cell::default(),
            back: RefCell::default(),
            taken: Cell::default(),
        });
        let [end, framed] = pair(&context);
        let frames = couple(&context, framed, Rc::new(sent.clone()), ends(role, deflate.as_ref()), open);
        end.listen();
        let (receiver, sender) = ends(role.peer(), deflate.as_ref());
        let (sender, receiver) = (RefCell::new(sender), RefCell::new(receiver));
        Rig { context, sent, frames: RefCell::new(Some(frames)), end, sender, receiver }
    }

    fn send(&self, with: impl FnOnce(&mut Sender, &mut Vec<u8>)) {
        let mut bytes = Vec::new();
        with(&mut self.sender.borrow_mut(), &mut bytes);
        self.send_bytes(&bytes);
    }

    fn send_bytes(&self, bytes: &[u8]) {
        self.sent.pieces.borrow_mut().extend(bytes.chunks(7).map(Bytes::copy_from_slice));
        self.sent.more.ring();
    }

    fn end_sending(&self, cleanly: bool) {
        self.sent.end.set(Some(cleanly));
        self.sent.more.ring();
    }

    /// Waits for something, with the owner's tasks running.
    async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let _ = self.context.poll_tasks(cx);
            future.as_mut().poll(cx)
        })
        .await
    }

    async fn take(&self) -> Item {
        self.run(self.end.take()).await
    }

    /// The next events that the peer receives, up to the end of one pull; `None` when there is nothing more to pull.
    async fn received(&self) -> Option<Result<Vec<Event>, String>> {
        let frames = self.frames.borrow().clone().expect("it is not dropped");
        let pulled = match self.run(frames.pull(1 << 20)).await {
            Ok(pulled) => pulled,
            Err(broken) => return Some(Err(broken.into_wire().extra)),
        };
        if pulled.bytes.is_empty() {
            assert!(pulled.done);
            return None;
        }
        Some(Ok(self.events(&pulled.bytes)))
    }

    fn events(&self, mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.receiver.borrow_mut().receive(&mut bytes).expect("it is well-formed") {
            events.push(event);
        }
        events
    }

    /// Has the peer send a message of one letter, in one piece, and answers it when it comes.
    async fn echo(&self, letter: &str) {
        self.send(|sender, out| sender.message(out, Kind::Text, letter.as_bytes()));
        self.run(async {
            let item = self.end.take().await;
            self.end.send(item);
        })
        .await;
        for _ in 0..10 {
            self.run(tokio::task::yield_now()).await;
        }
    }

    /// What went with the pulls of what comes since this was last asked.
    fn back(&self) -> Vec<Event> {
        self.events(&self.sent.back.take().concat())
    }
}

fn text(text: &str) -> Event {
    Event::Message(Kind::Text, text.into())
}

fn closing(code: u16, reason: &str) -> Close {
    Close { code, reason: reason.into() }
}

/// Runs a test as both sides, with compression and without.
fn both(test: impl AsyncFn(Rig)) {
    with_isolate(async |isolate| {
        for role in [Role::Server, Role::Client] {
            for deflate in [None, Some(Deflate::default())] {
                test(Rig::new(IoContext::new(isolate.clone()), role, deflate, None)).await;
            }
        }
    });
}

#[test]
fn messages_go_both_ways() {
    both(async |rig| {
        rig.end.send(Item::Message(Kind::Text, b"one".to_vec().into()));
        rig.end.send(Item::Message(Kind::Binary, vec![0, 255].into()));
        let expected = vec![text("one"), Event::Message(Kind::Binary, vec![0, 255])];
        assert_eq!(rig.received().await, Some(Ok(expected)), "messages that are there go out together");
        assert_eq!(rig.end.buffered(), 0);
        rig.send(|sender, out| sender.fragments(out, Kind::Text, b"to you", 2));
        assert!(matches!(rig.take().await, Item::Message(Kind::Text, payload) if *payload == *b"to you"));
    });
}

#[test]
fn what_has_room_for_a_head_is_the_same_message() {
    both(async |rig| {
        let with_room =
            |bytes: &[u8]| Item::Message(Kind::Binary, Payload::with_room(bytes.len(), |to| to.extend(bytes)));
        let is = |bytes: &[u8]| Event::Message(Kind::Binary, bytes.to_vec());
        let long: Vec<u8> = (0..70_000).map(|at| (at % 251) as u8).collect();
        for bytes in [&b""[..], b"short", &long[..126], &long] {
            rig.end.send(with_room(bytes));
            assert_eq!(rig.received().await, Some(Ok(vec![is(bytes)])), "alone, {}", bytes.len());
        }
        rig.end.send(with_room(&long));
        rig.end.send(with_room(b"next"));
        assert_eq!(
            rig.received().await,
            Some(Ok(vec![is(&long), is(b"next")])),
            "messages that are there go out together"
        );
        rig.send(|sender, out| sender.ping(out, b"one"));
        rig.run(tokio::task::yield_now()).await;
        rig.end.send(with_room(&long));
        let expected = vec![Event::Pong(b"one".into()), is(&long)];
        assert_eq!(rig.received().await, Some(Ok(expected)), "a pong goes first");
        assert_eq!(Payload::with_room(5, |to| to.extend(b"bytes")).into_vec(), b"bytes");
    });
}

#[test]
fn what_is_sent_at_once_goes_with_the_next_pull_while_another_is_open() {
    with_isolate(async |isolate| {
        let open = StreamingBody::default().open();
        let rig = Rig::new(IoContext::new(isolate.clone()), Role::Server, None, Some(open));
        rig.echo("a").await;
        assert_eq!(rig.back(), [], "nobody has asked for it");
        assert_eq!(rig.received().await, Some(Ok(vec![text("a")])));

        let frames = rig.frames.borrow().clone().expect("it is not dropped");
        let mut pull = frames.pull(1 << 20);
        assert!(futures::poll!(pull.as_mut()).is_pending());
        rig.echo("b").await;
        assert_eq!(rig.back(), [text("b")]);
        assert!(futures::poll!(pull.as_mut()).is_pending(), "it went");
        rig.sent.taken.set(true);
        rig.echo("c").await;
        assert_eq!(rig.back(), [text("c")], "the one before it was taken");
        rig.echo("d").await;
        assert_eq!(rig.back(), [], "the one before it was not");
        let pulled = rig.run(pull).await.expect("an answer");
        assert_eq!(rig.events(&pulled.bytes), [text("d")]);

        let mut pull = frames.pull(1 << 20);
        assert!(futures::poll!(pull.as_mut()).is_pending());
        rig.end.send(Item::Message(Kind::Text, b"unasked".to_vec().into()));
        let pulled = rig.run(pull).await.expect("an answer");
        assert_eq!(rig.events(&pulled.bytes), [text("unasked")], "nothing is waited for");
        assert_eq!(rig.back(), []);
    });
}

#[test]
fn a_ping_is_answered_and_a_pong_is_not() {
    both(async |rig| {
        rig.send(|sender, out| {
            sender.pong(out, b"unasked");
            sender.ping(out, b"one");
            sender.ping(out, b"two");
            sender.message(out, Kind::Text, b"x");
        });
        assert!(matches!(rig.take().await, Item::Message(..)));
        assert_eq!(rig.received().await, Some(Ok(vec![Event::Pong(b"two".into())])), "the last ping is answered");
    });
}

#[test]
fn the_peer_closes() {
    both(async |rig| {
        rig.send(|sender, out| sender.close(out, Some(&closing(4000, "why"))));
        assert!(matches!(rig.take().await, Item::Close(Some(close)) if close == closing(4000, "why")));
        rig.end.send(Item::Message(Kind::Text, b"last".to_vec().into()));
        rig.end.send(Item::Close(Some(closing(4000, "why"))));
        rig.end.send(Item::Message(Kind::Text, b"late".to_vec().into()));
        let expected = vec![text("last"), Event::Close(Some(closing(4000, "why")))];
        assert_eq!(rig.received().await, Some(Ok(expected)));
        assert_eq!(rig.received().await, None, "both have closed");
    });
}

#[test]
fn we_close() {
    both(async |rig| {
        rig.end.send(Item::Close(None));
        assert_eq!(rig.received().await, Some(Ok(vec![Event::Close(None)])));
        rig.send(|sender, out| {
            sender.message(out, Kind::Text, b"still");
            sender.close(out, None);
        });
        assert!(matches!(rig.take().await, Item::Message(..)));
        assert!(matches!(rig.take().await, Item::Close(None)));
        assert_eq!(rig.received().await, None);
    });
}

#[test]
fn a_peer_that_goes_without_a_word_is_lost() {
    both(async |rig| {
        rig.end_sending(false);
        assert!(matches!(rig.take().await, Item::Lost(Loss::Gone)));
        assert_eq!(rig.received().await, None);
    });
    both(async |rig| {
        rig.send(|sender, out| sender.message(out, Kind::Text, b"x"));
        rig.end_sending(true);
        assert!(matches!(rig.take().await, Item::Message(..)));
        assert!(matches!(rig.take().await, Item::Lost(Loss::Gone)));
    });
}

#[test]
fn a_peer_that_breaks_the_protocol_is_told() {
    both(async |rig| {
        rig.send_bytes(&[0x83, 0x80, 0, 0, 0, 0]);
        assert!(matches!(rig.take().await, Item::Lost(Loss::Protocol(Violation::Opcode(3)))));
        let told = closing(1002, "Unknown opcode 3");
        assert_eq!(rig.received().await, Some(Ok(vec![Event::Close(Some(told))])));
    });
}

#[test]
fn an_end_that_is_dropped_breaks_the_connection() {
    both(async |rig| {
        let Rig { end, .. } = &rig;
        end.abandon();
        assert_eq!(rig.received().await, Some(Err("the WebSocket was aborted".to_owned())));
    });
}

#[test]
fn a_connection_that_is_dropped_is_lost() {
    both(async |rig| {
        rig.end.send(Item::Message(Kind::Text, b"x".to_vec().into()));
        rig.frames.take();
        assert!(matches!(rig.take().await, Item::Lost(Loss::Unread)));
    });
}

#[test]
fn what_nobody_takes_is_not_read() {
    both(async |rig| {
        let message = vec![7; 90_000];
        for _ in 0..20 {
            rig.send(|sender, out| sender.message(out, Kind::Binary, &message));
        }
        let pieces = rig.sent.pieces.borrow().len();
        // Until nothing happens any more.
        let mut pulls = None;
        while pulls != Some(rig.sent.pulls.get()) {
            pulls = Some(rig.sent.pulls.get());
            for _ in 0..100 {
                rig.run(tokio::task::yield_now()).await;
            }
        }
        assert!(rig.sent.pulls.get() < pieces / 2 || pieces < 1000, "{pulls:?} of {pieces} pieces were read");
        for _ in 0..20 {
            assert!(matches!(rig.take().await, Item::Message(_, payload) if *payload == *message));
        }
    });
}
