use super::*;
use crate::adapters::telemetry::config::TracingConfig;
use crate::adapters::units::HttpUrl;
use crate::app::config::parse;

fn config(server: &str) -> Config {
    let text = format!("[server]\n{server}\n[storage.fs]\nroot_dir = \"r\"\n");
    parse("config.toml", &text, &|_| None).unwrap().config
}

const TLS: &str = "[server.tls]\nserver_certificate_bundle = \"c\"\nserver_private_key = \"k\"\n";

#[test]
fn what_is_frozen_keeps_its_value_and_is_named() {
    let running = config("");
    let mut new = config("bind_address = \"127.0.0.2\"\nport = 1\nquery_timeout = 7");

    let kept = new.freeze(&running);

    assert_eq!(kept, ["server.bind_address", "server.port"]);
    assert_eq!(new, config("query_timeout = 7"), "the rest counts");
    assert!(new.freeze(&running).is_empty());
}

#[test]
fn the_listener_for_monitors_stays_and_what_is_on_the_main_one_moves() {
    let with = |observability: &str| {
        let mut config = config("");
        let text = format!("[storage.fs]\nroot_dir = \"r\"\n[observability]\n{observability}");
        config.observability = parse("c", &text, &|_| None).unwrap().config.observability;
        config
    };
    let running = with("bind_address = \"::1\"\nport = 1");
    let mut new = with("bind_address = \"::\"\nport = 2\non_main = true");

    let kept = new.freeze(&running);

    assert_eq!(kept, ["observability.bind_address", "observability.port"]);
    assert!(new.observability.on_main);
    assert_eq!(new.observability.port, Some(1));
}

#[test]
fn tls_is_neither_enabled_nor_disabled_but_its_files_may_change() {
    let (plain, encrypted) = (config(""), config(TLS));

    let mut enabled = encrypted.clone();
    assert_eq!(enabled.freeze(&plain), ["server.tls"]);
    assert_eq!(enabled, plain);

    let mut disabled = plain;
    assert_eq!(disabled.freeze(&encrypted), ["server.tls"]);
    assert_eq!(disabled, encrypted);

    let mut moved = config(&TLS.replace("\"k\"", "\"other\""));
    let wanted = moved.clone();
    assert!(moved.freeze(&encrypted).is_empty());
    assert_eq!(moved, wanted);
}

#[test]
fn the_sampling_rate_stays_and_the_endpoint_moves() {
    let traced = |endpoint: &str, sampling_rate| {
        let mut config = config("");
        config.observability.tracing = Some(TracingConfig {
            endpoint: HttpUrl::parse(endpoint).unwrap(),
            sampling_rate,
        });
        config
    };
    let running = traced("http://one", 0.5);
    let mut new = traced("http://two", 0.25);

    let kept = new.freeze(&running);

    assert_eq!(kept, ["observability.tracing.sampling_rate"]);
    assert_eq!(new, traced("http://two", 0.5));
}

#[test]
fn there_are_traces_or_none_and_lines_of_one_kind_until_the_next_start() {
    let observed = |text: &str| {
        let mut config = config("");
        let text = format!("storage.fs.root_dir = \"r\"\n{text}");
        config.observability = parse("c", &text, &|_| None).unwrap().config.observability;
        config
    };
    let traced = observed("observability.tracing.endpoint = \"http://one\"");
    let mut new = observed("observability.log_format = \"json\"");

    let kept = new.freeze(&traced);

    assert_eq!(kept, ["observability.log_format", "observability.tracing"]);
    assert_eq!(new, traced);
    assert_eq!(observed("").freeze(&traced), ["observability.tracing"]);
}
