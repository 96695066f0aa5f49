//! Reading directories: names, in byte order, of what is really there.

use std::fs;
use std::io;
use std::path::Path;

use super::{present, sight};
use crate::adapters::storage::tree::{PIECE, Place};
use crate::domain::model::{Listing, Page, Timestamp};

/// The names in `dir` below which `leaf` exists. Only as many leaves are
/// looked at as the page shows.
pub(super) fn children(dir: &Path, leaf: &str, page: &Page<String>) -> io::Result<Listing<String>> {
    let mut names = names(dir)?;
    if let Some(after) = &page.after {
        names.retain(|name| name > after);
    }
    names.sort_unstable();

    let mut items = Vec::new();
    for name in names {
        // A directory alone says nothing: pushes and deletes leave such for a
        // moment, crashes for longer (lessons.md, 31).
        if !leaf.is_empty() && present(fs::metadata(dir.join(&name).join(leaf)))?.is_none() {
            continue;
        }
        if page.limit.is_some_and(|limit| items.len() >= limit) {
            return Ok(Listing { items, more: true });
        }
        items.push(name);
    }
    Ok(Listing { items, more: false })
}

/// Hands over every directory below `dir` that holds something called `name`,
/// or a mark, a piece at a time, for as long as `send` takes them. What is
/// removed meanwhile may be missing.
pub(super) fn places(
    dir: &Path,
    name: &str,
    piece: &mut Vec<Place>,
    send: &mut impl FnMut(Vec<Place>) -> bool,
) -> io::Result<()> {
    let Some(entries) = present(fs::read_dir(dir))? else {
        return Ok(());
    };
    let mut place = Place::default();
    for entry in entries {
        let entry = entry?;
        let is_dir = match entry.file_type()? {
            kind if kind.is_symlink() => {
                present(fs::metadata(entry.path()))?.is_some_and(|it| it.is_dir())
            }
            kind => kind.is_dir(),
        };
        if is_dir {
            places(&entry.path(), name, piece, send)?;
        } else {
            place.add(&entry.file_name().to_string_lossy(), name);
        }
    }
    if let Some(dir) = dir.file_name().filter(|_| place.there || place.marked) {
        place.name = dir.to_string_lossy().into_owned();
        piece.push(place);
    }
    if piece.len() >= PIECE && !send(std::mem::take(piece)) {
        return Err(io::ErrorKind::Interrupted.into()); // nobody listens any more
    }
    Ok(())
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
    let Some(entries) = present(fs::read_dir(dir))? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}
