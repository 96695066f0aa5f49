//! The pace of a pass: what it leaves to clients.

use std::time::Duration;

use super::{Collector, Work};

/// How many times as long as it worked it rests.
const IDLE: u32 = 20;

/// How long it rests at most, where clients keep the processors busy: it must
/// come to an end.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Collector {
    /// Counts what is looked at, and waits for as long as it may take: as many
    /// in a second as it may, or twenty times what the processors worked for
    /// it. Work for clients counts as well: a pass makes room for it.
    pub(super) async fn pace(&self, seen: usize, work: &mut Work<'_>) {
        work.report.seen += seen as u64;
        if !(work.go_on)() {
            return;
        }
        let pause = if let Some(rate) = self.settings.rate_limit {
            Duration::from_millis(seen as u64 * 1000 / u64::from(rate.get()))
        } else {
            let worked = self.clock.cpu_time().saturating_sub(work.worked);
            (worked * IDLE).min(LONGEST_PAUSE)
        };
        if !pause.is_zero() {
            self.clock.sleep(pause).await;
        }
        work.worked = self.clock.cpu_time();
    }
}
