//! Access: what the policy denies is denied everywhere.

use serde_json::json;
use simple_registry::domain::model::Action;

use super::every_request::{EVERY_REQUEST, INDEX, Request};
use crate::support::{Image, Setup, TestRegistry, digest_of};

/// Requests to every endpoint of a repository.
pub fn everything(repository: &str) -> Vec<(&'static str, String)> {
    let digest = digest_of(INDEX.as_bytes());
    let in_a_repository =
        |request: &&Request| request.2.starts_with("/v2/a/") && request.0 != "Extensions";
    let requests = EVERY_REQUEST.iter().filter(in_a_repository);
    let filled = requests.map(|(_, method, url, ..)| {
        let url = url.replace("/v2/a/", &format!("/v2/{repository}/"));
        let url = url.replace("{id}", "01234567-89ab-cdef-0123-456789abcdef");
        (*method, url.replace("{d}", &digest))
    });
    filled.collect()
}

/// code-12; lessons.md, security 7: every verb, not only most of them.
#[tokio::test]
async fn a_closed_namespace_denies_every_request() {
    let setup = Setup::with_namespaces([("*", Setup::open()), ("secret", Setup::closed())]);
    let registry = TestRegistry::with(setup).await;

    for (method, path) in everything("secret/a") {
        let answer = registry.call(method, &path).send().await;
        if method == "HEAD" {
            answer.expect_status(403);
        } else {
            answer.expect_error(403, "DENIED");
        }
    }
}

/// lessons.md, security 7 and 22: what guards `secret` guards it by every name that it can be asked for.
#[tokio::test]
async fn no_other_way_to_write_a_name_gets_around_its_policy() {
    let setup = Setup::default();
    let storage = setup.storage.clone();
    let open = TestRegistry::with(setup).await;
    Image::new(1).push(&open, "secret/a", "latest").await;
    let namespaces = [("*", Setup::open()), ("secret", Setup::closed())];
    let registry = TestRegistry::with(Setup {
        storage,
        ..Setup::with_namespaces(namespaces)
    })
    .await;

    for path in [
        "/v2/%73ecret/a",
        "/v2/secret%2fa",
        "/v2/secret%2Fa",
        "/v2/secret%252fa",
        "/v2/secret//a",
        "/v2//secret/a",
        "/v2/./secret/a",
        "/v2/x/../secret/a",
        "/v2/x/%2e%2e/secret/a",
        "/v2/secret/a/",
        "/v2/secret/a%00",
        "/v2/secret/a%20",
        "/v2/SECRET/a",
        "/v2/secret/a;x",
        "/v2/secret\\a",
        "/v2/secret/a%3Fx",
        "//v2/secret/a",
        "/V2/secret/a",
        "/v2/secret/a/manifests/x/../..",
        "/v2/secret/a/blobs/uploads",
        "http://registry/v2/secret/a",
    ] {
        for (method, rest) in [
            ("GET", "tags/list"),
            ("GET", "manifests/latest"),
            ("DELETE", "manifests/latest"),
        ] {
            let answer = registry.call(method, format!("{path}/{rest}")).send().await;

            assert!(
                (400..500).contains(&answer.status),
                "{method} {path}/{rest}: {answer:?}"
            );
        }
    }
    open.get("/v2/secret/a/manifests/latest")
        .send()
        .await
        .expect_status(200);
}

/// lessons.md, security 12 and 26: nobody is sent to another host, whatever the request says of hosts.
#[tokio::test]
async fn a_location_stays_on_this_server() {
    let registry = TestRegistry::start().await;
    let mut locations = 0;
    for (_, method, url, ..) in EVERY_REQUEST {
        let url = url.replace("{d}", &digest_of(INDEX.as_bytes()));
        let url = url.replace("{id}", "01234567-89ab-cdef-0123-456789abcdef");
        let mut call = registry.call(method, url).body(INDEX);
        for (name, value) in [
            ("Content-Type", "application/vnd.oci.image.index.v1+json"),
            ("X-Forwarded-Host", "elsewhere.example"),
            ("Forwarded", "host=elsewhere.example;proto=https"),
            ("Referer", "https://elsewhere.example/"),
        ] {
            call = call.header(name, value);
        }
        let answer = call.send().await;

        assert!(!(300..400).contains(&answer.status), "{answer:?}");
        for location in answer.all("location") {
            locations += 1;
            assert!(location.starts_with("/v2/a/"), "{location}");
        }
    }
    assert!(locations > 5, "{locations}");
    for path in [
        "//elsewhere.example/v2/",
        "/v2//elsewhere.example/",
        "/\\elsewhere.example",
        "/v2",
        "/",
    ] {
        let answer = registry.get(path).send().await;

        assert!(!(300..400).contains(&answer.status), "{answer:?}");
        assert_eq!(answer.all("location"), [""; 0]);
    }
}

/// semantics.md, "Repositories": default deny.
#[tokio::test]
async fn a_name_that_no_entry_matches_is_denied() {
    let registry = TestRegistry::with(Setup::with_namespaces([("test", Setup::open())])).await;

    registry
        .get("/v2/testing/tags/list")
        .send()
        .await
        .expect_error(403, "DENIED");
    registry
        .get("/v2/test/tags/list")
        .send()
        .await
        .expect_error(404, "NAME_UNKNOWN");
    registry
        .get("/v2/test/a/tags/list")
        .send()
        .await
        .expect_error(404, "NAME_UNKNOWN");
}

/// semantics.md, "Access policy": judged by the entry for every name, else allowed.
#[tokio::test]
async fn the_api_itself_is_judged_by_the_entry_for_everything() {
    let table = [
        (vec![], 200),
        (vec![("a", Setup::closed())], 200),
        (vec![("*", Setup::open())], 200),
        (vec![("*", Setup::closed())], 403),
    ];
    for (namespaces, status) in table {
        let registry = TestRegistry::with(Setup::with_namespaces(namespaces)).await;

        registry.get("/v2/").send().await.expect_status(status);
        registry
            .get("/v2/_oci/ext/discover")
            .send()
            .await
            .expect_status(status);
        registry
            .get("/v2/a/_oci/ext/discover")
            .send()
            .await
            .expect_status(status);
    }
}

/// end-11; lessons.md, security 8 (CVE-2024-39897): a mount never reveals or
/// grants what the caller may not read.
#[tokio::test]
async fn a_mount_from_where_one_may_not_read_becomes_an_upload() {
    let setup = Setup::default();
    let storage = setup.storage.clone();
    let open = TestRegistry::with(setup).await;
    let digest = open.push_blob("secret/a", b"content").await;

    let registry = TestRegistry::with(Setup {
        storage,
        ..Setup::with_namespaces([("*", Setup::open()), ("secret", Setup::closed())])
    })
    .await;

    for from in ["&from=secret/a", ""] {
        let path = format!("/v2/b/blobs/uploads/?mount={digest}{from}");
        registry.post(path).send().await.expect_status(202);
    }
    registry
        .head(format!("/v2/b/blobs/{digest}"))
        .send()
        .await
        .expect_status(404);
}

/// semantics.md, "Reload": the next request sees the new policy, also on a
/// connection that was there before.
#[tokio::test]
async fn a_new_policy_counts_at_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let registry = TestRegistry::start().await;
    Image::new(1).push(&registry, "a", "latest").await;
    let request = "GET /v2/a/manifests/latest HTTP/1.1\r\nHost: r\r\n\r\n";
    let mut stream = registry.raw(request).await;
    let mut buffer = vec![0; 100_000];
    let length = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..length].starts_with(b"HTTP/1.1 200"));

    let closed = Setup::with_namespaces([("*", Setup::closed())]).registry();
    registry.swap(|serving| serving.registry = closed);
    stream.write_all(request.as_bytes()).await.unwrap();
    let length = stream.read(&mut buffer).await.unwrap();

    assert!(buffer[..length].starts_with(b"HTTP/1.1 403"));
}

/// Asks every endpoint under this policy; those that need an action which is
/// not `allowed` must be denied, and no others.
async fn expect_policy(
    registry: &TestRegistry,
    policy: (bool, &[&str]),
    allowed: impl Fn(&str) -> bool,
) {
    let entry = Setup::ruled(policy.0, policy.1);
    let replaced = Setup::with_namespaces([("*", entry)]).registry();
    registry.swap(|serving| serving.registry = replaced);

    for (_, method, url, needs, ..) in EVERY_REQUEST {
        let path = url.replace("{d}", &digest_of(INDEX.as_bytes()));
        let path = path.replace("{id}", "01234567-89ab-cdef-0123-456789abcdef");
        let answer = registry.call(method, &path).send().await;
        let denied = answer.status == 403;
        let expected = !needs.iter().all(|need| allowed(need));
        assert_eq!(denied, expected, "{method} {path} under {policy:?}");
        if denied && *method != "HEAD" {
            answer.expect_error(403, "DENIED");
        }
    }
}

/// lessons.md, security 7: every action, under every kind of policy.
#[tokio::test]
async fn every_action_is_judged_by_the_policy() {
    let registry = TestRegistry::start().await;
    expect_policy(&registry, (true, &[]), |_| true).await;
    expect_policy(&registry, (false, &[]), |_| false).await;
    for action in Action::ALL {
        let action = action.as_str();
        let is = format!("request.action == '{action}'");

        expect_policy(&registry, (true, &[&is]), |it| it != action).await;
        expect_policy(&registry, (false, &[&is]), |it| it == action).await;
        // The first that is true decides; the second is never asked.
        expect_policy(&registry, (true, &["false", &is, "1 == 1 / 0"]), |_| false).await;
    }
}

/// lessons.md, correctness 42: errors fell through to "allow".
#[tokio::test]
async fn a_rule_without_an_answer_denies() {
    let registry = TestRegistry::start().await;
    for rule in ["1 / 0 == 1", "identity.username", "identity.username < 'x'"] {
        for default_allow in [true, false] {
            expect_policy(&registry, (default_allow, &[rule]), |_| false).await;
            expect_policy(&registry, (default_allow, &["false", rule, "true"]), |_| {
                false
            })
            .await;
        }
        // One that decides before it is enough.
        expect_policy(&registry, (false, &["true", rule]), |_| true).await;
    }
}

/// lessons.md, security 11 (GHSA-qg67-7m6v-qg25).
#[tokio::test]
async fn the_right_to_push_is_no_right_to_delete() {
    let push =
        "request.action.endsWith('-upload') || request.action in ['get-blob', 'put-manifest']";
    let entry = Setup::ruled(false, &[push]);
    let registry = TestRegistry::with(Setup::with_namespaces([("*", entry)])).await;
    let image = Image::new(1);
    image.push(&registry, "a", "latest").await;

    let layer = digest_of(&image.layer);
    for path in [
        "manifests/latest".to_owned(),
        format!("manifests/{}", image.digest),
        format!("blobs/{layer}"),
    ] {
        let answer = registry.delete(format!("/v2/a/{path}")).send().await;
        answer.expect_error(403, "DENIED");
    }
}

#[tokio::test]
async fn rules_see_the_repository_the_reference_and_the_digest() {
    let digest = digest_of(b"x");
    let other = digest_of(b"y");
    let by_digest = format!("request.digest == '{digest}'");
    for (rule, allowed, denied) in [
        (
            "request.namespace == 'team/app'",
            "team/app/tags/list".to_owned(),
            "team/tags/list".to_owned(),
        ),
        (
            "request.reference == 'v1'",
            "a/manifests/v1".to_owned(),
            "a/manifests/v2".to_owned(),
        ),
        (
            &by_digest,
            format!("a/blobs/{digest}"),
            format!("a/blobs/{other}"),
        ),
        (
            &by_digest,
            format!("a/manifests/{digest}"),
            format!("a/manifests/{other}"),
        ),
    ] {
        let entry = Setup::ruled(false, &[rule]);
        let registry = TestRegistry::with(Setup::with_namespaces([("*", entry)])).await;

        let answer = registry.get(format!("/v2/{allowed}")).send().await;
        answer.expect_status(404);
        let answer = registry.get(format!("/v2/{denied}")).send().await;
        answer.expect_error(403, "DENIED");
    }
}

#[tokio::test]
async fn the_catalog_lists_what_the_rules_show() {
    let rule = "request.action != 'list-catalog' || request.namespace.startsWith('public/')";
    let entry = Setup::ruled(false, &[rule]);
    let registry = TestRegistry::with(Setup::with_namespaces([("*", entry)])).await;
    for repository in ["public/a", "secret/a", "public/b"] {
        Image::new(1).push(&registry, repository, "latest").await;
    }

    let catalog = registry.get("/v2/_catalog").send().await.json();

    assert_eq!(catalog["repositories"], json!(["public/a", "public/b"]));
}
