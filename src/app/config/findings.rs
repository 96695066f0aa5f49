//! `Findings`: what a check has against a configuration, gathered so that all of it is told at once.

use super::document::Document;
use super::error::Problem;
use super::key_path::KeyPath;

/// Problems and warnings so far.
pub(super) struct Findings<'d> {
    document: &'d Document<'d>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'d> Findings<'d> {
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Self {
            document,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The configuration can't be used because of this key.
    pub(super) fn refuse(&mut self, key: KeyPath, message: impl Into<String>) {
        let problem = self.problem(key, message.into());
        self.problems.push(problem);
    }

    /// The configuration can be used, but its author may have meant something else.
    pub(super) fn warn(&mut self, key: KeyPath, message: impl Into<String>) {
        let warning = self.problem(key, message.into());
        self.warnings.push(warning);
    }

    /// The warnings, or else the problems; each in the order of the file.
    pub(super) fn finish(mut self) -> Result<Vec<Problem>, Vec<Problem>> {
        self.problems.sort();
        self.warnings.sort();
        if self.problems.is_empty() {
            Ok(self.warnings)
        } else {
            Err(self.problems)
        }
    }

    fn problem(&self, key: KeyPath, message: String) -> Problem {
        Problem {
            place: self.document.place(&key),
            key,
            message,
        }
    }
}
