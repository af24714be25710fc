//! WebSocket frames, and what is compressed in them.

use bulkhead_websocket::{
    Event, Kind, Receiver, Role, Sender,
    extension::{Deflate, accept, agreed},
};

/// The limit on messages, in bytes.
const LIMIT: usize = 64 << 10;

fn role(choice: u8) -> Role {
    if choice & 1 == 0 { Role::Server } else { Role::Client }
}

fn deflate(choice: u8) -> Deflate {
    Deflate {
        server_no_context_takeover: choice & 4 != 0,
        client_no_context_takeover: choice & 8 != 0,
        server_max_window_bits: 8 + (choice >> 4 & 7),
        client_max_window_bits: 8 + (choice >> 5 & 7),
    }
}

fn sender(role: Role, deflate: Option<&Deflate>) -> Sender {
    match role {
        Role::Client => Sender::client(deflate, Box::new(|| [0x12, 0x34, 0x56, 0x78])),
        Role::Server => Sender::server(deflate),
    }
}

/// What a receiver makes of the bytes in pieces of a length: events, and the code of a violation.
fn receive(role: Role, deflate: Option<&Deflate>, bytes: &[u8], length: usize) -> (Vec<Event>, Option<u16>) {
    let mut receiver = Receiver::new(role, LIMIT, deflate);
    let (mut events, mut code) = (Vec::new(), None);
    for mut piece in bytes.chunks(length) {
        loop {
            match receiver.receive(&mut piece) {
                Ok(Some(event)) => {
                    assert!(!receiver.is_ended() || matches!(event, Event::Close(_)), "it went on after its end");
                    if let Event::Message(kind, payload) = &event {
                        assert!(payload.len() <= LIMIT, "{} bytes", payload.len());
                        assert!(*kind == Kind::Binary || std::str::from_utf8(payload).is_ok(), "no text");
                    }
                    events.push(event);
                }
                Ok(None) => break,
                Err(violation) => {
                    assert!(code.is_none(), "it was broken twice");
                    assert!(!violation.to_string().is_empty());
                    code = Some(violation.code());
                }
            }
        }
        assert!(piece.is_empty(), "bytes were left");
    }
    (events, code)
}

/// Bytes as what a peer sends. The first one chooses the side and what was agreed on, the second the length of pieces.
pub fn websocket_frames(bytes: &[u8]) {
    let Some(([choice, length], bytes)) = bytes.split_first_chunk() else { return };
    let role = role(*choice);
    let deflate = (choice & 2 != 0).then(|| deflate(*choice));
    let whole = receive(role, deflate.as_ref(), bytes, bytes.len().max(1));
    let split = receive(role, deflate.as_ref(), bytes, usize::from(*length).max(1));
    assert_eq!(whole, split, "in pieces of {length} bytes");
    // What was received can be sent, and is the same at the other side.
    let mut sender = sender(role, deflate.as_ref());
    let mut again = Vec::new();
    for event in &whole.0 {
        match event {
            Event::Message(kind, payload) => sender.message(&mut again, *kind, payload),
            Event::Ping(payload) => sender.ping(&mut again, payload),
            Event::Pong(payload) => sender.pong(&mut again, payload),
            Event::Close(close) => sender.close(&mut again, close.as_ref()),
        }
    }
    let peer = match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    };
    assert_eq!(receive(peer, deflate.as_ref(), &again, 100), (whole.0, None));
}

/// Bytes as compressed messages, each with its length in two bytes before it; the first byte chooses as in [`websocket_frames`]. Then as the
/// headers of a negotiation, and as messages to be compressed.
pub fn websocket_deflate(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let agreed_on = deflate(*choice);
    let (mut frames, mut left) = (Vec::new(), bytes);
    let mut packed = sender(Role::Server, Some(&agreed_on));
    let (mut sent, mut wanted) = (Vec::new(), Vec::new());
    while let Some((length, rest)) = left.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        left = rest;
        // As the server sends it, unmasked, in one frame.
        frames.push(if choice & 2 == 0 { 0xc1 } else { 0xc2 });
        match u8::try_from(length) {
            Ok(short @ ..126) => frames.push(short),
            _ => {
                frames.push(126);
                frames.extend((length as u16).to_be_bytes());
            }
        }
        frames.extend(payload);
        packed.message(&mut sent, Kind::Binary, payload);
        wanted.push(Event::Message(Kind::Binary, payload.to_vec()));
    }
    let whole = receive(Role::Client, Some(&agreed_on), &frames, frames.len().max(1));
    assert_eq!(whole, receive(Role::Client, Some(&agreed_on), &frames, 3));
    assert_eq!(receive(Role::Client, Some(&agreed_on), &sent, 1000), (wanted, None));
    let text = String::from_utf8_lossy(bytes);
    let (offers, terms) = text.split_once('\n').map_or((&*text, None), |(offers, terms)| (offers, Some(terms)));
    if let Some((server, answer)) = accept(offers, terms) {
        let client = agreed(offers, &answer).expect("an answer to these offers").expect("compression");
        assert!(client.client_max_window_bits <= server.client_max_window_bits, "{answer}");
        assert_eq!(client.server_max_window_bits, server.server_max_window_bits, "{answer}");
    }
    let _ = agreed(offers, terms.unwrap_or_default());
}
