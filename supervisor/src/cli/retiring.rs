//! Configurations whose places others have taken, until they have ended.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::JoinSet};

use super::{generation::Generation, setup::say};
use crate::shard::{Drained, Leaving};

/// How long workers may go on after the last connection has ended, for what `waitUntil` holds.
pub(super) const FLEET_DRAIN: Duration = Duration::from_secs(10);

/// Says what was not finished in time.
pub(super) fn say_cut_off(drained: &Drained, drain_time: Duration) {
    if drained.cut_off > 0 {
        say(&format!("{} connections were not finished after {drain_time:?} and were cut off", drained.cut_off));
    }
    if drained.runs_cut_off > 0 {
        say(&format!(
            "{} scheduled runs were not finished after {drain_time:?} and were cut off",
            drained.runs_cut_off
        ));
    }
}

/// Configurations whose places others have taken, and that finish what they do.
#[derive(Default)]
pub(super) struct Retiring {
    tasks: JoinSet<()>,
    /// Ends those early that do not go on for long anyway; the oldest first.
    hurries: VecDeque<oneshot::Sender<()>>,
}

/// Configurations that may finish at the same time. The oldest makes room: its connections are cut off.
const MAX_RETIRING: usize = 4;

impl Retiring {
    /// Lets a configuration finish, for at most `drain_time`, or ends it.
    pub(super) fn add(&mut self, leaving: Leaving, generation: Generation, drain_time: Duration, ends: bool) {
        while self.tasks.try_join_next().is_some() {}
        self.hurries.retain(|hurry| !hurry.is_closed());
        while self.hurries.len() >= MAX_RETIRING {
            self.hurries.pop_front();
        }
        let (hurry, hurried) = oneshot::channel();
        if !ends {
            self.hurries.push_back(hurry);
        }
        self.tasks.spawn(async move {
            let Generation { parts, fleet, log } = generation;
            let begun = Instant::now();
            let drained = leaving.finish(async { drop(hurried.await) }).await;
            if !ends {
                say_cut_off(&drained, drain_time.min(begun.elapsed()));
            }
            fleet.drain(if ends { Duration::ZERO } else { FLEET_DRAIN }).await;
            log.flush().await;
            drop(parts);
        });
    }

    /// Ends all of them now.
    pub(super) fn hurry(&mut self) {
        self.hurries.clear();
    }

    /// Waits until all have ended.
    pub(super) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
