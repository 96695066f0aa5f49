//! How a start on S3 fails, in one line that names the key; and that only one server starts.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use simple_registry::adapters::storage::{Bucket, Pace};

use super::server::Server;

async fn refused(keys: &str) -> (&'static str, String) {
    let server = Server::start().await;
    match Bucket::open(&server.config(keys), 4096).await {
        Ok(_) => panic!("opened"),
        Err(error) => (error.key, error.to_string()),
    }
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
    assert!(line.contains("http://127.0.0.1:1 is not reached"), "{line}");
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

    let Err(error) = Bucket::open(&server.config(""), 4096).await else {
        panic!("opened");
    };

    assert!(error.to_string().contains("layout version 9"), "{error}");
}

#[tokio::test]
async fn only_one_owner_has_a_bucket_at_a_time() {
    let pace = Pace {
        renewal: Duration::from_millis(200),
        settling: Duration::from_secs(2),
        ..Pace::default()
    };
    let server = Server::start().await;
    let bucket = Bucket::open(&server.config(""), 4096).await.unwrap();
    let owner = bucket.claim(pace).await.unwrap();

    assert!(bucket.claim(pace).await.is_err());

    assert!(owner.proof()());
    owner.release().await;
    bucket.claim(pace).await.unwrap();
}

/// The program, with a `config.toml` for this server.
fn program(server: &Server, directory: &tempfile::TempDir, keys: &str) -> Command {
    let config = format!(
        "server.port = 0\nrepository.\"*\".access_policy.default_allow = true\n[storage.s3]\n{}",
        server.text(keys)
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

async fn output(mut command: Command) -> Output {
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
            .contains("storage.s3.bucket: can't be used: there is no bucket \"absent\" at http://"),
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
