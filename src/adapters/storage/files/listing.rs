//! Reading directories: names, in byte order, of what is really there.

use std::fs;
use std::io;
use std::path::Path;

use super::index::{Index, Name, Names};
use super::{present, sight};
use crate::adapters::storage::tree::Valid;
use crate::domain::model::{Listing, Page, Timestamp};

/// The names in `dir`, in byte order.
pub(super) fn children(dir: &Path, page: &Page<String>) -> io::Result<Listing<String>> {
    Ok(Listing::cut(names(dir)?, page))
}

/// The names in `dir` below which `leaf` exists. Only as many leaves are
/// looked at as the page shows.
pub(super) fn with_leaf(
    index: &Index,
    dir: &Path,
    leaf: &str,
    page: &Page<String>,
) -> io::Result<Listing<String>> {
    let names = index.names(dir)?;
    let mut listing = Listing::none();
    for name in names.after(page.after.as_deref().unwrap_or_default()) {
        // A directory alone says nothing: pushes and deletes leave such for a
        // moment, crashes for longer (lessons.md, 31).
        let leaf = || dir.join(name.text).join(leaf);
        if name.has(leaf)? && !listing.add(page.limit, name.text.to_owned()) {
            break;
        }
    }
    Ok(listing)
}

/// The directories below `root` that contain one of the `markers`, in byte
/// order of their paths, as far as the page shows them. Those whose path
/// is not `valid` are passed over, with all below them.
pub(super) fn marked(
    index: &Index,
    root: &Path,
    markers: &[&str],
    valid: Valid,
    page: &Page<String>,
) -> io::Result<Listing<String>> {
    let mut walk = Walk {
        index,
        root,
        markers,
        valid,
        limit: page.limit,
        listing: Listing::none(),
    };
    let after = page.after.as_deref().unwrap_or_default();
    walk.below("", &*index.names(root)?, after)?;
    Ok(walk.listing)
}

struct Walk<'w> {
    index: &'w Index,
    root: &'w Path,
    markers: &'w [&'w str],
    valid: Valid,
    limit: Option<usize>,
    listing: Listing<String>,
}

impl Walk<'_> {
    /// Goes through what is below the directory `at` and sorts after `after`;
    /// false where the page is full. A name comes before those that continue
    /// it by what sorts before `/`, and what is below it comes after them:
    /// `a`, `a-b`, `a/b`.
    fn below(&mut self, at: &str, names: &Names, after: &str) -> io::Result<bool> {
        // Names that were passed, and what is in them to be gone through.
        let mut open = Vec::new();
        for (end, _) in after.match_indices(|c| c <= '/').chain([(after.len(), "")]) {
            let (name, path) = (&after[..end], format!("{at}{}", &after[..end]));
            if names.contains(name) && (self.valid)(&path) {
                open.push((name, self.index.names(&self.root.join(path))?));
            }
        }
        for Name { text: name, .. } in names.after(after) {
            while let Some((last, below)) = open.pop_if(|(last, _)| !is_continued(last, name)) {
                if !self.below(&format!("{at}{last}/"), &below, rest(after, last))? {
                    return Ok(false);
                }
            }
            let path = format!("{at}{name}");
            if !(self.valid)(&path) {
                continue;
            }
            let below = self.index.names(&self.root.join(&path))?;
            let marked = self.markers.iter().any(|marker| below.contains(marker));
            if marked && !self.listing.add(self.limit, path) {
                return Ok(false);
            }
            open.push((name, below));
        }
        while let Some((last, below)) = open.pop() {
            if !self.below(&format!("{at}{last}/"), &below, rest(after, last))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether `name` is `last` and more, and comes before what is below `last`.
fn is_continued(last: &str, name: &str) -> bool {
    let more = name.strip_prefix(last);
    more.is_some_and(|more| more.starts_with(|c| c < '/'))
}

/// What is left of `after` below the directory `name`: nothing, if all of it
/// sorts after.
fn rest<'a>(after: &'a str, name: &str) -> &'a str {
    let below = after.strip_prefix(name).and_then(|it| it.strip_prefix('/'));
    below.unwrap_or_default()
}

/// What `time` says of the `leaf` of each name in `dir` (`""`: of the name
/// itself), for those that are there and of which it says something.
pub(super) fn times(
    dir: &Path,
    leaf: &str,
    time: impl Fn(&Path) -> io::Result<Option<Timestamp>>,
) -> io::Result<Vec<(String, Timestamp)>> {
    let mut times = Vec::new();
    for name in names(dir)? {
        let mut path = dir.join(&name);
        if !leaf.is_empty() {
            path.push(leaf);
        }
        if let Some(time) = present(time(&path))?.flatten() {
            times.push((name, time));
        }
    }
    Ok(times)
}

pub(super) fn is_dir(entry: &fs::DirEntry) -> io::Result<bool> {
    match entry.file_type()? {
        kind if kind.is_symlink() => {
            Ok(present(fs::metadata(entry.path()))?.is_some_and(|it| it.is_dir()))
        }
        kind => Ok(kind.is_dir()),
    }
}

/// The directories below `root` that contain one of the `markers`, relative to it.
pub(super) fn walk(root: &Path, markers: &[&str]) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(at) = pending.pop() {
        let names = names(&root.join(&at))?;
        if names.iter().any(|name| markers.contains(&name.as_str())) {
            found.push(at.clone());
        }
        for name in names {
            let path = if at.is_empty() {
                name.clone()
            } else {
                format!("{at}/{name}")
            };
            if !name.starts_with('_')
                && present(fs::metadata(root.join(&path)))?.is_some_and(|it| it.is_dir())
            {
                pending.push(path);
            }
        }
    }
    Ok(found)
}

/// Removes files in `dir` older than `before`, or counts them.
pub(super) fn sweep(dir: &Path, before: Timestamp, remove: bool) -> io::Result<usize> {
    let mut removed = 0;
    for name in names(dir)? {
        let path = dir.join(name);
        let Some(metadata) = present(fs::metadata(&path))? else {
            continue;
        };
        if metadata.is_file() && sight(&metadata).modified < before {
            if remove {
                present(fs::remove_file(&path))?;
            }
            removed += 1;
        }
    }
    Ok(removed)
}

/// All names in `dir`, in no order; none where there is no such directory.
/// Names that are not text are nobody's.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    names_of(dir, |_| Ok(true))
}

/// The same, of its directories only.
pub(super) fn subdirectories(dir: &Path) -> io::Result<Vec<String>> {
    names_of(dir, is_dir)
}

fn names_of(
    dir: &Path,
    wanted: impl Fn(&fs::DirEntry) -> io::Result<bool>,
) -> io::Result<Vec<String>> {
    let Some(entries) = present(fs::read_dir(dir))? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if wanted(&entry)?
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
