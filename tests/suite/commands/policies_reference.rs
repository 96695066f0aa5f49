//! `docs/policies.md`: its examples load, and do what their comments say.

use std::sync::Arc;

use simple_registry::app::config::parse;
use simple_registry::app::wiring;
use simple_registry::domain::access::Access;
use simple_registry::domain::model::{
    AccessRequest, Action, Caller, ClientCertificate, Identity, Reference,
};

const REFERENCE: &str = include_str!("../../../docs/policies.md");

/// The access policies that it shows, as the policy of `team`.
fn examples() -> Vec<Access> {
    let blocks = REFERENCE.split("```toml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    blocks
        .map(|block| {
            let heading = if block.contains("[repository") {
                ""
            } else {
                "[repository.team.access_policy]\n"
            };
            let text = format!("storage.fs.root_dir = 'data'\n{heading}{block}");
            let loaded = parse("docs/policies.md", &text, &|_| None).unwrap();
            let namespaces = wiring::namespaces(&loaded.config).unwrap();
            Access::new(Arc::new(namespaces))
        })
        .collect()
}

fn named(name: &str) -> Caller {
    Caller {
        identity: Some(Arc::new(Identity {
            id: name.to_owned(),
            username: name.to_owned(),
        })),
        ..Caller::default()
    }
}

fn certified(organization: &str) -> Caller {
    Caller {
        certificate: ClientCertificate {
            common_names: vec!["host".to_owned()],
            organizations: vec![organization.to_owned()],
        },
        ..Caller::default()
    }
}

#[test]
fn the_examples_do_what_they_say() {
    use Action::{DeleteManifest, GetBlob, GetManifest, PutManifest, StartUpload};
    let anonymous = Caller::default;
    let table = [
        // example, who, what, which tag, allowed
        (0, anonymous(), GetManifest, "v1", true),
        (0, anonymous(), PutManifest, "v1", false),
        (0, named("ci"), PutManifest, "v1", true),
        (1, anonymous(), GetBlob, "", true),
        (1, anonymous(), StartUpload, "", false),
        (1, named("any"), StartUpload, "", true),
        (2, anonymous(), GetBlob, "", false),
        (2, named("team"), GetBlob, "", true),
        (2, named("tea"), GetBlob, "", false),
        (3, anonymous(), GetBlob, "", false),
        (3, certified("ops"), DeleteManifest, "v1", true),
        (3, certified("dev"), GetBlob, "", true),
        (3, certified("dev"), PutManifest, "v1", false),
        (4, anonymous(), PutManifest, "latest", true),
        (4, anonymous(), PutManifest, "v1", false),
        (4, named("release"), PutManifest, "v1", true),
        (4, named("release"), DeleteManifest, "v1", false),
        (4, anonymous(), GetBlob, "", true),
        (5, named("ci"), PutManifest, "new", true),
        (5, named("ci"), PutManifest, "old", false),
        (5, named("ci"), DeleteManifest, "old", false),
        (5, named("ci"), GetManifest, "old", true),
        (5, named("lead"), PutManifest, "old", true),
        (5, anonymous(), GetManifest, "old", false),
    ];
    let examples = examples();
    assert_eq!(examples.len(), 7, "six policies, and immutable tags");
    for (example, caller, action, tag, allowed) in table {
        let reference = (!tag.is_empty()).then(|| Reference::Tag(tag.parse().unwrap()));
        let changes = matches!(action, PutManifest | DeleteManifest);
        let request = AccessRequest {
            reference,
            tag_exists: changes.then_some(tag == "old"),
            ..AccessRequest::on(&"team/app".parse().unwrap(), action)
        };

        let verdict = examples[example].judge(&caller, &request);

        let about = format!("example {example}: {caller:?} {request:?}");
        assert_eq!(verdict.allowed, allowed, "{about}: {}", verdict.ground);
    }
}

#[test]
fn every_action_and_variable_is_explained() {
    for action in Action::ALL {
        assert!(REFERENCE.contains(&format!("`{action}`")), "{action}");
    }
    for variable in [
        "identity.id",
        "identity.username",
        "identity.certificate.common_names",
        "identity.certificate.organizations",
        "request.action",
        "request.namespace",
        "request.digest",
        "request.reference",
        "request.tag_exists",
    ] {
        assert!(
            REFERENCE.contains(&format!("| `{variable}` |")),
            "{variable}"
        );
    }
}
