//! Content by digest.

use futures_util::TryStreamExt;
use simple_registry::domain::model::Thing;
use simple_registry::ports::StoragePorts;

use super::{read, repository, sha256, store_blob};

pub async fn an_absent_blob_is_none(ports: &StoragePorts) {
    let digest = sha256(b"never");

    assert!(ports.blobs.open(&digest).await.unwrap().is_none());
    assert_eq!(ports.blobs.look(&digest).await.unwrap().thing, None);
}

pub async fn a_blob_reads_in_ranges(ports: &StoragePorts) {
    let bytes: &'static [u8] = Vec::leak((0..200_000_u32).flat_map(u32::to_le_bytes).collect());
    let digest = store_blob(ports, &repository("a"), bytes).await;

    let blob = ports.blobs.open(&digest).await.unwrap().unwrap();

    let size = bytes.len() as u64;
    assert_eq!(blob.size(), size);
    for range in [
        0..size,
        0..0,
        0..1,
        size - 1..size,
        65_535..65_537,
        100..300_000,
        size..size,
    ] {
        let at = |n: u64| usize::try_from(n).unwrap();
        let expected = &bytes[at(range.start)..at(range.end)];
        assert!(read(&*blob, range.clone()).await == expected, "{range:?}");
    }
}

pub async fn a_listing_of_content_tells_its_sizes(ports: &StoragePorts) {
    let name = repository("a");
    let (one, two) = (
        store_blob(ports, &name, b"12345").await,
        store_blob(ports, &name, b"").await,
    );
    let marked = Thing::Data(one.clone());
    ports.marks.condemn(&marked).await.unwrap();

    let found = ports.blobs.list().try_concat().await.unwrap();

    let size = |digest| {
        let found = found.iter().find(|it| it.digest == digest);
        found.map(|it| it.size)
    };
    assert_eq!((size(one), size(two)), (Some(5), Some(0)));
}
