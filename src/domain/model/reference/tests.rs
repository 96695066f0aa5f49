use proptest::prelude::*;

use super::*;

#[test]
fn tags_of_the_specs_grammar_parse() {
    for tag in ["latest", "_x", "1.0-rc.1", "V1", &"a".repeat(128)] {
        assert!(matches!(tag.parse(), Ok(Reference::Tag(_))), "{tag}");
    }
}

#[test]
fn everything_else_is_refused() {
    for tag in [
        "",
        ".a",
        "-a",
        "a/b",
        "a b",
        "ä",
        "..",
        "a+b",
        &"a".repeat(129),
    ] {
        assert_eq!(
            tag.parse::<Reference>(),
            Err(InvalidReference::Tag),
            "{tag:?}"
        );
    }
}

#[test]
fn a_colon_makes_it_a_digest() {
    let reason = InvalidReference::Digest(InvalidDigest::Value);

    assert_eq!("sha256:short".parse::<Reference>(), Err(reason));
}

#[test]
fn the_fallback_tag_is_the_digest_with_a_dash() {
    let narrow: Digest = format!("sha256:{}", "ab".repeat(32)).parse().unwrap();
    let wide: Digest = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();

    let cut = "ab".repeat(32);
    assert_eq!(Tag::fallback_for(&narrow).as_str(), format!("sha256-{cut}"));
    assert_eq!(Tag::fallback_for(&wide).as_str(), format!("sha512-{cut}"));
}

proptest! {
    #[test]
    fn parsing_never_panics_and_never_changes_the_text(text in ".{0,140}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string(), text);
        }
    }
}
