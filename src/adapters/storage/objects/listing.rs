//! Listings of objects. A service sorts whole keys, where `-` and `.` come
//! before `/`; what is answered is in byte order of the names.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use opendal::{Lister, Metadata};

use super::{Objects, unavailable};
use crate::adapters::storage::tree::{Entries, Entry, PIECE, Place, Places};
use crate::domain::model::{Listing, Page, Sight};
use crate::ports::StoreError;

/// How many directories a walk lists at a time.
const AT_A_TIME: usize = 16;

/// What is below a directory, in the service's order.
pub(super) struct Below {
    lister: Lister,
    prefix: String,
}

impl Below {
    /// The next path, relative to the directory; those of directories end in `/`.
    pub(super) async fn next(&mut self) -> Result<Option<(String, Metadata)>, StoreError> {
        loop {
            let entry = self.lister.try_next().await;
            let Some(entry) = entry.map_err(|source| unavailable(&self.prefix, source))? else {
                return Ok(None);
            };
            match entry.path().strip_prefix(&self.prefix) {
                Some(path) if !path.is_empty() => {
                    return Ok(Some((path.to_owned(), entry.metadata().clone())));
                }
                _ => {} // the directory itself
            }
        }
    }
}

/// The directories that hold something called `name`, or a mark. The objects of
/// one follow each other: names in a directory of things are of one length.
pub(super) fn places(below: Below, name: &'static str) -> Places {
    stream::try_unfold(Some((below, None)), move |state| async move {
        let Some((mut below, mut open)) = state else {
            return Ok(None);
        };
        let mut piece: Vec<Place> = Vec::new();
        while let Some((path, metadata)) = below.next().await? {
            let Some((dir, object)) = path.rsplit_once('/') else {
                continue;
            };
            let dir = dir.rsplit('/').next().unwrap_or(dir);
            let same = open.as_ref().is_some_and(|it: &Place| it.name == dir);
            if !same {
                piece.extend(open.replace(Place {
                    name: dir.to_owned(),
                    ..Place::default()
                }));
            }
            if let Some(open) = &mut open {
                open.add(object, name);
                if object == name {
                    open.size = metadata.content_length();
                }
            }
            if piece.len() >= PIECE {
                return Ok(Some((piece, Some((below, open)))));
            }
        }
        piece.extend(open);
        Ok(Some((piece, None)))
    })
    .boxed()
}

/// Every object that is listed below `dir`.
pub(super) fn entries(objects: Objects, dir: String) -> Entries {
    let listing = async move {
        let below = objects.below(&dir, true, None).await?;
        Ok::<_, StoreError>(listed(objects, dir, below))
    };
    stream::once(listing).try_flatten().boxed()
}

fn listed(objects: Objects, dir: String, below: Below) -> Entries {
    stream::try_unfold(Some((objects, dir, below)), |state| async move {
        let Some((objects, dir, mut below)) = state else {
            return Ok(None);
        };
        let mut piece = Vec::new();
        while let Some((path, metadata)) = below.next().await? {
            if path.ends_with('/') {
                continue;
            }
            let path = join(&dir, &path);
            let modified = objects.time(&path, &metadata);
            piece.push(Entry {
                path,
                sight: Sight {
                    size: metadata.content_length(),
                    modified,
                },
                is_empty_directory: false,
            });
            if piece.len() >= PIECE {
                return Ok(Some((piece, Some((objects, dir, below)))));
            }
        }
        Ok(Some((piece, None)))
    })
    .boxed()
}

impl Objects {
    /// Whether anything is below `dir`, by a page of one.
    pub(super) async fn any_below(&self, dir: &str) -> Result<bool, StoreError> {
        let prefix = format!("{dir}/");
        let lister = self.operator.lister_with(&prefix).recursive(true).limit(1);
        let lister = lister.await.map_err(|source| unavailable(dir, source))?;
        let mut below = Below { lister, prefix };
        Ok(below.next().await?.is_some())
    }

    /// Lists `dir`, or everything below it, from `after` on where the service
    /// can begin there.
    pub(super) async fn below(
        &self,
        dir: &str,
        recursive: bool,
        after: Option<&str>,
    ) -> Result<Below, StoreError> {
        let (prefix, root) = match dir {
            "" => (String::new(), "/".to_owned()),
            dir => (format!("{dir}/"), format!("{dir}/")),
        };
        let mut listing = self.operator.lister_with(&root).recursive(recursive);
        if let Some(after) = after.filter(|_| self.sorts()) {
            // Whatever sorts after the name has a key after this one: the key
            // begins with the name, and the name has no slash at its end yet.
            listing = listing.start_after(&format!("{prefix}{after}"));
        }
        let lister = listing.await.map_err(|source| unavailable(dir, source))?;
        Ok(Below { lister, prefix })
    }

    /// Every object below `dir`.
    pub(super) async fn all_below(&self, dir: &str) -> Result<Vec<(String, Metadata)>, StoreError> {
        let mut below = self.below(dir, true, None).await?;
        let mut all = Vec::new();
        while let Some(entry) = below.next().await? {
            if !entry.0.ends_with('/') {
                all.push(entry);
            }
        }
        Ok(all)
    }

    /// Whether listings come in order of the keys, and can begin anywhere.
    fn sorts(&self) -> bool {
        self.operator.info().capability().list_with_start_after
    }

    pub(super) async fn names(
        &self,
        dir: &str,
        leaf: &str,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError> {
        let after = page.after.as_deref();
        let enough = page.limit.map(|limit| limit.saturating_add(1));
        // With a leaf, one listing of everything costs less than a question
        // for each name.
        let mut below = self.below(dir, !leaf.is_empty(), after).await?;
        let mut names = BTreeSet::new();
        let mut last = None;
        while let Some((path, _)) = below.next().await? {
            let Some(name) = name_above(&path, leaf) else {
                continue;
            };
            if after.is_some_and(|after| name <= after) {
                continue;
            }
            names.insert(name.to_owned());
            let full = enough.is_some_and(|enough| names.len() >= enough);
            if full && !leaf.is_empty() && self.sorts() {
                last = Some(name.to_owned());
                break;
            }
        }
        for name in last.iter().flat_map(|last| listed_later(last)) {
            let unknown = !names.contains(name) && after.is_none_or(|after| name > after);
            if unknown && self.get(&format!("{dir}/{name}/{leaf}")).await?.is_some() {
                names.insert(name.to_owned());
            }
        }
        Ok(Listing::cut(names, page))
    }

    /// Level by level: what lies in a `marker` is not listed, nor below it.
    pub(super) async fn directories_with(
        &self,
        root: &str,
        markers: &[&str],
    ) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        let mut level = vec![String::new()];
        while !level.is_empty() {
            let listings = level.drain(..).map(|at| self.directories(root, at));
            let listed: Vec<_> = stream::iter(listings.collect::<Vec<_>>())
                .buffer_unordered(AT_A_TIME)
                .try_collect()
                .await?;
            for (at, names) in listed {
                if names.iter().any(|name| markers.contains(&name.as_str())) {
                    found.push(at.clone());
                }
                for name in names {
                    if !name.starts_with('_') {
                        level.push(join(&at, &name));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The directories in `at`, which is below `root`.
    async fn directories(
        &self,
        root: &str,
        at: String,
    ) -> Result<(String, Vec<String>), StoreError> {
        let mut below = self.below(&join(root, &at), false, None).await?;
        let mut names = Vec::new();
        while let Some((path, _)) = below.next().await? {
            if let Some(name) = path.strip_suffix('/') {
                names.push(name.to_owned());
            }
        }
        Ok((at, names))
    }
}

fn join(dir: &str, name: &str) -> String {
    match (dir, name) {
        ("", path) | (path, "") => path.to_owned(),
        _ => format!("{dir}/{name}"),
    }
}

/// The name whose `leaf` this path is; without a leaf, the path's first name.
fn name_above<'p>(path: &'p str, leaf: &str) -> Option<&'p str> {
    if leaf.is_empty() {
        return path.split('/').next();
    }
    let name = path.strip_suffix(leaf)?.strip_suffix('/')?;
    (!name.contains('/')).then_some(name)
}

/// Names that sort before `name` and that a service lists after it: those of
/// which it is a continuation by something that comes before `/`.
fn listed_later(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.char_indices().filter(|(at, c)| *at > 0 && *c < '/');
    ends.map(|(at, _)| &name[..at])
}

#[cfg(test)]
mod tests;
