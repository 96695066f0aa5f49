//! What can be undone of a deletion, and what is told of it.

use std::time::Duration;

use simple_registry::domain::explain::{Explain, Explanation};
use simple_registry::domain::manifests::{Restored, Undeletion};
use simple_registry::domain::model::{
    Caller, Digest, Mark, Reference, RepositoryName, Tag, Thing, Timestamp,
};
use simple_registry::ports::StoragePorts;

use super::collector::{
    Setting, delete, hasty, index, is_linked, is_stored, push_blob, put, signature, stands,
};
use super::{repository, sha256, tag};
use crate::support::manifest as image;

fn patient(ports: &StoragePorts) -> Setting {
    Setting::over(ports, Duration::from_hours(1))
}

async fn undelete(setting: &Setting, name: &RepositoryName, reference: &str) -> Undeletion {
    let reference: Reference = reference.parse().unwrap();
    let manifests = setting.registry.manifests();
    manifests.undelete(name, &reference).await.unwrap()
}

async fn push_tagged(setting: &Setting, name: &RepositoryName, tag: &str, layer: &[u8]) -> Digest {
    put(
        setting,
        name,
        Some(tag),
        &image(b"{}", &[layer], &serde_json::json!({})),
    )
    .await
}

async fn pointed_at(ports: &StoragePorts, name: &RepositoryName, tag: &Tag) -> Option<Digest> {
    ports.tags.get(name, tag).await.unwrap()
}

async fn why(ports: &StoragePorts, digest: &Digest) -> Explanation {
    Explain::new(ports).why(digest).await.unwrap()
}

pub async fn a_deleted_manifest_comes_back_with_its_tags_and_stays(ports: &StoragePorts) {
    let name = repository("a");
    let setting = patient(ports);
    push_blob(ports, &name, b"{}").await;
    push_blob(ports, &name, b"layer").await;
    let subject = push_tagged(&setting, &name, "v1", b"layer").await;
    let signed = put(&setting, &name, Some("v2"), &signature(&subject)).await;
    put(&setting, &name, Some("v3"), &signature(&subject)).await;
    for digest in [&signed, &subject] {
        delete(&setting, &name, digest).await;
    }
    // As a pass leaves them that is under way.
    let things = [
        Thing::Data(subject.clone()),
        Thing::Data(sha256(b"layer")),
        Thing::Link(name.clone(), sha256(b"layer")),
    ];
    for thing in &things {
        ports.marks.condemn(thing).await.unwrap().unwrap();
    }

    let restored = undelete(&setting, &name, &subject.to_string()).await;
    let referrer = undelete(&setting, &name, &signed.to_string()).await;

    let expected = |digest: &Digest, tags: &[&str]| {
        Undeletion::Restored(Restored {
            digest: digest.clone(),
            manifest: true,
            tags: tags.iter().map(|it| tag(it)).collect(),
            moved: Vec::new(),
        })
    };
    assert_eq!(restored, expected(&subject, &["v1"]));
    assert_eq!(referrer, expected(&signed, &["v2", "v3"]));
    let listed = ports.referrers.list(&name, &subject).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&signed));
    for (tagged, digest) in [("v1", &subject), ("v2", &signed), ("v3", &signed)] {
        assert_eq!(
            pointed_at(ports, &name, &tag(tagged)).await.as_ref(),
            Some(digest)
        );
    }
    let data = ports.blobs.look(&sha256(b"layer")).await.unwrap();
    let own = ports.blobs.look(&subject).await.unwrap();
    let link = ports.links.look(&name, &sha256(b"layer")).await.unwrap();
    for look in [data, own, link] {
        assert_eq!((look.mark, look.thing.is_some()), (Mark::None, true));
    }
    let mut collecting = hasty(ports);
    for _ in 0..4 {
        collecting.pass().await;
    }
    assert!(stands(ports, &name, &subject).await && stands(ports, &name, &signed).await);
    assert!(is_stored(ports, &subject).await && is_stored(ports, &sha256(b"layer")).await);
    assert!(is_linked(ports, &name, &sha256(b"layer")).await);
    let again = undelete(&setting, &name, &subject.to_string()).await;
    assert_eq!(again, Undeletion::Unknown, "its record is used up");
}

pub async fn a_tag_that_was_pushed_anew_stays_where_it_is(ports: &StoragePorts) {
    let name = repository("a");
    let setting = patient(ports);
    for blob in [b"{}".as_slice(), b"old", b"new"] {
        push_blob(ports, &name, blob.to_vec().leak()).await;
    }
    let old = push_tagged(&setting, &name, "v1", b"old").await;
    push_tagged(&setting, &name, "v2", b"old").await;
    delete(&setting, &name, &old).await;
    let new = push_tagged(&setting, &name, "v1", b"new").await;

    let restored = undelete(&setting, &name, "v2").await;

    let expected = Restored {
        digest: old.clone(),
        manifest: true,
        tags: vec![tag("v2")],
        moved: vec![(tag("v1"), new.clone())],
    };
    assert_eq!(restored, Undeletion::Restored(expected));
    assert_eq!(pointed_at(ports, &name, &tag("v1")).await, Some(new));
    assert_eq!(pointed_at(ports, &name, &tag("v2")).await, Some(old));
}

pub async fn what_is_missing_is_named_and_nothing_is_restored(ports: &StoragePorts) {
    let name = repository("a");
    let setting = patient(ports);
    push_blob(ports, &name, b"{}").await;
    push_blob(ports, &name, b"layer").await;
    let digest = push_tagged(&setting, &name, "v1", b"layer").await;
    delete(&setting, &name, &digest).await;
    for gone in [b"layer".as_slice(), b"{}"] {
        ports.links.remove(&name, &sha256(gone)).await.unwrap();
    }

    let refused = undelete(&setting, &name, "v1").await;

    let missing = vec![sha256(b"{}"), sha256(b"layer")];
    let expected = Undeletion::Refused {
        digest: digest.clone(),
        missing,
    };
    assert_eq!(refused, expected);
    assert!(!stands(ports, &name, &digest).await);
    assert_eq!(pointed_at(ports, &name, &tag("v1")).await, None);

    ports.blobs.remove(&digest).await.unwrap();
    let refused = undelete(&setting, &name, "v1").await;
    let missing = vec![digest.clone()];
    assert_eq!(refused, Undeletion::Refused { digest, missing });
    assert_eq!(undelete(&setting, &name, "v2").await, Undeletion::Unknown);
}

pub async fn children_that_were_deleted_too_come_first(ports: &StoragePorts) {
    let name = repository("a");
    let setting = patient(ports);
    push_blob(ports, &name, b"{}").await;
    let child = put(
        &setting,
        &name,
        None,
        &image(b"{}", &[], &serde_json::json!({})),
    )
    .await;
    let all = put(&setting, &name, Some("all"), &index(&[&child])).await;
    for digest in [&all, &child] {
        delete(&setting, &name, digest).await;
    }

    let refused = undelete(&setting, &name, "all").await;
    let missing = vec![child.clone()];
    let digest = all.clone();
    assert_eq!(refused, Undeletion::Refused { digest, missing });
    for digest in [&child, &all] {
        let restored = undelete(&setting, &name, &digest.to_string()).await;
        assert!(matches!(restored, Undeletion::Restored(_)), "{restored:?}");
    }

    assert!(stands(ports, &name, &child).await && stands(ports, &name, &all).await);
    let ever = Timestamp::from_millis(i64::MAX);
    assert_eq!(ports.deletions.list(&name, ever).await.unwrap(), []);
}

pub async fn a_deleted_tag_comes_back_alone(ports: &StoragePorts) {
    let name = repository("a");
    let setting = patient(ports);
    push_blob(ports, &name, b"{}").await;
    push_blob(ports, &name, b"layer").await;
    let digest = push_tagged(&setting, &name, "v1", b"layer").await;
    push_tagged(&setting, &name, "v2", b"layer").await;
    let manifests = setting.registry.manifests();
    for gone in ["v1", "v2"] {
        let reference = gone.parse().unwrap();
        let caller = Caller::default();
        manifests.delete(&name, &reference, &caller).await.unwrap();
    }

    let restored = undelete(&setting, &name, "v1").await;

    let expected = Restored {
        digest: digest.clone(),
        manifest: false,
        tags: vec![tag("v1")],
        moved: Vec::new(),
    };
    assert_eq!(restored, Undeletion::Restored(expected));
    assert_eq!(
        pointed_at(ports, &name, &tag("v1")).await,
        Some(digest.clone())
    );
    assert_eq!(pointed_at(ports, &name, &tag("v2")).await, None);
    let by_digest = undelete(&setting, &name, &digest.to_string()).await;
    assert_eq!(
        by_digest,
        Undeletion::Unknown,
        "the manifest was not deleted"
    );
}

pub async fn what_needs_a_blob_is_told_through_every_index(ports: &StoragePorts) {
    let (name, other) = (repository("a"), repository("b"));
    let setting = patient(ports);
    push_blob(ports, &name, b"{}").await;
    push_blob(ports, &name, b"layer").await;
    push_blob(ports, &other, b"layer").await;
    let image = push_tagged(&setting, &name, "v1", b"layer").await;
    let inner = put(&setting, &name, None, &index(&[&image])).await;
    let outer = put(&setting, &name, Some("all"), &index(&[&inner])).await;
    let signed = put(&setting, &name, None, &signature(&image)).await;
    let link = Thing::Link(other.clone(), sha256(b"layer"));
    ports.marks.condemn(&link).await.unwrap();

    let blob = why(ports, &sha256(b"layer")).await;

    assert_eq!(blob.content.look.thing.unwrap().size, 5);
    assert_eq!(
        (blob.doubts.as_slice(), blob.is_kept()),
        ([].as_slice(), true)
    );
    let [a, b] = blob.places.as_slice() else {
        panic!("{:?}", blob.places)
    };
    assert_eq!((&a.repository, &b.repository), (&name, &other));
    let (v1, all) = ([tag("v1")], [tag("all")]);
    let holders = a
        .holders
        .iter()
        .map(|it| (&it.manifest, &it.needs[0], it.tags.as_slice()));
    let expected = [
        (&image, &sha256(b"layer"), v1.as_slice()),
        (&inner, &image, &[]),
        (&outer, &inner, &all),
    ];
    assert_eq!(holders.collect::<Vec<_>>(), expected);
    assert!(b.holders.is_empty() && b.link.marked_at.is_some());

    let manifest = why(ports, &image).await;
    assert_eq!(manifest.places[0].referrers, std::slice::from_ref(&signed));
    assert_eq!(manifest.places[0].holders[0].manifest, image);
    assert_eq!(manifest.places[0].holders.len(), 3);
    let referrer = why(ports, &signed).await;
    assert_eq!(referrer.places[0].holders[0].subject, Some((image, true)));

    super::store_manifest(ports, &name, "{}").await;
    let doubted = why(ports, &sha256(b"layer")).await;
    assert_eq!(doubted.doubts.len(), 1, "{:?}", doubted.doubts);
    let unknown = why(ports, &sha256(b"nobody has it")).await;
    assert!(!unknown.is_known() && !unknown.is_kept());
}

pub async fn deletions_are_told_with_what_they_let_go_of(ports: &StoragePorts) {
    let name = repository("a");
    let setting = patient(ports);
    push_blob(ports, &name, b"{}").await;
    push_blob(ports, &name, b"layer").await;
    let image = push_tagged(&setting, &name, "v1", b"layer").await;
    let all = put(&setting, &name, Some("all"), &index(&[&image])).await;
    for digest in [&all, &image] {
        delete(&setting, &name, digest).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    let blob = why(ports, &sha256(b"layer")).await;

    assert!(blob.is_known() && !blob.is_kept());
    let told = blob.places[0].deletions.iter();
    let told: Vec<_> = told.map(|it| (&it.digest, it.tags.as_slice())).collect();
    let tags = ([tag("all")], [tag("v1")]);
    assert_eq!(
        told,
        [(&all, tags.0.as_slice()), (&image, tags.1.as_slice())]
    );
}
