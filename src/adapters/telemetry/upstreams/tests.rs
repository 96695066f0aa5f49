use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::encoding::text::encode;

use super::*;
use crate::domain::model::Timestamp;
use crate::ports::{MockClock, MockUpstream, UpstreamError};

fn shown(metrics: &UpstreamMetrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn answers_are_counted_and_the_circuit_is_shown_while_somebody_uses_it() {
    let metrics = UpstreamMetrics::default();
    let now = Arc::new(AtomicI64::new(1_000));
    let mut clock = MockClock::new();
    let time = Arc::clone(&now);
    clock
        .expect_now()
        .returning(move || Timestamp::from_millis(time.load(Ordering::SeqCst)));
    let mut upstream = MockUpstream::new();
    upstream.expect_name().return_const("hub".to_owned());
    let mut answers = vec![Ok(Some(1)), Ok(None)].into_iter();
    upstream.expect_stat_blob().returning(move |_, _| {
        answers.next().unwrap_or_else(|| {
            Err(UpstreamError::Unavailable {
                upstream: "hub".to_owned(),
                what: "a blob".to_owned(),
                source: "down".into(),
            })
        })
    });
    let circuit = metrics.circuit(Arc::new(upstream), Arc::new(clock));
    assert!(shown(&metrics).contains(r#"upstream_circuit_open{upstream="hub"} 0"#));

    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let (repository, digest) = ("a".parse().unwrap(), digest.parse().unwrap());
    for _ in 0..6 {
        drop(circuit.stat_blob(&repository, &digest).await);
    }

    let text = shown(&metrics);
    for line in [
        r#"upstream_requests_total{upstream="hub",result="found"} 1"#,
        r#"upstream_requests_total{upstream="hub",result="missing"} 1"#,
        r#"upstream_requests_total{upstream="hub",result="failed"} 3"#,
        r#"upstream_requests_total{upstream="hub",result="refused"} 1"#,
        r#"upstream_requests_total{upstream="hub",result="denied"} 0"#,
        r#"upstream_circuit_open{upstream="hub"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    now.fetch_add(1_000, Ordering::SeqCst);
    assert!(shown(&metrics).contains(r#"upstream_circuit_open{upstream="hub"} 0"#));
    drop(circuit);
    let text = shown(&metrics);
    assert!(!text.contains("circuit_open"), "{text}");
    assert!(text.contains(r#"result="failed"} 3"#), "{text}");
}
