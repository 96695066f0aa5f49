//! Secrets from the environment: `${NAME}` stands for the value of the variable `NAME`.

use super::Config;
use super::findings::Findings;
use super::key_path::KeyPath;
use super::load::Environment;
use crate::adapters::storage::config::StorageConfig;
use crate::domain::model::Secret;

/// Puts the values of variables in the place of their names.
pub(super) fn resolve(
    config: &mut Config,
    environment: Environment<'_>,
    findings: &mut Findings<'_>,
) {
    for (key, secret) in secrets(config) {
        match resolved(secret.expose(), environment) {
            Ok(None) => {}
            Ok(Some(value)) => *secret = Secret::new(value),
            Err(message) => findings.refuse(key, message),
        }
    }
}

/// Every secret of the configuration, and its key. A secret that is not here is taken literally.
fn secrets(config: &mut Config) -> Vec<(KeyPath, &mut Secret)> {
    let mut all = Vec::new();
    if let Some(redis) = &mut config.lock_store.redis {
        all.push((KeyPath::of(&["lock_store", "redis", "url"]), &mut redis.url));
    }
    if let Some(redis) = &mut config.cache_store.redis {
        all.push((
            KeyPath::of(&["cache_store", "redis", "url"]),
            &mut redis.url,
        ));
    }
    if let StorageConfig::S3(s3) = &mut config.storage {
        for (key, secret) in [
            ("access_key_id", &mut s3.access_key_id),
            ("secret_key", &mut s3.secret_key),
        ] {
            all.extend(
                secret
                    .as_mut()
                    .map(|it| (KeyPath::of(&["storage", "s3", key]), it)),
            );
        }
    }
    if let Some(key) = &mut config.token.key {
        all.push((KeyPath::of(&["token", "key"]), key));
    }
    for (id, identity) in &mut config.identity {
        all.push((
            KeyPath::of(&["identity", id, "password"]),
            &mut identity.password,
        ));
    }
    for (namespace, repository) in &mut config.repository {
        let upstreams = KeyPath::of(&["repository", namespace, "upstream"]);
        for (index, upstream) in repository.upstream.iter_mut().enumerate() {
            if let Some(password) = &mut upstream.password {
                all.push((upstreams.index(index).key("password"), password));
            }
        }
    }
    all
}

/// The value that `text` stands for, or `None` where it stands for itself.
fn resolved(text: &str, environment: Environment<'_>) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    // Half a secret in the file and half in the environment would leave it open what a `${` inside a password means.
    let Some(name) = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|name| is_name(name))
    else {
        return Err("`${NAME}` must be the whole value; a secret that itself contains `${` can only come from a variable"
            .to_owned());
    };
    match environment(name) {
        Some(value) if !value.is_empty() => Ok(Some(value)),
        Some(_) => Err(format!("the environment variable {name} is empty")),
        None => Err(format!("the environment variable {name} is not set")),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests;
