//! `AccessRule`: a condition on a request.

use crate::domain::model::{AccessRequest, Caller};
use crate::ports::RuleError;

/// A rule of an access policy. It looks at nothing but what it is given.
#[cfg_attr(test, mockall::automock)]
pub trait AccessRule: Send + Sync {
    /// Whether the rule is true of this request. A tag that nobody has looked
    /// for yet counts as absent ([`AccessRequest::tag_exists`]).
    ///
    /// # Errors
    ///
    /// [`RuleError`], where it has no answer that is true or false.
    fn matches(&self, caller: &Caller, request: &AccessRequest) -> Result<bool, RuleError>;

    /// Whether the answer may depend on [`AccessRequest::tag_exists`].
    fn asks_for_the_tag(&self) -> bool;

    /// Whether the answer may depend on more than who asks, the action and the
    /// repository. True where nobody knows.
    fn asks_for_details(&self) -> bool {
        true
    }
}
