//! Workers as clients: of a server whose answers are in the hands of the test, and of another worker.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use bulkhead_test_support::{
    Runtime, Server, Setup,
    expectations::{Observation, check},
    http::Connection,
};
use bulkhead_websocket::{
    Close, Event, Kind, Receiver, Role, Sender,
    extension::{self, Deflate},
    handshake::accept_value,
};

/// A request of a client.
struct Request {
    /// The path, without the slash before it.
    path: String,
    /// Lines after the first one.
    headers: Vec<String>,
}

impl Request {
    fn read(stream: &mut TcpStream) -> io::Result<Request> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            bytes.extend(byte);
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let path = target.trim_start_matches('/').split('?').next().unwrap_or_default().to_owned();
        Ok(Request { path, headers: lines.filter(|line| !line.is_empty()).map(str::to_owned).collect() })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A server that does what the path of a request says.
fn start() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
    let port = listener.local_addr().expect("an address").port();
    // It ends with the test.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client may break off whenever it likes.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    port
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let request = Request::read(&mut stream)?;
    let plain = |status: &str, headers: &str| {
        format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: 4\r\n\r\nbody")
    };
    let accept = accept_value(request.header("Sec-WebSocket-Key").unwrap_or_default().as_bytes());
    let switching = |headers: &str| {
        format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{headers}\r\n")
    };
    let accepting = |headers: &str| switching(&format!("Sec-WebSocket-Accept: {accept}\r\n{headers}"));
    let mut deflate = None;
    let head = match &*request.path {
        "status-200" => plain("200 OK", ""),
        "status-204" => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
        "status-400" => plain("400 Bad Request", ""),
        "status-404" => plain("404 Not Found", ""),
        "status-500" => plain("500 Internal Server Error", ""),
        "redirect" => plain("302 Found", "Location: /echo\r\n"),
        "upgrade-or-200" if request.header("Upgrade") != Some("websocket") => plain("200 OK", ""),
        "wrong-accept" => switching("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "no-accept" => switching(""),
        "no-upgrade" => accepting("").replace("Upgrade: websocket\r\n", ""),
        "other-upgrade" => accepting("").replace("Upgrade: websocket", "Upgrade: other"),
        "protocol" => accepting("Sec-WebSocket-Protocol: b\r\n"),
        "unexpected-protocol" => accepting("Sec-WebSocket-Protocol: unasked\r\n"),
        "unexpected-extension" => accepting("Sec-WebSocket-Extensions: x-unasked\r\n"),
        "unexpected-deflate" => {
            deflate = Some(Deflate::default());
            accepting("Sec-WebSocket-Extensions: permessage-deflate\r\n")
        }
        "wrong-deflate" => accepting("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99\r\n"),
        "deflate" => {
            let offers = request.header("Sec-WebSocket-Extensions").unwrap_or_default();
            let (agreed, answer) = extension::accept(offers, None).unzip();
            deflate = agreed;
            accepting(&answer.map_or_else(String::new, |answer| format!("Sec-WebSocket-Extensions: {answer}\r\n")))
        }
        "hang-up" => return Ok(()),
        "no-http" => "this is no HTTP\r\n\r\n".to_owned(),
        _ => accepting(""),
    };
    let mut sender = Sender::server(deflate.as_ref());
    let mut out = head.clone().into_bytes();
    let text = |sender: &mut Sender, out: &mut Vec<u8>, text: &str| sender.message(out, Kind::Text, text.as_bytes());
    let close = |code, reason: &str| Some(Close { code, reason: reason.to_owned() });
    match &*request.path {
        "headers" => {
            // The key is another one each time.
            let mut shown: Vec<_> = request.headers.iter().map(|line| line.to_lowercase()).collect();
            shown.retain(|line| !line.starts_with("sec-websocket-key: ") || line.ends_with("mine"));
            shown.sort();
            text(&mut sender, &mut out, &shown.join("\n"));
        }
        "greets" => {
            text(&mut sender, &mut out, "hello");
            text(&mut sender, &mut out, "again");
        }
        "close" => sender.close(&mut out, None),
        "close-1000" => sender.close(&mut out, close(1000, "").as_ref()),
        "close-1001-away" => sender.close(&mut out, close(1001, "away").as_ref()),
        "close-4999-x" => sender.close(&mut out, close(4999, "x").as_ref()),
        "reserved" => out.extend([0xc1, 1, b'x']),
        "continuation" => out.extend([0x80, 1, b'x']),
        _ => {}
    }
    stream.write_all(&out)?;
    match &*request.path {
        "drop" => return Ok(()),
        "reset" => {
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            return Ok(nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &linger)?);
        }
        _ if !head.starts_with("HTTP/1.1 101") => return stream.shutdown(Shutdown::Write),
        _ => {}
    }
    echo(&mut stream, Receiver::new(Role::Server, 64 << 20, deflate.as_ref()), sender)
}

/// Sends back what comes, a close too, and waits for the end.
fn echo(stream: &mut TcpStream, mut receiver: Receiver, mut sender: Sender) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        let mut bytes = &piece[..count];
        let mut out = Vec::new();
        while let Some(event) =
            receiver.receive(&mut bytes).map_err(|violation| io::Error::other(violation.to_string()))?
        {
            match event {
                Event::Message(kind, payload) => sender.message(&mut out, kind, &payload),
                Event::Ping(payload) => sender.pong(&mut out, &payload),
                Event::Pong(_) => {}
                Event::Close(close) => sender.close(&mut out, close.as_ref()),
            }
        }
        stream.write_all(&out)?;
    }
}

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "other", worker = .other),
    (name = "internet", network = (allow = ["private", "public"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "probe", esModule = embed "probe.js"), (name = "case", esModule = embed "case.js")],
  compatibilityDate = "DATE",
  compatibilityFlags = ["nodejs_als"],
  bindings = [(name = "BACKEND", text = "127.0.0.1:PORT"), (name = "OTHER", service = "other")],
);
const other :Workerd.Worker = (
  modules = [(name = "main", esModule = embed "other.js")],
  compatibilityDate = "DATE",
  bindings = [(name = "BACKEND", text = "127.0.0.1:PORT")],
);
"#;

fn ask(server: &Server, target: &str) -> String {
    match Connection::open(server.port()).request("GET", target, &[], b"") {
        Ok(response) if response.status == 200 => response.text(),
        Ok(response) => format!("{} {}", response.status_line, response.text()),
        Err(error) => format!("no response: {error}"),
    }
}

fn compare(area: &str, date: &str) {
    let port = start();
    let setup = || {
        Setup::config(&CONFIG.replace("PORT", &port.to_string()).replace("DATE", date))
            .file("probe.js", include_str!("probe.js"))
            .file("case.js", include_str!("web_socket_clients.js"))
            .file("other.js", include_str!("web_socket_callee.js"))
    };
    let servers = [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(|runtime| runtime.serve(setup()));
    let names: Vec<String> = serde_json::from_str(&ask(&servers[1], "/")).expect("a list of names");
    assert!(names.len() >= 100, "{names:?}");
    // The key of a request, and what would answer it, is another one each time.
    let without_key = |text: String| match (text.find("expected '"), text.find("=', got")) {
        (Some(start), Some(end)) if start < end => format!("{}{}", &text[..start], &text[end..]),
        _ => text,
    };
    let plain = |text: String| without_key(text.replace(&format!(":{port}"), ":PORT"));
    let observations: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let [reference, ours] = [0, 1].map(|side| plain(ask(&servers[side], &format!("/{index}"))));
            Observation { key: format!("{area}/{name}"), reference, ours }
        })
        .collect();
    let shows_nothing = |seen: &&Observation| seen.reference == "timeout" && seen.ours == "timeout";
    let silent: Vec<_> = observations.iter().filter(shows_nothing).map(|seen| &seen.key).collect();
    assert!(silent.is_empty(), "nothing is seen of {silent:?}");
    check(area, &observations);
}

#[test]
fn what_a_client_sees() {
    compare("web_socket_clients", "2026-08-01");
}

/// Before `websocket_standard_binary_type`, `web_socket_auto_reply_to_close` and compression.
#[test]
fn what_a_client_saw_in_2022() {
    compare("web_socket_clients in 2022", "2022-11-01");
}
