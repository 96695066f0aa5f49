//! Everything below a directory, a piece at a time.

use std::fs::{self, DirEntry};
use std::io;
use std::path::PathBuf;

use super::listing::is_dir;
use super::{places, present, sight};
use crate::adapters::storage::tree::{Entries, Entry, PIECE};

/// What a file system keeps at its root for itself, and shows to nobody else.
const SYSTEMS: &str = "lost+found";

/// Every file below `dir`, which lies below `root`, and every directory with
/// nothing in it. What is removed meanwhile may be missing.
pub(super) fn below(root: PathBuf, dir: String) -> Entries {
    let walk = Walk {
        root,
        begin: Some(dir.clone()),
        open: Vec::new(),
    };
    places::told(dir, walk, Walk::piece)
}

struct Walk {
    root: PathBuf,
    /// Where it is to begin.
    begin: Option<String>,
    /// From the top to where it stands, each with what is left of it, the last first.
    open: Vec<(String, Vec<DirEntry>)>,
}

impl Walk {
    fn enter(&mut self, dir: String, piece: &mut Vec<Entry>) -> io::Result<()> {
        let at = self.root.join(&dir);
        let Some(entries) = present(fs::read_dir(&at))? else {
            return Ok(());
        };
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        if entries.is_empty() {
            let metadata = present(fs::metadata(&at))?;
            piece.extend(metadata.map(|metadata| Entry {
                path: dir,
                sight: sight(&metadata),
                is_empty_directory: true,
            }));
            return Ok(());
        }
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.file_name()));
        self.open.push((dir, entries));
        Ok(())
    }

    /// The next files, none only at the end.
    fn piece(&mut self) -> io::Result<Vec<Entry>> {
        let mut piece = Vec::new();
        if let Some(dir) = self.begin.take() {
            self.enter(dir, &mut piece)?;
        }
        while piece.len() < PIECE
            && let Some((dir, entries)) = self.open.last_mut()
        {
            let Some(entry) = entries.pop() else {
                self.open.pop();
                continue;
            };
            let path = match (&**dir, entry.file_name().to_string_lossy()) {
                ("", name) if name == SYSTEMS => continue,
                ("", name) => name.into_owned(),
                (dir, name) => format!("{dir}/{name}"),
            };
            if is_dir(&entry)? {
                self.enter(path, &mut piece)?;
            } else if let Some(metadata) = present(entry.metadata())? {
                piece.push(Entry {
                    path,
                    sight: sight(&metadata),
                    is_empty_directory: false,
                });
            }
        }
        Ok(piece)
    }
}
