//! Runs of schedules over the worker's interface. What is expected is what the reference does when one worker sends another an event by
//! `Fetcher.scheduled()`.

mod support;

use bulkhead_ipc::{
    failure::HUNG,
    worker_capnp::{Limit, event_failure::Kind},
};
use support::{Outcome, serve, serve_script};

const TIME: f64 = 1_700_000_000_123.0;

const MODULE: &str = r#"
const log = [];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const cases = {
  look(c, env, ctx) {
    const own = Object.getOwnPropertyDescriptor(c, "cron");
    try { c.cron = undefined; } catch (error) { log.push(error.message); }
    log.push(String(c), c.constructor.name, Object.keys(c), Object.getOwnPropertyNames(Object.getPrototypeOf(c)));
    log.push(c.scheduledTime, c.cron, own.value, own.writable, own.enumerable, own.configurable, c.noRetry.length, c.noRetry());
    log.push(typeof ScheduledController, arguments.length, typeof env, String(ctx), this === handler);
    try { new c.constructor(); } catch (error) { log.push(String(error)); }
    try { c.noRetry.call({}); } catch (error) { log.push(error.name); }
    return 5;
  },
  throws() { throw new Error("boom"); },
  async rejects(c) { c.noRetry(); await null; throw new TypeError("later"); },
  later: () => sleep(5),
  waits(c, env, ctx) { ctx.waitUntil(sleep(30).then(() => log.push("waited"))); },
  "wait-rejects"(c, env, ctx) { ctx.waitUntil(sleep(5).then(() => { throw new Error("wait failed"); })); },
  "wait-rejects-first"(c, env, ctx) { ctx.waitUntil(Promise.reject(new Error("first"))); ctx.waitUntil(sleep(2).then(() => { throw new Error("second"); })); },
  "both-fail"(c, env, ctx) { ctx.waitUntil(Promise.reject(new Error("wait failed"))); throw new Error("handler failed"); },
  "throws-and-waits"(c, env, ctx) { ctx.waitUntil(sleep(30).then(() => log.push("waited"))); throw new Error("handler failed"); },
  "no-retry-in-wait-until"(c, env, ctx) { ctx.waitUntil(sleep(5).then(() => c.noRetry())); },
  never: () => new Promise(() => {}),
  "never-no-retry"(c) { c.noRetry(); return new Promise(() => {}); },
  "wait-never"(c, env, ctx) { ctx.waitUntil(new Promise(() => {})); },
  thenable: () => ({ then(done) { log.push("asked"); done(); } }),
  "thenable-throws": () => ({ get then() { throw new Error("no then"); } }),
  "passes-through"(c, env, ctx) { ctx.passThroughOnException(); throw new Error("passed"); },
  timer() { setTimeout(() => log.push("timer"), 5); },
  unhandled() { Promise.reject(new Error("unhandled")); },
  spins() { for (;;); },
  "spins-in-wait-until"(c, env, ctx) { ctx.waitUntil(sleep(1).then(() => { for (;;); })); },
};
const handler = {
  fetch: () => Response.json(log.splice(0)),
  scheduled(c, ...rest) { return cases[c.cron]?.call(this, c, ...rest); },
};
export default handler;
"#;

fn failure(kind: Kind, message: &str) -> Outcome {
    Outcome::Failure(kind, message.to_owned())
}

/// The first line of a failure's message: the rest is a stack.
fn first_line(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failure(kind, message) => failure(kind, message.lines().next().unwrap_or_default()),
        other => other,
    }
}

#[test]
fn a_run_comes_out_as_in_the_reference() {
    let cases = [
        ("", false, Outcome::Done, "[]"),
        ("throws", false, failure(Kind::Exception, "Error: boom"), "[]"),
        ("rejects", true, failure(Kind::Exception, "TypeError: later"), "[]"),
        ("later", false, Outcome::Done, "[]"),
        ("waits", false, Outcome::Done, r#"["waited"]"#),
        ("wait-rejects", false, failure(Kind::Exception, "Error: wait failed"), "[]"),
        ("wait-rejects-first", false, failure(Kind::Exception, "Error: first"), "[]"),
        ("both-fail", false, failure(Kind::Exception, "Error: handler failed"), "[]"),
        ("throws-and-waits", false, failure(Kind::Exception, "Error: handler failed"), r#"["waited"]"#),
        ("no-retry-in-wait-until", true, Outcome::Done, "[]"),
        ("never", false, failure(Kind::Hung, HUNG), "[]"),
        ("never-no-retry", true, failure(Kind::Hung, HUNG), "[]"),
        ("wait-never", false, failure(Kind::Hung, HUNG), "[]"),
        ("thenable", false, Outcome::Done, r#"["asked"]"#),
        ("thenable-throws", false, failure(Kind::Exception, "Error: no then"), "[]"),
        ("timer", false, Outcome::Done, "[]"),
        ("unhandled", false, Outcome::Done, "[]"),
    ];
    serve(
        MODULE,
        &[],
        0,
        |_| {},
        async |served| {
            for (cron, no_retry, expected, log) in cases {
                let (said, came_out) = served.scheduled(TIME, cron).await;
                assert_eq!((said, first_line(came_out)), (no_retry, expected), "{cron}");
                assert_eq!(served.fetch("/").await, Outcome::Response(200, log.into(), true), "{cron}");
            }
            // To pass something through there is nobody.
            let (_, came_out) = served.scheduled(TIME, "passes-through").await;
            assert_eq!(first_line(came_out), failure(Kind::Exception, "Error: passed"));
            served.drain().await;
        },
    )
    .expect("the worker starts");
}

#[test]
fn the_controller_is_that_of_the_reference() {
    serve(MODULE, &[], 0, |_| {}, async |served| {
        assert_eq!(served.scheduled(TIME, "look").await, (true, Outcome::Done));
        let Outcome::Response(200, log, true) = served.fetch("/").await else { panic!("there is no log") };
        let expected = concat!(
            r##"["Cannot assign to read only property 'cron' of object '#<ScheduledController>'","[object ScheduledController]","ScheduledController",["cron","scheduledTime"],["noRetry","constructor"],"##,
            r#"1700000000123,"look","look",false,true,true,0,null,"undefined",3,"object","[object ExecutionContext]",true,"#,
            r#""TypeError: Illegal constructor","TypeError"]"#
        );
        assert_eq!(log, expected);
    })
    .expect("the worker starts");
}

#[test]
fn limits_end_a_run() {
    let limit = |mut limits: bulkhead_ipc::policy_capnp::limits::Builder<'_>| {
        limits.set_cpu_time_ms(50);
        limits.set_wall_time_ms(200);
        limits.set_wait_until_ms(200);
    };
    let module = r#"
        const forever = () => new Promise((done) => setTimeout(done, 600_000));
        export default { scheduled(c, env, ctx) {
            switch (c.cron) {
                case "spins": for (;;);
                case "spins-in-wait-until": ctx.waitUntil(new Promise((done) => setTimeout(done, 1)).then(() => { for (;;); })); break;
                case "lasts": return forever();
                case "lasts-in-wait-until": ctx.waitUntil(forever());
            }
        } };"#;
    serve(module, &[], 0, limit, async |served| {
        for (cron, limit) in [
            ("spins", Limit::CpuTime),
            ("spins-in-wait-until", Limit::CpuTime),
            ("lasts", Limit::WallTime),
            ("lasts-in-wait-until", Limit::WaitUntil),
        ] {
            let (no_retry, came_out) = served.scheduled(TIME, cron).await;
            assert!(
                !no_retry && matches!(came_out, Outcome::Exceeded(exceeded, _) if exceeded == limit),
                "{cron}: {came_out:?}"
            );
        }
        served.drain().await;
    })
    .expect("the worker starts");
}

/// What a run fails with is told once: by its outcome, or where that tells of something else, in the log.
#[test]
fn each_failure_is_told_once() {
    serve(
        MODULE,
        &[],
        0,
        |_| {},
        async |served| {
            for (cron, told, logged) in [
                ("wait-rejects", "Error: wait failed", vec![]),
                ("wait-rejects-first", "Error: first", vec!["second"]),
                ("both-fail", "Error: handler failed", vec!["wait failed"]),
            ] {
                served.told.log.borrow_mut().clear();
                let (_, outcome) = served.scheduled(TIME, cron).await;
                assert_eq!(first_line(outcome), failure(Kind::Exception, told), "{cron}");
                served.drain().await;
                let lines = served.told.log.borrow();
                assert_eq!(lines.len(), logged.len(), "{cron}: {lines:?}");
                assert!(lines.iter().zip(&logged).all(|(line, text)| line.contains(text)), "{cron}: {lines:?}");
            }
        },
    )
    .expect("the worker starts");
}

#[test]
fn a_worker_without_a_handler_is_not_to_be_asked_again() {
    let expected = failure(Kind::NoHandler, "Error: Handler does not export a scheduled() function.");
    serve("export default { fetch: () => new Response('ok') };", &[], 0, |_| {}, async |served| {
        for _ in 0..2 {
            assert_eq!(served.scheduled(TIME, "").await, (true, expected.clone()));
        }
        served.drain().await;
        let said = "Received a ScheduledEvent but we lack a handler for ScheduledEvents (a.k.a. Cron Triggers). Did you \
                    remember to export a scheduled() function?";
        let lines = served.told.log.borrow();
        assert_eq!(lines.iter().filter(|line| line.contains(said)).count(), 1, "{lines:?}");
    })
    .expect("the worker starts");
    serve_script("addEventListener('fetch', () => {});", async |served| {
        assert_eq!(served.scheduled(TIME, "").await, (true, expected.clone()));
    })
    .expect("the worker starts");
}

const SCRIPT: &str = r#"
const log = [];
addEventListener("fetch", (event) => event.respondWith(Response.json(log.splice(0))));
addEventListener("scheduled", (event) => {
  switch (event.cron) {
    case "look": {
      const { prototype } = ScheduledEvent;
      log.push(String(event), event.type, event.scheduledTime, event.cron, event instanceof ExtendableEvent, event.isTrusted);
      log.push(event.cancelable, event.bubbles, event.target === globalThis, Object.keys(event), Object.getOwnPropertyNames(prototype).sort());
      log.push(ScheduledEvent.length, Object.getPrototypeOf(prototype) === ExtendableEvent.prototype);
      try { new ScheduledEvent("scheduled"); } catch (error) { log.push(String(error)); }
      try { prototype.noRetry.call(event.constructor); } catch (error) { log.push(error.name); }
      return;
    }
    case "throws": throw new Error("listener threw");
    case "no-retry": return event.noRetry();
    case "waits": return event.waitUntil(new Promise((done) => setTimeout(done, 30)).then(() => log.push("waited")));
    case "wait-rejects": return event.waitUntil(Promise.reject(new Error("wait failed")));
    case "prevents": return event.preventDefault();
    case "stops": return event.stopImmediatePropagation();
  }
});
addEventListener("scheduled", (event) => {
  if (event.cron !== "look") log.push(`second ${event.cron}`);
  if (event.cron === "async") return Promise.reject(new Error("of nobody"));
});
"#;

#[test]
fn listeners_are_told_as_in_the_reference() {
    let cases = [
        ("throws", false, failure(Kind::Exception, "Error: listener threw"), "[]"),
        ("no-retry", true, Outcome::Done, r#"["second no-retry"]"#),
        ("waits", false, Outcome::Done, r#"["second waits","waited"]"#),
        ("wait-rejects", false, failure(Kind::Exception, "Error: wait failed"), r#"["second wait-rejects"]"#),
        ("prevents", false, Outcome::Done, r#"["second prevents"]"#),
        ("stops", false, Outcome::Done, "[]"),
        ("async", false, Outcome::Done, r#"["second async"]"#),
    ];
    serve_script(SCRIPT, async |served| {
        for (cron, no_retry, expected, log) in cases {
            let (said, came_out) = served.scheduled(TIME, cron).await;
            assert_eq!((said, first_line(came_out)), (no_retry, expected), "{cron}");
            assert_eq!(served.fetch("/").await, Outcome::Response(200, log.into(), true), "{cron}");
        }
        assert_eq!(served.scheduled(5.0, "look").await, (false, Outcome::Done));
        let expected = concat!(
            r#"["[object ScheduledEvent]","scheduled",5,"look",true,true,false,false,true,"#,
            r#"["cron","scheduledTime","actorState"],["constructor","noRetry"],0,true,"TypeError: Illegal constructor","TypeError"]"#
        );
        assert_eq!(served.fetch("/").await, Outcome::Response(200, expected.into(), true));
    })
    .expect("the worker starts");
}
