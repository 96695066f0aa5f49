use super::*;

fn address(url: &str) -> Result<String, String> {
    let server = Server::new(url, AsyncConnectionConfig::new());
    server
        .map(|server| server.address)
        .map_err(|error| error.to_string())
}

#[test]
fn a_url_names_a_server_or_its_sentinels() {
    for (url, expected) in [
        ("redis://host", "host:6379"),
        ("redis://:secret@host:7000/2", "host:7000"),
        ("rediss://host:7000", "host:7000"),
        ("redis+sentinel://a,b:7/main", "a,b:7 (main)"),
        (
            "redis+sentinel://user:sec%40ret@a:1,[::1]:2/main/3",
            "a:1,[::1]:2 (main)",
        ),
        ("rediss+sentinel://:secret@[::1]/main", "[::1] (main)"),
    ] {
        assert_eq!(address(url), Ok(expected.to_owned()), "{url}");
    }
}

#[test]
fn what_names_neither_is_refused_and_not_shown() {
    for url in [
        "http://:secret@host",
        "redis+sentinel://:secret@host",
        "redis+sentinel://:secret@host/",
        "redis+sentinel://:secret@/main",
        "redis+sentinel://:secret@host:port/main",
        "redis+sentinel://:secret@host,/main",
        "redis+sentinel://:secret@host/main/database",
        "redis+sentinel://secret@host/main",
    ] {
        let refused = address(url).unwrap_err();

        assert!(
            !refused.contains("secret@") && !refused.contains(":secret"),
            "{refused}"
        );
    }
}
