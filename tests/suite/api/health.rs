//! Health and metrics, beside the API (docs/observability.md).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use simple_registry::adapters::http::Settings;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::storage;
use simple_registry::ports::{LockError, LockGuard, LockKey, LockManager};

use crate::support::{Fault, Flaky, Setup, TestRegistry, digest_of};

/// Over a store that fails from now on.
async fn over(fault: Fault) -> TestRegistry {
    let flaky = Flaky::over(storage::open_memory().unwrap(), fault);
    let registry = TestRegistry::with(Setup {
        storage: flaky.ports(),
        ..Setup::default()
    })
    .await;
    flaky.fail_after(0);
    registry
}

#[tokio::test]
async fn a_store_that_fails_is_named_and_the_process_is_healthy() {
    let registry = over(Fault::Outage).await;

    let ready = registry.get("/readyz").send().await.expect_status(503);

    let text = String::from_utf8_lossy(&ready.body).into_owned();
    assert_eq!(text, "not ready: the store fails\n");
    registry.get("/healthz").send().await.expect_status(200);
}

#[tokio::test]
async fn a_store_that_hangs_is_not_waited_for_for_ever() {
    let registry = over(Fault::Hang).await;

    let ready = registry.get("/readyz").send().await.expect_status(503);

    let text = String::from_utf8_lossy(&ready.body).into_owned();
    assert_eq!(text, "not ready: the store does not answer in time\n");
}

#[tokio::test]
async fn the_store_is_asked_once_for_many_probes() {
    let flaky = Flaky::over(storage::open_memory().unwrap(), Fault::Outage);
    let storage = flaky.ports();
    let registry = TestRegistry::with(Setup {
        storage,
        ..Setup::default()
    })
    .await;
    registry.get("/readyz").send().await.expect_status(200);
    let calls = flaky.calls();
    assert!(calls > 0, "the store is really asked");

    for _ in 0..5 {
        registry.get("/readyz").send().await.expect_status(200);
    }

    assert_eq!(flaky.calls(), calls);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    registry.get("/readyz").send().await.expect_status(200);
    assert!(flaky.calls() > calls, "and again after a second");
}

#[tokio::test]
async fn a_lock_that_another_server_holds_is_an_answer() {
    let locks: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(Duration::from_secs(1)));
    let _held = locks.acquire(&LockKey::Readiness).await.unwrap();
    let registry = TestRegistry::with(Setup {
        locks,
        ..Setup::default()
    })
    .await;

    registry.get("/readyz").send().await.expect_status(200);
}

/// A lock store that does not answer.
struct NoLocks;

#[async_trait]
impl LockManager for NoLocks {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        Err(LockError::Unavailable {
            what: key.to_string(),
            source: "connection refused".into(),
        })
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        self.acquire(key).await.map(Some)
    }
}

#[tokio::test]
async fn a_lock_store_that_fails_is_named_and_pulls_go_on() {
    let registry = TestRegistry::with(Setup {
        locks: Arc::new(NoLocks),
        ..Setup::default()
    })
    .await;

    let ready = registry.get("/readyz").send().await.expect_status(503);

    let text = String::from_utf8_lossy(&ready.body).into_owned();
    assert_eq!(text, "not ready: the lock store fails\n");
    registry.get("/healthz").send().await.expect_status(200);
    registry.get("/v2/").send().await.expect_status(200);
}

#[tokio::test]
async fn metrics_are_on_the_main_listener_only_where_that_is_asked_for() {
    let registry = TestRegistry::start().await;

    registry.get("/metrics").send().await.expect_status(404);
    registry.swap(|it| it.settings.serves_metrics = true);
    let answer = registry.get("/metrics").send().await.expect_status(200);

    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(content_type));
    assert!(answer.body.ends_with(b"# EOF\n"));
    let posted = registry.post("/metrics").send().await;
    posted.expect_status(405);
}

#[tokio::test]
async fn no_policy_and_no_limit_is_in_front_of_them() {
    let registry = TestRegistry::with(Setup {
        settings: Settings {
            max_concurrent_requests: 1,
            serves_metrics: true,
            ..Settings::default()
        },
        ..Setup::default()
    })
    .await;
    let location = registry.start_upload("a").await;
    // It holds the only place.
    let _slow = registry
        .raw(&format!(
            "PATCH {location} HTTP/1.1\r\nHost: r\r\nContent-Length: 9\r\n\r\nx"
        ))
        .await;

    for path in ["/healthz", "/readyz", "/metrics"] {
        registry.get(path).send().await.expect_status(200);
    }
    let expected = "simple_registry_http_requests_in_flight 1\n";
    let begun = std::time::Instant::now();
    loop {
        let answer = registry.get("/metrics").send().await.expect_status(200);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if text.contains(expected) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let closed = TestRegistry::with(Setup::with_namespaces([("*", Setup::closed())])).await;
    closed.get("/readyz").send().await.expect_status(200);
}

#[tokio::test]
async fn what_was_done_is_counted() {
    let registry = TestRegistry::start().await;
    let digest = digest_of(b"hello");
    let location = registry.start_upload("a").await;
    let finish = registry.put(format!("{location}?digest={digest}"));
    finish.body("hello").send().await.expect_status(201);
    for _ in 0..2 {
        let pull = registry.get(format!("/v2/a/blobs/{digest}"));
        pull.send().await.expect_status(200);
    }
    registry.swap(|it| it.settings.serves_metrics = true);

    let answer = registry.get("/metrics").send().await.expect_status(200);

    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for line in [
        r#"http_requests_total{action="get-blob",method="GET",code="200"} 2"#,
        r#"http_requests_total{action="complete-upload",method="PUT",code="201"} 1"#,
        r#"http_request_duration_seconds_count{action="get-blob"} 2"#,
        "http_received_bytes_total 5",
        "http_sent_bytes_total 10",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains(&digest), "{text}");
}

#[tokio::test]
async fn denials_are_counted_by_action() {
    let registry = TestRegistry::with(Setup {
        settings: Settings {
            serves_metrics: true,
            ..Settings::default()
        },
        ..Setup::with_namespaces([("*", Setup::closed())])
    })
    .await;
    let denied = registry.get("/v2/a/tags/list").send().await;
    denied.expect_status(403);

    let answer = registry.get("/metrics").send().await.expect_status(200);

    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = r#"policy_denials_total{action="list-tags"} 1"#;
    assert!(text.contains(line), "{text}");
}
