//! The examples of the project's first text, word for word: each loads, or is refused with the message that helps.

use std::sync::Arc;

use simple_registry::app::config::{Loaded, parse};
use simple_registry::app::wiring;
use simple_registry::domain::access::{Access, Ground};
use simple_registry::domain::model::{AccessRequest, Action, Caller, ClientCertificate, Identity};

const STORAGE: &str = "storage.fs.root_dir = '/var/lib/registry'\n\n";

const UPSTREAMS: &str = r#"
[[repository."library".upstream]]
url = "https://docker.io/v2/library"
client_certificate = "/path/to/client.crt"
client_private_key = "/path/to/client.key"

[[repository."library".upstream]]
url = "https://registry-1.docker.io/v2/library"
username = "username"
password = "password"

[[repository."library".upstream]]
url = "https://index.docker.io/v2/library"
# server_ca_bundle = "/path/to/ca.crt" # specify authorized server CAs
# anonymous access
"#;

const ACCESS: &str = r#"
[repository."my-registry".access_policy]
default_allow = true
rules = [
  "identity.username == 'admin'",
  "identity.certificate.organizations.contains('admin')"
]
"#;

const RETENTION_UNDER_ACCESS: &str = r#"
[repository."my-registry".access_policy]
rules = [
  'image.tag != "latest"',
  'image.pushed_at < now() - days(15)',
  'image.last_pulled_at < now() - days(15)',
  'top(image.tag, last_pulled, 10)', # image.tag is among top 10 last pulled
  'top(image.tag, last_pushed, 10)', # image.tag is among top 10 last pushed
]
"#;

fn load(example: &str) -> Result<Loaded, String> {
    parse("config.toml", &format!("{STORAGE}{example}"), &|_| None)
        .map_err(|error| error.to_string())
}

#[test]
fn traces_need_an_endpoint_only() {
    let loaded = load("[observability.tracing]\nendpoint = 'http://localhost:4317'\n").unwrap();

    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let tracing = loaded.config.observability.tracing.unwrap();
    assert_eq!(tracing.sampling_rate.to_string(), "1");
}

#[test]
fn the_upstreams_load_in_their_order() {
    let loaded = load(UPSTREAMS).unwrap();

    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let upstreams = &loaded.config.repository["library"].upstream;
    let urls: Vec<&str> = upstreams.iter().map(|it| it.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://docker.io/v2/library",
            "https://registry-1.docker.io/v2/library",
            "https://index.docker.io/v2/library"
        ]
    );
    assert_eq!(upstreams[1].username.as_deref(), Some("username"));
    assert!(upstreams[0].client_certificate.is_some());
}

/// As the rules read: they deny the administrators, since the default allows.
#[test]
fn the_access_rules_load_and_mean_what_they_say() {
    let loaded = load(ACCESS).unwrap();
    let access = Access::new(Arc::new(wiring::namespaces(&loaded.config).unwrap()));
    let named = |username: &str| Caller {
        identity: Some(Arc::new(Identity {
            id: "some-id".to_owned(),
            username: username.to_owned(),
        })),
        ..Caller::default()
    };
    let from = |organization: &str| Caller {
        certificate: ClientCertificate {
            organizations: vec!["staff".to_owned(), organization.to_owned()],
            ..ClientCertificate::default()
        },
        ..Caller::default()
    };
    for (caller, rule) in [
        (Caller::default(), None),
        (named("alice"), None),
        (from("ops"), None),
        (named("admin"), Some(0)),
        (from("admin"), Some(1)),
    ] {
        let request = AccessRequest::on(&"my-registry/app".parse().unwrap(), Action::GetBlob);

        let verdict = access.judge(&caller, &request);

        assert_eq!(verdict.allowed, rule.is_none(), "{caller:?}");
        match verdict.ground {
            Ground::Rule(index) => assert_eq!(Some(index), rule),
            ground => assert!(rule.is_none(), "{ground}"),
        }
    }
}

#[test]
fn retention_rules_under_the_access_policy_are_sent_where_they_belong() {
    let message = load(RETENTION_UNDER_ACCESS).unwrap_err();

    assert_eq!(message.lines().count(), 5, "{message}");
    assert!(
        message.starts_with(
            "config.toml:6:3: repository.my-registry.access_policy.rules[0]: `image.tag` belongs to `retention_policy`\n"
        ),
        "{message}"
    );
    assert!(
        message.ends_with("rules[4]: `image.tag` belongs to `retention_policy`"),
        "{message}"
    );
}

#[test]
fn the_corrected_retention_rules_load_and_are_compiled() {
    let corrected = RETENTION_UNDER_ACCESS.replace("access_policy", "retention_policy");

    let config = load(&corrected).unwrap().config;

    let namespaces = wiring::namespaces(&config).unwrap();
    let namespace = namespaces
        .find(&"my-registry/app".parse().unwrap())
        .unwrap();
    assert_eq!(namespace.retention_rules.len(), 5);
}
