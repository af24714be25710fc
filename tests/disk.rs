//! The service that is a directory, with both programs as a user runs them; and the cache, which may be in one.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use bulkhead_test_support::{
    Exit, Runtime, Server, Setup,
    http::{self, Connection},
    load::{Load, Until},
    process,
    runtime::wait_until,
    supervisor,
};
use nix::{
    fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2},
    sys::{signal::Signal, stat::Mode},
};
use tempfile::TempDir;

mod disk {
    mod cache;
}

const CONFIG: &str = r#"
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "d", disk = (OPTIONS))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "d")],
);
"#;

fn setup(directory: &Path, options: &str) -> Setup {
    Setup::config(&CONFIG.replace("OPTIONS", options)).argument(format!("--directory-path=d={}", directory.display()))
}

/// A directory with everything in it that is asked for.
fn directory() -> TempDir {
    let directory = TempDir::new().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for name in ["sub/deep", ".hidden", "empty-directory"] {
        fs::create_dir_all(at(name)).expect("a directory");
    }
    let hundred = "z".repeat(100);
    for (name, content) in [
        ("a.txt", "hello\n"),
        ("page.html", "<p>"),
        ("with space", "s"),
        ("\u{e9}.js", "e"),
        ("quote\"", "q"),
        ("empty", ""),
        ("hundred", &hundred),
        (".dot", "hidden"),
        (".hidden/inside", "hidden"),
        ("sub/in.txt", "in"),
        ("sub/deep/er", "er"),
    ] {
        fs::write(at(name), content).expect("a file");
    }
    symlink("a.txt", at("link")).expect("a link");
    symlink("sub", at("link-to-sub")).expect("a link");
    symlink("nowhere", at("dangling")).expect("a link");
    symlink("loop", at("loop")).expect("a link");
    nix::unistd::mkfifo(&at("pipe"), Mode::S_IRWXU).expect("a pipe");
    directory
}

fn both(make: impl Fn() -> Setup) -> [Server; 2] {
    [supervisor!().serve(make()), Runtime::workerd().serve(make())]
}

/// All that a server sends for a request, after which it closes the connection.
fn ask(server: &Server, method: &str, target: &str, headers: &[&str], body: Option<&str>) -> String {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    headers.iter().for_each(|header| request.extend([header, "\r\n"]));
    if let Some(body) = body {
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    } else {
        request += "\r\n";
    }
    let mut client = Connection::open(server.port());
    client.send(request).expect("to send");
    String::from_utf8_lossy(&client.to_end().expect("an answer")).into_owned()
}

/// What is compared of an answer: everything, with the headers in the order of their names.
fn fingerprint(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let mut lines: Vec<&str> = head.lines().collect();
    lines[1..].sort_unstable();
    format!("{}\n\n{body}", lines.join("\n"))
}

/// What is asked for.
const PATHS: &[&str] = &[
    "/",
    "/a.txt",
    "/page.html",
    "/with%20space",
    "/%C3%A9.js",
    "/quote%22",
    "/empty",
    "/hundred",
    "/sub",
    "/sub/",
    "/sub/in.txt",
    "/sub/deep/er",
    "/empty-directory",
    "/link",
    "/link-to-sub",
    "/link-to-sub/in.txt",
    "/dangling",
    "/nothing",
    "/nothing/at/all",
    "/a.txt/",
    "/a.txt//",
    "/a.txt/b",
    "//a.txt",
    "/sub//in.txt",
    "/.dot",
    "/.hidden",
    "/.hidden/inside",
    "/sub/../a.txt",
    "/sub/%2e%2e/a.txt",
    "/sub/.%2E/a.txt",
    "/./a.txt",
    "/sub/.",
    "/sub/..",
    "/..",
    "/../../../etc/hostname",
    "/%2e%2e/%2e%2e/etc/hostname",
    "/..%2f..%2fetc/hostname",
    "/sub%2fin.txt",
    "/%2e%2e%2fa.txt",
    "/%252e%252e/a.txt",
    "/%00",
    "/a%00.txt",
    "/%zz",
    "/%ff",
    "/...",
    "/a.txt?query",
    "/pipe",
];

/// Values of `Range`.
const RANGES: &[&str] = &[
    "bytes=0-9",
    "bytes=90-",
    "bytes=-5",
    "bytes=99-99",
    "bytes=0-0",
    "bytes=0-99",
    "bytes=0-",
    "bytes=0-1000",
    "bytes=-100",
    "bytes=-1000",
    "bytes=-0",
    "bytes=200-",
    "bytes=50-10",
    "bytes=0-0,5-6",
    "bytes=200-,300-",
    "bytes=0-0,junk",
    "bytes=",
    "Bytes=1-2",
    "bytes = 1-2",
    "bytes=1 - 2",
    "bytes=+1-2",
    "bytes=1-2,",
    "junk",
    "items=0-1",
    "bytes=99999999999999999999-",
    "bytes=1-99999999999999999999",
    "bytes=1-2-3",
    "bytes=--1",
];

#[test]
fn what_is_read_is_what_the_reference_gives() {
    let directory = directory();
    for options in ["", "allowDotfiles = true"] {
        let [ours, reference] = both(|| setup(directory.path(), options));
        let compare = |method: &str, target: &str, headers: &[&str]| {
            let [ours, reference] =
                [&ours, &reference].map(|server| fingerprint(&ask(server, method, target, headers, None)));
            assert_eq!(ours, reference, "{options} {method} {target} {headers:?}");
        };
        for path in PATHS {
            compare("GET", path, &[]);
            compare("HEAD", path, &[]);
        }
        if !options.is_empty() {
            continue;
        }
        for range in RANGES {
            compare("GET", "/hundred", &[&format!("Range: {range}")]);
            compare("HEAD", "/hundred", &[&format!("Range: {range}")]);
            compare("GET", "/empty", &[&format!("Range: {range}")]);
            compare("GET", "/sub", &[&format!("Range: {range}")]);
        }
        for header in [
            "If-Modified-Since: Sun, 06 Nov 2095 08:49:37 GMT",
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
            "If-Modified-Since: junk",
            "If-None-Match: *",
            "Accept: text/html",
        ] {
            compare("GET", "/a.txt", &[header]);
            compare("HEAD", "/a.txt", &[header]);
            compare("GET", "/hundred", &[header, "Range: bytes=1-2"]);
        }
        for method in ["PUT", "DELETE", "POST", "OPTIONS", "PATCH"] {
            compare(method, "/a.txt", &["Content-Length: 0"]);
            compare(method, "/.dot", &["Content-Length: 0"]);
        }
    }
}

#[test]
fn what_is_written_is_what_the_reference_writes() {
    for options in ["writable = true", "writable = true, allowDotfiles = true"] {
        let directories = [directory(), directory()];
        let ours = supervisor!().serve(setup(directories[0].path(), options));
        let reference = Runtime::workerd().serve(setup(directories[1].path(), options));
        for (method, target, body) in [
            ("PUT", "/new", Some("abc")),
            ("PUT", "/new", Some("longer than before")),
            ("PUT", "/new", Some("")),
            ("PUT", "/made/on/the/way", Some("abc")),
            ("PUT", "/link", Some("in the place of a link")),
            ("PUT", "/link-to-sub/new", Some("behind a link")),
            ("PUT", "/%2e%2e/up", Some("no further")),
            ("PUT", "/slash/", Some("no slash")),
            ("PUT", "/.dot2", Some("dot")),
            ("PUT", "/.hidden/new", Some("dot")),
            ("PUT", "/", Some("root")),
            ("PUT", "/a%2fb", Some("slash")),
            ("PUT", "/sub", Some("a directory")),
            ("PUT", "/a.txt/b", Some("a file")),
            ("DELETE", "/new", None),
            ("DELETE", "/new", None),
            ("DELETE", "/made", None),
            ("DELETE", "/made/on", None),
            ("DELETE", "/dangling", None),
            ("DELETE", "/link-to-sub", None),
            ("DELETE", "/empty-directory", None),
            ("DELETE", "/sub", None),
            ("DELETE", "/.dot", None),
            ("DELETE", "/", None),
            ("POST", "/a.txt", Some("x")),
        ] {
            let [ours, reference] =
                [&ours, &reference].map(|server| fingerprint(&ask(server, method, target, &[], body)));
            assert_eq!(ours, reference, "{options} {method} {target}");
        }
        let [ours, reference] = directories.map(|directory| tree(directory.path()));
        assert_eq!(ours, reference, "{options}");
    }
}

/// All that is beneath a directory, with its content.
fn tree(root: &Path) -> Vec<String> {
    fn walk(at: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("beneath").display().to_string();
            let kind = fs::symlink_metadata(&path).expect("an entry").file_type();
            if kind.is_dir() {
                found.push(format!("{name}/"));
                walk(&path, root, found);
            } else if kind.is_symlink() {
                found.push(format!("{name} -> {}", fs::read_link(&path).expect("a link").display()));
            } else if kind.is_file() {
                found.push(format!("{name}: {}", fs::read_to_string(&path).expect("text")));
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

#[test]
fn what_cannot_be_served_is_said_in_the_words_of_the_reference() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let file = format!("--directory-path=d={}", file.path().display());
    for (options, arguments, words) in [
        (
            "",
            &[][..],
            r#"service d: Directory "d" has no path in the config, so must be specified on the command line with `--directory-path`."#,
        ),
        (r#"path = "/nowhere""#, &[], r#"service d: Directory named "d" not found: /nowhere"#),
        (r#"path = "/tmp""#, &["-dd=/nowhere"], r#"service d: Directory named "d" not found: /nowhere"#),
        (r#"path = "/tmp""#, &[&file], r#"service d: Directory named "d" not found: /"#),
        (
            r#"path = "/tmp""#,
            &["--directory-path=x=/tmp"],
            r#"Config did not define any disk service named "x" to match the override provided on the command line."#,
        ),
        (
            r#"path = "/tmp""#,
            &["--directory-path=http=/tmp"],
            r#"Config did not define any disk service named "http" to match the override provided on the command line."#,
        ),
        (r#"path = "/tmp""#, &["-d", "d"], "Expected <name>=<value>"),
    ] {
        for runtime in [supervisor!(), Runtime::workerd()] {
            let mut setup = Setup::config(&CONFIG.replace("OPTIONS", options));
            for argument in arguments {
                setup = setup.argument(*argument);
            }
            let Exit { code, stderr, .. } = runtime.serve_to_exit(setup);
            assert!(code != Some(0) && stderr.contains(words), "{options} {arguments:?}: {stderr}");
        }
    }
    let entrypoint = CONFIG
        .replace("OPTIONS", r#"path = "/tmp""#)
        .replace(r#"service = "d""#, r#"service = (name = "d", entrypoint = "e")"#);
    for runtime in [supervisor!(), Runtime::workerd()] {
        let words = r#"Socket "http" refers to service "d" with a named entrypoint "e", but "d" is not a Worker, so does not have any named entrypoints."#;
        let Exit { code, stderr, .. } = runtime.serve_to_exit(Setup::config(&entrypoint));
        assert!(code == Some(1) && stderr.contains(words), "{stderr}");
    }
}

/// Sets its flag when it goes, also in a test that fails.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Links that lead out are nothing, also while somebody exchanges them for what is inside. The reference follows them.
#[test]
fn no_path_leaves_the_directory() {
    let outside = TempDir::new().expect("a directory");
    fs::write(outside.path().join("secret"), "SECRET").expect("a file");
    fs::create_dir(outside.path().join("inside")).expect("a directory");
    let directory = outside.path().join("inside");
    let at = |name: &str| directory.join(name);
    symlink(outside.path().join("secret"), at("absolute")).expect("a link");
    symlink("../secret", at("relative")).expect("a link");
    symlink("..", at("up")).expect("a link");
    symlink(outside.path(), at("away")).expect("a link");
    symlink("/proc/self/root", at("magic")).expect("a link");
    fs::create_dir_all(at("flips/now")).expect("a directory");
    fs::write(at("flips/now/secret"), "inside").expect("a file");
    let server = supervisor!().serve(setup(&directory, "writable = true, allowDotfiles = true"));
    let secret = outside.path().join("secret");
    for target in
        ["/absolute", "/relative", "/up/secret", "/up", "/away/secret", "/away", "/magic/etc/passwd", "/magic"]
    {
        for method in ["GET", "HEAD"] {
            let answer = ask(&server, method, target, &[], None);
            assert!(answer.starts_with("HTTP/1.1 404 "), "{method} {target}: {answer}");
        }
    }
    for (method, target, body) in [
        ("PUT", "/up/written", Some("x")),
        ("PUT", "/away/written", Some("x")),
        ("DELETE", "/up/secret", None),
        ("DELETE", "/away/secret", None),
    ] {
        let answer = ask(&server, method, target, &[], body);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{method} {target}: {answer}");
    }
    assert!(secret.exists() && !outside.path().join("written").exists());
    // What takes the place of a link or is removed in its stead is the link.
    for (method, body) in [("PUT", Some("mine")), ("DELETE", None)] {
        assert!(ask(&server, method, "/absolute", &[], body).starts_with("HTTP/1.1 204 "));
        assert_eq!(fs::read_to_string(&secret).expect("the secret"), "SECRET");
    }
    let over = AtomicBool::new(false);
    let (now, link) = (at("flips/now"), at("flips/link"));
    symlink(outside.path(), &link).expect("a link");
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat2(AT_FDCWD, &now, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).expect("to exchange");
            }
        });
        let _end = SetAtEnd(&over);
        let mut found = 0;
        for number in 0..400 {
            let response = http::get(server.port(), "/flips/now/secret").expect("an answer");
            assert!(!response.text().contains("SECRET"), "{number}: it left the directory");
            found += usize::from(response.text() == "inside");
            let _ = ask(&server, "PUT", "/flips/now/written", &[], Some("x")).starts_with("HTTP/1.1 2");
        }
        assert!(found > 0, "the file was never there");
    });
    assert!(!outside.path().join("written").exists(), "it wrote outside of the directory");
}

/// Names of files in a directory that are not whole.
fn temporary(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).expect("a directory");
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(".bulkhead-")))
        .count()
}

/// How many names a file in this directory has that is being written.
fn names_meanwhile(directory: &Path) -> usize {
    let flags = OFlag::O_TMPFILE | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    usize::from(nix::fcntl::open(directory, flags, Mode::S_IRWXU).is_err())
}

/// Who breaks off, or a server that dies, leaves what there was before, and nothing else where files need no name.
#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let directory = directory();
    let server = supervisor!().serve(setup(directory.path(), "writable = true"));
    let begin = || {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
        stream.write_all(b"PUT /a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n").expect("to send");
        stream.write_all(&[b'x'; 100_000]).expect("to send");
        stream
    };
    // Without a name, or with one.
    let open = || {
        let is_open = |file: &Path| {
            let name = file.strip_prefix(directory.path()).unwrap_or(Path::new("")).to_string_lossy();
            name.starts_with('#') || name.starts_with(".bulkhead-")
        };
        process::descriptors(server.pid()).values().filter(|file| is_open(file)).count()
    };
    let unchanged = || assert_eq!(fs::read_to_string(directory.path().join("a.txt")).expect("the file"), "hello\n");
    let names = names_meanwhile(directory.path());
    let stream = begin();
    wait_until("the beginning of a file", || open() == 1);
    assert_eq!(temporary(directory.path()), names);
    unchanged();
    drop(stream);
    wait_until("the end of the beginning", || open() == 0);
    assert_eq!(temporary(directory.path()), 0);
    unchanged();
    let _stream = begin();
    wait_until("the beginning of a file", || open() == 1);
    server.signal(Signal::SIGKILL);
    server.wait();
    assert_eq!(temporary(directory.path()), names);
    unchanged();
}

/// A file as one of the writers makes it: its length and each of its bytes say which one it is.
fn version(number: usize) -> Vec<u8> {
    vec![b'a' + (number % 26) as u8; 1000 * (number % 26) + 10_000 + number]
}

/// A server that is killed while files are written and replaced leaves each of them as somebody wrote it, none older than what was
/// answered.
#[test]
fn a_file_does_not_wait_for_what_comes_in_place_of_http() {
    let directory = directory();
    let server = supervisor!().serve(setup(directory.path(), "writable = true"));
    let answer = ask(&server, "PUT", "/new", &["Connection: Upgrade", "Upgrade: websocket"], None);
    assert!(answer.contains("204"), "{answer}");
    assert_eq!(fs::read(directory.path().join("new")).expect("the file"), b"");
}

#[test]
fn a_server_that_is_killed_leaves_whole_files() {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 12;
    let directory = TempDir::new().expect("a directory");
    let names = names_meanwhile(directory.path());
    for round in 0..ROUNDS {
        let server = supervisor!().serve(setup(directory.path(), "writable = true"));
        let answered: Vec<AtomicUsize> = (0..WRITERS).map(|_| AtomicUsize::new(0)).collect();
        let port = server.port();
        let write = |writer: usize| -> std::io::Result<()> {
            let mut client = Connection::open(port);
            for number in 1.. {
                // One file again and again, and a new one each time.
                for target in [format!("/old{writer}"), format!("/new{writer}/{round}/{number}")] {
                    assert_eq!(client.request("PUT", &target, &[], &version(number))?.status, 204);
                }
                answered[writer].store(number, Ordering::SeqCst);
            }
            Ok(())
        };
        thread::scope(|scope| {
            let write = &write;
            (0..WRITERS).for_each(|writer| drop(scope.spawn(move || write(writer))));
            let least = || answered.iter().map(|count| count.load(Ordering::SeqCst)).min().unwrap_or_default();
            wait_until("files", || least() > round % 4);
            server.signal(Signal::SIGKILL);
            server.wait();
        });
        for (writer, answered) in answered.iter().enumerate() {
            let answered = answered.load(Ordering::SeqCst);
            let at = |name: String| directory.path().join(name);
            let old = fs::read(at(format!("old{writer}"))).expect("a file");
            assert!(
                (answered..=answered + 1).any(|number| old == version(number)),
                "{round}, {writer}: {} bytes",
                old.len()
            );
            for number in 1..=answered + 1 {
                match fs::read(at(format!("new{writer}/{round}/{number}"))) {
                    Ok(new) => assert!(new == version(number), "{round}, {writer}: {} bytes", new.len()),
                    Err(error) => assert!(number > answered, "{round}, {writer}, {number}: {error}"),
                }
            }
            // What has no name before it is whole leaves none.
            assert!(temporary(&at(format!("new{writer}/{round}"))) <= names);
        }
        // One that takes another's place has one between two system calls.
        assert!(temporary(directory.path()) <= (round + 1) * WRITERS);
    }
}

#[test]
fn slow_readers_of_a_large_file_cost_little() {
    let directory = TempDir::new().expect("a directory");
    let file = fs::File::create(directory.path().join("large")).expect("a file");
    file.set_len(256 << 20).expect("a long file");
    fs::write(directory.path().join("small"), "small").expect("a file");
    let server = supervisor!().serve(setup(directory.path(), ""));
    http::get(server.port(), "/small").expect("an answer");
    let before = process::resident(server.pid());
    let mut slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
            stream.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").expect("to send");
            let mut first = [0; 64];
            stream.read_exact(&mut first).expect("an answer");
            stream
        })
        .collect();
    assert_eq!(http::get(server.port(), "/small").expect("an answer").text(), "small");
    let grown = process::resident(server.pid()).saturating_sub(before);
    assert!(grown < 128 << 20, "64 readers cost {} MiB", grown >> 20);
    // One of them reads all of it.
    let mut stream = slow.pop().expect("a reader");
    let mut left = (256_usize << 20) - 64;
    let mut chunk = vec![0; 1 << 20];
    while left > 0 {
        let read = stream.read(&mut chunk).expect("the rest");
        assert!(read > 0, "{left} bytes are missing");
        left = left.saturating_sub(read);
    }
}

/// Bytes of which no part is like another one.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn a_long_file_arrives_as_it_is() {
    let directory = TempDir::new().expect("a directory");
    // Around the lengths at which files are sent in another way.
    let lengths = [(32 << 10) - 1, 32 << 10, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 5_000_001];
    for length in lengths {
        fs::write(directory.path().join(length.to_string()), pattern(length)).expect("a file");
    }
    let server = supervisor!().serve(setup(directory.path(), ""));
    let mut client = Connection::open(server.port());
    for length in lengths {
        let all = client.request("GET", &format!("/{length}"), &[], b"").expect("a file");
        assert!(all.body == pattern(length), "{length}");
        let range = client.request("GET", &format!("/{length}"), &[("Range", "bytes=4097-")], b"").expect("a part");
        assert_eq!(range.status, 206);
        assert!(range.body == pattern(length)[4097..], "{length}");
        assert_eq!(client.request("HEAD", &format!("/{length}"), &[], b"").expect("a head").body, b"");
    }
}

#[test]
fn a_file_that_becomes_shorter_breaks_off() {
    let directory = TempDir::new().expect("a directory");
    let content = pattern(64 << 20);
    let server = supervisor!().serve(setup(directory.path(), ""));
    for name in ["one", "two"] {
        fs::write(directory.path().join(name), &content).expect("a file");
        let mut client = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
        client.write_all(format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).expect("to send");
        client.peek(&mut [0]).expect("the beginning");
        let file = fs::File::options().write(true).open(directory.path().join(name)).expect("the file");
        file.set_len(1 << 20).expect("a shorter file");
        let mut all = Vec::new();
        let _ = client.read_to_end(&mut all);
        let head = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        assert!(all.len() - head < content.len(), "it looks complete");
        // What was in the kernel's hands when the file was cut may come as zeros, as for whoever maps a file.
        assert!(all[head..head + (1 << 20)] == content[..1 << 20], "another beginning than the file's");
    }
}

#[test]
fn many_read_at_once() {
    let directory = directory();
    let server = supervisor!().serve(setup(directory.path(), ""));
    let mut load = Load::get(server.port(), 64, Until::Requests(20_000));
    load.request = http::request("GET", "/hundred", &[], b"");
    load.expect = Some(vec![b'z'; 100]);
    let report = load.run().expect("a load");
    assert_eq!(report.statuses.keys().collect::<Vec<_>>(), [&200]);
    assert_eq!((report.broken, report.wrong), (0, 0));
}

#[test]
fn the_sample_serves() {
    for runtime in [supervisor!(), Runtime::workerd()] {
        let setup = Setup::sample("static-files");
        let path = format!("--directory-path=files={}", setup.path().join("files").display());
        let server = runtime.serve(setup.argument(path));
        assert_eq!(http::get(server.port(), "/hello.txt").expect("a file").text(), "A file that is served as it is.\n");
        assert_eq!(
            http::get(server.port(), "/notes").expect("a list").text(),
            r#"[{"name":"first.json","type":"file"}]"#
        );
    }
}
