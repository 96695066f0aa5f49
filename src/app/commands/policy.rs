//! `policy test`: what the access policies say of one request, and which rule says so.

use std::fmt::Write as _;
use std::sync::Arc;

use super::CommandError;
use crate::app::cli::PolicyTest;
use crate::app::config::Config;
use crate::app::wiring;
use crate::domain::access::{Access, Ground, Verdict};
use crate::domain::model::{AccessRequest, Action, Caller, ClientCertificate, Identity, Reference};

/// A request that was judged.
#[derive(Debug)]
pub struct Explanation {
    /// Whether it is allowed.
    pub allowed: bool,
    /// What was asked, in which order, and what it said.
    pub text: String,
}

/// Judges the request as the server would, by the same code.
///
/// # Errors
/// When there is no such user, or the repository is missing, or one too many.
pub fn test(config: &Config, arguments: &PolicyTest) -> Result<Explanation, CommandError> {
    let caller = caller(config, arguments)?;
    let request = request(arguments)?;
    let namespaces = Arc::new(wiring::namespaces(config)?);
    let verdict = Access::new(Arc::clone(&namespaces)).judge(&caller, &request);

    let entry = match &request.repository {
        Some(repository) => namespaces.find_with_prefix(repository),
        None => namespaces.everything().map(|it| ("*", it)),
    };
    Ok(Explanation {
        allowed: verdict.allowed,
        text: explain(config, entry.map(|(prefix, _)| prefix), &verdict),
    })
}

fn caller(config: &Config, arguments: &PolicyTest) -> Result<Caller, CommandError> {
    let identity = match &arguments.user {
        None => None,
        Some(name) => {
            let found = config.identity.iter().find(|(_, it)| it.username == *name);
            let (id, _) = found.ok_or_else(|| {
                CommandError::Usage(format!("no identity has the user name {name:?}"))
            })?;
            Some(Arc::new(Identity {
                id: id.clone(),
                username: name.clone(),
            }))
        }
    };
    Ok(Caller {
        identity,
        certificate: ClientCertificate {
            common_names: arguments.certificate_cn.clone(),
            organizations: arguments.certificate_o.clone(),
        },
        scope: None,
    })
}

fn request(arguments: &PolicyTest) -> Result<AccessRequest, CommandError> {
    let action = arguments.action;
    let about = match (action, &arguments.repository) {
        (Action::GetApiVersion, Some(_)) => Some("no repository: leave out --repository"),
        (Action::GetApiVersion, None) | (_, Some(_)) => None,
        (_, None) => Some("a repository: name it with --repository"),
    };
    if let Some(about) = about {
        return Err(CommandError::Usage(format!("{action} is about {about}")));
    }
    let manifest = match &arguments.reference {
        Some(Reference::Digest(digest)) if action != Action::GetReferrers => Some(digest),
        _ => None,
    };
    let mut request = AccessRequest {
        action,
        repository: arguments.repository.clone(),
        digest: arguments.digest.as_ref().or(manifest).cloned(),
        reference: arguments.reference.clone(),
        tag_exists: None,
    };
    if request.may_find_a_tag() {
        request.tag_exists = Some(arguments.tag_exists);
    }
    Ok(request)
}

/// One line for the entry, one for each rule that was asked, and the verdict.
fn explain(config: &Config, prefix: Option<&str>, verdict: &Verdict) -> String {
    let mut text = String::new();
    let policy = prefix.and_then(|prefix| config.repository.get(prefix)?.access_policy.as_ref());
    let _ = match (prefix, policy) {
        (None, _) => writeln!(text, "no entry is about this"),
        (Some(prefix), None) => {
            writeln!(text, "repository.{prefix:?} has no access_policy")
        }
        (Some(prefix), Some(policy)) => writeln!(
            text,
            "repository.{prefix:?}.access_policy: default_allow = {}",
            policy.default_allow
        ),
    };
    let decisive = match &verdict.ground {
        Ground::Rule(index) | Ground::Failed(index, _) => Some(*index),
        Ground::NoEntry | Ground::Default => None,
    };
    for (index, rule) in policy.iter().flat_map(|it| &it.rules).enumerate() {
        let said = match &verdict.ground {
            _ if decisive.is_some_and(|decisive| index > decisive) => "not asked",
            Ground::Failed(failed, _) if *failed == index => "fails",
            Ground::Rule(decisive) if *decisive == index => "true",
            _ => "false",
        };
        let _ = writeln!(text, "rule {index}: {said}: {rule}");
    }
    let allowed = if verdict.allowed { "allowed" } else { "denied" };
    let _ = writeln!(text, "{allowed}: {}", verdict.ground);
    text
}

#[cfg(test)]
mod tests;
