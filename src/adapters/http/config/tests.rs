use std::net::IpAddr;

use super::ServerConfig;

fn read(toml: &str) -> Result<ServerConfig, String> {
    toml::from_str(toml).map_err(|error: toml::de::Error| error.message().to_owned())
}

#[test]
fn a_server_listens_on_loopback_unless_told_otherwise() {
    let server = read("").unwrap();

    assert_eq!(server, ServerConfig::default());
    assert!(server.bind_address.is_loopback());
    assert_eq!(server.port, 5000);
    assert_eq!(server.query_timeout.duration().as_secs(), 60);
    assert_eq!(server.query_timeout_grace_period.duration().as_secs(), 30);
}

#[test]
fn an_address_is_an_ip_address_or_localhost() {
    for (text, address) in [
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("[::1]", "::1"),
        ("localhost", "127.0.0.1"),
    ] {
        let server = read(&format!("bind_address = '{text}'")).unwrap();

        assert_eq!(server.bind_address, address.parse::<IpAddr>().unwrap());
    }
    assert!(
        read("bind_address = 'registry.example'")
            .unwrap_err()
            .contains("an IP address such as")
    );
}

#[test]
fn a_certificate_needs_its_key_and_a_key_its_certificate() {
    assert_eq!(
        read("[tls]\nserver_private_key = 'a'").unwrap_err(),
        "missing field `server_certificate_bundle`"
    );
    assert_eq!(
        read("[tls]\nserver_certificate_bundle = 'a'").unwrap_err(),
        "missing field `server_private_key`"
    );
}
