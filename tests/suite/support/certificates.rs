//! Certificates, made in the test, and clients that show and check them.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use simple_registry::adapters::http::config::TlsConfig;
use simple_registry::adapters::http::tls;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        Pair {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// For the registry on this machine, under both of its names.
    pub fn server(&self) -> Pair {
        self.sign(&Self::of_this_machine())
    }

    /// The same, but it was good until last century only.
    pub fn expired_server(&self) -> Pair {
        let mut params = Self::of_this_machine();
        params.not_before = rcgen::date_time_ymd(1990, 1, 1);
        params.not_after = rcgen::date_time_ymd(1999, 12, 31);
        self.sign(&params)
    }

    fn of_this_machine() -> CertificateParams {
        CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a client of this common name and organization.
    pub fn client(&self, common_name: &str, organization: &str) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, common_name);
        name.push(DnType::OrganizationName, organization);
        self.sign(&params)
    }

    /// What a server serves by that has this certificate and knows these clients.
    pub fn serves(&self, clients: Option<&Self>) -> Arc<ServerConfig> {
        Self::serves_with(&self.server(), clients)
    }

    /// What a server serves by that has this pair and knows these clients.
    pub fn serves_with(pair: &Pair, clients: Option<&Self>) -> Arc<ServerConfig> {
        let directory = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let file = directory.path().join(name);
            fs::write(&file, text).unwrap();
            file
        };
        let config = TlsConfig {
            server_certificate_bundle: write("server.pem", &pair.certificate),
            server_private_key: write("server.key", &pair.key),
            client_ca_bundle: clients.map(|it| write("clients.pem", &it.0.pem())),
        };
        tls::load(&config).unwrap()
    }
}

/// A client that believes an authority.
#[derive(Clone)]
pub struct TlsClient(ClientConfig);

impl TlsClient {
    pub fn new(authority: &Authority, shows: Option<&Pair>) -> Self {
        Self::of_versions(authority, shows, rustls::ALL_VERSIONS)
    }

    pub fn of_versions(
        authority: &Authority,
        shows: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Self(match shows {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                let chain = vec![certificate.unwrap()];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }

    /// The same, but offering these protocols.
    pub fn speaking(mut self, protocols: &[&str]) -> Self {
        self.0.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        self
    }

    pub async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(self.0.clone()));
        connector.connect(name, stream).await
    }
}
