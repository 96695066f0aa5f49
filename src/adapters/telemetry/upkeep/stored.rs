//! Metrics of what is stored. Whatever is known of it is shown at once, or nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::domain::collector::{NamespaceUsage, Usage};

/// What is shown, as it is when somebody asks. Clones show the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored(Arc<Mutex<Option<Usage>>>);

impl Stored {
    pub(super) fn set(&self, usage: Option<Usage>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = usage;
    }
}

impl Collector for Stored {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(usage) = &*usage else {
            return Ok(());
        };
        let (bytes, gauge) = (Some(&Unit::Bytes), MetricType::Gauge);
        let help = "Content that is stored";
        let all = to.encode_descriptor("store_content", help, bytes, gauge)?;
        ConstGauge::new(usage.content).encode(all)?;
        let mut family = |name, help, unit, value: fn(&NamespaceUsage) -> u64| {
            let mut family = to.encode_descriptor(name, help, unit, gauge)?;
            for (namespace, it) in &usage.namespaces {
                let labels = [("namespace", namespace.as_str())];
                ConstGauge::new(value(it)).encode(family.encode_family(&labels)?)?;
            }
            Ok(())
        };
        let help = "Content that repositories of the namespace link, each once";
        family("namespace_content", help, bytes, |it| it.content)?;
        let help = "Repositories of the namespace that have manifests";
        family("namespace_repositories", help, None, |it| it.repositories)
    }
}
