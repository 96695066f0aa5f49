use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> TagPattern {
    TagPattern::try_from(text.to_owned()).unwrap()
}

fn matches(pattern_text: &str, tag: &str) -> bool {
    pattern(pattern_text).matches(&tag.parse().unwrap())
}

#[test]
fn a_pattern_stands_for_whole_tags() {
    for (pattern, tag, expected) in [
        ("v1", "v1", true),
        ("v1", "v1.0", false),
        ("v1", "V1", false),
        ("v*", "v", true),
        ("v*", "v1.2.3", true),
        ("v*", "dev1", false),
        ("*", "latest", true),
        ("*-rc?", "v1-rc1", true),
        ("*-rc?", "v1-rc", false),
        ("*-rc?", "v1-rc10", false),
        ("v?.?", "v1.2", true),
        ("v?.?", "v1x2", false),
        ("*a*b", "aab", true),
        ("*a*b", "aba", false),
        ("*ab*ab*", "abxab", true),
        ("*ab*ab*", "aab", false),
    ] {
        assert_eq!(matches(pattern, tag), expected, "{pattern} {tag}");
    }
}

#[test]
fn what_no_tag_could_match_is_no_pattern() {
    for text in [
        "",
        "v/1",
        "a b",
        "-x",
        ".x",
        "^v[0-9]+$",
        "é",
        &"x".repeat(129),
    ] {
        let error = TagPattern::try_from(text.to_owned()).unwrap_err();

        assert!(error.to_string().contains("such as \"v*\""), "{text}");
    }
}

/// No pattern takes longer than its length times the tag's.
#[test]
fn many_stars_cost_little() {
    let stars = "*a".repeat(63) + "*b";

    assert!(!matches(&stars, &"a".repeat(128)));
}

proptest! {
    /// The textbook's definition, which is short and slow.
    #[test]
    fn it_matches_what_the_definition_matches(pattern_text in "[ab*?]{1,6}", tag in "[ab]{1,8}") {
        fn defined(pattern: &[u8], tag: &[u8]) -> bool {
            match (pattern, tag) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => {
                    defined(rest, tag) || (!tag.is_empty() && defined(pattern, &tag[1..]))
                }
                ([p, rest @ ..], [t, after @ ..]) => {
                    (*p == b'?' || p == t) && defined(rest, after)
                }
                _ => false,
            }
        }

        let expected = defined(pattern_text.as_bytes(), tag.as_bytes());

        prop_assert_eq!(matches(&pattern_text, &tag), expected);
    }
}
