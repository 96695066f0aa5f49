use super::*;
use crate::domain::model::Action;
use crate::domain::namespaces::Namespace;

fn access(entries: &[(&str, bool)]) -> Access {
    let entries = entries.iter().map(|(prefix, default_allow)| {
        let access_policy = AccessPolicy {
            default_allow: *default_allow,
            rules: Vec::new(),
        };
        let namespace = Namespace {
            access_policy,
            ..Namespace::default()
        };
        ((*prefix).to_owned(), namespace)
    });
    Access::new(Arc::new(Namespaces::new(entries)))
}

fn request(repository: Option<&str>) -> AccessRequest {
    AccessRequest {
        action: Action::GetBlob,
        repository: repository.map(|name| name.parse().unwrap()),
        digest: None,
        reference: None,
        tag_exists: None,
    }
}

#[test]
fn a_name_that_no_entry_matches_is_denied() {
    let access = access(&[("team", true)]);

    assert!(access.allows(&Caller::default(), &request(Some("team/app"))));
    assert!(!access.allows(&Caller::default(), &request(Some("other"))));
}

#[test]
fn what_belongs_to_no_repository_is_judged_by_the_entry_for_every_name() {
    assert!(access(&[]).allows(&Caller::default(), &request(None)));
    assert!(access(&[("*", true)]).allows(&Caller::default(), &request(None)));
    assert!(!access(&[("*", false)]).allows(&Caller::default(), &request(None)));
}
