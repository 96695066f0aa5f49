use std::time::{Duration, Instant};

use super::*;
use crate::domain::model::{Action, ClientCertificate, Reference};

fn anonymous() -> Caller {
    Caller::default()
}

fn alice() -> Caller {
    Caller {
        identity: Some(Arc::new(Identity {
            id: "a1".to_owned(),
            username: "alice".to_owned(),
        })),
        certificate: ClientCertificate {
            common_names: vec!["laptop".to_owned()],
            organizations: vec!["ops".to_owned(), "admin".to_owned()],
        },
        scope: None,
    }
}

fn digest() -> String {
    format!("sha256:{}", "a".repeat(64))
}

fn pull() -> AccessRequest {
    AccessRequest::on(&"team/app".parse().unwrap(), Action::GetBlob)
}

fn push() -> AccessRequest {
    AccessRequest {
        action: Action::PutManifest,
        reference: Some(Reference::Tag("v1.2".parse().unwrap())),
        ..pull()
    }
}

fn ask(rule: &str, caller: &Caller, request: &AccessRequest) -> Result<bool, RuleError> {
    let rule = access_rule(rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
    rule.matches(caller, request)
}

/// seed.md, "Variables".
#[test]
fn every_variable_says_what_it_is_documented_to_say() {
    let by_digest = AccessRequest {
        digest: Some(digest().parse().unwrap()),
        reference: Some(digest().parse().unwrap()),
        tag_exists: Some(true),
        ..push()
    };
    for rule in [
        "identity.id == 'a1'",
        "identity.username == 'alice'",
        "identity.certificate.common_names == ['laptop']",
        "identity.certificate.organizations == ['ops', 'admin']",
        "request.action == 'put-manifest'",
        "request.namespace == 'team/app'",
        "request.tag_exists",
        &format!("request.digest == '{}'", digest()),
        &format!("request.reference == '{}'", digest()),
    ] {
        assert!(ask(rule, &alice(), &by_digest).unwrap(), "{rule}");
        assert!(
            !ask(
                rule,
                &anonymous(),
                &AccessRequest {
                    action: Action::GetApiVersion,
                    repository: None,
                    ..pull()
                }
            )
            .unwrap(),
            "{rule}"
        );
    }
}

/// semantics.md, "Identity": absent is null or an empty list, never an error.
#[test]
fn what_is_absent_is_null_or_empty() {
    let nowhere = AccessRequest {
        repository: None,
        ..pull()
    };
    for rule in [
        "identity.id == null && identity.username == null",
        "identity.username != 'admin'",
        "size(identity.certificate.common_names) == 0",
        "!identity.certificate.organizations.contains('admin')",
        "!('admin' in identity.certificate.organizations)",
        "!identity.certificate.organizations.exists(o, o == 'admin')",
        "request.namespace == null && request.digest == null && request.reference == null",
        "!request.tag_exists",
    ] {
        assert!(ask(rule, &anonymous(), &nowhere).unwrap(), "{rule}");
    }
}

#[test]
fn a_list_contains_what_is_in_it() {
    for (rule, answer) in [
        ("identity.certificate.organizations.contains('admin')", true),
        ("identity.certificate.organizations.contains('adm')", false),
        ("'admin' in identity.certificate.organizations", true),
        ("identity.username.contains('lic')", true),
        ("['alice', 'bob'].contains(identity.username)", true),
    ] {
        assert_eq!(ask(rule, &alice(), &pull()).unwrap(), answer, "{rule}");
    }
}

#[test]
fn rules_of_the_documentation_mean_what_they_say() {
    for (rule, answer) in [
        (
            "request.action in ['put-manifest', 'delete-manifest']",
            true,
        ),
        ("request.action.startsWith('get-')", false),
        ("request.namespace.startsWith('team/')", true),
        (
            "request.namespace.startsWith(identity.username + '/')",
            false,
        ),
        ("request.reference.matches('^v[0-9]+[.][0-9]+$')", true),
        ("request.reference.matches('^v[0-9]+$')", false),
        (
            "identity.certificate.organizations.exists(o, request.namespace.startsWith(o + '/'))",
            false,
        ),
        (
            "identity.certificate.organizations.exists_one(o, o == 'ops')",
            true,
        ),
        (
            "identity.certificate.organizations.all(o, size(o) > 2)",
            true,
        ),
        ("identity.certificate.organizations[1] == 'admin'", true),
        (
            "identity.username == 'alice' ? request.tag_exists : true",
            false,
        ),
    ] {
        assert_eq!(ask(rule, &alice(), &push()).unwrap(), answer, "{rule}");
    }
}

#[test]
fn a_rule_that_fails_says_why() {
    for (rule, reason) in [
        ("request.reference.startsWith('v')", "startsWith"),
        ("identity.certificate.organizations[0] == 'a'", "bounds"),
        (
            "1 / size(identity.certificate.organizations) == 1",
            "ivision",
        ),
        ("9223372036854775807 + 1 > 0", "verflow"),
        ("identity.username < 'b'", "_<_"),
        ("request.digest.matches('^sha')", "matches"),
    ] {
        let error = ask(rule, &anonymous(), &pull()).unwrap_err();

        assert!(matches!(error, RuleError::Failed(_)), "{rule}: {error}");
        assert!(error.to_string().contains(reason), "{rule}: {error}");
    }
}

#[test]
fn a_rule_that_is_neither_true_nor_false_says_what_it_is() {
    for (rule, kind) in [
        ("identity.username", "null"),
        ("'admin'", "string"),
        ("1", "int"),
        ("identity.certificate.organizations", "list"),
    ] {
        let error = ask(rule, &anonymous(), &pull()).unwrap_err();

        assert!(matches!(error, RuleError::NotBoolean(_)), "{rule}: {error}");
        assert!(error.to_string().ends_with(kind), "{rule}: {error}");
    }
}

#[test]
fn only_rules_that_name_it_ask_for_the_tag() {
    for (rule, asks) in [
        ("request.tag_exists", true),
        (
            "request.action == 'put-manifest' && !request.tag_exists",
            true,
        ),
        ("['x'].exists(x, request.tag_exists)", true),
        ("identity.username == 'request.tag_exists'", false),
    ] {
        assert_eq!(
            access_rule(rule).unwrap().asks_for_the_tag(),
            asks,
            "{rule}"
        );
    }
}

#[test]
fn a_name_that_does_not_exist_is_refused_with_the_one_that_was_meant() {
    for (rule, message) in [
        (
            "identity.nmae == 'x'",
            "unknown variable `identity.nmae`; did you mean `identity.id`?",
        ),
        (
            "identity.user == 'x'",
            "unknown variable `identity.user`; did you mean `identity.username`?",
        ),
        (
            "requst.action == 'x'",
            "unknown variable `requst.action`; did you mean `request.action`?",
        ),
        (
            "request.action.kind == 'x'",
            "unknown variable `request.action.kind`; did you mean `request.action`?",
        ),
        (
            "request.reference.startswith('v')",
            "unknown function `startswith`; did you mean `startsWith`?",
        ),
        (
            "lenght(identity.id) > 1",
            "unknown function `lenght`; there are ",
        ),
        ("now() > 1", "unknown function `now`; "),
        ("[1].exists(x)", "expected list.exists(element, condition)"),
        ("[1].exists(x, y == 1)", "unknown variable `y`; "),
        ("identity == null", "unknown variable `identity`; "),
        ("request['action'] == 'x'", "unknown variable `request`; "),
        (
            ".request.action == 'x'",
            "unknown variable `.request.action`; ",
        ),
        ("Admin{} == 1", "unknown type `Admin`"),
        ("has(identity.username)", "`has` tells nothing: "),
    ] {
        let error = access_rule(rule).err().unwrap_or_else(|| panic!("{rule}"));

        assert!(error.to_string().starts_with(message), "{rule}: {error}");
    }
}

/// Microseconds: it is printed, not asserted, because the machine may be busy.
#[test]
fn a_decision_takes_microseconds() {
    const TIMES: u32 = 10_000;
    for rule in [
        "identity.username == 'admin'",
        "identity.certificate.organizations.contains('admin')",
        "request.action == 'put-manifest' && request.reference.matches('^v[0-9]+$')",
        "identity.certificate.organizations.exists(o, request.namespace.startsWith(o + '/'))",
    ] {
        let compiled = access_rule(rule).unwrap();
        let (caller, request) = (alice(), push());

        let started = Instant::now();
        for _ in 0..TIMES {
            compiled.matches(&caller, &request).unwrap();
        }
        let each: Duration = started.elapsed() / TIMES;

        println!("{each:?} for {rule}");
    }
}
