//! The clock that scripts see: it stands still while they run.

mod support;

use support::{Outcome, serve};

/// Every way of asking for the time, each a function that gives milliseconds or a text.
const WAYS: &str = "
const RealDate = Date;
class Sub extends Date {}
const ways = {
  now: () => Date.now(),
  new: () => +new Date(),
  called: () => Date(),
  sub: () => +new Sub(),
  construct: () => +Reflect.construct(Date, []),
  constructAs: () => +Reflect.construct(Date, [], Sub),
  constructor: () => +new Date.prototype.constructor(),
  own: () => +new (new Date(0).constructor)(),
  bound: () => Date.now.bind()(),
  json: () => +new Date(new Date().toJSON()),
  performance: () => performance.now(),
  origin: () => performance.timeOrigin,
  event: () => new Event('x').timeStamp,
  file: () => new File([], 'x').lastModified,
  format: () => new Intl.DateTimeFormat('en', { timeStyle: 'medium', dateStyle: 'short' }).format(),
  parts: () => new Intl.DateTimeFormat('en', { second: 'numeric', fractionalSecondDigits: 3 }).formatToParts().map((part) => part.value).join(''),
  locale: () => new Date().toLocaleTimeString('en'),
};
const work = () => { const start = ways.now(); let x = 0; for (let i = 0; i < 3e6; i++) x += Math.sqrt(i); return x; };
const read = () => JSON.stringify(Object.entries(ways).map(([name, way]) => [name, way()]));
const atStart = read();
";

fn run<R>(flags: &[&str], body: &str, then: impl FnOnce(Outcome) -> R) -> R {
    let module = format!("{WAYS} export default {{ async fetch() {{ {body} }} }};");
    serve(&module, flags, 0, |_| {}, async |worker| then(worker.fetch("/").await)).expect("the worker starts")
}

fn answer(flags: &[&str], body: &str) -> String {
    run(flags, body, |outcome| match outcome {
        Outcome::Response(200, text, true) => text,
        other => panic!("{other:?}"),
    })
}

#[test]
fn the_clock_stands_still_while_script_runs() {
    let body = "const before = read(); for (let i = 0; i < 20; i++) { work(); await null; }
        const after = read(); return new Response(before === after ? 'same' : before + after);";
    assert_eq!(answer(&[], body), "same");
}

/// Timers that are set while it stands still are in the order of their delays, however long script ran between them.
#[test]
fn the_order_of_timers_does_not_tell_the_time() {
    let timers = "const set = (name, delay) => setTimeout(() => order.push(name), delay);";
    let waits = "const cell = new Int32Array(new SharedArrayBuffer(4));
        const set = (name, delay) => Atomics.waitAsync(cell, 0, 0, delay + 0.1).value.then(() => order.push(name));";
    for set in [timers, waits] {
        let body = format!(
            "const order = []; {set} for (let i = 0; i < 5; i++) {{ set(i, 2); work(); }} set('last', 0);
            for (const delay of [1, 50]) await new Promise((r) => setTimeout(r, delay));
            return new Response(order.join());"
        );
        assert_eq!(answer(&[], &body), "last,0,1,2,3,4", "{set}");
    }
}

/// A delay begins when it is set, which script does not see while its clock stands still.
#[test]
fn delays_begin_when_they_are_set() {
    let wait = "new Promise((done) => setTimeout(done, DELAY))";
    let interval = "new Promise((done) => { const id = setInterval(() => { clearInterval(id); done(); }, DELAY); })";
    let wait_async = "Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DELAY).value";
    for set in [wait, interval, wait_async] {
        // How long the computation takes shows when nothing is waited for after it. The delay is as long, about. Both are
        // looked at in turns, for others may have the machine.
        let set = |delay: &str| set.replace("DELAY", delay);
        let body = format!(
            "const took = async (delay) => {{
                const start = Date.now();
                for (let i = 0; i < 40; i++) work();
                if (delay > 0) await {};
                await new Promise((done) => setTimeout(done, 0));
                return Date.now() - start;
            }};
            await took(0);
            const delay = await took(0) + 20;
            let [compute, least] = [Infinity, Infinity];
            for (let i = 0; i < 4; i++) {{
                compute = Math.min(compute, await took(0));
                least = Math.min(least, await took(delay));
            }}
            return new Response(least >= delay + compute / 2 ? 'late' : `early: ${{compute}} ${{delay}} ${{least}}`);",
            set("delay")
        );
        assert_eq!(answer(&[], &body), "late", "{set:?}", set = set("delay"));
    }
}

#[test]
fn the_clock_moves_when_something_comes_from_outside() {
    let body = "const before = ways.now(); await new Promise((r) => setTimeout(r, 20));
        const after = ways.now(); return new Response(`${after - before >= 20} ${after === performance.now()} ${after === +new Date()}`);";
    assert_eq!(answer(&[], body), "true true true");
}

#[test]
fn the_clock_shows_the_time() {
    let before = std::time::SystemTime::now();
    let shown: u64 = answer(&[], "return new Response(`${Date.now()}`);").parse().expect("a number");
    let since = |time: std::time::SystemTime| {
        time.duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_millis() as u64
    };
    assert!((since(before)..=since(std::time::SystemTime::now())).contains(&shown), "{shown}");
}

#[test]
fn the_clock_stands_at_zero_in_the_global_scope() {
    let text = answer(&[], "return new Response(atStart);");
    let ways: Vec<(String, serde_json::Value)> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(ways.len(), 17);
    for (name, value) in ways {
        match value {
            serde_json::Value::Number(number) => assert_eq!(number.as_f64(), Some(0.0), "{name}"),
            text => {
                // Intl writes a narrow space before AM.
                let text = text.as_str().expect("a text").replace('\u{202f}', " ");
                let expected = match name.as_str() {
                    "called" => "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
                    "format" => "1/1/70, 12:00:00 AM",
                    "parts" => "0.000",
                    _ => "12:00:00 AM",
                };
                assert_eq!(text, expected, "{name}");
            }
        }
    }
}

#[test]
fn the_flag_makes_the_clock_run() {
    let body = "const before = [Date.now(), performance.now()]; const limit = before[0] + 20;
        let turns = 0; while (Date.now() < limit && turns < 1e9) turns++;
        return new Response(`${Date.now() >= limit} ${performance.now() >= limit}`);";
    assert_eq!(answer(&["precise_timers"], body), "true true");
}

/// `Date` is V8's own, unwrapped.
#[test]
fn date_is_native() {
    let body = "return Response.json([Date.length, Date.name, Date.toString(), Reflect.ownKeys(Date).map(String), Date.now.toString(),
        Date.prototype.constructor === Date, Object.getPrototypeOf(Date) === Function.prototype]);";
    assert_eq!(
        answer(&[], body),
        r#"[7,"Date","function Date() { [native code] }",["length","name","prototype","now","parse","UTC"],"function now() { [native code] }",true,true]"#
    );
}
