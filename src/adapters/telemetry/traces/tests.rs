use tracing_subscriber::layer::SubscriberExt;

use super::*;

fn config() -> TracingConfig {
    TracingConfig {
        endpoint: HttpUrl::parse("http://localhost:1").unwrap(),
        sampling_rate: 1.0,
    }
}

#[test]
fn what_nobody_sends_is_dropped_when_there_is_too_much_of_it() {
    let (traces, layer) = Traces::new(&config());
    let subscriber = tracing_subscriber::registry().with(layer);

    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..QUEUE + 3 {
            drop(tracing::debug_span!(target: TRACE, "it"));
        }
    });

    assert_eq!(traces.spans.len(), QUEUE);
    assert_eq!(traces.metrics.dropped.get(), 3);
}

#[test]
fn what_is_no_part_of_a_trace_becomes_none() {
    let (traces, layer) = Traces::new(&config());
    let subscriber = tracing_subscriber::registry().with(layer);

    tracing::subscriber::with_default(subscriber, || {
        drop(tracing::error_span!("it"));
        let _in = tracing::debug_span!(target: TRACE, "it").entered();
        tracing::error!("it");
    });

    let mut traces = traces;
    let span = traces.spans.try_recv().unwrap();
    assert_eq!(span.events.len(), 0);
    assert!(traces.spans.try_recv().is_err());
}
