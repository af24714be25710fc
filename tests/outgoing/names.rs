//! Names and what becomes of them, with a DNS server of the tests' own.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
};

use bulkhead_test_support::{Server, http::Connection, supervisor};

use super::origin::{OK, Origin, Step, setup};

/// A question as the server heard it.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    name: String,
    v6: bool,
    /// How many of the same were before it.
    before: usize,
}

/// A DNS server on the loopback interface (RFC 1035, section 4). It runs until the test ends.
struct Dns {
    port: u16,
    heard: Arc<Mutex<Vec<Question>>>,
}

impl Dns {
    /// Answers each question with these addresses, which hold for so many seconds. `None`: there is no such name.
    fn start(answer: impl Fn(&Question) -> Option<(Vec<IpAddr>, u32)> + Send + 'static) -> Dns {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let dns = Dns { port: socket.local_addr().expect("an address").port(), heard: Arc::default() };
        let heard = dns.heard.clone();
        std::thread::spawn(move || {
            loop {
                let mut bytes = [0; 1500];
                let (length, from) = socket.recv_from(&mut bytes).expect("a question");
                let mut at = 12;
                let mut labels = Vec::new();
                while bytes[at] > 0 {
                    let end = at + 1 + usize::from(bytes[at]);
                    labels.push(String::from_utf8_lossy(&bytes[at + 1..end]).to_ascii_lowercase());
                    at = end;
                }
                let (kind, end) = (bytes[at + 2], at + 5);
                assert!(end <= length, "a whole question");
                let mut all = heard.lock().expect("not poisoned");
                let (name, v6) = (labels.join("."), kind == 28);
                let before = all.iter().filter(|question| question.name == name && question.v6 == v6).count();
                let question = Question { name, v6, before };
                let answer = answer(&question);
                all.push(question);
                drop(all);
                let mut reply = bytes[..end].to_vec();
                let (code, records, seconds) = match answer {
                    Some((addresses, seconds)) => (0, addresses, seconds),
                    None => (3, Vec::new(), 0),
                };
                let records: Vec<IpAddr> = records.into_iter().filter(|address| address.is_ipv6() == v6).collect();
                reply[2..12].copy_from_slice(&[0x85, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
                for record in records {
                    reply.extend_from_slice(&[0xc0, 12, 0, kind, 0, 1]);
                    reply.extend_from_slice(&seconds.to_be_bytes());
                    match record {
                        IpAddr::V4(address) => {
                            reply.extend_from_slice(&[0, 4]);
                            reply.extend_from_slice(&address.octets());
                        }
                        IpAddr::V6(address) => {
                            reply.extend_from_slice(&[0, 16]);
                            reply.extend_from_slice(&address.octets());
                        }
                    }
                }
                socket.send_to(&reply, from).expect("an answer");
            }
        });
        dns
    }

    fn heard(&self, v6: bool) -> usize {
        self.heard.lock().expect("not poisoned").iter().filter(|question| question.v6 == v6).count()
    }
}

fn serve(dns: &Dns, service: &str) -> Server {
    let server = format!("--dns-server=127.0.0.1:{}", dns.port);
    supervisor!().serve(setup("", service).argument("--shards=1").argument(server))
}

/// The status of what is fetched from `host`, or the end of the connection.
fn status(server: &Server, host: &str) -> Option<u16> {
    let mut client = Connection::open(server.port());
    client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).expect("a request");
    client.response("GET").ok().map(|response| response.status)
}

/// Two addresses of this machine with the same port: what is allowed, and what is not.
fn pair() -> (Origin, Origin) {
    let closes = |_: &_| vec![Step::Send(OK.to_vec()), Step::Close];
    loop {
        let allowed = Origin::start_at(Ipv4Addr::new(127, 0, 0, 2).into(), 0, closes);
        let free = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 3), allowed.port()));
        // Taken by somebody else, as happens.
        let Ok(free) = free else { continue };
        drop(free);
        let forbidden = Origin::start_at(Ipv4Addr::new(127, 0, 0, 3).into(), allowed.port(), closes);
        return (allowed, forbidden);
    }
}

const ALLOWED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const FORBIDDEN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
const ONLY: &str = "network = (allow = [\"127.0.0.2/32\"])";

#[test]
fn a_name_that_changes_its_address_leads_to_no_other_than_was_checked() {
    let (allowed, forbidden) = pair();
    // Every other answer is the forbidden one, and none holds for any time.
    let dns = Dns::start(|question| Some((vec![if question.before % 2 == 0 { ALLOWED } else { FORBIDDEN }], 0)));
    let server = serve(&dns, ONLY);
    let host = format!("rebind.example:{}", allowed.port());
    let statuses: Vec<_> = (0..6).map(|_| status(&server, &host)).collect();
    assert_eq!(statuses, [200, 500, 200, 500, 200, 500].map(Some), "each answer is asked for anew, and checked itself");
    assert_eq!((allowed.connections(), forbidden.connections()), (3, 0));
    server.wait_for_stderr(|text| text.contains(&format!("connecting to {host} is not allowed")));
}

#[test]
fn of_several_addresses_only_those_that_are_allowed_are_tried() {
    let (allowed, forbidden) = pair();
    let dns = Dns::start(|_| Some((vec![FORBIDDEN, ALLOWED, Ipv6Addr::LOCALHOST.into()], 60)));
    let server = serve(&dns, ONLY);
    for _ in 0..3 {
        assert_eq!(status(&server, &format!("both.example:{}", allowed.port())), Some(200));
    }
    assert_eq!((allowed.connections(), forbidden.connections()), (3, 0));
    assert_eq!((dns.heard(false), dns.heard(true)), (1, 1), "an answer holds for its time");
}

#[test]
fn an_address_that_embeds_one_that_is_not_allowed_is_not_allowed() {
    let dns = Dns::start(|question| {
        let embedded: Ipv6Addr = match question.name.as_str() {
            "mapped.example" => "::ffff:127.0.0.1",
            "nat64.example" => "64:ff9b::7f00:1",
            "6to4.example" => "2002:7f00:1::1",
            "compatible.example" => "::127.0.0.1",
            "unspecified.example" => "::",
            _ => "::1",
        }
        .parse()
        .expect("an address");
        Some((vec![embedded.into()], 60))
    });
    let server = serve(&dns, "network = (allow = [\"public\"])");
    for name in ["mapped", "nat64", "6to4", "compatible", "unspecified", "loopback"] {
        assert_eq!(status(&server, &format!("{name}.example:9")), Some(500), "{name}");
        server.wait_for_stderr(|text| text.contains(&format!("connecting to {name}.example:9 is not allowed")));
    }
}

#[test]
fn the_next_address_is_tried_where_one_refuses() {
    let origin = Origin::start(|_| vec![Step::Send(OK.to_vec())]);
    // Nobody listens at the first two.
    let dns = Dns::start(|_| {
        Some((vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 9).into(), Ipv4Addr::LOCALHOST.into()], 60))
    });
    for service in [
        "network = (allow = [\"local\"])".to_owned(),
        format!("external = (address = \"x.example:{}\", http = ())", origin.port()),
    ] {
        let server = serve(&dns, &service);
        assert_eq!(status(&server, &format!("several.example:{}", origin.port())), Some(200), "{service}");
    }
}

#[test]
fn the_address_of_an_external_server_is_asked_for_again() {
    let (first, second) = pair();
    let dns = Dns::start(|question| Some((vec![if question.before == 0 { ALLOWED } else { FORBIDDEN }], 0)));
    let server = serve(&dns, &format!("external = (address = \"moves.example:{}\", http = ())", first.port()));
    for _ in 0..3 {
        assert_eq!(status(&server, "any"), Some(200));
    }
    assert_eq!((first.connections(), second.connections()), (1, 2));
}

#[test]
fn a_name_without_an_address_is_an_error_that_says_so() {
    let dns = Dns::start(|question| (question.name == "empty.example").then(|| (Vec::new(), 0)));
    let server = serve(&dns, "network = (allow = [\"private\"])");
    for name in ["none.example", "empty.example"] {
        assert_eq!(status(&server, name), Some(500));
        server.wait_for_stderr(|text| text.contains(&format!("DNS lookup failed. host = {name}")));
    }
    // What the system knows is not asked for.
    let origin = Origin::start(|_| vec![Step::Send(OK.to_vec())]);
    assert_eq!(status(&server, &format!("localhost:{}", origin.port())), Some(200));
    assert!(dns.heard.lock().expect("not poisoned").iter().all(|question| question.name != "localhost"));
}
