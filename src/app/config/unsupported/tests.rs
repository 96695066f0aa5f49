use crate::app::config::parse;

/// The keys that are refused, each for no other reason than that its part is to come.
fn refused(rest: &str) -> Vec<String> {
    let Err(error) = parse("c", &format!("storage.fs.root_dir = 'x'\n{rest}"), &|_| {
        None
    }) else {
        return Vec::new();
    };
    let key = |line: &str| {
        assert!(line.contains(": not part of this version yet; "), "{line}");
        line.split(": ").nth(1).unwrap().to_owned()
    };
    error.to_string().lines().map(key).collect()
}

#[test]
fn a_key_without_its_part_is_refused() {
    assert_eq!(
        refused("observability.tracing.endpoint = 'grpc://x:4317'"),
        ["observability.tracing"]
    );
}

#[test]
fn what_asks_for_nothing_is_accepted() {
    for rest in [
        "lock_store = {}",
        "cache_store = {}",
        "identity = {}",
        "observability = {}",
        "observability = { on_main = true, bind_address = '::1', port = 9090 }",
        "collector = { enabled = true, interval = '1h', grace_period = '24h', rate_limit = 1 }",
        "server.trusted_proxies = []",
        "repository.a = { upstream = [], immutable_tags = [], mutable_tags = [], mirrors = [] }",
        "repository.a.access_policy.rules = []",
        "repository.a.retention_policy.rules = []",
    ] {
        assert_eq!(refused(rest), [""; 0], "{rest}");
    }
}
