//! How a start on S3 fails, in one line that names the key; and that only one server starts.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::storage::config::S3Config;
use simple_registry::adapters::storage::{Bucket, Pace, StoreMetrics};
use simple_registry::domain::model::{Algorithm, Hasher};
use simple_registry::ports::LockManager;

use super::access::Access;
use super::server::Server;

/// Which key is named, and the line.
async fn refused_by(config: &S3Config) -> (&'static str, String) {
    match Bucket::open(config, 4096, &StoreMetrics::default()).await {
        Ok(_) => panic!("opened"),
        Err(error) => (error.key, error.to_string()),
    }
}

/// By a real server where there is one.
async fn refused(keys: &str) -> (&'static str, String) {
    if let Some(real) = Access::of_real_server() {
        return refused_by(&real.config(keys)).await;
    }
    let server = Server::start().await;
    refused_by(&server.config(keys)).await
}

/// By a server that answers everything with this.
async fn refused_with(status: &str, body: &str) -> (&'static str, String) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let endpoint = super::keys::serve(move |_| answer.clone()).await;
    let server = Server::start().await;
    refused_by(&server.config(&format!("endpoint = '{endpoint}'"))).await
}

fn s3_error(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>told</Message></Error>")
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let (key, line) = refused("bucket = 'absent'").await;

    assert_eq!(key, "storage.s3.bucket");
    assert!(line.contains("\"absent\""), "{line}");
}

#[tokio::test]
async fn a_wrong_secret_is_named_and_not_shown() {
    let (key, line) = refused("secret_key = 'wrong-and-secret'").await;

    assert_eq!(key, "storage.s3.secret_key");
    assert!(!line.contains("wrong-and-secret"), "{line}");
}

#[tokio::test]
async fn an_unknown_access_key_is_named() {
    let (key, _) = refused("access_key_id = 'nobody'").await;

    assert_eq!(key, "storage.s3.access_key_id");
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_named() {
    let (key, line) = refused("endpoint = 'http://127.0.0.1:1'").await;

    assert_eq!(key, "storage.s3.endpoint");
    assert!(line.starts_with("not reached: "), "{line}");
    assert!(line.contains("at http://127.0.0.1:1)"), "{line}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_s3_server_is_named() {
    let page = "<!DOCTYPE html>\n<html><body>hello\n</body></html>";
    for status in [
        "200 OK",
        "301 Moved Permanently",
        "400 Bad Request",
        "404 Not Found",
        "405 Method Not Allowed",
    ] {
        let (key, line) = refused_with(status, page).await;

        assert_eq!(key, "storage.s3.endpoint", "{status}: {line}");
        let expected = "it does not answer as an S3 server does: ";
        assert!(line.starts_with(expected), "{status}: {line}");
        assert!(!line.contains('\n') && !line.contains("html"), "{line}");
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_named() {
    let (key, line) = refused_with("502 Bad Gateway", "<html>\nno backend").await;

    assert_eq!(key, "storage.s3.endpoint");
    assert!(
        line.starts_with("the service fails at present (status 502)"),
        "{line}"
    );
}

#[tokio::test]
async fn a_clock_that_differs_is_named() {
    let (key, line) = refused_with("403 Forbidden", &s3_error("RequestTimeTooSkewed")).await;

    assert_eq!(key, "storage.s3.endpoint");
    assert!(
        line.contains("clock") && line.contains("set this one's"),
        "{line}"
    );
}

#[tokio::test]
async fn another_region_is_named() {
    let (key, line) = if let Some(real) = Access::of_real_server() {
        refused_by(&real.config("region = 'mars-1'")).await
    } else {
        let body = s3_error("AuthorizationHeaderMalformed");
        refused_with("400 Bad Request", &body).await
    };

    assert_eq!(key, "storage.s3.region", "{line}");
    assert!(line.contains("(AuthorizationHeaderMalformed: "), "{line}");
}

#[tokio::test]
async fn a_session_that_has_ended_is_named() {
    let (key, _) = refused_with("400 Bad Request", &s3_error("ExpiredToken")).await;

    assert_eq!(key, "storage.s3.access_key_id");
}

#[tokio::test]
async fn a_bundle_that_is_not_there_is_named() {
    let (key, line) = refused("ca_bundle = '/absent/ca.pem'").await;

    assert_eq!(key, "storage.s3.ca_bundle");
    assert!(line.contains("/absent/ca.pem"), "{line}");
}

#[tokio::test]
async fn a_bucket_of_a_newer_layout_is_refused() {
    let server = Server::start().await;
    let path = server.bucket().join("a/b/_registry");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("format"), r#"{"version":9}"#).unwrap();

    let Err(error) = Bucket::open(&server.config(""), 4096, &StoreMetrics::default()).await else {
        panic!("opened");
    };

    assert!(error.to_string().contains("layout version 9"), "{error}");
}

#[tokio::test]
async fn what_is_asked_of_a_bucket_is_counted() {
    let server = Server::start().await;
    let metrics = StoreMetrics::default();
    let bucket = Bucket::open(&server.config(""), 4096, &metrics)
        .await
        .unwrap();
    let locks: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(Duration::from_secs(5)));
    let absent = Hasher::digest_of(Algorithm::Sha256, b"absent");
    let found = bucket.ports(&locks).blobs.open(&absent).await.unwrap();
    assert!(found.is_none());
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();

    encode(&mut text, &registry).unwrap();

    for begin in [
        r#"simple_registry_s3_requests_total{method="PUT",code="200"} "#,
        r#"simple_registry_s3_requests_total{method="HEAD",code="404"} "#,
        r#"simple_registry_store_operation_duration_seconds_count{operation="content_open"} 1"#,
        r#"simple_registry_store_errors_total{operation="content_open"} 0"#,
    ] {
        assert!(text.contains(begin), "{begin} is not in {text}");
    }
}

#[tokio::test]
async fn only_one_owner_has_a_bucket_at_a_time() {
    let pace = Pace {
        renewal: Duration::from_millis(200),
        settling: Duration::from_secs(2),
        ..Pace::default()
    };
    let server = Server::start().await;
    let bucket = Bucket::open(&server.config(""), 4096, &StoreMetrics::default())
        .await
        .unwrap();
    let owner = bucket.claim(pace).await.unwrap();

    assert!(bucket.claim(pace).await.is_err());

    assert!(owner.proof()());
    owner.release().await;
    bucket.claim(pace).await.unwrap();
}

/// The program, with a `config.toml` for this server.
fn program(server: &Server, directory: &tempfile::TempDir, keys: &str) -> Command {
    program_with(directory, &server.text(keys))
}

/// The program, with this `[storage.s3]`.
pub fn program_with(directory: &tempfile::TempDir, section: &str) -> Command {
    let config = format!(
        "server.port = 0\nrepository.\"*\".access_policy.default_allow = true\n[storage.s3]\n{section}"
    );
    std::fs::write(directory.path().join("config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_simple-registry"));
    command.current_dir(directory.path()).env_remove("RUST_LOG");
    command
        .arg("server")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

pub async fn output(mut command: Command) -> Output {
    let ended = tokio::task::spawn_blocking(move || command.output());
    ended.await.unwrap().unwrap()
}

#[tokio::test]
async fn the_program_says_in_one_line_what_is_wrong() {
    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());

    let output = output(program(&server, &directory, "bucket = 'absent'")).await;

    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(
        errors
            .contains("storage.s3.bucket: can't be used: there is no such bucket: create it, or name another (\"absent\" at http://"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_second_server_on_the_bucket_refuses_to_start() {
    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
    let mut first = program(&server, &directory, "").spawn().unwrap();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if server.bucket().join("a/b/_registry/owner").exists() {
            break;
        }
    }

    let second = output(program(&server, &directory, "")).await;

    let alive = first.try_wait().unwrap().is_none();
    let id = nix::unistd::Pid::from_raw(first.id().try_into().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = tokio::task::spawn_blocking(move || first.wait_with_output());
    let ended = ended.await.unwrap().unwrap();
    let errors = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("another server works on this bucket"),
        "{errors}"
    );
    let log = String::from_utf8(ended.stderr).unwrap();
    assert!(alive && ended.status.success(), "{log}");
    assert!(log.contains("listening"), "{log}");
    let owner = server.bucket().join("a/b/_registry/owner");
    assert!(!owner.exists(), "given up in peace");
}
