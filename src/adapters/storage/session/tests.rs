use proptest::prelude::*;

use super::*;

fn session() -> UploadSession {
    let mut session = begin(Algorithm::Sha256, Timestamp::from_millis(5000)).unwrap();
    session.hasher.update(b"so far");
    session.pieces.push(Piece {
        name: "000000-5eed".to_owned(),
        size: 6,
    });
    session
}

#[test]
fn a_record_reads_back_under_the_same_boot() {
    let session = session();
    let bytes = Record::of(&session, Some("boot")).encode("x").unwrap();

    let record = Record::decode(&bytes).unwrap();
    let hasher = record.hasher(Some("boot")).unwrap();

    let read = record.session(&session.id, hasher);
    assert_eq!(read.offset(), 6);
    assert_eq!(read.hasher.digest(), session.hasher.digest());
    assert_eq!(read.started_at, session.started_at);
    assert_eq!(read.pieces, session.pieces);
}

/// The bytes may be lost with the page cache: hash what is there.
#[test]
fn a_hash_from_another_boot_is_not_trusted() {
    let record = Record::of(&session(), Some("boot"));

    assert!(record.hasher(Some("another")).is_none());
    assert!(record.hasher(None).is_none());
    assert!(Record::of(&session(), None).hasher(None).is_some());
}

#[test]
fn a_hash_in_another_format_is_not_trusted() {
    let mut record = Record::of(&session(), None);
    record.format = "sha2-9.9".to_owned();

    assert!(record.hasher(None).is_none());
}

#[test]
fn a_field_of_a_newer_version_is_kept() {
    let newer =
        br#"{"version":2,"started_at":"2026-01-01T00:00:00Z","offset":0,"algorithm":"sha256",
        "format":"sha2-0.11","state":"","colour":"blue"}"#;
    let id = session().id;
    let mut session = Record::decode(newer)
        .unwrap()
        .session(&id, Hasher::new(Algorithm::Sha256));
    session.hasher.update(b"so far");

    let written = Record::of(&session, None).encode("x").unwrap();

    let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(written["colour"], "blue");
    assert_eq!(written["offset"], 6);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_record_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(record) = Record::decode(&bytes) {
            let _ = record.hasher(None);
        }
    }
}
