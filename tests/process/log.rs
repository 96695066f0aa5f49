//! What the log says (lessons.md, correctness 46).

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
