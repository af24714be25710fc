//! Events that come from no socket, on their way to the services of one shard.

use std::{collections::HashMap, rc::Rc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    config::ServiceId,
    log::Log,
    service::{Event, Outcome, Service, ServiceError},
};

/// Events that may lie in a mailbox. A shard takes them out at once; only one that cannot keep up with anything has as many.
const CAPACITY: usize = 4096;

/// Runs of one schedule that may go on at once. The next is begun while another goes on, as on the platform; with the limits
/// that workers have by default, a schedule that is due each minute and hangs each time has as many.
const AT_ONCE: usize = 16;

/// An event, and the service that it is for.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The service.
    pub to: ServiceId,
    /// What it is told.
    pub event: Event,
}

/// Why a letter was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Too many lie there.
    #[error("{CAPACITY} events wait for their shard already")]
    Full,
    /// The shard is about to end.
    #[error("the server is about to end")]
    Closed,
}

/// Where letters for a shard are posted, from any thread.
#[derive(Debug, Clone)]
pub struct Mailbox(mpsc::Sender<Letter>);

impl Mailbox {
    /// A mailbox, and the shard's side of it.
    pub(super) fn new() -> (Self, Inbox) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self(sender), Inbox(receiver))
    }

    /// Leaves an event there. Does not wait, and does not hear what comes of it: the shard writes failures to the log.
    ///
    /// # Errors
    /// The event is not taken, and will not happen.
    pub fn post(&self, letter: Letter) -> Result<(), PostError> {
        self.0.try_send(letter).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PostError::Full,
            mpsc::error::TrySendError::Closed(_) => PostError::Closed,
        })
    }
}

/// The shard's side of its mailbox.
#[derive(Debug)]
pub(super) struct Inbox(mpsc::Receiver<Letter>);

/// Who letters can be for.
pub type Addressees = HashMap<ServiceId, Rc<dyn Service>>;

/// What is counted for [`AT_ONCE`]: a service, and a schedule of it.
type Lane = (ServiceId, String);

impl Inbox {
    /// What was posted, for tests of who posts.
    #[cfg(test)]
    pub(super) fn take(&mut self) -> Vec<Letter> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }

    /// Delivers what is posted until `shutdown` becomes true; then lets the events that have begun go on for `drain_time`.
    /// Gives how many were cut off after that.
    pub(super) async fn serve(
        mut self,
        addressees: Addressees,
        log: Log,
        drain_time: Duration,
        mut shutdown: watch::Receiver<bool>,
    ) -> usize {
        let mut under_way = UnderWay { addressees, log, tasks: JoinSet::new(), lanes: HashMap::new() };
        loop {
            tokio::select! {
                biased;
                Some(lane) = under_way.tasks.join_next() => under_way.ended(lane),
                // An error means that the other end is gone, which is a shutdown too.
                _ = shutdown.wait_for(|shutdown| *shutdown) => break,
                letter = self.0.recv() => match letter {
                    Some(letter) => under_way.begin(letter),
                    None => break,
                },
            }
        }
        // What was posted before is as good as begun.
        self.0.close();
        while let Ok(letter) = self.0.try_recv() {
            under_way.begin(letter);
        }
        let all = async { while under_way.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(drain_time, all).await;
        under_way.tasks.len()
    }
}

/// The events that were begun. Dropping it cancels them.
struct UnderWay {
    addressees: Addressees,
    log: Log,
    tasks: JoinSet<Lane>,
    lanes: HashMap<Lane, usize>,
}

impl UnderWay {
    fn begin(&mut self, Letter { to, event }: Letter) {
        // It has left the configuration since.
        let Some(service) = self.addressees.get(&to) else { return };
        let cause = event.cause();
        let what = format!("service \"{to}\", {cause}");
        let lane = (to, cause);
        let count = self.lanes.entry(lane.clone()).or_default();
        if *count >= AT_ONCE {
            self.log.event(format!("{what}: a run was dropped, because {AT_ONCE} are still going on"));
            return;
        }
        *count += 1;
        let (service, log) = (service.clone(), self.log.clone());
        self.tasks.spawn_local(async move {
            if let Some(text) = complaint(service.event(event).await) {
                log.event(format!("{what}{text}"));
            }
            lane
        });
    }

    fn ended(&mut self, lane: Result<Lane, tokio::task::JoinError>) {
        let lane = match lane {
            Ok(lane) => lane,
            // A panic aborts the process; where it does not (in tests), it goes on here. Nothing is aborted before the end.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        if let Some(count) = self.lanes.get_mut(&lane) {
            *count -= 1;
            if *count == 0 {
                self.lanes.remove(&lane);
            }
        }
    }
}

/// What the log is told of an event, after what it was: nothing where all is well.
fn complaint(outcome: Result<Outcome, ServiceError>) -> Option<String> {
    match outcome {
        Ok(Outcome { failure: None, .. }) => None,
        Ok(Outcome { failure: Some(error), no_retry: true, .. }) => Some(format!(", noRetry: {error}")),
        Ok(Outcome { failure: Some(error), no_retry: false, .. }) | Err(error) => Some(format!(": {error}")),
    }
}

#[cfg(test)]
mod tests;
