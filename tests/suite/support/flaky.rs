//! A store that fails at a chosen call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use simple_registry::domain::model::{
    Algorithm, ByteStream, Descriptor, Digest, Listing, Look, Page, RepositoryName, Tag, Thing,
    Timestamp, UploadId, UploadSession,
};
use simple_registry::ports::{
    AppendError, BlobLinks, BlobReader, BlobStore, Deletion, DeletionRecord, DeletionRecords,
    Durability, Everything, Findings, IdleSession, ManifestInfo, ManifestStore, Marks, NewManifest,
    ReferrerIndex, RepositoryIndex, StoragePorts, StoreError, StoredManifest, TagIndex,
    UploadSessions,
};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// With an error.
    Outage,
    /// With a panic.
    Panic,
    /// By never coming back.
    Hang,
}

/// Counts the calls to a store, and lets one of them fail.
pub struct Flaky {
    inner: StoragePorts,
    fault: Fault,
    /// How many calls succeed until one fails.
    left: AtomicUsize,
}

impl Flaky {
    /// A store that works.
    pub fn over(inner: StoragePorts, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            inner,
            fault,
            left: AtomicUsize::new(usize::MAX),
        })
    }

    /// Lets so many calls succeed from now on, and the next one fail.
    pub fn fail_after(&self, calls: usize) {
        self.left.store(calls, Ordering::SeqCst);
    }

    /// How many calls there were, while none was to fail.
    pub fn calls(&self) -> usize {
        usize::MAX - self.left.load(Ordering::SeqCst)
    }

    /// Whether the call that was to fail has come.
    pub fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) > usize::MAX / 2
    }

    async fn call(&self) -> Result<(), StoreError> {
        // Beneath zero it wraps around: only one call fails.
        if self.left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return Ok(());
        }
        match self.fault {
            Fault::Outage => {}
            Fault::Panic => panic!("a bug, secret"),
            Fault::Hang => std::future::pending().await,
        }
        Err(StoreError::Unavailable {
            what: "a secret".to_owned(),
            source: "the disk is on fire".into(),
        })
    }

    /// The store as ports.
    pub fn ports(self: &Arc<Self>) -> StoragePorts {
        StoragePorts {
            blobs: Arc::clone(self) as Arc<dyn BlobStore>,
            locator: None,
            uploads: Arc::clone(self) as Arc<dyn UploadSessions>,
            links: Arc::clone(self) as Arc<dyn BlobLinks>,
            marks: Arc::clone(self) as Arc<dyn Marks>,
            manifests: Arc::clone(self) as Arc<dyn ManifestStore>,
            tags: Arc::clone(self) as Arc<dyn TagIndex>,
            referrers: Arc::clone(self) as Arc<dyn ReferrerIndex>,
            repositories: Arc::clone(self) as Arc<dyn RepositoryIndex>,
            deletions: Arc::clone(self) as Arc<dyn DeletionRecords>,
            pulls: Arc::clone(&self.inner.pulls),
            token_keys: Arc::clone(&self.inner.token_keys),
            hints: None,
            survey: Arc::clone(&self.inner.survey),
            durability: Arc::clone(self) as Arc<dyn Durability>,
        }
    }
}

/// Each method counts, and passes on; a listing counts when it is begun.
macro_rules! passes_on {
    ($trait:ident, $port:ident; $(
        fn $method:ident($($argument:ident: $type:ty),*) -> $output:ty;
    )* $(lists fn $list:ident($($about:ident: $about_type:ty),*);)?) => {
        #[async_trait]
        impl $trait for Flaky {
            $(async fn $method(&self, $($argument: $type),*) -> $output {
                self.call().await?;
                self.inner.$port.$method($($argument),*).await
            })*
            $(fn $list(&self, $($about: $about_type),*) -> Findings {
                match self.call().now_or_never() {
                    Some(Ok(())) => self.inner.$port.$list($($about),*),
                    Some(Err(error)) => Box::pin(stream::iter([Err(error)])),
                    None => Box::pin(stream::pending()),
                }
            })?
        }
    };
}

passes_on! { BlobStore, blobs;
    fn look(digest: &Digest) -> Result<Look, StoreError>;
    fn open(digest: &Digest) -> Result<Option<Box<dyn BlobReader>>, StoreError>;
    fn remove(digest: &Digest) -> Result<(), StoreError>;
    lists fn list();
}

passes_on! { UploadSessions, uploads;
    fn create(r: &RepositoryName, a: Algorithm, now: Timestamp) -> Result<UploadSession, StoreError>;
    fn get(r: &RepositoryName, id: &UploadId) -> Result<Option<UploadSession>, StoreError>;
    fn append(r: &RepositoryName, s: &UploadSession, stream: ByteStream) -> Result<UploadSession, AppendError>;
    fn save(r: &RepositoryName, s: &UploadSession) -> Result<(), StoreError>;
    fn open(r: &RepositoryName, s: &UploadSession) -> Result<Option<Box<dyn BlobReader>>, StoreError>;
    fn digest(r: &RepositoryName, s: &UploadSession, a: Algorithm) -> Result<Digest, StoreError>;
    fn commit(r: &RepositoryName, s: &UploadSession, d: &Digest) -> Result<(), StoreError>;
    fn remove(r: &RepositoryName, id: &UploadId) -> Result<(), StoreError>;
    fn list() -> Result<Vec<IdleSession>, StoreError>;
    fn touched(r: &RepositoryName, id: &UploadId) -> Result<Option<Timestamp>, StoreError>;
    fn sweep(before: Timestamp, remove: bool) -> Result<usize, StoreError>;
}

passes_on! { BlobLinks, links;
    fn add(r: &RepositoryName, d: &Digest) -> Result<(), StoreError>;
    fn refresh(r: &RepositoryName, d: &Digest) -> Result<bool, StoreError>;
    fn look(r: &RepositoryName, d: &Digest) -> Result<Look, StoreError>;
    fn exists(r: &RepositoryName, d: &Digest) -> Result<bool, StoreError>;
    fn remove(r: &RepositoryName, d: &Digest) -> Result<(), StoreError>;
    lists fn list(r: &RepositoryName);
}

passes_on! { Marks, marks;
    fn condemn(thing: &Thing) -> Result<Option<String>, StoreError>;
    fn doom(thing: &Thing, id: &str) -> Result<bool, StoreError>;
    fn since(thing: &Thing, id: &str) -> Result<Option<Timestamp>, StoreError>;
    fn pardon(thing: &Thing) -> Result<(), StoreError>;
    fn now() -> Result<Timestamp, StoreError>;
}

passes_on! { ManifestStore, manifests;
    fn get(r: &RepositoryName, d: &Digest) -> Result<Option<StoredManifest>, StoreError>;
    fn stat(r: &RepositoryName, d: &Digest) -> Result<Option<ManifestInfo>, StoreError>;
    fn describe(r: &RepositoryName, d: &Digest, size: u64) -> Result<Option<ManifestInfo>, StoreError>;
    fn claim(r: &RepositoryName, d: &Digest) -> Result<Option<Bytes>, StoreError>;
    fn look(r: &RepositoryName, d: &Digest) -> Result<Look, StoreError>;
    fn put_pending(r: &RepositoryName, m: &NewManifest) -> Result<(), StoreError>;
    fn put_content(d: &Digest, bytes: &Bytes) -> Result<(), StoreError>;
    fn settle(r: &RepositoryName, m: &NewManifest) -> Result<(), StoreError>;
    fn remove(r: &RepositoryName, d: &Digest) -> Result<(), StoreError>;
    fn list(r: &RepositoryName, page: &Page<Digest>) -> Result<Listing<Digest>, StoreError>;
}

passes_on! { TagIndex, tags;
    fn get(r: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, StoreError>;
    fn pushed_at(r: &RepositoryName, tag: &Tag) -> Result<Option<Timestamp>, StoreError>;
    fn set(r: &RepositoryName, tag: &Tag, d: &Digest) -> Result<(), StoreError>;
    fn remove(r: &RepositoryName, tag: &Tag) -> Result<(), StoreError>;
    fn list(r: &RepositoryName, page: &Page<Tag>) -> Result<Listing<Tag>, StoreError>;
    fn pointing_at(r: &RepositoryName, d: &Digest) -> Result<Vec<Tag>, StoreError>;
}

passes_on! { ReferrerIndex, referrers;
    fn add(r: &RepositoryName, subject: &Digest, referrer: &Descriptor) -> Result<(), StoreError>;
    fn remove(r: &RepositoryName, subject: &Digest, referrer: &Digest) -> Result<(), StoreError>;
    fn get(r: &RepositoryName, subject: &Digest, referrer: &Digest) -> Result<Option<Descriptor>, StoreError>;
    fn list(r: &RepositoryName, subject: &Digest) -> Result<Vec<Digest>, StoreError>;
}

passes_on! { RepositoryIndex, repositories;
    fn exists(r: &RepositoryName) -> Result<bool, StoreError>;
    fn list(page: &Page<String>) -> Result<Listing<RepositoryName>, StoreError>;
    fn everything() -> Result<Everything, StoreError>;
}

passes_on! { DeletionRecords, deletions;
    fn add(r: &RepositoryName, deletion: &Deletion) -> Result<(), StoreError>;
    fn list(r: &RepositoryName, before: Timestamp) -> Result<Vec<DeletionRecord>, StoreError>;
    fn remove(r: &RepositoryName, id: &str) -> Result<(), StoreError>;
}

passes_on! { Durability, durability;
    fn persist() -> Result<(), StoreError>;
}
