//! `Address`: where an upstream is, and what our repositories are called there.

use reqwest::Url;
use thiserror::Error;

use crate::adapters::units::HttpUrl;
use crate::domain::model::RepositoryName;

/// Docker Hub, as people write it; `docker.io` itself is a web site.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Where Docker Hub's registry is.
const DOCKER_HUB_REGISTRY: &str = "registry-1.docker.io";

/// An upstream's place, and the names that it stands for.
#[derive(Debug, Clone)]
pub struct Address {
    name: String,
    origin: Url,
    namespace: String,
    prefix: String,
    is_docker_hub: bool,
}

/// The URL can't be an upstream's.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct BadPrefix(String);

impl Address {
    /// The place that `url` names: `https://host`, `https://host/prefix`, `https://host/v2` or `https://host/v2/prefix`.
    /// There the names of `namespace` begin with `prefix` instead.
    ///
    /// # Errors
    /// When the path begins no name of a repository.
    pub fn new(namespace: &str, url: &HttpUrl) -> Result<Self, BadPrefix> {
        let mut origin = Url::parse(url.as_str()).map_err(|bad| BadPrefix(bad.to_string()))?;
        let host = origin.host_str().unwrap_or_default();
        let name = match origin.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let is_docker_hub = DOCKER_HUB.contains(&host);

        let path = origin.path().trim_matches('/').to_owned();
        let prefix = match path.split_once('/').unwrap_or((&path, "")) {
            ("v2", prefix) => prefix,
            _ => &path,
        };
        if !prefix.is_empty() {
            let name = prefix.parse::<RepositoryName>();
            name.map_err(|bad| BadPrefix(format!("{prefix:?} begins no name: {bad}")))?;
        }
        if is_docker_hub {
            let moved = origin.set_host(Some(DOCKER_HUB_REGISTRY));
            moved.map_err(|bad| BadPrefix(bad.to_string()))?;
        }
        origin.set_path("");
        Ok(Self {
            name,
            origin,
            namespace: namespace.to_owned(),
            prefix: prefix.to_owned(),
            is_docker_hub,
        })
    }

    /// The host as it was written, with its port where there is one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the names that are mirrored begin with there. May be empty.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &Url {
        &self.origin
    }

    /// What a repository of ours is called there; `None` where it can't have a name.
    ///
    /// The namespace's own name is replaced by the prefix. On Docker Hub, names of one segment are below `library/`.
    #[must_use]
    pub fn name_there(&self, repository: &RepositoryName) -> Option<RepositoryName> {
        let rest = match self.namespace.as_str() {
            "" | "*" => repository.as_str(),
            namespace => repository.as_str().strip_prefix(namespace)?,
        };
        let rest = rest.trim_start_matches('/');
        let name = match (self.prefix.as_str(), rest) {
            ("", name) | (name, "") => name.to_owned(),
            (prefix, rest) => format!("{prefix}/{rest}"),
        };
        if self.is_docker_hub && !name.contains('/') {
            return format!("library/{name}").parse().ok();
        }
        name.parse().ok()
    }
}

#[cfg(test)]
mod tests;
