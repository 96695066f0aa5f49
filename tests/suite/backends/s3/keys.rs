//! Where the access key comes from when the configuration has none: AWS's standard sources, asked by the real program.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::server::Server;
use super::start::{output, program_with};

/// A server that answers what `answer` says to each request's head; its address.
pub async fn serve(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|it| it == b"\r\n\r\n") {
                    if connection.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let answer = answer(&String::from_utf8_lossy(&head));
                // A client that leaves is no failure of the test.
                drop(connection.write_all(answer.as_bytes()).await);
                drop(connection.shutdown().await);
            });
        }
    });
    address
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// The key of the test's server, as AWS's services give it, for so long.
fn temporary_key(seconds: i64) -> String {
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    format!(
        r#"{{"Code":"Success","AccessKeyId":"AK","SecretAccessKey":"SK","Token":"T","Expiration":"{end:.0}"}}"#
    )
}

/// The program without a key in its configuration or anywhere else, but for what `environment` says.
fn program(
    server: &Server,
    directory: &tempfile::TempDir,
    environment: &[(&str, &str)],
) -> Command {
    bare(
        program_with(directory, &server.access().text_without_key()),
        directory.path(),
        environment,
    )
}

fn bare(mut command: Command, home: &Path, environment: &[(&str, &str)]) -> Command {
    command.env_clear().env("HOME", home);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().copied());
    command
}

/// Whether it comes to listen; it is told to end then. All that it logs.
async fn starts(mut command: Command) -> (bool, String) {
    let mut child = command.spawn().unwrap();
    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    let stderr = child.stderr.take().unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&log);
    let reading = tokio::task::spawn_blocking(move || {
        let lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
        for line in lines.map_while(Result::ok) {
            let mut log = written.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if log.lock().unwrap().contains("listening") || reading.is_finished() {
            break;
        }
    }
    let _gone_already = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
    let ended = tokio::task::spawn_blocking(move || child.wait());
    let ended = ended.await.unwrap().unwrap();
    reading.await.unwrap();
    let log = log.lock().unwrap().clone();
    (ended.success() && log.contains("listening"), log)
}

#[tokio::test]
async fn without_any_key_the_start_says_what_to_set() {
    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());

    let output = output(program(&server, &directory, &[])).await;

    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(
        errors.contains(
            "storage.s3.access_key_id: can't be used: not set, and none of AWS's sources has a key: \
             set it and storage.s3.secret_key, or one of the sources of docs/s3.md"
        ),
        "{errors}"
    );
}

#[tokio::test]
async fn the_environment_is_a_source() {
    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
    let key = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK")];

    let (started, log) = starts(program(&server, &directory, &key)).await;

    assert!(started, "{log}");
    assert!(!log.contains("SK"), "{log}");
}

#[tokio::test]
async fn the_configuration_goes_before_every_source() {
    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
    let command = program_with(&directory, &server.text(""));
    let wrong = [
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];

    let (started, log) = starts(bare(command, directory.path(), &wrong)).await;

    assert!(started, "{log}");
}

#[tokio::test]
async fn a_profile_is_a_source() {
    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
    let file = directory.path().join("keys");
    let profiles = "[default]\naws_access_key_id = nobody\naws_secret_access_key = x\n\
                    [registry]\naws_access_key_id = AK\naws_secret_access_key = SK\n";
    std::fs::write(&file, profiles).unwrap();
    let profile = [
        ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
        ("AWS_PROFILE", "registry"),
    ];

    let (started, log) = starts(program(&server, &directory, &profile)).await;

    assert!(started, "{log}");
}

#[tokio::test]
async fn the_instance_is_a_source() {
    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
    let endpoint = serve(|head| {
        let token = head
            .to_lowercase()
            .contains("x-aws-ec2-metadata-token: secret");
        match head.split(' ').nth(1).unwrap() {
            "/latest/api/token" if head.starts_with("PUT ") => ok("secret"),
            "/latest/meta-data/iam/security-credentials/" if token => ok("role"),
            "/latest/meta-data/iam/security-credentials/role" if token => ok(&temporary_key(3600)),
            _ => "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned(),
        }
    })
    .await;
    let instance = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*endpoint),
        ("AWS_EC2_METADATA_DISABLED", "false"),
    ];

    let (started, log) = starts(program(&server, &directory, &instance)).await;

    assert!(started, "{log}");
}

#[tokio::test]
async fn a_key_that_ends_soon_is_asked_for_again() {
    for (seconds, renewed) in [(3600, false), (60, true)] {
        let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let endpoint = serve(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            ok(&temporary_key(seconds))
        });
        let container = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*endpoint.await)];

        let (started, log) = starts(program(&server, &directory, &container)).await;

        assert!(started, "{log}");
        // Once by the start itself, and once by the signer that keeps it.
        let asked = asked.load(Ordering::Relaxed);
        assert_eq!(asked > 2, renewed, "asked {asked} times for {seconds} s");
    }
}

#[tokio::test]
async fn a_source_that_is_there_and_fails_is_named() {
    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
    let identity = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/absent/token"),
    ];

    let output = output(program(&server, &directory, &identity)).await;

    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(
        errors.contains("storage.s3.access_key_id: can't be used"),
        "{errors}"
    );
    assert!(
        errors.contains("the web identity: ") && errors.contains("/absent/token: No such file"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_no_panic() {
    use std::os::unix::ffi::OsStrExt;

    let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
    let mut command = program(&server, &directory, &[]);
    command.env("ODD", std::ffi::OsStr::from_bytes(b"\xff"));

    let output = output(command).await;

    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("none of AWS's sources has a key"),
        "{errors}"
    );
}
