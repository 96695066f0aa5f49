//! Issue 4, "Bad input": a server does not start with what can't mean what was meant, and says where and why.

use std::fs;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGE";

/// What a server says of this configuration, from its fifth line on, before it ends.
fn refusal(directory: &TempDir, rest: &str) -> String {
    let config = format!("[storage.fs]\nroot_dir = 'data'\n[server]\nport = 0\n{rest}");
    fs::write(directory.path().join("config.toml"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_simple-registry"))
        .arg("server")
        .current_dir(directory.path())
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        matches!(output.status.code(), Some(1 | 64)),
        "{rest}: {errors}"
    );
    assert!(!errors.contains("listening"), "{rest}: {errors}");
    errors
}

#[test]
fn identities_and_rules_that_can_not_be_used_stop_the_start() {
    let directory = TempDir::new().unwrap();
    let twice = format!(
        "[identity]\na = {{ username = 'ann', password = '{HASH}' }}\nb = {{ username = 'ann', password = '{HASH}' }}"
    );
    for (rest, expected) in [
        (
            "[identity.a]\nusername = 'ann'\npassword = 'hunter2'",
            "7:1: identity.a.password: expected an argon2 hash",
        ),
        (
            "[identity.a]\nusername = 'ann'\npassword = '$argon2id$v=19$m=8,t=1,p=1$hunter2'",
            "7:1: identity.a.password: expected an argon2 hash",
        ),
        (
            "[identity.a]\nusername = 'ann'\npassword = '$2y$05$hunter2'",
            "7:1: identity.a.password: expected an argon2 hash",
        ),
        (
            &twice,
            "7:7: identity.b.username: the user name of identity \"a\" already",
        ),
        (
            "[identity.a]\nusername = 'ann'",
            "5:11: identity.a.password: missing",
        ),
        (
            "[repository.a.access_policy]\nrules = [\n  'true',\n  \"identity.username = 'x'\",\n]",
            "8:3: repository.a.access_policy.rules[1]: \"identity.username = 'x'\": column 19: ",
        ),
        (
            "[repository.a.access_policy]\nrules = [\"identity.user == 'x'\"]",
            "6:10: repository.a.access_policy.rules[0]: \"identity.user == 'x'\": unknown variable `identity.user`; did you mean `identity.username`?",
        ),
        (
            "[repository.a.access_policy]\nrules = ['frobnicate(identity.id)']",
            "6:10: repository.a.access_policy.rules[0]: \"frobnicate(identity.id)\": unknown function `frobnicate`",
        ),
        (
            "[repository.a.access_policy]\nrules = ['image.tag == \"x\"']",
            "6:10: repository.a.access_policy.rules[0]: `image.tag` belongs to `retention_policy`",
        ),
        (
            "[repository.a.access_policy]\nrules = 'true'",
            "6:9: repository.a.access_policy.rules: expected a list",
        ),
        (
            "[repository.a.access_policy]\ndefault_allow = 'yes'",
            "6:17: repository.a.access_policy.default_allow: expected true or false",
        ),
    ] {
        let errors = refusal(&directory, rest);

        assert!(
            errors.starts_with(&format!("config.toml:{expected}")),
            "{expected}:\n{errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn certificates_and_keys_that_can_not_be_used_stop_the_start() {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let [key, other] = [(); 2].map(|()| KeyPair::generate().unwrap());
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    write("good.pem", &certificate.pem());
    write("good.key", &key.serialize_pem());
    write("other.key", &other.serialize_pem());
    write("cut.pem", &certificate.pem()[..200]);
    write("empty", "");
    for (certificate, key, clients, expected) in [
        (
            "good.pem",
            "other.key",
            "good.pem",
            "server_private_key: can't be used: other.key: is not the key of",
        ),
        (
            "good.pem",
            "good.pem",
            "good.pem",
            "server_private_key: can't be used: good.pem: holds no private key",
        ),
        (
            "good.key",
            "good.key",
            "good.pem",
            "server_certificate_bundle: can't be used: good.key: holds no certificate",
        ),
        (
            "cut.pem",
            "good.key",
            "good.pem",
            "server_certificate_bundle: can't be used: cut.pem: ",
        ),
        (
            ".",
            "good.key",
            "good.pem",
            "server_certificate_bundle: can't be used: .: ",
        ),
        (
            "good.pem",
            "good.key",
            "empty",
            "client_ca_bundle: can't be used: empty: holds no certificate",
        ),
        (
            "good.pem",
            "good.key",
            "cut.pem",
            "client_ca_bundle: can't be used: cut.pem: ",
        ),
        (
            "good.pem",
            "good.key",
            "absent",
            "client_ca_bundle: can't be used: absent: ",
        ),
    ] {
        let files = format!(
            "[server.tls]\nserver_certificate_bundle = '{certificate}'\nserver_private_key = '{key}'\nclient_ca_bundle = '{clients}'\n"
        );

        let errors = refusal(&directory, &files);

        assert!(
            errors.contains(&format!("server.tls.{expected}")),
            "{expected}:\n{errors}"
        );
        assert!(!errors.contains("BEGIN"), "{errors}");
    }
}
