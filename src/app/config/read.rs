//! From TOML to `Config`: types, required keys and unknown ones, every problem of a file at once.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::Config;
use super::document::Document;
use super::error::Problem;
use super::key_path::{KeyPath, Step};
use super::wording::{self, Complaint};

/// A file with more problems than this is not the file that was meant.
const ENOUGH: usize = 20;

/// Reads the whole document.
///
/// serde stops at the first problem. So the key it stopped at is taken out, and the rest is read again, until nothing
/// is left to complain of.
pub(super) fn read(document: &Document<'_>) -> Result<Config, Vec<Problem>> {
    let mut root = document.root().clone();
    let mut problems = Vec::new();
    let mut removed = BTreeSet::new();

    while problems.len() < ENOUGH {
        let failure = match attempt(&root) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => break,
            Err(failure) => failure,
        };
        // What is wrong because something below it was taken out has been complained of already.
        let key = failure.key();
        if !removed
            .iter()
            .any(|removed: &KeyPath| removed.is_within(&key))
        {
            problems.push(failure.problem(document));
            // A misspelt key is not missing as well.
            removed.extend(failure.meant());
        }
        match remove(root.get_mut(), &failure.path) {
            Some(path) => removed.insert(path),
            None => break,
        };
    }

    problems.sort();
    Err(problems)
}

/// Why an attempt to read stopped.
struct Failure {
    /// The key whose value it stopped at.
    path: KeyPath,
    complaint: Complaint,
    span: Option<Range<usize>>,
}

fn attempt(root: &Spanned<DeTable<'_>>) -> Result<Config, Failure> {
    serde_path_to_error::deserialize(Deserializer::from(root.clone())).map_err(|error| Failure {
        path: KeyPath::from(error.path()),
        complaint: wording::understand(error.inner().message()),
        span: error.inner().span(),
    })
}

impl Failure {
    /// The key that the complaint is about: of a missing one, the key that should be there.
    fn key(&self) -> KeyPath {
        match &self.complaint {
            Complaint::Missing { key } => self.path.key(key),
            _ => self.path.clone(),
        }
    }

    /// Of an unknown key, the one that was probably meant.
    fn meant(&self) -> Option<KeyPath> {
        let Some(Step::Key(name)) = self.path.steps().last() else {
            return None;
        };
        Some(self.path.parent()?.key(self.complaint.nearest(name)?))
    }

    fn problem(&self, document: &Document<'_>) -> Problem {
        let key = self.key();
        let place = match (&self.complaint, &self.span) {
            (Complaint::Value { .. }, Some(span)) if !self.path.is_root() => {
                Some(document.place_of(span))
            }
            _ => document.place(&key),
        };
        let message = match self.path.steps().last() {
            Some(Step::Key(name)) => self.complaint.message(name),
            _ => self.complaint.message(""),
        };
        Problem {
            place,
            key,
            message,
        }
    }
}

/// Takes a key out and says which. An element of a list goes with its list, because the others would move up.
fn remove(root: &mut DeTable<'_>, path: &KeyPath) -> Option<KeyPath> {
    let (last, above) = path.steps().split_last()?;
    match last {
        Step::Index(_) => remove(root, &path.parent()?),
        Step::Key(last) => section(root, above)?
            .remove(last.as_str())
            .map(|_| path.clone()),
    }
}

/// The table that these steps lead to.
fn section<'a, 't>(table: &'a mut DeTable<'t>, steps: &[Step]) -> Option<&'a mut DeTable<'t>> {
    let Some((Step::Key(key), mut rest)) = steps.split_first() else {
        return steps.is_empty().then_some(table);
    };
    let mut value = table.get_mut(key.as_str())?.get_mut();
    while let Some((Step::Index(index), after)) = rest.split_first() {
        let DeValue::Array(list) = value else {
            return None;
        };
        value = list.get_mut(*index)?.get_mut();
        rest = after;
    }
    match value {
        DeValue::Table(table) => section(table, rest),
        _ => None,
    }
}
