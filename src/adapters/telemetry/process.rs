//! Metrics of the process, under the names that every exporter gives them.

use std::fmt;
use std::fs;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::ports::Clock;

/// Looked at when somebody asks. What a system does not tell is left out.
pub struct Process {
    clock: Arc<dyn Clock>,
    started: f64,
}

impl Process {
    /// This process, which starts now.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "exact for ages to come")]
        let started = clock.now().as_millis() as f64 / 1000.0;
        Self { clock, started }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut tell =
            |name: &str, help: &str, metric: &dyn Told| metric.tell(&mut encoder, name, help);
        let cpu = self.clock.cpu_time().as_secs_f64();
        tell(
            "process_cpu_seconds",
            "Time that processors worked for the process",
            &ConstCounter::new(cpu),
        )?;
        tell(
            "process_start_time_seconds",
            "When the process started, since the epoch",
            &ConstGauge::new(self.started),
        )?;
        if let Some(bytes) = resident() {
            tell(
                "process_resident_memory_bytes",
                "Memory that the process occupies",
                &ConstGauge::new(bytes),
            )?;
        }
        if let Some(open) = descriptors() {
            tell(
                "process_open_fds",
                "File descriptors that are open",
                &ConstGauge::new(open),
            )?;
        }
        Ok(())
    }
}

/// A metric that is known when it is asked for.
trait Told {
    fn tell(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str) -> fmt::Result;
}

impl<M: EncodeMetric> Told for M {
    fn tell(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str) -> fmt::Result {
        self.encode(encoder.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

fn resident() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn descriptors() -> Option<i64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(open).ok()
}
