use hyper::header::HeaderValue;

use super::*;

/// The client of a request from `peer`, where 10.0.0.0/8 and `fd00::/8` are trusted.
fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let trusted: Vec<Network> = ["10.0.0.0/8", "fd00::/8"]
        .map(|it| it.parse().unwrap())
        .to_vec();
    address(peer.parse().unwrap(), &map, &trusted).to_string()
}

/// lessons.md, correctness 41
#[test]
fn forwarding_headers_count_from_trusted_proxies_only() {
    for (peer, headers, expected) in [
        ("203.0.113.1", &[][..], "203.0.113.1"),
        ("::ffff:203.0.113.1", &[], "203.0.113.1"),
        (
            "203.0.113.1",
            &[("x-forwarded-for", "198.51.100.7")],
            "203.0.113.1",
        ),
        (
            "203.0.113.1",
            &[("forwarded", "for=198.51.100.7")],
            "203.0.113.1",
        ),
        (
            "10.0.0.1",
            &[("x-forwarded-for", "198.51.100.7")],
            "198.51.100.7",
        ),
        (
            "::ffff:10.0.0.1",
            &[("x-forwarded-for", "198.51.100.7")],
            "198.51.100.7",
        ),
        (
            "fd00::1",
            &[("forwarded", r#"For="[2001:db8::7]:4711";proto=https"#)],
            "2001:db8::7",
        ),
        (
            "10.0.0.1",
            &[("forwarded", "proto=http;for=198.51.100.7:80")],
            "198.51.100.7",
        ),
    ] {
        assert_eq!(client(peer, headers), expected, "{peer} {headers:?}");
    }
}

/// What the client itself wrote comes first, and what the proxies add last.
#[test]
fn a_client_can_not_write_its_own_address() {
    for (headers, expected) in [
        (
            &[("x-forwarded-for", "1.1.1.1, 198.51.100.7")][..],
            "198.51.100.7",
        ),
        (
            &[("x-forwarded-for", "1.1.1.1, 198.51.100.7, 10.9.9.9")],
            "198.51.100.7",
        ),
        (
            &[
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-for", "198.51.100.7"),
            ],
            "198.51.100.7",
        ),
        (&[("x-forwarded-for", "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
        (&[("x-forwarded-for", "1.1.1.1, nonsense")], "10.0.0.1"),
        (&[("x-forwarded-for", "1.1.1.1, , 10.2.2.2")], "10.2.2.2"),
        (&[("forwarded", "for=1.1.1.1, for=unknown")], "10.0.0.1"),
        (
            &[
                ("forwarded", "for=1.1.1.1"),
                ("x-forwarded-for", "198.51.100.7"),
            ],
            "10.0.0.1",
        ),
    ] {
        assert_eq!(client("10.0.0.1", headers), expected, "{headers:?}");
    }
}

#[test]
fn addresses_of_one_household_are_one_client() {
    let key = |address: &str| key(address.parse().unwrap());

    assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_ne!(key("203.0.113.1"), key("203.0.113.2"));
}

fn origin_of(peer: &str, headers: &[(&'static str, &str)], host: Option<&str>) -> Option<String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let trusted: [Network; 1] = ["10.0.0.0/8".parse().unwrap()];
    let direct = Origin {
        encrypted: false,
        host,
    };
    origin(peer.parse().unwrap(), &map, &trusted, direct)
}

/// lessons.md, correctness 41
#[test]
fn a_trusted_proxy_says_what_the_client_calls_us() {
    let (proxy, client) = ("10.0.0.1", "203.0.113.1");
    let https = ("x-forwarded-proto", "https");
    let host = ("x-forwarded-host", "registry.example");
    for (peer, headers, expected) in [
        (client, &[][..], "http://inner:5000"),
        (client, &[https, host], "http://inner:5000"),
        (proxy, &[https], "https://inner:5000"),
        (proxy, &[host], "http://registry.example"),
        (proxy, &[https, host], "https://registry.example"),
        (
            proxy,
            &[
                ("x-forwarded-host", "evil.example, registry.example"),
                https,
            ],
            "https://registry.example",
        ),
        (
            proxy,
            &[(
                "forwarded",
                r#"for=192.0.2.1;proto=https;host="registry.example:8443""#,
            )],
            "https://registry.example:8443",
        ),
        (
            client,
            &[("forwarded", "proto=https;host=evil.example")],
            "http://inner:5000",
        ),
        (
            proxy,
            &[(
                "forwarded",
                "host=evil.example, proto=https;host=[2001:db8::1]:5000",
            )],
            "https://[2001:db8::1]:5000",
        ),
    ] {
        let origin = origin_of(peer, headers, Some("inner:5000"));
        assert_eq!(origin.as_deref(), Some(expected), "{headers:?}");
    }
}

#[test]
fn what_is_no_host_gets_into_no_header() {
    for host in [
        "",
        "a\"b",
        "a\",service=\"b",
        "a b",
        "user@a",
        "a/b",
        "a\\b",
        "a?b",
        "é",
        &"a".repeat(256),
    ] {
        assert_eq!(origin_of("203.0.113.1", &[], Some(host)), None, "{host}");
    }
    assert_eq!(origin_of("203.0.113.1", &[], None), None);
}
