use proptest::prelude::*;

use super::*;

#[test]
fn parameters_and_blanks_go() {
    let plain = MediaType::parse("application/json; charset=utf-8").unwrap();

    assert_eq!(plain.as_str(), "application/json");
    assert_eq!(MediaType::parse("  a/b  ").unwrap().as_str(), "a/b");
}

#[test]
fn what_is_no_type_and_subtype_is_refused() {
    for text in [
        "",
        "/",
        "a/",
        "/b",
        "a",
        "a/b/c",
        "a b/c",
        "a/b\r\nx: y",
        "ä/b",
        "a/\"b\"",
    ] {
        assert_eq!(MediaType::parse(text), None, "{text:?}");
    }
    assert_eq!(MediaType::parse(&format!("a/{}", "b".repeat(255))), None);
}

proptest! {
    #[test]
    fn what_parses_is_safe_in_a_header(text in ".{0,300}") {
        if let Some(media_type) = MediaType::parse(&text) {
            prop_assert!(media_type.as_str().bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
