//! What the log says (lessons.md, correctness 46).

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};

use crate::server::Place;

#[test]
fn the_log_does_not_show_what_a_query_carries() {
    let place = Place::new("");
    let server = place.start_talkative();
    let path = "/v2/a/manifests/latest?token=hunter2";

    server.client().get(path).unwrap();

    let log = std::fs::read_to_string(place.dir.path().join("log")).unwrap();
    assert!(log.contains("/v2/a/manifests/latest"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

/// docs/security.md: people type a password in the place of their name.
#[test]
fn the_log_does_not_show_who_failed_to_log_in() {
    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGE";
    let place = Place::new(&format!(
        "identity.somebody = {{ username = 'ann', password = '{HASH}' }}"
    ));
    let server = place.start_talkative();
    // `swordfish:hunter2`, and what is no Basic.
    for shown in [
        "Basic c3dvcmRmaXNoOmh1bnRlcjI=",
        "Basic hunter2",
        "Bearer hunter2",
        "hunter2",
    ] {
        let headers = [("authorization", shown)];
        let answer = server
            .client()
            .send("GET", "/v2/a/tags/list", &headers, b"")
            .unwrap();
        assert_eq!(answer.status, 401, "{shown}");
    }

    let log = std::fs::read_to_string(place.dir.path().join("log")).unwrap();

    assert!(log.contains("wrong credentials"), "{log}");
    for secret in ["hunter2", "swordfish", "c3dvcmRmaXNoOmh1bnRlcjI", HASH] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// Scripts read these lines by the order of their fields.
#[test]
fn a_request_has_one_line_with_all_that_is_known_of_it() {
    let params = Params::new(8, 1, 1, None).unwrap();
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = cheap.hash_password(b"password").unwrap();
    let place = Place::new(&format!(
        "identity.somebody = {{ username = 'ann', password = '{hash}' }}"
    ));
    let server = place.start_logging("info");
    let mut client = server.client();
    let digest = client.push_blob_at_once("a/b", b"hello").unwrap();
    let path = format!("/v2/a/b/blobs/{digest}");
    client.get(&path).unwrap();
    let ann = [("authorization", "Basic YW5uOnBhc3N3b3Jk")];
    client.send("HEAD", &path, &ann, b"").unwrap();
    let unknown = client.get("/v2/a/b/manifests/v1?n=1").unwrap();
    let nothing = client.get("/v2/_nothing").unwrap();

    let log = place.log();

    let lines: Vec<&str> = log
        .lines()
        .filter(|it| it.contains(": request ") && !it.contains("path=\"/v2/\""))
        .map(|it| it.split_once(" status=").unwrap().1)
        .map(|it| it.split_once(" action=").unwrap().1)
        .collect();
    assert_eq!(
        lines,
        [
            format!("\"start-upload\" repository=a/b digest={digest} received=5 length=0"),
            format!("\"get-blob\" repository=a/b digest={digest} length=5"),
            format!("\"get-blob\" identity=\"somebody\" repository=a/b digest={digest} length=5"),
            format!(
                "\"get-manifest\" repository=a/b reference=v1 length={}",
                unknown.body.len()
            ),
            format!("\"none\" length={}", nothing.body.len()),
        ]
    );
}
