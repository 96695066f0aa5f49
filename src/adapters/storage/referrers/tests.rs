//! What power cuts leave of records, and what they cannot touch.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::adapters::storage::open_files;
use crate::adapters::storage::tree::MockTree;
use crate::domain::model::{Algorithm, Hasher, MediaType};

fn digest(of: &[u8]) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, of)
}

fn descriptor(of: &[u8]) -> Descriptor {
    Descriptor {
        media_type: MediaType::known(MediaType::OCI_MANIFEST),
        digest: digest(of),
        size: 1,
        artifact_type: None,
        annotations: None,
        urls: None,
    }
}

/// lessons.md, correctness 18
#[tokio::test]
async fn a_torn_record_hides_no_other() {
    let root = tempfile::tempdir().unwrap();
    let ports = open_files(root.path(), true, 4096).unwrap();
    let (name, subject) = ("a/b".parse().unwrap(), digest(b"subject"));
    for of in [b"1", b"2"] {
        let referrer = descriptor(of);
        ports
            .referrers
            .add(&name, &subject, &referrer)
            .await
            .unwrap();
    }
    let torn = layout::referrer(&name, &subject, &digest(b"1"));
    std::fs::write(root.path().join(torn), b"").unwrap();

    let get = async |of: &[u8]| {
        let referrer = digest(of);
        let got = ports.referrers.get(&name, &subject, &referrer).await;
        got.unwrap()
    };
    assert_eq!(get(b"1").await, None);
    assert_eq!(get(b"2").await, Some(descriptor(b"2")));
}

/// What it replaces was acknowledged.
#[tokio::test]
async fn a_record_that_replaces_another_cannot_be_torn() {
    let mut tree = MockTree::new();
    tree.expect_read()
        .returning(|_| Ok(Some(Bytes::from_static(b"another"))));
    // Nobody expects `write`: it would panic.
    tree.expect_write_synced().times(1).returning(|_, _| Ok(()));
    let store = Store::over(Arc::new(tree));

    store
        .add(
            &"a/b".parse().unwrap(),
            &digest(b"subject"),
            &descriptor(b"1"),
        )
        .await
        .unwrap();
}
