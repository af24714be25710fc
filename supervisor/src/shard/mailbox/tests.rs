use std::cell::{Cell, RefCell};

use bulkhead_ipc::scheduled::Scheduled;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    body::Body,
    service::{LocalFuture, ServiceRequest},
};

/// Lets each run end when it is told to, with what it is told.
struct Fake {
    begun: RefCell<Vec<String>>,
    dropped: Cell<usize>,
    end: Semaphore,
    fails: Cell<bool>,
}

struct CountDrop<'a>(&'a Cell<usize>);

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Service for Fake {
    fn fetch(&self, _: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        unreachable!("no request is sent")
    }

    fn event(&self, event: Event) -> LocalFuture<'_, Result<Outcome, ServiceError>> {
        let Event::Scheduled(run) = event else { panic!("{event:?}") };
        self.begun.borrow_mut().push(run.cron);
        Box::pin(async move {
            let _dropped = CountDrop(&self.dropped);
            self.end.acquire().await.expect("it is open").forget();
            let failure = self.fails.get().then(|| ServiceError::Exception("it threw".into()));
            Ok(Outcome { failure, no_retry: true, report: None })
        })
    }
}

fn letter(to: &str, cron: &str) -> Letter {
    Letter { to: ServiceId::named(to), event: Event::Scheduled(Scheduled::new(0.0, cron.to_owned()).expect("a run")) }
}

struct Rig {
    fake: Rc<Fake>,
    mailbox: Mailbox,
    log: crate::log::Entries,
    shutdown: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<usize>,
}

fn rig() -> Rig {
    let fake = Rc::new(Fake {
        begun: RefCell::default(),
        dropped: Cell::default(),
        end: Semaphore::new(0),
        fails: Cell::default(),
    });
    let (mailbox, inbox) = Mailbox::new();
    let (log, entries) = Log::to_channel(64);
    let (shutdown, receiver) = watch::channel(false);
    let addressees = HashMap::from([(ServiceId::named("one"), fake.clone() as Rc<dyn Service>)]);
    let serving = tokio::task::spawn_local(inbox.serve(addressees, log, Duration::from_millis(50), receiver));
    Rig { fake, mailbox, log: entries, shutdown, serving }
}

fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), test);
}

async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), met).await.expect("it comes to that");
}

#[test]
fn runs_of_one_schedule_overlap_up_to_a_bound_and_others_have_their_own() {
    local(async {
        let mut rig = rig();
        for _ in 0..AT_ONCE + 1 {
            rig.mailbox.post(letter("one", "a")).expect("room");
        }
        rig.mailbox.post(letter("one", "b")).expect("room");
        // Nobody is there: it is the configuration of another.
        rig.mailbox.post(letter("gone", "c")).expect("room");
        until(|| rig.fake.begun.borrow().len() == AT_ONCE + 1).await;
        assert_eq!(rig.fake.begun.borrow().last().map(String::as_str), Some("b"));
        let line = rig.log.try_recv().expect("a line").text;
        assert!(line.contains("service \"one\", schedule \"a\": a run was dropped, because 16 are still"), "{line}");
        rig.fake.end.add_permits(1);
        until(|| rig.fake.dropped.get() == 1).await;
        rig.mailbox.post(letter("one", "a")).expect("room");
        until(|| rig.fake.begun.borrow().len() == AT_ONCE + 2).await;
        assert!(rig.log.try_recv().is_none());
    });
}

#[test]
fn what_fails_is_one_line() {
    local(async {
        let mut rig = rig();
        rig.fake.fails.set(true);
        rig.fake.end.add_permits(1);
        rig.mailbox.post(letter("one", "* * * * *")).expect("room");
        until(|| rig.fake.dropped.get() == 1).await;
        let line = rig.log.try_recv().expect("a line").text;
        assert!(line.contains("service \"one\", schedule \"* * * * *\", noRetry: it threw"), "{line}");
        assert!(rig.log.try_recv().is_none());
    });
}

#[test]
fn the_end_waits_for_what_has_begun_and_not_for_ever() {
    local(async {
        let rig = rig();
        rig.mailbox.post(letter("one", "a")).expect("room");
        rig.mailbox.post(letter("one", "b")).expect("room");
        rig.shutdown.send_replace(true);
        until(|| rig.fake.begun.borrow().len() == 2).await;
        assert_eq!(rig.mailbox.post(letter("one", "c")), Err(PostError::Closed));
        rig.fake.end.add_permits(1);
        // One of them never ends.
        assert_eq!(rig.serving.await.expect("no panic"), 1);
        until(|| rig.fake.dropped.get() == 2).await;
    });
}

#[test]
fn a_mailbox_has_a_bound() {
    let (mailbox, inbox) = Mailbox::new();
    for _ in 0..CAPACITY {
        mailbox.post(letter("one", "a")).expect("room");
    }
    assert_eq!(mailbox.post(letter("one", "a")), Err(PostError::Full));
    drop(inbox);
    assert_eq!(mailbox.post(letter("one", "a")), Err(PostError::Closed));
}
