//! Uploads: push blobs, piece by piece or whole.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::error::RegistryError;
use crate::domain::looks::Looks;
use crate::domain::model::{
    Algorithm, Body, Digest, RepositoryName, Timestamp, UploadId, UploadSession,
};
use crate::ports::{
    AppendError, BlobLinks, Clock, IdleSession, LockGuard, LockKey, LockManager, StoragePorts,
    UploadSessions,
};

mod chunk;
mod mount;

pub use chunk::ChunkRange;
use chunk::{bounded, expected_length};
pub use mount::MountSource;
use mount::Mounts;

/// Pushes of blobs.
pub struct Uploads {
    sessions: Arc<dyn UploadSessions>,
    links: Arc<dyn BlobLinks>,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    looks: Looks,
    mounts: Mounts,
}

impl Uploads {
    pub(super) fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            sessions: Arc::clone(&storage.uploads),
            links: Arc::clone(&storage.links),
            locks: Arc::clone(locks),
            clock: Arc::clone(clock),
            mounts: Mounts::new(storage, locks),
            looks: Looks::new(storage, locks),
        }
    }

    /// Begins a session (end-4a). It hashes with `algorithm` on the way
    /// (end-4c); finishing with a digest of another one costs a second read.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`].
    pub async fn start(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<UploadSession, RegistryError> {
        let now = self.clock.now();
        Ok(self.sessions.create(repository, algorithm, now).await?)
    }

    /// Where the session stands (end-13).
    ///
    /// # Errors
    ///
    /// [`RegistryError::UploadUnknown`].
    pub async fn status(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<UploadSession, RegistryError> {
        self.sessions
            .get(repository, id)
            .await?
            .ok_or(RegistryError::UploadUnknown)
    }

    /// Appends a chunk (end-5). It counts whole or not at all: after an error
    /// the session stands where it stood.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UploadInvalid`] for a chunk that does not continue the
    /// session, or while another request appends to it;
    /// [`RegistryError::SizeInvalid`] for a body of another length than its
    /// range; [`RegistryError::UploadUnknown`].
    pub async fn append(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        range: Option<ChunkRange>,
        body: Body,
    ) -> Result<UploadSession, RegistryError> {
        let lock = self.lock(repository, id).await?;
        lock.during(async {
            let session = self.status(repository, id).await?;
            let longer = self.receive(repository, &session, range, body).await?;
            self.sessions.save(repository, &longer).await?;
            Ok(longer)
        })
        .await
    }

    /// Appends what is left and makes the session's bytes the blob `digest`
    /// (end-6). Asked again after it was done, it does no harm and succeeds.
    /// After a refusal the session stands where it stood.
    ///
    /// # Errors
    ///
    /// As [`Uploads::append`], and [`RegistryError::DigestInvalid`] where the
    /// bytes have another digest.
    pub async fn finish(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        digest: &Digest,
        range: Option<ChunkRange>,
        body: Body,
    ) -> Result<(), RegistryError> {
        let lock = match self.lock(repository, id).await {
            // Whoever holds it has finished the session this very moment.
            Err(RegistryError::UploadUnknown) => {
                return self.finished_before(repository, digest).await;
            }
            lock => lock?,
        };
        lock.during(async {
            let Some(session) = self.sessions.get(repository, id).await? else {
                return self.finished_before(repository, digest).await;
            };
            let whole = self.receive(repository, &session, range, body).await?;
            self.publish(repository, &whole, digest).await?;
            self.clean_up(repository, id).await;
            Ok(())
        })
        .await
    }

    /// Pushes a blob in one request (end-4b). A refusal leaves nothing behind.
    ///
    /// # Errors
    ///
    /// As [`Uploads::finish`].
    pub async fn push(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        body: Body,
    ) -> Result<(), RegistryError> {
        let session = self.start(repository, digest.algorithm()).await?;
        // Nobody else knows the session, but it must not expire meanwhile.
        let lock = self.lock(repository, &session.id).await?;
        lock.during(async {
            let pushed = async {
                let whole = self.receive(repository, &session, None, body).await?;
                self.publish(repository, &whole, digest).await
            };
            let pushed = pushed.await;
            self.clean_up(repository, &session.id).await;
            pushed
        })
        .await
    }

    /// Gives the repository a blob that another one has (end-11). False where
    /// that cannot be: the client then pushes it as usual.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`].
    pub async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        source: MountSource<'_>,
    ) -> Result<bool, RegistryError> {
        self.mounts.mount(repository, digest, source).await
    }

    /// Gives up a push (end-14). What was received is gone.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UploadUnknown`].
    pub async fn cancel(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<(), RegistryError> {
        let lock = self.lock(repository, id).await?;
        lock.during(async {
            self.status(repository, id).await?;
            Ok(self.sessions.remove(repository, id).await?)
        })
        .await
    }

    /// Removes the sessions that were idle for longer than `max_age`, and
    /// temporary files of that age. How many of both.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`].
    pub async fn expire(&self, max_age: Duration) -> Result<usize, RegistryError> {
        let removed = self.expire_those(max_age, |_| true).await?;
        Ok(removed + self.sweep(max_age, true).await?)
    }

    /// Removes those idle sessions that `is_given_up` says yes to.
    pub(super) async fn expire_those(
        &self,
        max_age: Duration,
        mut is_given_up: impl FnMut(&IdleSession) -> bool,
    ) -> Result<usize, RegistryError> {
        let now = self.clock.now();
        let is_old = |touched: Timestamp| now.since(touched) > max_age;
        let mut removed = 0;
        for idle in self.sessions.list().await? {
            if !is_old(idle.touched) {
                continue;
            }
            let key = LockKey::Session(idle.id.clone());
            let Some(lock) = self.locks.try_acquire(&key).await? else {
                continue;
            };
            let expired = async {
                // Under the lock, once more: it may have moved on since the listing.
                let touched = self.sessions.touched(&idle.repository, &idle.id).await?;
                let is_over = touched.is_some_and(is_old) && is_given_up(&idle);
                if is_over {
                    self.sessions.remove(&idle.repository, &idle.id).await?;
                }
                Ok::<_, RegistryError>(usize::from(is_over))
            };
            removed += lock.during(expired).await?;
        }
        Ok(removed)
    }

    /// Removes what writes left behind that never ended, or only counts it.
    pub(super) async fn sweep(
        &self,
        max_age: Duration,
        remove: bool,
    ) -> Result<usize, RegistryError> {
        let before = self.clock.now().before(max_age);
        Ok(self.sessions.sweep(before, remove).await?)
    }

    /// The session's lock. Who comes second is told where the session stands,
    /// not kept waiting: the first may send for hours.
    pub(super) async fn lock(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<LockGuard, RegistryError> {
        let key = LockKey::Session(id.clone());
        match self.locks.try_acquire(&key).await? {
            Some(guard) => Ok(guard),
            None => Err(RegistryError::UploadInvalid(Box::new(
                self.status(repository, id).await?,
            ))),
        }
    }

    /// Stores a chunk behind the session's offset, if it is what it says it is.
    async fn receive(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        range: Option<ChunkRange>,
        body: Body,
    ) -> Result<UploadSession, RegistryError> {
        let Some(expected) = expected_length(session, range, body.length)? else {
            let longer = self.sessions.append(repository, session, body.stream);
            return Ok(longer.await?);
        };
        if expected == 0 {
            return Ok(session.clone());
        }

        let stream = bounded(body.stream, expected);
        let longer = self.sessions.append(repository, session, stream).await?;
        let received = longer.offset() - session.offset();
        if received != expected {
            return Err(RegistryError::SizeInvalid(format!(
                "the chunk was announced with {expected} bytes and has {}",
                if received > expected {
                    "more".to_owned()
                } else {
                    received.to_string()
                }
            )));
        }
        Ok(longer)
    }

    /// Makes the session's bytes a blob of the repository. The link comes
    /// first, as the claim; then the looks; the content takes its name last.
    pub(super) async fn publish(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let algorithm = digest.algorithm();
        let actual = self.sessions.digest(repository, session, algorithm).await?;
        if actual != *digest {
            return Err(RegistryError::DigestInvalid(format!(
                "the content has the digest {actual}, not {digest}"
            )));
        }

        loop {
            self.links.add(repository, digest).await?;
            if self.looks.link(repository, digest).await?.is_some() {
                break;
            }
        }
        let stored = self.looks.data(digest).await?;
        if stored.is_none_or(|blob| blob.size != session.offset()) {
            self.sessions.commit(repository, session, digest).await?;
        }
        self.mounts.remember(repository, digest).await;
        Ok(())
    }

    /// The session is over, and its client was or will be told how it ended.
    /// What cannot be removed now goes when it is too old.
    pub(super) async fn clean_up(&self, repository: &RepositoryName, id: &UploadId) {
        if let Err(error) = self.sessions.remove(repository, id).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, %repository, %id, "what is left of an upload goes when it has expired");
        }
    }

    /// A session that is gone may have been finished by a request whose answer
    /// got lost. Then the repository has the link; that the blob exists
    /// somewhere would not do: it would grant access to another's content.
    async fn finished_before(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        if self.links.refresh(repository, digest).await?
            && self.looks.blob(repository, digest).await?.is_some()
        {
            return Ok(());
        }
        Err(RegistryError::UploadUnknown)
    }
}

impl From<AppendError> for RegistryError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Body(source) => Self::BodyBroken(source),
            AppendError::Store(source) => source.into(),
        }
    }
}

#[cfg(test)]
mod tests;
