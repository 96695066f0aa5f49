use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt;

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] io::Error);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged meanwhile.
fn logged(format: LogFormat, work: impl FnOnce()) -> String {
    let log = Log::default();
    let written = log.clone();
    let lines = fmt()
        .with_ansi(false)
        .event_format(format)
        .fmt_fields(TextFields)
        .with_writer(move || written.clone())
        .finish();
    tracing::subscriber::with_default(lines, work);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn json_has_the_fields_flat_as_what_they_are_and_the_fixed_ones_first() {
    let line = logged(LogFormat::Json, || {
        let cause = Outer(io::Error::other("c\"d"));
        let error = &cause as &dyn Error;
        tracing::warn!(text = "a\nb", n = -1, big = u64::MAX, is = true, x = 1.5, error, none = Option::<u8>::None, shown = %"s", "it {}", "is");
    });

    let (time, rest) = line.split_once("Z\",").unwrap();
    assert!(time.starts_with("{\"timestamp\":\"20"), "{line}");
    assert_eq!(
        rest,
        "\"level\":\"WARN\",\"target\":\"simple_registry::adapters::telemetry::lines::tests\",\
         \"message\":\"it is\",\"text\":\"a\\nb\",\"n\":-1,\"big\":18446744073709551615,\
         \"is\":true,\"x\":1.5,\"error\":\"outer: c\\\"d\",\"shown\":\"s\"}\n"
    );
}

#[test]
fn no_field_takes_the_place_of_a_fixed_one() {
    let line = logged(LogFormat::Json, || {
        tracing::info!(level = "other", timestamp = 1, "it");
    });

    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "INFO");
    assert!(line["timestamp"].is_string());
}

#[test]
fn text_is_as_it_was() {
    let line = logged(LogFormat::Text, || tracing::info!(a = 1, b = "c", "it"));

    let (_, rest) = line.split_once("Z ").unwrap();
    assert_eq!(
        rest,
        " INFO simple_registry::adapters::telemetry::lines::tests: it a=1 b=\"c\"\n"
    );
}
