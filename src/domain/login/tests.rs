use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::domain::access::AccessPolicy;
use crate::domain::model::{Secret, Timestamp};
use crate::domain::namespaces::{Namespace, Namespaces};
use crate::ports::{FoundIdentity, MockAccessRule, MockAuthenticator, MockTokens};

fn alice() -> Arc<Identity> {
    Arc::new(Identity {
        id: "1".to_owned(),
        username: "alice".to_owned(),
    })
}

fn scope(text: &str) -> Arc<Scope> {
    Arc::new(Scope::parse([text]))
}

fn claims(stamp: u64) -> Claims {
    Claims {
        bearer: Some(Bearer {
            username: "alice".into(),
            stamp,
        }),
        scope: scope("repository:a:pull"),
    }
}

/// Alice is known by this stamp, and every token says what `claims` say.
fn login(stamp: Option<u64>, claims: Option<Claims>) -> Login {
    let mut authenticator = MockAuthenticator::new();
    authenticator.expect_find().returning(move |_| {
        stamp.map(|stamp| FoundIdentity {
            identity: alice(),
            stamp,
        })
    });
    let mut tokens = MockTokens::new();
    tokens.expect_read().return_const(claims);
    tokens.expect_refresh().returning(|| Ok(()));
    Login::new(Arc::new(authenticator), Arc::new(tokens))
}

#[tokio::test]
async fn a_token_stands_for_whom_it_was_given_to() {
    let anonymous = Claims {
        bearer: None,
        ..claims(0)
    };
    for (claims, identity) in [(claims(7), Some(alice())), (anonymous, None)] {
        let scope = scope("repository:a:pull");
        let recognised = login(Some(7), Some(claims)).by_token(b"x").await;

        assert_eq!(recognised.unwrap(), Some(Recognised { identity, scope }));
    }
}

/// lessons.md, security 9: what was revoked is not believed any more.
#[tokio::test]
async fn an_identity_that_is_gone_or_another_is_not_believed() {
    assert_eq!(
        login(None, Some(claims(7))).by_token(b"x").await.unwrap(),
        None
    );
    assert_eq!(
        login(Some(8), Some(claims(7)))
            .by_token(b"x")
            .await
            .unwrap(),
        None
    );
    assert_eq!(login(Some(7), None).by_token(b"x").await.unwrap(), None);
}

/// A server that signs with a new key was faster than we.
#[tokio::test]
async fn what_is_not_known_is_looked_at_again_with_new_keys() {
    let mut tokens = MockTokens::new();
    let refreshed = Arc::new(AtomicBool::new(false));
    let known = Arc::clone(&refreshed);
    let read = move |_: &[u8]| known.load(Ordering::SeqCst).then(|| claims(7));
    tokens.expect_read().times(2).returning(read);
    let refresh = move || {
        refreshed.store(true, Ordering::SeqCst);
        Ok(())
    };
    tokens.expect_refresh().times(1).returning(refresh);
    let login = Login {
        tokens: Arc::new(tokens),
        ..login(Some(7), None)
    };

    assert!(login.by_token(b"x").await.unwrap().is_some());
}

/// An entry with one rule, which allows.
fn access(rule: MockAccessRule) -> Access {
    let namespace = Namespace {
        access_policy: AccessPolicy {
            default_allow: false,
            rules: vec![Arc::new(rule)],
        },
        ..Namespace::default()
    };
    Access::new(Arc::new(Namespaces::new([("a".to_owned(), namespace)])))
}

/// lessons.md, security 11: a token is given for no more than a policy may allow.
#[tokio::test]
async fn a_token_is_given_for_what_the_policy_may_allow() {
    let pulls = |details| {
        let mut rule = MockAccessRule::new();
        rule.expect_asks_for_details().return_const(details);
        rule.expect_asks_for_the_tag().return_const(false);
        rule.expect_matches()
            .returning(|_, request| Ok(request.action.as_str().starts_with("get-manifest")));
        access(rule)
    };
    let asked = "repository:a/b:pull,push,delete repository:c:pull registry:catalog:*";
    for (details, granted) in [
        (false, "repository:a/b:pull registry:catalog:*"),
        // It may allow the push of some tag.
        (true, "repository:a/b:pull,push,delete registry:catalog:*"),
    ] {
        let mut authenticator = MockAuthenticator::new();
        authenticator.expect_find().never();
        let mut tokens = MockTokens::new();
        tokens
            .expect_issue()
            .withf(move |claims| claims.bearer.is_none() && claims.scope.to_string() == granted)
            .returning(|_| {
                Ok(IssuedToken {
                    token: Secret::new("token".to_owned()),
                    at: Timestamp::from_millis(0),
                    lifetime: Duration::from_mins(1),
                })
            });
        let login = Login::new(Arc::new(authenticator), Arc::new(tokens));

        let caller = Caller::default();
        let issued = login.issue(&pulls(details), &caller, &scope(asked)).await;

        assert_eq!(issued.unwrap().token.expose(), "token");
    }
}
