//! Modules that come from a server, beside the reference: what is asked for, and what each answer comes to.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use bulkhead_test_support::{
    Runtime, Setup,
    expectations::{Observation, check},
    http, process,
};

/// An answer: a status, a header or nothing, and a body. `None` breaks the connection.
type Answer = Option<(u16, String, String)>;

/// A server on the loopback interface, which listens until the test ends, and keeps what it was asked.
struct Modules {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Modules {
    fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, answer) = (asked.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen, answer) = (stream.expect("a connection"), seen.clone(), answer.clone());
                thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        Self { port, asked }
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> Answer) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let next = |stream: &mut BufReader<_>| {
        let mut line = String::new();
        let bytes = stream.read_line(&mut line).ok()?;
        (bytes > 0).then(|| line.trim_end().to_owned())
    };
    loop {
        let line = next(&mut stream)?;
        let mut headers = Vec::new();
        loop {
            let header = next(&mut stream)?;
            if header.is_empty() {
                break;
            }
            headers.push(header.to_lowercase());
        }
        headers.sort();
        let length = headers.iter().find_map(|header| header.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).ok()?;
        let specifier = match serde_json::from_str::<serde_json::Value>(&body) {
            Ok(question) => question["specifier"].as_str()?.to_owned(),
            Err(_) => line.split(['=', '&']).nth(1)?.replace("%2F", "/").replace("%3A", ":"),
        };
        seen.lock().expect("no panic").push(format!("{line} [{}] {body}", headers.join("; ")));
        let (status, header, body) = answer(&specifier)?;
        let length = body.len();
        write!(stream.get_mut(), "HTTP/1.1 {status} X\r\n{header}Content-Length: {length}\r\n\r\n{body}").ok()?;
    }
}

fn module(json: &str) -> Answer {
    Some((200, String::new(), json.to_owned()))
}

fn redirect(to: &str) -> Answer {
    Some((301, format!("Location: {to}\r\n"), String::new()))
}

fn answer(specifier: &str) -> Answer {
    match specifier {
        "/dep" => module(r#"{"esModule":"export default 'dep';"}"#),
        "/static" => module(r#"{"esModule":"import dep from './dep'; export default `static ${dep}`;"}"#),
        "/named" => module(r#"{"name":"named","esModule":"export default 1"}"#),
        "/slash" => module(r#"{"name":"/slash","esModule":"export default 1"}"#),
        "/other-name" => module(r#"{"name":"other","esModule":"export default 1"}"#),
        "/cjs" => module(r#"{"commonJsModule":"module.exports = [__filename, __dirname, typeof require]"}"#),
        "/exports" => module(r#"{"commonJsModule":"exports.a = 5; exports.b = 6","namedExports":["a","b"]}"#),
        "/requires" => module(r#"{"commonJsModule":"module.exports = require('./cjs').length + require('text')"}"#),
        "/text" => module(r#"{"text":"hello \u00e9"}"#),
        "/data" => module(r#"{"data":[1,2,255]}"#),
        "/json" => module(r#"{"json":"{\"a\":1}"}"#),
        "/faulty-json" => module(r#"{"json":"{a"}"#),
        "/wasm" => module(r#"{"wasm":[0,97,115,109,1,0,0,0]}"#),
        "/python" => module(r#"{"pythonModule":"x"}"#),
        "/empty" => module("{}"),
        "/two" => module(r#"{"text":"a","json":"1"}"#),
        "/unknown" => module(r#"{"bogus":1,"text":"x","more":{}}"#),
        "/null" => module(r#"{"esModule":null}"#),
        "/number" => module(r#"{"esModule":5}"#),
        "/base64" => module(r#"{"data":"aGk="}"#),
        "/large" => module(r#"{"data":[256]}"#),
        "/list" => module("[]"),
        "/no-json" => module("no JSON"),
        "/nothing" => module(""),
        "/faulty" => module(r#"{"esModule":"export default 1 +"}"#),
        "/throws" => module(r#"{"esModule":"throw new RangeError('top')"}"#),
        "/lib/deep" => module(
            r#"{"esModule":"import up from '../dep'; import by from './by'; import root from '/dep'; export default up + by + root"}"#,
        ),
        "/lib/by" => module(r#"{"esModule":"export default 'by'"}"#),
        "/target" => module(r#"{"esModule":"import by from './lib/by'; export default `target ${by}`"}"#),
        "/moved" => redirect("/target"),
        "/moved-twice" => redirect("/moved"),
        "/moved-relative" => redirect("./dep"),
        "/moved-to-builtin" => redirect("node:buffer"),
        "/moved-to-bundle" => redirect("/bundled.js"),
        "/moved-to-nothing" => redirect("/missing"),
        "/moved-to-named" => redirect("/named"),
        "/moved-otherwise" => Some((302, "Location: /dep\r\n".into(), String::new())),
        "/moved-nowhere" => Some((301, String::new(), String::new())),
        "/fails" => Some((500, String::new(), "oops".into())),
        "/created" => Some((201, String::new(), r#"{"text":"x"}"#.into())),
        "/closes" => None,
        "node:made-up" => module(r#"{"esModule":"export default 'made up'"}"#),
        _ => Some((404, String::new(), String::new())),
    }
}

/// Likewise in the second registry of modules, where they are below `file:///bundle/`.
fn answer_by_url(specifier: &str) -> Answer {
    let Some(path) = specifier.strip_prefix("file:///bundle") else {
        return match specifier {
            "http://h/there" => module(r#"{"esModule":"import z from './z'; export default [import.meta.url, z];"}"#),
            "http://h/z" => module(r#"{"text":"z"}"#),
            "data:text/plain,x" => module(r#"{"text":"data"}"#),
            "cloudflare:made-up" => module(r#"{"esModule":"export default import.meta.url"}"#),
            "workerd:made-up" => module(r#"{"text":"workerd"}"#),
            "file:///outside" => module(r#"{"esModule":"export default import.meta.filename"}"#),
            other => answer(other),
        };
    };
    match path {
        "/lib/deep" => module(
            r#"{"esModule":"import up from '../dep'; import by from './by'; import root from '/bundle/dep'; export default up + by + root"}"#,
        ),
        "/url" => module(r#"{"esModule":"export default [import.meta.url, import.meta.filename, import.meta.main]"}"#),
        "/full-name" => module(r#"{"name":"file:///bundle/full-name","text":"full"}"#),
        "/otherwise-written" => module(r#"{"name":"FILE:///bundle/otherwise-written","text":"x"}"#),
        "/with-query" => module(r#"{"name":"file:///bundle/with-query?q","text":"x"}"#),
        "/lib/moved" => redirect("./url"),
        "/lib/moved-to-path" => redirect("/bundle/url"),
        "/moved-to-http" => redirect("http://h/there"),
        "/moved-to-no-url" => redirect("http://["),
        "/asks" => module(r#"{"esModule":"export default await import('./not-there?2').catch(String)"}"#),
        path => answer(path)
            .map(|(status, header, body)| (status, header.replace("Location: /", "Location: file:///bundle/"), body)),
    }
}

fn setup(port: u16, script: &str) -> Setup {
    setup_with(port, script, "")
}

/// With one flag more.
fn setup_with(port: u16, script: &str, flag: &str) -> Setup {
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";
         const config :Workerd.Config = (
           services = [(name = \"main\", worker = .main)],
           sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"main\")]);
         const main :Workerd.Worker = (
           modules = [(name = \"main.js\", esModule = embed \"main.js\"),
             (name = \"bundled.js\", esModule = \"export default 'bundled'\"),
             (name = \"lib/requires.cjs\", commonJsModule = \"module.exports = (specifier) => require(specifier)\")],
           compatibilityDate = \"2026-07-01\", compatibilityFlags = [\"nodejs_compat\"{flag}],
           moduleFallback = \"127.0.0.1:{port}\");"
    ))
    .file("main.js", script)
    .argument("--experimental")
}

const SCRIPT: &str = "
    import requires from 'lib/requires.cjs';
    import fromTheStart from './static';
    const show = (value) => value instanceof ArrayBuffer ? `${new Uint8Array(value)}` : JSON.stringify(value) ?? String(value);
    const seen = [['at the start', fromTheStart]];
    const see = async (name, get) => {
      try { seen.push([name, show(await get())]); } catch (error) { seen.push([name, String(error)]); }
    };
    const imports = ['./dep', 'dep', '/dep', './named', './slash', './other-name', './cjs', './exports', './requires', './text', './data', './json',
      './faulty-json', './wasm', './python', './empty', './two', './unknown', './null', './number', './base64', './large', './list', './no-json', './nothing',
      './faulty', './throws', './lib/deep', './target', './moved', './moved-twice', './moved-relative', './moved-to-builtin', './moved-to-bundle',
      './moved-to-nothing', './moved-to-named', './moved-otherwise', './moved-nowhere', './fails', './created', './closes', './missing', './missing',
      'bare', 'node:made-up', 'node:nope', 'cloudflare:nope', 'workerd:nope', 'https://h/y.js', './dep?x=1', './dep#h', './\\u00e9 x', \"./!~*'()$,;@&=+%20\\\\\", '../../up',
      'bundled.js', 'node:buffer', MORE];
    export default { async fetch() {
      if (seen.length > 1) {
        await see('again, what is there', async () => (await import('./dep')).default);
        await see('again, what is not', async () => (await import('./missing')).default);
        await see('again, what has moved', async () => (await import('./moved')).default);
        await see('again, what has failed', async () => (await import('./fails')).default);
        return Response.json(seen);
      }
      for (const specifier of imports) {
        await see(`import ${specifier}`, async () => {
          const module = await import(specifier);
          return specifier.includes('buffer') || specifier.includes('builtin') ? Object.keys(module).length > 2 : Object.keys(module).length === 1 ? module.default : { ...module };
        });
      }
      for (const specifier of ['./by', 'by', '../dep', '../json', '../requires', '../moved', '../missing', '../text', 'node:made-up', '../fails', '../throws'])
        await see(`require ${specifier}`, () => requires(specifier));
      for (const [specifier, attributes] of [['./json', { type: 'json' }], ['./text', { type: 'json' }], ['./gone1', { type: 'json' }], ['./gone2', { type: 'text' }], ['./gone3', { type: 'css' }]])
        await see(`with attributes ${specifier}`, async () => (await import(specifier, { with: attributes })).default);
      return Response.json(seen);
    } };";

/// Specifiers that mean something else in the second registry.
const MORE: &str = "'./url', './url?q', './url#h', './%75rl', './full-name', './otherwise-written', './with-query', './lib/moved', './lib/moved-to-path', '/outside',
    './moved-to-http', 'http://h/there', './moved-to-no-url', 'data:text/plain,x', 'cloudflare:made-up', 'workerd:made-up', './missing?q', './asks', './asks?q',
    'bundled.js?q', './moved?q', 'http://['";

#[test]
fn modules_are_asked_for_and_taken_as_in_the_reference() {
    compare("module_fallback", answer, "", "");
}

#[test]
fn modules_are_asked_for_and_taken_by_url() {
    compare("module_fallback by URL", answer_by_url, ", \"new_module_registry\"", MORE);
}

/// What both runtimes have seen of what `answer` answers, and what they have asked for.
fn compare(area: &str, answer: fn(&str) -> Answer, flag: &str, more: &str) {
    let run = |runtime: Runtime| {
        let modules = Modules::start(answer);
        let server = runtime.serve(setup_with(modules.port, &SCRIPT.replace("MORE", more), flag));
        let mut seen = Vec::new();
        for _ in 0..2 {
            let text = http::get(server.port(), "/").expect("a response").text();
            seen =
                serde_json::from_str::<Vec<(String, String)>>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        }
        let asked = modules.asked.lock().expect("no panic").clone();
        (seen, asked)
    };
    let (reference, reference_asked) = run(Runtime::workerd());
    let (ours, ours_asked) = run(bulkhead_test_support::supervisor!());
    assert!(ours.len() == reference.len() && ours.len() >= 70, "{} cases", ours.len());
    let mut observations: Vec<_> = reference
        .into_iter()
        .zip(ours)
        .enumerate()
        .map(|(index, ((name, reference), (again, ours)))| {
            assert_eq!(name, again);
            Observation { key: format!("{area}/{index} {name}"), reference, ours }
        })
        .collect();
    // What is asked for, each time that it is.
    let text = |asked: Vec<String>| asked.join("\n");
    observations.push(Observation {
        key: format!("{area}/asked"),
        reference: text(reference_asked),
        ours: text(ours_asked),
    });
    check(area, &observations);
}

/// What ends the reference, or is without end there.
#[test]
fn no_answer_takes_the_worker_down() {
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat((32 << 20) + 1));
    let modules = Modules::start(move |specifier| match specifier {
        "/self" => redirect("/self"),
        "/there" => redirect("/back"),
        "/back" => redirect("/there"),
        "/out" => redirect("/../../out"),
        "/long" => module(&long),
        "/headers" => Some((200, "X: y\r\n".repeat(10_000), "{}".into())),
        "/good" => module(r#"{"text":"good"}"#),
        _ if specifier.starts_with("/count") => {
            let number: u32 = specifier.trim_start_matches("/count").parse().expect("a number");
            redirect(&format!("/count{}", number + 1))
        }
        _ => None,
    });
    let script = "
        export default { async fetch() {
          const seen = [];
          for (const specifier of ['./self', './there', './count0', './out', './long', './headers', './closes', `./${'x'.repeat(20000)}`, './good'])
            try { seen.push((await import(specifier)).default); } catch (error) { seen.push(String(error).slice(0, 40)); }
          return Response.json(seen);
        } };";
    let server = bulkhead_test_support::supervisor!().serve(setup(modules.port, script));
    for _ in 0..2 {
        let text = http::get(server.port(), "/").expect("a response").text();
        let seen: Vec<String> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(seen.len(), 9, "{text}");
        assert!(seen[..8].iter().all(|seen| seen.starts_with("Error: No such module \"")), "{text}");
        assert_eq!(seen[8], "good");
    }
    server.wait_for_stderr(|log| {
        log.contains("the module fallback gave no module \"/long\": its answer is a module that is longer")
    });
    let asked = modules.asked.lock().expect("no panic");
    let counts = asked.iter().filter(|line| line.contains("specifier=%2Fcount")).count();
    assert!((2..=40).contains(&counts), "{counts} redirects were followed");
}

/// Nobody answers.
#[test]
fn a_server_that_is_not_there_has_no_modules() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let script = "
        const found = await import('./dep').catch((error) => String(error));
        export default { fetch: () => new Response(found) };";
    let server = bulkhead_test_support::supervisor!().serve(setup(port, script));
    assert_eq!(http::get(server.port(), "/").expect("a response").text(), "Error: No such module \"dep\".");
    server.wait_for_stderr(|log| {
        log.contains("worker \"main\": the module fallback gave no module \"/dep\": connecting to it failed")
    });
}

/// The process has no way out but the one more descriptor that it asks on, and others do not even have that.
#[test]
fn a_process_that_asks_for_modules_has_one_descriptor_more() {
    let modules = Modules::start(answer);
    let script = "import dep from './dep'; export default { fetch: () => new Response(dep) };";
    let server = bulkhead_test_support::supervisor!().serve(setup(modules.port, script).argument("--shards=1"));
    assert_eq!(http::get(server.port(), "/").expect("a response").text(), "dep");
    let sockets = |worker: &u32| {
        let of = process::descriptors(*worker).into_iter();
        of.filter(|(_, target)| target.to_string_lossy().starts_with("socket:")).count()
    };
    let mut counts: Vec<_> = process::workers(server.pid()).iter().map(sockets).collect();
    counts.sort_unstable();
    // The control connection, that of the shard, and in the process that is bound the one for modules; what is in reserve is blank.
    assert_eq!(counts.pop(), Some(3), "{counts:?}");
    assert!(counts.iter().all(|count| *count <= 2), "{counts:?}");
}
