use std::time::Duration;

use futures_util::TryStreamExt;

use super::*;
use crate::domain::model::{Algorithm, Hasher, Timestamp};
use crate::ports::{MockBlobReader, MockBlobStore};

const CONTENT: &[u8] = b"0123456789";

fn part(range: Range<u64>) -> ByteStream {
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    let bytes = Ok(Bytes::from_static(&CONTENT[range]));
    Box::pin(futures_util::stream::iter([bytes]))
}

/// All of it, where it can still be read.
fn content(is_there: bool, in_files: bool) -> Box<dyn BlobReader> {
    let mut content = MockBlobReader::new();
    content.expect_read().returning(move |range| {
        if is_there {
            return Ok(part(range));
        }
        Err(crate::domain::world::outage())
    });
    content.expect_segments().returning(move |range| {
        let file = Ok(Segment::File(Arc::new("a file"), range));
        in_files.then(|| Box::pin(futures_util::stream::iter([file])) as Segments)
    });
    Box::new(content)
}

/// What is in the session up to `until`.
fn stage(fill: &Fill, until: u64) {
    fill.stages(content(true, false).into(), until);
}

struct Alarm {
    rings: bool,
}

#[async_trait]
impl Clock for Alarm {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    async fn sleep(&self, _duration: Duration) {
        if !self.rings {
            std::future::pending::<()>().await;
        }
    }
}

/// A reader of `fill`, whose patience has an end where that is said.
fn reader(fill: &Arc<Fill>, impatient: bool) -> FillReader {
    let mut blobs = MockBlobStore::new();
    blobs
        .expect_open()
        .returning(|_| Ok(Some(content(true, true))));
    FillReader {
        fill: Arc::clone(fill),
        blobs: Arc::new(blobs),
        clock: Arc::new(Alarm { rings: impatient }),
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
    stage(&fill, 6);
    fill.receives(Bytes::from_static(b"678"));
    let reader = reader(&fill, true);

    assert_eq!(read(&reader, 0..9).await.unwrap(), b"012345678");
    assert_eq!(read(&reader, 2..4).await.unwrap(), b"23");
    assert_eq!(read(&reader, 7..8).await.unwrap(), b"7");
    assert!(is_stuck(read(&reader, 8..10)).await);
}

/// A crowd would have it copied for each of its clients.
#[tokio::test]
async fn who_is_sent_files_leaves_what_is_in_memory_until_it_is_in_one() {
    let fill = arriving(&[b"01", b"2345"]);
    let reader = reader(&fill, false);
    let mut segments = reader.segments(0..10).unwrap();

    let here = segments.try_next().await.unwrap().unwrap();
    assert!(matches!(here, Segment::Bytes(bytes) if bytes == "01"));
    fill.stages(content(true, true).into(), 6);
    fill.receives(Bytes::from_static(b"6789"));
    let staged = segments.try_next().await.unwrap().unwrap();
    assert!(matches!(staged, Segment::File(_, range) if range == (2..6)));
    assert!(is_stuck(segments.try_next()).await);
    fill.stages(content(true, true).into(), 10);
    let most = segments.try_next().await.unwrap().unwrap();
    assert!(matches!(most, Segment::File(_, range) if range == (6..9)));
    fill.is_verified();
    fill.is_stored(10);

    let stored = segments.try_next().await.unwrap().unwrap();
    assert!(matches!(stored, Segment::File(_, range) if range == (9..10)));
    assert!(segments.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_file_that_is_late_is_not_waited_for() {
    let fill = arriving(&[b"0123"]);
    fill.stages(content(true, true).into(), 4);
    fill.receives(Bytes::from_static(b"45"));
    fill.receives(Bytes::from_static(b"67"));
    let reader = reader(&fill, true);
    let mut segments = reader.segments(4..10).unwrap();

    for late in ["45", "67"] {
        let here = segments.try_next().await.unwrap().unwrap();
        assert!(matches!(here, Segment::Bytes(bytes) if bytes == late));
    }
    assert!(is_stuck(segments.try_next()).await);
}

#[tokio::test]
async fn a_range_that_has_not_arrived_is_waited_for() {
    let fill = arriving(&[b"01"]);
    let reader = reader(&fill, false);
    let (read, ()) = tokio::join!(read(&reader, 1..6), async {
        tokio::task::yield_now().await;
        fill.receives(Bytes::from_static(b"23"));
        tokio::task::yield_now().await;
        stage(&fill, 4);
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
    stage(&fill, 4);
    fill.receives(Bytes::from_static(b"456789"));
    fill.is_verified();
    fill.stages(content(false, false).into(), 10);
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
