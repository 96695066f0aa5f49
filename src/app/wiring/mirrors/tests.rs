use super::*;

fn names(url: &str, mirrors: Option<&[&str]>) -> Vec<(String, String)> {
    let url = crate::adapters::units::HttpUrl::parse(url).unwrap();
    let address = Address::new("library", &url).unwrap();
    let mirrors: Option<Vec<String>> =
        mirrors.map(|it| it.iter().map(|host| (*host).to_owned()).collect());
    let names = names_of(&address, mirrors.as_deref());
    names
        .into_iter()
        .map(|it| (it.registry, it.prefix))
        .collect()
}

#[test]
fn an_upstream_is_asked_in_its_own_name_unless_it_is_said_in_which() {
    let own = names("https://registry-1.docker.io/v2/library", None);
    assert_eq!(own, [("registry-1.docker.io".into(), "library".into())]);

    let said = names(
        "https://registry-1.docker.io/v2/library",
        Some(&["docker.io"]),
    );
    assert_eq!(said, [("docker.io".into(), "library".into())]);

    let none = names("https://registry-1.docker.io/v2/library", Some(&[]));
    assert_eq!(none, []);
}

#[test]
fn names_of_another_registry_may_lie_below_the_prefix() {
    let cache = names("https://cache.example:8443/hub", Some(&["docker.io"]));

    assert_eq!(
        cache,
        [
            ("docker.io".into(), "hub".into()),
            ("docker.io".into(), String::new())
        ]
    );
}
