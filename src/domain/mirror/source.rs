//! Sources: the registries that a namespace is filled from.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::domain::error::RegistryError;
use crate::ports::{Upstream, UpstreamError};

/// What a namespace mirrors.
pub struct Source {
    /// The registries to ask, in this order. They are taken for copies of each
    /// other: one that fails is passed over like one that has no such thing.
    pub upstreams: Vec<Arc<dyn Upstream>>,
    /// How long a tag is believed.
    pub revalidate_interval: Duration,
    /// How many bytes of their content are kept; `None` for all that is pulled.
    pub cache_max_size: Option<u64>,
    /// The registries in whose names it answers (`?ns=`).
    pub answers_for: Vec<AnswersFor>,
}

/// A registry that clients name, and the names in it that are answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswersFor {
    /// The registry's host, with its port if it has one.
    pub registry: String,
    /// What the names begin with there and not here. May be empty.
    pub prefix: String,
}

impl AnswersFor {
    /// What is left of a name at `registry`; `None` where that is not answered for.
    pub(in crate::domain) fn rest<'n>(&self, registry: &str, name: &'n str) -> Option<&'n str> {
        if canonical(registry) != canonical(&self.registry) {
            return None;
        }
        match name.strip_prefix(&*self.prefix)? {
            rest if self.prefix.is_empty() || rest.is_empty() => Some(rest),
            rest => rest.strip_prefix('/'),
        }
    }
}

/// The host by which a registry is known: Docker Hub has several.
#[must_use]
pub fn canonical(registry: &str) -> String {
    let registry = registry.to_ascii_lowercase();
    match &*registry {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => registry,
    }
}

impl Source {
    /// The upstreams' names, for messages.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.upstreams.iter().map(|it| it.name()).collect();
        names.join(", ")
    }

    /// What the first upstream that has it answers; `None` where all of them
    /// say that they have no such thing. The first to be asked is the one after
    /// so many others.
    ///
    /// # Errors
    ///
    /// What kept one of them from answering, where no other has it.
    pub(super) async fn ask<'s, T>(
        &'s self,
        after: usize,
        ask: impl Fn(&'s dyn Upstream) -> BoxFuture<'s, Result<Option<T>, UpstreamError>>,
    ) -> Result<Option<T>, RegistryError> {
        let mut failure = None;
        let count = self.upstreams.len();
        for upstream in self.upstreams.iter().cycle().skip(after).take(count) {
            match ask(&**upstream).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), |error| Err(error.into()))
    }
}
