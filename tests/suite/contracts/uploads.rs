//! Upload sessions, and the blobs that they become.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use simple_registry::domain::model::{
    Algorithm, ByteStream, Hasher, RepositoryName, Timestamp, UploadSession,
};
use simple_registry::ports::{AppendError, BlobReader, StoragePorts};

use super::{read, repository, sha256, stream};

async fn begin(ports: &StoragePorts, name: &RepositoryName) -> UploadSession {
    let now = Timestamp::from_millis(0);
    ports
        .uploads
        .create(name, Algorithm::Sha256, now)
        .await
        .unwrap()
}

async fn append(
    ports: &StoragePorts,
    name: &RepositoryName,
    session: &UploadSession,
    bytes: &'static [u8],
) -> UploadSession {
    ports
        .uploads
        .append(name, session, stream(&[bytes]))
        .await
        .unwrap()
}

async fn content(ports: &StoragePorts, bytes: &[u8]) -> Vec<u8> {
    let blob = ports.blobs.open(&sha256(bytes)).await.unwrap().unwrap();
    read(&*blob, 0..blob.size()).await
}

pub async fn a_session_begins_at_nothing(ports: &StoragePorts) {
    let name = repository("a/b");
    let begun = begin(ports, &name).await;

    let session = ports.uploads.get(&name, &begun.id).await.unwrap().unwrap();

    assert_eq!(session.offset(), 0);
}

pub async fn appends_count_once_they_are_saved(ports: &StoragePorts) {
    let name = repository("a");
    let begun = begin(ports, &name).await;
    let longer = append(ports, &name, &begun, b"hello ").await;
    let unsaved = ports.uploads.get(&name, &begun.id).await.unwrap().unwrap();
    assert_eq!(unsaved.offset(), 0);

    ports.uploads.save(&name, &longer).await.unwrap();
    let saved = ports.uploads.get(&name, &begun.id).await.unwrap().unwrap();
    let whole = append(ports, &name, &saved, b"world").await;
    ports.uploads.save(&name, &whole).await.unwrap();

    let whole = ports.uploads.get(&name, &begun.id).await.unwrap().unwrap();
    assert_eq!(whole.offset(), 11);
    assert_eq!(whole.hasher.digest(), sha256(b"hello world"));
}

async fn open(
    ports: &StoragePorts,
    name: &RepositoryName,
    session: &UploadSession,
) -> Option<Box<dyn BlobReader>> {
    ports.uploads.open(name, session).await.unwrap()
}

/// lessons.md, correctness 1
/// Saved or not, and in ranges that know nothing of the appends.
pub async fn what_was_appended_can_be_read_back(ports: &StoragePorts) {
    let name = repository("a");
    let begun = begin(ports, &name).await;
    let longer = append(ports, &name, &begun, b"hello ").await;
    let longer = append(ports, &name, &longer, b"wor").await;
    let whole = append(ports, &name, &longer, b"ld").await;

    let appended = open(ports, &name, &whole).await.unwrap();
    for range in [0..11, 0..6, 4..10, 6..9, 7..8, 10..11, 3..3, 11..11] {
        let read = appended.read(range.clone()).await;
        let chunks: Vec<Bytes> = read.unwrap().try_collect().await.unwrap();
        let expected = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert_eq!(chunks.concat(), b"hello world"[expected], "{range:?}");
    }
    assert!(open(ports, &name, &begun).await.is_none(), "no bytes");
    // What is gone is an error, and not the end.
    ports.uploads.remove(&name, &whole.id).await.unwrap();
    if let Some(gone) = open(ports, &name, &whole).await {
        let failed = match gone.read(0..11).await {
            Ok(stream) => stream.try_collect::<Vec<_>>().await.is_err(),
            Err(_) => true,
        };
        assert!(failed);
    }
}

pub async fn what_was_not_saved_is_written_over(ports: &StoragePorts) {
    let name = repository("a");
    let begun = begin(ports, &name).await;
    append(ports, &name, &begun, b"a very long chunk that nobody saved").await;

    let session = ports.uploads.get(&name, &begun.id).await.unwrap().unwrap();
    let whole = append(ports, &name, &session, b"short").await;
    ports
        .uploads
        .commit(&name, &whole, &sha256(b"short"))
        .await
        .unwrap();

    assert_eq!(content(ports, b"short").await, b"short");
}

pub async fn a_broken_stream_changes_nothing(ports: &StoragePorts) {
    let name = repository("a");
    let begun = begin(ports, &name).await;
    let first = append(ports, &name, &begun, b"first").await;
    ports.uploads.save(&name, &first).await.unwrap();
    let broken: ByteStream = Box::pin(futures_util::stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]));

    let result = ports.uploads.append(&name, &first, broken).await;

    assert!(matches!(result, Err(AppendError::Body(_))));
    let session = ports.uploads.get(&name, &begun.id).await.unwrap().unwrap();
    let whole = append(ports, &name, &session, b"second").await;
    ports
        .uploads
        .commit(&name, &whole, &sha256(b"firstsecond"))
        .await
        .unwrap();
    assert_eq!(content(ports, b"firstsecond").await, b"firstsecond");
}

pub async fn a_session_is_known_in_its_repository_only(ports: &StoragePorts) {
    let session = begin(ports, &repository("a")).await;

    let elsewhere = ports
        .uploads
        .get(&repository("b"), &session.id)
        .await
        .unwrap();

    assert!(elsewhere.is_none());
}

pub async fn committed_bytes_are_the_blob(ports: &StoragePorts) {
    let name = repository("a");
    let session = append(ports, &name, &begin(ports, &name).await, b"blob").await;
    assert_eq!(
        ports
            .uploads
            .digest(&name, &session, Algorithm::Sha256)
            .await
            .unwrap(),
        sha256(b"blob")
    );

    ports
        .uploads
        .commit(&name, &session, &sha256(b"blob"))
        .await
        .unwrap();
    ports.uploads.remove(&name, &session.id).await.unwrap();

    assert_eq!(content(ports, b"blob").await, b"blob");
    assert_eq!(
        ports
            .blobs
            .look(&sha256(b"blob"))
            .await
            .unwrap()
            .thing
            .unwrap()
            .size,
        4
    );
}

pub async fn committing_again_changes_nothing(ports: &StoragePorts) {
    let name = repository("a");
    for _ in 0..2 {
        let session = append(ports, &name, &begin(ports, &name).await, b"blob").await;
        ports
            .uploads
            .commit(&name, &session, &sha256(b"blob"))
            .await
            .unwrap();
        ports
            .uploads
            .commit(&name, &session, &sha256(b"blob"))
            .await
            .unwrap();
        ports.uploads.remove(&name, &session.id).await.unwrap();
    }

    assert_eq!(content(ports, b"blob").await, b"blob");
}

/// storage.md section 3: a wrong file is healed instead of trusted.
pub async fn a_blob_of_the_wrong_size_is_healed(ports: &StoragePorts) {
    let name = repository("a");
    let torn = append(ports, &name, &begin(ports, &name).await, b"bl").await;
    ports
        .uploads
        .commit(&name, &torn, &sha256(b"blob"))
        .await
        .unwrap();
    assert_eq!(content(ports, b"blob").await, b"bl");

    let session = append(ports, &name, &begin(ports, &name).await, b"blob").await;
    ports
        .uploads
        .commit(&name, &session, &sha256(b"blob"))
        .await
        .unwrap();

    assert_eq!(content(ports, b"blob").await, b"blob");
}

pub async fn an_empty_blob_can_be_committed(ports: &StoragePorts) {
    let name = repository("a");
    let session = begin(ports, &name).await;

    ports
        .uploads
        .commit(&name, &session, &sha256(b""))
        .await
        .unwrap();

    assert_eq!(content(ports, b"").await, b"");
}

pub async fn another_algorithm_is_hashed_from_the_bytes(ports: &StoragePorts) {
    let name = repository("a");
    let session = append(ports, &name, &begin(ports, &name).await, b"one").await;
    let session = append(ports, &name, &session, b"two").await;

    let digest = ports
        .uploads
        .digest(&name, &session, Algorithm::Sha512)
        .await
        .unwrap();

    assert_eq!(digest, Hasher::digest_of(Algorithm::Sha512, b"onetwo"));
}

pub async fn a_session_with_another_algorithm_keeps_it(ports: &StoragePorts) {
    let (name, now) = (repository("a"), Timestamp::from_millis(0));
    let begun = ports
        .uploads
        .create(&name, Algorithm::Sha512, now)
        .await
        .unwrap();

    let session = ports.uploads.get(&name, &begun.id).await.unwrap().unwrap();

    assert_eq!(session.hasher.algorithm(), Algorithm::Sha512);
}

pub async fn removed_sessions_are_gone(ports: &StoragePorts) {
    let name = repository("a");
    let session = append(ports, &name, &begin(ports, &name).await, b"x").await;
    ports.uploads.save(&name, &session).await.unwrap();

    ports.uploads.remove(&name, &session.id).await.unwrap();
    ports.uploads.remove(&name, &session.id).await.unwrap();

    assert!(
        ports
            .uploads
            .get(&name, &session.id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(ports.uploads.list().await.unwrap().is_empty());
    assert_eq!(
        ports.uploads.touched(&name, &session.id).await.unwrap(),
        None
    );
}

pub async fn sessions_are_listed_with_their_last_touch(ports: &StoragePorts) {
    let one = begin(ports, &repository("a")).await;
    let two = begin(ports, &repository("a/b/c")).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let two = append(ports, &repository("a/b/c"), &two, b"x").await;
    ports
        .uploads
        .save(&repository("a/b/c"), &two)
        .await
        .unwrap();

    let mut sessions = ports.uploads.list().await.unwrap();

    sessions.sort_by_key(|session| session.touched);
    let ids: Vec<_> = sessions.iter().map(|session| &session.id).collect();
    assert_eq!(ids, [&one.id, &two.id]);
    let touched = ports
        .uploads
        .touched(&repository("a/b/c"), &two.id)
        .await
        .unwrap();
    assert_eq!(touched, Some(sessions[1].touched));
}
