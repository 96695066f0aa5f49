//! Metrics of caches.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::ports::LOOKUPS;

/// Looked at when somebody asks.
#[derive(Debug)]
pub struct Caches;

impl Collector for Caches {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let name = "simple_registry_cache_lookups";
        let help = "Things that were asked for, and remembered or not";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for it in LOOKUPS {
            for (result, count) in [("hit", it.hits()), ("miss", it.misses())] {
                let labels = [("cache", it.cache), ("result", result)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
