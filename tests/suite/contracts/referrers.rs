//! Referrers by subject.

use simple_registry::domain::model::{Descriptor, Digest, MediaType, RepositoryName};
use simple_registry::ports::StoragePorts;

use super::{repository, sha256};

fn descriptor(digest: &Digest, artifact_type: &str) -> Descriptor {
    Descriptor {
        media_type: MediaType::known(MediaType::OCI_MANIFEST),
        digest: digest.clone(),
        size: 7,
        artifact_type: Some(artifact_type.to_owned()),
        annotations: Some([("k".to_owned(), "v".to_owned())].into()),
        urls: None,
    }
}

async fn listed(ports: &StoragePorts, name: &RepositoryName, subject: &Digest) -> Vec<Descriptor> {
    let referrers = &ports.referrers;
    let mut listed = Vec::new();
    for digest in referrers.list(name, subject).await.unwrap() {
        let referrer = referrers.get(name, subject, &digest).await.unwrap();
        listed.push(referrer.unwrap());
    }
    listed
}

pub async fn referrers_are_listed_by_subject(ports: &StoragePorts) {
    let (name, subject) = (repository("a"), sha256(b"subject"));
    let mut all = [b"1", b"2", b"3"].map(|bytes| descriptor(&sha256(bytes), "a/b"));
    for referrer in &all {
        ports
            .referrers
            .add(&name, &subject, referrer)
            .await
            .unwrap();
    }
    all.sort_by(|a, b| a.digest.cmp(&b.digest));

    assert_eq!(listed(ports, &name, &subject).await, all);
    assert!(listed(ports, &name, &sha256(b"other")).await.is_empty());
    assert!(listed(ports, &repository("b"), &subject).await.is_empty());
}

pub async fn a_referrer_is_listed_once(ports: &StoragePorts) {
    let (name, subject) = (repository("a"), sha256(b"subject"));
    for artifact_type in ["a/b", "a/b", "c/d"] {
        let referrer = descriptor(&sha256(b"1"), artifact_type);
        ports
            .referrers
            .add(&name, &subject, &referrer)
            .await
            .unwrap();
    }

    let listed = listed(ports, &name, &subject).await;
    assert_eq!(listed, [descriptor(&sha256(b"1"), "c/d")]);
}

pub async fn a_removed_referrer_is_gone(ports: &StoragePorts) {
    let (name, subject) = (repository("a"), sha256(b"subject"));
    let referrer = descriptor(&sha256(b"1"), "a/b");
    ports
        .referrers
        .add(&name, &subject, &referrer)
        .await
        .unwrap();

    ports
        .referrers
        .remove(&name, &subject, &referrer.digest)
        .await
        .unwrap();
    ports
        .referrers
        .remove(&name, &subject, &referrer.digest)
        .await
        .unwrap();

    let referrers = &ports.referrers;
    assert!(referrers.list(&name, &subject).await.unwrap().is_empty());
    let got = referrers.get(&name, &subject, &referrer.digest).await;
    assert_eq!(got.unwrap(), None);
}
