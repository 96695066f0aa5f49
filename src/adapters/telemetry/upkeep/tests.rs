use prometheus_client::encoding::text::encode;

use super::*;

fn shown(metrics: &UpkeepMetrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

#[test]
fn a_pass_adds_up_and_a_failed_one_is_no_success() {
    let metrics = UpkeepMetrics::default();
    let pass = |removed| -> Result<_, ()> {
        Ok(Some(Pass {
            removed,
            freed: 10,
            ..Pass::default()
        }))
    };

    metrics.collected(&pass(2), Timestamp::from_millis(5_000));
    metrics.collected(&pass(3), Timestamp::from_millis(6_000));
    metrics.collected(&Err(()), Timestamp::from_millis(9_000));

    let text = shown(&metrics);
    for line in [
        "simple_registry_collector_removed_total 5",
        "simple_registry_collector_freed_bytes_total 20",
        "simple_registry_collector_last_success_timestamp_seconds 6.0",
        r#"simple_registry_collector_passes_total{result="failed"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}
