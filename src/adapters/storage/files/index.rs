//! The names of directories in directories, remembered while those stay as they are.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::listing::subdirectories;
use super::{present, system};
use crate::ports::DIRECTORIES;

/// How many bytes all that is remembered may take.
const MOST: u64 = 8 << 20;

/// How many seconds old the last change of a directory must be before its
/// names are remembered: a change right after it might bear the same time.
const SETTLED: i64 = 1;

/// How long names are remembered: the leaf of one may go without a trace in
/// the directory, where a crash ends a removal.
const LONGEST: Duration = Duration::from_mins(1);

/// Directories by their path. The directory's time is the truth: a change by
/// whatever process is seen by the next question.
pub(super) struct Index {
    names: Cache<PathBuf, Arc<Names>, Weight>,
    /// A file that is touched to learn what time it is by the store's clock.
    clock: PathBuf,
}

impl Index {
    pub(super) fn new(clock: PathBuf) -> Self {
        Self {
            names: cache(),
            clock,
        }
    }

    /// The directories in `dir`; none where there is no such directory.
    pub(super) fn names(&self, dir: &Path) -> io::Result<Arc<Names>> {
        let Some(metadata) = present(fs::metadata(dir))? else {
            return Ok(Arc::default());
        };
        let stamp = Stamp::of(&metadata);
        let known = self.names.get(dir);
        let known = known.filter(|known| known.stands(&stamp));
        DIRECTORIES.note(known.is_some());
        if let Some(known) = known {
            return Ok(known);
        }
        // The time is older than what is read: a change in between shows.
        let settled = self.now().is_ok_and(|now| stamp.is_settled(&now));
        let names = Arc::new(Names::new(subdirectories(dir)?, stamp));
        if settled {
            self.names.insert(dir.to_owned(), Arc::clone(&names));
        }
        Ok(names)
    }

    /// Fails where nothing can be written any more; lists are read even then.
    fn now(&self) -> io::Result<Stamp> {
        system::touch(&self.clock)?;
        Ok(Stamp::of(&fs::metadata(&self.clock)?))
    }
}

/// One shard: each of several would have a part of the memory only, and remember no directory that is larger than that.
fn cache() -> Cache<PathBuf, Arc<Names>, Weight> {
    let options = OptionsBuilder::new()
        .estimated_items_capacity(10_000)
        .weight_capacity(MOST)
        .shards(1)
        .build();
    match options {
        Ok(options) => Cache::with_options(
            options,
            Weight,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
        Err(_) => Cache::with_weighter(10_000, MOST, Weight), // a capacity was missing
    }
}

/// Changes whenever a directory does: nobody can set the time of the change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            seconds: metadata.ctime(),
            nanoseconds: metadata.ctime_nsec(),
        }
    }

    /// Whether a change from now on is sure to have another time.
    fn is_settled(&self, now: &Self) -> bool {
        (self.seconds + SETTLED, self.nanoseconds) <= (now.seconds, now.nanoseconds)
    }
}

/// The names in one directory, in byte order.
#[derive(Default)]
pub(super) struct Names {
    /// One after the other.
    text: String,
    /// Where each one ends.
    ends: Vec<usize>,
    /// Which of them were seen to have their leaf.
    seen: Vec<AtomicBool>,
    stamp: Stamp,
    read: Option<Instant>,
}

impl Names {
    fn new(mut names: Vec<String>, stamp: Stamp) -> Self {
        names.sort_unstable();
        let mut text = String::with_capacity(names.iter().map(String::len).sum());
        let ends = names.iter().map(|name| {
            text.push_str(name);
            text.len()
        });
        Self {
            ends: ends.collect(),
            text,
            seen: names.iter().map(|_| AtomicBool::default()).collect(),
            stamp,
            read: Some(Instant::now()),
        }
    }

    fn stands(&self, stamp: &Stamp) -> bool {
        self.stamp == *stamp && self.read.is_some_and(|read| read.elapsed() < LONGEST)
    }

    fn name(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[at]]
    }

    /// How many names there are from the first on of which this is true.
    fn count(&self, is_before: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_before(self.name(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        let at = self.count(|it| it < name);
        at < self.ends.len() && self.name(at) == name
    }

    /// The names after `after`.
    pub(super) fn after(&self, after: &str) -> impl Iterator<Item = Name<'_>> {
        let first = self.count(|it| it <= after);
        (first..self.ends.len()).map(|at| Name {
            text: self.name(at),
            seen: &self.seen[at],
        })
    }
}

/// A name in a directory.
pub(super) struct Name<'n> {
    pub(super) text: &'n str,
    seen: &'n AtomicBool,
}

impl Name<'_> {
    /// Whether the file is there that is below this name. It is looked for
    /// until it was seen.
    pub(super) fn has(&self, leaf: impl FnOnce() -> PathBuf) -> io::Result<bool> {
        if self.seen.load(Relaxed) {
            return Ok(true);
        }
        let there = present(fs::metadata(leaf()))?.is_some();
        self.seen.store(there, Relaxed);
        Ok(there)
    }
}

/// What an entry takes in memory, about.
#[derive(Clone)]
struct Weight;

impl Weighter<PathBuf, Arc<Names>> for Weight {
    fn weight(&self, dir: &PathBuf, names: &Arc<Names>) -> u64 {
        let each = size_of::<usize>() + size_of::<AtomicBool>();
        let bytes = dir.as_os_str().len() + names.text.len() + names.ends.len() * each;
        bytes as u64 + 250
    }
}

#[cfg(test)]
mod tests;
