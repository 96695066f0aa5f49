use super::*;

fn exposition() -> Exposition {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let invented = Method::from_bytes(b"INVENTED").unwrap();
    metrics.answered("get-blob", &Method::GET, StatusCode::OK, Duration::ZERO);
    metrics.answered("none", &invented, StatusCode::NOT_FOUND, Duration::ZERO);
    Exposition::new(registry)
}

#[test]
fn a_method_that_a_client_makes_up_is_no_label_of_its_own() {
    let text = exposition().open_metrics();

    let line = r#"http_requests_total{action="none",method="other",code="404"} 1"#;
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("INVENTED"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn in_the_older_format_a_counter_is_named_as_its_samples_are() {
    let text = exposition().classic();

    assert!(text.contains("# TYPE simple_registry_http_requests_total counter\n"));
    assert!(text.contains("# TYPE simple_registry_http_connections gauge\n"));
    assert!(
        !text.contains("# UNIT") && !text.contains("# EOF"),
        "{text}"
    );
}
