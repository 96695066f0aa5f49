//! The table of metrics in docs/observability.md, and what the server shows.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::ports::free_port;
use crate::server::Place;

const DOCS: &str = include_str!("../../docs/observability.md");

/// Name and type of each row.
fn documented() -> BTreeSet<(String, String)> {
    let rows = DOCS.lines().filter_map(|it| it.strip_prefix("| `"));
    let rows = rows.filter(|it| it.starts_with("simple_registry_") || it.starts_with("process_"));
    let cells = rows.map(|row| row.split(" | ").take(2).collect::<Vec<_>>());
    cells
        .map(|cells| (cells[0].replace('`', ""), cells[1].to_owned()))
        .collect()
}

fn shown(classic: &str) -> BTreeSet<(String, String)> {
    let types = classic.lines().filter_map(|it| it.strip_prefix("# TYPE "));
    let types = types.filter_map(|it| it.split_once(' '));
    types
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_is_shown() {
    let port = free_port();
    let place = Place::new(&format!(
        "observability = {{ bind_address = '127.0.0.1', port = {port} }}\n\
         collector = {{ interval = 1 }}\n\
         [[repository.mirror.upstream]]\nurl = 'http://127.0.0.1:1'"
    ));
    let server = place.start();
    assert_eq!(server.client().get("/metrics").unwrap().status, 404);
    assert_eq!(server.client().get("/readyz").unwrap().status, 200);

    let accept = [("accept", "text/plain")];
    let mut monitor = Client::new(port);
    // What is stored is known after a pass of the collector.
    let patience = Instant::now() + Duration::from_secs(30);
    let text = loop {
        let answer = monitor.send("GET", "/metrics", &accept, b"").unwrap();
        let text = answer.text();
        if text.contains("simple_registry_store_content_bytes") || Instant::now() > patience {
            break text;
        }
        std::thread::sleep(Duration::from_millis(100));
    };

    let empty = "simple_registry_namespace_content_bytes{namespace=\"mirror\"} 0\n";
    assert!(text.contains(empty), "{text}");
    assert_eq!(shown(&text), documented());
    lint(&text);
    assert_eq!(monitor.get("/v2/").unwrap().status, 404);
    assert_eq!(monitor.get("/readyz").unwrap().text(), "ok\n");
}

#[test]
fn operations_of_the_store_are_counted_where_somebody_can_see_them() {
    let place = Place::new("observability = { on_main = true }");
    let server = place.start();
    let mut client = server.client();
    let digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let push = format!("/v2/a/blobs/uploads/?digest={digest}");
    let pushed = client.send("POST", &push, &[], b"hello").unwrap();
    assert_eq!(pushed.status, 201);
    let pulled = client.get(&format!("/v2/a/blobs/{digest}")).unwrap();
    assert_eq!(pulled.text(), "hello");

    let text = client.get("/metrics").unwrap().text();

    for operation in [
        "content_write",
        "content_commit",
        "content_open",
        "content_read",
    ] {
        let name = "simple_registry_store_operation_duration_seconds_count";
        let line = format!("{name}{{operation=\"{operation}\"}} 1\n");
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}

/// Asks Prometheus's own tool.
fn lint(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of the Debian package prometheus");
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let done = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.is_empty(), "{said}");
}

#[test]
fn an_address_that_is_taken_does_not_stop_the_server() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = Place::new(&format!(
        "observability = {{ bind_address = '127.0.0.1', port = {port} }}"
    ));

    let server = place.start();

    assert_eq!(server.client().get("/healthz").unwrap().status, 200);
    assert_eq!(
        place.log().matches("no health and metrics there").count(),
        1
    );
}
