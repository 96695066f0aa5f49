//! Large uploads: parts, pieces, copies, and what is left of broken ones.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use simple_registry::domain::model::{
    Algorithm, ByteStream, Digest, RepositoryName, Timestamp, UploadSession,
};
use simple_registry::ports::StoragePorts;

use super::{Stored, open, open_with};
use crate::contracts::{read, repository, sha256};

const MIB: usize = 1 << 20;

/// Bytes that differ from place to place, and by `seed`.
fn content(size: usize, seed: usize) -> Vec<u8> {
    let byte =
        |at: usize| (at.wrapping_mul(31) ^ (at >> 11) ^ seed.wrapping_mul(97)).to_le_bytes()[0];
    (0..size).map(byte).collect()
}

fn stream(bytes: &[u8]) -> ByteStream {
    let chunks: Vec<_> = bytes
        .chunks(64 << 10)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    Box::pin(futures_util::stream::iter(chunks))
}

async fn begin(ports: &StoragePorts, name: &RepositoryName) -> UploadSession {
    let now = Timestamp::from_millis(0);
    let begun = ports.uploads.create(name, Algorithm::Sha256, now).await;
    begun.unwrap()
}

/// A request of its own for each size, and all that was sent.
async fn push(store: &Stored, name: &RepositoryName, sizes: &[usize]) -> (UploadSession, Vec<u8>) {
    let mut session = begin(&store.ports, name).await;
    let mut whole = Vec::new();
    for (seed, size) in sizes.iter().enumerate() {
        let bytes = content(*size, seed);
        let longer = store.ports.uploads.append(name, &session, stream(&bytes));
        let longer = longer.await.unwrap();
        store.ports.uploads.save(name, &longer).await.unwrap();
        let saved = store.ports.uploads.get(name, &session.id).await.unwrap();
        session = saved.unwrap();
        whole.extend(bytes);
    }
    (session, whole)
}

async fn commit(store: &Stored, name: &RepositoryName, session: &UploadSession, digest: &Digest) {
    let uploads = &store.ports.uploads;
    uploads.commit(name, session, digest).await.unwrap();
    uploads.remove(name, &session.id).await.unwrap();
}

async fn stored(store: &Stored, digest: &Digest) -> Vec<u8> {
    let blob = store.ports.blobs.open(digest).await.unwrap().unwrap();
    read(&*blob, 0..blob.size()).await
}

#[tokio::test]
async fn three_requests_of_8_mib_become_one_blob_without_coming_back() {
    let (store, name) = (open().await, repository("team/app"));
    let (session, whole) = push(&store, &name, &[8 * MIB; 3]).await;
    assert_eq!(session.offset(), 24 << 20);
    let digest = sha256(&whole);
    store.server.asked();

    commit(&store, &name, &session, &digest).await;

    let asked = store.server.asked();
    let copies = asked.iter().filter(|it| it.contains("copy-source-range="));
    assert_eq!(copies.count(), 3, "{asked:#?}");
    let fetched = asked
        .iter()
        .filter(|it| it.starts_with("GET") && it.contains("_pieces/"));
    assert_eq!(fetched.count(), 0, "{asked:#?}");
    assert!(stored(&store, &digest).await == whole);
    let left = store.server.files();
    assert!(!left.iter().any(|it| it.contains("_uploads")), "{left:#?}");
    assert_eq!(store.server.unfinished(), [""; 0]);
}

#[tokio::test]
async fn pieces_of_any_size_fit_together() {
    let (store, name) = (open().await, repository("a"));
    let sizes = [12 * MIB, 3 * MIB, 1000, 0, 6 * MIB + 1, 1];
    let (session, whole) = push(&store, &name, &sizes).await;
    let digest = sha256(&whole);

    commit(&store, &name, &session, &digest).await;

    assert!(stored(&store, &digest).await == whole);
}

#[tokio::test]
async fn small_pieces_become_one_small_blob() {
    let (store, name) = (open().await, repository("a"));
    let (session, whole) = push(&store, &name, &[10, 20, 30]).await;

    commit(&store, &name, &session, &sha256(&whole)).await;

    assert_eq!(stored(&store, &sha256(&whole)).await, whole);
}

#[tokio::test]
async fn a_small_body_is_one_put_and_one_copy() {
    let (store, name) = (open().await, repository("a"));
    let session = begin(&store.ports, &name).await;
    store.server.asked();

    let uploads = &store.ports.uploads;
    let longer = uploads.append(&name, &session, stream(b"small")).await;
    let asked = store.server.asked();
    assert!(
        matches!(&asked[..], [put] if put.starts_with("PUT")),
        "{asked:#?}"
    );

    let digest = sha256(b"small");
    uploads
        .commit(&name, &longer.unwrap(), &digest)
        .await
        .unwrap();
    let asked = store.server.asked();
    let copies = asked.iter().filter(|it| it.contains("x-amz-copy-source="));
    assert_eq!(copies.count(), 1, "{asked:#?}");
    assert!(
        !asked
            .iter()
            .any(|it| it.contains("uploads") && it.starts_with("POST")),
        "{asked:#?}"
    );
}

#[tokio::test]
async fn a_copy_above_the_threshold_is_made_in_parts() {
    let keys = "multipart_copy_threshold = '10MiB'\nmultipart_copy_chunk_size = '5MiB'";
    let (store, name) = (open_with(keys).await, repository("a"));
    for (size, parts) in [(12 * MIB, 3), (9 * MIB, 0)] {
        let (session, whole) = push(&store, &name, &[size]).await;
        let digest = sha256(&whole);
        store.server.asked();

        commit(&store, &name, &session, &digest).await;

        let asked = store.server.asked();
        let ranges = asked.iter().filter(|it| it.contains("copy-source-range="));
        assert_eq!(ranges.count(), parts, "{asked:#?}");
        assert!(stored(&store, &digest).await == whole);
    }
}

#[tokio::test]
async fn a_request_that_is_cut_off_leaves_nothing() {
    let (store, name) = (open().await, repository("a"));
    let uploads = &store.ports.uploads;
    let (session, first) = push(&store, &name, &[100]).await;
    let endless = stream(&content(17 * MIB, 9)).chain(futures_util::stream::pending());

    let cut = uploads.append(&name, &session, Box::pin(endless));
    let cut = tokio::time::timeout(Duration::from_secs(3), cut).await;

    assert!(cut.is_err(), "it waits for more");
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if store.server.unfinished().is_empty() {
            break;
        }
    }
    assert_eq!(store.server.unfinished(), [""; 0]);
    let session = uploads.get(&name, &session.id).await.unwrap().unwrap();
    assert_eq!(session.offset(), 100);
    let longer = uploads
        .append(&name, &session, stream(b"rest"))
        .await
        .unwrap();
    let whole = [first, b"rest".to_vec()].concat();
    commit(&store, &name, &longer, &sha256(&whole)).await;
    assert_eq!(stored(&store, &sha256(&whole)).await, whole);
}

/// P2: the content of a piece is what this request sent, whatever a broken one still has on its way.
#[tokio::test]
async fn two_requests_never_write_one_object() {
    let (store, name) = (open().await, repository("a"));
    let session = begin(&store.ports, &name).await;
    let uploads = &store.ports.uploads;

    let one = uploads
        .append(&name, &session, stream(b"one"))
        .await
        .unwrap();
    let two = uploads
        .append(&name, &session, stream(b"two"))
        .await
        .unwrap();

    assert_ne!(one.pieces[0].name, two.pieces[0].name);
    for (session, bytes) in [(one, b"one"), (two, b"two")] {
        let digest = sha256(bytes);
        uploads.commit(&name, &session, &digest).await.unwrap();
        assert_eq!(stored(&store, &digest).await, bytes);
    }
}

#[tokio::test]
async fn a_body_of_exactly_one_part_is_one_put() {
    let (store, name) = (open().await, repository("a"));
    let session = begin(&store.ports, &name).await;
    let bytes = content(5 * MIB, 1);
    store.server.asked();

    let uploads = &store.ports.uploads;
    let longer = uploads.append(&name, &session, stream(&bytes));
    let longer = longer.await.unwrap();

    assert_eq!(store.server.asked().len(), 1);
    commit(&store, &name, &longer, &sha256(&bytes)).await;
    assert!(stored(&store, &sha256(&bytes)).await == bytes);
}

/// lessons.md, correctness 15
#[tokio::test]
async fn an_upload_whose_end_got_no_answer_has_ended() {
    let (store, name) = (open().await, repository("a"));
    let session = begin(&store.ports, &name).await;
    let bytes = content(11 * MIB, 1);
    store.server.lose_an_end();

    let uploads = &store.ports.uploads;
    let longer = uploads.append(&name, &session, stream(&bytes));
    let longer = longer.await.unwrap();

    let asked = store.server.asked();
    let ends = |it: &&String| it.starts_with("POST") && it.contains("uploadId=");
    assert_eq!(asked.iter().filter(ends).count(), 2, "{asked:#?}");
    commit(&store, &name, &longer, &sha256(&bytes)).await;
    assert!(stored(&store, &sha256(&bytes)).await == bytes);
}

/// lessons.md, correctness 19: only what is old, and whose session is gone for certain.
#[tokio::test]
async fn abandoned_parts_are_found_and_removed() {
    let (store, name) = (open().await, repository("team/app"));
    let alive = begin(&store.ports, &name).await;
    let root = "a/b/docker/registry/v2";
    let piece =
        |id: &str| format!("{root}/repositories/team/app/_uploads/{id}/_pieces/000000-5eed");
    let gone = "01234567-89ab-cdef-0123-456789abcdef";
    let (age, hour) = (Duration::from_hours(500_000), Duration::from_hours(1));
    let now = SystemTime::UNIX_EPOCH + age;
    let blob = format!("{root}/blobs/sha256/00/{}/data", "0".repeat(64));
    store.server.list_unfinished(vec![
        (
            piece(gone),
            "00000000-0000-4000-8000-00000000001d".to_owned(),
            now - hour,
        ),
        (piece(gone), "gone-young".to_owned(), now + hour),
        (piece(alive.id.as_str()), "alive".to_owned(), now - hour),
        (
            blob.clone(),
            "00000000-0000-4000-8000-00000000002d".to_owned(),
            now - 30 * hour,
        ),
        (blob, "copy-young".to_owned(), now - hour),
        (
            "a/b/other".to_owned(),
            "not-ours".to_owned(),
            now - 30 * hour,
        ),
    ]);
    store.server.asked();

    let before = Timestamp::from_millis(i64::try_from(age.as_millis()).unwrap());
    let removed = store.ports.uploads.sweep(before, true).await.unwrap();

    let asked = store.server.asked();
    let aborted: Vec<_> = asked
        .iter()
        .filter(|it| it.starts_with("DELETE"))
        .map(|it| it.split_once("uploadId=").unwrap().1)
        .collect();
    assert_eq!(
        aborted,
        [
            "00000000-0000-4000-8000-00000000001d",
            "00000000-0000-4000-8000-00000000002d"
        ]
    );
    assert_eq!(removed, 2);
}

/// s3s-fs is such a service: it answers 501.
#[tokio::test]
async fn a_service_that_lists_no_unfinished_uploads_will_do() {
    let store = open().await;

    let removed = store
        .ports
        .uploads
        .sweep(Timestamp::from_millis(0), true)
        .await;

    assert_eq!(removed.unwrap(), 0);
}
