//! What files alone know: that somebody else has read them.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;
use crate::domain::model::{Hasher, MediaType};
use crate::ports::{NewManifest, StoragePorts};

struct Scratch {
    ports: StoragePorts,
    root: tempfile::TempDir,
    digest: Digest,
}

fn name() -> RepositoryName {
    "a/b".parse().unwrap()
}

impl Scratch {
    fn link(&self) -> PathBuf {
        let link = layout::revision_link(&name(), &self.digest);
        self.root.path().join(link)
    }

    fn record(&self) -> PathBuf {
        let record = layout::pull(&name(), &self.digest);
        self.root.path().join(record)
    }

    async fn pulled(&self) -> Option<Timestamp> {
        let mut pulls = self.ports.pulls.list(&name()).await.unwrap();
        pulls.remove(&self.digest)
    }
}

/// A store in files with one manifest, and who last read its link: as long
/// after it was written as is said.
async fn scratch(read_after: i64) -> Scratch {
    let root = tempfile::tempdir().unwrap();
    let ports = crate::adapters::storage::open_files(root.path(), true, 4096).unwrap();
    let manifest = NewManifest {
        digest: Hasher::digest_of(Algorithm::Sha256, b"{}"),
        media_type: MediaType::known(MediaType::OCI_MANIFEST),
        bytes: "{}".into(),
        pushed_at: Timestamp::from_millis(0),
        pushed_by: None,
    };
    ports
        .manifests
        .put_pending(&name(), &manifest)
        .await
        .unwrap();
    ports.manifests.settle(&name(), &manifest).await.unwrap();
    let scratch = Scratch {
        ports,
        root,
        digest: manifest.digest,
    };
    set_times(&scratch.link(), 10_000, 10_000 + read_after);
    scratch
}

fn set_times(path: &Path, modified: i64, accessed: i64) {
    let at = |seconds: i64| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap())
    };
    let times = FileTimes::new()
        .set_modified(at(modified))
        .set_accessed(at(accessed));
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(times)
        .unwrap();
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[tokio::test]
async fn what_another_registry_sent_counts_until_it_is_pulled_here() {
    let scratch = scratch(1).await;
    assert_eq!(
        scratch.pulled().await,
        Some(Timestamp::from_millis(10_001_000))
    );

    scratch
        .ports
        .pulls
        .note(&name(), &scratch.digest)
        .await
        .unwrap();
    set_times(&scratch.record(), 5_000, 5_000);

    assert_eq!(
        scratch.pulled().await,
        Some(Timestamp::from_millis(5_000_000))
    );
}

/// Not even those of the collector, which reads every manifest.
#[tokio::test]
async fn this_registry_s_own_reads_are_no_pulls() {
    let scratch = scratch(-1).await;

    let manifests = &scratch.ports.manifests;
    assert!(
        manifests
            .get(&name(), &scratch.digest)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        manifests
            .claim(&name(), &scratch.digest)
            .await
            .unwrap()
            .is_some()
    );

    assert_eq!(scratch.pulled().await, None);
}

#[tokio::test]
async fn a_pull_brings_no_directory_back_but_its_own() {
    let scratch = scratch(0).await;
    let tree = crate::adapters::storage::files::Files::open(
        scratch.root.path(),
        crate::adapters::storage::files::Durable::Off,
        4096,
    );
    let tree: &dyn crate::adapters::storage::tree::Tree = &tree.unwrap();

    let gone = "gone/away".parse().unwrap();
    tree.stamp(&layout::pull(&gone, &scratch.digest))
        .await
        .unwrap();
    tree.stamp(&layout::pull(&name(), &scratch.digest))
        .await
        .unwrap();

    let repositories = scratch.root.path().join(layout::REPOSITORIES);
    assert!(!repositories.join("gone").exists());
    assert_eq!(std::fs::metadata(scratch.record()).unwrap().len(), 0);
}
