//! `check-config`: what a start would say, and what is in effect.

use std::net::TcpListener;

use simple_registry::app::config::parse;

use super::cli::{errors, run};
use super::config_example::{environment, switched_on};

const PLAIN: &str = "storage.fs.root_dir = '.'\n";

#[test]
fn what_is_left_out_is_printed_with_its_value_and_loads_as_the_same() {
    let output = run(Some(PLAIN), &["check-config"]);

    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("streaming_chunk_size = \"256KiB\"\n"),
        "{printed}"
    );
    let mut again = parse("printed", &printed, &|_| None).unwrap().config;
    assert!(again.server.streaming_chunk_size.take().is_some());
    assert_eq!(again, parse("plain", PLAIN, &|_| None).unwrap().config);
}

#[test]
fn every_key_is_printed_and_no_secret() {
    for storage in ["[storage.s3]", "[storage.fs]"] {
        let example = switched_on(storage);
        let (built, _) = example.split_once("[observability]").unwrap();
        let config = parse("a", built, &environment).unwrap().config;

        let printed = config.effective().unwrap();

        assert!(!printed.contains("argon2id"), "{printed}");
        assert!(printed.contains("password = \"…\""), "{printed}");
        let secrets = printed.matches("\"…\"").count();
        // Two of Redis, a token's key, alice's and an upstream's password; and S3's two.
        let expected = if storage == "[storage.s3]" { 5 } else { 7 };
        assert_eq!(secrets, expected, "{printed}");
    }
}

#[test]
fn mistakes_are_told_as_the_server_tells_them() {
    for config in [
        "[storage.fs]\nroot_dri = 'a'\n[server]\nport = 'abc'\n",
        "storage.fs.root_dir = 'data'\n[repository.a.access_policy]\nrules = ['identity.']\n",
        "",
    ] {
        let checked = run(Some(config), &["check-config"]);
        let served = run(Some(config), &["server"]);

        assert_eq!(checked.status.code(), Some(64), "{config}");
        assert!(checked.stdout.is_empty());
        assert_eq!(errors(&checked), errors(&served));
    }
}

#[test]
fn what_is_named_is_asked_for_only_when_that_is_wanted() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    for (more, key) in [
        (
            "[server.tls]\nserver_certificate_bundle = 'absent.pem'\nserver_private_key = 'absent.key'\n".to_owned(),
            "server.tls.server_certificate_bundle: can't be used: absent.pem",
        ),
        (
            format!("[cache_store.redis]\nurl = 'redis://:hunter2@127.0.0.1:{port}'\n"),
            "cache_store.redis.url: can't be used: ",
        ),
        (
            "[[repository.m.upstream]]\nurl = 'https://m.example'\nserver_ca_bundle = 'absent.pem'\n             [repository.m.access_policy]\n"
                .to_owned(),
            "absent.pem",
        ),
    ] {
        let config = format!("{PLAIN}{more}");

        let output = run(Some(&config), &["check-config"]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));

        let output = run(Some(&config), &["check-config", "--connect"]);
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        assert!(errors(&output).contains(key), "{}", errors(&output));
        assert!(!errors(&output).contains("hunter2"), "{}", errors(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_bucket_that_is_not_reached_is_told() {
    let config = "[storage.s3]\nendpoint = 'http://127.0.0.1:1'\nbucket = 'b'\nregion = 'r'\n                  access_key_id = 'a'\nsecret_key = 'b'\n";

    let output = run(Some(config), &["check-config", "--connect"]);

    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let expected = "storage.s3.endpoint: can't be used";
    assert!(errors(&output).contains(expected), "{}", errors(&output));
}

#[test]
fn a_directory_that_is_not_there_yet_is_no_mistake_and_is_not_made() {
    let there = run(Some(PLAIN), &["check-config", "--connect"]);
    assert_eq!(there.status.code(), Some(0), "{}", errors(&there));

    let config = "storage.fs.root_dir = 'data'\n";
    let absent = run(Some(config), &["check-config", "--connect"]);
    assert_eq!(absent.status.code(), Some(0), "{}", errors(&absent));
    assert!(errors(&absent).contains("data is not there yet"));

    let config = "storage.fs.root_dir = 'config.toml'\n";
    let file = run(Some(config), &["check-config", "--connect"]);
    assert_eq!(file.status.code(), Some(1), "{}", errors(&file));
}
