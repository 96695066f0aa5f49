//! What commands work with that tend the store, beside a server or without one.

use std::sync::Arc;

use super::store::{self, Store};
use super::{
    BuildError, LAST_RELEASES, Shared, collector_settings, namespaces, retention_settings,
};
use crate::adapters::clock::SystemClock;
use crate::app::config::Config;
use crate::domain::collector::Collector;
use crate::domain::retention::Retention;
use crate::domain::scrub::{Links, Verify};
use crate::ports::{Clock, LockManager, StoragePorts};

/// The store, and what tends it.
pub struct Upkeep {
    /// The configuration.
    pub config: Config,
    /// The store; to look at only, if that was asked for.
    pub storage: StoragePorts,
    /// The locks of all who write to it.
    pub locks: Arc<dyn LockManager>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    store: Option<Arc<Store>>,
}

impl Upkeep {
    /// Opens the store. Who only looks needs no lease on it, and excludes nobody.
    ///
    /// # Errors
    /// When it can't be opened; on a bucket without a lock store also while a server works on it.
    pub async fn open(
        config: Config,
        only_look: bool,
        shared: &Shared,
    ) -> Result<Self, BuildError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (storage, locks, store) = if only_look {
            let (storage, locks) = store::open_to_look(&config).await?;
            (storage, locks, None)
        } else {
            let store = Store::open(&config, None, shared).await?;
            (store.ports.clone(), Arc::clone(&store.locks), Some(store))
        };
        Ok(Self {
            config,
            storage,
            locks,
            clock,
            store,
        })
    }

    /// A collector of this store; `None` where it must not be collected, and the log says why.
    #[must_use]
    pub fn collector(&self) -> Option<Collector> {
        let settings = collector_settings(&self.config.collector);
        let may = self.store.as_ref().is_none_or(|it| it.may_be_collected());
        may.then(|| Collector::new(&self.storage, &self.locks, &self.clock, settings))
    }

    /// Retention in this store, as the configuration wants it.
    ///
    /// # Errors
    /// When a rule can't be compiled; loading has refused such rules.
    pub fn retention(&self) -> Result<Retention, BuildError> {
        let namespaces = Arc::new(namespaces(&self.config)?);
        let settings = retention_settings(&self.config);
        let Self {
            storage,
            locks,
            clock,
            ..
        } = self;
        Ok(Retention::new(storage, locks, clock, namespaces, settings))
    }

    /// What checks the links of this store, as the configuration has its namespaces.
    ///
    /// # Errors
    /// When a rule can't be compiled; loading has refused such rules.
    pub fn links(&self) -> Result<Links, BuildError> {
        let namespaces = namespaces(&self.config)?;
        let Self {
            storage,
            locks,
            clock,
            ..
        } = self;
        let grace_period = self.config.collector.grace_period.duration();
        Ok(Links::new(storage, locks, clock, namespaces, grace_period))
    }

    /// What reads all content of this store.
    #[must_use]
    pub fn verify(&self) -> Verify {
        Verify::new(&self.storage, &self.locks, &self.clock)
    }

    /// Gives the store free for other servers.
    pub async fn release(self) {
        let Some(store) = self.store else { return };
        if tokio::time::timeout(LAST_RELEASES, store.release())
            .await
            .is_err()
        {
            tracing::warn!("a lease on a store is not given back, and ends by itself");
        }
    }
}
