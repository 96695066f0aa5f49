use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> String {
    Scope::parse([text]).to_string()
}

#[test]
fn a_scope_is_what_was_understood_of_it() {
    for (text, expected) in [
        ("repository:a/b:pull", "repository:a/b:pull"),
        ("repository:a:push,pull", "repository:a:pull,push"),
        ("repository:a:*", "repository:a:pull,push,delete"),
        ("repository(plugin):a:pull", "repository:a:pull"),
        ("registry:catalog:*", "registry:catalog:*"),
        (
            "repository:a:pull repository:b:push repository:a:delete",
            "repository:a:pull,delete repository:b:push",
        ),
        // lessons.md, security 11: what nobody knows is no right.
        ("repository:a:admin", ""),
        ("repository:a:pull,admin", "repository:a:pull"),
        ("repository:a:", ""),
        ("repository:A:pull", ""),
        ("repository:../a:pull", ""),
        ("repository:host:5000/a:pull", ""),
        ("repository:a", ""),
        ("repositories:a:pull", ""),
        ("registry:catalog:pull", ""),
        ("registry:everything:*", ""),
        ("", ""),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn a_scope_covers_what_is_in_it_and_nothing_else() {
    let (a, b): (RepositoryName, RepositoryName) = ("a".parse().unwrap(), "b".parse().unwrap());
    let scope = Scope::parse(["repository:a:push"]);
    for (action, covered) in [
        (Action::StartUpload, true),
        (Action::UpdateUpload, true),
        (Action::CompleteUpload, true),
        (Action::GetUpload, true),
        (Action::CancelUpload, true),
        (Action::PutManifest, true),
        (Action::GetBlob, false),
        (Action::GetManifest, false),
        (Action::GetReferrers, false),
        (Action::ListTags, false),
        (Action::DeleteBlob, false),
        (Action::DeleteManifest, false),
        (Action::ListCatalog, false),
    ] {
        assert_eq!(scope.covers(&AccessRequest::on(&a, action)), covered);
        assert!(!scope.covers(&AccessRequest::on(&b, action)), "{action}");
        let all = Scope::parse(["repository:a:*", "registry:catalog:*"]);
        assert!(all.covers(&AccessRequest::on(&a, action)), "{action}");
    }
}

#[test]
fn a_scope_has_an_end() {
    let all: Vec<String> = (0..10_000).map(|n| format!("repository:a{n}:*")).collect();

    let scope = Scope::parse(all.iter().map(String::as_str));

    assert!(scope.repositories().count() > 50);
    assert!(scope.to_string().len() < 4200);
}

proptest! {
    #[test]
    fn whatever_is_asked_for_reads_back_as_what_was_granted(text in ".{0,200}|(repository|registry)[ -~]{0,60}") {
        let scope = Scope::parse([text.as_str()]);
        prop_assert_eq!(Scope::parse([scope.to_string().as_str()]), scope);
    }
}
