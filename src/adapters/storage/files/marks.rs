//! The marks beside a thing, each a file.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::reach::Reach;
use super::sight::sight;
use super::{Inner, present};
use crate::adapters::storage::layout::{CONDEMNED, DYING};
use crate::domain::model::{Look, Mark};

impl Inner {
    /// The marks in `dir`, and after them the thing called `name`.
    pub(super) fn look(&self, dir: &str, name: &str, reach: Reach) -> io::Result<Look> {
        // One path for the three: this is done several times for each blob.
        let mut path = self.at(dir);
        path.push(CONDEMNED);
        let condemned = id_in(&path, reach)?;
        path.set_file_name(DYING);
        let dying = reach.has(&path)?;
        path.set_file_name(name);
        let thing = reach.stat(&path)?;
        if thing.is_some() {
            // A promise may rest on what was seen, whoever wrote it. (This
            // waits only where nothing is read from memory.)
            self.durable.named(&self.root, &path)?;
        }
        Ok(Look {
            mark: match (dying, condemned) {
                (true, _) => Mark::Dying,
                (false, Some(id)) => Mark::Condemned(id),
                (false, None) => Mark::None,
            },
            thing: thing.map(|it| sight(&it)),
        })
    }

    /// Marks with `id`, or leaves the mark that is there; which one stands.
    pub(super) fn condemn(&self, dir: &str, id: String) -> io::Result<Option<String>> {
        let temporary = self.temporary(0o666, id.as_bytes(), false)?;
        let mark = self.at(dir).join(CONDEMNED);
        // A hard link is the exclusive create that also shows whole content.
        match fs::hard_link(&temporary.path, &mark) {
            Ok(()) => Ok(Some(id)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => id_in(&mark, Reach::Disk),
            Err(e) => present(Err(e)),
        }
    }

    /// Turns the mark `id` into the other one, unless that is there.
    pub(super) fn doom(&self, dir: &str, id: &str) -> io::Result<bool> {
        let dir = self.at(dir);
        let (condemned, dying) = (dir.join(CONDEMNED), dir.join(DYING));
        if Reach::Disk.has(&dying)? || id_in(&condemned, Reach::Disk)?.as_deref() != Some(id) {
            return Ok(false);
        }
        Ok(present(fs::rename(condemned, dying))?.is_some())
    }

    /// Removes both marks.
    pub(super) fn pardon(&self, dir: &str) -> io::Result<()> {
        let dir = self.at(dir);
        self.unlink(&dir.join(CONDEMNED))?;
        self.unlink(&dir.join(DYING))
    }
}

fn id_in(mark: &Path, reach: Reach) -> io::Result<Option<String>> {
    let id = reach.read(mark)?;
    Ok(id.map(|id| String::from_utf8_lossy(&id).into_owned()))
}
