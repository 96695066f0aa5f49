//! Names: how files get theirs all at once, and lose them with the directories
//! that they leave empty.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Inner, layout, present, system};

/// How often a directory may vanish between its making and its use. Removers
/// take empty directories away at any moment; each round they must win again.
const ROUNDS: usize = 100;

/// Does `work`, which needs `dir`: makes it and tries again as long as
/// somebody removes it in between.
pub(super) fn with_dir<T>(dir: &Path, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..ROUNDS {
        match work() {
            Err(e) if e.kind() == ErrorKind::NotFound => match fs::create_dir_all(dir) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                Ok(()) | Err(_) => {}
            },
            done => return done,
        }
    }
    work()
}

/// Sets the file's time to now. One that is not there is made, empty; but what
/// was deleted with all that is around it does not come back.
pub(super) fn stamp(path: &Path) -> io::Result<()> {
    if present(system::touch(path))?.is_some() || present(File::create(path))?.is_some() {
        return Ok(());
    }
    match path.parent().map_or(Ok(()), fs::create_dir) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        made => drop(present(made)?),
    }
    present(File::create(path)).map(drop)
}

impl Inner {
    /// A file under a temporary name, which goes with it unless it gets another.
    /// It has what the user's mask leaves of these permissions.
    pub(super) fn temporary(&self, mode: u32, bytes: &[u8], sync: bool) -> io::Result<Temporary> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = self.at(layout::TMP).join(name);
        let mut file = with_dir(&self.at(layout::TMP), || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(mode).open(&path)
        })?;
        let temporary = Temporary { path, named: false };
        file.write_all(bytes)?;
        if sync {
            self.durable.content(&file)?;
        } else {
            self.durable.record(&file)?;
        }
        Ok(temporary)
    }

    pub(super) fn replace(&self, path: &Path, mut temporary: Temporary) -> io::Result<()> {
        let dir = path.parent().unwrap_or(&self.root);
        with_dir(dir, || fs::rename(&temporary.path, path))?;
        temporary.named = true;
        self.durable.named(&self.root, path)
    }

    /// Removes directories that are empty, upwards from `dir`, but none of the
    /// fixed ones.
    pub(super) fn prune(&self, dir: &Path) -> io::Result<()> {
        let fixed = [layout::REPOSITORIES, layout::BLOBS, layout::TMP].map(|dir| self.at(dir));
        let mut dir = dir;
        while !fixed.iter().any(|fixed| fixed.starts_with(dir)) {
            match fs::remove_dir(dir) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => break,
                Err(e) => return Err(e),
            }
            match dir.parent() {
                Some(parent) if parent.starts_with(&self.root) => dir = parent,
                _ => break,
            }
        }
        self.durable.removed(dir)
    }

    pub(super) fn unlink(&self, path: &Path) -> io::Result<()> {
        present(fs::remove_file(path))?;
        path.parent().map_or(Ok(()), |dir| self.prune(dir))
    }
}

/// A file that is removed on drop unless it got a name.
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) named: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named {
            // Left behind, it is swept later.
            drop(fs::remove_file(&self.path));
        }
    }
}
