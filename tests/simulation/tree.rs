//! The simulated store, as far as it is one: objects under paths, no stronger than `Tree` promises.
//!
//! Files do what they do in one piece of work that goes on when nobody waits for it; between its steps others get on.
//! A bucket is asked again and again, and each request is one by itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use simple_registry::adapters::storage::{Entries, Entry, Place, Places, Tree};
use simple_registry::domain::model::{ByteStream, Listing, Look, Mark, Page, Sight, Timestamp};
use simple_registry::ports::{BlobReader, StoreError};

use super::flaws::Flaw;
use super::objects::Object;
use super::world::{Kind, Life, World};

const CONDEMNED: &str = "_condemned";
const DYING: &str = "_dying";

/// One server's way to the store.
#[derive(Clone)]
pub struct SimulatedTree {
    pub world: Arc<World>,
    pub life: Arc<Life>,
    /// Whether clients write by it, and not the collector.
    pub of_clients: bool,
}

/// Steps that take effect at once.
impl SimulatedTree {
    fn get(&self, path: &str) -> Option<Bytes> {
        let state = self.world.state();
        state.objects.get(path).map(|it| it.bytes.clone())
    }

    fn put(&self, path: &str, bytes: Bytes, tearable: bool) {
        let modified = self.time();
        let object = Object { bytes, modified };
        self.world.state().objects.set(path, object, tearable);
    }

    fn drop(&self, path: &str) {
        self.world.state().objects.remove(path);
    }

    fn sight(&self, path: &str) -> Option<Sight> {
        let state = self.world.state();
        state.objects.get(path).map(|it| Sight {
            size: it.bytes.len() as u64,
            modified: Timestamp::from_millis(
                if self.world.has(Flaw::NothingIsFresh) && path.ends_with("/link") {
                    0
                } else {
                    it.modified
                },
            ),
        })
    }

    /// Whether the look of a client's request lacks a rule.
    fn misses(&self, flaw: Flaw) -> bool {
        self.of_clients && self.world.has(flaw)
    }

    fn any(&self, dir: &str) -> bool {
        self.world.state().objects.next_below(dir, None).is_some()
    }

    fn id(&self, dir: &str) -> Option<String> {
        let id = self.get(&format!("{dir}/{CONDEMNED}"))?;
        Some(String::from_utf8(id.to_vec()).unwrap())
    }

    /// S3 tells it in seconds.
    fn time(&self) -> i64 {
        let time = self.world.time();
        if self.world.plan.coarse {
            time / 1000 * 1000
        } else {
            time
        }
    }

    /// The paths below `dir` in their order, each as it is when the listing has come to it.
    async fn ordered(&self, dir: &str) -> Vec<String> {
        let mut paths = Vec::new();
        loop {
            let last = paths.last().map(String::as_str);
            let next = self.world.state().objects.next_below(dir, last);
            let Some(next) = next else {
                return paths;
            };
            paths.push(next);
            self.life.tick().await;
        }
    }

    /// The names in a directory of files, in no order.
    fn names(&self, dir: &str) -> Vec<String> {
        let mut state = self.world.state();
        let mut names = state.objects.names(dir);
        for at in (1..names.len()).rev() {
            let other = usize::try_from(state.random.below(at as u64 + 1)).unwrap();
            names.swap(at, other);
        }
        names
    }

    fn mark(dying: bool, condemned: Option<String>) -> Mark {
        match (dying, condemned) {
            (true, _) => Mark::Dying,
            (false, Some(id)) => Mark::Condemned(id),
            (false, None) => Mark::None,
        }
    }

    async fn look_at_files(self, dir: String, name: String) -> Look {
        let path = format!("{dir}/{name}");
        let early = self.sight(&path);
        if self.misses(Flaw::ThingBeforeMarks) {
            tokio::time::sleep(Duration::from_millis(self.world.below(3_000))).await;
        }
        let condemned = self.id(&dir);
        self.life.tick().await;
        let dying = self.get(&format!("{dir}/{DYING}")).is_some();
        self.life.tick().await;
        let late = self.sight(&path);
        Look {
            mark: Self::mark(dying, condemned),
            thing: if self.misses(Flaw::ThingBeforeMarks) {
                early
            } else {
                late
            },
        }
    }

    /// By one listing, and a read of the mark where it shows one.
    async fn look_in_bucket(&self, dir: &str, name: &str) -> Result<Look, StoreError> {
        loop {
            let (tree, at, thing) = (self.clone(), dir.to_owned(), name.to_owned());
            let backwards = self.misses(Flaw::ThingBeforeMarks);
            let seen = self.asked("list", dir, Kind::Read, async move {
                let early = tree.sight(&format!("{at}/{thing}"));
                if backwards {
                    tokio::time::sleep(Duration::from_millis(tree.world.below(3_000))).await;
                }
                let paths = tree.ordered(&at).await;
                let has = |name: &str| paths.iter().any(|path| path == name);
                let late = has(&thing).then(|| tree.sight(&format!("{at}/{thing}")));
                let late = late.map(|it| {
                    it.unwrap_or(Sight {
                        size: 0,
                        modified: Timestamp::from_millis(tree.time()),
                    })
                });
                let sight = if backwards { early } else { late };
                (has(CONDEMNED), has(DYING), sight)
            });
            let (condemned, dying, thing) = seen.await?;
            let id = if condemned && !dying {
                match self.read_text(&format!("{dir}/{CONDEMNED}")).await? {
                    Some(id) => Some(id),
                    None => continue,
                }
            } else {
                None
            };
            return Ok(Look {
                mark: Self::mark(dying, id),
                thing,
            });
        }
    }

    async fn read_text(&self, path: &str) -> Result<Option<String>, StoreError> {
        let bytes = self.read(path).await?;
        Ok(bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()))
    }

    async fn asked<T: Send + 'static>(
        &self,
        verb: &str,
        path: &str,
        kind: Kind,
        effect: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let what = || format!("{verb} {}", short(path));
        self.life.request(what, kind, effect).await
    }

    fn size(&self, path: &str) -> u64 {
        self.sight(path).map_or(0, |it| it.size)
    }

    async fn place(&self, dir: &str, name: &str) -> Option<Place> {
        let mut place = Place {
            name: dir.rsplit('/').next().unwrap().to_owned(),
            ..Place::default()
        };
        for object in self.names(dir) {
            self.life.tick().await;
            // It may be gone by now, and still be in the list.
            place.there |= object == name;
            place.marked |= object == CONDEMNED || object == DYING;
        }
        place.size = self.size(&format!("{dir}/{name}"));
        (place.there || place.marked).then_some(place)
    }

    /// All places below a directory; files are read directory by directory, a bucket's keys in their order.
    async fn find_places(self, dir: String, name: &'static str) -> Vec<Place> {
        if !self.world.is_bucket() {
            let (mut places, mut pending) = (Vec::new(), vec![dir]);
            while let Some(dir) = pending.pop() {
                places.extend(self.place(&dir, name).await);
                for child in self.names(&dir) {
                    let child = format!("{dir}/{child}");
                    if self.any(&child) {
                        pending.push(child);
                    }
                }
            }
            return places;
        }
        let mut places: BTreeMap<String, Place> = BTreeMap::new();
        for path in self.ordered(&dir).await {
            let size = self.size(&format!("{dir}/{path}"));
            let Some((dir, object)) = path.rsplit_once('/') else {
                continue;
            };
            let place = places.entry(dir.to_owned()).or_insert_with(|| Place {
                name: dir.rsplit('/').next().unwrap().to_owned(),
                ..Place::default()
            });
            if object == name {
                (place.there, place.size) = (true, size);
            }
            place.marked |= object == CONDEMNED || object == DYING;
        }
        places.into_values().collect()
    }
}

/// Digests are long, and their first digits tell enough.
fn short(path: &str) -> String {
    let parts = path
        .split('/')
        .filter(|it| *it != "docker" && *it != "registry");
    let parts = parts.map(|part| match part.len() {
        64 => &part[..6],
        _ => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[async_trait]
impl Tree for SimulatedTree {
    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let (tree, at) = (self.clone(), path.to_owned());
        let read = self.asked("read", path, Kind::Read, async move { tree.get(&at) });
        match read.await {
            Err(_) if self.world.has(Flaw::OutageIsAbsence) => Ok(None),
            read => read,
        }
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        let (tree, at) = (self.clone(), path.to_owned());
        let bytes = match std::str::from_utf8(&bytes) {
            Ok(text) if self.world.has(Flaw::PendingIsSettled) && path.ends_with("/_meta") => {
                Bytes::from(text.replace("\"pending\"", "\"final\""))
            }
            _ => bytes,
        };
        self.asked("write", path, Kind::Write, async move {
            tree.put(&at, bytes, true);
        })
        .await
    }

    async fn write_synced(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        let (tree, at) = (self.clone(), path.to_owned());
        self.asked("write", path, Kind::Write, async move {
            tree.put(&at, bytes, false);
        })
        .await
    }

    async fn stat(&self, path: &str) -> Result<Option<Sight>, StoreError> {
        let (tree, at) = (self.clone(), path.to_owned());
        self.asked("stat", path, Kind::Read, async move { tree.sight(&at) })
            .await
    }

    async fn touch(&self, path: &str) -> Result<bool, StoreError> {
        if self.world.has(Flaw::TouchCreates) && path.contains("/_layers/") {
            let hex = path.rsplit('/').nth(1).unwrap();
            self.write(path, Bytes::from(format!("sha256:{hex}")))
                .await?;
            return Ok(true);
        }
        if self.world.is_bucket() {
            let Some(bytes) = self.read(path).await? else {
                return Ok(false);
            };
            self.write(path, bytes).await?;
            return Ok(true);
        }
        let (tree, at) = (self.clone(), path.to_owned());
        self.asked("touch", path, Kind::Write, async move {
            let bytes = tree.get(&at);
            let there = bytes.is_some();
            if let Some(bytes) = bytes {
                tree.put(&at, bytes, false);
            }
            there
        })
        .await
    }

    async fn renew(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        if !self.world.is_bucket() && self.touch(path).await? {
            return Ok(());
        }
        self.write(path, bytes).await
    }

    async fn look(&self, dir: &str, name: &str) -> Result<Look, StoreError> {
        let look = if self.world.is_bucket() {
            self.look_in_bucket(dir, name).await?
        } else {
            let looking = self.clone().look_at_files(dir.to_owned(), name.to_owned());
            self.asked("look", dir, Kind::Read, looking).await?
        };
        let blind = self.misses(Flaw::BlindLooks);
        Ok(Look {
            mark: if blind { Mark::None } else { look.mark },
            ..look
        })
    }

    async fn condemn(&self, dir: &str, id: &str) -> Result<Option<String>, StoreError> {
        let mark = format!("{dir}/{CONDEMNED}");
        if self.world.has(Flaw::NoMarks) {
            return Ok(Some(id.to_owned()));
        }
        if !self.world.is_bucket() {
            let (tree, at, id) = (self.clone(), dir.to_owned(), id.to_owned());
            return self
                .asked("condemn", dir, Kind::Write, async move {
                    if !tree.any(&at) {
                        return None;
                    }
                    if tree.id(&at).is_none() {
                        tree.put(&mark, Bytes::from(id), true);
                        return tree.id(&at);
                    }
                    tree.life.tick().await;
                    tree.id(&at)
                })
                .await;
        }
        if !self.has_any(dir).await? {
            return Ok(None);
        }
        if let Some(standing) = self.read_text(&mark).await? {
            return Ok(Some(standing));
        }
        self.write(&mark, Bytes::from(id.to_owned())).await?;
        Ok(Some(id.to_owned()))
    }

    async fn doom(&self, dir: &str, id: &str) -> Result<bool, StoreError> {
        let any = self.world.has(Flaw::AnyIdDooms) || self.world.has(Flaw::NoMarks);
        let (mark, dying) = (format!("{dir}/{CONDEMNED}"), format!("{dir}/{DYING}"));
        if self.world.is_bucket() {
            let condemned = self.read_text(&mark).await?;
            let stands = condemned.as_deref() == Some(id) || any;
            if !stands || self.read(&dying).await?.is_some() {
                return Ok(false);
            }
            self.write(&dying, Bytes::from(id.to_owned())).await?;
            return Ok(true);
        }
        let (tree, id) = (self.clone(), id.to_owned());
        let at = dir.to_owned();
        self.asked("doom", dir, Kind::Write, async move {
            let is_dying = tree.get(&dying).is_some();
            tree.life.tick().await;
            if is_dying || (tree.id(&at) != Some(id) && !any) {
                return false;
            }
            tree.life.tick().await;
            let Some(id) = tree.get(&mark) else {
                return false;
            };
            tree.drop(&mark);
            tree.put(&dying, id, false);
            true
        })
        .await
    }

    async fn pardon(&self, dir: &str) -> Result<(), StoreError> {
        let (mark, dying) = (format!("{dir}/{CONDEMNED}"), format!("{dir}/{DYING}"));
        if self.world.is_bucket() {
            self.remove(&mark).await?;
            return self.remove(&dying).await;
        }
        let tree = self.clone();
        self.asked("pardon", dir, Kind::Write, async move {
            tree.drop(&mark);
            tree.life.tick().await;
            tree.drop(&dying);
        })
        .await
    }

    async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let (tree, at) = (self.clone(), path.to_owned());
        self.asked("remove", path, Kind::Removal, async move { tree.drop(&at) })
            .await
    }

    async fn remove_all(&self, dir: &str) -> Result<(), StoreError> {
        let (tree, at) = (self.clone(), dir.to_owned());
        if self.world.is_bucket() {
            let listing = async move { tree.ordered(&at).await };
            for path in self.asked("list", dir, Kind::Read, listing).await? {
                self.remove(&format!("{dir}/{path}")).await?;
            }
            return Ok(());
        }
        self.asked("remove all", dir, Kind::Removal, async move {
            let paths = tree.world.state().objects.below(&at);
            for path in paths {
                tree.drop(&format!("{at}/{path}"));
                tree.life.tick().await;
            }
        })
        .await
    }

    async fn children(
        &self,
        dir: &str,
        leaf: &str,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError> {
        let (tree, at, leaf) = (self.clone(), dir.to_owned(), leaf.to_owned());
        let names = self.asked("list", dir, Kind::Read, async move {
            if tree.world.is_bucket() {
                let found = tree.ordered(&at).await;
                let named = found.iter().filter_map(|path| {
                    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
                    (leaf.is_empty() || rest == leaf).then(|| name.to_owned())
                });
                return named.collect::<std::collections::BTreeSet<_>>();
            }
            let mut named = std::collections::BTreeSet::new();
            for name in tree.names(&at) {
                tree.life.tick().await;
                if leaf.is_empty() || tree.get(&format!("{at}/{name}/{leaf}")).is_some() {
                    named.insert(name);
                }
            }
            named
        });
        match names.await {
            Err(_) if self.world.has(Flaw::ShortListings) => Ok(Listing {
                items: Vec::new(),
                more: false,
            }),
            names => Ok(Listing::cut(names?, page)),
        }
    }

    async fn walk(
        &self,
        root: &str,
        markers: &'static [&'static str],
    ) -> Result<Vec<String>, StoreError> {
        let (mut found, mut pending) = (Vec::new(), vec![String::new()]);
        while let Some(at) = pending.pop() {
            let dir = if at.is_empty() {
                root.to_owned()
            } else {
                format!("{root}/{at}")
            };
            let (tree, there) = (self.clone(), dir.clone());
            let names = self.asked("list", &dir, Kind::Read, async move {
                let names = tree.names(&there);
                let is_dir = |name: &String| tree.any(&format!("{there}/{name}"));
                names.into_iter().filter(is_dir).collect::<Vec<_>>()
            });
            let names = match names.await {
                Err(_) if self.world.has(Flaw::ShortListings) => Vec::new(),
                names => names?,
            };
            if names.iter().any(|name| markers.contains(&name.as_str())) {
                found.push(at.clone());
            }
            for name in names.into_iter().filter(|name| !name.starts_with('_')) {
                pending.push(if at.is_empty() {
                    name
                } else {
                    format!("{at}/{name}")
                });
            }
        }
        Ok(found)
    }

    /// In two pieces: an error may come after the first.
    fn places(&self, dir: &str, name: &'static str) -> Places {
        let (tree, dir) = (self.clone(), dir.to_owned());
        let listing = async move {
            let finding = tree.clone().find_places(dir.clone(), name);
            let mut first = tree.asked("list", &dir, Kind::Read, finding).await?;
            let second = first.split_off(first.len() / 2);
            let rest = async move {
                let asked = tree.asked("list on", &dir, Kind::Read, async {});
                match asked.await {
                    Err(_) if tree.world.has(Flaw::ShortListings) => Ok(Vec::new()),
                    asked => asked.map(|()| second),
                }
            };
            Ok::<_, StoreError>(stream::iter([Ok(first)]).chain(stream::once(rest)))
        };
        stream::once(listing).try_flatten().boxed()
    }

    fn below(&self, dir: &str) -> Entries {
        let (tree, dir) = (self.clone(), dir.to_owned());
        stream::once(async move {
            let (seen, at) = (tree.clone(), dir.clone());
            let listed = tree.asked("list", &dir, Kind::Read, async move {
                let dirs = match &*at {
                    "" => vec!["_registry", "docker"],
                    dir => vec![dir],
                };
                let mut entries = Vec::new();
                for dir in dirs {
                    for path in seen.ordered(dir).await {
                        let path = format!("{dir}/{path}");
                        entries.extend(seen.sight(&path).map(|sight| Entry {
                            sight,
                            path,
                            is_empty_directory: false,
                        }));
                    }
                }
                entries
            });
            listed.await
        })
        .boxed()
    }

    async fn has_any(&self, dir: &str) -> Result<bool, StoreError> {
        let (tree, at) = (self.clone(), dir.to_owned());
        self.asked("list", dir, Kind::Read, async move { tree.any(&at) })
            .await
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        let bytes = self.read(path).await?;
        Ok(bytes.map(|bytes| Box::new(Content(bytes)) as Box<dyn BlobReader>))
    }

    async fn persist(&self) -> Result<(), StoreError> {
        let (tree, changes) = (self.clone(), self.world.state().objects.changes());
        self.asked("sync", "everything", Kind::Write, async move {
            if !tree.world.has(Flaw::NothingIsSynced) {
                tree.world.state().objects.persist(changes);
            }
        })
        .await
    }

    async fn stamp(&self, path: &str) -> Result<(), StoreError> {
        self.write(path, Bytes::new()).await
    }

    async fn times(&self, dir: &str) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let (tree, at) = (self.clone(), dir.to_owned());
        self.asked("list", dir, Kind::Read, async move {
            let names = tree.names(&at).into_iter();
            let times = names.filter_map(|name| {
                let modified = tree.sight(&format!("{at}/{name}"))?.modified;
                Some((name, modified))
            });
            times.collect()
        })
        .await
    }

    async fn sweep(&self, _: Timestamp, _: bool) -> Result<usize, StoreError> {
        Ok(0)
    }
}

/// Content that is open.
pub struct Content(pub Bytes);

#[async_trait]
impl BlobReader for Content {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let at = |n: u64| usize::try_from(n).unwrap();
        let bytes = self.0.slice(at(range.start)..at(range.end));
        Ok(stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed())
    }
}
