use std::io::Write;
use std::sync::Mutex;

use super::*;
use crate::domain::model::{Action, Identity};
use crate::domain::namespaces::Namespace;
use crate::ports::MockAccessRule;

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

/// Takes what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_refusal_is_logged_with_who_what_where_and_the_rule() {
    let mut rule = MockAccessRule::new();
    rule.expect_asks_for_the_tag().return_const(false);
    rule.expect_matches().returning(|_, _| Ok(true));
    let access_policy = AccessPolicy {
        default_allow: true,
        rules: vec![Arc::new(rule)],
    };
    let namespace = Namespace {
        access_policy,
        ..Namespace::default()
    };
    let access = Access::new(Arc::new(Namespaces::new([("a".to_owned(), namespace)])));
    let caller = Caller {
        identity: Some(Arc::new(Identity {
            id: "alice-id".to_owned(),
            username: "alice".to_owned(),
        })),
        ..Caller::default()
    };
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();

    let result = tracing::subscriber::with_default(subscriber, || {
        assert!(!access.allows(&caller, &request(Some("a"))));
        access.authorise(&caller, &request(Some("a")))
    });

    assert!(matches!(result, Err(RegistryError::Denied)));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in [
        "denied: rule 0 is true",
        "identity=\"alice-id\"",
        "action=\"get-blob\"",
        "repository=\"a\"",
    ] {
        assert!(log.contains(part), "{log}");
    }
}
