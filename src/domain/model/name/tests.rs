use proptest::prelude::*;

use super::*;

#[test]
fn names_of_the_specs_grammar_parse() {
    for name in [
        "a",
        "library/nginx",
        "a-b/c__d/e.f/g---h/0",
        "my_app",
        &"a".repeat(255),
    ] {
        assert!(name.parse::<RepositoryName>().is_ok(), "{name}");
    }
}

#[test]
fn everything_else_is_refused() {
    for name in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a..b",
        "a___b",
        "a._b",
        ".a",
        "a.",
        "-a",
        "a-",
        "_a",
        "..",
        "a/../b",
        "a/./b",
        "a b",
        "a\0b",
        "ä",
        "a%2fb",
        "a/_manifests",
        "a:b",
        "a@b",
    ] {
        assert_eq!(
            name.parse::<RepositoryName>(),
            Err(InvalidName::Grammar),
            "{name:?}"
        );
    }
    let long = "a".repeat(256);
    assert_eq!(long.parse::<RepositoryName>(), Err(InvalidName::TooLong));
}

proptest! {
    #[test]
    fn parsing_never_panics_and_admits_only_the_grammar(text in "[a-z0-9._/A-Z-]{0,40}|.{0,40}") {
        if let Ok(name) = text.parse::<RepositoryName>() {
            prop_assert_eq!(name.as_str(), &text);
            for component in text.split('/') {
                prop_assert!(component.starts_with(|c: char| c.is_ascii_alphanumeric()));
                prop_assert!(component.ends_with(|c: char| c.is_ascii_alphanumeric()));
                prop_assert!(!component.contains("..") && !component.contains("___"));
            }
        }
    }

    #[test]
    fn whatever_the_grammar_makes_parses(
        name in "[a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,5}){0,3}(/[a-z0-9]{1,5}){0,3}"
    ) {
        prop_assert!(name.parse::<RepositoryName>().is_ok(), "{}", name);
    }
}
