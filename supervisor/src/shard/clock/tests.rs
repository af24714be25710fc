use std::sync::{Arc, Mutex};

use bulkhead_ipc::compatibility::Date;

use super::{super::mailbox::Inbox, *};
use crate::{
    config::{Options, load_text_from_bytes},
    log::Entries,
};

/// Minutes and milliseconds to noon of 26 November 2026.
const NOON: u64 = 29_910_000 - 29_910_000 % 1440 + 720;

fn at(minute: u64) -> u64 {
    (NOON + minute) * 60_000
}

/// Three workers on two shards.
const CONFIG: &str = r#"
using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (services = [
  (name = "a", worker = .worker), (name = "b", worker = .worker), (name = "c", worker = .worker),
]);
const worker :Workerd.Worker = (serviceWorkerScript = "", compatibilityDate = "2024-01-01");
const policy :Bulkhead.Policy = (schedules = [
  (worker = "a", crons = ["* * * * *", "*/2 * * * *"]),
  (worker = "b", crons = ["*/2 * * * *"]),
]);
"#;

fn config(text: &str) -> Config {
    let options = Options::on(Date::new(2026, 11, 20));
    load_text_from_bytes(text.as_bytes(), [], &options).unwrap_or_else(|error| panic!("{error}")).config
}

fn timetable(now: u64) -> (Timetable, [Inbox; 2], Entries) {
    let ((one, inbox_one), (two, inbox_two)) = (Mailbox::new(), Mailbox::new());
    let (log, entries) = Log::to_channel(64);
    let timetable = Timetable::new(&config(CONFIG), vec![one, two], log, now).expect("it has schedules");
    (timetable, [inbox_one, inbox_two], entries)
}

/// Service, expression and scheduled minute after noon of what lies in a mailbox.
fn letters(inbox: &mut Inbox) -> Vec<(ServiceId, String, u64)> {
    let one = |Letter { to, event }| {
        let Event::Scheduled(run) = event else { panic!("{event:?}") };
        (to, run.cron, (run.time as u64 - at(0)) / 60_000)
    };
    inbox.take().into_iter().map(one).collect()
}

/// A clock that stands still but when it is waited for.
struct Jumping(Arc<Mutex<(u64, Vec<u64>)>>);

impl Time for Jumping {
    fn now(&self) -> u64 {
        self.0.lock().expect("no panic").0
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        let clock = self.0.clone();
        async move {
            let more = {
                let (now, jumps) = &mut *clock.lock().expect("no panic");
                assert!(time <= Duration::from_secs(60) && !time.is_zero());
                match jumps.pop() {
                    Some(jump) => *now = jump,
                    None => *now += time.as_millis() as u64,
                }
                *now < at(15)
            };
            if !more {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[test]
fn what_is_due_is_posted_to_the_shard_of_its_worker() {
    let (timetable, [mut one, mut two], mut log) = timetable(at(10) + 30_000);
    let clock = Jumping(Arc::new(Mutex::new((at(10) + 30_000, Vec::new()))));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut running = std::pin::pin!(timetable.run(clock));
        assert!(futures::poll!(&mut running).is_pending());
    });
    let a = |cron: &str, minute| (ServiceId::named("a"), cron.to_owned(), minute);
    let b = |cron: &str, minute| (ServiceId::named("b"), cron.to_owned(), minute);
    let every = "* * * * *";
    let even = "*/2 * * * *";
    assert_eq!(letters(&mut one), [a(every, 11), a(every, 12), a(even, 12), a(every, 13), a(every, 14), a(even, 14)]);
    assert_eq!(letters(&mut two), [b(even, 12), b(even, 14)]);
    assert!(log.try_recv().is_none());
}

#[test]
fn what_was_missed_is_one_line() {
    let (mut timetable, [mut one, mut two], mut log) = timetable(at(0));
    timetable.look(Minute::of(at(60)));
    let line = log.try_recv().expect("a line").text;
    let expected = "117 scheduled runs were missed, and are dropped, as the clock went from 2026-11-13 12:00 UTC to \
                    2026-11-13 13:00 UTC: service \"a\", schedule \"* * * * *\": 59; service \"a\", schedule \
                    \"*/2 * * * *\": 29; service \"b\", schedule \"*/2 * * * *\": 29";
    assert!(line.contains(expected), "{line}");
    assert!(log.try_recv().is_none());
    assert_eq!((letters(&mut one).len(), letters(&mut two).len()), (2, 1));
    // Back: nothing again.
    timetable.look(Minute::of(at(60)));
    timetable.look(Minute::of(at(0)));
    assert_eq!((letters(&mut one).len(), letters(&mut two).len()), (0, 0));
}

#[test]
fn a_shard_that_is_gone_is_said_and_no_schedules_are_no_clock() {
    let (mut timetable, [one, two], mut log) = timetable(at(0));
    drop((one, two));
    timetable.look(Minute::of(at(1)));
    let line = log.try_recv().expect("a line").text;
    assert!(
        line.contains("service \"a\", schedule \"* * * * *\": a run was dropped: the server is about to"),
        "{line}"
    );
    let log = Log::to_channel(1).0;
    let none = CONFIG.split("const policy").next().expect("a part").to_owned();
    assert!(Timetable::new(&config(&none), vec![Mailbox::new().0], log, 0).is_none());
}
