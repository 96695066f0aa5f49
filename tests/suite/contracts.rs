//! What every adapter of a port must do: plain functions, run by `backends`.

pub mod blob_links;
pub mod blobs;
pub mod collector;
pub mod locks;
pub mod manifests;
pub mod marks;
pub mod pulls;
pub mod referrers;
pub mod repositories;
pub mod scrub;
pub mod tags;
pub mod token_keys;
pub mod tokens;
pub mod undelete;
pub mod uploads;

use bytes::Bytes;
use futures_util::TryStreamExt;
use simple_registry::domain::model::{
    Algorithm, ByteStream, Digest, Hasher, MediaType, RepositoryName, Tag, Timestamp,
};
use simple_registry::ports::{BlobReader, NewManifest, StoragePorts};

pub fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

pub fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

pub fn sha256(bytes: &[u8]) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, bytes)
}

pub fn stream(chunks: &[&'static [u8]]) -> ByteStream {
    let chunks: Vec<_> = chunks.iter().map(|c| Ok(Bytes::from_static(c))).collect();
    Box::pin(futures_util::stream::iter(chunks))
}

pub async fn read(reader: &dyn BlobReader, range: std::ops::Range<u64>) -> Vec<u8> {
    let stream = reader.read(range).await.unwrap();
    let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
    chunks.concat()
}

/// Puts `bytes` into the store by the only way there is.
pub async fn store_blob(
    ports: &StoragePorts,
    repository: &RepositoryName,
    bytes: &'static [u8],
) -> Digest {
    let now = Timestamp::from_millis(0);
    let session = ports
        .uploads
        .create(repository, Algorithm::Sha256, now)
        .await
        .unwrap();
    let session = ports
        .uploads
        .append(repository, &session, stream(&[bytes]))
        .await
        .unwrap();
    let digest = sha256(bytes);
    ports
        .uploads
        .commit(repository, &session, &digest)
        .await
        .unwrap();
    ports.uploads.remove(repository, &session.id).await.unwrap();
    digest
}

pub fn manifest(text: &'static str) -> NewManifest {
    NewManifest {
        digest: sha256(text.as_bytes()),
        media_type: MediaType::parse("application/vnd.example+json").unwrap(),
        bytes: Bytes::from_static(text.as_bytes()),
        pushed_at: Timestamp::from_millis(1_700_000_000_123),
        pushed_by: Some("ann".to_owned()),
    }
}

pub async fn store_manifest(
    ports: &StoragePorts,
    name: &RepositoryName,
    text: &'static str,
) -> Digest {
    let new = manifest(text);
    ports.manifests.put_pending(name, &new).await.unwrap();
    ports.manifests.settle(name, &new).await.unwrap();
    new.digest
}
