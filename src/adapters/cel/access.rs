//! Access rules: what they can ask about a request.

use std::sync::Arc;

use cel_interpreter::common::types::CelBool;
use cel_interpreter::common::value::CowVal;
use cel_interpreter::context::VariableResolver;

use super::program::{InvalidRule, Program, Vocabulary, list_of, text};
use crate::domain::model::{AccessRequest, Caller, Identity, RepositoryName};
use crate::ports::{AccessRule, RuleError};

const DIGEST: &str = "request.digest";
const REFERENCE: &str = "request.reference";
const TAG_EXISTS: &str = "request.tag_exists";

#[rustfmt::skip] // a table
static VOCABULARY: Vocabulary = Vocabulary {
    variables: &[
        "identity.id", "identity.username",
        "identity.certificate.common_names", "identity.certificate.organizations",
        "request.action", "request.namespace", DIGEST, REFERENCE, TAG_EXISTS,
    ],
    functions: &[
        "bool", "bytes", "contains", "double", "endsWith", "int", "matches", "size", "startsWith", "string", "uint",
    ],
    written_out: |_| Ok(None),
};

/// Compiles a rule of an access policy.
///
/// # Errors
/// What is wrong with it.
pub fn access_rule(text: &str) -> Result<Arc<dyn AccessRule>, InvalidRule> {
    Ok(Arc::new(Rule(Program::compile(text, &VOCABULARY)?)))
}

struct Rule(Program);

impl AccessRule for Rule {
    fn matches(&self, caller: &Caller, request: &AccessRequest) -> Result<bool, RuleError> {
        self.0.evaluate(&Variables { caller, request })
    }

    fn asks_for_the_tag(&self) -> bool {
        self.0.uses(TAG_EXISTS)
    }

    fn asks_for_details(&self) -> bool {
        let mut details = [DIGEST, REFERENCE, TAG_EXISTS].into_iter();
        details.any(|name| self.0.uses(name))
    }
}

/// Gives a rule what it asks for, and builds nothing else.
struct Variables<'r> {
    caller: &'r Caller,
    request: &'r AccessRequest,
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let Self { caller, request } = self;
        let identity = |field: fn(&Identity) -> &str| text(caller.identity.as_deref().map(field));
        Some(match variable {
            "identity.id" => identity(|identity| &identity.id),
            "identity.username" => identity(|identity| &identity.username),
            "identity.certificate.common_names" => list(&caller.certificate.common_names),
            "identity.certificate.organizations" => list(&caller.certificate.organizations),
            "request.action" => text(Some(request.action.as_str())),
            "request.namespace" => text(request.repository.as_ref().map(RepositoryName::as_str)),
            DIGEST => text(request.digest.as_ref().map(ToString::to_string)),
            REFERENCE => text(request.reference.as_ref().map(ToString::to_string)),
            TAG_EXISTS => CowVal::owned(CelBool::from(request.tag_exists.unwrap_or(false))),
            _ => return None,
        })
    }
}

fn list(texts: &[String]) -> CowVal<'_, '_> {
    CowVal::owned(list_of(texts.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests;
