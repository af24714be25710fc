//! Connections of any protocol: TLS that begins later, at either end, and what becomes of connections whose other end misbehaves.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use bulkhead_test_support::{Server, Setup, certificates::Authority, http, runtime::wait_until, supervisor, tools};

/// A server that speaks a little SMTP, and has TLS begin when it is asked for that.
const MAIL: &str = r#"
const decoder = new TextDecoder();
async function line(reader, state) {
  while (!state.rest.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) return undefined;
    state.rest += decoder.decode(value);
  }
  const end = state.rest.indexOf("\n");
  const found = state.rest.slice(0, end).trim();
  state.rest = state.rest.slice(end + 1);
  return found;
}
async function say(socket, text) {
  const writer = socket.writable.getWriter();
  await writer.write(text + "\r\n");
  writer.releaseLock();
}
export default {
  async connect(socket) {
    await say(socket, "220 mail.test");
    for (let secure = false; ; ) {
      const reader = socket.readable.getReader();
      const said = await line(reader, { rest: "" });
      reader.releaseLock();
      if (said === undefined) return;
      if (said.startsWith("EHLO")) await say(socket, secure ? "250 secure" : "250-mail.test\r\n250 STARTTLS");
      else if (said === "STARTTLS") {
        await say(socket, "220 go");
        const plain = socket;
        socket = plain.startTls();
        await socket.opened;
        await plain.closed;
        secure = true;
      } else if (said === "QUIT") {
        await say(socket, "221 bye");
        return;
      } else await say(socket, `250 ${socket.secureTransport} ${said}`);
    }
  },
};
"#;

const CLIENT: &str = r#"
import { connect } from "cloudflare:sockets";
const decoder = new TextDecoder();
const ask = async (socket, text) => {
  if (text !== undefined) {
    const writer = socket.writable.getWriter();
    await writer.write(text + "\r\n");
    writer.releaseLock();
  }
  const reader = socket.readable.getReader();
  const { done, value } = await reader.read();
  reader.releaseLock();
  return done ? "(the end)" : decoder.decode(value).trim();
};
export default {
  async fetch(request) {
    const { port, host, then } = Object.fromEntries(new URL(request.url).searchParams);
    const seen = [];
    try {
      let socket = connect(`localhost:${port}`, { secureTransport: "starttls" });
      seen.push(await ask(socket), await ask(socket, "EHLO me"), await ask(socket, "STARTTLS"));
      const plain = socket;
      socket = plain.startTls(host === undefined ? undefined : { expectedServerHostname: host });
      socket.closed.catch(() => {});
      await socket.opened;
      await plain.closed;
      seen.push(plain.upgraded, socket.upgraded, socket.secureTransport);
      seen.push(await ask(socket, "EHLO me"), await ask(socket, "x".repeat(5)), await ask(socket, "QUIT"), await ask(socket));
      await socket.closed;
    } catch (error) {
      seen.push(`${error.name}: ${error.message}`);
    }
    return Response.json(seen);
  },
};
"#;

fn worker(source: &str) -> String {
    format!("modules = [(name = \"w\", esModule = embed \"{source}\")], compatibilityDate = \"2026-08-01\"")
}

fn mail_server(authority: &Authority) -> Server {
    let identity = authority.issue(&["localhost", "mail.test"]);
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"w\", worker = ({}, compatibilityFlags = [\"connect_handler_starttls\"]))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", service = \"w\", tcp = (tlsMode = startTls,\n\
           tlsOptions = (keypair = (privateKey = embed \"key.pem\", certificateChain = embed \"cert.pem\"))))]);",
        worker("w.js")
    );
    let setup = Setup::config(&config).file("w.js", MAIL).argument("--experimental");
    supervisor!().serve(setup.file("key.pem", &identity.key).file("cert.pem", &identity.chain))
}

fn client(authority: &str) -> Server {
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"w\", worker = ({}, globalOutbound = \"here\")),\n\
           (name = \"here\", network = (allow = [\"local\"], tlsOptions = (trustedCertificates = [embed \"ca.pem\"])))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", service = \"w\", http = ())]);",
        worker("w.js")
    );
    supervisor!().serve(Setup::config(&config).file("w.js", CLIENT).file("ca.pem", authority))
}

fn ask(client: &Server, target: &str) -> String {
    http::get(client.port(), target).expect("an answer").text()
}

#[test]
fn mail_over_tls_that_begins_later() {
    let (good, other) = (Authority::new("good"), Authority::new("other"));
    let (mail, trusting, doubting) = (mail_server(&good), client(&good.pem()), client(&other.pem()));
    let before = "\"220 mail.test\",\"250-mail.test\\r\\n250 STARTTLS\",\"220 go\"";
    let after = "true,false,\"on\",\"250 secure\",\"250 on xxxxx\",\"221 bye\",\"(the end)\"";
    for host in ["", "&host=mail.test"] {
        assert_eq!(ask(&trusting, &format!("/?port={}{host}", mail.port())), format!("[{before},{after}]"), "{host}");
    }
    let refused = format!("[{before},\"Error: internal error\"]");
    assert_eq!(ask(&trusting, &format!("/?port={}&host=other.test", mail.port())), refused);
    assert_eq!(ask(&doubting, &format!("/?port={}", mail.port())), refused);

    // And with a client that is not ours.
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-starttls", "smtp", "-quiet", "-verify_quiet", "-connect"])
        .arg(format!("127.0.0.1:{}", mail.port()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let mut lines = BufReader::new(openssl.stdout.take().expect("its output")).lines();
    let mut said = || lines.next().expect("a line").expect("text");
    let mut stdin = openssl.stdin.take().expect("its input");
    stdin.write_all(b"hello\r\n").expect("to speak");
    // It shows the last line that came before.
    let first = said();
    let first = if first.contains("hello") { first } else { said() };
    assert!(first.trim_end().ends_with("250 on hello"), "{first}");
    stdin.write_all(b"QUIT\r\n").expect("to speak");
    assert_eq!(said().trim_end(), "221 bye");
    drop(stdin);
    let _ = openssl.wait();
}

#[test]
fn nothing_that_is_said_before_the_handshake_is_heard_after_it() {
    let authority = Authority::new("good");
    let client = client(&authority.pem());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
        let mut line = String::new();
        for answer in ["220 hi\r\n", "250 STARTTLS\r\n", "220 go\r\n221 injected\r\n"] {
            stream.write_all(answer.as_bytes()).expect("to speak");
            if !answer.starts_with("220 go") {
                reader.read_line(&mut line).expect("a line");
            }
        }
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest);
    });
    let seen = ask(&client, &format!("/?port={port}"));
    // Whatever came with the line was read as it is, or breaks the handshake.
    assert!(seen.ends_with("\"Error: internal error\"]"), "{seen}");
    assert!(server.join().is_ok());
}

#[test]
fn the_sample_joins_two_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes);
                let _ = stream.write_all(&bytes.iter().rev().copied().collect::<Vec<_>>());
            });
        }
    });
    let read =
        |name| std::fs::read_to_string(tools::repository().join("samples/tcp-proxy").join(name)).expect("a file");
    let setup = Setup::config(&read("config.capnp")).file("worker.js", read("worker.js"));
    let setup = setup.argument("--socket-addr=tcp=127.0.0.1:0").argument(format!("--external-addr=backend={address}"));
    let server = supervisor!().serve(setup);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port_of("tcp"))).expect("to connect");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    stream.write_all(b"stressed").expect("to speak");
    stream.shutdown(Shutdown::Write).expect("to end");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "desserts");
    wait_until("it is logged", || {
        [server.stdout(), server.stderr()].iter().any(|text| text.contains(": 8 bytes sent, 8 received"))
    });
}
