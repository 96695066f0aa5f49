use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// lessons.md, security 5
#[test]
fn a_realm_is_trusted_on_the_host_and_in_its_site_only() {
    for (home, realm, trusted) in [
        (
            "https://registry-1.docker.io",
            "https://auth.docker.io/token",
            true,
        ),
        (
            "https://registry.gitlab.com",
            "https://gitlab.com/jwt/auth",
            true,
        ),
        ("https://ghcr.io", "https://ghcr.io/token", true),
        ("https://ghcr.io", "https://auth.ghcr.io/token", true),
        (
            "https://r.example:5000",
            "https://r.example:5001/token",
            true,
        ),
        ("http://r.example", "http://auth.r.example/token", true),
        ("http://r.example", "https://r.example/token", true),
        (
            "https://r.corp.co.uk",
            "https://auth.corp.co.uk/token",
            true,
        ),
        ("https://127.0.0.1:1", "https://127.0.0.1:2/token", true),
        (
            "https://registry-1.docker.io",
            "http://auth.docker.io/token",
            false,
        ),
        (
            "https://registry-1.docker.io",
            "https://auth.docker.io.evil.example/token",
            false,
        ),
        (
            "https://registry-1.docker.io",
            "https://evildocker.io/token",
            false,
        ),
        ("https://registry-1.docker.io", "https://io/token", false),
        ("https://ghcr.io", "https://evil.io/token", false),
        ("https://corp.co.uk", "https://evil.co.uk/token", false),
        ("https://corp.com.au", "https://com.au/token", false),
        ("https://10.1.2.3", "https://9.1.2.3/token", false),
        ("https://10.1.2.3", "https://a.1.2.3.example/token", false),
        ("https://[::1]", "https://[::2]/token", false),
        ("http://localhost", "http://127.0.0.1/token", false),
        ("http://localhost", "http://evil/token", false),
    ] {
        let reach = Reach::new(url(home));
        assert_eq!(reach.trusts(&url(realm)), trusted, "{home} {realm}");
    }
}

/// lessons.md, security 24
#[tokio::test]
async fn nobody_leads_from_outside_to_this_machine_or_its_link() {
    let outside = Reach::new(url("https://r.example"));
    let own = Reach::new(url("https://127.0.0.1:5000"));
    let from = url("https://r.example");
    for target in [
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://localhost/x",
        "https://localhost./x",
        "https://a.localhost/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::]/x",
        "https://0.0.0.0/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/x",
        "https://[fd00:ec2::254]/latest/meta-data",
        "https://100.100.100.200/latest/meta-data",
    ] {
        let refused = outside.admits(&from, &url(target)).await.unwrap_err();
        assert!(
            refused.contains("which is on this machine or its link"),
            "{refused}"
        );
        assert_eq!(own.admits(&from, &url(target)).await, Ok(()), "{target}");
    }
    for target in [
        "https://10.0.0.1/x",
        "https://[2001:db8::1]/x",
        "https://r.example/x",
    ] {
        assert_eq!(
            outside.admits(&from, &url(target)).await,
            Ok(()),
            "{target}"
        );
    }
}

/// The name of this machine resolves to an address of its own, wherever tests run.
#[tokio::test]
async fn a_name_is_judged_by_its_addresses() {
    let reach = Reach::new(url("https://r.example"));
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let names = hosts.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        let name = words.find(|it| !it.contains("localhost"))?;
        address.is_loopback().then_some(name)
    });
    for name in names {
        let target = url(&format!("https://{name}/x"));
        assert!(reach.admits(&target, &target).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn nobody_leads_out_of_tls() {
    let reach = Reach::new(url("https://10.0.0.1"));
    let (secure, plain) = (url("https://10.0.0.1/a"), url("http://10.0.0.1/a"));
    assert!(reach.admits(&secure, &plain).await.is_err());
    assert!(
        reach
            .admits(&secure, &url("ftp://10.0.0.1/a"))
            .await
            .is_err()
    );
    assert!(
        reach
            .admits(&plain, &url("file:///etc/passwd"))
            .await
            .is_err()
    );
    assert!(reach.admits(&plain, &plain).await.is_ok());
    assert!(reach.admits(&plain, &secure).await.is_ok());
}
