use mockall::predicate::always;

use super::*;
use crate::domain::model::{Action, Reference};
use crate::ports::MockAccessRule;

/// What a rule says when it is asked; one that says nothing must not be.
#[derive(Clone, Copy)]
enum Says {
    True,
    False,
    Error,
    Nothing,
}

use Says::{Error, False, Nothing, True};

fn rule(says: Says) -> Arc<dyn AccessRule> {
    let mut rule = MockAccessRule::new();
    rule.expect_asks_for_the_tag().return_const(false);
    let answer = rule.expect_matches();
    match says {
        True => answer.times(1).returning(|_, _| Ok(true)),
        False => answer.times(1).returning(|_, _| Ok(false)),
        Error => answer
            .times(1)
            .returning(|_, _| Err(RuleError::Failed("test".to_owned()))),
        Nothing => answer.never(),
    };
    Arc::new(rule)
}

fn request() -> AccessRequest {
    AccessRequest::on(&"a".parse().unwrap(), Action::GetBlob)
}

fn judge(default_allow: bool, rules: &[Says]) -> Verdict {
    let policy = AccessPolicy {
        default_allow,
        rules: rules.iter().copied().map(rule).collect(),
    };
    policy.judge(&Caller::default(), &request())
}

/// seed.md, "Access Control policies CEL rules".
#[test]
fn the_first_rule_that_is_true_decides_against_the_default() {
    for default_allow in [true, false] {
        let by_default = judge(default_allow, &[False, False]);
        let by_rule = judge(default_allow, &[False, True, Nothing]);

        assert_eq!(by_default.allowed, default_allow);
        assert!(matches!(by_default.ground, Ground::Default));
        assert_eq!(by_rule.allowed, !default_allow);
        assert!(matches!(by_rule.ground, Ground::Rule(1)));
    }
}

#[test]
fn without_rules_the_default_decides_and_without_a_default_nothing_is_allowed() {
    assert!(judge(true, &[]).allowed);
    assert!(!judge(false, &[]).allowed);
    let verdict = AccessPolicy::default().judge(&Caller::default(), &request());
    assert!(!verdict.allowed);
}

/// lessons.md, correctness 42: an error fell through to "allow".
#[test]
fn a_rule_that_fails_denies_and_is_named() {
    for default_allow in [true, false] {
        let verdict = judge(default_allow, &[False, Error, Nothing]);

        assert!(!verdict.allowed);
        assert!(matches!(verdict.ground, Ground::Failed(1, _)));
    }
}

/// A rule that is true of tags that are there.
fn about_tags(times: usize) -> Arc<dyn AccessRule> {
    let mut rule = MockAccessRule::new();
    rule.expect_asks_for_the_tag().return_const(true);
    rule.expect_matches()
        .with(always(), always())
        .times(times)
        .returning(|_, request| Ok(request.tag_exists == Some(true)));
    Arc::new(rule)
}

fn push(tag_exists: Option<bool>) -> AccessRequest {
    AccessRequest {
        action: Action::PutManifest,
        reference: Some(Reference::Tag("latest".parse().unwrap())),
        tag_exists,
        ..request()
    }
}

#[test]
fn while_nobody_has_looked_for_the_tag_what_one_answer_would_allow_passes() {
    let table = [
        // default, known, asked how often, allowed
        (true, None, 1, true),
        (true, Some(false), 1, true),
        (true, Some(true), 1, false),
        (false, None, 2, true),
        (false, Some(false), 1, false),
        (false, Some(true), 1, true),
    ];
    for (default_allow, known, times, allowed) in table {
        let policy = AccessPolicy {
            default_allow,
            rules: vec![about_tags(times)],
        };

        let verdict = policy.judge(&Caller::default(), &push(known));

        assert_eq!(verdict.allowed, allowed, "{default_allow} {known:?}");
    }
}

#[test]
fn what_changes_no_tag_is_asked_about_once() {
    let policy = AccessPolicy {
        default_allow: false,
        rules: vec![about_tags(1)],
    };

    assert!(!policy.judge(&Caller::default(), &request()).allowed);
}
