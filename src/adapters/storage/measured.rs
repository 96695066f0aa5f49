//! A store whose operations are measured, and each of which is a span of a trace. It does nothing else: what a tree does
//! its own way, it goes on doing so, which is why every method is here.

use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::metrics::StoreMetrics;
use super::tree::{Entries, Places, Tree, Valid};
use crate::domain::model::{
    Algorithm, ByteStream, Digest, Listing, Look, Page, RepositoryName, Sight, Timestamp, UploadId,
    UploadSession,
};
use crate::ports::{AppendError, BlobReader, IdleSession, Segments, StoreError, UploadSessions};

/// Another one, measured.
pub(super) struct Measured<T: ?Sized> {
    inner: Arc<T>,
    metrics: StoreMetrics,
}

impl<T: ?Sized> Measured<T> {
    pub(super) fn new(inner: Arc<T>, metrics: &StoreMetrics) -> Self {
        let metrics = metrics.clone();
        Self { inner, metrics }
    }
}

macro_rules! measured {
    ($port:ident {
        $($operation:literal $path:expr =>
            $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
    } $($other:tt)*) => {
        #[async_trait]
        impl $port for Measured<dyn $port> {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                let call = self.metrics.call($operation, $path);
                call.of(self.inner.$name($($argument),*)).await
            })*
            $($other)*
        }
    };
}

#[rustfmt::skip] // a table
measured! {
    Tree {
        "read" path => read(path: &str) -> Option<Bytes>;
        "stat" path => has(path: &str) -> bool;
        "write" path => write(path: &str, bytes: Bytes) -> ();
        "write" path => write_synced(path: &str, bytes: Bytes) -> ();
        "write" path => write_private(path: &str, bytes: Bytes) -> ();
        "stat" path => stat(path: &str) -> Option<Sight>;
        "touch" path => touch(path: &str) -> bool;
        "touch" path => renew(path: &str, bytes: Bytes) -> ();
        "touch" path => stamp(path: &str) -> ();
        "list" dir => times(dir: &str) -> Vec<(String, Timestamp)>;
        "list" dir => read_times(dir: &str, leaf: &'static str) -> Vec<(String, Timestamp)>;
        "stat" dir => look(dir: &str, name: &str) -> Look;
        "mark" dir => condemn(dir: &str, id: &str) -> Option<String>;
        "mark" dir => doom(dir: &str, id: &str) -> bool;
        "mark" dir => pardon(dir: &str) -> ();
        "remove" path => remove(path: &str) -> ();
        "remove" dir => remove_all(dir: &str) -> ();
        "list" dir => children(dir: &str, leaf: &str, page: &Page<String>) -> Listing<String>;
        "list" root => walk(root: &str, markers: &'static [&'static str]) -> Vec<String>;
        "list" root => marked(root: &str, markers: &'static [&'static str], valid: Valid, page: &Page<String>) -> Listing<String>;
        "list" dir => has_any(dir: &str) -> bool;
        "write" to => relocate(from: &str, to: &str) -> ();
        "remove" dir => prune(dir: &str) -> ();
        "persist" "" => persist() -> ();
        "remove" "" => sweep(before: Timestamp, remove: bool) -> usize;
    }

    fn places(&self, dir: &str, name: &'static str) -> Places {
        let call = self.metrics.call("list", dir);
        call.through(self.inner.places(dir, name))
    }

    fn below(&self, dir: &str) -> Entries {
        self.metrics.call("list", dir).through(self.inner.below(dir))
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        self.metrics.open(path, self.inner.open(path)).await
    }
}

impl StoreMetrics {
    /// What `work` opens, measured.
    async fn open(
        &self,
        path: impl Display,
        work: impl Future<Output = Result<Option<Box<dyn BlobReader>>, StoreError>>,
    ) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        let reader = self.call("content_open", &path).of(work).await?;
        Ok(reader.map(|reader| {
            let (path, metrics) = (path.to_string(), self.clone());
            let reader = MeasuredReader {
                reader,
                path,
                metrics,
            };
            Box::new(reader) as Box<dyn BlobReader>
        }))
    }
}

struct MeasuredReader {
    reader: Box<dyn BlobReader>,
    path: String,
    metrics: StoreMetrics,
}

#[async_trait]
impl BlobReader for MeasuredReader {
    fn size(&self) -> u64 {
        self.reader.size()
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let call = self.metrics.call("content_read", &self.path);
        let stream = call.of(self.reader.read(range)).await?;
        Ok(call.through(stream))
    }

    fn segments(&self, range: Range<u64>) -> Option<Segments> {
        let segments = self.reader.segments(range)?;
        let call = self.metrics.call("content_read", &self.path);
        Some(call.through(segments))
    }
}

#[rustfmt::skip] // a table
measured! {
    UploadSessions {
        "session" repository => create(repository: &RepositoryName, algorithm: Algorithm, now: Timestamp) -> UploadSession;
        "session" id => get(repository: &RepositoryName, id: &UploadId) -> Option<UploadSession>;
        "session" &session.id => save(repository: &RepositoryName, session: &UploadSession) -> ();
        "content_commit" digest => commit(repository: &RepositoryName, session: &UploadSession, digest: &Digest) -> ();
        "session" id => remove(repository: &RepositoryName, id: &UploadId) -> ();
        "list" "" => list() -> Vec<IdleSession>;
        "session" id => touched(repository: &RepositoryName, id: &UploadId) -> Option<Timestamp>;
        "remove" "" => sweep(before: Timestamp, remove: bool) -> usize;
    }

    async fn append(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        stream: ByteStream,
    ) -> Result<UploadSession, AppendError> {
        let call = self.metrics.call("content_write", &session.id);
        let is_ours = |error: &AppendError| matches!(error, AppendError::Store(_));
        call.blaming(self.inner.append(repository, session, stream), is_ours).await
    }

    async fn open(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        self.metrics.open(&session.id, self.inner.open(repository, session)).await
    }

    /// Mostly, nothing is read for it.
    async fn digest(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        algorithm: Algorithm,
    ) -> Result<Digest, StoreError> {
        self.inner.digest(repository, session, algorithm).await
    }
}

#[cfg(test)]
mod tests;
