//! Flights: work that many ask for at once is done once, and to its end.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::domain::error::RegistryError;
use crate::ports::Tasks;

type Flight = Shared<BoxFuture<'static, Result<(), Arc<RegistryError>>>>;
type ByKey<K> = Arc<Mutex<HashMap<K, Flight>>>;

/// Work that is going on, by what it is about.
pub(super) struct Flights<K> {
    by_key: ByKey<K>,
    tasks: Arc<dyn Tasks>,
}

impl<K: Clone + Eq + Hash + Send + 'static> Flights<K> {
    pub(super) fn new(tasks: &Arc<dyn Tasks>) -> Self {
        Self {
            by_key: ByKey::default(),
            tasks: Arc::clone(tasks),
        }
    }

    /// The work on `key` that is going on, or else this, which then goes on
    /// whether anybody waits for it or not.
    pub(super) fn join(
        &self,
        key: K,
        work: impl Future<Output = Result<(), RegistryError>> + Send + 'static,
    ) -> Flight {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = by_key.get(&key) {
            return flight.clone();
        }
        let landing = Landing {
            by_key: Arc::clone(&self.by_key),
            key: key.clone(),
        };
        let flight = async move {
            let _landing = landing;
            work.await.map_err(Arc::new)
        };
        let flight = flight.boxed().shared();
        by_key.insert(key, flight.clone());
        self.tasks.spawn(flight.clone().map(drop).boxed());
        flight
    }
}

/// Takes a flight off the list, however it ended.
struct Landing<K: Eq + Hash> {
    by_key: ByKey<K>,
    key: K,
}

impl<K: Eq + Hash> Drop for Landing<K> {
    fn drop(&mut self) {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        by_key.remove(&self.key);
    }
}
