//! This registry as an upstream: what one of us keeps the other finds.

use serde_json::json;
use simple_registry::ports::UpstreamError;

use super::{digest, image, latest, open, read};
use crate::api::identities::{alice, for_alice};
use crate::support::{Authority, Image, Setup, TestRegistry, random};

const ALICE: &str = "username = 'alice'\npassword = 'secret'";

#[tokio::test]
async fn a_registry_of_our_own_is_read_over_http_2_with_a_password() {
    let authority = Authority::new();
    let setup = Setup {
        identities: Some(alice()),
        ..Setup::default()
    };
    let storage = setup.storage.clone();
    let open_one = TestRegistry::with(setup).await;
    let one = Image::new(1);
    let about = Image::with(2, &json!({"subject": one.descriptor()}));
    one.push(&open_one, "team/image", "latest").await;
    about.push(&open_one, "team/image", &about.digest).await;
    let large = random(3, 3_000_000);
    let large_digest = open_one.push_blob("team/image", &large).await;
    let registry = TestRegistry::with(Setup {
        storage,
        tls: Some(authority.serves(None)),
        identities: Some(alice()),
        namespaces: vec![("team", for_alice())],
        ..Setup::default()
    });
    let registry = registry.await;
    let directory = tempfile::tempdir().unwrap();
    let authorities = directory.path().join("ca.pem");
    std::fs::write(&authorities, authority.pem()).unwrap();
    let more = format!("server_ca_bundle = '{}'\n", authorities.display());
    let url = format!("https://localhost:{}/v2/team", registry.address.port());
    let upstream = open(&url, &format!("{more}{ALICE}"));

    let found = upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.bytes, one.manifest.as_bytes());
    let resolved = upstream
        .resolve_manifest(&image(), &latest())
        .await
        .unwrap();
    assert_eq!(resolved, Some(digest(&one.digest)));
    let large_digest = digest(&large_digest);
    assert_eq!(
        upstream.stat_blob(&image(), &large_digest).await.unwrap(),
        Some(3_000_000)
    );
    for offset in [0, 1_234_567] {
        let blob = upstream
            .open_blob(&image(), &large_digest, offset)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(blob.size, 3_000_000);
        assert_eq!(
            read(blob).await.unwrap(),
            large[usize::try_from(offset).unwrap()..]
        );
    }
    let referrers = upstream
        .get_referrers(&image(), &digest(&one.digest))
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&referrers.unwrap()).contains(&about.digest));

    let absent = digest(&Image::new(9).digest);
    assert_eq!(
        upstream
            .get_manifest(&image(), &"none".parse().unwrap())
            .await
            .unwrap(),
        None
    );
    assert_eq!(upstream.stat_blob(&image(), &absent).await.unwrap(), None);
    assert!(
        upstream
            .open_blob(&image(), &absent, 0)
            .await
            .unwrap()
            .is_none()
    );

    for wrong in ["", "username = 'alice'\npassword = 'wrong'"] {
        let upstream = open(&url, &format!("{more}{wrong}"));
        let error = upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();
        assert!(matches!(error, UpstreamError::Denied { .. }), "{error:?}");
    }
}
