//! Things below a directory, told while it is still being read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::stream::{self, BoxStream};
use futures_util::StreamExt;

use super::listing::is_dir;
use super::{present, unavailable};
use crate::adapters::storage::tree::{PIECE, Place, Places};
use crate::ports::StoreError;

/// The directories below `at` that hold something called `name`, or a mark.
/// Errors are about `what`.
pub(super) fn below(what: String, at: PathBuf, name: &'static str) -> Places {
    told(what, move |send| {
        let mut piece = Vec::new();
        hand_over(&at, name, &mut piece, send)?;
        send(piece);
        Ok(())
    })
}

/// What `list` sends while it works, off the async threads. Errors are about `what`.
pub(super) fn told<T: Send + 'static>(
    what: String,
    list: impl FnOnce(&mut dyn FnMut(Vec<T>) -> bool) -> io::Result<()> + Send + 'static,
) -> BoxStream<'static, Result<Vec<T>, StoreError>> {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let listing = tokio::task::spawn_blocking(move || {
        list(&mut |piece| send.blocking_send(piece).is_ok())
    });
    // The end counts as one only if the listing says so, too.
    stream::try_unfold(Some((receive, listing, what)), |state| async {
        let Some((mut receive, listing, what)) = state else {
            return Ok(None);
        };
        if let Some(piece) = receive.recv().await {
            return Ok(Some((piece, Some((receive, listing, what)))));
        }
        let listed = listing.await.map_err(io::Error::other);
        let listed = listed.and_then(|result| result);
        listed.map_err(|source| unavailable(&what, source))?;
        Ok(None)
    })
    .boxed()
}

/// Hands over every directory below `dir` that holds something called `name`,
/// or a mark, a piece at a time, for as long as `send` takes them. What is
/// removed meanwhile may be missing.
fn hand_over(
    dir: &Path,
    name: &str,
    piece: &mut Vec<Place>,
    send: &mut dyn FnMut(Vec<Place>) -> bool,
) -> io::Result<()> {
    let Some(entries) = present(fs::read_dir(dir))? else {
        return Ok(());
    };
    let mut place = Place::default();
    for entry in entries {
        let entry = entry?;
        if is_dir(&entry)? {
            hand_over(&entry.path(), name, piece, send)?;
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
