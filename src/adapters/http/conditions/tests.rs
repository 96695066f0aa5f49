use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::domain::model::{Algorithm, Hasher};

fn digest(of: &str) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, of.as_bytes())
}

fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn content_is_known_by_its_tag() {
    let (a, b) = (digest("a"), digest("b"));
    let (tag_a, tag_b) = (etag(&a), etag(&b));
    let table: [(&[&str], bool); 6] = [
        (&[&tag_a], true),
        (&["*"], true),
        (&[&format!("W/{tag_a}")], true),
        (&[&format!("{tag_b}, {tag_a}")], true),
        (&[&tag_b, &tag_a], true),
        (&[&tag_b, "nonsense"], false),
    ];
    for (values, known) in table {
        assert_eq!(
            is_known(&headers(&IF_NONE_MATCH, values), &a),
            known,
            "{values:?}"
        );
    }
    assert!(!is_known(&HeaderMap::new(), &a));
}

#[test]
fn a_push_may_say_what_must_stand() {
    let a = digest("a");
    let tag = etag(&a);
    let of = |values: &[&str]| if_match(&headers(&IF_MATCH, values));

    assert_eq!(if_match(&HeaderMap::new()), None);
    assert_eq!(of(&["*"]), Some(IfMatch::Any));
    assert_eq!(of(&[&tag]), Some(IfMatch::Digests(vec![a])));
    assert_eq!(of(&[&format!("W/{tag}")]), Some(IfMatch::Digests(vec![])));
    assert_eq!(of(&["nonsense"]), Some(IfMatch::Digests(vec![])));
}

#[test]
fn a_range_of_other_content_is_forgotten() {
    let (a, b) = (digest("a"), digest("b"));
    for (named, stale) in [(&a, false), (&b, true)] {
        let headers = headers(&IF_RANGE, &[&etag(named)]);

        assert_eq!(is_range_stale(&headers, &a), stale);
    }
    assert!(!is_range_stale(&HeaderMap::new(), &a));
}

proptest! {
    #[test]
    fn no_condition_panics(value in "[ -~]*") {
        let _ = is_known(&headers(&IF_NONE_MATCH, &[&value]), &digest("a"));
        let _ = if_match(&headers(&IF_MATCH, &[&value]));
    }
}
