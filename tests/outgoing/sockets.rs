//! Connections of any protocol: TLS that begins later, at either end, and what becomes of connections whose other end misbehaves.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bulkhead_test_support::{
    Server, Setup,
    certificates::{Authority, Identity},
    http,
    runtime::wait_until,
    supervisor, tools,
};

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

fn client(source: &str, authority: &str) -> Server {
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"w\", worker = ({}, globalOutbound = \"here\")),\n\
           (name = \"here\", network = (allow = [\"local\"], tlsOptions = (trustedCertificates = [embed \"ca.pem\"])))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", service = \"w\", http = ())]);",
        worker("w.js")
    );
    supervisor!().serve(Setup::config(&config).file("w.js", source).file("ca.pem", authority))
}

fn ask(client: &Server, target: &str) -> String {
    http::get(client.port(), target).expect("an answer").text()
}

#[test]
fn mail_over_tls_that_begins_later() {
    let (good, other) = (Authority::new("good"), Authority::new("other"));
    let (mail, trusting, doubting) = (mail_server(&good), client(CLIENT, &good.pem()), client(CLIENT, &other.pem()));
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
    let client = client(CLIENT, &authority.pem());
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

/// Speaks a line over TLS, which begins at once or when the server has greeted, and gives the line that comes.
const LINE: &str = r#"
import { connect } from "cloudflare:sockets";
const decoder = new TextDecoder();
export default {
  async fetch(request) {
    const { to, transport } = Object.fromEntries(new URL(request.url).searchParams);
    try {
      let socket = connect(to, { secureTransport: transport });
      if (transport === "starttls") {
        const reader = socket.readable.getReader();
        if (decoder.decode((await reader.read()).value) !== "go\n") throw new Error("no greeting");
        reader.releaseLock();
        socket = socket.startTls();
      }
      const writer = socket.writable.getWriter();
      await writer.write("stressed\n");
      let said = "";
      for await (const bytes of socket.readable) {
        said += decoder.decode(bytes);
        if (said.endsWith("\n")) break;
      }
      return new Response(said);
    } catch (error) {
      return new Response(`${error}`);
    }
  },
};
"#;

/// `openssl s_server`, which sends each line back from its end to its start; its port.
struct Reversing(Child, u16);

impl Reversing {
    fn start(identity: &Identity, directory: &Path, version: &str) -> Reversing {
        std::fs::write(directory.join("cert.pem"), &identity.chain).expect("a file");
        std::fs::write(directory.join("key.pem"), &identity.key).expect("a file");
        let mut child = Command::new("openssl")
            .current_dir(directory)
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-rev", version])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let port = lines.find_map(|line| line.expect("text").strip_prefix("ACCEPT 127.0.0.1:")?.trim().parse().ok());
        // What it says later has somewhere to go.
        std::thread::spawn(move || lines.for_each(drop));
        Reversing(child, port.expect("its port"))
    }
}

impl Drop for Reversing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Greets each client, and has it speak to `port` from there on; gives the port for that.
fn greeting(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.local_addr().expect("an address").port();
    let join = move |mut client: TcpStream| {
        client.write_all(b"go\n").expect("to greet");
        let mut server = TcpStream::connect(("127.0.0.1", port)).expect("the server");
        let (mut from, mut to) = (client.try_clone().expect("a stream"), server.try_clone().expect("a stream"));
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(Shutdown::Write);
    };
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || join(client));
        }
    });
    own
}

#[test]
fn openssl_hears_tls_that_begins_at_once_or_later() {
    let (good, other) = (Authority::new("good"), Authority::new("other"));
    let (trusting, doubting) = (client(LINE, &good.pem()), client(LINE, &other.pem()));
    for version in ["-tls1_2", "-tls1_3"] {
        let directory = tempfile::tempdir().expect("a directory");
        let openssl = Reversing::start(&good.issue(&["localhost"]), directory.path(), version);
        let later = greeting(openssl.1);
        for (port, transport) in [(openssl.1, "on"), (later, "starttls")] {
            let said = |client: &Server, host| ask(client, &format!("/?to={host}:{port}&transport={transport}"));
            assert_eq!(said(&trusting, "localhost"), "desserts\n", "{version} {transport}");
            for told in [said(&trusting, "127.0.0.1"), said(&doubting, "localhost")] {
                assert!(told.contains("Error: "), "{version} {transport}: {told}");
            }
            // It goes on.
            assert_eq!(said(&trusting, "localhost"), "desserts\n", "{version} {transport}");
        }
    }
}

#[test]
fn a_name_that_nobody_answers_for_is_waited_for_by_nobody_else() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = silent.local_addr().expect("an address");
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"w\", worker = ({}, globalOutbound = \"here\")), (name = \"here\", network = (allow = [\"local\"]))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", service = \"w\", http = ())]);",
        worker("w.js")
    );
    let setup = Setup::config(&config).file("w.js", NAMES).argument("--shards=1");
    let server = supervisor!().serve(setup.argument(format!("--dns-server={address}")));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|mut stream| drop(stream.write_all(b"hello")));
    });
    let waiting: Vec<http::Connection> = (0..20)
        .map(|number| {
            let mut client = http::Connection::open(server.port());
            client.send(http::request("GET", &format!("/?to=n{number}.example:9"), &[], b"")).expect("to send");
            client
        })
        .collect();
    silent.recv_from(&mut [0; 1500]).expect("a question");
    for _ in 0..20 {
        assert_eq!(ask(&server, &format!("/?to=127.0.0.1:{port}")), "hello");
    }
    for mut client in waiting {
        let told = client.response("GET").expect("an answer").text();
        assert_eq!(told, "Error: proxy request failed, cannot connect to the specified address");
    }
    // Whichever is over first: the time for the name, or that for the connection.
    server.wait_for_stderr(|text| text.contains("DNS lookup failed. host = n") || text.contains("cannot connect to n"));
}

/// Connects, and gives what comes.
const NAMES: &str = r#"
import { connect } from "cloudflare:sockets";
export default {
  async fetch(request) {
    try {
      const socket = connect(new URL(request.url).searchParams.get("to"));
      await socket.opened;
      return new Response(await new Response(socket.readable).text());
    } catch (error) {
      return new Response(`${error}`);
    }
  },
};
"#;

#[test]
fn a_handler_is_told_that_its_connection_is_lost() {
    let source = "export default { async connect(socket) {
  await socket.readable.pipeTo(socket.writable).catch((error) => console.error('told: ' + error));
} };";
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"w\", worker = ({}))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", service = \"w\", tcp = ())]);",
        worker("w.js")
    );
    let server = supervisor!().serve(Setup::config(&config).file("w.js", source).argument("--experimental"));
    wait_until("handlers to be told", || {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connect");
        stream.write_all(&[b'x'; 100_000]).expect("send");
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a reset");
        drop(stream);
        server.stderr().matches("told: ").count() >= 100
    });
    for line in server.stderr().lines().filter(|line| line.contains("told: ")) {
        assert_eq!(line, "told: Error: Network connection lost.");
    }
}
