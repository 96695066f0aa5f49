use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::{ConfigError, EMBEDDED, Source, load, parse};
use crate::adapters::storage::config::StorageConfig;

fn error(text: &str) -> String {
    parse("config.toml", text, &|_| None)
        .unwrap_err()
        .to_string()
}

fn load_bytes(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    fs::write(&file, bytes).unwrap();
    match load(&Source::File(file), &|_| None) {
        Ok(_) => "loaded".to_owned(),
        Err(error) => error
            .to_string()
            .replace(&directory.path().display().to_string(), "DIR"),
    }
}

#[test]
fn a_mistake_is_told_with_its_file_line_column_and_key() {
    for (text, expected) in [
        (
            "[storage.fs]\nroot_dri = 'x'",
            "config.toml:2:1: storage.fs.root_dri: unknown key; did you mean \"root_dir\"?",
        ),
        (
            "[storage.fs]\nroot_dir = 'x'\ndurabel = false",
            "config.toml:3:1: storage.fs.durabel: unknown key; did you mean \"durable\"?",
        ),
        (
            "storage.fs.root_dir = 'x'\n[servr]\nport = 1",
            "config.toml:2:2: servr: unknown key; did you mean \"server\"?",
        ),
        (
            "storage.fs.root_dir = 'x'\n[repository.\"a/b\"]\nacces_policy = {}",
            "config.toml:3:1: repository.\"a/b\".acces_policy: unknown key; did you mean \"access_policy\"?",
        ),
        (
            "storage.fs.root_dir = 'x'\n[server]\nport = \"abc\"",
            "config.toml:3:8: server.port: expected a port number from 0 to 65535, found \"abc\"",
        ),
        (
            "storage.fs.root_dir = 'x'\n[server]\nport = 70000",
            "config.toml:3:8: server.port: expected a port number from 0 to 65535, found 70000",
        ),
        (
            "storage.fs.root_dir = 'x'\n[server]\nport = -1",
            "config.toml:3:8: server.port: expected a port number from 0 to 65535, found -1",
        ),
        (
            "max_concurrent_requests = -5\nstorage.fs.root_dir = 'x'",
            "config.toml:1:27: max_concurrent_requests: expected a whole number, 0 or more, found -5",
        ),
        (
            "storage.fs = { root_dir = 'x', durable = 'yes' }",
            "config.toml:1:42: storage.fs.durable: expected true or false, found \"yes\"",
        ),
        (
            "storage.fs.root_dir = ''",
            "config.toml:1:23: storage.fs.root_dir: expected a path, found \"\"",
        ),
        (
            "storage.fs.root_dir = 'x'\nuploads.max_age = 'soon'",
            "config.toml:2:19: uploads.max_age: expected a duration of at most 36500 days: whole seconds, or text such as \"10s\", \"5m\", \"24h\" or \"1d\", found \"soon\"",
        ),
        (
            "storage.fs.root_dir = 'x'\nserver.streaming_chunk_size = '5 apples'",
            "config.toml:2:31: server.streaming_chunk_size: expected a size: a whole number of bytes, or text such as \"5MB\" or \"50MiB\", found \"5 apples\"",
        ),
        (
            "storage.fs.root_dir = 'x'\nrepository.a.missing_references = 'maybe'",
            "config.toml:2:35: repository.a.missing_references: expected \"refuse\" or \"indexes\" or \"accept\", found \"maybe\"",
        ),
        (
            "storage.fs.root_dir = 'x'\nrepository.a.upstream = {}",
            "config.toml:2:25: repository.a.upstream: expected a list, found a table",
        ),
        (
            "storage.fs.root_dir = 'x'\nrepository.a.upstream = [{}]",
            "config.toml:2:26: repository.a.upstream[0].url: missing",
        ),
        (
            "storage.fs.root_dir = 'x'\nserver = 5",
            "config.toml:2:10: server: expected a table, found 5",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let all = error(
        "[server]\nport = 'x'\nprot = 1\n[storage.fs]\nroot_dir = 5\n[[repository.a.upstream]]\nurl = 'x'\n[[repository.a.upstream]]\nurll = 'y'",
    );

    let places: Vec<_> = all
        .lines()
        .map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        places,
        [
            "config.toml:2:8 server.port",
            "config.toml:3:1 server.prot",
            "config.toml:5:12 storage.fs.root_dir",
            "config.toml:7:7 repository.a.upstream[0].url",
        ]
    );
}

#[test]
fn a_file_names_exactly_one_storage() {
    let s3 = "[storage.s3]\naccess_key_id = 'a'\nsecret_key = 's'\nendpoint = 'http://e'\nbucket = 'b'\nregion = 'r'\n";

    assert!(
        error("").starts_with("config.toml: storage: missing; a file names exactly one storage")
    );
    assert!(
        error("[storage]")
            .ends_with("storage: names no storage; add either [storage.fs] or [storage.s3]")
    );
    assert!(
        error(&format!("{s3}[storage.fs]\nroot_dir = 'x'"))
            .ends_with("storage: names two storages; keep either [storage.fs] or [storage.s3]")
    );
    assert!(parse("config.toml", s3, &|_| None).is_ok());
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    for (text, expected) in [
        ("port = 1\nport = 2", "config.toml:2:1: port: duplicate key"),
        ("[server]\nport = ", "config.toml:2:8: "),
        ("[server\nport = 1", "config.toml:1:8: "),
        ("password = hunter2", "config.toml:1:12: "),
    ] {
        let message = error(text);

        assert!(message.starts_with(expected), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn what_can_not_be_read_is_told_with_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let absent = directory.path().join("absent.toml");
    for file in [absent.as_path(), directory.path()] {
        let error = load(&Source::File(file.to_owned()), &|_| None).unwrap_err();

        assert!(matches!(error, ConfigError::Unreadable { .. }));
        assert!(
            error
                .to_string()
                .starts_with(&format!("{}: can't be read: ", file.display())),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_told_as_such() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    fs::write(&file, EMBEDDED).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();

    match load(&Source::File(file.clone()), &|_| None) {
        Err(error) => assert!(error.to_string().contains("ermission denied"), "{error}"),
        // Nothing is hidden from root.
        Ok(_) => assert!(fs::read(&file).is_ok()),
    }
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    assert_eq!(
        load_bytes(b"# fine\nport = \xff\xfe"),
        "DIR/config.toml:2:8: not UTF-8 text"
    );
    assert!(load_bytes(&vec![b'#'; (16 << 20) + 1]).contains("larger than 16 MiB"));
}

#[test]
fn a_byte_order_mark_and_foreign_line_ends_are_read() {
    assert_eq!(
        load_bytes("\u{feff}[storage.fs]\r\nroot_dir = 'x'\r\n".as_bytes()),
        "loaded"
    );
}

#[test]
fn the_built_in_configuration_is_for_this_machine_only() {
    let loaded = load(&Source::Embedded, &|_| None).unwrap();

    assert!(loaded.config.server.bind_address.is_loopback());
    assert_eq!(loaded.config.server.port, 5000);
    assert!(
        matches!(loaded.config.storage, StorageConfig::Fs(fs) if fs.root_dir == Path::new("./registry-data") && fs.durable)
    );
    assert!(
        loaded.config.repository["*"]
            .access_policy
            .as_ref()
            .unwrap()
            .default_allow
    );
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_built_in_configuration_serves_only_where_there_is_no_file_and_none_was_named() {
    let directory = tempfile::tempdir().unwrap();
    let default = directory.path().join("config.toml");
    let named = Path::new("named.toml");

    assert_eq!(Source::choose(None, directory.path()), Source::Embedded);
    assert_eq!(
        Source::choose(Some(named), directory.path()),
        Source::File(named.to_owned())
    );
    fs::write(&default, "").unwrap();
    assert_eq!(
        Source::choose(None, directory.path()),
        Source::File(default)
    );
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_not_an_absent_file() {
    let directory = tempfile::tempdir().unwrap();
    let default = directory.path().join("config.toml");
    std::os::unix::fs::symlink("nowhere", &default).unwrap();

    assert_eq!(
        Source::choose(None, directory.path()),
        Source::File(default)
    );
}

/// Text that gets past the TOML parser more often than noise does.
fn nearly_a_configuration() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "[a-z_]{1,8}",
        Just("server".into()),
        Just("port".into()),
        Just("storage".into()),
        Just("fs".into()),
        Just("root_dir".into()),
        Just("repository".into()),
        Just("\"*\"".into()),
        Just("\"a/b\"".into()),
        Just("upstream".into()),
        Just("access_policy".into()),
        Just("rules".into()),
        Just("collector".into()),
        Just("identity".into()),
        Just("url".into())
    ];
    let value = prop_oneof![
        "-?[0-9]{1,20}",
        Just("true".into()),
        "'[^'\n]{0,8}'",
        Just("{}".into()),
        Just("[]".into()),
        Just("[{}, {a = 1}]".into()),
        Just("{ a = [1], b.c = 'x' }".into()),
        Just("1.5".into()),
        Just("nan".into()),
        Just("2020-01-01".into())
    ];
    let line =
        (prop::collection::vec(key, 1..5), prop::option::of(value)).prop_map(|(keys, value)| {
            let keys = keys.join(".");
            value.map_or_else(
                || format!("[{keys}]\n"),
                |value| format!("{keys} = {value}\n"),
            )
        });
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_text_makes_loading_panic(text in "(?s).*") {
        let _ = parse("c", &text, &|_| None).map_err(|error| error.to_string());
    }

    #[test]
    fn nothing_that_is_nearly_a_configuration_makes_loading_panic(text in nearly_a_configuration()) {
        let _ = parse("c", &text, &|_| None).map_err(|error| error.to_string());
    }
}
