//! Things below a directory, a piece at a time.

use std::fs::{self, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::listing::is_dir;
use super::{present, unavailable};
use crate::adapters::storage::layout;
use crate::adapters::storage::tree::{PIECE, Place, Places};
use crate::ports::StoreError;

/// The directories below `at` that hold something called `name`, or a mark.
/// Errors are about `what`. What is removed meanwhile may be missing. Nothing
/// is read before it is asked for: whoever rests between two pieces rests.
pub(super) fn below(what: String, at: PathBuf, name: &'static str) -> Places {
    let walk = Walk {
        name,
        begin: Some(at),
        open: Vec::new(),
    };
    told(what, walk, Walk::piece)
}

/// What `next` finds, off the async threads, until it is nothing.
pub(super) fn told<W: Send + 'static, T: Send + 'static>(
    what: String,
    walk: W,
    next: fn(&mut W) -> io::Result<Vec<T>>,
) -> BoxStream<'static, Result<Vec<T>, StoreError>> {
    stream::try_unfold((walk, what), move |(mut walk, what)| async move {
        let read = tokio::task::spawn_blocking(move || Ok((next(&mut walk)?, walk)));
        let read = read.await.map_err(io::Error::other);
        let read = read.and_then(|result: io::Result<_>| result);
        let (piece, walk) = read.map_err(|source| unavailable(&what, source))?;
        Ok((!piece.is_empty()).then_some((piece, (walk, what))))
    })
    .boxed()
}

struct Walk {
    name: &'static str,
    /// Where it is to begin.
    begin: Option<PathBuf>,
    /// From the top to where it stands, each with what was found in it.
    open: Vec<(ReadDir, Place)>,
}

impl Walk {
    fn enter(&mut self, dir: &Path) -> io::Result<()> {
        if let Some(entries) = present(fs::read_dir(dir))? {
            let name = dir.file_name().unwrap_or_default();
            let place = Place {
                name: name.to_string_lossy().into_owned(),
                ..Place::default()
            };
            self.open.push((entries, place));
        }
        Ok(())
    }

    /// The next places, none only at the end.
    fn piece(&mut self) -> io::Result<Vec<Place>> {
        if let Some(at) = self.begin.take() {
            self.enter(&at)?;
        }
        let mut piece = Vec::new();
        while piece.len() < PIECE
            && let Some((entries, place)) = self.open.last_mut()
        {
            match entries.next().transpose()? {
                Some(entry) if is_dir(&entry)? => self.enter(&entry.path())?,
                Some(entry) => {
                    let file = entry.file_name();
                    place.add(&file.to_string_lossy(), self.name);
                    if file == layout::DATA {
                        let metadata = present(entry.metadata())?;
                        place.size = metadata.map_or(0, |it| it.len());
                    }
                }
                None => {
                    let place = self.open.pop().map(|(_, place)| place);
                    piece.extend(place.filter(|it| it.there || it.marked));
                }
            }
        }
        Ok(piece)
    }
}
