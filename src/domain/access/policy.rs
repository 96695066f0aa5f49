//! `AccessPolicy`: a default, and the rules that make exceptions from it.

use std::fmt;
use std::sync::Arc;

use crate::domain::model::{AccessRequest, Caller};
use crate::ports::{AccessRule, RuleError};

/// Who may do what in a namespace. The default one denies everything.
#[derive(Clone, Default)]
pub struct AccessPolicy {
    /// Whether what no rule speaks of is allowed.
    pub default_allow: bool,
    /// Asked in this order; the first that is true decides against the default.
    pub rules: Vec<Arc<dyn AccessRule>>,
}

/// What a policy says of a request.
#[derive(Debug)]
pub struct Verdict {
    /// Whether it may be done.
    pub allowed: bool,
    /// What decided.
    pub ground: Ground,
}

/// What decides about a request. A rule that decides has been asked last, and
/// all before it were false.
#[derive(Debug)]
pub enum Ground {
    /// No entry of the configuration speaks of the repository.
    NoEntry,
    /// No rule is true: the default.
    Default,
    /// The rule with this index, counted from 0, is true.
    Rule(usize),
    /// The rule with this index has no answer. Nobody knows what it would have
    /// forbidden, so this denies, whatever the default.
    Failed(usize, RuleError),
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntry => f.write_str("no entry of the configuration is about it"),
            Self::Default => f.write_str("no rule is true"),
            Self::Rule(index) => write!(f, "rule {index} is true"),
            Self::Failed(index, error) => write!(f, "rule {index} fails: {error}"),
        }
    }
}

impl AccessPolicy {
    /// Decides. While nobody has looked whether a tag is there that is to be
    /// changed, a request is denied only if it would be either way: it is judged
    /// again where the tag is known.
    #[must_use]
    pub fn judge(&self, caller: &Caller, request: &AccessRequest) -> Verdict {
        let verdict = self.decide(caller, request);
        if verdict.allowed || !request.may_find_a_tag() || !self.asks_for_tags() {
            return verdict;
        }
        let found = AccessRequest {
            tag_exists: Some(true),
            ..request.clone()
        };
        self.decide(caller, &found)
    }

    /// Whether a request may ever be allowed that is like this one, whatever
    /// digest or tag it names.
    #[must_use]
    pub fn may_allow(&self, caller: &Caller, request: &AccessRequest) -> bool {
        self.rules.iter().any(|rule| rule.asks_for_details())
            || self.decide(caller, request).allowed
    }

    /// Whether the answer may depend on whether a tag is there.
    #[must_use]
    pub fn asks_for_tags(&self) -> bool {
        self.rules.iter().any(|rule| rule.asks_for_the_tag())
    }

    fn decide(&self, caller: &Caller, request: &AccessRequest) -> Verdict {
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.matches(caller, request) {
                Ok(false) => {}
                Ok(true) => {
                    return Verdict {
                        allowed: !self.default_allow,
                        ground: Ground::Rule(index),
                    };
                }
                Err(error) => {
                    return Verdict {
                        allowed: false,
                        ground: Ground::Failed(index, error),
                    };
                }
            }
        }
        Verdict {
            allowed: self.default_allow,
            ground: Ground::Default,
        }
    }
}

#[cfg(test)]
mod tests;
