//! Metrics of what tends the store: the collector, retention, and the locks that all writes take.

use std::sync::Arc;

use async_trait::async_trait;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use self::stored::Stored;
use crate::domain::collector::{Pass, Usage};
use crate::domain::model::Timestamp;
use crate::domain::retention::{Run, Verdict};
use crate::ports::{LockError, LockGuard, LockKey, LockManager};

mod stored;

/// From a lock that is free to one that is given up on, in seconds.
const BUCKETS: [f64; 8] = [0.000_1, 0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    result: &'static str,
}

/// What is counted. Clones count together.
#[derive(Clone, Debug)]
pub struct UpkeepMetrics {
    passes: Family<By, Counter>,
    last_pass: Gauge<f64, std::sync::atomic::AtomicU64>,
    seen: Counter,
    marked: Counter,
    removed: Counter,
    freed: Counter,
    doubts: Gauge,
    stored: Stored,
    retentions: Family<By, Counter>,
    retention_deleted: Counter,
    locks: Family<By, Counter>,
    locks_lost: Counter,
    lock_wait: Histogram,
}

impl Default for UpkeepMetrics {
    fn default() -> Self {
        Self {
            passes: of(&["done", "elsewhere", "failed"]),
            last_pass: Gauge::default(),
            seen: Counter::default(),
            marked: Counter::default(),
            removed: Counter::default(),
            freed: Counter::default(),
            doubts: Gauge::default(),
            stored: Stored::default(),
            retentions: of(&["done", "held-back", "elsewhere", "failed"]),
            retention_deleted: Counter::default(),
            locks: of(&["taken", "contended", "failed"]),
            locks_lost: Counter::default(),
            lock_wait: Histogram::new(BUCKETS),
        }
    }
}

/// They are shown before they happen, so that the first is a change.
fn of(results: &[&'static str]) -> Family<By, Counter> {
    let family = Family::default();
    for &result in results {
        drop(family.get_or_create(&By { result }));
    }
    family
}

impl UpkeepMetrics {
    /// Shows them in `registry`.
    #[rustfmt::skip] // a table
    pub fn register(&self, registry: &mut Registry) {
        let to = registry.sub_registry_with_prefix("simple_registry");
        to.register("collector_passes", "Passes of the collector", self.passes.clone());
        to.register_with_unit("collector_last_success_timestamp", "When a pass last ended well, since the epoch", Unit::Seconds, self.last_pass.clone());
        to.register("collector_seen", "Things that passes looked at", self.seen.clone());
        to.register("collector_marked", "Things that passes found dead, and marked", self.marked.clone());
        to.register("collector_removed", "Things that passes removed", self.removed.clone());
        to.register_with_unit("collector_freed", "Content that passes removed", Unit::Bytes, self.freed.clone());
        to.register("collector_doubts", "Things that the last pass could not judge", self.doubts.clone());
        to.register_collector(Box::new(self.stored.clone()));
        to.register("retention_runs", "Times that retention was applied", self.retentions.clone());
        to.register("retention_deleted", "Tags and manifests that retention deleted", self.retention_deleted.clone());
        to.register("locks", "Locks that were asked for", self.locks.clone());
        to.register("locks_lost", "Locks that were lost before the work under them was done", self.locks_lost.clone());
        to.register_with_unit("lock_wait", "Time that a lock was waited for", Unit::Seconds, self.lock_wait.clone());
    }

    /// A pass of the collector ended so, at this time; `Ok(None)` where another server's is at it.
    pub fn collected<E>(&self, pass: &Result<Option<Pass>, E>, now: Timestamp) {
        let result = match pass {
            Ok(Some(pass)) => {
                self.seen.inc_by(pass.seen);
                self.marked.inc_by(pass.marked);
                self.removed.inc_by(pass.removed);
                self.freed.inc_by(pass.freed);
                let doubts = i64::try_from(pass.doubts.len());
                self.doubts.set(doubts.unwrap_or(i64::MAX));
                #[expect(clippy::cast_precision_loss, reason = "exact for ages to come")]
                self.last_pass.set(now.as_millis() as f64 / 1000.0);
                "done"
            }
            Ok(None) => "elsewhere",
            Err(_) => "failed",
        };
        self.passes.get_or_create(&By { result }).inc();
    }

    /// This is stored, as far as it is known, from now on.
    pub fn stored(&self, usage: Option<&Usage>) {
        self.stored.set(usage.cloned());
    }

    /// Retention ended so; `Ok(None)` where another server is at it.
    pub fn retained<E>(&self, run: &Result<Option<Run>, E>) {
        let result = match run {
            Ok(Some(run)) => {
                let images = run.repositories.iter().flat_map(|it| &it.images);
                let gone = images.filter(|it| it.verdict == Verdict::Gone).count();
                self.retention_deleted.inc_by(gone as u64);
                if run.held_back.is_some() {
                    "held-back"
                } else {
                    "done"
                }
            }
            Ok(None) => "elsewhere",
            Err(_) => "failed",
        };
        self.retentions.get_or_create(&By { result }).inc();
    }

    /// The same locks, counted.
    #[must_use]
    pub fn over(&self, locks: Arc<dyn LockManager>) -> Arc<dyn LockManager> {
        Arc::new(CountedLocks {
            locks,
            metrics: self.clone(),
        })
    }

    fn asked(&self, result: &'static str) {
        self.locks.get_or_create(&By { result }).inc();
    }

    fn watching(&self, guard: LockGuard) -> LockGuard {
        let lost = self.locks_lost.clone();
        guard.telling(move || {
            lost.inc();
        })
    }
}

struct CountedLocks {
    locks: Arc<dyn LockManager>,
    metrics: UpkeepMetrics,
}

#[async_trait]
impl LockManager for CountedLocks {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        let asked = Instant::now();
        let answer = self.locks.acquire(key).await;
        self.metrics
            .lock_wait
            .observe(asked.elapsed().as_secs_f64());
        self.metrics.asked(match &answer {
            Ok(_) => "taken",
            Err(LockError::Contended(..)) => "contended",
            Err(LockError::Unavailable { .. } | LockError::Lost(_)) => "failed",
        });
        Ok(self.metrics.watching(answer?))
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        let answer = self.locks.try_acquire(key).await;
        self.metrics.asked(match &answer {
            Ok(Some(_)) => "taken",
            Ok(None) => "contended",
            Err(_) => "failed",
        });
        Ok(answer?.map(|guard| self.metrics.watching(guard)))
    }
}

#[cfg(test)]
mod tests;
