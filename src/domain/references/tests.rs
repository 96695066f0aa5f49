use std::sync::Arc;

use bytes::Bytes;

use super::{Digests, Doubt, References};
use crate::domain::model::{Algorithm, Digest, Hasher};
use crate::domain::world::{absent, repository, there};
use crate::ports::{ManifestStore, MockManifestStore};

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":1,"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}"#;

fn digest(text: &str) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, text.as_bytes())
}

fn references(manifests: MockManifestStore) -> References {
    References::new(&(Arc::new(manifests) as Arc<dyn ManifestStore>))
}

async fn add(references: &References) -> Result<Digests, Doubt> {
    let mut needed = Digests::default();
    references
        .add(&repository(), &digest(INDEX), &mut needed)
        .await?;
    Ok(needed)
}

#[tokio::test]
async fn a_manifest_is_read_once_for_as_long_as_it_is_asked_for() {
    let mut manifests = MockManifestStore::new();
    manifests
        .expect_claim()
        .times(2)
        .returning(|_, _| Ok(Some(Bytes::from_static(INDEX.as_bytes()))));
    let references = references(manifests);

    for _ in 0..3 {
        let needed = add(&references).await.unwrap();
        assert!(needed.contains(&digest("")), "the empty blob is its child");
        assert!(!needed.contains(&digest("other")));
        references.forget_others();
    }
    references.forget_others(); // a pass without it
    add(&references).await.unwrap();
}

#[tokio::test]
async fn bytes_of_another_digest_are_a_doubt() {
    let mut manifests = MockManifestStore::new();
    let other = INDEX.replace("size\":1", "size\":2");
    manifests
        .expect_claim()
        .returning(move |_, _| Ok(Some(Bytes::from(other.clone()))));

    let doubt = add(&references(manifests)).await;

    assert!(matches!(doubt, Err(Doubt::Damaged(_))));
}

#[tokio::test]
async fn a_settled_manifest_without_content_is_a_doubt_and_a_pending_one_names_nothing() {
    for (look, is_doubt) in [(there(1), true), (absent(), false)] {
        let mut manifests = MockManifestStore::new();
        manifests.expect_claim().returning(|_, _| Ok(None));
        manifests
            .expect_look()
            .returning(move |_, _| Ok(look.clone()));

        let added = add(&references(manifests)).await;

        assert_eq!(added.is_err(), is_doubt);
    }
}
