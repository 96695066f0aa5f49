//! `RetentionRule`: a condition under which an image is kept.

use crate::domain::model::{Image, Surroundings};
use crate::ports::RuleError;

/// A rule of a retention policy. It looks at nothing but what it is given.
#[cfg_attr(test, mockall::automock)]
pub trait RetentionRule: Send + Sync {
    /// The rule as it is written.
    fn text(&self) -> &str;

    /// Whether the rule is true of each of these images, in their order;
    /// [`RuleError`], where it has no answer that is true or false.
    fn judge(&self, images: &[Image], around: &Surroundings) -> Vec<Result<bool, RuleError>>;
}
