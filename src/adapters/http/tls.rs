//! TLS: the files that the configuration names, checked and made into what rustls serves by.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use thiserror::Error;
use x509_parser::x509::AttributeTypeAndValue;

use super::config::TlsConfig;
use crate::adapters::units::pem;
use crate::domain::model::ClientCertificate;

/// Protocols in the order of our preference, which is the one that counts.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A file that TLS can't be served with.
#[derive(Debug, Error)]
#[error("{}", file.display())]
pub struct TlsError {
    /// The key of the configuration that names it.
    pub key: &'static str,
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    source: Box<dyn Error + Send + Sync>,
}

/// Reads and checks the files. A certificate that is not valid today is used all the same, with a warning: clients say
/// what they think of it, and those that don't care go on.
///
/// # Errors
/// The first file that can't be used, and why.
pub fn load(config: &TlsConfig) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let identity = identity(config, &provider)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| of_certificate(config)(error.into()))?;
    let builder = match &config.client_ca_bundle {
        Some(file) => builder.with_client_cert_verifier(verifier(file, provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(server))
}

fn of(key: &'static str, file: &Path) -> impl Fn(Box<dyn Error + Send + Sync>) -> TlsError {
    let file = file.to_owned();
    move |source| TlsError {
        key,
        file: file.clone(),
        source,
    }
}

fn of_certificate(config: &TlsConfig) -> impl Fn(Box<dyn Error + Send + Sync>) -> TlsError {
    let key = "server.tls.server_certificate_bundle";
    of(key, &config.server_certificate_bundle)
}

/// The server's certificates and their key.
fn identity(config: &TlsConfig, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain =
        pem::certificates(&config.server_certificate_bundle).map_err(of_certificate(config))?;
    if let Some(false) = chain.first().and_then(is_valid_today) {
        let file = config.server_certificate_bundle.display();
        tracing::warn!(%file, "server.tls.server_certificate_bundle: the certificate has expired, or is not valid yet");
    }

    let failed = of("server.tls.server_private_key", &config.server_private_key);
    let key = pem::private_key(&config.server_private_key).map_err(&failed)?;
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| failed(error.into()))?;

    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let certificate = config.server_certificate_bundle.display();
            Err(failed(
                format!("is not the key of the first certificate in {certificate}").into(),
            ))
        }
        Err(error) => Err(of_certificate(config)(error.into())),
    }
}

/// Who looks at the certificates of clients. A client may do without one; what it shows must be good.
fn verifier(
    file: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let failed = of("server.tls.client_ca_bundle", file);
    let mut authorities = RootCertStore::empty();
    for certificate in pem::certificates(file).map_err(&failed)? {
        authorities
            .add(certificate)
            .map_err(|error| failed(error.into()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| failed(error.into()))
}

fn is_valid_today(certificate: &CertificateDer<'static>) -> Option<bool> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.validity().is_valid())
}

/// The names in a client's certificate. Of one that can't be read, or names in no text, there are none.
pub fn names(certificate: &CertificateDer<'_>) -> ClientCertificate {
    match x509_parser::parse_x509_certificate(certificate) {
        Ok((_, certificate)) => {
            let subject = certificate.subject();
            ClientCertificate {
                common_names: texts(subject.iter_common_name()),
                organizations: texts(subject.iter_organization()),
            }
        }
        Err(error) => {
            tracing::debug!(%error, "a client's certificate can't be read");
            ClientCertificate::default()
        }
    }
}

fn texts<'a>(names: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Vec<String> {
    names
        .filter_map(|name| name.as_str().ok())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
