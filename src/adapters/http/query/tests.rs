use proptest::prelude::*;

use super::*;

#[test]
fn parameters_come_apart_in_their_order() {
    let query = Query::parse(Some("tag=a&n=5&tag=b&flag&=x")).unwrap();

    assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(query.first("n"), Some("5"));
    assert_eq!(query.first("flag"), Some(""));
    assert_eq!(query.first("absent"), None);
}

#[test]
fn a_plus_stays_a_plus_and_escapes_are_decoded() {
    let query = Query::parse(Some("a=application/spdx+json&b=sha256%3Aab%2bc")).unwrap();

    assert_eq!(query.first("a"), Some("application/spdx+json"));
    assert_eq!(query.first("b"), Some("sha256:ab+c"));
}

#[test]
fn what_is_not_utf_8_is_refused() {
    assert!(Query::parse(Some("last=%ff")).is_err());
}

proptest! {
    #[test]
    fn no_query_panics(query in ".*") {
        let _ = Query::parse(Some(&query));
    }

    #[test]
    fn what_is_escaped_comes_back(value in ".*") {
        let escaped = percent_encoding::utf8_percent_encode(
            &value,
            percent_encoding::NON_ALPHANUMERIC,
        );
        let query = Query::parse(Some(&format!("v={escaped}"))).unwrap();

        prop_assert_eq!(query.first("v"), Some(value.as_str()));
    }
}
