//! The registry: the façade that inbound adapters hold.

use std::sync::Arc;

use crate::domain::access::Access;
use crate::domain::blobs::Blobs;
use crate::domain::catalog::Catalog;
use crate::domain::login::Login;
use crate::domain::manifests::Manifests;
use crate::domain::namespaces::Namespaces;
use crate::domain::referrers::Referrers;
use crate::domain::tags::Tags;
use crate::domain::uploads::Uploads;
use crate::ports::{Clock, LockManager, StoragePorts};

/// Every use case over one set of ports.
///
/// The futures of its writing methods must be run to their end, even when the
/// client leaves: whoever calls them gives each a task of its own.
pub struct Registry {
    access: Arc<Access>,
    blobs: Blobs,
    uploads: Arc<Uploads>,
    manifests: Manifests,
    tags: Tags,
    referrers: Referrers,
    catalog: Catalog,
    login: Option<Login>,
}

impl Registry {
    /// A registry over `storage` that grants what `namespaces` say.
    #[must_use]
    pub fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
        namespaces: Namespaces,
    ) -> Self {
        let access = Arc::new(Access::new(Arc::new(namespaces)));
        Self {
            access: Arc::clone(&access),
            blobs: Blobs::new(storage, locks),
            uploads: Arc::new(Uploads::new(storage, locks, clock)),
            manifests: Manifests::new(storage, locks, clock, access),
            tags: Tags::new(storage),
            referrers: Referrers::new(storage),
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
