use proptest::prelude::*;

use super::{BadUrl, HttpUrl};

#[test]
fn a_url_is_kept_without_its_last_slash() {
    for (text, kept) in [
        ("https://registry.example", "https://registry.example"),
        ("https://registry.example/", "https://registry.example"),
        (
            "http://127.0.0.1:5000/v2/library",
            "http://127.0.0.1:5000/v2/library",
        ),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ] {
        assert_eq!(HttpUrl::parse(text).unwrap().as_str(), kept);
    }
}

#[test]
fn what_is_no_url_is_refused() {
    for text in [
        "",
        "registry.example",
        "ftp://registry.example",
        "https://",
        "https:///v2",
        "https://a b",
        "https://host:99999",
        "https://host:",
        "https://host:+1",
        "https://[::1",
        "https://[x]:1",
        "https://host?x=1",
        "https://host#x",
        "https://höst",
    ] {
        assert!(
            matches!(HttpUrl::parse(text), Err(BadUrl::Malformed { .. })),
            "{text}"
        );
    }
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    for text in [
        "https://user:hunter2@host",
        "nonsense://user:hunter2@host",
        "user:hunter2@host",
    ] {
        let message = HttpUrl::parse(text).unwrap_err().to_string();

        assert!(!message.contains("hunter2"), "{message}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = HttpUrl::parse(&text);
    }

    #[test]
    fn nothing_that_looks_like_a_url_makes_the_parser_panic(text in "https?://[\\[\\]:a-z0-9/]{0,20}") {
        let _ = HttpUrl::parse(&text);
    }
}
