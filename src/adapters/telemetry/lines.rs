//! Lines of the log: text for people, or JSON for what collects them.

use std::error::Error;
use std::fmt;

use serde::ser::{SerializeMap, Serializer};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::config::LogFormat;
use crate::adapters::units::current_trace;

/// What each line has; no field takes its place.
const FIXED: [&str; 5] = ["timestamp", "level", "target", "message", "trace_id"];

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self {
            Self::Text => Format::default().format_event(context, writer, event),
            Self::Json => {
                let line = json(event).map_err(|_| fmt::Error)?;
                writeln!(writer, "{line}")
            }
        }
    }
}

/// The fields of a line of text, and last the trace that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        DefaultFields::new().format_fields(writer.by_ref(), fields)?;
        match current_trace() {
            Some(id) => write!(writer, " trace_id={id}"),
            None => Ok(()),
        }
    }
}

fn json(event: &Event<'_>) -> Result<String, serde_json::Error> {
    let mut line = Vec::with_capacity(256);
    let mut map = serde_json::Serializer::new(&mut line);
    let mut map = map.serialize_map(None)?;
    let mut time = String::new();
    // Nothing that is written to memory fails.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    map.serialize_entry("timestamp", &time)?;
    map.serialize_entry("level", event.metadata().level().as_str())?;
    map.serialize_entry("target", event.metadata().target())?;
    let mut fields = Fields { map, failure: None };
    event.record(&mut Message(&mut fields));
    event.record(&mut fields);
    if let Some(id) = current_trace() {
        fields.add("trace_id", &id.to_string());
    }
    match fields.failure {
        Some(error) => return Err(error),
        None => fields.map.end()?,
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

struct Fields<M: SerializeMap> {
    map: M,
    failure: Option<M::Error>,
}

impl<M: SerializeMap> Fields<M> {
    fn add(&mut self, name: &str, value: &(impl serde::Serialize + ?Sized)) {
        if self.failure.is_none() {
            self.failure = self.map.serialize_entry(name, value).err();
        }
    }

    fn field(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        if !FIXED.contains(&field.name()) {
            self.add(field.name(), value);
        }
    }
}

impl<M: SerializeMap> Visit for Fields<M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }

    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        self.field(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, &format!("{value:?}"));
    }
}

/// Takes the message, which comes before all other fields.
struct Message<'f, M: SerializeMap>(&'f mut Fields<M>);

impl<M: SerializeMap> Visit for Message<'_, M> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.add("message", &format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests;
