//! What lies in the store, and what a power cut takes back of it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::random::Random;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub bytes: Bytes,
    /// By the store's clock.
    pub modified: i64,
}

/// Objects by path.
#[derive(Default)]
pub struct Objects {
    now: BTreeMap<String, Object>,
    /// What each path was since it was last synced, the oldest first; that one is on the disk.
    unsynced: BTreeMap<String, Vec<Change>>,
    changes: u64,
    /// So many of them are on the disk.
    synced: u64,
}

struct Change {
    number: u64,
    object: Option<Object>,
    /// A power cut may find it empty.
    tearable: bool,
}

impl Objects {
    pub fn get(&self, path: &str) -> Option<&Object> {
        self.now.get(path)
    }

    pub fn set(&mut self, path: &str, object: Object, tearable: bool) {
        self.change(path, Some(object), tearable);
    }

    pub fn remove(&mut self, path: &str) {
        if self.now.contains_key(path) {
            self.change(path, None, false);
        }
    }

    fn change(&mut self, path: &str, object: Option<Object>, tearable: bool) {
        self.changes += 1;
        let before = match &object {
            Some(object) => self.now.insert(path.to_owned(), object.clone()),
            None => self.now.remove(path),
        };
        let since = self.unsynced.entry(path.to_owned()).or_insert_with(|| {
            let on_disk = Change {
                number: 0,
                object: before,
                tearable: false,
            };
            vec![on_disk]
        });
        since.push(Change {
            number: self.changes,
            object,
            tearable,
        });
    }

    /// How many changes there were.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The first so many changes are on the disk.
    pub fn persist(&mut self, changes: u64) {
        self.synced = self.synced.max(changes);
        self.unsynced.retain(|_, since| {
            let last = since.iter().rposition(|it| it.number <= changes);
            since.drain(..last.unwrap_or(0));
            since[0].tearable = false;
            since.len() > 1
        });
    }

    /// The last changes that were not synced are undone: a file system keeps names in their order. What is written in a
    /// file that was not synced by itself may be lost all the same.
    pub fn power_cut(&mut self, random: &mut Random) {
        let last = self.synced + random.below(self.changes - self.synced + 1);
        for (path, since) in std::mem::take(&mut self.unsynced) {
            let change = since.iter().rfind(|it| it.number <= last).unwrap();
            let mut object = change.object.clone();
            if let Some(object) = &mut object
                && change.tearable
                && random.below(2) == 0
            {
                object.bytes = Bytes::new();
            }
            match object {
                Some(object) => self.now.insert(path, object),
                None => self.now.remove(&path),
            };
        }
        self.synced = self.changes;
    }

    /// The paths below `dir`, relative to it, in order.
    pub fn below(&self, dir: &str) -> Vec<String> {
        let prefix = format!("{dir}/");
        let range = self.now.range(prefix.clone()..);
        let range = range.take_while(|(path, _)| path.starts_with(&prefix));
        range
            .map(|(path, _)| path[prefix.len()..].to_owned())
            .collect()
    }

    /// The first path below `dir` that sorts after `last`.
    pub fn next_below(&self, dir: &str, last: Option<&str>) -> Option<String> {
        let prefix = format!("{dir}/");
        let from = match last {
            Some(last) => format!("{prefix}{last}\0"),
            None => prefix.clone(),
        };
        let (path, _) = self.now.range(from..).next()?;
        Some(path.strip_prefix(&prefix)?.to_owned())
    }

    /// The names in `dir`, of objects and of directories.
    pub fn names(&self, dir: &str) -> Vec<String> {
        let prefix = format!("{dir}/");
        let mut names: Vec<String> = Vec::new();
        for (path, _) in self.now.range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix) else {
                break;
            };
            let name = rest.split('/').next().unwrap();
            // Not always beside each other: `a-b` sorts before `a/b`.
            if names.last().is_none_or(|last| last != name) && !names.iter().any(|it| it == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Every path that is not the store's own business.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.now
            .keys()
            .filter(|path| !path.starts_with("_registry/"))
    }
}
