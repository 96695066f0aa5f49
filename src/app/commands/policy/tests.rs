use std::ffi::OsString;

use super::*;
use crate::app::cli::{Cli, Command, PolicyCommand};

const CONFIG: &str = r#"
storage.fs.root_dir = "data"

[identity.a1]
username = "alice"
password = "$argon2id$x"

[repository.team.access_policy]
rules = [
  "request.action == 'get-manifest'",
  "identity.id == 'a1' && !request.tag_exists",
  "identity.certificate.common_names.contains('ci') || identity.certificate.organizations.contains('ops')",
]

[repository.broken.access_policy]
default_allow = true
rules = ["identity.username", "true"]

[repository.silent]
"#;

fn explain(arguments: &str) -> Result<Explanation, CommandError> {
    let words = ["registry", "policy", "test"].into_iter();
    let words = words.chain(arguments.split(' ')).map(OsString::from);
    let Command::Policy(policy) = Cli::parse(words).unwrap().command else {
        panic!("{arguments}");
    };
    let PolicyCommand::Test(arguments) = policy.command;
    test(&toml::from_str(CONFIG).unwrap(), &arguments)
}

#[test]
fn the_rule_that_decides_is_named_and_what_was_said_before_it() {
    let explanation =
        explain("--user alice --action put-manifest --repository team/app --reference v1").unwrap();

    assert!(explanation.allowed);
    assert_eq!(
        explanation.text,
        "repository.\"team\".access_policy: default_allow = false\n\
         rule 0: false: request.action == 'get-manifest'\n\
         rule 1: true: identity.id == 'a1' && !request.tag_exists\n\
         rule 2: not asked: identity.certificate.common_names.contains('ci') \
         || identity.certificate.organizations.contains('ops')\n\
         allowed: rule 1 is true\n"
    );
}

#[test]
fn what_no_rule_is_true_of_is_decided_by_default() {
    for arguments in [
        "--action put-manifest --repository team/app --reference v1",
        "--user alice --action put-manifest --repository team --reference v1 --tag-exists",
        "--certificate-cn ops --action put-manifest --repository team --reference v1",
    ] {
        let explanation = explain(arguments).unwrap();

        assert!(!explanation.allowed, "{arguments}");
        assert!(explanation.text.ends_with("denied: no rule is true\n"));
    }
}

#[test]
fn a_certificate_can_be_tried_out() {
    for arguments in [
        "--certificate-cn x --certificate-cn ci",
        "--certificate-o ops",
    ] {
        let explanation = explain(&format!("{arguments} --action list-tags --repository team"));

        assert!(explanation.unwrap().allowed, "{arguments}");
    }
}

/// As in a request: nothing else has a tag that could be there.
#[test]
fn only_what_changes_a_tag_finds_one() {
    for (arguments, allowed) in [
        ("--action put-manifest --reference v1", false),
        ("--action delete-manifest --reference v1", false),
        ("--action list-tags", true),
    ] {
        let arguments = format!("--user alice --repository team --tag-exists {arguments}");

        assert_eq!(explain(&arguments).unwrap().allowed, allowed, "{arguments}");
    }
}

#[test]
fn a_rule_that_fails_is_explained() {
    let explanation = explain("--action list-tags --repository broken").unwrap();

    assert!(!explanation.allowed);
    let lines: Vec<&str> = explanation.text.lines().collect();
    assert_eq!(
        lines[1..],
        [
            "rule 0: fails: identity.username",
            "rule 1: not asked: true",
            "denied: rule 0 fails: its value is neither true nor false, but of type null",
        ]
    );
}

#[test]
fn entries_without_a_policy_and_names_without_an_entry_are_told() {
    for (repository, line) in [
        ("silent", "repository.\"silent\" has no access_policy"),
        ("other", "no entry is about this"),
    ] {
        let explanation = explain(&format!("--action list-tags --repository {repository}"));

        let explanation = explanation.unwrap();
        assert!(!explanation.allowed);
        assert_eq!(explanation.text.lines().next(), Some(line));
    }
    assert!(explain("--action get-api-version").unwrap().allowed);
}

#[test]
fn arguments_that_make_no_sense_here_are_explained() {
    for (arguments, message) in [
        (
            "--user bob --action list-tags --repository team",
            "no identity has the user name \"bob\"",
        ),
        (
            "--action list-tags",
            "list-tags is about a repository: name it with --repository",
        ),
        (
            "--action get-api-version --repository team",
            "get-api-version is about no repository: leave out --repository",
        ),
    ] {
        match explain(arguments) {
            Err(CommandError::Usage(said)) => assert_eq!(said, message),
            other => panic!("{arguments}: {other:?}"),
        }
    }
}
