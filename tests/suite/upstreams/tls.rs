//! TLS: whose certificates are believed, and to whom ours is shown.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use simple_registry::adapters::upstream::{self, OpenError};
use simple_registry::ports::{Upstream, UpstreamError};
use tempfile::TempDir;

use super::{PATIENCE, config, digest, image, in_full, latest, open, read, tokens};
use crate::support::{Authority, Reply, Script, digest_of};

/// Files of a test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// A line of the configuration that names a file with this text.
    fn key(&self, key: &str, text: &str) -> String {
        format!("{key} = '{}'\n", self.write(key, text).display())
    }
}

async fn serving(tls: Arc<ServerConfig>) -> Script {
    Script::with(Some(tls), |_| Reply::ok(&[], "{}")).await
}

fn at(server: &Script, more: &str) -> Arc<dyn Upstream> {
    open(
        &format!("https://localhost:{}", server.address.port()),
        more,
    )
}

async fn failure(server: &Script, more: &str) -> String {
    let error = at(server, more)
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();
    assert!(
        matches!(error, UpstreamError::Unavailable { .. }),
        "{error:?}"
    );
    in_full(&error)
}

#[tokio::test]
async fn a_certificate_is_believed_by_its_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (files, server) = (Files::new(), serving(authority.serves(None)).await);

    let right = files.key(
        "server_ca_bundle",
        &format!("{}{}", other.pem(), authority.pem()),
    );
    at(&server, &right)
        .get_manifest(&image(), &latest())
        .await
        .unwrap()
        .unwrap();

    let wrong = files.key("server_ca_bundle", &other.pem());
    assert!(
        failure(&server, &wrong)
            .await
            .contains("invalid peer certificate")
    );
    // The system's authorities know nothing of it either.
    assert!(
        failure(&server, "")
            .await
            .contains("invalid peer certificate")
    );
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_expired_certificate_is_not_believed() {
    let authority = Authority::new();
    let tls = Authority::serves_with(&authority.expired_server(), None);
    let (files, server) = (Files::new(), serving(tls).await);

    let text = failure(&server, &files.key("server_ca_bundle", &authority.pem())).await;

    assert!(text.to_lowercase().contains("expired"), "{text}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn our_certificate_is_shown_to_the_upstream_and_to_nobody_behind_a_redirect() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let files = Files::new();
    let pair = clients.client("mirror", "us");
    let keys = [
        files.key("server_ca_bundle", &authority.pem()),
        files.key("client_certificate", &pair.certificate),
        files.key("client_private_key", &pair.key),
    ]
    .concat();
    let curious = || authority.serves(Some(&clients));
    let store = Script::with(Some(curious()), |_| Reply::ok(&[], "content")).await;
    let location = format!("https://127.0.0.1:{}/x", store.address.port());
    let origin = Script::with(Some(curious()), move |asked| match asked.path.as_str() {
        path if path.contains("/blobs/") => Reply::redirect(&location),
        _ => Reply::ok(&[], "{}"),
    });
    let origin = origin.await;
    let upstream = at(&origin, &keys);

    upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap()
        .unwrap();
    let blob = upstream
        .open_blob(&image(), &digest(&digest_of(b"content")), 0)
        .await;

    assert_eq!(read(blob.unwrap().unwrap()).await.unwrap(), b"content");
    assert!(origin.asked().iter().all(|it| it.certificate));
    assert!(
        store.asked().iter().all(|it| !it.certificate),
        "{:?}",
        store.asked()
    );
}

#[tokio::test]
async fn nobody_leads_from_tls_into_the_clear() {
    let authority = Authority::new();
    let (files, clear) = (Files::new(), Script::start(|_| Reply::ok(&[], "{}")).await);
    for location in [
        format!("http://{}/x", clear.address),
        format!("//{}/x", clear.address),
    ] {
        let origin = Script::with(Some(authority.serves(None)), move |_| {
            Reply::redirect(&location)
        });
        let origin = origin.await;
        let upstream = at(&origin, &files.key("server_ca_bundle", &authority.pem()));
        upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();
    }
    let realm = format!("http://localhost:{}/token", clear.address.port());
    let challenge = format!("Bearer realm=\"{realm}\"");
    let origin = Script::with(Some(authority.serves(None)), move |_| {
        Reply::new("401 Unauthorized", &[("WWW-Authenticate", &challenge)], "")
    });
    let origin = origin.await;
    let more = files.key("server_ca_bundle", &authority.pem());
    let more = format!("{more}username = 'bob'\npassword = 'hush'");
    let error = at(&origin, &more)
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("its realm: it leads out of TLS"),
        "{error}"
    );
    assert!(clear.asked().is_empty());
}

fn refused(more: &str) -> OpenError {
    let config = config("https://r.example:5000", more);
    upstream::open("ours", &config, &tokens(), PATIENCE)
        .err()
        .unwrap()
}

#[test]
fn a_file_that_can_not_be_used_is_named_with_its_key_and_the_reason() {
    const NO_CERTIFICATE: &str = "holds no certificate in PEM";
    let pair = Authority::new().client("a", "b");
    let other = Authority::new().client("a", "b");
    let ca = |text| vec![("server_ca_bundle", text)];
    let ours = |certificate, key| {
        vec![
            ("client_certificate", certificate),
            ("client_private_key", key),
        ]
    };
    // A text of `None` is a file that is not there.
    for (files, key, why) in [
        (ca(None), "server_ca_bundle", "No such file"),
        (ca(Some("text")), "server_ca_bundle", NO_CERTIFICATE),
        (
            ours(Some("text"), Some(&*pair.key)),
            "client_certificate",
            NO_CERTIFICATE,
        ),
        (
            ours(Some(&*pair.certificate), None),
            "client_private_key",
            "No such file",
        ),
        (
            ours(Some(&*pair.certificate), Some("text")),
            "client_private_key",
            "holds no private key in PEM that can be used without a password",
        ),
        (
            ours(Some(&*pair.certificate), Some(&*other.key)),
            "client_private_key",
            "KeyMismatch",
        ),
    ] {
        let directory = Files::new();
        let lines = files.iter().map(|(key, text)| match text {
            Some(text) => directory.key(key, text),
            None => format!("{key} = '/nowhere.pem'\n"),
        });
        let error = refused(&lines.collect::<String>());

        assert_eq!(error.key, key, "{error}");
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        assert!(
            text.starts_with("upstream https://r.example:5000: "),
            "{text}"
        );
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn the_files_that_are_read_are_told() {
    let keys = "server_ca_bundle = 'a'\nclient_certificate = 'b'\nclient_private_key = 'c'";
    let config = config("https://r.example", keys);
    let files: Vec<_> = config
        .files()
        .map(|it| it.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, ["a", "b", "c"]);
}
