use super::*;

fn namespace(default_allow: bool) -> Namespace {
    let access_policy = AccessPolicy {
        default_allow,
        rules: Vec::new(),
    };
    Namespace {
        access_policy,
        ..Namespace::default()
    }
}

fn allowed(namespaces: &Namespaces, name: &str) -> Option<bool> {
    let name = name.parse().unwrap();
    let found = namespaces.find(&name);
    found.map(|found| found.access_policy.default_allow)
}

/// The peer bug: the first match in a hash map decided (anchors.md, 19).
#[test]
fn the_longest_prefix_of_whole_segments_wins() {
    let entries = [("team", true), ("team/app", false), ("test", true)];
    let entries = entries.map(|(prefix, allow)| (prefix.to_owned(), namespace(allow)));
    let namespaces = Namespaces::new(entries);

    assert_eq!(allowed(&namespaces, "team"), Some(true));
    assert_eq!(allowed(&namespaces, "team/app"), Some(false));
    assert_eq!(allowed(&namespaces, "team/app/x/y"), Some(false));
    assert_eq!(allowed(&namespaces, "team/apple"), Some(true));
    assert_eq!(allowed(&namespaces, "testing"), None);
}

#[test]
fn a_star_and_an_empty_prefix_stand_for_every_name() {
    for all in ["*", ""] {
        let namespaces = Namespaces::new([(all.to_owned(), namespace(true))]);

        assert_eq!(allowed(&namespaces, "any/name"), Some(true));
    }
}
