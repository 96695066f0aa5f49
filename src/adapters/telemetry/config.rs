//! `[observability]` and `[observability.tracing]`: what an operator sees.

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use crate::adapters::units::{self, HttpUrl};

/// `[observability]`: health, metrics and traces.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObservabilityConfig {
    /// `[observability.tracing]`; without it, no traces.
    pub tracing: Option<TracingConfig>,
    /// The address of a listener of their own for health and metrics; needs `port`.
    #[serde(deserialize_with = "optional_address")]
    #[schemars(with = "Option<String>")]
    pub bind_address: Option<IpAddr>,
    /// The port of that listener.
    #[serde(deserialize_with = "units::optional_port")]
    pub port: Option<u16>,
    /// Whether `/metrics`, which names repositories, is on the main listener too.
    pub on_main: bool,
    /// How lines of the log are written.
    pub log_format: LogFormat,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object on each line, with its fields flat.
    Json,
}

impl ObservabilityConfig {
    /// Whether anybody can see metrics or traces.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.on_main || self.port.is_some() || self.tracing.is_some()
    }
}

/// `[observability.tracing]`: where traces go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TracingConfig {
    /// `http(s)://…` is OTLP over HTTP; port 4317 or `grpc://` is OTLP over gRPC.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: HttpUrl,
    /// The share of requests that is traced, from 0 to 1.
    #[serde(default = "every_one", deserialize_with = "share")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sampling_rate: f64,
}

fn every_one() -> f64 {
    1.0
}

fn optional_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<IpAddr>, D::Error> {
    let expected = r#"an IP address such as "127.0.0.1" or "::""#;
    units::text(deserializer, expected, |text| text.parse().ok()).map(Some)
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HttpUrl, D::Error> {
    let text = String::deserialize(deserializer)?;
    HttpUrl::parse_scheme(&text, &["http", "https", "grpc", "grpcs"]).map_err(de::Error::custom)
}

/// A number from 0 to 1, whole or not.
fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Share;

    impl Visitor<'_> for Share {
        type Value = f64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a number from 0 to 1")
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<f64, E> {
            // NaN is in no range.
            if (0.0..=1.0).contains(&number) {
                Ok(number)
            } else {
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<f64, E> {
            match number {
                0 => Ok(0.0),
                1 => Ok(1.0),
                _ => Err(E::invalid_value(Unexpected::Signed(number), &self)),
            }
        }
    }

    deserializer.deserialize_any(Share)
}
