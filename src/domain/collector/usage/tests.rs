use super::*;
use crate::domain::model::{Algorithm, Hasher};
use crate::domain::namespaces::Namespace;

fn digest(of: &str) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, of.as_bytes())
}

fn namespaces(prefixes: &[&str]) -> Namespaces {
    let entries = prefixes
        .iter()
        .map(|it| ((*it).to_owned(), Namespace::default()));
    Namespaces::new(entries)
}

/// What a pass counts that finds these claims, and then this content.
fn counted(claims: &[(&str, &[&str])], content: &[(&str, u64)]) -> Usage {
    let mut all = Claims::default();
    for (namespace, claimed) in claims {
        all.enter(namespace);
        for it in *claimed {
            all.insert(&digest(it));
        }
    }
    for (name, size) in content {
        all.count(&digest(name), *size);
    }
    all.usage()
}

fn bytes(usage: &Usage) -> Vec<(&str, u64)> {
    let all = usage.namespaces.iter();
    all.map(|(name, it)| (name.as_str(), it.content)).collect()
}

#[test]
fn content_counts_once_in_each_namespace_that_links_it_and_once_in_all() {
    let usage = counted(
        &[
            ("a", &["one", "ab", "abc", "one", "ab"]),
            ("b", &["abc", "ab", "bc"]),
            ("c", &["bc", "abc", "gone"]),
            ("d", &[]),
        ],
        &[
            ("one", 1),
            ("ab", 10),
            ("abc", 100),
            ("bc", 1000),
            ("nobody's", 10_000),
        ],
    );

    assert_eq!(
        bytes(&usage),
        [("a", 111), ("b", 1110), ("c", 1100), ("d", 0)]
    );
    assert_eq!(usage.content, 11_111);
}

/// As many sets as there are ways to share, whatever there is of content.
#[test]
fn content_that_is_shared_alike_takes_no_memory_for_it() {
    let names: Vec<_> = (0..1000).map(|it| it.to_string()).collect();
    let mut claims = Claims::default();
    for namespace in ["a", "b", "c"] {
        claims.enter(namespace);
        for name in &names {
            claims.insert(&digest(name));
        }
    }

    assert_eq!(claims.sets.len(), 4);
}

#[test]
fn every_repository_is_in_one_namespace_and_every_namespace_is_there() {
    let repositories = ["team/app", "team/sub/app", "other"].map(|it| it.parse().unwrap());
    for (prefixes, expected) in [
        (
            &["team", "team/sub"][..],
            "(none): other team: team/app team/sub: team/sub/app",
        ),
        (&["team", "*"], "*: other team: team/app team/sub/app"),
        (&["empty", ""], "*: team/app team/sub/app other empty:"),
    ] {
        let namespaces = namespaces(prefixes);
        let mut words = Vec::new();
        for (name, repositories) in by_namespace(&namespaces, repositories.to_vec()) {
            words.push(format!("{name}:"));
            words.extend(repositories.iter().map(ToString::to_string));
        }
        assert_eq!(words.join(" "), expected);
    }
}

#[test]
fn what_is_no_namespace_any_more_is_forgotten() {
    let mut usage = counted(&[("(none)", &[]), ("a", &[]), ("b", &[])], &[]);

    usage.keep(&namespaces(&["*", "b", "c"]));

    assert_eq!(bytes(&usage), [("b", 0)]);
}

#[test]
fn repositories_count_in_the_namespace_that_is_gone_through() {
    let mut claims = Claims::default();
    for (namespace, repositories) in [("a", 2), ("b", 0), ("c", 1)] {
        claims.enter(namespace);
        for _ in 0..repositories {
            claims.add_repository();
        }
    }

    let usage = claims.usage();

    let counts = usage.namespaces.values().map(|it| it.repositories);
    assert!(counts.eq([2, 0, 1]), "{usage:?}");
}
