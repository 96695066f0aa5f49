//! What crashes and other registries leave behind (storage.md section 1).

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::adapters::storage::open_files;
use crate::domain::model::{Hasher, Tag, Timestamp};
use crate::ports::StoragePorts;

struct Scratch {
    ports: StoragePorts,
    root: tempfile::TempDir,
    name: RepositoryName,
    digest: Digest,
}

/// A store with one settled manifest.
async fn scratch() -> Scratch {
    let root = tempfile::tempdir().unwrap();
    let ports = open_files(root.path(), true, 4096).unwrap();
    let name = "a/b".parse().unwrap();
    let new = NewManifest {
        digest: Hasher::digest_of(Algorithm::Sha256, b"{}"),
        media_type: MediaType::parse("a/b").unwrap(),
        bytes: Bytes::from_static(b"{}"),
        pushed_at: Timestamp::from_millis(0),
        pushed_by: None,
    };
    ports.manifests.put_pending(&name, &new).await.unwrap();
    ports.manifests.settle(&name, &new).await.unwrap();
    Scratch {
        ports,
        root,
        name,
        digest: new.digest,
    }
}

impl Scratch {
    fn link(&self) -> PathBuf {
        self.root
            .path()
            .join(layout::revision_link(&self.name, &self.digest))
    }

    fn meta(&self) -> PathBuf {
        self.root
            .path()
            .join(layout::revision_meta(&self.name, &self.digest))
    }

    fn data(&self) -> PathBuf {
        self.root.path().join(layout::blob(&self.digest))
    }

    async fn get(&self) -> Option<StoredManifest> {
        let manifests = &self.ports.manifests;
        let got = manifests.get(&self.name, &self.digest).await.unwrap();
        let known = manifests.stat(&self.name, &self.digest).await.unwrap();
        assert_eq!(got.is_some(), known.is_some(), "HEAD and GET agree");
        got
    }
}

#[tokio::test]
async fn a_manifest_of_another_registry_is_served() {
    let scratch = scratch().await;
    fs::remove_file(scratch.meta()).unwrap();

    let stored = scratch.get().await.unwrap();

    assert_eq!(stored.bytes, "{}");
    assert_eq!(stored.info.media_type, None);
    assert_eq!(stored.info.pushed_at, None, "unknown, which is not 1970");
}

#[tokio::test]
async fn an_empty_link_counts_by_its_path() {
    let scratch = scratch().await;
    fs::write(scratch.link(), b"").unwrap();

    assert!(scratch.get().await.is_some());
}

#[tokio::test]
async fn a_torn_record_reads_as_unknown() {
    for torn in ["", "{", "null", r#"{"version":1,"state":"fin"#] {
        let scratch = scratch().await;
        fs::write(scratch.meta(), torn).unwrap();

        assert_eq!(scratch.get().await, None, "{torn:?}");
    }
}

#[tokio::test]
async fn a_record_without_its_link_means_nothing() {
    let scratch = scratch().await;
    fs::remove_file(scratch.link()).unwrap();

    assert_eq!(scratch.get().await, None);
}

#[tokio::test]
async fn a_revision_whose_content_is_gone_is_not_served() {
    let scratch = scratch().await;
    fs::remove_file(scratch.data()).unwrap();

    assert_eq!(scratch.get().await, None);
}

/// Else nobody could mend it: a push of what is there would change nothing.
#[tokio::test]
async fn content_that_rotted_is_healed_by_a_push() {
    let scratch = scratch().await;
    fs::write(scratch.data(), b"[]").unwrap();

    scratch
        .ports
        .manifests
        .put_content(&scratch.digest, &Bytes::from_static(b"{}"))
        .await
        .unwrap();

    assert_eq!(scratch.get().await.unwrap().bytes, "{}");
}

/// A power cut may tear a record that was not synced before it got its name,
/// and a torn one would hide a manifest that was acknowledged long ago.
#[tokio::test]
async fn a_manifest_of_another_registry_gets_no_record_that_can_be_torn() {
    let mut tree = crate::adapters::storage::tree::MockTree::new();
    tree.expect_read().returning(|_| Ok(None));
    tree.expect_has()
        .returning(|path| Ok(path.ends_with("/link")));
    // Nobody expects `write`: it would panic.
    tree.expect_write_synced()
        .withf(|path, _| path.ends_with("/_meta"))
        .times(1)
        .returning(|_, _| Ok(()));
    let store = Store::over(std::sync::Arc::new(tree));
    let new = NewManifest {
        digest: Hasher::digest_of(Algorithm::Sha256, b"{}"),
        media_type: MediaType::parse("a/b").unwrap(),
        bytes: Bytes::from_static(b"{}"),
        pushed_at: Timestamp::from_millis(0),
        pushed_by: None,
    };

    store.settle(&"a/b".parse().unwrap(), &new).await.unwrap();
}

/// Else a push that was refused would show, while the collector takes it away.
#[tokio::test]
async fn a_manifest_that_is_removed_while_it_is_read_is_nobody_else_s() {
    let mut tree = crate::adapters::storage::tree::MockTree::new();
    tree.expect_read().returning(|_| Ok(None));
    let mut seen = false;
    tree.expect_has()
        .returning(move |_| Ok(!std::mem::replace(&mut seen, true)));
    let store = Store::over(std::sync::Arc::new(tree));
    let digest = Hasher::digest_of(Algorithm::Sha256, b"{}");

    let described = store.revision(&"a/b".parse().unwrap(), &digest).await;

    assert!(matches!(described.unwrap(), Revision::Unknown));
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_read() {
    let scratch = scratch().await;
    let meta = fs::read_to_string(scratch.meta()).unwrap();
    let newer = meta.replacen("{\"version\":1", "{\"colour\":\"blue\",\"version\":2", 1);
    assert_ne!(newer, meta);
    fs::write(scratch.meta(), newer).unwrap();

    assert!(scratch.get().await.is_some());
}

#[tokio::test]
async fn tags_tolerate_what_distribution_leaves() {
    let scratch = scratch().await;
    let tag: Tag = "v1".parse().unwrap();
    scratch
        .ports
        .tags
        .set(&scratch.name, &tag, &scratch.digest)
        .await
        .unwrap();
    let current = scratch
        .root
        .path()
        .join(layout::tag_current(&scratch.name, &tag));
    let get = || async { scratch.ports.tags.get(&scratch.name, &tag).await.unwrap() };

    fs::write(&current, format!("{}\n", scratch.digest)).unwrap();
    assert_eq!(
        get().await,
        Some(scratch.digest.clone()),
        "a newline at the end"
    );
    fs::write(&current, b"").unwrap();
    assert_eq!(get().await, None, "an empty link");
    fs::remove_file(&current).unwrap();
    assert_eq!(get().await, None, "a missing link");
    let listed = scratch
        .ports
        .tags
        .list(&scratch.name, &Page::all())
        .await
        .unwrap();
    assert!(listed.items.is_empty(), "a directory alone is no tag");
}
