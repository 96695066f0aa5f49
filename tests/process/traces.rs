//! Traces, as somebody gets them who collects them.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::otlp::Receiver;
use crate::ports::free_port;
use crate::server::Place;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn traced(endpoint: &str, more: &str) -> Place {
    Place::new(&format!(
        "observability = {{ on_main = true, tracing = {{ endpoint = '{endpoint}'{more} }} }}"
    ))
}

/// A traceparent whose trace is collected.
fn traceparent() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

fn hex(bytes: &[u8]) -> String {
    let bytes = bytes.iter().map(|byte| format!("{byte:02x}"));
    bytes.collect::<Vec<_>>().concat()
}

/// How many spans became of that.
fn counted(place: &Place, result: &str) -> u64 {
    let text = crate::client::Client::new(place.port)
        .get("/metrics")
        .unwrap()
        .text();
    let name = format!("simple_registry_trace_spans_total{{result=\"{result}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().parse().unwrap()
}

/// Waits until that is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_request_is_a_span_of_the_trace_that_it_names() {
    for scheme in ["http", "grpc"] {
        let receiver = Receiver::start(0, true);
        let place = traced(&format!("{scheme}://127.0.0.1:{}", receiver.port), "");
        let server = place.start_logging("info");
        let headers = [
            ("traceparent", &*traceparent()),
            ("tracestate", "a=b"),
            ("authorization", "Basic aHVudGVyMg=="),
        ];

        let path = "/v2/a/manifests/v1?x=hunter2";
        let answer = server.client().send("GET", path, &headers, &[]).unwrap();

        assert_eq!(answer.status, 404);
        let got = receiver.wait_for(|it| it.span.name == "get-manifest");
        assert_eq!(hex(&got.span.trace_id), TRACE);
        assert_eq!(hex(&got.span.parent_span_id), PARENT);
        assert_eq!(got.span.trace_state, "a=b");
        assert_eq!(got.span.kind, 2, "SERVER");
        assert_eq!(got.span.status.as_ref().unwrap().code, 0, "not our error");
        assert_eq!(got.resource["service.name"], "simple-registry");
        assert_eq!(got.resource["service.version"], env!("CARGO_PKG_VERSION"));
        for (name, value) in [
            ("http.request.method", "GET"),
            ("http.response.status_code", "404"),
            ("url.scheme", "http"),
            ("url.path", "/v2/a/manifests/v1"),
            ("action", "get-manifest"),
            ("repository", "a"),
            ("reference", "v1"),
        ] {
            assert_eq!(got.attributes[name], value, "{name}");
        }
        assert!(!got.attributes.contains_key("digest"), "{got:?}");
        let store = receiver.wait_for(|it| it.span.parent_span_id == got.span.span_id);
        assert_eq!(hex(&store.span.trace_id), TRACE);
        assert!(store.attributes.contains_key("operation"), "{store:?}");
        assert!(store.attributes["path"].contains("repositories/a/"));
        assert!(!format!("{:?}", receiver.spans()).contains("hunter2"));
        let log = place.log();
        let line = log
            .lines()
            .find(|it| it.contains("path=\"/v2/a/manifests/v1\""));
        let line = line.unwrap();
        assert!(
            line.contains(&format!("request_id={}", got.attributes["request_id"])),
            "{line}"
        );
        assert!(line.ends_with(&format!(" trace_id={TRACE}")), "{line}");
        until("counted", || counted(&place, "exported") > 0);
        assert_eq!(
            (counted(&place, "failed"), counted(&place, "dropped")),
            (0, 0)
        );
    }
}

#[test]
fn the_rate_is_for_what_belongs_to_no_trace() {
    for (rate, expected) in [("0", 0), ("1.0", 20)] {
        let receiver = Receiver::start(0, true);
        let endpoint = format!("http://127.0.0.1:{}", receiver.port);
        let place = traced(&endpoint, &format!(", sampling_rate = {rate}"));
        let server = place.start();
        let mut client = server.client();
        for _ in 0..20 {
            client.get("/v2/mine/tags/list").unwrap();
        }
        let of_trace = |flags| format!("00-{TRACE}-{PARENT}-{flags}");
        for flags in ["00", "01"] {
            let headers = [("traceparent", &*of_trace(flags))];
            client
                .send("GET", &format!("/v2/of{flags}/tags/list"), &headers, &[])
                .unwrap();
        }

        receiver.wait_for(|it| {
            it.attributes
                .get("repository")
                .is_some_and(|it| it == "of01")
        });

        let spans = receiver.spans();
        let of = |name| {
            spans
                .iter()
                .filter(|it| it.attributes.get("repository").is_some_and(|it| it == name))
                .count()
        };
        assert_eq!(
            (of("mine"), of("of00"), of("of01")),
            (expected, 0, 1),
            "{rate}"
        );
    }
}

#[test]
fn a_question_to_an_upstream_is_a_child_that_the_upstream_is_told_of() {
    let receiver = Receiver::start(0, true);
    // It answers all else with 404.
    let upstream = Receiver::start(0, true);
    let place = Place::new(&format!(
        "observability.tracing.endpoint = 'http://127.0.0.1:{}'\n\
         [[repository.m.upstream]]\nurl = 'http://127.0.0.1:{}'\n\
         [repository.m.access_policy]\ndefault_allow = true\n",
        receiver.port, upstream.port
    ));
    let server = place.start();
    let headers = [("traceparent", &*traceparent())];

    let answer = server
        .client()
        .send("GET", "/v2/m/x/manifests/v1", &headers, &[])
        .unwrap();

    assert_eq!(answer.status, 404);
    let asked = receiver.wait_for(|it| it.span.kind == 3);
    let request = receiver.wait_for(|it| it.span.name == "get-manifest");
    assert_eq!(hex(&asked.span.trace_id), TRACE);
    assert_eq!(asked.span.parent_span_id, request.span.span_id);
    assert_eq!(asked.attributes["server.port"], upstream.port.to_string());
    assert_eq!(asked.attributes["http.response.status_code"], "404");
    assert_eq!(asked.span.status.as_ref().unwrap().code, 2, "ERROR");
    let (_, told) = upstream.heads().pop().unwrap();
    let span = hex(&asked.span.span_id);
    assert_eq!(told["traceparent"], format!("00-{TRACE}-{span}-01"));

    // What failed here is an error of the request as well.
    drop(upstream);
    let answer = server.client().get("/v2/m/y/manifests/v1").unwrap();
    assert!(answer.status >= 500, "{answer:?}");
    let request = receiver.wait_for(|it| {
        it.attributes
            .get("repository")
            .is_some_and(|it| it == "m/y")
    });
    assert_eq!(request.span.status.as_ref().unwrap().code, 2, "ERROR");
}

#[test]
fn a_collector_that_is_not_there_is_told_of_once_and_counted() {
    let port = free_port();
    let place = traced(&format!("http://127.0.0.1:{port}"), "");
    let mut server = place.start_logging("info");
    let told = |words: &str| place.log().matches(words).count();

    let mut client = server.client();
    for batch in 1..=3 {
        assert_eq!(client.get("/v2/").unwrap().status, 200);
        until("failed", || counted(&place, "failed") > batch);
    }

    assert_eq!(told("traces can't be sent;"), 1);
    assert_eq!(told("traces can be sent again"), 0);
    assert_eq!(counted(&place, "exported"), 0);
    let receiver = Receiver::start(port, true);
    assert_eq!(client.get("/v2/").unwrap().status, 200);
    receiver.wait_for(|it| it.span.name == "get-api-version");
    until("told", || told("traces can be sent again") == 1);
    drop(receiver);
    client.get("/v2/a/tags/list").unwrap();
    server.signal(Signal::SIGTERM);
    assert!(server.wait(Duration::from_secs(3)).success());
    assert_eq!(told("traces can't be sent;"), 2);
}

#[test]
fn what_was_traced_last_is_sent_when_the_server_ends() {
    let receiver = Receiver::start(0, true);
    let place = traced(&format!("http://127.0.0.1:{}", receiver.port), "");
    let mut server = place.start();
    server.client().get("/v2/last/tags/list").unwrap();

    server.signal(Signal::SIGTERM);

    assert!(server.wait(Duration::from_secs(5)).success());
    let names: Vec<String> = receiver
        .spans()
        .into_iter()
        .map(|it| it.span.name)
        .collect();
    assert_eq!(names.last().unwrap(), "list-tags", "{names:?}");
}

#[test]
fn a_collector_that_hangs_delays_neither_requests_nor_the_end() {
    let receiver = Receiver::start(0, false);
    let place = traced(&format!("grpc://127.0.0.1:{}", receiver.port), "");
    let mut server = place.start();
    until("asked", || !receiver.heads().is_empty());
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(server.client().get("/v2/").unwrap().status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5));

    let begun = Instant::now();
    server.signal(Signal::SIGTERM);
    let status = server.wait(Duration::from_secs(10));

    assert!(status.success(), "{}", place.log());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        place
            .log()
            .contains("the last traces can't be sent in time")
    );
}

#[test]
fn another_endpoint_counts_at_once() {
    // The batch that the first one does not answer to goes to the second one.
    let (first, second) = (Receiver::start(0, false), Receiver::start(0, true));
    let place = traced(&format!("http://127.0.0.1:{}", first.port), "");
    let server = place.start();
    server.client().get("/v2/a/tags/list").unwrap();
    until("asked", || !first.heads().is_empty());

    let config = fs::read_to_string(place.config()).unwrap();
    let config = config.replace(&first.port.to_string(), &second.port.to_string());
    fs::write(place.config(), config).unwrap();

    second.wait_for(|it| it.span.name == "list-tags");
    assert_eq!(server.client().get("/v2/").unwrap().status, 200);
}

#[test]
fn lines_of_json_are_json() {
    let receiver = Receiver::start(0, true);
    let place = Place::new(&format!(
        "observability = {{ log_format = 'json', tracing.endpoint = 'http://127.0.0.1:{}' }}",
        receiver.port
    ));
    let server = place.start_logging("debug");
    let mut client = server.client();
    let digest = client.push_blob_at_once("a/b", b"hello").unwrap();
    let headers = [("traceparent", &*traceparent())];
    let path = format!("/v2/a/b/blobs/{digest}");
    assert_eq!(
        client.send("GET", &path, &headers, &[]).unwrap().status,
        200
    );
    drop(server);

    let log = place.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
    assert!(
        lines
            .iter()
            .all(|it| it["target"] != "simple_registry::trace")
    );
    let line = lines.iter().find(|it| it["path"] == path.as_str()).unwrap();
    assert_eq!(line["message"], "request");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["status"], 200);
    assert_eq!(line["digest"], digest.as_str());
    assert_eq!(line["repository"], "a/b");
    assert_eq!(line["length"], 5);
    assert_eq!(line["trace_id"], TRACE);
}
