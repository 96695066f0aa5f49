//! Inbound: the content of files has changed, however that was done.
//!
//! Editors rename, Kubernetes swaps a link above the file, and some file systems tell nobody. So what counts is the
//! content, looked at once a second; the system's word about the directories only makes the look come sooner. A file
//! that was merely touched has not changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// How often the files are looked at unasked.
const POLL: Duration = Duration::from_secs(1);

/// For how long the files must stay as they are: they may be half written.
const QUIET: Duration = Duration::from_millis(100);

/// After so many such times, a file that never rests is taken as it is.
const PATIENCE: usize = 5;

/// No file that is watched is longer, or what follows does not count.
const LONGEST: u64 = 16 << 20;

/// Watches the content of a few small files.
pub struct FileWatch {
    /// What was in each of them at the last look.
    seen: BTreeMap<PathBuf, Content>,
    hasher: Arc<RandomState>,
    hurry: Arc<Notify>,
    poll: Duration,
    /// Tells of changes in the directories, for as long as it lives.
    watcher: Option<RecommendedWatcher>,
    complained: bool,
}

/// A hash of it; `None` where there is no file that can be read.
type Content = Option<u64>;

impl FileWatch {
    /// Watches these files, as they are now. They need not be there.
    pub async fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut watch = Self {
            seen: BTreeMap::new(),
            hasher: Arc::default(),
            hurry: Arc::default(),
            poll: POLL,
            watcher: None,
            complained: false,
        };
        watch.follow(files).await;
        watch
    }

    /// Watches these files from now on. Those that were watched before have changed if they have since the last look.
    pub async fn follow(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let mut seen = self.contents(files.into_iter().collect()).await;
        for (file, content) in &mut seen {
            *content = self.seen.get(file).copied().unwrap_or(*content);
        }
        self.seen = seen;
        self.arm();
    }

    /// Looks at the files now. What has changed until now has been seen.
    pub async fn look(&mut self) {
        self.seen = self.again().await;
        self.arm();
    }

    /// Returns once a file has changed since the last look, which this is then.
    pub async fn changed(&mut self) {
        loop {
            tokio::select! {
                () = self.hurry.notified() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
            let mut last = self.again().await;
            // Also where nothing has changed: a busy directory must not keep this busy.
            for _ in 0..PATIENCE {
                tokio::time::sleep(QUIET).await;
                let now = self.again().await;
                if now == last {
                    break;
                }
                last = now;
            }
            if last != self.seen {
                self.seen = last;
                self.arm();
                return;
            }
        }
    }

    async fn again(&self) -> BTreeMap<PathBuf, Content> {
        self.contents(self.seen.keys().cloned().collect()).await
    }

    /// Off the threads that serve: a file may lie on a disk that hangs.
    async fn contents(&self, files: Vec<PathBuf>) -> BTreeMap<PathBuf, Content> {
        let hasher = Arc::clone(&self.hasher);
        let look = move |file: PathBuf| {
            let content = content(&file, &hasher);
            (file, content)
        };
        let looked = tokio::task::spawn_blocking(|| files.into_iter().map(look).collect());
        looked.await.unwrap_or_else(|_| self.seen.clone())
    }

    /// Anew after each change: a directory may have been replaced by another one of its name.
    fn arm(&mut self) {
        self.watcher = match watcher(&self.seen, Arc::clone(&self.hurry)) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                if !self.complained {
                    self.complained = true;
                    tracing::warn!(
                        %error,
                        "the system does not tell of changed files; they are looked at once a second"
                    );
                }
                None
            }
        };
    }
}

/// What tells of changes beside the files, and beside what their names lead to.
fn watcher(
    files: &BTreeMap<PathBuf, Content>,
    hurry: Arc<Notify>,
) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| may_change_content(event.kind)) {
            hurry.notify_one();
        }
    })?;
    let real: Vec<PathBuf> = files.keys().flat_map(|it| it.canonicalize()).collect();
    let directories: BTreeSet<&Path> = files.keys().chain(&real).map(|it| directory(it)).collect();
    for directory in directories {
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Err(error) if !is_absence(&error) => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(watcher)
}

fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    }
}

/// A look opens the files and reads them, and is not to call for another one.
fn may_change_content(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn is_absence(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn content(file: &Path, hasher: &RandomState) -> Content {
    // A pipe would give its content to this look instead of to its reader.
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let file = File::open(file).ok()?;
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(hasher.hash_one(bytes))
}

#[cfg(test)]
mod tests;
