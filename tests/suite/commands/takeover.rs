//! A directory that CNCF Distribution (Debian's `docker-registry`) wrote is taken over, scrubbed and collected.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use simple_registry::adapters::clock::SystemClock;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::storage::open_files;
use simple_registry::domain::collector::{Collector, CollectorSettings};
use simple_registry::domain::scrub::Fate;
use simple_registry::ports::{Clock, LockManager};

use crate::contracts::scrub::Reached;
use crate::support::{Call, Image, digest_of, free_port};

/// The other registry; it ends with the value.
struct Distribution {
    address: SocketAddr,
    child: Child,
}

impl Drop for Distribution {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Distribution {
    /// Over `data` in this directory.
    async fn start(directory: &Path) -> Self {
        loop {
            let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let data = directory.join("data");
            let config = format!(
                "version: 0.1\nlog: {{level: error}}\n\
                 storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
                 http: {{addr: '{address}', secret: x}}\n",
                data.display(),
            );
            let file = directory.join("config.yml");
            std::fs::write(&file, config).unwrap();
            let mut command = Command::new("docker-registry");
            command.arg("serve").arg(&file);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let child = command
                .spawn()
                .expect("docker-registry is not here: apt-get install docker-registry");
            let mut other = Self { address, child };
            for _ in 0..1000 {
                let is_up = tokio::net::TcpStream::connect(address).await.is_ok();
                // One that ended has lost the port to somebody else.
                match other.child.try_wait().unwrap() {
                    Some(_) => break,
                    None if is_up => return other,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        }
    }

    fn call(&self, method: &str, path: impl Into<String>) -> Call {
        Call::new(self.address, method, path)
    }

    async fn push(&self, image: &Image, tag: &str) {
        for blob in [&image.config, &image.layer] {
            let begun = self.call("POST", "/v2/team/app/blobs/uploads/");
            let begun = begun.send().await.expect_status(202);
            let location = begun.header("location").unwrap();
            let path = &location[location.find("/v2/").unwrap()..];
            let path = format!("{path}&digest={}", digest_of(blob));
            let put = self.call("PUT", path).body(blob);
            put.send().await.expect_status(201);
        }
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let path = format!("/v2/team/app/manifests/{tag}");
        let put = self.call("PUT", path).header("Content-Type", kind);
        let put = put.body(&image.manifest).send();
        put.await.expect_status(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_distribution_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two, gone] = [1, 2, 3].map(Image::new);
    {
        let other = Distribution::start(directory.path()).await;
        other.push(&one, "v1").await;
        other.push(&two, "v2").await;
        other.push(&gone, "gone").await;
        let path = format!("/v2/team/app/manifests/{}", gone.digest);
        let deleted = other.call("DELETE", path).send();
        deleted.await.expect_status(202);
    }
    let root = directory.path().join("data");
    let layer = digest_of(&one.layer).replace(':', "/");
    let repository = root.join("docker/registry/v2/repositories/team/app");
    let link = repository.join("_layers").join(layer).join("link");
    std::fs::write(&link, "").unwrap();
    let store = Reached {
        ports: open_files(&root, false, 64 << 10).unwrap(),
        root,
        digits: 64,
    };
    store.age();

    let scrubbed = store.links().await;

    assert!(
        scrubbed.found.iter().all(|it| it.fate == Fate::Mended),
        "{:#?}",
        scrubbed.found
    );
    let mut kinds: Vec<_> = scrubbed.found.iter().map(|it| it.kind).collect();
    kinds.retain(|kind| *kind != "empty-directory");
    assert_eq!(kinds, ["broken-link"]);
    assert_eq!(
        std::fs::read_to_string(&link).unwrap(),
        digest_of(&one.layer)
    );
    assert_eq!(store.links().await.found, []);
    assert_eq!(store.verify().await.found, []);

    let locks: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(Duration::from_secs(10)));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = CollectorSettings {
        grace_period: Duration::ZERO,
        rate_limit: std::num::NonZero::new(1_000_000),
    };
    let mut collector = Collector::new(&store.ports, &locks, &clock, settings);
    for _ in 0..4 {
        let pass = collector.pass(&|| true).await.unwrap().unwrap();
        assert_eq!(pass.doubts, [""; 0]);
    }
    let ours = store.serve().await;
    let files = store.files();
    for (image, status) in [(&one, 200), (&two, 200), (&gone, 404)] {
        let path = format!("/v2/team/app/manifests/{}", image.digest);
        assert_eq!(ours.get(path).send().await.status, status);
        for blob in [&image.config, &image.layer] {
            let digest = digest_of(blob);
            let path = format!("/v2/team/app/blobs/{digest}");
            assert_eq!(ours.get(path).send().await.status, status);
            let hex = digest.replace("sha256:", "");
            let is_stored = files
                .keys()
                .any(|path| path.ends_with(&format!("{hex}/data")));
            assert_eq!(is_stored, status == 200);
        }
    }
    // Nobody knows when they were pushed, so nothing says so: they count as pushed now.
    assert!(!files.keys().any(|path| path.ends_with("_meta")));
    assert_eq!(store.links().await.found, []);
}
