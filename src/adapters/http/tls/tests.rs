use std::fs;

use rcgen::string::{BmpString, Ia5String};
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};
use tempfile::TempDir;

use super::*;

struct Files {
    directory: TempDir,
    config: TlsConfig,
}

impl Files {
    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// The key that is to blame and why, in the words of the log; nothing if all is well.
    fn complaint(&self) -> String {
        let Err(error) = load(&self.config) else {
            return String::new();
        };
        let why = error.source().unwrap();
        let directory = self.directory.path().to_str().unwrap();
        format!("{}: {error}: {why}", error.key).replace(directory, "")
    }
}

/// A certificate of its own authority, and its key.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Files that can be used.
fn files() -> Files {
    let directory = TempDir::new().unwrap();
    let file = |name| directory.path().join(name);
    let config = TlsConfig {
        server_certificate_bundle: file("server.pem"),
        server_private_key: file("server.key"),
        client_ca_bundle: Some(file("clients.pem")),
    };
    let files = Files { directory, config };
    let (certificate, key) = pair();
    files.write("server.pem", &certificate);
    files.write("server.key", &key);
    files.write("clients.pem", &pair().0);
    files
}

/// lessons.md, correctness 43 and security 29: nothing falls back to plain HTTP, or to fewer checks.
#[test]
fn a_file_that_can_not_be_used_is_named_with_its_key_and_the_reason() {
    let (certificate, key) = pair();
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let with_broken = format!("{certificate}{broken}");
    for (name, text, expected) in [
        (
            "server.pem",
            "",
            "server.tls.server_certificate_bundle: /server.pem: holds no certificate in PEM",
        ),
        (
            "server.pem",
            "nonsense",
            "server.tls.server_certificate_bundle: /server.pem: holds no certificate in PEM",
        ),
        (
            "server.pem",
            broken,
            "server.tls.server_certificate_bundle: /server.pem: certificate 1 in it: ",
        ),
        (
            "server.pem",
            &with_broken,
            "server.tls.server_certificate_bundle: /server.pem: certificate 2 in it: ",
        ),
        (
            "server.pem",
            &key,
            "server.tls.server_certificate_bundle: /server.pem: holds no certificate in PEM",
        ),
        (
            "server.key",
            "",
            "server.tls.server_private_key: /server.key: holds no private key in PEM",
        ),
        (
            "server.key",
            locked,
            "server.tls.server_private_key: /server.key: holds no private key in PEM",
        ),
        (
            "server.key",
            &key,
            "server.tls.server_private_key: /server.key: is not the key of the first certificate in /server.pem",
        ),
        (
            "clients.pem",
            "",
            "server.tls.client_ca_bundle: /clients.pem: holds no certificate in PEM",
        ),
        (
            "clients.pem",
            broken,
            "server.tls.client_ca_bundle: /clients.pem: certificate 1 in it: ",
        ),
        (
            "clients.pem",
            &with_broken,
            "server.tls.client_ca_bundle: /clients.pem: certificate 2 in it: ",
        ),
    ] {
        let files = files();
        files.write(name, text);

        let complaint = files.complaint();

        assert!(complaint.starts_with(expected), "{complaint}\n{expected}");
        assert!(!complaint.contains("BEGIN"), "{complaint}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for (name, key) in [
        ("server.pem", "server.tls.server_certificate_bundle"),
        ("server.key", "server.tls.server_private_key"),
        ("clients.pem", "server.tls.client_ca_bundle"),
    ] {
        let files = files();
        fs::remove_file(files.directory.path().join(name)).unwrap();

        let complaint = files.complaint();

        assert!(
            complaint.starts_with(&format!("{key}: /{name}: ")),
            "{complaint}"
        );
    }
}

#[test]
fn a_certificate_that_has_expired_is_used_and_seen() {
    let files = files();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    files.write("server.pem", &certificate.pem());
    files.write("server.key", &key.serialize_pem());

    assert_eq!(files.complaint(), "");
    assert_eq!(is_valid_today(certificate.der()), Some(false));
}

#[test]
fn the_names_of_a_client_are_its_texts() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["x".to_owned()]).unwrap();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "bob");
    name.push(
        DnType::OrganizationName,
        DnValue::Ia5String(Ia5String::try_from("admin").unwrap()),
    );
    params.distinguished_name = name;
    let named = names(params.self_signed(&key).unwrap().der());
    assert_eq!(named.common_names, ["bob"]);
    assert_eq!(named.organizations, ["admin"]);

    let mut name = DistinguishedName::new();
    name.push(
        DnType::CommonName,
        DnValue::BmpString(BmpString::try_from("bob").unwrap()),
    );
    params.distinguished_name = name;
    assert_eq!(
        names(params.self_signed(&key).unwrap().der()),
        ClientCertificate::default()
    );

    let nonsense = CertificateDer::from(vec![0x30, 0]);
    assert_eq!(names(&nonsense), ClientCertificate::default());
}
