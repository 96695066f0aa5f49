use std::sync::Arc;

use super::*;
use crate::domain::access::AccessPolicy;
use crate::domain::model::{Algorithm, Hasher, TagPattern};
use crate::domain::namespaces::{ImmutableTags, Namespace, Namespaces};
use crate::ports::MockAccessRule;

fn digest(bytes: &[u8]) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, bytes)
}

fn patterns(texts: &[&str]) -> Vec<TagPattern> {
    let texts = texts.iter().map(|text| (*text).to_owned());
    texts.map(|text| text.try_into().unwrap()).collect()
}

fn access(namespace: Namespace) -> Access {
    let entries = [("team".to_owned(), namespace)];
    Access::new(Arc::new(Namespaces::new(entries)))
}

fn open(rules: Vec<Arc<dyn crate::ports::AccessRule>>) -> AccessPolicy {
    AccessPolicy {
        default_allow: true,
        rules,
    }
}

fn releases() -> Access {
    access(Namespace {
        access_policy: open(Vec::new()),
        immutable_tags: ImmutableTags {
            patterns: patterns(&["v*", "stable"]),
            exceptions: patterns(&["v*-rc*"]),
        },
        ..Namespace::default()
    })
}

/// What becomes of a change to `tag` that stands at `standing`.
fn judge(
    access: &Access,
    tag: &str,
    to: Option<&Digest>,
    standing: Option<&Digest>,
) -> (bool, Result<(), RegistryError>) {
    let change = TagChange {
        caller: &Caller::default(),
        repository: &"team/app".parse().unwrap(),
        tag: &tag.parse().unwrap(),
        to,
    };
    (
        access.depends_on_tag(&change),
        access.authorise_change(&change, standing),
    )
}

#[test]
fn an_immutable_tag_is_made_once() {
    let (one, other) = (digest(b"1"), digest(b"2"));
    for (tag, to, standing, allowed) in [
        ("v1", Some(&one), None, true),
        ("v1", Some(&one), Some(&one), true),
        ("v1", Some(&one), Some(&other), false),
        ("v1", None, Some(&one), false),
        ("v1", None, None, true),
        ("stable", Some(&one), Some(&other), false),
    ] {
        let (depends, result) = judge(&releases(), tag, to, standing);

        assert!(depends);
        assert_eq!(result.is_ok(), allowed, "{tag} {to:?} {standing:?}");
    }
}

#[test]
fn a_refusal_names_the_tag_and_the_pattern() {
    let (one, other) = (digest(b"1"), digest(b"2"));

    let (_, result) = judge(&releases(), "v1", Some(&one), Some(&other));

    let message = result.unwrap_err().to_string();
    assert!(message.contains("v1 is immutable"), "{message}");
    assert!(message.contains("v*"), "{message}");
}

#[test]
fn exceptions_and_other_tags_move_and_nobody_looks_for_them() {
    let (one, other) = (digest(b"1"), digest(b"2"));
    for tag in ["v1-rc1", "latest"] {
        for to in [Some(&one), None] {
            let (depends, result) = judge(&releases(), tag, to, Some(&other));

            assert!(!depends);
            assert!(result.is_ok());
        }
    }
}

/// A rule is asked again, with the answer, and only where it asks for it.
#[test]
fn rules_that_ask_for_the_tag_are_judged_where_it_stands() {
    let about_tags = || {
        let mut rule = MockAccessRule::new();
        rule.expect_asks_for_the_tag().return_const(true);
        rule.expect_matches().returning(|_, request| {
            assert!(matches!(&request.reference, Some(Reference::Tag(_))));
            Ok(request.tag_exists.unwrap())
        });
        access(Namespace {
            access_policy: open(vec![Arc::new(rule)]),
            ..Namespace::default()
        })
    };
    let (one, other) = (digest(b"1"), digest(b"2"));
    for (to, standing, allowed) in [
        (Some(&one), None, true),
        (Some(&one), Some(&other), false),
        (Some(&one), Some(&one), false),
        (None, Some(&one), false),
    ] {
        let (depends, result) = judge(&about_tags(), "v1", to, standing);

        assert!(depends);
        assert_eq!(result.is_ok(), allowed, "{to:?} {standing:?}");
    }

    let mut other_rule = MockAccessRule::new();
    other_rule.expect_asks_for_the_tag().return_const(false);
    other_rule.expect_matches().never();
    let access = access(Namespace {
        access_policy: open(vec![Arc::new(other_rule)]),
        ..Namespace::default()
    });
    let (depends, result) = judge(&access, "v1", Some(&one), Some(&other));
    assert!(!depends);
    assert!(result.is_ok());
}
