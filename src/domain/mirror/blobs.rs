//! Blobs of a mirror: one fetch fills the store and feeds whoever waits.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::lock::Mutex as AsyncMutex;

use super::feed::Feed;
use super::fill::{Fill, FillReader};
use super::{Mirror, Source, shared};
use crate::domain::error::RegistryError;
use crate::domain::model::{ByteStream, Digest, RepositoryName, UploadSession};
use crate::ports::{BlobReader, LockGuard, LockKey, UpstreamError};

/// How much is appended to the session at a time. It bounds what one fill holds
/// in memory, and on S3 it is the size of a piece, which is copied without its
/// bytes coming here only from 5 MiB on.
const STEP: u64 = 8 << 20;

/// In how many steps a blob is received at most: S3 has a limit on pieces.
const MOST_STEPS: u64 = 5000;

/// How long a blob is left to another server that fetches it already, and how
/// often it is looked for meanwhile. After that it is fetched here too: what is
/// large should not keep its first byte back for as long as the whole takes.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How many blobs are fetched at a time, and how often who comes then looks
/// whether that is over. It bounds the memory: fills stay when clients leave.
const MOST_FILLS: usize = 64;
const WAIT: Duration = Duration::from_millis(100);

/// How long an upstream that sent a wrong blob is asked for it after the others.
const DISTRUST: Duration = Duration::from_mins(10);

type Fills = HashMap<(RepositoryName, Digest), Arc<Fill>>;

impl Mirror {
    /// The size of a blob that is not here. It stays where it is.
    pub(in crate::domain) async fn stat_blob(
        &self,
        source: &Source,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<u64, RegistryError> {
        self.refuse_unknown(repository, digest)?;
        let found = source.ask(0, |upstream| upstream.stat_blob(repository, digest));
        found
            .await?
            .ok_or_else(|| self.is_unknown(repository, digest))
    }

    /// Opens a blob that is not here: it is fetched once, stored, and can be
    /// read while it arrives.
    pub(in crate::domain) async fn open_blob(
        self: &Arc<Self>,
        source: &Arc<Source>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Box<dyn BlobReader>, RegistryError> {
        self.refuse_unknown(repository, digest)?;
        let fill = loop {
            match self.fill(source, repository, digest) {
                Some(fill) => break fill,
                None => self.clock.sleep(WAIT).await,
            }
        };
        let size = fill.size().await.map_err(|error| shared(&error))?;
        Ok(Box::new(FillReader {
            fill,
            blobs: Arc::clone(&self.blobs),
            clock: Arc::clone(&self.clock),
            digest: digest.clone(),
            size,
        }))
    }

    fn refuse_unknown(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        if self.is_known_to_be_unknown(repository, &format!("blob {digest}")) {
            return Err(RegistryError::BlobUnknown(digest.clone()));
        }
        Ok(())
    }

    fn is_unknown(&self, repository: &RepositoryName, digest: &Digest) -> RegistryError {
        self.remember_unknown(repository, format!("blob {digest}"));
        RegistryError::BlobUnknown(digest.clone())
    }

    fn fills(&self) -> MutexGuard<'_, Fills> {
        self.fills.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fill that is going on, or a new one, which then goes on whether
    /// anybody reads it or not. `None` where there are too many.
    fn fill(
        self: &Arc<Self>,
        source: &Arc<Source>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Option<Arc<Fill>> {
        let key = (repository.clone(), digest.clone());
        let mut fills = self.fills();
        if let Some(fill) = fills.get(&key) {
            return Some(Arc::clone(fill));
        }
        if fills.len() >= MOST_FILLS {
            return None;
        }
        let fill = Arc::new(Fill::default());
        fills.insert(key, Arc::clone(&fill));
        let filling = Filling {
            mirror: Arc::clone(self),
            source: Arc::clone(source),
            repository: repository.clone(),
            digest: digest.clone(),
            fill: Arc::clone(&fill),
        };
        let work = async move {
            if let Err(error) = filling.run().await {
                if !matches!(error, RegistryError::BlobUnknown(_)) {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    let (repository, digest) = (&filling.repository, &filling.digest);
                    tracing::warn!(%error, cause, %repository, %digest, "a blob is not stored");
                }
                filling.fill.fails(error);
            }
        };
        self.tasks.spawn(work.boxed());
        Some(fill)
    }
}

/// One blob on its way into the store.
struct Filling {
    mirror: Arc<Mirror>,
    source: Arc<Source>,
    repository: RepositoryName,
    digest: Digest,
    fill: Arc<Fill>,
}

/// Whoever waits is told, however it ended.
impl Drop for Filling {
    fn drop(&mut self) {
        let key = (self.repository.clone(), self.digest.clone());
        self.mirror.fills().remove(&key);
        let stopped = "the fetch of the blob was stopped";
        self.fill.fails(RegistryError::Unavailable(stopped.into()));
    }
}

impl Filling {
    async fn run(&self) -> Result<(), RegistryError> {
        let _lock = match self.turn().await? {
            Turn::Ours(lock) => lock,
            Turn::Stored => return Ok(()),
        };
        if self.adopt().await? {
            return Ok(());
        }
        let (mirror, repository, digest) = (&self.mirror, &self.repository, &self.digest);
        let key = (repository.clone(), digest.clone());
        let distrusted = mirror.corrupt.within(&key, mirror.clock.now(), DISTRUST);
        let after = usize::from(distrusted);
        let feed = Feed::open(&self.source, &mirror.clock, repository, digest, after);
        let Some(feed) = feed.await? else {
            return Err(mirror.is_unknown(repository, digest));
        };
        self.fill.begins(feed.size());

        let uploads = &mirror.uploads;
        let session = uploads.start(repository, digest.algorithm()).await?;
        let lock = uploads.lock(repository, &session.id).await?;
        lock.during(async {
            let filled = self.receive(feed, session.clone()).await;
            uploads.clean_up(repository, &session.id).await;
            filled
        })
        .await
    }

    /// Waits while another server fetches the blob, but not for long.
    async fn turn(&self) -> Result<Turn, RegistryError> {
        let mirror = &self.mirror;
        let key = LockKey::Fill(self.repository.clone(), self.digest.clone());
        let mut waited = Duration::ZERO;
        loop {
            if !waited.is_zero() && self.is_here().await? {
                return Ok(Turn::Stored);
            }
            if let Some(lock) = mirror.locks.try_acquire(&key).await? {
                return Ok(Turn::Ours(Some(lock)));
            }
            if waited >= PATIENCE {
                return Ok(Turn::Ours(None));
            }
            mirror.clock.sleep(LOOK_AGAIN).await;
            waited += LOOK_AGAIN;
        }
    }

    async fn is_here(&self) -> Result<bool, RegistryError> {
        let stored = self.mirror.looks.blob(&self.repository, &self.digest);
        let stored = stored.await?;
        if let Some(blob) = &stored {
            self.fill.is_stored(blob.size);
        }
        Ok(stored.is_some())
    }

    /// Content that another repository has need not be fetched again: that the
    /// upstream has it for this one is enough.
    async fn adopt(&self) -> Result<bool, RegistryError> {
        let (mirror, repository, digest) = (&self.mirror, &self.repository, &self.digest);
        let Some(stored) = mirror.blobs.look(digest).await?.thing else {
            return Ok(false);
        };
        let size = self
            .source
            .ask(0, |upstream| upstream.stat_blob(repository, digest));
        if size.await? != Some(stored.size) {
            return Ok(false);
        }
        mirror.links.add(repository, digest).await?;
        self.is_here().await
    }

    async fn receive(&self, feed: Feed, mut session: UploadSession) -> Result<(), RegistryError> {
        let (mirror, repository, digest) = (&self.mirror, &self.repository, &self.digest);
        let size = feed.size();
        let step = STEP.max(size.div_ceil(MOST_STEPS));
        let feed = Arc::new(AsyncMutex::new(feed));
        while session.offset() < size {
            let stream = self.take(&feed, step);
            session = mirror.sessions.append(repository, &session, stream).await?;
            // None only where nothing arrived.
            if let Some(reader) = mirror.sessions.open(repository, &session).await? {
                self.fill.stages(reader.into(), session.offset());
            }
        }

        let algorithm = digest.algorithm();
        let actual = mirror.sessions.digest(repository, &session, algorithm);
        let actual = actual.await?;
        if actual != *digest {
            let key = (repository.clone(), digest.clone());
            mirror.corrupt.note(key, mirror.clock.now());
            return Err(UpstreamError::Invalid {
                upstream: self.source.names(),
                what: format!("the blob {repository}@{digest}"),
                why: format!("its bytes have the digest {actual}"),
            }
            .into());
        }
        self.fill.is_verified();
        mirror.uploads.publish(repository, &session, digest).await?;
        self.fill.is_stored(size);
        Ok(())
    }

    /// So many of the next bytes, which readers see as well.
    fn take(&self, feed: &Arc<AsyncMutex<Feed>>, step: u64) -> ByteStream {
        let state = (Arc::clone(feed), Arc::clone(&self.fill), step);
        let bytes = futures_util::stream::try_unfold(state, |(feed, fill, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let Some(bytes) = feed.lock().await.next().await? else {
                return Ok(None);
            };
            fill.receives(bytes.clone());
            let left = left.saturating_sub(bytes.len() as u64);
            Ok(Some((bytes, (feed, fill, left))))
        });
        Box::pin(bytes)
    }
}

/// Whose turn it is.
enum Turn {
    /// This server's, with the lock if nobody else has it.
    Ours(Option<LockGuard>),
    /// Nobody's: another one has stored the blob.
    Stored,
}
