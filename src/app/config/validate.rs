//! What types can't say: ranges, partners, names.

mod namespaces;
mod policies;
mod ranges;

use std::collections::BTreeMap;

use super::findings::Findings;
use super::key_path::KeyPath;
use super::{Config, RepositoryConfig};
use crate::adapters::identities::PasswordHash;
use crate::adapters::identities::config::IdentityConfig;
use crate::adapters::storage::config::StorageConfig;
use crate::adapters::telemetry::config::ObservabilityConfig;
use crate::adapters::tokens::Keys;
use crate::adapters::units::ByteSize;
use crate::adapters::upstream::Address;
use crate::adapters::upstream::config::UpstreamConfig;
use crate::domain::model::Secret;

/// Checks a configuration whose types are right; mends what is not worth an error, with a warning.
pub(super) fn check(config: &mut Config, findings: &mut Findings<'_>) {
    ranges::check(config, findings);
    check_credentials(config, findings);
    check_redis(config, findings);
    check_locks(config, findings);
    check_observability(&config.observability, findings);
    check_identities(&config.identity, findings);
    // A variable that is not set has been told of.
    let key = config.token.key.as_ref();
    let key = key.filter(|key| !key.expose().starts_with("${"));
    if let Some(Err(error)) = key.map(Keys::configured) {
        findings.refuse(KeyPath::of(&["token", "key"]), error.to_string());
    }
    for (namespace, repository) in &config.repository {
        let key = KeyPath::of(&["repository", namespace]);
        policies::check(&key, repository, findings);
        if repository.immutable_tags.is_empty() && !repository.mutable_tags.is_empty() {
            findings.warn(
                key.key("mutable_tags"),
                "has no effect without immutable_tags: every tag may move",
            );
        }
        check_mirrors(&key.key("mirrors"), repository, findings);
        let limit = key.key("cache_max_size");
        match repository.cache_max_size.map(ByteSize::bytes) {
            Some(0) => {
                findings.refuse(limit, "expected a size, found 0; leave it out for no limit");
            }
            Some(_) if repository.upstream.is_empty() => {
                findings.refuse(
                    limit,
                    "needs an `upstream`: only what a mirror has pulled is evicted",
                );
            }
            Some(_) | None => {}
        }
        for (index, upstream) in repository.upstream.iter().enumerate() {
            check_upstream(&key.key("upstream").index(index), upstream, findings);
        }
    }
    namespaces::check(&mut config.repository, findings);
}

fn check_credentials(config: &Config, findings: &mut Findings<'_>) {
    let StorageConfig::S3(s3) = &config.storage else {
        return;
    };
    let key = KeyPath::of(&["storage", "s3"]);
    match (&s3.access_key_id, &s3.secret_key) {
        (Some(_), None) => {
            findings.refuse(key.key("secret_key"), "missing; `access_key_id` needs it");
        }
        (None, Some(_)) => {
            findings.refuse(key.key("access_key_id"), "missing; `secret_key` needs it");
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn check_redis(config: &Config, findings: &mut Findings<'_>) {
    let urls = [
        (
            "lock_store",
            config.lock_store.redis.as_ref().map(|redis| &redis.url),
        ),
        (
            "cache_store",
            config.cache_store.redis.as_ref().map(|redis| &redis.url),
        ),
    ];
    for (section, url) in urls {
        if url.is_some_and(|url| !is_redis_url(url)) {
            findings.refuse(
                KeyPath::of(&[section, "redis", "url"]),
                r#"expected a URL such as "redis://localhost:6379" (what it is now may be a secret, and is not shown)"#,
            );
        }
    }
}

/// One machine locks by its kernel, which knows who is dead.
fn check_locks(config: &Config, findings: &mut Findings<'_>) {
    if matches!(config.storage, StorageConfig::Fs(_)) && config.lock_store.redis.is_some() {
        findings.warn(
            KeyPath::of(&["lock_store", "redis"]),
            "not used with storage.fs, which is for one machine: its locks are in files below root_dir",
        );
    }
}

fn is_redis_url(url: &Secret) -> bool {
    let schemes = [
        "redis",
        "rediss",
        "redis+unix",
        "unix",
        "redis+sentinel",
        "rediss+sentinel",
    ];
    url.expose()
        .split_once("://")
        .is_some_and(|(scheme, rest)| schemes.contains(&scheme) && !rest.is_empty())
}

fn check_observability(observability: &ObservabilityConfig, findings: &mut Findings<'_>) {
    let key = KeyPath::of(&["observability"]);
    match (observability.bind_address, observability.port) {
        (Some(_), None) => findings.refuse(key.key("port"), "missing; `bind_address` needs it"),
        (None, Some(_)) => findings.refuse(key.key("bind_address"), "missing; `port` needs it"),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn check_identities(identities: &BTreeMap<String, IdentityConfig>, findings: &mut Findings<'_>) {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (id, identity) in identities {
        let key = KeyPath::of(&["identity", id]);
        let name = identity.username.as_str();
        if name.contains(':') || name.chars().any(char::is_control) {
            findings.refuse(
                key.key("username"),
                "a user name has no colon and no control characters: HTTP can't carry them",
            );
        }
        if let Some(other) = names.insert(name, id) {
            findings.refuse(
                key.key("username"),
                format!("the user name of identity {other:?} already"),
            );
        }
        if let Err(error) = PasswordHash::parse(&identity.password) {
            findings.refuse(
                key.key("password"),
                format!("{error} (what it is now may be a secret, and is not shown)"),
            );
        }
    }
}

/// The names of registries, as clients send them with `?ns=`.
fn check_mirrors(key: &KeyPath, repository: &RepositoryConfig, findings: &mut Findings<'_>) {
    let mirrors = repository.mirrors.as_deref().unwrap_or_default();
    if !mirrors.is_empty() && repository.upstream.is_empty() {
        findings.refuse(key.clone(), "needs an `upstream` to be filled from");
    }
    for (index, registry) in mirrors.iter().enumerate() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if registry.is_empty() || registry.contains("://") || !registry.chars().all(is_name) {
            let message = format!(
                "expected a host such as \"docker.io\" or \"registry.example:5000\", found {registry:?}"
            );
            findings.refuse(key.clone().index(index), message);
        }
    }
}

fn check_upstream(key: &KeyPath, upstream: &UpstreamConfig, findings: &mut Findings<'_>) {
    if let Err(bad) = Address::new("", &upstream.url) {
        findings.refuse(key.key("url"), bad.to_string());
    }
    let partners = [
        ("client_certificate", upstream.client_certificate.is_some()),
        ("client_private_key", upstream.client_private_key.is_some()),
        ("username", upstream.username.is_some()),
        ("password", upstream.password.is_some()),
    ];
    for pair in partners.chunks_exact(2) {
        if let [(one, one_there), (other, other_there)] = pair {
            if *one_there && !*other_there {
                findings.refuse(key.key(other), format!("missing; `{one}` needs it"));
            }
            if *other_there && !*one_there {
                findings.refuse(key.key(one), format!("missing; `{other}` needs it"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
