//! `[uploads]`, `[collector]` and `[maintenance]`: what the registry does unasked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::units::Seconds;

/// `[uploads]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UploadsConfig {
    /// A session that has been idle for longer is removed.
    pub max_age: Seconds,
}

impl Default for UploadsConfig {
    fn default() -> Self {
        Self {
            max_age: Seconds::new(86_400),
        }
    }
}

/// `[collector]`: removes what nothing references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectorConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// How often it looks at repositories that were touched.
    pub interval: Seconds,
    /// How long something must have been unreferenced.
    pub grace_period: Seconds,
    /// How many objects it looks at in a second; without it, what takes a twentieth of a processor.
    pub rate_limit: Option<u32>,
}

impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Seconds::new(3_600),
            grace_period: Seconds::new(86_400),
            rate_limit: None,
        }
    }
}

/// `[maintenance]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaintenanceConfig {
    /// How often the server itself applies the retention policies; without it, never.
    pub retention_interval: Option<Seconds>,
    /// How much of all judged images one run may delete without force.
    pub max_deleted_percent: u8,
}

impl Default for MaintenanceConfig {
    fn default() -> Self {
        Self {
            retention_interval: None,
            max_deleted_percent: 50,
        }
    }
}
