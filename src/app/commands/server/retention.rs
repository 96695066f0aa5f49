//! Retention inside the server, without cron: again and again, and never by force.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::FIRST_PAUSE;
use crate::adapters::telemetry::upkeep::UpkeepMetrics;
use crate::adapters::units::Seconds;
use crate::app::wiring::Built;
use crate::domain::error::RegistryError;
use crate::domain::retention::{Mode, Outcome, Run, Verdict};

/// Applies the retention policies as often as the configuration says, if it does.
pub(super) async fn retain(
    mut running: watch::Receiver<Arc<Built>>,
    metrics: UpkeepMetrics,
    stop: CancellationToken,
) {
    let started = Instant::now();
    let mut done: Option<Instant> = None;
    loop {
        let built = running.borrow_and_update().clone();
        let interval = built.config.maintenance.retention_interval;
        // What was replaced must not be held.
        drop(built);
        let interval = interval.map(Seconds::duration);
        let due = interval.map(|interval| match done {
            Some(done) => done + interval,
            None => started + interval.min(FIRST_PAUSE),
        });
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep_until(due.unwrap_or(started)), if due.is_some() => {}
            changed = running.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        }
        let retention = running.borrow().retention();
        let go_on = || !stop.is_cancelled() && matches!(running.has_changed(), Ok(false));
        let run = retention.run(Mode::Apply, &go_on).await;
        metrics.retained(&run);
        tell(run);
        if go_on() {
            done = Some(Instant::now());
        }
    }
}

fn tell(run: Result<Option<Run>, RegistryError>) {
    match run {
        Ok(None) => {}
        Ok(Some(run)) => {
            for outcome in &run.repositories {
                tell_of(outcome);
            }
            if let Some(why) = &run.held_back {
                tracing::warn!(why, "retention deletes nothing");
            }
            let images = run.repositories.iter().flat_map(|it| &it.images);
            let count = |verdict| images.clone().filter(|it| it.verdict == verdict).count();
            let [kept, deleted, left] = [Verdict::Kept, Verdict::Gone, Verdict::Goes].map(count);
            tracing::info!(kept, deleted, left, "retention");
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "no retention policy could be applied");
        }
    }
}

fn tell_of(outcome: &Outcome) {
    let repository = &outcome.repository;
    for image in &outcome.images {
        if image.verdict == Verdict::Gone {
            let (tag, digest) = (image.tag.as_ref().map(ToString::to_string), &image.digest);
            tracing::info!(%repository, tag, %digest, why = image.why, "deleted by retention");
        }
    }
    for problem in &outcome.problems {
        tracing::warn!(%repository, problem, "retention");
    }
    if let Some(why) = &outcome.held_back {
        tracing::warn!(%repository, why, "retention deletes nothing there");
    }
}
