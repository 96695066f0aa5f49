//! `config.example.toml` and `docs/configuration.md`: every key is in them, and what they say is true.

use std::collections::BTreeSet;

use simple_registry::app::config::parse;

const EXAMPLE: &str = include_str!("../../../config.example.toml");
const REFERENCE: &str = include_str!("../../../docs/configuration.md");

/// Every key there is. `*` stands for a name that the user chooses.
pub const KEYS: &[&str] = &[
    "max_concurrent_requests",
    "server.bind_address",
    "server.port",
    "server.query_timeout",
    "server.query_timeout_grace_period",
    "server.streaming_chunk_size",
    "server.external_url",
    "server.trusted_proxies",
    "server.tls.server_certificate_bundle",
    "server.tls.server_private_key",
    "server.tls.client_ca_bundle",
    "lock_store.redis.url",
    "lock_store.redis.ttl",
    "lock_store.redis.key_prefix",
    "cache_store.redis.url",
    "cache_store.redis.key_prefix",
    "storage.fs.root_dir",
    "storage.fs.durable",
    "storage.fs.coherent",
    "storage.s3.access_key_id",
    "storage.s3.secret_key",
    "storage.s3.endpoint",
    "storage.s3.bucket",
    "storage.s3.region",
    "storage.s3.key_prefix",
    "storage.s3.multipart_min_part_size",
    "storage.s3.multipart_copy_threshold",
    "storage.s3.multipart_copy_chunk_size",
    "storage.s3.multipart_copy_jobs",
    "storage.s3.virtual_host_style",
    "storage.s3.ca_bundle",
    "storage.s3.redirect",
    "uploads.max_age",
    "collector.enabled",
    "collector.interval",
    "collector.grace_period",
    "collector.rate_limit",
    "maintenance.retention_interval",
    "maintenance.max_deleted_percent",
    "token.lifetime",
    "token.key",
    "identity.*.username",
    "identity.*.password",
    "repository.*.missing_references",
    "repository.*.immutable_tags",
    "repository.*.mutable_tags",
    "repository.*.mirrors",
    "repository.*.revalidate_interval",
    "repository.*.cache_max_size",
    "repository.*.access_policy.default_allow",
    "repository.*.access_policy.rules",
    "repository.*.retention_policy.rules",
    "repository.*.upstream.url",
    "repository.*.upstream.max_redirect",
    "repository.*.upstream.server_ca_bundle",
    "repository.*.upstream.client_certificate",
    "repository.*.upstream.client_private_key",
    "repository.*.upstream.username",
    "repository.*.upstream.password",
    "observability.bind_address",
    "observability.port",
    "observability.on_main",
    "observability.log_format",
    "observability.tracing.endpoint",
    "observability.tracing.sampling_rate",
];

/// The example with every line switched on, without the sections of one storage.
pub fn switched_on(without: &str) -> String {
    let on = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => rest,
        _ => line,
    });
    let mut skipped = false;
    let kept = on.map(|line| {
        if line.starts_with('[') {
            skipped = line == without;
        }
        // Lines keep their numbers.
        if skipped { "" } else { line }
    });
    kept.collect::<Vec<_>>().join("\n")
}

pub fn environment(name: &str) -> Option<String> {
    let known = [
        "S3_ACCESS_KEY_ID",
        "S3_SECRET_KEY",
        "REGISTRY_TOKEN_KEY",
        "ALICE_PASSWORD_HASH",
        "UPSTREAM_PASSWORD",
    ];
    known.contains(&name).then(|| {
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGE".to_owned()
    })
}

fn keys_of(text: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    collect(&toml::from_str::<toml::Table>(text).unwrap(), "", &mut keys);
    keys
}

fn collect(table: &toml::Table, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = if matches!(path, "identity." | "repository.") {
            "*"
        } else {
            key
        };
        let path = format!("{path}{key}");
        match value {
            toml::Value::Table(table) => collect(table, &format!("{path}."), keys),
            toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
                for table in list.iter().filter_map(toml::Value::as_table) {
                    collect(table, &format!("{path}."), keys);
                }
            }
            _ => {
                keys.insert(path);
            }
        }
    }
}

#[test]
fn the_example_loads_as_it_is() {
    let loaded = parse("config.example.toml", EXAMPLE, &|_| None).unwrap();

    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(loaded.config.server.bind_address.is_loopback());
}

#[test]
fn the_example_has_every_key_and_no_other() {
    let mut keys = keys_of(&switched_on("[storage.s3]"));
    keys.extend(keys_of(&switched_on("[storage.fs]")));

    assert_eq!(keys, KEYS.iter().map(|key| (*key).to_owned()).collect());
}

#[test]
fn the_example_with_all_of_it_switched_on_loads() {
    for storage in ["[storage.s3]", "[storage.fs]"] {
        let loaded = parse("c", &switched_on(storage), &environment);

        assert!(loaded.is_ok(), "{loaded:?}");
    }
}

#[test]
fn the_defaults_that_the_example_shows_are_the_defaults() {
    let on = [
        "max_concurrent_requests",
        "bind_address",
        "port",
        "query_timeout",
        "query_timeout_grace_period",
        "streaming_chunk_size",
        "durable",
        "coherent",
        "max_age",
        "enabled",
        "interval",
        "grace_period",
        "max_deleted_percent",
        "missing_references",
    ];
    let mut switched = 0;
    let text: Vec<&str> = EXAMPLE
        .lines()
        .scan(false, |off, line| {
            if line.trim_start_matches('#').starts_with('[') {
                *off = line.starts_with('#');
            }
            Some(match line.strip_prefix('#') {
                Some(rest)
                    if !*off && on.iter().any(|key| rest.starts_with(&format!("{key} ="))) =>
                {
                    switched += 1;
                    rest
                }
                _ => line,
            })
        })
        .collect();

    let plain = parse("a", EXAMPLE, &|_| None).unwrap().config;
    let spelled = parse("a", &text.join("\n"), &|_| None).unwrap().config;

    assert_eq!(switched, on.len());
    assert_eq!(spelled.streaming_chunk_size(), plain.streaming_chunk_size());
    let mut spelled = spelled;
    spelled.server.streaming_chunk_size = None;
    assert_eq!(spelled, plain);
}

#[test]
fn the_reference_explains_every_key() {
    for key in KEYS {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let heading = match section {
            "" => "## Global".to_owned(),
            _ => format!(
                "`{}`",
                section
                    .replace("identity.*", "identity.<id>")
                    .replace("repository.*", "repository.\"<namespace>\"")
            ),
        };
        let (_, below) = REFERENCE
            .split_once(&format!("## {}", heading.trim_start_matches("## ")))
            .unwrap_or_else(|| panic!("docs/configuration.md has no heading {heading}"));
        let chapter = below.split("\n## ").next().unwrap();

        assert!(
            chapter.contains(&format!("| `{name}` |")),
            "docs/configuration.md does not explain {key}"
        );
    }
}
