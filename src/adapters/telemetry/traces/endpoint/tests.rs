use super::*;

const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn endpoint(url: &str) -> (String, bool) {
    let url = HttpUrl::parse_scheme(url, &["http", "https", "grpc", "grpcs"]).unwrap();
    let endpoint = Endpoint::of(&url).unwrap();
    (endpoint.uri.to_string(), endpoint.is_grpc)
}

#[test]
fn http_is_posted_to_the_path_that_is_named_or_to_the_usual_one() {
    for (written, meant) in [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("https://otel.example", "https://otel.example/v1/traces"),
        (
            "https://otel.example/otlp/v1/traces",
            "https://otel.example/otlp/v1/traces",
        ),
        ("http://[::1]:4318/x", "http://[::1]:4318/x"),
    ] {
        assert_eq!(endpoint(written), (meant.to_owned(), false), "{written}");
    }
}

#[test]
fn its_schemes_and_its_port_mean_grpc() {
    for (written, meant) in [
        ("grpc://localhost", "http://localhost:4317"),
        ("grpc://[::1]", "http://[::1]:4317"),
        ("grpc://localhost:9999", "http://localhost:9999"),
        ("grpcs://otel.example", "https://otel.example:4317"),
        ("http://localhost:4317", "http://localhost:4317"),
        ("https://otel.example:4317", "https://otel.example:4317"),
        (
            "grpcs://otel.example/prefix",
            "https://otel.example:4317/prefix",
        ),
    ] {
        assert_eq!(
            endpoint(written),
            (format!("{meant}{GRPC_PATH}"), true),
            "{written}"
        );
    }
}
