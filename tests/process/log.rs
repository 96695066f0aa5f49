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
