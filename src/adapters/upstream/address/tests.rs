use super::*;

fn address(namespace: &str, url: &str) -> Address {
    Address::new(namespace, &HttpUrl::parse(url).unwrap()).unwrap()
}

fn name_there(namespace: &str, url: &str, repository: &str) -> Option<String> {
    let name = address(namespace, url).name_there(&repository.parse().unwrap());
    name.map(|it| it.to_string())
}

/// semantics.md, "Pull-through"
#[test]
fn the_prefix_of_the_url_takes_the_place_of_the_namespace() {
    for (namespace, url, ours, theirs) in [
        ("team", "https://r.example", "team/app", Some("app")),
        ("team", "https://r.example/", "team/app", Some("app")),
        ("team", "https://r.example/v2", "team/app", Some("app")),
        (
            "team",
            "https://r.example/v2/",
            "team/app/web",
            Some("app/web"),
        ),
        (
            "team",
            "https://r.example/group",
            "team/app",
            Some("group/app"),
        ),
        (
            "team",
            "https://r.example/v2/group/sub",
            "team/app",
            Some("group/sub/app"),
        ),
        (
            "team/app",
            "https://r.example/v2/other",
            "team/app",
            Some("other"),
        ),
        (
            "team",
            "https://r.example/v2/v2",
            "team/app",
            Some("v2/app"),
        ),
        ("*", "https://r.example", "team/app", Some("team/app")),
        (
            "",
            "https://r.example/group",
            "team/app",
            Some("group/team/app"),
        ),
        // Nothing is left of the name.
        ("team/app", "https://r.example", "team/app", None),
    ] {
        let found = name_there(namespace, url, ours);
        assert_eq!(found.as_deref(), theirs, "{namespace} {url} {ours}");
    }
    let long = format!("https://r.example/{}", ["a"; 120].join("/"));
    assert_eq!(
        name_there("b", &long, &format!("b/{}", "c".repeat(50))),
        None
    );
}

#[test]
fn docker_hub_has_three_names_and_one_place() {
    for host in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        let url = format!("https://{host}/v2/library");
        let address = address("library", &url);
        assert_eq!(address.origin().as_str(), "https://registry-1.docker.io/");
        assert_eq!(address.name(), host);
        assert_eq!(
            name_there("library", &url, "library/nginx").unwrap(),
            "library/nginx"
        );
        let whole = format!("https://{host}");
        assert_eq!(
            name_there("hub", &whole, "hub/nginx").unwrap(),
            "library/nginx"
        );
        assert_eq!(
            name_there("hub", &whole, "hub/grafana/grafana").unwrap(),
            "grafana/grafana"
        );
    }
    assert_eq!(
        name_there("a", "https://docker.io.example", "a/nginx").unwrap(),
        "nginx"
    );
}

#[test]
fn it_is_called_by_its_host_and_port() {
    assert_eq!(
        address("a", "https://r.example:5000/x").name(),
        "r.example:5000"
    );
    assert_eq!(address("a", "http://[::1]:5000").name(), "[::1]:5000");
    assert_eq!(address("a", "https://r.example:443").name(), "r.example");
}

#[test]
fn a_path_that_begins_no_name_is_refused() {
    for url in [
        "https://r.example/Group",
        "https://r.example/v2/a//b",
        "https://r.example/a%2fb",
    ] {
        let bad = Address::new("a", &HttpUrl::parse(url).unwrap()).unwrap_err();
        assert!(bad.to_string().contains("begins no name: "), "{bad}");
    }
    for url in [
        "https://a b",
        "https://r%zz.example",
        "https://[::1",
        "https://1.2.3.4.5",
    ] {
        if let Ok(url) = HttpUrl::parse(url) {
            assert!(Address::new("a", &url).is_err(), "{url:?}");
        }
    }
}
