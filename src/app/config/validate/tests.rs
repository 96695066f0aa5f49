use crate::app::config::{Loaded, parse};
use crate::domain::namespaces::MissingReferences;

const STORAGE: &str = "storage.fs.root_dir = 'data'\n";

fn load(rest: &str) -> Result<Loaded, String> {
    parse("c.toml", &format!("{STORAGE}{rest}"), &|_| None).map_err(|error| error.to_string())
}

/// What a configuration is refused with, after its file and place.
fn refusals(rest: &str) -> Vec<String> {
    let error = load(rest).unwrap_err();
    error
        .lines()
        .map(|line| line.split_once(": ").unwrap().1.to_owned())
        .collect()
}

fn warnings(rest: &str) -> Vec<String> {
    load(rest)
        .unwrap()
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn an_upstream_whose_path_begins_no_name_is_refused() {
    let refused = refusals("[[repository.a.upstream]]\nurl = 'https://x/v2/Team'");
    assert_eq!(refused.len(), 1, "{refused:?}");
    let expected = "repository.a.upstream[0].url: \"Team\" begins no name: ";
    assert!(refused[0].starts_with(expected), "{refused:?}");
}

#[test]
fn a_partner_that_is_missing_is_named() {
    let upstream = "[[repository.a.upstream]]\nurl = 'https://x'\n";
    for (rest, expected) in [
        (
            "client_certificate = 'c'",
            "repository.a.upstream[0].client_private_key: missing; `client_certificate` needs it",
        ),
        (
            "client_private_key = 'k'",
            "repository.a.upstream[0].client_certificate: missing; `client_private_key` needs it",
        ),
        (
            "username = 'u'",
            "repository.a.upstream[0].password: missing; `username` needs it",
        ),
        (
            "password = 'p'",
            "repository.a.upstream[0].username: missing; `password` needs it",
        ),
    ] {
        assert_eq!(refusals(&format!("{upstream}{rest}")), [expected]);
    }
    assert_eq!(
        refusals("observability.port = 1"),
        ["observability.bind_address: missing; `port` needs it"]
    );
    assert_eq!(
        refusals("observability.bind_address = '::'"),
        ["observability.port: missing; `bind_address` needs it"]
    );
    assert_eq!(
        refusals("server.tls.server_private_key = 'k'"),
        ["server.tls.server_certificate_bundle: missing"]
    );
    assert_eq!(
        refusals("server.tls.server_certificate_bundle = 'c'"),
        ["server.tls.server_private_key: missing"]
    );
}

const S3: &str = "[storage.s3]\nendpoint = 'http://e'\nbucket = 'b'\nregion = 'r'\n";

#[test]
fn an_access_key_has_both_parts_or_neither() {
    let message = |rest: &str| {
        parse("c", &format!("{S3}{rest}"), &|_| None)
            .map_or_else(|e| e.to_string(), |_| String::new())
    };

    assert_eq!(message(""), "");
    assert_eq!(message("access_key_id = 'a'\nsecret_key = 's'"), "");
    for (one, other) in [
        ("access_key_id", "secret_key"),
        ("secret_key", "access_key_id"),
    ] {
        let message = message(&format!("{one} = 'hush'"));
        let expected = format!("storage.s3.{other}: missing; `{one}` needs it");
        assert!(message.ends_with(&expected), "{message}");
        assert!(!message.contains("hush"), "{message}");
    }
}

#[test]
fn numbers_that_would_stop_the_registry_are_refused() {
    for (rest, key) in [
        ("max_concurrent_requests = 0", "max_concurrent_requests"),
        (
            "max_concurrent_requests = 9223372036854775807",
            "max_concurrent_requests",
        ),
        ("server.query_timeout = 0", "server.query_timeout"),
        (
            "server.streaming_chunk_size = 0",
            "server.streaming_chunk_size",
        ),
        ("uploads.max_age = '0s'", "uploads.max_age"),
        ("collector.rate_limit = 0", "collector.rate_limit"),
        (
            "lock_store.redis = { url = 'redis://x', ttl = 0 }",
            "lock_store.redis.ttl",
        ),
    ] {
        assert!(
            refusals(rest)[0].starts_with(&format!("{key}: expected ")),
            "{rest}"
        );
    }
}

#[test]
fn a_grace_period_of_nothing_is_allowed() {
    assert!(load("server.query_timeout_grace_period = 0").is_ok());
}

#[test]
fn a_chunk_that_is_too_small_is_raised_with_a_warning() {
    let loaded = load("server.streaming_chunk_size = 100").unwrap();

    assert_eq!(loaded.config.streaming_chunk_size().bytes(), 4096);
    assert_eq!(
        loaded.warnings[0].to_string(),
        "2:8: server.streaming_chunk_size: 100B is too small and was raised to 4KiB"
    );
}

#[test]
fn the_chunk_suits_the_filesystem_unless_told_otherwise() {
    assert_eq!(
        load("").unwrap().config.streaming_chunk_size().bytes(),
        256 << 10
    );
    assert_eq!(
        load("server.streaming_chunk_size = '50MB'")
            .unwrap()
            .config
            .streaming_chunk_size()
            .bytes(),
        50_000_000
    );
}

#[test]
fn a_redis_url_is_checked_and_not_shown() {
    for section in ["lock_store", "cache_store"] {
        let refusals = refusals(&format!("{section}.redis.url = 'http://:hunter2@host'"));

        assert!(
            refusals[0].contains("redis://localhost:6379") && !refusals[0].contains("hunter2"),
            "{refusals:?}"
        );
    }
}

#[test]
fn identities_have_names_of_their_own_and_hashed_passwords() {
    let refusals = refusals(
        "identity.a = { username = 'same', password = 'hunter2' }\n\
         identity.b = { username = 'same', password = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGE' }\n\
         identity.c = { username = 'with:colon', password = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGE' }",
    );

    assert_eq!(refusals.len(), 3, "{refusals:?}");
    assert!(refusals[0].starts_with("identity.a.password: expected an argon2 hash"));
    assert!(!refusals[0].contains("hunter2"));
    assert_eq!(
        refusals[1],
        "identity.b.username: the user name of identity \"a\" already"
    );
    assert!(refusals[2].starts_with("identity.c.username: a user name has no colon"));
}

#[test]
fn rules_under_the_wrong_policy_are_sent_to_the_right_one() {
    assert_eq!(
        refusals(
            "repository.a.access_policy.rules = ['image.tag == \"x\"', 'true', 'last_pulled.size() > 0']"
        ),
        [
            "repository.a.access_policy.rules[0]: `image.tag` belongs to `retention_policy`",
            "repository.a.access_policy.rules[2]: `last_pulled` belongs to `retention_policy`",
        ]
    );
    assert_eq!(
        refusals("repository.a.retention_policy.rules = ['identity.id == \"x\"']"),
        ["repository.a.retention_policy.rules[0]: `identity.id` belongs to `access_policy`"]
    );
}

#[test]
fn the_entry_for_all_the_rest_has_two_spellings() {
    for name in ["\"*\"", "\"\""] {
        let config = load(&format!(
            "repository.{name}.access_policy.default_allow = true"
        ))
        .unwrap()
        .config;

        assert!(
            config.repository["*"]
                .access_policy
                .as_ref()
                .unwrap()
                .default_allow
        );
    }
    assert!(refusals("repository.\"*\" = {}\nrepository.\"\" = {}")[0].contains("keep one"));
}

#[test]
fn an_entry_without_a_policy_below_one_that_has_it_is_warned_of() {
    let warned = warnings(
        "repository.team.access_policy.default_allow = true\n\
         repository.\"team/app\" = {}\n\
         repository.teammate = {}",
    );

    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].starts_with("3:12: repository.\"team/app\": has no access_policy"),
        "{warned:?}"
    );
    assert!(warned[0].ends_with("not even from \"team\""), "{warned:?}");
}

#[test]
fn the_star_counts_as_the_shortest_entry() {
    let warned = warnings(
        "repository.\"*\".access_policy = {}\nrepository.a = {}\nrepository.b.access_policy = {}",
    );

    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].contains("repository.a: has no access_policy"),
        "{warned:?}"
    );
}

#[test]
fn missing_references_has_three_settings() {
    for (text, setting) in [
        ("refuse", MissingReferences::Refuse),
        ("indexes", MissingReferences::Indexes),
        ("accept", MissingReferences::Accept),
    ] {
        let config = load(&format!("repository.a.missing_references = '{text}'"))
            .unwrap()
            .config;

        assert_eq!(config.repository["a"].missing_references, setting);
    }
    assert_eq!(
        load("repository.a = {}").unwrap().config.repository["a"].missing_references,
        MissingReferences::Indexes
    );
}

#[test]
fn a_rule_that_can_not_be_used_is_refused_with_its_text_and_the_reason() {
    let rules =
        "repository.a.access_policy.rules = [\n  'true',\n  \"identity.nmae == 'x'\",\n  '1 +',\n]";
    let message = load(rules).unwrap_err();

    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(
        lines[0],
        "c.toml:4:3: repository.a.access_policy.rules[1]: \"identity.nmae == 'x'\": \
         unknown variable `identity.nmae`; did you mean `identity.id`?"
    );
    assert!(
        lines[1]
            .starts_with("c.toml:5:3: repository.a.access_policy.rules[2]: \"1 +\": column 4: "),
        "{message}"
    );
    assert_eq!(lines.len(), 2, "{message}");
}

#[test]
fn a_long_rule_is_not_repeated_in_full() {
    let rule = "x".repeat(5000);

    let refusals = refusals(&format!("repository.a.access_policy.rules = ['{rule}']"));

    assert!(
        refusals[0].ends_with("x…\": longer than 4096 bytes"),
        "{refusals:?}"
    );
    assert!(refusals[0].len() < 400);
}

#[test]
fn a_pattern_that_matches_no_tag_is_refused() {
    assert_eq!(
        refusals("repository.a.immutable_tags = ['v*', '^v.*$']"),
        [
            "repository.a.immutable_tags[1]: expected a tag in which * stands for any characters \
             and ? for one, such as \"v*\", found \"^v.*$\""
        ]
    );
}

#[test]
fn exceptions_from_nothing_are_warned_of() {
    let policy = "repository.a.access_policy = {}\n";
    let alone = warnings(&format!("{policy}repository.a.mutable_tags = ['v*']"));
    let both =
        format!("{policy}repository.a = {{ immutable_tags = ['v*'], mutable_tags = ['*-rc*'] }}");

    assert_eq!(alone.len(), 1, "{alone:?}");
    assert!(
        alone[0].contains("repository.a.mutable_tags: has no effect"),
        "{alone:?}"
    );
    assert!(warnings(&both.replace(policy, "")).is_empty());
}

#[test]
fn a_mirror_names_registries_and_has_an_upstream() {
    assert_eq!(
        refusals("repository.a.cache_max_size = '1GB'"),
        [
            "repository.a.cache_max_size: needs an `upstream`: only what a mirror has pulled is evicted"
        ]
    );
    assert_eq!(
        refusals("repository.a.cache_max_size = 0"),
        ["repository.a.cache_max_size: expected a size, found 0; leave it out for no limit"]
    );
    assert_eq!(
        refusals("repository.a.mirrors = ['docker.io']"),
        ["repository.a.mirrors: needs an `upstream` to be filled from"]
    );
    let upstream = "[[repository.a.upstream]]\nurl = 'https://x'\n";
    let refused = refusals(&format!(
        "repository.a.mirrors = ['docker.io', 'https://quay.io', '', 'a/b', '[::1]:5000']\n{upstream}"
    ));
    let refused: Vec<&str> = refused
        .iter()
        .filter_map(|it| it.split(": ").next())
        .collect();
    assert_eq!(
        refused,
        [
            "repository.a.mirrors[1]",
            "repository.a.mirrors[2]",
            "repository.a.mirrors[3]"
        ]
    );
}

/// Clients take a shorter life for a minute (docs/security.md).
#[test]
fn a_token_lives_for_a_minute_to_a_day() {
    for (rest, refusal) in [
        ("token.lifetime = '59s'", "59s"),
        ("token.lifetime = 0", "0s"),
        ("token.lifetime = '25h'", "25h"),
    ] {
        assert_eq!(
            refusals(rest),
            [format!(
                "token.lifetime: expected 60 seconds to 24 hours, found {refusal}: clients take less for 60 seconds"
            )]
        );
    }
    for rest in ["token.lifetime = 60", "token.lifetime = '1d'"] {
        assert!(warnings(rest).is_empty());
    }
}

#[test]
fn a_key_of_tokens_is_long_and_not_shown() {
    let refusals = refusals("token.key = 'hunter2 hunter2'");

    assert!(refusals[0].starts_with("token.key: expected at least 32 characters without blanks"));
    assert!(!refusals[0].contains("hunter2"));
    assert!(warnings("token.key = '0123456789abcdef0123456789abcdef'").is_empty());
}
