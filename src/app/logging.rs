//! Logs: lines on standard error, as `RUST_LOG` filters them; and the spans that become traces.

use std::io::{self, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::adapters::telemetry::config::ObservabilityConfig;
use crate::adapters::telemetry::lines::TextFields;
use crate::adapters::telemetry::traces::Traces;
use crate::adapters::units::TRACE;

/// What is logged when nobody says otherwise.
const DEFAULT: &str = "info";

/// Starts logging, and traces where the configuration has them. A filter that makes no sense is told of and replaced:
/// logs are wanted most when something is wrong.
pub fn start(filter: Option<&str>, config: &ObservabilityConfig) -> Option<Traces> {
    let wanted = filter
        .filter(|filter| !filter.is_empty())
        .unwrap_or(DEFAULT);
    let parsed = EnvFilter::try_new(wanted);
    let mistake = parsed.as_ref().err().map(ToString::to_string);
    let filter = parsed.unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    // What the layer of traces takes is no line.
    let filter = match format!("{TRACE}=off").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };

    let lines = fmt::layer()
        .event_format(config.log_format)
        .fmt_fields(TextFields)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let (traces, started) = match &config.tracing {
        None => {
            let all = tracing_subscriber::registry().with(lines).with(filter);
            (None, all.try_init())
        }
        Some(tracing) => {
            let (traces, layer) = Traces::new(tracing);
            let all = tracing_subscriber::registry().with(lines.with_filter(filter));
            let all = all.with(layer);
            (Some(traces), all.try_init())
        }
    };

    if let Some(mistake) = mistake {
        tracing::warn!("RUST_LOG={wanted:?} makes no sense ({mistake}); using {DEFAULT:?}");
    }
    if started.is_err() {
        // Only a program that embeds this one can have been first, and then it is the one to log.
        tracing::debug!("logging was started already");
    }
    traces
}
