//! Eviction: a mirror that holds more than it may lets go of what was not
//! pulled for the longest time.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{FutureExt, TryStreamExt};

use crate::domain::access::Access;
use crate::domain::blobs::Blobs;
use crate::domain::error::RegistryError;
use crate::domain::manifests::Manifests;
use crate::domain::model::{Digest, Manifest, Page, RepositoryName, Timestamp};
use crate::domain::references::short;
use crate::domain::removals::Patience;
use crate::ports::{LockKey, LockManager, StoragePorts, StoreError};

/// Keeps the caches of mirrors below their limits.
pub(super) struct Eviction {
    storage: StoragePorts,
    locks: Arc<dyn LockManager>,
    manifests: Arc<Manifests>,
    blobs: Blobs,
    access: Arc<Access>,
    /// What the last pass learnt: digests never change their meaning.
    known: Mutex<Known>,
}

/// What a namespace had to let go of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// The entry of the configuration.
    pub namespace: String,
    /// How many bytes of content it held that its manifests name.
    pub held: u64,
    /// How many it holds now: more than its limit only where tags are immutable.
    pub left: u64,
    /// How many manifests went.
    pub manifests: u64,
}

/// Facts by the first 64 bits of digests.
#[derive(Default)]
struct Known {
    /// The sizes of what is stored.
    sizes: HashMap<u64, u64>,
    /// What manifests name.
    manifests: HashMap<u64, Arc<[u64]>>,
}

/// What the manifests of one namespace hold.
#[derive(Default)]
struct Cache {
    limit: u64,
    size: u64,
    repositories: Vec<RepositoryName>,
    manifests: Vec<Held>,
    /// How many manifests name a digest: in the namespace, and in each of its
    /// repositories.
    names: HashMap<(Option<usize>, u64), u32>,
}

/// A manifest of the cache.
struct Held {
    /// Its repository's place in the list.
    at: usize,
    digest: Digest,
    /// When it was last pulled, else when it came; of an index, or one of its
    /// children: it does not go before them.
    used: Timestamp,
    /// Itself, and what it names that is here.
    names: Vec<u64>,
}

impl Eviction {
    pub(super) fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        patience: &Patience,
        manifests: &Arc<Manifests>,
        access: &Arc<Access>,
    ) -> Self {
        Self {
            storage: storage.clone(),
            locks: Arc::clone(locks),
            manifests: Arc::clone(manifests),
            blobs: Blobs::new(storage, locks, patience),
            access: Arc::clone(access),
            known: Mutex::default(),
        }
    }

    /// Looks at every cache with a limit, as long as `go_on` says so, and
    /// answers those that were above it. Nothing is done while another server
    /// collects: it does this as well.
    pub(super) async fn pass(
        &self,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Evicted>, RegistryError> {
        let mut namespaces = self.access.namespaces().all();
        if namespaces.all(|it| it.cache_max_size().is_none()) {
            return Ok(Vec::new());
        }
        let Some(lock) = self.locks.try_acquire(&LockKey::Collector).await? else {
            return Ok(Vec::new());
        };
        lock.during(self.work(go_on).boxed()).await
    }

    async fn work(&self, go_on: &(dyn Fn() -> bool + Sync)) -> Result<Vec<Evicted>, RegistryError> {
        let namespaces = self.access.namespaces();
        let before = std::mem::take(&mut *self.known());
        let mut known = Known::default();
        let mut caches: BTreeMap<&str, Cache> = BTreeMap::new();
        for repository in self.storage.repositories.everything().await?.repositories {
            let entry = namespaces.find_with_prefix(&repository);
            let limited = entry.and_then(|(prefix, it)| Some((prefix, it.cache_max_size()?)));
            let Some((prefix, limit)) = limited else {
                continue;
            };
            if !go_on() {
                return Ok(Vec::new());
            }
            let cache = caches.entry(prefix).or_default();
            cache.limit = limit;
            self.survey(repository, cache, &before, &mut known).await?;
        }
        let mut all = Vec::new();
        for (namespace, mut cache) in caches {
            let held = cache.size;
            if held > cache.limit {
                let manifests = self.shrink(&mut cache, &known, go_on).await?;
                all.push(Evicted {
                    namespace: namespace.to_owned(),
                    held,
                    left: cache.size,
                    manifests,
                });
            }
        }
        *self.known() = known;
        Ok(all)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what the manifests of the repository hold.
    async fn survey(
        &self,
        repository: RepositoryName,
        cache: &mut Cache,
        before: &Known,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let here = self.linked(&repository, before, known).await?;
        let pulls = self.storage.pulls.list(&repository).await?;
        let all = Page::all();
        let all = self.storage.manifests.list(&repository, &all);
        let mut found = Vec::new();
        for digest in all.await?.items {
            let used = match pulls.get(&digest) {
                Some(pulled) => Some(*pulled),
                None => self.came(&repository, &digest).await?,
            };
            let names = self.names(&repository, &digest, before, known).await?;
            if let Some((used, names)) = used.zip(names) {
                found.push((digest, used, names));
            }
        }
        let times: HashMap<u64, Timestamp> = found
            .iter()
            .map(|(digest, used, _)| (short(digest), *used))
            .collect();
        let at = cache.repositories.len();
        for (digest, used, names) in found {
            let children = names.iter().filter_map(|key| times.get(key));
            let used = children.copied().fold(used, Timestamp::max);
            let here = names.iter().filter(|key| here.contains(key)).copied();
            let names = std::iter::once(short(&digest)).chain(here).collect();
            let held = Held {
                at,
                digest,
                used,
                names,
            };
            cache.add(held, &known.sizes);
        }
        cache.repositories.push(repository);
        Ok(())
    }

    /// The blobs that the repository has.
    async fn linked(
        &self,
        repository: &RepositoryName,
        before: &Known,
        known: &mut Known,
    ) -> Result<HashSet<u64>, StoreError> {
        let mut here = HashSet::new();
        let mut links = self.storage.links.list(repository);
        while let Some(piece) = links.try_next().await? {
            for link in piece.iter().filter(|link| link.there) {
                let key = short(&link.digest);
                let size = before.sizes.get(&key).or_else(|| known.sizes.get(&key));
                // What manifests say of sizes is what somebody said: what is stored counts.
                let size = match size {
                    Some(size) => *size,
                    None => match self.storage.blobs.open(&link.digest).await? {
                        Some(blob) => blob.size(),
                        None => continue,
                    },
                };
                known.sizes.insert(key, size);
                here.insert(key);
            }
        }
        Ok(here)
    }

    /// When the manifest came; `None` where it is gone.
    async fn came(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Timestamp>, StoreError> {
        let look = self.storage.manifests.look(repository, digest).await?;
        Ok(look.thing.map(|it| it.modified))
    }

    /// What the manifest names. `None` where it is gone, or nobody understands it.
    async fn names(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        before: &Known,
        known: &mut Known,
    ) -> Result<Option<Arc<[u64]>>, StoreError> {
        let key = short(digest);
        if let Some(names) = before.manifests.get(&key) {
            known.manifests.insert(key, Arc::clone(names));
            known.sizes.extend(before.sizes.get_key_value(&key));
            return Ok(Some(Arc::clone(names)));
        }
        let Some(bytes) = self.storage.manifests.claim(repository, digest).await? else {
            return Ok(None);
        };
        let Ok(manifest) = Manifest::parse(None, &bytes) else {
            return Ok(None);
        };
        let needs = manifest.needs();
        let names: Arc<[u64]> = needs.iter().map(|it| short(it.digest)).collect();
        known.sizes.insert(key, bytes.len() as u64);
        known.manifests.insert(key, Arc::clone(&names));
        Ok(Some(names))
    }

    /// Evicts until the cache is below its limit; how many manifests.
    async fn shrink(
        &self,
        cache: &mut Cache,
        known: &Known,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<u64, RegistryError> {
        let mut manifests = std::mem::take(&mut cache.manifests);
        manifests.sort_by_key(|held| held.used);
        let mut gone = 0;
        for held in manifests {
            if cache.size <= cache.limit || !go_on() {
                break;
            }
            let repository = cache.repositories[held.at].clone();
            let evicted = self.manifests.evict(&repository, &held.digest).await?;
            let Some(manifest) = evicted else {
                continue;
            };
            gone += 1;
            cache.remove(&held, &known.sizes);
            for need in manifest.needs() {
                let key = short(need.digest);
                if held.names.contains(&key) && !cache.names.contains_key(&(Some(held.at), key)) {
                    // A pass of the collector, and a grace period, sooner than
                    // it would find out by itself.
                    match self.blobs.evict(&repository, need.digest).await {
                        Ok(()) | Err(RegistryError::BlobUnknown(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(gone)
    }
}

impl Cache {
    fn add(&mut self, held: Held, sizes: &HashMap<u64, u64>) {
        for key in &held.names {
            *self.names.entry((Some(held.at), *key)).or_default() += 1;
            let names = self.names.entry((None, *key)).or_default();
            *names += 1;
            if *names == 1 {
                self.size += sizes.get(key).copied().unwrap_or(0);
            }
        }
        self.manifests.push(held);
    }

    fn remove(&mut self, held: &Held, sizes: &HashMap<u64, u64>) {
        for key in &held.names {
            self.let_go((Some(held.at), *key));
            if self.let_go((None, *key)) {
                let size = sizes.get(key).copied().unwrap_or(0);
                self.size = self.size.saturating_sub(size);
            }
        }
    }

    /// Whether nobody names it any more.
    fn let_go(&mut self, name: (Option<usize>, u64)) -> bool {
        let Entry::Occupied(mut count) = self.names.entry(name) else {
            return false;
        };
        *count.get_mut() -= 1;
        let is_last = *count.get() == 0;
        if is_last {
            count.remove();
        }
        is_last
    }
}
