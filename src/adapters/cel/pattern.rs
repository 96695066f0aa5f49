//! `Pattern`: the regular expression of a `matches`, compiled with its rule.

use std::any::Any;
use std::sync::Arc;

use cel_interpreter::common::types::{CelBool, CelString, Type};
use cel_interpreter::common::value::{StaticVal, Val};
use regex::{Regex, RegexBuilder};

use super::program::excerpt;

/// The most memory that one may take. Repetitions of repetitions take more.
const LARGEST: usize = 256 << 10;

static TYPE: Type = Type::new_unspecified_type("pattern");

/// A value that no rule can make or name, only `matches` takes.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Arc<Regex>);

impl Pattern {
    /// Compiles it, or says why not.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let pattern = RegexBuilder::new(text).size_limit(LARGEST).build();
        pattern.map(|it| Self(Arc::new(it))).map_err(|error| {
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default();
            format!("the pattern {:?} can't be used: {reason}", excerpt(text))
        })
    }
}

/// `text.matches('pattern')`.
pub(super) fn matches(text: &CelString<'_>, pattern: &Pattern) -> CelBool {
    CelBool::from(pattern.0.is_match(text.inner()))
}

impl StaticVal for Pattern {}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
