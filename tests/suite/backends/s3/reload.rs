//! A `[storage]` or `[lock_store]` that changes while the registry runs: the lease, and who waits for whom.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use simple_registry::app::config::{Config, parse};
use simple_registry::app::wiring::{Built, Shared, build};
use simple_registry::domain::model::{Body, Digest};
use simple_registry::domain::registry::Registry;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::server::Server;
use crate::backends::redis::RedisServer;
use crate::support::digest_of;

/// Longer than a push takes, and shorter than a claim of the bucket.
const MOMENT: Duration = Duration::from_secs(2);

fn config(server: &Server, keys: &str, lock_store: &str) -> Config {
    let text = format!("{lock_store}\n[storage.s3]\n{}", server.text(keys));
    parse("config.toml", &text, &|_| None).unwrap().config
}

fn shared() -> Shared {
    Shared::new(CancellationToken::new())
}

async fn push(registry: Arc<Registry>, content: &'static str) {
    let digest: Digest = digest_of(content.as_bytes()).parse().unwrap();
    let body = Body::from_bytes(Bytes::from_static(content.as_bytes()));
    let name = "a".parse().unwrap();
    let pushed = registry.uploads().push(&name, &digest, body);
    pushed.await.unwrap();
}

/// The record of who may write to the bucket.
fn owner(server: &Server, prefix: &str) -> Option<serde_json::Value> {
    let record = server.bucket().join(prefix).join("_registry/owner");
    let text = std::fs::read(record).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

async fn until(what: &str, happens: impl Fn() -> bool) {
    for _ in 0..200 {
        if happens() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

async fn start(server: &Server, shared: &Shared) -> Built {
    let built = build(config(server, "", ""), None, shared).await.unwrap();
    push(Arc::clone(&built.registry), "first").await;
    built
}

/// As where a secret is rotated: the bucket is the same, and so are its locks.
#[tokio::test]
async fn another_way_to_the_same_bucket_keeps_the_lease_and_the_locks() {
    let (server, shared) = (Server::start().await, shared());
    let old = start(&server, &shared).await;
    let lease = owner(&server, "a/b").unwrap()["owner"].clone();

    let new = config(&server, "multipart_copy_jobs = 2", "");
    let new = build(new, Some(&old), &shared);
    let new = timeout(MOMENT, new)
        .await
        .expect("it claims nothing")
        .unwrap();

    let pushed = push(Arc::clone(&new.registry), "second");
    timeout(MOMENT, pushed).await.expect("nobody is waited for");
    assert_eq!(owner(&server, "a/b").unwrap()["owner"], lease);
    drop(old);
    push(Arc::clone(&new.registry), "third").await;
    assert!(!shared.lost.is_cancelled());
    new.release(shared).await;
    assert_eq!(owner(&server, "a/b"), None);
}

#[tokio::test]
async fn another_bucket_is_claimed_before_and_the_old_one_given_back_after() {
    let (server, shared) = (Server::start().await, shared());
    let old = start(&server, &shared).await;
    let in_use = Arc::clone(&old.registry);

    let new = config(&server, "key_prefix = 'other'", "");
    let new = build(new, Some(&old), &shared).await.unwrap();
    drop(old);

    assert!(owner(&server, "other").is_some());
    let pushing = tokio::spawn(push(Arc::clone(&new.registry), "second"));
    push(Arc::clone(&in_use), "what began on the old one").await;
    tokio::time::sleep(MOMENT / 2).await;
    assert!(!pushing.is_finished(), "the old one is in use");
    assert!(owner(&server, "a/b").is_some());
    drop(in_use);

    pushing.await.unwrap();
    until("the lease is given back", || {
        owner(&server, "a/b").is_none()
    })
    .await;
    assert!(!shared.lost.is_cancelled());
    new.release(shared).await;
    assert_eq!(owner(&server, "other"), None);
}

/// Nothing has changed where a bucket can't be had.
#[tokio::test]
async fn a_bucket_that_another_server_has_is_refused() {
    let (server, shared) = (Server::start().await, shared());
    let other = config(&server, "key_prefix = 'other'", "");
    let (old, taken) = tokio::join!(start(&server, &shared), build(other.clone(), None, &shared));
    let _taken = taken.unwrap();

    let Err(error) = build(other, Some(&old), &shared).await else {
        panic!("built");
    };

    assert_eq!(error.section, "storage.s3");
    push(Arc::clone(&old.registry), "second").await;
}

/// The lease is the same object: it is given back before it is claimed.
#[tokio::test]
async fn a_lock_store_takes_over_once_nobody_has_a_lock_of_the_old_one() {
    let (server, shared) = (Server::start().await, shared());
    let redis = RedisServer::start();
    let old = start(&server, &shared).await;
    let in_use = Arc::clone(&old.registry);
    let lock_store = format!("lock_store.redis = {{ url = '{}', ttl = 1 }}", redis.url());

    let new = config(&server, "", &lock_store);
    let new = build(new, Some(&old), &shared);
    let new = timeout(MOMENT, new)
        .await
        .expect("it waits behind")
        .unwrap();
    drop(old);

    let pushing = tokio::spawn(push(Arc::clone(&new.registry), "second"));
    push(Arc::clone(&in_use), "what began on the old one").await;
    tokio::time::sleep(MOMENT / 2).await;
    assert!(!pushing.is_finished());
    assert!(owner(&server, "a/b").unwrap().get("group").is_none());
    drop(in_use);

    pushing.await.unwrap();
    assert_eq!(owner(&server, "a/b").unwrap()["group"], true);
    assert!(!shared.lost.is_cancelled());
    new.release(shared).await;
}
