use std::time::Duration;

use futures_util::TryStreamExt;

use super::*;
use crate::domain::model::{Algorithm, Hasher, Timestamp};
use crate::domain::world::repository;
use crate::ports::{MockBlobReader, MockBlobStore, MockUploadSessions};

const CONTENT: &[u8] = b"0123456789";

fn session(arrived: &[u8]) -> UploadSession {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(arrived);
    UploadSession {
        id: "01234567-89ab-cdef-0123-456789abcdef".parse().unwrap(),
        started_at: Timestamp::from_millis(0),
        hasher,
        pieces: Vec::new(),
        unknown: serde_json::Map::new(),
    }
}

fn part(range: Range<u64>) -> ByteStream {
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    let bytes = Ok(Bytes::from_static(&CONTENT[range]));
    Box::pin(futures_util::stream::iter([bytes]))
}

/// All of it, and it lies in a file of the system's.
fn content() -> Box<dyn BlobReader> {
    let mut content = MockBlobReader::new();
    content.expect_read().returning(|range| Ok(part(range)));
    content.expect_segments().returning(|range| {
        let file = Segment::File(Arc::new("a file"), range);
        Some(Box::pin(futures_util::stream::iter([Ok(file)])))
    });
    Box::new(content)
}

/// A reader of `fill`, whose session can be read as long as it is there.
fn reader(fill: &Arc<Fill>, session_is_there: bool) -> FillReader {
    let mut sessions = MockUploadSessions::new();
    sessions.expect_open().returning(move |_, _| {
        if session_is_there {
            return Ok(Some(content()));
        }
        Err(crate::domain::world::outage())
    });
    let mut blobs = MockBlobStore::new();
    blobs.expect_open().returning(|_| Ok(Some(content())));
    FillReader {
        fill: Arc::clone(fill),
        sessions: Arc::new(sessions),
        blobs: Arc::new(blobs),
        repository: repository(),
        digest: Hasher::digest_of(Algorithm::Sha256, CONTENT),
        size: 10,
    }
}

async fn read(reader: &FillReader, range: Range<u64>) -> io::Result<Vec<u8>> {
    let stream = reader.read(range).await.unwrap();
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    Ok(chunks.concat())
}

async fn is_stuck<T>(future: impl Future<Output = T>) -> bool {
    let waited = tokio::time::timeout(Duration::from_millis(20), future);
    waited.await.is_err()
}

fn arriving(chunks: &[&'static [u8]]) -> Arc<Fill> {
    let fill = Arc::new(Fill::default());
    fill.begins(10);
    for chunk in chunks {
        fill.receives(Bytes::from_static(chunk));
    }
    fill
}

#[tokio::test]
async fn ranges_are_served_from_what_has_arrived() {
    let fill = arriving(&[b"0123", b"45"]);
    fill.stages(&session(b"012345"));
    fill.receives(Bytes::from_static(b"678"));
    let reader = reader(&fill, true);

    assert_eq!(read(&reader, 0..9).await.unwrap(), b"012345678");
    assert_eq!(read(&reader, 2..4).await.unwrap(), b"23");
    assert_eq!(read(&reader, 7..8).await.unwrap(), b"7");
    assert!(is_stuck(read(&reader, 8..10)).await);
}

/// What came last is in memory yet.
#[tokio::test]
async fn what_is_staged_or_stored_in_a_file_is_told_as_that() {
    let fill = arriving(&[b"0123", b"45"]);
    fill.stages(&session(b"012345"));
    fill.receives(Bytes::from_static(b"6789"));
    let reader = reader(&fill, true);
    let mut segments = reader.segments(2..10).unwrap();

    let staged = segments.try_next().await.unwrap().unwrap();
    assert!(matches!(staged, Segment::File(_, range) if range == (2..6)));
    let here = segments.try_next().await.unwrap().unwrap();
    assert!(matches!(here, Segment::Bytes(bytes) if bytes == "678"));
    assert!(is_stuck(segments.try_next()).await);
    fill.is_verified();
    fill.stages(&session(CONTENT));
    fill.is_stored(10);

    let stored = segments.try_next().await.unwrap().unwrap();
    assert!(matches!(stored, Segment::File(_, range) if range == (9..10)));
    assert!(segments.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_range_that_has_not_arrived_is_waited_for() {
    let fill = arriving(&[b"01"]);
    let reader = reader(&fill, true);
    let (read, ()) = tokio::join!(read(&reader, 1..6), async {
        tokio::task::yield_now().await;
        fill.receives(Bytes::from_static(b"23"));
        tokio::task::yield_now().await;
        fill.stages(&session(b"0123"));
        fill.receives(Bytes::from_static(b"456"));
    });

    assert_eq!(read.unwrap(), b"12345");
}

#[tokio::test]
async fn the_last_byte_is_held_back_until_the_digest_is_known() {
    let fill = arriving(&[CONTENT]);
    let reader = reader(&fill, true);
    let stream = reader.read(0..10).await.unwrap();
    let mut stream = std::pin::pin!(stream);

    let most = stream.try_next().await.unwrap().unwrap();
    assert_eq!(most, &CONTENT[..9]);
    assert!(is_stuck(stream.try_next()).await);
    fill.is_verified();

    assert_eq!(stream.try_next().await.unwrap().unwrap(), &CONTENT[9..]);
    assert!(stream.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_fill_that_fails_breaks_every_reader_off() {
    let fill = arriving(&[CONTENT]);
    let reader = reader(&fill, true);

    let (read, ()) = tokio::join!(read(&reader, 0..10), async {
        tokio::task::yield_now().await;
        fill.fails(RegistryError::NameUnknown);
        fill.fails(RegistryError::UploadUnknown);
    });

    assert!(read.is_err());
    let failure = fill.size().await.unwrap_err();
    assert!(
        matches!(*failure, RegistryError::NameUnknown),
        "the first failure counts"
    );
}

#[tokio::test]
async fn who_is_behind_when_the_blob_is_stored_goes_on_in_the_store() {
    let fill = arriving(&[b"0123"]);
    fill.stages(&session(b"0123"));
    fill.receives(Bytes::from_static(b"456789"));
    fill.is_verified();
    fill.stages(&session(CONTENT));
    let behind = reader(&fill, false);
    assert!(read(&behind, 0..10).await.is_err(), "the store fails");

    fill.is_stored(10);

    assert_eq!(read(&behind, 0..10).await.unwrap(), CONTENT);
    fill.fails(RegistryError::NameUnknown);
    assert_eq!(fill.size().await.unwrap(), 10, "stored is stored");
}

#[tokio::test]
async fn a_blob_without_bytes_is_opened_when_it_is_verified() {
    let fill = Arc::new(Fill::default());
    fill.begins(0);
    assert!(is_stuck(fill.size()).await);

    fill.is_verified();

    assert_eq!(fill.size().await.unwrap(), 0);
}
