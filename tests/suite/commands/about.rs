//! `version`, `completions`, `man` and `schema`: what the program says of itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cli::{errors, run};
use super::config_example::KEYS;

fn printed(arguments: &[&str]) -> String {
    // None of them reads the configuration.
    let output = run(Some("nonsense"), arguments);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_version_is_the_packages() {
    let version = concat!("simple-registry ", env!("CARGO_PKG_VERSION"));

    assert!(printed(&["version"]).starts_with(version));
}

#[test]
fn every_shell_learns_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);

        for word in ["server", "check-config", "policy", "test", "dry-run"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let output = run(None, &["completions", "csh"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(errors(&output).contains("the shells are bash, zsh, fish"));
}

#[test]
fn the_manual_page_has_the_commands() {
    let page = printed(&["man"]);

    assert!(page.starts_with(".TH SIMPLE-REGISTRY 1 "));
    assert!(page.contains(".SS policy test\n"), "{page}");
}

/// The keys that a schema knows, as the table of all keys has them.
fn keys_of(schema: &Value, root: &Value, path: &str, keys: &mut BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => root.pointer(name.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let some = |it: &&Value| it["type"] != "null";
    if let Some(inner) = schema["anyOf"].as_array() {
        return keys_of(inner.iter().find(some).unwrap(), root, path, keys);
    }
    let below = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    };
    let elements = &schema["items"];
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false, "{path}");
        for (name, inner) in properties {
            keys_of(inner, root, &below(name), keys);
        }
    } else if schema["additionalProperties"].is_object() {
        keys_of(&schema["additionalProperties"], root, &below("*"), keys);
    } else if elements["$ref"].is_string() {
        keys_of(elements, root, path, keys);
    } else {
        keys.insert(path.to_owned());
    }
}

/// `tests/system/packaging` asks a validator what it thinks of the example.
#[test]
fn the_schema_has_every_key_and_no_other() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).unwrap();
    let mut keys = BTreeSet::new();

    keys_of(&schema, &schema, "", &mut keys);

    assert_eq!(keys, KEYS.iter().map(|key| (*key).to_owned()).collect());
}
