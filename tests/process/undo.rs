//! `why` and `undelete` beside a running server.

use std::process::Output;

use crate::client::{digest_of, image};
use crate::server::Place;

const KIND: [(&str, &str); 1] = [("content-type", "application/vnd.oci.image.manifest.v1+json")];

fn run(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = place.command().args(arguments).output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_deletion_is_explained_and_undone_while_the_server_runs() {
    let place = Place::new("");
    let server = place.start();
    let mut client = server.client();
    let (config, layer) = (b"{}".as_slice(), b"layer".as_slice());
    for blob in [config, layer] {
        client.push_blob_at_once("a/b", blob).unwrap();
    }
    let manifest = image((&digest_of(config), 2), &[(digest_of(layer), 5)]);
    let (digest, blob) = (digest_of(&manifest), digest_of(layer));
    for tag in ["v1", "v2"] {
        let path = format!("/v2/a/b/manifests/{tag}");
        client.expect(201, "PUT", &path, &KIND, &manifest).unwrap();
    }

    let (code, told) = run(&place, &["why", &blob]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains(&format!(
            "a/b: manifest {digest} needs {blob}; tags: v1, v2\n"
        )),
        "{told}"
    );
    assert!(told.ends_with(&format!("{blob} is kept\n")), "{told}");

    let by_digest = format!("/v2/a/b/manifests/{digest}");
    client.expect(202, "DELETE", &by_digest, &[], &[]).unwrap();
    let (code, told) = run(&place, &["why", &blob]);
    assert_eq!(code, Some(0), "{told}");
    let line = format!("by anonymous: manifest {digest}, tags: v1, v2; can be restored until ");
    assert!(
        told.contains(&line) && told.contains("; may be marked from "),
        "{told}"
    );
    let (_, told) = run(&place, &["why", "--json", &blob]);
    let json: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&json["known"], &json["kept"]),
        (&true.into(), &false.into()),
        "{told}"
    );
    assert_eq!(
        json["repositories"][0]["deletions"][0]["tags"][1], "v2",
        "{told}"
    );

    let named = format!("a/b@{digest}");
    let (code, told) = run(&place, &["undelete", &named]);
    let expected = format!("{named} is restored\na/b:v1 points at it\na/b:v2 points at it\n");
    assert_eq!((code, told), (Some(0), expected));
    for tag in ["v1", "v2"] {
        let path = format!("/v2/a/b/manifests/{tag}");
        let pulled = client.expect(200, "GET", &path, &[], &[]).unwrap();
        assert_eq!(pulled.body, manifest);
    }

    let (code, told) = run(&place, &["undelete", "a/b:v1"]);
    assert_eq!(
        (code, told.as_str()),
        (Some(2), "no deletion of it is known\n")
    );
    let (code, told) = run(&place, &["why", &digest_of(b"nothing")]);
    assert_eq!(code, Some(2), "{told}");
    let (code, told) = run(&place, &["undelete", "A@b"]);
    assert_eq!(code, Some(64), "{told}");
    client.expect(202, "DELETE", &by_digest, &[], &[]).unwrap();
    let path = format!("/v2/a/b/blobs/{blob}");
    client.expect(202, "DELETE", &path, &[], &[]).unwrap();
    let (code, told) = run(&place, &["undelete", "a/b:v1"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains(&format!("can't be restored: {blob} is missing")),
        "{told}"
    );
}
