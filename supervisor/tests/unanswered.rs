//! A worker that answers everything but the question for its handlers. Found by fuzzing.

mod fakes;

use std::time::Duration;

use bulkhead_supervisor::{
    fleet::{FleetConfig, decide::WatchPolicy},
    service::{Service, worker::WorkerService},
};
use fakes::{
    Ends, get, local, settings,
    wire::{Method, Said, Wire},
    worker,
};

async fn play(ends: Ends) {
    let Ends { control, events, stderr: _stderr, .. } = ends;
    for stream in events {
        tokio::task::spawn_local(async move {
            let mut wire = Wire::new(stream);
            while let Some(said) = wire.receive().await {
                if !matches!(said, Said::Call { method: Method::Entrypoint, .. }) {
                    wire.polite(said).await;
                }
            }
        });
    }
    let mut wire = Wire::new(control);
    while let Some(said) = wire.receive().await {
        wire.polite(said).await;
    }
}

#[test]
fn clients_that_leave_a_silent_worker_leave_nothing_behind_for_ever() {
    local(async {
        let watch = WatchPolicy { deaf: Duration::from_millis(100), ..WatchPolicy::default() };
        let mut rig = fakes::start(FleetConfig { watch, ..settings() }, 65_536, play);
        let shard = rig.fleet.shard(0);
        let one = WorkerService::new(&shard, &worker(0), None, None);
        let link = shard.connect(&worker(0)).await.expect("a process");
        for _ in 0..100 {
            let mut fetch = one.fetch(get("/"));
            // Asks, and goes away.
            std::future::poll_fn(|cx| {
                assert!(fetch.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            drop(fetch);
            tokio::task::yield_now().await;
        }
        rig.logged("does not answer calls that were cancelled").await;
        assert!(link.connection.is_closed());
        drop((link, one, shard));
        rig.ended().await;
    });
}
