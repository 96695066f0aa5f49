//! Everything below a directory, told while it is still being read.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::listing::is_dir;
use super::{places, present, sight};
use crate::adapters::storage::tree::{Entries, Entry, PIECE};

/// What a file system keeps at its root for itself, and shows to nobody else.
const SYSTEMS: &str = "lost+found";

/// Every file below `dir`, which lies below `root`, and every directory with nothing in it.
pub(super) fn below(root: PathBuf, dir: String) -> Entries {
    places::told(dir.clone(), move |send| {
        let mut piece = Vec::new();
        let mut walk = Walk { root, send };
        walk.hand_over(&dir, &mut piece)?;
        (walk.send)(piece);
        Ok(())
    })
}

struct Walk<'s> {
    root: PathBuf,
    send: &'s mut dyn FnMut(Vec<Entry>) -> bool,
}

impl Walk<'_> {
    /// Hands over what is below `dir`, a piece at a time, for as long as somebody takes them. What is removed
    /// meanwhile may be missing.
    fn hand_over(&mut self, dir: &str, piece: &mut Vec<Entry>) -> io::Result<()> {
        let at = self.root.join(dir);
        let Some(entries) = present(fs::read_dir(&at))? else {
            return Ok(());
        };
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        if entries.is_empty()
            && !dir.is_empty()
            && let Some(metadata) = present(fs::metadata(&at))?
        {
            piece.push(Entry {
                path: dir.to_owned(),
                sight: sight(&metadata),
                is_empty_directory: true,
            });
        }
        for entry in entries {
            let name = entry.file_name();
            let path = match (dir, name.to_string_lossy()) {
                ("", name) if name == SYSTEMS => continue,
                ("", name) => name.into_owned(),
                (dir, name) => format!("{dir}/{name}"),
            };
            if is_dir(&entry)? {
                self.hand_over(&path, piece)?;
            } else if let Some(metadata) = present(entry.metadata())? {
                piece.push(Entry {
                    path,
                    sight: sight(&metadata),
                    is_empty_directory: false,
                });
            }
            if piece.len() >= PIECE && !(self.send)(std::mem::take(piece)) {
                return Err(io::ErrorKind::Interrupted.into()); // nobody listens any more
            }
        }
        Ok(())
    }
}
