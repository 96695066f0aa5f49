//! The registry: the façade that inbound adapters hold.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::access::Access;
use crate::domain::blobs::Blobs;
use crate::domain::catalog::Catalog;
use crate::domain::error::RegistryError;
use crate::domain::eviction::{Evicted, Eviction};
use crate::domain::login::Login;
use crate::domain::manifests::{FoundManifest, Manifests};
use crate::domain::mirror::{Mirror, Source, Stores};
use crate::domain::model::{
    AccessRequest, Action, Caller, Digest, Page, Reference, RepositoryName,
};
use crate::domain::namespaces::Namespaces;
use crate::domain::pulls::Pulls;
use crate::domain::referrers::{Referrers, ReferrersPage};
use crate::domain::removals::Patience;
use crate::domain::tags::Tags;
use crate::domain::uploads::Uploads;
use crate::ports::{BlobReader, Clock, LockManager, StoragePorts, Tasks};

/// Every use case over one set of ports.
///
/// The futures of its writing methods must be run to their end, even when the
/// client leaves: whoever calls them gives each a task of its own.
pub struct Registry {
    access: Arc<Access>,
    blobs: Blobs,
    uploads: Arc<Uploads>,
    manifests: Arc<Manifests>,
    tags: Tags,
    referrers: Arc<Referrers>,
    catalog: Catalog,
    mirror: Arc<Mirror>,
    pulls: Arc<Pulls>,
    eviction: Eviction,
    login: Option<Login>,
}

impl Registry {
    /// A registry over `storage` that grants what `namespaces` say.
    #[must_use]
    pub fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
        tasks: &Arc<dyn Tasks>,
        namespaces: Namespaces,
    ) -> Self {
        let access = Arc::new(Access::new(Arc::new(namespaces)));
        let uploads = Arc::new(Uploads::new(storage, locks, clock));
        let patience = Patience::of_a_task(clock, tasks);
        let manifests = Manifests::new(storage, locks, clock, &patience, Arc::clone(&access));
        let manifests = Arc::new(manifests);
        let referrers = Arc::new(Referrers::new(storage));
        let stores = Stores {
            manifests: &manifests,
            uploads: &uploads,
            referrers: &referrers,
        };
        let eviction = Eviction::new(storage, locks, &patience, &manifests, &access);
        Self {
            access,
            eviction,
            blobs: Blobs::new(storage, locks, &patience),
            mirror: Mirror::new(storage, locks, clock, tasks, &stores),
            pulls: Pulls::new(storage, clock, tasks),
            uploads,
            manifests,
            tags: Tags::new(storage),
            referrers,
            catalog: Catalog::new(storage),
            login: None,
        }
    }

    /// The same, but for identities. Without any, every caller is anonymous.
    #[must_use]
    pub fn with_identities(self, login: Option<Login>) -> Self {
        Self { login, ..self }
    }

    /// The same, and it remembers what `earlier` has learnt about the same store, under the same locks.
    #[must_use]
    pub fn succeeding(self, earlier: &Self) -> Self {
        Self {
            uploads: Arc::clone(&earlier.uploads),
            pulls: Arc::clone(&earlier.pulls),
            ..self
        }
    }

    /// How callers say who they are; `None` where there are no identities.
    #[must_use]
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Who may do what.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Lets the request pass that the policies allow; but nobody pushes to a
    /// repository that mirrors another registry's.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Denied`], [`RegistryError::Unsupported`].
    pub fn authorise(&self, caller: &Caller, request: &AccessRequest) -> Result<(), RegistryError> {
        self.access.authorise(caller, request)?;
        let pushes = matches!(
            request.action,
            Action::StartUpload
                | Action::UpdateUpload
                | Action::CompleteUpload
                | Action::GetUpload
                | Action::CancelUpload
                | Action::PutManifest
        );
        let repository = request.repository.as_ref().filter(|_| pushes);
        if repository.is_some_and(|it| self.source(it).is_some()) {
            let why = "this repository mirrors another registry; push there";
            return Err(RegistryError::Unsupported(why.to_owned()));
        }
        Ok(())
    }

    /// What the repository mirrors, if it is a mirror.
    fn source(&self, repository: &RepositoryName) -> Option<&Arc<Source>> {
        self.access.namespace(repository)?.mirrors.as_ref()
    }

    /// The blob's size (end-2, HEAD).
    ///
    /// # Errors
    ///
    /// As [`Blobs::stat`], and [`RegistryError::Upstream`].
    pub async fn stat_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<u64, RegistryError> {
        match (
            self.blobs.stat(repository, digest).await,
            self.source(repository),
        ) {
            (Err(RegistryError::BlobUnknown(_)), Some(source)) => {
                self.mirror.stat_blob(source, repository, digest).await
            }
            (stat, _) => stat,
        }
    }

    /// Opens the blob (end-2, GET), and tells where the client can get it by
    /// itself, if it can ([`Blobs::locate`]).
    ///
    /// # Errors
    ///
    /// As [`Blobs::open`], and [`RegistryError::Upstream`].
    pub async fn open_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(Box<dyn BlobReader>, Option<String>), RegistryError> {
        match (
            self.blobs.open(repository, digest).await,
            self.source(repository),
        ) {
            (Err(RegistryError::BlobUnknown(_)), Some(source)) => {
                let opened = self.mirror.open_blob(source, repository, digest).await?;
                Ok((opened, None))
            }
            (opened, _) => Ok((opened?, self.blobs.locate(digest).await?)),
        }
    }

    /// Deletes the blob (end-10); from a mirror's cache also where a manifest needs it.
    ///
    /// # Errors
    ///
    /// As [`Blobs::delete`].
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        match self.source(repository) {
            Some(_) => self.blobs.evict(repository, digest).await,
            None => self.blobs.delete(repository, digest).await,
        }
    }

    /// What a manifest is (end-3, HEAD).
    ///
    /// # Errors
    ///
    /// As [`Manifests::stat`], and [`RegistryError::Upstream`].
    pub async fn stat_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<FoundManifest, RegistryError> {
        let read = || self.manifests.stat(repository, reference).boxed();
        self.read_manifest(repository, reference, read).await
    }

    /// A manifest as it was pushed, here or upstream (end-3, GET). This is what
    /// counts as a pull.
    ///
    /// # Errors
    ///
    /// As [`Manifests::get`], and [`RegistryError::Upstream`].
    pub async fn get_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(FoundManifest, Bytes), RegistryError> {
        let read = || self.manifests.get(repository, reference).boxed();
        let got = self.read_manifest(repository, reference, read).await?;
        self.pulls.note(repository, &got.0.digest);
        Ok(got)
    }

    /// Reads; in a mirror after that has looked upstream, where it has to.
    async fn read_manifest<'r, T>(
        &'r self,
        repository: &RepositoryName,
        reference: &Reference,
        read: impl Fn() -> BoxFuture<'r, Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let Some(source) = self.source(repository) else {
            return read().await;
        };
        if self.mirror.is_fresh(source, repository, reference) {
            match read().await {
                Err(RegistryError::ManifestUnknown(_)) => {}
                read => return read,
            }
        }
        self.mirror.update(source, repository, reference).await?;
        read().await
    }

    /// Evicts from mirrors above their limits what was not pulled for the
    /// longest time, as long as `go_on` says so; what that came to in each.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`], where the store or the locks are.
    pub async fn evict(
        &self,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Evicted>, RegistryError> {
        self.eviction.pass(go_on).await
    }

    /// A page of referrers (end-12).
    ///
    /// # Errors
    ///
    /// As [`Referrers::list`], and [`RegistryError::Upstream`].
    pub async fn list_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &Page<Digest>,
    ) -> Result<ReferrersPage, RegistryError> {
        let Some(source) = self.source(repository) else {
            let local = self
                .referrers
                .list(repository, subject, artifact_type, page);
            return local.await;
        };
        let there = self
            .mirror
            .list_referrers(source, repository, subject, artifact_type, page);
        there.await
    }

    /// Pull and delete blobs (end-2, end-10).
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Push blobs (end-4 to end-6, end-11, end-13, end-14).
    #[must_use]
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Push, pull and delete manifests (end-3, end-7, end-9).
    #[must_use]
    pub fn manifests(&self) -> &Manifests {
        &self.manifests
    }

    /// List tags (end-8).
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// List referrers (end-12).
    #[must_use]
    pub fn referrers(&self) -> &Referrers {
        &self.referrers
    }

    /// List repositories.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}
