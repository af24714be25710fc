//! `--watch`: one configuration takes the place of another, and nobody who is served loses anything by that.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use bulkhead_test_support::{
    Server, Setup,
    certificates::Authority,
    held::Held,
    http::{self, Connection},
    load::{Load, Until},
    process, runtime,
    runtime::{PATIENCE, wait_until},
    supervisor,
};
use nix::sys::signal::{Signal, kill};

/// A worker that says which version of itself it is.
fn worker(version: &str) -> String {
    format!(
        r#"const version = "{version}";
        export default {{
          async fetch(request, env, ctx) {{
            if (request.headers.get("upgrade")) {{
              const [client, server] = Object.values(new WebSocketPair());
              server.accept();
              server.addEventListener("message", (event) => server.send(`${{version}} ${{event.data}}`));
              return new Response(null, {{ status: 101, webSocket: client }});
            }}
            if (request.method === "POST") return new Response(`${{version}} ${{(await request.arrayBuffer()).byteLength}}`);
            if (request.url.endsWith("/for-ever")) await new Promise((done) => setTimeout(done, 600_000));
            return new Response(version);
          }},
          async connect(socket) {{
            const [writer, coder, decoder] = [socket.writable.getWriter(), new TextEncoder(), new TextDecoder()];
            for await (const chunk of socket.readable) await writer.write(coder.encode(`${{version}} ${{decoder.decode(chunk)}}`));
            await writer.close();
          }},
        }};"#
    )
}

/// A configuration of one worker and these sockets.
fn config(sockets: &str) -> String {
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "w", esModule = embed "w.js")], compatibilityDate = "2026-08-01"))],
  sockets = [{sockets}],
);
"#
    )
}

const HTTP: &str = r#"(name = "http", address = "127.0.0.1:0", http = (), service = "main")"#;

fn setup(sockets: &str) -> Setup {
    Setup::config(&config(sockets)).file("w.js", worker("1")).argument("--watch")
}

/// Writes a file of the configuration.
fn write(server: &Server, name: &str, text: &str) {
    fs::write(server.directory().join(name), text).expect("write a file");
}

/// What is answered to who comes now.
fn version(port: u16) -> String {
    http::get(port, "/").expect("an answer").text()
}

fn wait_for_version(port: u16, expected: &str) {
    wait_until("the next version", || version(port) == expected);
}

/// How often something was said on standard error.
fn said(server: &Server, words: &str) -> usize {
    server.stderr().matches(words).count()
}

const REFUSED: &str =
    "Can't reload due to config errors, serving as before and waiting for config files to change...\n";

#[test]
fn reloads_under_load_lose_no_request_and_leave_nothing_behind() {
    let server = supervisor!().serve(setup(HTTP));
    let (port, pid) = (server.port(), server.pid());
    let before = Held::at_rest(pid);
    let is_over = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        let load = Load::get(port, 64, Until::Requests(u64::MAX));
        let is_over = &is_over;
        let load = scope.spawn(move || load.run_while(|_| !is_over.load(Ordering::Relaxed)));
        let reloads = runtime::many("BULKHEAD_RELOADS", 4);
        for reload in 0..reloads {
            let next = format!("{}", reload + 2);
            write(&server, "w.js", &worker(&next));
            wait_until("the next version", || load.is_finished() || version(port) == next);
        }
        is_over.store(true, Ordering::Relaxed);
        load.join().expect("the load").expect("no connection is closed")
    });
    assert_eq!(report.statuses.keys().collect::<Vec<_>>(), [&200], "{report:?}");
    assert_eq!(report.broken, 0);
    before.is_given_back(pid, 32 << 20);
    let exit = server.stop();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    let spaces = " ".repeat(38);
    let lines =
        format!("Noticed configuration change, reloading shortly...\rReloading due to config change...{spaces}\n");
    assert!(exit.stderr.starts_with(&lines), "the reference's bytes: {:?}", exit.stderr);
}

/// Each fault is said where it is, the old configuration goes on, and the next change is tried again.
#[test]
fn what_cannot_be_served_is_refused_and_what_is_served_goes_on() {
    let server = supervisor!().serve(setup(HTTP));
    let port = server.port();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let taken = listener.local_addr().expect("an address").port();
    let faults: [(&str, String, String); 6] = [
        ("config.capnp", "this is none".into(), "config.capnp:1:1: error: ".into()),
        ("config.capnp", config(HTTP).replace("w.js", "none.js"), "config.capnp:3:82: error: ".into()),
        ("config.capnp", config(HTTP).replace("service = \"main\"", "service = \"none\""), "config.capnp:4:".into()),
        (
            "config.capnp",
            // Nor is the log another one then.
            config(&format!(r#"{HTTP}, (name = "b", address = "127.0.0.1:{taken}", http = (), service = "main")"#))
                .replace("services = [", "structuredLogging = true, services = ["),
            format!("Socket \"b\": cannot listen on `127.0.0.1:{taken}`"),
        ),
        (
            "w.js",
            "export default {".into(),
            "service main: Uncaught SyntaxError: Unexpected end of input\n  at w:1:16".into(),
        ),
        ("w.js", "throw new Error('at the start')".into(), "service main: Uncaught Error: at the start".into()),
    ];
    let mut one = Connection::open(port);
    for (name, text, words) in &faults {
        let good = if *name == "w.js" { worker("1") } else { config(HTTP) };
        let before = server.stderr().len();
        write(&server, name, text);
        server.wait_for_stderr(|stderr| stderr[before..].contains(words) && stderr.ends_with(REFUSED));
        assert_eq!(one.request("GET", "/", &[], b"").expect("an answer").text(), "1");
        assert_eq!(version(port), "1");
        // What it was before is served again.
        let before = server.stderr().len();
        write(&server, name, &good);
        server.wait_for_stderr(|stderr| stderr[before..].contains("Reloading due to config change"));
    }
    // What was looked for and not found is watched too.
    write(&server, "config.capnp", &config(HTTP).replace("w.js", "sub/late.js"));
    server.wait_for_stderr(|stderr| {
        stderr.contains("\"sub/late.js\": there is no such file") && stderr.ends_with(REFUSED)
    });
    fs::create_dir(server.directory().join("sub")).expect("a directory");
    write(&server, "sub/late.js", &worker("late"));
    wait_for_version(port, "late");
    drop(listener);
}

/// Reads one text from a WebSocket, after one was sent.
fn echo(socket: &mut Connection, text: &str) -> String {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).expect("a short text"), 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    socket.send(&frame).expect("send");
    let mut head = [0; 2];
    socket.stream().read_exact(&mut head).expect("a frame");
    let mut text = vec![0; head[1].into()];
    socket.stream().read_exact(&mut text).expect("a frame");
    String::from_utf8(text).expect("text")
}

/// The same over TCP.
fn echo_tcp(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).expect("send");
    let mut answer = vec![0; text.len() + 2];
    stream.read_exact(&mut answer).expect("an answer");
    String::from_utf8(answer).expect("text")
}

#[test]
fn connections_go_on_and_what_has_begun_ends_as_it_began() {
    let sockets = format!(r#"{HTTP}, (name = "tcp", address = "127.0.0.1:0", tcp = (), service = "main")"#);
    let server = supervisor!().serve(setup(&sockets).sockets(2).argument("--experimental"));
    let (port, tcp_port) = (server.port(), server.port_of("tcp"));
    let [mut kept, mut upload, mut socket, mut half] = [(); 4].map(|()| Connection::open(port));
    let mut tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, tcp_port)).expect("connect");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    assert_eq!(kept.request("GET", "/", &[], b"").expect("an answer").text(), "1");
    upload.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").expect("send");
    half.send("GET / HTTP/1.1\r\nHo").expect("send");
    let headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    let key = [("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")];
    let upgraded = socket.request("GET", "/", &[&headers[..], &key].concat(), b"").expect("an answer");
    assert_eq!(upgraded.status, 101);
    assert_eq!(echo(&mut socket, "a"), "1 a");
    assert_eq!(echo_tcp(&mut tcp, "a"), "1 a");
    // The upload is at the worker before the reload.
    thread::sleep(Duration::from_millis(100));

    write(&server, "w.js", &worker("2"));
    wait_for_version(port, "2");
    assert_eq!(kept.request("GET", "/", &[], b"").expect("an answer").text(), "2", "the next request of a connection");
    assert_eq!(echo(&mut socket, "b"), "1 b");
    assert_eq!(echo_tcp(&mut tcp, "b"), "1 b");
    half.send("st: a\r\n\r\n").expect("send");
    assert_eq!(half.response("GET").expect("an answer").text(), "2", "it begins when its head has come");
    upload.send("def").expect("send");
    let answer = upload.response("POST").expect("an answer");
    assert_eq!(answer.text(), "1 6");
    assert_eq!(upload.request("GET", "/", &[], b"").expect("an answer").text(), "2");
    let mut next = TcpStream::connect((Ipv4Addr::LOCALHOST, tcp_port)).expect("connect");
    next.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    assert_eq!(echo_tcp(&mut next, "c"), "2 c");
    // The old process ends when nobody is left that it began with: the process that is left has one in reserve.
    tcp.shutdown(Shutdown::Both).expect("shut down");
    drop((tcp, socket));
    wait_until("the old process to end", || process::workers(server.pid()).len() <= 2);
    assert_eq!(echo_tcp(&mut next, "d"), "2 d");
}

#[test]
fn sockets_come_and_go_and_keep_what_they_have() {
    let server = supervisor!().serve(setup(HTTP).argument("--experimental"));
    let port = server.port();
    let mut kept = Connection::open(port);
    assert_eq!(kept.request("GET", "/", &[], b"").expect("an answer").text(), "1");
    let second = r#"(name = "b", address = "127.0.0.1:0", http = (), service = "main")"#;
    write(&server, "config.capnp", &config(&format!("{second}, {HTTP}")));
    let (name, second_port) = server.next_socket();
    assert_eq!(name, "b");
    assert_eq!((version(second_port), version(port)), ("1".into(), "1".into()));
    assert_eq!(kept.request("GET", "/", &[], b"").expect("an answer").text(), "1");
    // It goes, and a client that waits for nothing is told.
    let mut idle = Connection::open(second_port);
    assert_eq!(idle.request("GET", "/", &[], b"").expect("an answer").text(), "1");
    // The other has another name at the same address from now on.
    let renamed = format!(r#"(name = "c", address = "127.0.0.1:{port}", http = (), service = "main")"#);
    let fixed = renamed.replace("\"c\"", "\"http\"");
    write(&server, "config.capnp", &config(&fixed));
    wait_until("the port to be free", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, second_port))
            .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    assert_eq!(idle.to_end().expect("its end"), b"");
    // From an address that the kernel chose to the same, written out, is another socket beside it: nobody is sent away meanwhile.
    assert_eq!(server.next_socket(), ("http".to_owned(), port));
    write(&server, "config.capnp", &config(&renamed));
    assert_eq!(server.next_socket(), ("c".to_owned(), port));
    let mut kept = Connection::open(port);
    assert_eq!(kept.request("GET", "/", &[], b"").expect("an answer").text(), "1");
    // What is spoken there changes: who speaks it no more is told.
    write(&server, "config.capnp", &config(&renamed.replace("http = ()", "tcp = ()")));
    assert_eq!(kept.to_end().expect("its end"), b"");
    let mut tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect");
    assert_eq!(echo_tcp(&mut tcp, "a"), "1 a");
}

#[test]
fn editors_write_in_many_ways_and_a_burst_is_few_reloads() {
    let server = supervisor!().serve(setup(HTTP));
    let port = server.port();
    let path = server.directory().join("w.js");
    let beside = server.directory().join("w.js~");
    type Way<'a> = &'a dyn Fn(&str);
    let ways: [(&str, Way<'_>); 4] = [
        ("in place", &|text| fs::write(&path, text).expect("write")),
        ("renamed over", &|text| {
            fs::write(&beside, text).expect("write");
            fs::rename(&beside, &path).expect("rename");
        }),
        ("in two steps", &|text| {
            let mut file = fs::File::create(&path).expect("truncate");
            thread::sleep(Duration::from_millis(200));
            file.write_all(text.as_bytes()).expect("write");
        }),
        ("removed and made again", &|text| {
            fs::remove_file(&path).expect("remove");
            thread::sleep(Duration::from_millis(200));
            fs::write(&path, text).expect("write");
        }),
    ];
    for (way, write) in ways {
        write(&worker(way));
        wait_for_version(port, way);
    }
    let before = said(&server, "Reloading due to config change");
    for number in 0..10 {
        write(&server, "w.js", &worker(&format!("burst {number}")));
        thread::sleep(Duration::from_millis(50));
    }
    wait_for_version(port, "burst 9");
    let reloads = said(&server, "Reloading due to config change") - before;
    // On a machine that is not busy there is one.
    assert!((1..10).contains(&reloads), "{reloads}");
}

#[test]
fn keys_change_for_those_who_come_and_connections_inside_of_tls_go_on() {
    let tls = r#"(name = "http", address = "127.0.0.1:0", service = "main", https = (options = (),
        tlsOptions = (keypair = (privateKey = embed "key.pem", certificateChain = embed "chain.pem"))))"#;
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let (before, after) = (first.issue(&["127.0.0.1"]), second.issue(&["127.0.0.1"]));
    let setup = setup(tls).file("key.pem", &before.key).file("chain.pem", &before.chain);
    let server = supervisor!().serve(setup.file("first.pem", first.pem()).file("second.pem", second.pem()));
    let port = server.port();
    let get = |authority: &str| {
        let file = server.directory().join(authority);
        let output =
            Command::new("curl").arg("-s").arg("--cacert").arg(file).arg(format!("https://127.0.0.1:{port}/")).output();
        String::from_utf8(output.expect("curl runs").stdout).expect("text")
    };
    assert_eq!(get("first.pem"), "1");
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let (mut to, mut from) = (client.stdin.take().expect("a pipe"), client.stdout.take().expect("a pipe"));
    let mut ask = || {
        to.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("send");
        let mut answer = Vec::new();
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") || answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            from.read_exact(&mut byte).expect("an answer");
            answer.extend(byte);
        }
        char::from(answer[answer.len() - 1])
    };
    assert_eq!(ask(), '1');
    // The pair is written in two steps, between which it is none.
    write(&server, "key.pem", &after.key);
    write(&server, "w.js", &worker("2"));
    write(&server, "chain.pem", &after.chain);
    wait_until("the next key", || get("second.pem") == "2");
    assert_eq!(get("first.pem"), "", "nobody speaks with the key from before");
    assert_eq!(ask(), '2');
    client.kill().expect("kill");
    client.wait().expect("its end");
}

#[test]
fn a_worker_that_dies_and_a_stop_meanwhile_are_as_always() {
    let server = supervisor!().serve(setup(HTTP));
    let port = server.port();
    let mut one = Connection::open(port);
    for number in 2..4 {
        write(&server, "w.js", &worker(&number.to_string()));
        wait_until("to be noticed", || said(&server, "Reloading due to config change") >= number - 1);
        // Whichever it is: of the old configuration, of the new one, or of the pool.
        for pid in process::workers(server.pid()) {
            let _ = kill(runtime::pid(pid), Signal::SIGKILL);
        }
        wait_until("to be served", || one.request("GET", "/", &[], b"").is_ok_and(|answer| answer.status == 200));
        // What was killed while it started may have been refused; the next change is tried again.
        wait_until("the next version", || {
            if version(port) == number.to_string() {
                return true;
            }
            if said(&server, REFUSED) > 0 {
                write(&server, "w.js", &worker(&number.to_string()));
                thread::sleep(Duration::from_secs(1));
            }
            false
        });
    }
    let pids = process::descendants(server.pid());
    let noticed = said(&server, "Noticed configuration change");
    write(&server, "w.js", &worker("4"));
    // Then it waits for half a second, and loads.
    wait_until("to be noticed", || said(&server, "Noticed configuration change") > noticed);
    let exit = server.stop();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    wait_until("all processes to end", || pids.iter().all(|pid| !process::is_alive(*pid)));
}

/// At the fifth configuration beside the current one, the oldest ends, whoever it serves.
#[test]
fn what_never_ends_does_not_pile_up() {
    let server = supervisor!().serve(setup(HTTP));
    let port = server.port();
    let mut waiting = Vec::new();
    for number in 2..8 {
        let mut connection = Connection::open(port);
        connection.send(http::request("GET", "/for-ever", &[], b"")).expect("send");
        waiting.push(connection);
        // It has begun when a later one was answered.
        assert_eq!(version(port), (number - 1).to_string());
        write(&server, "w.js", &worker(&number.to_string()));
        wait_for_version(port, &number.to_string());
    }
    assert_eq!(waiting[0].to_end().expect("its end"), b"");
    assert_eq!(waiting[1].to_end().expect("its end"), b"");
    wait_until("their processes to end", || process::workers(server.pid()).len() <= 4 + 2);
    waiting[5].stream().set_nonblocking(true).expect("a socket");
    assert_eq!(waiting[5].stream().peek(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "the newest goes on");
}

#[test]
fn what_cannot_be_served_at_the_start_is_waited_for() {
    let server = supervisor!().spawn(setup(HTTP).file("config.capnp", "not yet"));
    let words = "config.capnp:1:1: error: ";
    server.wait_for_stderr(|stderr| {
        stderr.contains(words)
            && stderr.ends_with("\nCan't start server due to config errors, waiting for config files to change...\n")
    });
    write(&server, "config.capnp", &config(HTTP));
    let (_, port) = server.next_socket();
    assert_eq!(version(port), "1");
    let exit = server.stop();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);

    for (setup, words) in [
        (setup(HTTP).config_file("none.capnp"), "none.capnp: No such file"),
        (
            setup(HTTP).config_file("-").argument("--binary"),
            "--watch needs a file: standard input cannot be read again",
        ),
    ] {
        let exit = supervisor!().spawn(setup).wait();
        assert_eq!(exit.code, Some(1));
        assert!(exit.stderr.contains(words), "{}", exit.stderr);
    }
}

#[test]
fn a_binary_configuration_is_watched_too() {
    let encode = |directory: &Path, version: &str| {
        fs::write(directory.join("w.js"), worker(version)).expect("write");
        let options = bulkhead_supervisor::config::Options::on(bulkhead_ipc::compatibility::Date::new(2026, 11, 20));
        bulkhead_supervisor::config::encode_text(&directory.join("config.capnp"), &options).expect("a configuration")
    };
    let setup = setup(HTTP).config_file("config.bin").argument("--binary");
    let bytes = encode(setup.path(), "1");
    let server = supervisor!().serve(setup.file("config.bin", bytes));
    assert_eq!(version(server.port()), "1");
    let bytes = encode(server.directory(), "2");
    fs::write(server.directory().join("config.bin"), bytes).expect("write");
    wait_for_version(server.port(), "2");
}

/// A test that runs when something changes is ended, and all run again.
#[test]
fn tests_run_again_after_each_change() {
    let test = |body: &str| format!("export default {{ async test() {{ {body} }} }};");
    let setup = Setup::config(&config("")).argument("--watch").file("w.js", test("throw new Error('not yet')"));
    let server = supervisor!().test(setup);
    server.wait_for_stderr(|stderr| stderr.contains("[ FAIL ] main") && stderr.ends_with("Tests failed!\n"));
    write(&server, "w.js", &test("await scheduler.wait(600_000)"));
    server.wait_for_stderr(|stderr| stderr.matches("[ TEST ] main").count() >= 2);
    write(&server, "w.js", "export default {");
    server.wait_for_stderr(|stderr| stderr.contains("SyntaxError: Unexpected end of input"));
    write(&server, "w.js", &test(""));
    server.wait_for_stderr(|stderr| stderr.contains("[ PASS ] main"));
    let stderr = server.stderr();
    assert!(stderr.matches("Reloading due to config change").count() >= 3, "{stderr}");
    let pids = process::descendants(server.pid());
    let exit = server.stop();
    assert_eq!(exit.code, Some(0), "that of the last run: {}", exit.stderr);
    wait_until("all processes to end", || pids.iter().all(|pid| !process::is_alive(*pid)));
}

/// No process is started that nobody asks for.
#[test]
fn workers_that_nobody_asks_for_cost_no_process_beyond_the_pool() {
    let workers: String = (0..30).map(|number| format!(r#"(name = "w{number}", worker = .one), "#)).collect();
    let text = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [{workers}(name = "disk", disk = (path = "."))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "disk")],
);
const one :Workerd.Worker = (modules = [(name = "w", esModule = embed "w.js")], compatibilityDate = "2026-08-01");
"#
    );
    let server = supervisor!().serve(Setup::config(&text).file("w.js", worker("1")));
    assert_eq!(http::get(server.port(), "/w.js").expect("an answer").status, 200);
    // For thirty workers the pool has two.
    wait_until("the pool to be filled", || process::workers(server.pid()).len() == 2);
    let held = Held::at_rest(server.pid());
    assert_eq!(held.workers, 2, "{held:?}");
}
