use super::*;
use crate::domain::model::Hasher;

fn digest() -> Digest {
    Hasher::digest_of(Algorithm::Sha256, b"")
}

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The paths that CNCF Distribution reads and writes, character for character.
#[test]
fn the_shared_paths_are_distributions() {
    let (name, tag) = ("team/app".parse().unwrap(), "v1".parse().unwrap());
    let v2 = "docker/registry/v2";
    let app = format!("{v2}/repositories/team/app");

    for (ours, theirs) in [
        (blob(&digest()), format!("{v2}/blobs/sha256/e3/{HEX}/data")),
        (
            layer_link(&name, &digest()),
            format!("{app}/_layers/sha256/{HEX}/link"),
        ),
        (
            revision_link(&name, &digest()),
            format!("{app}/_manifests/revisions/sha256/{HEX}/link"),
        ),
        (
            tag_current(&name, &tag),
            format!("{app}/_manifests/tags/v1/current/link"),
        ),
        (
            tag_index(&name, &tag, &digest()),
            format!("{app}/_manifests/tags/v1/index/sha256/{HEX}/link"),
        ),
        (
            upload_dir(
                &name,
                &"6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap(),
            ),
            format!("{app}/_uploads/6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ),
    ] {
        assert_eq!(ours, theirs);
    }
}

/// Distribution takes every file called `data` or `link` for its own.
#[test]
fn nothing_of_ours_has_a_name_that_distribution_looks_for() {
    let name = "team/app".parse().unwrap();
    let ours = [
        revision_meta(&name, &digest()),
        referrer(&name, &digest(), &digest()),
        format!("{}/x", deletions(&name)),
        pull(&name, &digest()),
        format!("{}/{CONDEMNED}", blob_dir(&digest())),
        format!("{}/{DYING}", layer_link_dir(&name, &digest())),
        FORMAT.to_owned(),
        LOCKS.to_owned(),
        format!("{TMP}/x"),
    ];

    for path in ours {
        let file = path.rsplit('/').next().unwrap();
        assert!(!["data", "link", "startedat"].contains(&file), "{path}");
        assert!(!path.starts_with(&format!("{}/", tags(&name))), "{path}");
    }
}
