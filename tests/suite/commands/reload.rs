//! Certificates that change while the server runs (lessons.md, correctness 45; `tests/process/reload.rs` has the rest).

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{Authority, Call, TlsClient, free_port, serve};

/// How long after it was made a change counts at the latest.
const SOON: Duration = Duration::from_secs(2);

/// A registry whose certificate lies beside its configuration.
struct Files(TempDir);

impl Files {
    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }
}

async fn start(authority: &Authority) -> (Files, SocketAddr, CancellationToken) {
    let files = Files(TempDir::new().unwrap());
    let pair = authority.server();
    files.write("server.pem", &pair.certificate);
    files.write("server.key", &pair.key);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let dir = files.0.path().display();
    let port = address.port();
    files.write(
        "config.toml",
        &format!(
            "[server]\nport = {port}\n[server.tls]\nserver_certificate_bundle = '{dir}/server.pem'\n\
             server_private_key = '{dir}/server.key'\n[storage.fs]\nroot_dir = '{dir}/root'\n\
             [repository.'*'.access_policy]\ndefault_allow = true\n"
        ),
    );
    let stop = CancellationToken::new();
    let (file, told) = (files.0.path().join("config.toml"), stop.clone());
    tokio::spawn(async move { serve(file, told).await.unwrap() });
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (files, address, stop)
}

async fn is_served(client: &TlsClient, address: SocketAddr) -> bool {
    match client.connect(address).await {
        Ok(stream) => {
            let answer = Call::new(address, "GET", "/v2/").send_on(stream).await;
            answer.status == 200
        }
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_served_and_a_broken_one_is_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let (files, address, stop) = start(&old).await;
    let (of_old, of_new) = (TlsClient::new(&old, None), TlsClient::new(&new, None));
    let living = of_old.connect(address).await.unwrap();
    let pair = new.server();

    // A certificate without its key, for as long as it takes to notice.
    files.write("server.pem", &pair.certificate);
    tokio::time::sleep(SOON).await;
    assert!(is_served(&of_old, address).await);
    files.write("server.key", &pair.key);
    let renewed = Instant::now();
    while !is_served(&of_new, address).await {
        assert!(
            renewed.elapsed() < SOON,
            "the new certificate is not served"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    assert!(of_old.connect(address).await.is_err());
    let answer = Call::new(address, "GET", "/v2/").send_on(living).await;
    assert_eq!(answer.status, 200, "on a connection that was there");

    files.write("server.key", "no key");
    tokio::time::sleep(SOON).await;
    assert!(is_served(&of_new, address).await);
    stop.cancel();
}
