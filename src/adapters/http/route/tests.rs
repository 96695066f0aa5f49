use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::mirror::{AnswersFor, Source};
use crate::domain::model::{AccessRequest, Action};
use crate::domain::namespaces::Namespace;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";

fn parse(request: &str) -> Result<Route, String> {
    let (method, uri) = request.split_once(' ').unwrap();
    let uri = uri
        .replace("{d}", &format!("sha256:{HEX}"))
        .replace("{id}", ID);
    let (path, query) = uri
        .split_once('?')
        .map_or((&*uri, None), |(p, q)| (p, Some(q)));
    let method: Method = method.parse().unwrap();
    Route::parse(&method, path, query, &namespaces()).map_err(|error| {
        let response = error.into_response("id");
        response.status().as_u16().to_string()
    })
}

/// `hub` is filled from Docker Hub, and `library` from a part of it.
fn namespaces() -> Namespaces {
    let mirror_of = |prefix: &str| Namespace {
        mirrors: Some(Arc::new(Source {
            upstreams: Vec::new(),
            revalidate_interval: Duration::ZERO,
            cache_max_size: None,
            answers_for: vec![AnswersFor {
                registry: "docker.io".to_owned(),
                prefix: prefix.to_owned(),
            }],
        })),
        ..Namespace::default()
    };
    Namespaces::new([
        ("hub".to_owned(), mirror_of("")),
        ("library".to_owned(), mirror_of("library")),
    ])
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn digest() -> Digest {
    format!("sha256:{HEX}").parse().unwrap()
}

fn by_digest() -> Reference {
    Reference::Digest(digest())
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn id() -> UploadId {
    ID.parse().unwrap()
}

/// spec.md, "Endpoints"
#[test]
fn every_endpoint_has_a_route() {
    let a = || name("a/b");
    let latest = || Reference::Tag(tag("latest"));
    let table = [
        ("GET /v2/", Route::Version),
        ("HEAD /v2", Route::Version),
        (
            "GET /token?service=x&scope=repository%3Aa%3Apull+repository:b:*&scope=registry:catalog:*",
            Route::Token(Scope::parse([
                "repository:a:pull repository:b:* registry:catalog:*",
            ])),
        ),
        ("GET /token", Route::Token(Scope::default())),
        ("POST /token?scope=repository:a:pull", Route::TokenByForm),
        ("GET /v2/a/b/blobs/{d}", Route::GetBlob(a(), digest())),
        ("HEAD /v2/a/b/blobs/{d}", Route::StatBlob(a(), digest())),
        ("DELETE /v2/a/b/blobs/{d}", Route::DeleteBlob(a(), digest())),
        (
            "GET /v2/a/b/manifests/latest",
            Route::GetManifest(a(), latest()),
        ),
        (
            "HEAD /v2/a/b/manifests/{d}",
            Route::StatManifest(a(), by_digest()),
        ),
        (
            "DELETE /v2/a/b/manifests/latest",
            Route::DeleteManifest(a(), latest()),
        ),
        (
            "PUT /v2/a/b/manifests/latest",
            Route::PutManifest(a(), latest(), vec![]),
        ),
        (
            "PUT /v2/a/b/manifests/{d}?tag=x&tag=y&tag=x",
            Route::PutManifest(a(), by_digest(), vec![tag("x"), tag("y")]),
        ),
        ("GET /v2/a/b/tags/list", Route::ListTags(a(), Page::all())),
        (
            "GET /v2/a/b/tags/list?n=3&last=x",
            Route::ListTags(
                a(),
                Page {
                    after: Some(tag("x")),
                    limit: Some(3),
                },
            ),
        ),
        (
            "GET /v2/_catalog?n=3&last=x",
            Route::Catalog(Page {
                after: Some("x".to_owned()),
                limit: Some(3),
            }),
        ),
        (
            "GET /v2/a/b/referrers/{d}?artifactType=application/spdx+json&n=2",
            Route::ListReferrers {
                repository: a(),
                subject: digest(),
                artifact_type: Some("application/spdx+json".to_owned()),
                page: Page {
                    after: None,
                    limit: Some(2),
                },
            },
        ),
        ("GET /v2/_oci/ext/discover", Route::Extensions(None)),
        (
            "GET /v2/a/b/_oci/ext/discover",
            Route::Extensions(Some(a())),
        ),
    ];
    for (request, route) in table {
        assert_eq!(parse(request), Ok(route), "{request}");
    }
}

/// spec.md, "Endpoints": end-4 to end-6, end-11, end-13, end-14
#[test]
fn every_step_of_an_upload_has_a_route() {
    let a = || name("a/b");
    let table = [
        (
            "POST /v2/a/b/blobs/uploads/",
            Route::StartUpload(a(), Algorithm::Sha256),
        ),
        (
            "POST /v2/a/b/blobs/uploads",
            Route::StartUpload(a(), Algorithm::Sha256),
        ),
        (
            "POST /v2/a/b/blobs/uploads/?digest-algorithm=sha512",
            Route::StartUpload(a(), Algorithm::Sha512),
        ),
        (
            "POST /v2/a/b/blobs/uploads/?digest={d}",
            Route::PushBlob(a(), digest()),
        ),
        (
            "POST /v2/a/b/blobs/uploads/?mount={d}&from=c",
            Route::MountBlob {
                repository: a(),
                digest: digest(),
                from: Some(name("c")),
            },
        ),
        (
            "POST /v2/a/b/blobs/uploads/?mount={d}",
            Route::MountBlob {
                repository: a(),
                digest: digest(),
                from: None,
            },
        ),
        (
            "PATCH /v2/a/b/blobs/uploads/{id}",
            Route::AppendUpload(a(), id()),
        ),
        (
            "PUT /v2/a/b/blobs/uploads/{id}?state=x&digest={d}",
            Route::FinishUpload(a(), id(), digest()),
        ),
        (
            "GET /v2/a/b/blobs/uploads/{id}?digest={d}",
            Route::UploadStatus(a(), id()),
        ),
        (
            "DELETE /v2/a/b/blobs/uploads/{id}",
            Route::CancelUpload(a(), id()),
        ),
    ];
    for (request, route) in table {
        assert_eq!(parse(request), Ok(route), "{request}");
    }
}

#[test]
fn names_may_be_made_of_the_apis_own_words() {
    let table = [
        (
            "GET /v2/blobs/tags/list",
            Route::ListTags(name("blobs"), Page::all()),
        ),
        (
            "GET /v2/tags/list/blobs/{d}",
            Route::GetBlob(name("tags/list"), digest()),
        ),
        (
            "GET /v2/a/manifests/blobs/{d}",
            Route::GetBlob(name("a/manifests"), digest()),
        ),
        (
            "GET /v2/blobs/uploads/manifests/list",
            Route::GetManifest(name("blobs/uploads"), Reference::Tag(tag("list"))),
        ),
        (
            "GET /v2/a/manifests/manifests",
            Route::GetManifest(name("a"), Reference::Tag(tag("manifests"))),
        ),
    ];
    for (request, route) in table {
        assert_eq!(parse(request), Ok(route), "{request}");
    }
}

#[test]
fn escapes_are_decoded_but_for_the_slash() {
    let escaped = format!("GET /v2/%61/blobs/sha256%3A{HEX}");

    assert_eq!(parse(&escaped), Ok(Route::GetBlob(name("a"), digest())));
    assert_eq!(parse("GET /v2/a%2Fb/tags/list"), Err("400".to_owned()));
    assert_eq!(parse("GET /v2/a%ff/tags/list"), Err("400".to_owned()));
}

/// lessons.md, security 22 and 25
#[test]
fn malformed_text_is_refused_as_what_it_is() {
    let table = [
        ("GET /", "404"),
        ("GET /v1/", "404"),
        ("GET /v2a", "404"),
        ("GET /v2/a", "404"),
        ("GET /v2/a/unknown/thing", "404"),
        ("GET /v2/UPPER/tags/list", "400"),
        ("GET /v2/tags/list", "400"),
        ("GET /v2/../etc/tags/list", "400"),
        ("GET /v2/%2e%2e/%2e%2e/tags/list", "400"),
        ("GET /v2//a/tags/list", "400"),
        ("GET /v2/a/manifests/", "400"),
        ("GET /v2/a/manifests/b/c", "400"),
        ("GET /v2/a/manifests/-x", "400"),
        ("GET /v2/a/manifests/sha256:short", "400"),
        ("GET /v2/a/blobs/../../secret", "400"),
        (
            "GET /v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e",
            "400",
        ),
        ("GET /v2/a/referrers/latest", "400"),
        ("GET /v2/a/blobs/uploads/no-id", "404"),
        ("POST /v2/a/blobs/uploads/?digest-algorithm=md5", "400"),
        ("POST /v2/a/blobs/uploads/?mount=nonsense", "400"),
        ("POST /v2/a/blobs/uploads/?mount={d}&from=UPPER", "400"),
        ("PUT /v2/a/blobs/uploads/{id}", "400"),
        ("PUT /v2/a/manifests/{d}?tag=-x", "400"),
        ("GET /v2/a/tags/list?n=x", "400"),
        ("GET /v2/a/tags/list?last=-x", "400"),
        ("GET /v2/a/referrers/{d}?artifactType=nonsense", "400"),
        ("GET /v2/?ns=quay.io", "404"),
        ("GET /v2/a/manifests/latest?ns=quay.io", "404"),
        ("POST /v2/", "405"),
        ("PUT /v2/a/blobs/{d}", "405"),
        ("GET /v2/a/blobs/uploads/", "405"),
        ("PATCH /v2/a/manifests/latest", "405"),
        ("OPTIONS /v2/a/tags/list", "405"),
    ];
    for (request, status) in table {
        assert_eq!(parse(request), Err(status.to_owned()), "{request}");
    }
}

#[test]
fn a_push_sets_so_many_tags_and_no_more() {
    let push = |count: usize| {
        let tags: Vec<String> = (0..count).map(|at| format!("tag=t{at}")).collect();
        parse(&format!("PUT /v2/a/manifests/{{d}}?{}", tags.join("&")))
    };

    assert!(push(MAX_TAGS).is_ok());
    assert_eq!(push(MAX_TAGS + 1), Err("414".to_owned()));
}

/// semantics.md, "Access policy"
#[test]
fn a_request_needs_permission_for_everything_that_it_does() {
    let table: [(&str, &[&str]); 17] = [
        ("GET /v2/", &["get-api-version - - -"]),
        ("GET /v2/a/_oci/ext/discover", &["get-api-version - - -"]),
        ("GET /v2/_catalog", &[]),
        ("HEAD /v2/a/blobs/{d}", &["get-blob a D -"]),
        ("DELETE /v2/a/blobs/{d}", &["delete-blob a D -"]),
        ("POST /v2/a/blobs/uploads/", &["start-upload a - -"]),
        (
            "POST /v2/a/blobs/uploads/?digest={d}",
            &["start-upload a D -", "complete-upload a D -"],
        ),
        (
            "POST /v2/a/blobs/uploads/?mount={d}&from=c",
            &["start-upload a D -"],
        ),
        ("PATCH /v2/a/blobs/uploads/{id}", &["update-upload a - -"]),
        (
            "PUT /v2/a/blobs/uploads/{id}?digest={d}",
            &["complete-upload a D -"],
        ),
        ("GET /v2/a/blobs/uploads/{id}", &["get-upload a - -"]),
        ("DELETE /v2/a/blobs/uploads/{id}", &["cancel-upload a - -"]),
        ("GET /v2/a/manifests/x", &["get-manifest a - x"]),
        ("DELETE /v2/a/manifests/{d}", &["delete-manifest a D D"]),
        (
            "PUT /v2/a/manifests/{d}?tag=x&tag=y",
            &[
                "put-manifest a D D",
                "put-manifest a - x",
                "put-manifest a - y",
            ],
        ),
        ("GET /v2/a/tags/list", &["list-tags a - -"]),
        ("GET /v2/a/referrers/{d}", &["get-referrers a - D"]),
    ];
    for (request, needs) in table {
        let found: Vec<String> = parse(request).unwrap().needs().iter().map(show).collect();

        assert_eq!(found, needs, "{request}");
    }
}

fn show(need: &AccessRequest) -> String {
    let text = |it: Option<String>| {
        it.map_or("-".to_owned(), |it| {
            it.replace(&format!("sha256:{HEX}"), "D")
        })
    };
    let action: Action = need.action;
    format!(
        "{action} {} {} {}",
        text(need.repository.as_ref().map(ToString::to_string)),
        text(need.digest.as_ref().map(ToString::to_string)),
        text(need.reference.as_ref().map(ToString::to_string)),
    )
}

proptest! {
    #[test]
    fn no_path_panics(path in ".*", query in ".*") {
        for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            let _ = Route::parse(&method, &path, Some(&query), &namespaces());
        }
    }

    #[test]
    fn no_path_of_the_apis_words_panics(
        words in prop::collection::vec(
            prop_oneof![
                Just("blobs"), Just("uploads"), Just("manifests"), Just("referrers"), Just("tags"),
                Just("list"), Just("_oci"), Just("ext"), Just("discover"), Just("_catalog"),
                Just(""), Just(".."), Just("%2f"), Just("a"),
            ],
            0..8,
        ),
    ) {
        let path = format!("/v2/{}", words.join("/"));
        for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            let _ = Route::parse(&method, &path, None, &namespaces());
        }
    }

    #[test]
    fn a_manifests_url_leads_back_to_its_name_and_tag(
        repository in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}",
        text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}",
    ) {
        let route = Route::parse(&Method::GET, &format!("/v2/{repository}/manifests/{text}"), None, &namespaces());

        prop_assert_eq!(
            route.ok(),
            Some(Route::GetManifest(name(&repository), Reference::Tag(tag(&text))))
        );
    }
}

#[test]
fn a_name_in_another_registry_is_called_as_it_is_stored() {
    let latest = || Reference::Tag(tag("latest"));
    for (request, repository) in [
        ("library/nginx", "library/nginx"),
        ("library", "library"),
        ("grafana/grafana", "hub/grafana/grafana"),
        ("library-a/b", "hub/library-a/b"),
    ] {
        for ns in ["docker.io", "registry-1.docker.io", "Index.Docker.io"] {
            let request = format!("GET /v2/{request}/manifests/latest?ns={ns}");
            let expected = Route::GetManifest(name(repository), latest());
            assert_eq!(parse(&request), Ok(expected), "{request}");
        }
    }
    assert_eq!(parse("GET /v2/?ns=docker.io"), Ok(Route::Version));
}

#[test]
fn a_registry_that_nobody_answers_for_is_unknown() {
    for request in ["/v2/library/nginx/manifests/latest", "/v2/"] {
        let request = format!("GET {request}?ns=quay.io");
        assert_eq!(parse(&request), Err("404".to_owned()), "{request}");
    }
}

/// What a client is told to ask a token for; a push looks first at what is there.
#[test]
fn a_request_names_the_scope_of_a_token_for_it() {
    for (request, scope) in [
        ("GET /v2/", ""),
        ("GET /v2/_oci/ext/discover", ""),
        ("GET /v2/_catalog", "registry:catalog:*"),
        ("GET /v2/a/blobs/{d}", "repository:a:pull"),
        ("HEAD /v2/a/manifests/latest", "repository:a:pull"),
        ("GET /v2/a/tags/list", "repository:a:pull"),
        ("GET /v2/a/referrers/{d}", "repository:a:pull"),
        ("POST /v2/a/blobs/uploads/", "repository:a:pull,push"),
        ("PATCH /v2/a/blobs/uploads/{id}", "repository:a:pull,push"),
        ("GET /v2/a/blobs/uploads/{id}", "repository:a:pull,push"),
        ("DELETE /v2/a/blobs/uploads/{id}", "repository:a:pull,push"),
        ("PUT /v2/a/manifests/latest", "repository:a:pull,push"),
        ("DELETE /v2/a/manifests/latest", "repository:a:delete"),
        ("DELETE /v2/a/blobs/{d}", "repository:a:delete"),
        (
            "POST /v2/a/blobs/uploads/?mount={d}&from=b/c",
            "repository:a:pull,push repository:b/c:pull",
        ),
        (
            "POST /v2/a/blobs/uploads/?mount={d}",
            "repository:a:pull,push",
        ),
    ] {
        assert_eq!(parse(request).unwrap().scope().to_string(), scope);
    }
}

#[path = "../../../../tests/suite/api/every_request.rs"]
mod every_request;

/// Nobody can forget to say who may do what is new: the tests of permissions go through this table.
#[test]
fn the_table_of_every_request_is_whole() {
    use every_request::{EVERY_REQUEST, INDEX};
    assert!(!INDEX.is_empty());
    let sources = include_str!("../route.rs");
    let (_, variants) = sources.split_once("pub enum Route {\n").unwrap();
    let variants = variants.split("\n}\n").next().unwrap().lines();
    let variants = variants.filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(char::is_uppercase));
    let is_of_name = |c: char| c.is_alphanumeric();
    let named = |text: &str| text.split(|c| !is_of_name(c)).next().unwrap().to_owned();
    let variants: Vec<String> = variants.map(named).collect();
    assert!(variants.len() > 15, "the variants are read");
    for variant in variants {
        let listed = EVERY_REQUEST.iter().any(|row| row.0 == variant);
        assert!(listed, "no request of {variant}");
    }

    for (variant, method, url, needs, ..) in EVERY_REQUEST {
        let route = parse(&format!("{method} {url}")).unwrap();
        assert_eq!(named(&format!("{route:?}")), *variant, "{method} {url}");
        let actions = route.needs().into_iter().map(|it| it.action.as_str());
        let mut actions: Vec<_> = actions.collect();
        actions.dedup();
        assert_eq!(actions, *needs, "{method} {url}");

        let path = |url: &str| url.split('?').next().unwrap().to_owned();
        let named = path(url).replace("{d}", &digest().to_string());
        let methods = Path::parse(&named.replace("{id}", ID)).unwrap().methods();
        for method in methods.split(", ") {
            let mut rows = EVERY_REQUEST.iter();
            let listed = rows.any(|row| row.1 == method && path(row.2) == path(url));
            assert!(listed, "no {method} of {url}");
        }
    }
    for action in Action::ALL {
        let action = action.as_str();
        let listed = EVERY_REQUEST.iter().any(|row| row.3.contains(&action));
        // The catalog's is asked about each repository.
        assert!(
            listed || action == "list-catalog",
            "no request needs {action}"
        );
    }
}
