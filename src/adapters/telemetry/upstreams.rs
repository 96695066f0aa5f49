//! Metrics of upstreams: what they answered, and whether they are left alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::domain::mirror::Circuit;
use crate::ports::{Clock, Upstream};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    upstream: String,
    result: &'static str,
}

/// What is counted. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct UpstreamMetrics {
    requests: Family<Answer, Counter>,
    /// As long as somebody uses them.
    circuits: Arc<Mutex<Vec<Weak<Circuit>>>>,
}

impl UpstreamMetrics {
    /// Shows them in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let name = "simple_registry_upstream_requests";
        let help = "Questions to upstreams, and what became of them";
        registry.register(name, help, self.requests.clone());
        registry.register_collector(Box::new(self.clone()));
    }

    /// A circuit before `upstream`, whose answers are counted.
    #[must_use]
    pub fn circuit(&self, upstream: Arc<dyn Upstream>, clock: Arc<dyn Clock>) -> Arc<Circuit> {
        let name = upstream.name().to_owned();
        let of = move |result| Answer {
            upstream: name.clone(),
            result,
        };
        // They are shown before they happen, so that the first is a change.
        for result in Circuit::RESULTS {
            drop(self.requests.get_or_create(&of(result)));
        }
        let requests = self.requests.clone();
        let told = move |result| {
            requests.get_or_create(&of(result)).inc();
        };
        let circuit = Arc::new(Circuit::new(upstream, clock).telling(told));
        let mut circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        circuits.retain(|it| it.strong_count() > 0);
        circuits.push(Arc::downgrade(&circuit));
        circuit
    }
}

impl Collector for UpstreamMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        // Several namespaces may have one upstream.
        let mut open: BTreeMap<String, bool> = BTreeMap::new();
        for circuit in circuits.iter().filter_map(Weak::upgrade) {
            *open.entry(circuit.name().to_owned()).or_default() |= circuit.is_open();
        }
        if open.is_empty() {
            return Ok(());
        }
        let name = "simple_registry_upstream_circuit_open";
        let help = "Whether an upstream is not asked, because it failed just now";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (upstream, open) in open {
            let labels = [("upstream", upstream)];
            ConstGauge::new(i64::from(open)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
