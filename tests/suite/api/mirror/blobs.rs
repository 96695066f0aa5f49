//! Blobs: one fetch for everybody, from the first byte on.

use std::sync::Arc;
use std::time::Duration;

use simple_registry::adapters::http::Settings;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::storage;
use simple_registry::ports::{LockKey, LockManager};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ALWAYS, eventually, mirror, setup};
use crate::support::{CHUNK, FakeUpstream, Image, Setup, TestRegistry, random};

fn path(digest: &str) -> String {
    format!("/v2/hub/app/blobs/{digest}")
}

/// A GET whose answer is read by hand.
async fn open(registry: &TestRegistry, digest: &str) -> TcpStream {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        path(digest)
    );
    registry.raw(&request).await
}

/// Reads the head of an answer, and `length` bytes of its body.
async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.unwrap());
    }
    assert!(text.starts_with(b"HTTP/1.1 200"), "{text:?}");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    body
}

async fn is_stored(registry: &TestRegistry, digest: &str) -> bool {
    let (name, digest) = ("hub/app".parse().unwrap(), digest.parse().unwrap());
    registry
        .registry()
        .blobs()
        .open(&name, &digest)
        .await
        .is_ok()
}

#[tokio::test]
async fn many_clients_are_one_fetch_and_all_get_every_byte() {
    let hub = FakeUpstream::new("hub");
    let content = random(1, 3_000_000);
    let digest = hub.has_blob(&content);
    let registry = mirror(&[&hub], ALWAYS).await;

    let pulls = (0..20).map(|_| registry.get(path(&digest)).send());
    for pulled in futures_util::future::join_all(pulls).await {
        assert!(pulled.expect_status(200).body == content);
    }

    eventually(async || is_stored(&registry, &digest).await).await;
    let again = registry.get(path(&digest)).send().await;
    assert!(again.expect_status(200).body == content);
    assert_eq!(hub.asked(), ["GET blob 0-"]);
}

#[tokio::test]
async fn a_blob_of_several_steps_is_put_together() {
    let dir = tempfile::tempdir().unwrap();
    let content = random(1, 20 << 20);
    for storage in [
        storage::open_memory().unwrap(),
        storage::open_files(dir.path(), false, 256 << 10).unwrap(),
    ] {
        let hub = FakeUpstream::new("hub");
        let digest = hub.has_blob(&content);
        let setup = setup(&[&hub], ALWAYS);
        let registry = TestRegistry::with(Setup { storage, ..setup }).await;

        // Who comes later begins with what is in the session.
        let pulls = (0..4).map(|number| {
            let call = registry.get(path(&digest));
            async move {
                tokio::time::sleep(Duration::from_millis(30 * number)).await;
                call.send().await
            }
        });
        for pulled in futures_util::future::join_all(pulls).await {
            assert!(pulled.expect_status(200).body == content);
        }
        eventually(async || is_stored(&registry, &digest).await).await;
    }
}

#[tokio::test]
async fn the_first_byte_does_not_wait_for_the_last() {
    let hub = FakeUpstream::gated("hub");
    let content = random(1, 3 * CHUNK);
    let digest = hub.has_blob(&content);
    let registry = mirror(&[&hub], ALWAYS).await;
    let mut first = open(&registry, &digest).await;
    hub.gate.add_permits(1);
    assert_eq!(read(&mut first, CHUNK).await, content[..CHUNK]);

    // A second one gets what has arrived, and a range of it too.
    let mut second = open(&registry, &digest).await;
    assert_eq!(read(&mut second, CHUNK).await, content[..CHUNK]);
    let range = registry.get(path(&digest)).header("Range", "bytes=10-19");
    let range = range.send().await.expect_status(206);
    assert_eq!(range.body, content[10..20]);
    let size = content.len();
    let content_range = format!("bytes 10-19/{size}");
    assert_eq!(range.header("content-range"), Some(&*content_range));

    hub.gate.add_permits(2);
    for client in [&mut first, &mut second] {
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, content[CHUNK..]);
    }
    assert_eq!(hub.asked(), ["GET blob 0-"]);
}

#[tokio::test]
async fn a_client_that_leaves_stops_nothing() {
    let hub = FakeUpstream::gated("hub");
    let digest = hub.has_blob(&random(1, 3 * CHUNK));
    let registry = mirror(&[&hub], ALWAYS).await;
    let mut client = open(&registry, &digest).await;
    hub.gate.add_permits(1);
    read(&mut client, 10).await;
    client.shutdown().await.unwrap();
    drop(client);

    hub.gate.add_permits(2);

    eventually(async || is_stored(&registry, &digest).await).await;
}

#[tokio::test]
async fn a_wrong_blob_ends_its_clients_transfers_and_is_not_stored() {
    let (one, two) = (FakeUpstream::new("one"), FakeUpstream::new("two"));
    let content = random(1, 3 * CHUNK);
    let digest = two.has_blob(&content);
    let wrong = random(2, 3 * CHUNK);
    one.state()
        .blobs
        .insert(digest.clone(), wrong.clone().into());
    let registry = mirror(&[&one, &two], ALWAYS).await;
    let mut client = open(&registry, &digest).await;

    let mut text = Vec::new();
    let end = client.read_to_end(&mut text).await;

    assert!(!text.ends_with(&wrong), "{end:?}");
    assert!(!is_stored(&registry, &digest).await);
    assert_eq!(one.asked(), ["GET blob 0-"]);
    // Whoever asks again is helped by the other upstream.
    let pulled = registry.get(path(&digest)).send().await;
    assert!(pulled.expect_status(200).body == content);
    assert_eq!((one.asked().len(), two.asked().len()), (0, 1));
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_not_noticed() {
    let hub = FakeUpstream::new("hub");
    let content = random(1, 5 * CHUNK);
    let digest = hub.has_blob(&content);
    hub.state().breaks.extend([1500, 0]);
    let registry = mirror(&[&hub], ALWAYS).await;

    let pulled = registry.get(path(&digest)).send().await;

    assert!(pulled.expect_status(200).body == content);
    assert_eq!(
        hub.asked(),
        ["GET blob 0-", "GET blob 1500-", "GET blob 1500-"]
    );
}

#[tokio::test]
async fn asking_whether_a_blob_is_there_does_not_fetch_it() {
    let hub = FakeUpstream::new("hub");
    let digest = hub.has_blob(b"content");
    let registry = mirror(&[&hub], ALWAYS).await;

    let head = registry.head(path(&digest)).send().await.expect_status(200);

    assert_eq!(head.header("content-length"), Some("7"));
    assert_eq!(hub.asked(), ["HEAD blob"]);
    assert!(!is_stored(&registry, &digest).await);
}

#[tokio::test]
async fn an_empty_blob_is_pulled_through() {
    let hub = FakeUpstream::new("hub");
    let digest = hub.has_blob(b"");
    let registry = mirror(&[&hub], ALWAYS).await;

    let pulled = registry.get(path(&digest)).send().await;

    assert_eq!(pulled.expect_status(200).body, b"");
}

/// CVE-2024-39897, and the other way round: what another repository has is not
/// fetched twice, but it is the upstream's word that opens it.
#[tokio::test]
async fn content_that_is_here_needs_only_the_upstreams_word() {
    let hub = FakeUpstream::new("hub");
    let registry = mirror(&[&hub], ALWAYS).await;
    let digest = registry.push_blob("own/app", b"content").await;

    let unknown = registry.get(path(&digest)).send().await;
    unknown.expect_error(404, "BLOB_UNKNOWN");
    assert_eq!(hub.asked(), ["HEAD blob", "GET blob 0-"]);
    hub.has_blob(b"content");

    let elsewhere = registry.get(format!("/v2/hub/other/blobs/{digest}"));
    assert_eq!(elsewhere.send().await.expect_status(200).body, b"content");
    assert_eq!(hub.asked(), ["HEAD blob"]);
}

#[tokio::test]
async fn nobody_pushes_to_a_mirror_and_a_delete_evicts() {
    let hub = FakeUpstream::new("hub");
    let image = Image::new(1);
    super::has_image(&hub, "latest", &image);
    let registry = mirror(&[&hub], Duration::from_mins(1)).await;
    let start = registry.post("/v2/hub/app/blobs/uploads/").send().await;
    start.expect_error(405, "UNSUPPORTED");
    let put = registry.put("/v2/hub/app/manifests/latest");
    let put = put.body(&image.manifest).send().await;
    put.expect_error(405, "UNSUPPORTED");

    let manifest = "/v2/hub/app/manifests/latest";
    registry.get(manifest).send().await.expect_status(200);
    let layer = crate::support::digest_of(&image.layer);
    registry.get(path(&layer)).send().await.expect_status(200);
    eventually(async || is_stored(&registry, &layer).await).await;
    hub.asked();

    // A manifest needs it; but this is a cache.
    registry
        .delete(path(&layer))
        .send()
        .await
        .expect_status(202);
    registry.delete(manifest).send().await.expect_status(202);

    registry.get(path(&layer)).send().await.expect_status(200);
    registry.get(manifest).send().await.expect_status(200);
    assert_eq!(
        hub.asked(),
        ["HEAD blob", "GET manifest latest"],
        "the content itself waits for the collector"
    );
}

#[tokio::test]
async fn what_another_server_fetches_is_waited_for() {
    let (storage, locks) = (
        storage::open_memory().unwrap(),
        Arc::new(MemoryLocks::new(Duration::from_secs(10))),
    );
    let server = |hub: &Arc<FakeUpstream>| Setup {
        storage: storage.clone(),
        locks: Arc::clone(&locks) as Arc<dyn LockManager>,
        ..setup(&[hub], ALWAYS)
    };
    let (slow, other) = (FakeUpstream::gated("slow"), FakeUpstream::new("other"));
    let content = random(1, 3 * CHUNK);
    let digest = slow.has_blob(&content);
    other.has_blob(&content);
    let (one, two) = (
        TestRegistry::with(server(&slow)).await,
        TestRegistry::with(server(&other)).await,
    );
    let mut first = open(&one, &digest).await;
    slow.gate.add_permits(1);
    read(&mut first, CHUNK).await;

    let second = two.get(path(&digest)).send();
    let (second, ()) = tokio::join!(second, async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        slow.gate.add_permits(2);
    });

    assert!(second.expect_status(200).body == content);
    assert_eq!(other.asked(), [""; 0]);
}

#[tokio::test]
async fn another_server_is_not_waited_for_for_ever() {
    let hub = FakeUpstream::new("hub");
    let content = random(1, 3 * CHUNK);
    let digest = hub.has_blob(&content);
    let setup = setup(&[&hub], ALWAYS);
    let key = LockKey::Fill("hub/app".parse().unwrap(), digest.parse().unwrap());
    let _dead = setup.locks.acquire(&key).await.unwrap();
    let registry = TestRegistry::with(setup).await;

    let pulled = registry.get(path(&digest)).send().await;

    assert!(pulled.expect_status(200).body == content);
}

#[tokio::test]
async fn no_more_than_so_many_blobs_are_fetched_at_a_time() {
    let hub = FakeUpstream::gated("hub");
    let digests: Vec<String> = (0..70)
        .map(|seed| hub.has_blob(&random(seed, 10)))
        .collect();
    let setup = setup(&[&hub], ALWAYS);
    let settings = Settings {
        max_concurrent_requests: 100,
        ..setup.settings
    };
    let registry = TestRegistry::with(Setup { settings, ..setup }).await;

    let pulls = digests
        .iter()
        .map(|digest| registry.get(path(digest)).send());
    let (pulled, ()) = tokio::join!(futures_util::future::join_all(pulls), async {
        eventually(async || hub.state().asked.len() >= 64).await;
        // The others would have come by now.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(hub.state().asked.len(), 64);
        hub.gate.add_permits(1000);
    });

    for pulled in pulled {
        pulled.expect_status(200);
    }
    assert_eq!(hub.asked().len(), 70);
}
