use super::*;
use crate::domain::model::{Algorithm, Hasher};

/// The manifest of this length.
fn manifest(length: usize) -> (Digest, Bytes) {
    let bytes = Bytes::from(vec![b' '; length]);
    (Hasher::digest_of(Algorithm::Sha256, &bytes), bytes)
}

#[test]
fn what_was_kept_is_there() {
    let contents = Contents::default();
    let (digest, bytes) = manifest(100);
    assert_eq!(contents.get(&digest), None);

    contents.keep(&digest, &bytes);

    assert_eq!(contents.get(&digest), Some(bytes));
}

#[test]
fn what_is_long_is_not_kept() {
    let contents = Contents::default();
    let (digest, bytes) = manifest(LONGEST + 1);

    contents.keep(&digest, &bytes);

    assert_eq!(contents.get(&digest), None);
}

#[test]
fn what_is_asked_for_stays_and_the_rest_goes() {
    let contents = Contents::default();
    let [asked_for, forgotten] = [1, 2].map(manifest);
    for (digest, bytes) in [&asked_for, &forgotten] {
        contents.keep(digest, bytes);
    }

    for more in 0..3 * GENERATION / LONGEST {
        let (digest, bytes) = manifest(LONGEST - more);
        contents.keep(&digest, &bytes);
        assert!(contents.get(&asked_for.0).is_some());
    }

    assert_eq!(contents.get(&forgotten.0), None);
    let kept = contents.0.lock().unwrap();
    let all = kept.young.values().chain(kept.old.values());
    assert!(all.map(Bytes::len).sum::<usize>() <= 2 * GENERATION);
}
