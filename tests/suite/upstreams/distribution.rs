//! CNCF Distribution (Debian's `docker-registry`) as an upstream, with a password and with tokens.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{KeyPair, SigningKey};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use simple_registry::adapters::storage;
use simple_registry::ports::{Upstream, UpstreamError};
use tempfile::TempDir;

use super::{digest, image, latest, open, read};
use crate::support::{
    Authority, Image, Pair, Reply, Script, Setup, TestRegistry, free_port, random,
};

/// `bob`, whose password is `secret`, by a hash that costs next to nothing.
const HTPASSWD: &str = "bob:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
const BOB: &str = "username = 'bob'\npassword = 'secret'";
const BASIC: &str = "Basic Ym9iOnNlY3JldA==";

/// A server, with an image in it; it ends with the value.
struct Distribution {
    port: u16,
    image: Image,
    large: Vec<u8>,
    large_digest: String,
    child: Child,
    _root: TempDir,
}

impl Drop for Distribution {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Distribution {
    /// With this under `auth:`. What it serves a registry of our own has put into its directory.
    async fn start(auth: &str, files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (one, large) = (Image::new(1), random(2, 1_000_000));
        let large_digest = {
            let setup = Setup {
                storage: storage::open_files(root.path(), false, 256 * 1024).unwrap(),
                ..Setup::default()
            };
            let ours = TestRegistry::with(setup).await;
            one.push(&ours, "team/image", "latest").await;
            ours.push_blob("team/image", &large).await
        };
        for (name, text) in files {
            std::fs::write(root.path().join(name), text).unwrap();
        }
        let auth = auth.replace("ROOT", root.path().to_str().unwrap());
        loop {
            let port = free_port();
            let config = format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
                 http: {{addr: '127.0.0.1:{port}', secret: x}}\nauth: {auth}\n",
                root.path().display(),
            );
            let file = root.path().join("config.yml");
            std::fs::write(&file, config).unwrap();
            let mut child = Command::new("docker-registry")
                .arg("serve")
                .arg(&file)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("docker-registry is not here: apt-get install docker-registry");
            if is_up(port, &mut child).await {
                return Self {
                    port,
                    image: one,
                    large,
                    large_digest,
                    child,
                    _root: root,
                };
            }
        }
    }

    fn upstream(&self, more: &str) -> std::sync::Arc<dyn Upstream> {
        open(&format!("http://127.0.0.1:{}/v2/team", self.port), more)
    }

    async fn assert_read(&self, upstream: &dyn Upstream) {
        let found = upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.bytes, self.image.manifest.as_bytes());
        let resolved = upstream
            .resolve_manifest(&image(), &latest())
            .await
            .unwrap();
        assert_eq!(resolved, Some(digest(&self.image.digest)));
        let large = digest(&self.large_digest);
        assert_eq!(
            upstream.stat_blob(&image(), &large).await.unwrap(),
            Some(1_000_000)
        );
        for offset in [0, 123_456] {
            let blob = upstream
                .open_blob(&image(), &large, offset)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(blob.size, 1_000_000);
            assert!(read(blob).await.unwrap() == self.large[usize::try_from(offset).unwrap()..]);
        }
        let absent = digest(&Image::new(9).digest);
        assert_eq!(
            upstream
                .get_manifest(&image(), &"no".parse().unwrap())
                .await
                .unwrap(),
            None
        );
        assert_eq!(upstream.stat_blob(&image(), &absent).await.unwrap(), None);
        // It has no such list.
        assert_eq!(
            upstream.get_referrers(&image(), &absent).await.unwrap(),
            None
        );
    }
}

/// False where it ended, because somebody else had the port.
async fn is_up(port: u16, child: &mut Child) -> bool {
    for _ in 0..1000 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {
            return child.try_wait().unwrap().is_none();
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("Distribution does not come up");
}

async fn assert_denied(upstream: &dyn Upstream) {
    let error = upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn distribution_is_read_with_a_password() {
    let auth = "{htpasswd: {realm: r, path: ROOT/htpasswd}}";
    let distribution = Distribution::start(auth, &[("htpasswd", HTPASSWD)]).await;

    distribution.assert_read(&*distribution.upstream(BOB)).await;

    assert_denied(&*distribution.upstream("")).await;
    assert_denied(&*distribution.upstream("username = 'bob'\npassword = 'wrong'")).await;
}

#[tokio::test]
async fn distribution_is_read_with_tokens() {
    let authority = Authority::new();
    let pair = authority.client("tokens", "us");
    let service = Script::start(move |asked| match asked.authorization() {
        Some(BASIC) => {
            let (_, query) = asked.path.split_once('?').unwrap();
            assert_eq!(
                query,
                "service=distribution&scope=repository%3Ateam%2Fimage%3Apull"
            );
            Reply::ok(
                &[],
                json!({"token": token(&pair), "expires_in": 300}).to_string(),
            )
        }
        _ => Reply::status("401 Unauthorized"),
    });
    let service = service.await;
    let auth = format!(
        "{{token: {{realm: 'http://{}/token', service: distribution, issuer: us, rootcertbundle: ROOT/ca.pem}}}}",
        service.address
    );
    let distribution = Distribution::start(&auth, &[("ca.pem", &authority.pem())]).await;

    distribution.assert_read(&*distribution.upstream(BOB)).await;

    assert_eq!(service.asked().len(), 1, "one token for all of it");
    assert_denied(&*distribution.upstream("")).await;
}

/// A token that lets its bearer pull `team/image`.
fn token(signer: &Pair) -> String {
    let certificate = CertificateDer::from_pem_slice(signer.certificate.as_bytes()).unwrap();
    let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(&certificate)]});
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "iss": "us", "sub": "bob", "aud": "distribution", "jti": "1",
        "iat": now, "nbf": now - 10, "exp": now + 300,
        "access": [{"type": "repository", "name": "team/image", "actions": ["pull"]}],
    });
    let text = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
        .join(".");
    let key = KeyPair::from_pem(&signer.key).unwrap();
    let signature = fixed(&key.sign(text.as_bytes()).unwrap());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The two numbers of an ECDSA signature in DER, as JWS wants them: 32 bytes each.
fn fixed(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut both = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let digits = &number[number.len().saturating_sub(32)..];
        both.extend(vec![0; 32 - digits.len()]);
        both.extend(digits);
        rest = after;
    }
    both
}
