use proptest::prelude::*;

use super::judge;

#[test]
fn a_namespace_is_a_repository_name_or_the_star() {
    for name in [
        "*",
        "",
        "library",
        "my-registry",
        "team/app",
        "a.b/c_d/e__f/g---h",
        "0/1",
    ] {
        assert_eq!(judge(name), Ok(()), "{name:?}");
    }
}

#[test]
fn what_no_repository_can_be_called_is_refused() {
    for name in [
        "/", "/a", "a//b", "Team", "team/App", "a..b", "a___b", "a._b", "-a", "a-", "ä", "a b",
        "**", "a*", "*/a", " ",
    ] {
        assert!(judge(name).is_err(), "{name:?}");
    }
    assert!(judge(&"a".repeat(256)).unwrap_err().contains("255"));
}

#[test]
fn a_pattern_is_told_to_be_a_prefix() {
    for name in ["team/*", "team/"] {
        assert!(
            judge(name).unwrap_err().contains("write \"team\""),
            "{name:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_name_makes_it_panic(name in ".*") {
        let _ = judge(&name);
    }

    #[test]
    fn every_name_of_the_specification_is_one(name in "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+){0,3}(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+){0,3}){0,3}") {
        prop_assume!(name.len() <= 255);
        prop_assert_eq!(judge(&name), Ok(()));
    }
}
