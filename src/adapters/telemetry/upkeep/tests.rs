use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prometheus_client::encoding::text::encode;

use super::*;
use crate::domain::collector::NamespaceUsage;
use crate::ports::{Lease, MockLockManager};

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

#[test]
fn what_is_stored_is_shown_while_it_is_known() {
    let metrics = UpkeepMetrics::default();
    let used = NamespaceUsage {
        content: 5,
        repositories: 2,
    };
    let usage = |names: &[&str]| Usage {
        content: 7,
        namespaces: names.iter().map(|it| ((*it).to_owned(), used)).collect(),
    };

    assert!(!shown(&metrics).contains("content_bytes"));
    metrics.stored(Some(&usage(&["(none)", "a/b"])));
    let both = shown(&metrics);
    metrics.stored(Some(&usage(&["a/b"])));
    let one = shown(&metrics);
    metrics.stored(None);

    assert!(both.contains("\nsimple_registry_store_content_bytes 7\n"));
    for name in ["(none)", "a/b"] {
        for (metric, value) in [("content_bytes", 5), ("repositories", 2)] {
            let line =
                format!("\nsimple_registry_namespace_{metric}{{namespace=\"{name}\"}} {value}\n");
            assert!(both.contains(&line), "{line} is not in {both}");
            assert_eq!(one.contains(&line), name != "(none)", "{one}");
        }
    }
    assert!(!shown(&metrics).contains("content_bytes"));
}

/// A hold that has ended.
struct Ended(LockKey);

impl Lease for Ended {
    fn key(&self) -> &LockKey {
        &self.0
    }

    fn stands(&self) -> bool {
        false
    }

    fn lost(&self) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }

    fn release(&self) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

#[tokio::test]
async fn a_lock_that_is_lost_under_its_work_is_counted_and_no_other() {
    let mut locks = MockLockManager::new();
    let ended = |key: &LockKey| LockGuard::leased(Ended(key.clone()));
    locks.expect_acquire().returning(move |key| Ok(ended(key)));
    locks
        .expect_try_acquire()
        .times(1)
        .returning(move |key| Ok(Some(ended(key))));
    locks
        .expect_try_acquire()
        .returning(|_| Ok(Some(LockGuard::new(()))));
    let metrics = UpkeepMetrics::default();
    let locks = metrics.over(Arc::new(locks));

    let waited = locks.acquire(&LockKey::Collector).await.unwrap();
    let tried = locks.try_acquire(&LockKey::Collector).await.unwrap();
    let sound = locks.try_acquire(&LockKey::Collector).await.unwrap();
    for (guard, is_lost) in [(Some(waited), true), (tried, true), (sound, false)] {
        let work = async { Ok::<_, LockError>(()) };
        let done = guard.unwrap().during(work).await;
        assert_eq!(done.is_err(), is_lost);
    }

    let text = shown(&metrics);
    assert!(text.contains("locks_lost_total 2\n"), "{text}");
}
