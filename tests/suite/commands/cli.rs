//! The program as a shell sees it: what it prints, and what it ends with.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use simple_registry::adapters::identities::PasswordHash;
use simple_registry::domain::model::Secret;
use tempfile::TempDir;

/// The README's text.
const USAGE: &str = "\
Usage: simple-registry [-c <config>] <command> [<args>]

An OCI-compliant and docker-compatible registry service

Options:
  -c, --config      the path to the configuration file, defaults to
                    `config.toml`
  --help, help      display usage information

Commands:
  check-config      Check the configuration as the server would, and print what
                    is then in effect
  completions       Print completions for a shell
  hash-password     Hash a password, for an identity of the configuration
  man               Print the manual page, for man
  policy            Explain what the access policies decide
  schema            Print the JSON schema of the configuration, for editors
  scrub             Check the storage backend for inconsistencies
  server            Run the registry listeners
  undelete          Restore a manifest or tag that was deleted within the grace
                    period
  version           Print the version, and the commit where the build knew it
  why               Explain what keeps a digest, or kept it

";

/// Runs the program in an empty directory, where `config.toml` has this text if there is one.
pub fn run(config: Option<&str>, arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    if let Some(config) = config {
        fs::write(directory.path().join("config.toml"), config).unwrap();
    }
    program(&directory).args(arguments).output().unwrap()
}

fn program(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simple-registry"));
    command.current_dir(directory.path()).env_remove("RUST_LOG");
    command
}

pub fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_is_the_readmes_text() {
    for argument in ["--help", "help"] {
        let output = run(None, &[argument]);

        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), USAGE);
    }
}

#[test]
fn arguments_that_make_no_sense_end_with_64() {
    for arguments in [&[][..], &["serve"], &["server", "--port", "1"], &["-c"]] {
        let output = run(None, arguments);

        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            errors(&output).contains("simple-registry --help"),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_file_that_was_named_must_exist() {
    let output = run(None, &["-c", "absent.toml", "server"]);

    assert_eq!(output.status.code(), Some(64));
    assert!(
        errors(&output).starts_with("absent.toml: can't be read: "),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_bad_configuration_ends_with_64_and_its_place() {
    let output = run(
        Some("[storage.fs]\nroot_dir = 'data'\n[server]\nport = 'abc'\n"),
        &["server"],
    );

    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        errors(&output),
        "config.toml:4:8: server.port: expected a port number from 0 to 65535, found \"abc\"\n"
    );
}

#[test]
fn a_secret_comes_from_the_environment_or_is_told_to_be_missing() {
    let directory = TempDir::new().unwrap();
    let config = "[storage.fs]\nroot_dir = 'data'\n[token]\nkey = '${SIMPLE_REGISTRY_TEST_KEY}'\n";
    fs::write(directory.path().join("config.toml"), config).unwrap();

    let without = program(&directory).arg("server").output().unwrap();
    let with = program(&directory)
        .arg("server")
        .env("SIMPLE_REGISTRY_TEST_KEY", "hunter2")
        .output()
        .unwrap();

    assert_eq!(
        errors(&without),
        "config.toml:4:1: token.key: the environment variable SIMPLE_REGISTRY_TEST_KEY is not set\n"
    );
    assert!(
        errors(&with).contains("token.key: expected at least 32 characters"),
        "{}",
        errors(&with)
    );
    assert!(!errors(&with).contains("hunter2"));
}

/// lessons.md, correctness 43 and security 29
#[test]
fn a_broken_tls_section_never_serves_in_the_clear() {
    let config = "[storage.fs]\nroot_dir = 'data'\n[server]\nport = 0\n[server.tls]\n\
                  server_certificate_bundle = 'absent.pem'\nserver_private_key = 'absent.key'\n";

    let output = run(Some(config), &["server"]);

    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    let expected = "server.tls.server_certificate_bundle: can't be used: absent.pem: ";
    assert!(errors.contains(expected), "{errors}");
    assert!(!errors.contains("listening"), "{errors}");
}

/// `hash-password`, where nobody types.
fn hash_password(input: &str) -> Output {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("config.toml"), "nonsense").unwrap();
    let mut child = program(&directory)
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// Whether the configuration takes it as the hash of this password.
fn is_hash_of(printed: &[u8], password: &str) -> bool {
    let printed = std::str::from_utf8(printed).unwrap();
    let hash = PasswordHash::parse(&Secret::new(printed.trim_end().to_owned())).unwrap();
    assert!(
        printed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{printed}"
    );
    hash.verify(password.as_bytes())
}

#[test]
fn the_hash_of_a_password_needs_no_configuration() {
    for input in ["pass word", "pass word\n", "pass word\r\nand more\n"] {
        let output = hash_password(input);

        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        assert!(is_hash_of(&output.stdout, "pass word"), "{input:?}");
    }
}

#[test]
fn an_empty_password_is_not_hashed() {
    for input in ["", "\n", "\nsecret\n"] {
        let output = hash_password(input);

        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output).contains("the password is empty"));
        assert!(output.stdout.is_empty());
    }
}

/// Types at a terminal, each answer after its prompt; returns what was printed, and what the terminal showed.
fn type_passwords(answers: [&str; 2]) -> (Output, String) {
    let directory = TempDir::new().unwrap();
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut child = program(&directory)
        .arg("hash-password")
        .stdin(terminal.slave)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = fs::File::from(terminal.master);
    let mut said = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    for (prompt, answer) in ["Password: ", "The same again: "].into_iter().zip(answers) {
        while !said.ends_with(prompt) {
            let mut byte = [0];
            stderr.read_exact(&mut byte).unwrap();
            said.push(char::from(byte[0]));
        }
        keyboard
            .write_all(format!("{answer}\n").as_bytes())
            .unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let mut shown = Vec::new();
    // Its end is an error: nobody is at the other side any more.
    let _ = keyboard.read_to_end(&mut shown);
    (output, String::from_utf8(shown).unwrap())
}

#[test]
fn a_password_is_typed_twice_and_never_shown() {
    let (output, shown) = type_passwords(["secret", "secret"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(is_hash_of(&output.stdout, "secret"));
    assert_eq!(shown, "\r\n\r\n");

    let (output, _) = type_passwords(["secret", "Secret"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("differ"), "{}", errors(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn scrub_of_a_healthy_store_says_so_and_ends_well() {
    for arguments in [
        &["scrub"][..],
        &["scrub", "--links"],
        &["scrub", "--uploads"],
        &["scrub", "--collect"],
        &["scrub", "--links", "--verify"],
    ] {
        let output = run(Some("storage.fs.root_dir = 'data'"), arguments);

        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("0 found, 0 mended, 0 left"), "{said}");
    }
}

#[test]
fn a_dry_run_of_scrub_makes_no_store() {
    let output = run(
        Some("storage.fs.root_dir = 'data'"),
        &["scrub", "--dry-run", "--json"],
    );

    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("opening data"),
        "{}",
        errors(&output)
    );
}

#[test]
fn the_built_in_configuration_says_what_it_is() {
    let output = run(None, &["scrub"]);

    assert!(
        errors(&output).contains("there is no config.toml"),
        "{}",
        errors(&output)
    );
    assert!(
        errors(&output).contains("everything allowed"),
        "{}",
        errors(&output)
    );
}

#[test]
fn warnings_of_a_configuration_are_logged() {
    let config =
        "storage.fs.root_dir = 'data'\nrepository.a.access_policy = {}\nrepository.\"a/b\" = {}\n";

    let output = run(Some(config), &["scrub"]);

    assert!(
        errors(&output).contains("config.toml:3:12: repository.\"a/b\": has no access_policy"),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_log_filter_that_makes_no_sense_is_told_of_and_replaced() {
    let directory = TempDir::new().unwrap();

    let output = program(&directory)
        .arg("scrub")
        .env("RUST_LOG", "=loud=")
        .output()
        .unwrap();

    assert!(errors(&output).contains("RUST_LOG"), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}

const POLICY: &str = "storage.fs.root_dir = 'data'\n[repository.team.access_policy]\n\
    rules = [\"request.action == 'get-blob'\", \"identity.certificate.organizations.contains('ops')\"]\n";

#[test]
fn a_policy_is_tested_without_a_server() {
    for (arguments, code, last) in [
        (
            &["--action", "get-blob"][..],
            0,
            "allowed: rule 0 is true\n",
        ),
        (&["--action", "list-tags"], 2, "denied: no rule is true\n"),
        (
            &["--action", "list-tags", "--certificate-o", "ops"],
            0,
            "allowed: rule 1 is true\n",
        ),
    ] {
        let command = ["policy", "test", "--repository", "team/app"];
        let output = run(Some(POLICY), &[&command[..], arguments].concat());

        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with(last), "{text}");
    }
}

#[test]
fn a_policy_test_that_makes_no_sense_ends_with_64_and_says_why() {
    for (arguments, message) in [
        (
            &["--action", "push"][..],
            "the actions are get-api-version, ",
        ),
        (&["--action", "get-blob"], "name it with --repository"),
        (
            &["--action", "get-blob", "--repository", "A"],
            "Error parsing option '--repository'",
        ),
        (
            &[
                "--action",
                "list-tags",
                "--repository",
                "a",
                "--user",
                "bob",
            ],
            "no identity has the user name \"bob\"",
        ),
        (&[], "--action"),
    ] {
        let output = run(Some(POLICY), &[&["policy", "test"][..], arguments].concat());

        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(errors(&output).contains(message), "{}", errors(&output));
    }
}
