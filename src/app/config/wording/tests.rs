use proptest::prelude::*;

use super::{Complaint, understand};

fn value(message: &str) -> String {
    match understand(message) {
        Complaint::Value { message } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_key_names_the_nearest_valid_one() {
    let complaint = understand("unknown field `root_dri`, expected `root_dir` or `durable`");

    assert_eq!(
        complaint.message("root_dri"),
        "unknown key; did you mean \"root_dir\"?"
    );
    assert_eq!(
        complaint.message("Root_Dir"),
        "unknown key; did you mean \"root_dir\"?"
    );
}

#[test]
fn an_unknown_key_that_is_like_none_names_them_all() {
    let complaint = understand("unknown field `a`b`, expected one of `x`, `why`");

    assert_eq!(
        complaint.message("wholly_different"),
        "unknown key; the keys here are x, why"
    );
}

#[test]
fn serdes_words_become_a_readers_words() {
    for (theirs, ours) in [
        (
            "invalid type: string \"a, expected b\", expected a boolean",
            "expected true or false, found \"a, expected b\"",
        ),
        (
            "invalid value: integer `-5`, expected usize",
            "expected a whole number, 0 or more, found -5",
        ),
        (
            "invalid type: map, expected a sequence",
            "expected a list, found a table",
        ),
        (
            "invalid type: boolean `true`, expected struct ServerConfig",
            "expected a table, found true",
        ),
        (
            "unknown variant `maybe`, expected one of `a`, `b`",
            "expected \"a\" or \"b\", found \"maybe\"",
        ),
        ("as it was", "as it was"),
    ] {
        assert_eq!(value(theirs), ours);
    }
}

#[test]
fn a_long_value_is_cut_short() {
    let message = value(&format!(
        "invalid type: string \"{}\", expected a boolean",
        "é".repeat(1000)
    ));

    assert!(message.chars().count() < 120, "{message}");
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(message in ".*", name in ".*") {
        let _ = understand(&message).message(&name);
        let _ = understand(&format!("unknown field `{message}")).message(&name);
        let _ = understand(&format!("invalid type: {message}, expected {name}")).message(&name);
    }
}
