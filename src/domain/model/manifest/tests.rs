use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn digest(n: u8) -> String {
    format!("sha256:{}", format!("{n:02x}").repeat(32))
}

fn blob(media_type: &str, n: u8) -> Value {
    json!({"mediaType": media_type, "digest": digest(n), "size": 3})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": blob("application/vnd.oci.image.config.v1+json", 1),
        "layers": [blob("application/vnd.oci.image.layer.v1.tar", 2)],
    })
}

fn index() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [blob(MediaType::OCI_MANIFEST, 3)],
    })
}

fn parse(value: &Value) -> Result<Manifest, InvalidManifest> {
    Manifest::parse(None, value.to_string().as_bytes())
}

fn with(mut value: Value, key: &str, field: Value) -> Value {
    value[key] = field;
    value
}

#[test]
fn an_image_needs_its_config_and_layers() {
    let manifest = parse(&image()).unwrap();

    let needs: Vec<_> = manifest
        .needs()
        .iter()
        .map(|n| (n.digest.to_string(), n.need))
        .collect();
    assert_eq!(needs, [(digest(1), Need::Blob), (digest(2), Need::Blob)]);
}

#[test]
fn an_index_needs_its_children() {
    let manifest = parse(&index()).unwrap();

    let needs: Vec<_> = manifest
        .needs()
        .iter()
        .map(|n| (n.digest.to_string(), n.need))
        .collect();
    assert_eq!(needs, [(digest(3), Need::Child)]);
}

/// lessons.md, correctness 9
#[test]
fn a_layer_listed_twice_is_needed_once() {
    let layer = blob("application/vnd.oci.image.layer.v1.tar", 2);
    let manifest = parse(&with(image(), "layers", json!([layer, layer]))).unwrap();

    assert_eq!(manifest.needs().len(), 2);
}

#[test]
fn layers_that_are_elsewhere_may_be_missing() {
    let foreign = blob(
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        4,
    );
    let mut urls = blob("application/vnd.oci.image.layer.v1.tar", 5);
    urls["urls"] = json!(["https://example.com/layer"]);
    let manifest = parse(&with(image(), "layers", json!([foreign, urls]))).unwrap();

    let needs = manifest.needs();
    assert!(needs[1..].iter().all(|n| n.need == Need::OptionalBlob));
}

/// lessons.md, security 2 (CVE-2021-41190)
#[test]
fn what_could_be_read_as_two_things_is_refused() {
    let both = with(image(), "manifests", json!([]));
    assert_eq!(parse(&both), Err(InvalidManifest::Ambiguous));

    let text = image().to_string().replacen('{', "{\"layers\":[],", 1);
    let twice = Manifest::parse(None, text.as_bytes());
    assert!(matches!(twice, Err(InvalidManifest::Json(_))), "{twice:?}");

    let neither = json!({"schemaVersion": 2});
    assert_eq!(parse(&neither), Err(InvalidManifest::Shapeless));
}

#[test]
fn header_and_body_must_name_the_same_type() {
    let docker = MediaType::known(MediaType::DOCKER_MANIFEST);
    let bytes = image().to_string();

    let parsed = Manifest::parse(Some(&docker), bytes.as_bytes());

    assert!(matches!(
        parsed,
        Err(InvalidManifest::MediaTypeMismatch { .. })
    ));
}

#[test]
fn a_type_must_fit_the_shape() {
    let mut untyped = index();
    untyped.as_object_mut().unwrap().remove("mediaType");
    let image_type = MediaType::known(MediaType::OCI_MANIFEST);

    let parsed = Manifest::parse(Some(&image_type), untyped.to_string().as_bytes());

    assert_eq!(parsed, Err(InvalidManifest::WrongShape(image_type)));
}

#[test]
fn without_any_word_about_it_the_shape_decides() {
    let mut untyped = index();
    untyped.as_object_mut().unwrap().remove("mediaType");
    let generic = MediaType::parse("application/json").unwrap();

    let parsed = Manifest::parse(Some(&generic), untyped.to_string().as_bytes()).unwrap();

    assert_eq!(parsed.media_type.as_str(), MediaType::OCI_INDEX);
}

#[test]
fn schema_1_is_refused_by_name() {
    let schema1 = json!({"schemaVersion": 1, "name": "x", "fsLayers": []});

    assert_eq!(parse(&schema1), Err(InvalidManifest::Schema1));
}

#[test]
fn the_referrer_type_falls_back_as_the_spec_says() {
    let own = parse(&with(image(), "artifactType", json!("a/b"))).unwrap();
    assert_eq!(own.referrer_type(), Some("a/b"));

    let config = parse(&image()).unwrap();
    assert_eq!(
        config.referrer_type(),
        Some("application/vnd.oci.image.config.v1+json")
    );

    assert_eq!(parse(&index()).unwrap().referrer_type(), None);
}

#[test]
fn bad_descriptors_are_refused() {
    for bad in [
        json!({"mediaType": "a/b", "digest": "sha256:x", "size": 1}),
        json!({"mediaType": "a/b", "digest": digest(1), "size": -1}),
        json!({"mediaType": "a/b", "digest": digest(1)}),
        json!({"digest": digest(1), "size": 1}),
        json!("x"),
    ] {
        let parsed = parse(&with(image(), "config", bad.clone()));
        assert!(matches!(parsed, Err(InvalidManifest::Json(_))), "{bad}");
    }
}

proptest! {
    #[test]
    fn parsing_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Manifest::parse(None, &bytes);
        let _ = Manifest::media_type_of(&bytes);
    }

    #[test]
    fn cutting_a_manifest_anywhere_never_panics(cut in 0_usize..400) {
        let text = image().to_string();
        let cut = cut.min(text.len());
        let _ = Manifest::parse(None, &text.as_bytes()[..cut]);
        let _ = Manifest::media_type_of(&text.as_bytes()[..cut]);
    }
}
