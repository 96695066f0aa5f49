//! TLS: whom an upstream's clients believe, and what they show.

use std::fs;
use std::path::Path;

use reqwest::{Certificate, Client, ClientBuilder, Identity};

use super::Problem;
use super::config::UpstreamConfig;
use crate::adapters::units::pem;

/// Two clients: the upstream's own, and one for where it sends us.
pub(super) struct Clients {
    /// Believes the authorities that are configured, or else the system's, and shows our certificate.
    pub near: Client,
    /// Believes both, and shows nothing.
    pub far: Client,
}

/// What can't be used, under the key that names it.
pub(super) type Failure = (&'static str, Problem);

/// Reads and checks the files, and makes clients of them that are otherwise as `base` makes them.
pub(super) fn clients(
    config: &UpstreamConfig,
    base: impl Fn() -> ClientBuilder,
) -> Result<Clients, Failure> {
    // reqwest takes the process's; where there is one already, that will do.
    drop(rustls::crypto::ring::default_provider().install_default());

    let authorities = authorities(config)?;
    let far = base().tls_certs_merge(authorities.clone()).build();
    let far = match far {
        // No authorities on this system: none are needed before somebody leads us into TLS.
        Err(_) if authorities.is_empty() && config.url.as_str().starts_with("http:") => {
            base().tls_certs_only([]).build()
        }
        far => far,
    };
    let key = if authorities.is_empty() {
        "url"
    } else {
        "server_ca_bundle"
    };
    let far = far.map_err(|error| (key, error.into()))?;

    let identity = identity(config)?;
    if authorities.is_empty() && identity.is_none() {
        let near = far.clone();
        return Ok(Clients { near, far });
    }
    let mut near = base();
    if !authorities.is_empty() {
        near = near.tls_certs_only(authorities);
    }
    if let Some(identity) = identity {
        near = near.identity(identity);
    }
    // The authorities are good, as above.
    let near = near
        .build()
        .map_err(|error| ("client_private_key", error.into()))?;
    Ok(Clients { near, far })
}

fn authorities(config: &UpstreamConfig) -> Result<Vec<Certificate>, Failure> {
    let Some(file) = &config.server_ca_bundle else {
        return Ok(Vec::new());
    };
    let failed = of("server_ca_bundle", file);
    let certificates = pem::certificates(file).map_err(&failed)?;
    let certificates = certificates.iter().map(|it| Certificate::from_der(it));
    (certificates.collect::<Result<_, _>>()).map_err(|error| failed(error.into()))
}

fn identity(config: &UpstreamConfig) -> Result<Option<Identity>, Failure> {
    let (Some(certificate), Some(key)) = (&config.client_certificate, &config.client_private_key)
    else {
        return Ok(None);
    };
    // Each by itself, to know which is to blame.
    let failed = of("client_certificate", certificate);
    pem::certificates(certificate).map_err(&failed)?;
    let mut text = fs::read(certificate).map_err(|error| failed(error.into()))?;
    let failed = of("client_private_key", key);
    pem::private_key(key).map_err(&failed)?;
    text.push(b'\n');
    text.extend(fs::read(key).map_err(|error| failed(error.into()))?);
    (Identity::from_pem(&text).map(Some)).map_err(|error| failed(error.into()))
}

fn of(key: &'static str, file: &Path) -> impl Fn(Problem) -> Failure {
    move |error| (key, format!("{}: {error}", file.display()).into())
}
