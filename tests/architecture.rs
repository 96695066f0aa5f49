//! The dependency rule of the four rooms, read from the sources, by a test that checks itself.
//!
//! ```text
//! model  ◀──  ports  ◀──  domain  ◀──  adapters  ◀──  app  ◀──  main
//! ```
//!
//! An arrow points at what may be named. The scan reads text, not types: it blanks comments and strings, leaves out test
//! code, and resolves every path that begins with `crate`, `self` or `super`.

#[path = "architecture/code.rs"]
mod code;
#[path = "architecture/planted.rs"]
mod planted;
#[path = "architecture/scan.rs"]
mod scan;

use std::fs;
use std::path::Path;

use planted::PLANTED;
use scan::{Name, Source};

/// Crates that the pure rooms (model, ports, domain) may name. All others of Cargo.toml are banned there.
const PURE: &[&str] = &[
    "async_trait",
    "bytes",
    "futures_util",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "tracing",
];

/// What of the standard library does I/O or reads a clock: the pure rooms are handed such things.
const IMPURE: &[&str] = &["env", "fs", "net", "os", "process", "thread"];

/// The one thing adapter families share.
const SHARED: &[&str] = &["units"];

/// The longest file of production code.
const MOST_LINES: usize = 400;

/// Statuses that are no errors; `StatusCode` has no other constants but 4xx and 5xx.
#[rustfmt::skip] // a table
const NO_ERRORS: &[&str] = &[
    "CONTINUE", "SWITCHING_PROTOCOLS", "PROCESSING", "EARLY_HINTS", "OK", "CREATED", "ACCEPTED",
    "NON_AUTHORITATIVE_INFORMATION", "NO_CONTENT", "RESET_CONTENT", "PARTIAL_CONTENT", "MULTI_STATUS",
    "ALREADY_REPORTED", "IM_USED", "MULTIPLE_CHOICES", "MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "NOT_MODIFIED",
    "USE_PROXY", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT",
];

const WHOLE_CRATE: &str =
    "name the room: the crate as a whole, and what lies outside the rooms, is nobody's to name";
const ONE_LEVEL: &str = "one level of `super` at most: beyond that, say where you mean";
const MODEL: &str = "the model names nothing of ours but itself";
const PORTS: &str = "ports name only the model";
const DOMAIN: &str = "the domain names only the domain and the ports";
const ADAPTERS: &str = "adapters name the domain and the ports, never the app";
const FAMILIES: &str = "adapter families do not know each other; only `units` is shared";
const MAIN: &str = "main names only the app";
const CRATES: &str = "the pure rooms use only pure crates (PURE in tests/architecture.rs)";
const NO_IO: &str = "the pure rooms do no I/O and read no clock: ask a port";
const STATUSES: &str = "error statuses are chosen in adapters/http/error.rs alone";

/// Where a file lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room<'s> {
    Model,
    Ports,
    Domain,
    Adapter(&'s str),
    App,
    Main,
    FloorPlan,
}

impl<'s> Room<'s> {
    fn of(source: &'s Source) -> Self {
        let module: Vec<&str> = source.module().iter().map(String::as_str).collect();
        match module.as_slice() {
            ["domain", "model", ..] => Self::Model,
            ["domain", ..] => Self::Domain,
            ["ports", ..] => Self::Ports,
            ["adapters", family, ..] => Self::Adapter(family),
            ["app", ..] => Self::App,
            ["main"] => Self::Main,
            ["lib"] => Self::FloorPlan,
            other => panic!("{}: no room of the house holds {other:?}", source.path()),
        }
    }

    fn is_pure(self) -> bool {
        matches!(self, Self::Model | Self::Ports | Self::Domain)
    }

    /// Whether code of this room may name `path`, which begins at the top of the crate; or else the rule it breaks.
    #[expect(
        clippy::match_same_arms,
        reason = "a line or two for each room, from the innermost"
    )]
    fn judge(self, path: &[&str]) -> Result<(), &'static str> {
        match (self, path) {
            (Self::Main, ["app", ..]) => Ok(()),
            (Self::Main, _) => Err(MAIN),
            (_, []) => Err(WHOLE_CRATE),
            (_, [room, ..]) if !["domain", "ports", "adapters", "app"].contains(room) => {
                Err(WHOLE_CRATE)
            }
            (Self::Model, ["domain", "model", ..]) => Ok(()),
            (Self::Model, _) => Err(MODEL),
            (Self::Ports, ["ports", ..] | ["domain", "model", ..]) => Ok(()),
            (Self::Ports, _) => Err(PORTS),
            (Self::Domain, ["domain" | "ports", ..]) => Ok(()),
            (Self::Domain, _) => Err(DOMAIN),
            (Self::Adapter(_), ["app", ..]) => Err(ADAPTERS),
            (Self::Adapter(own), ["adapters", family, ..])
                if *family == own || SHARED.contains(family) =>
            {
                Ok(())
            }
            (Self::Adapter(_), ["adapters", ..]) => Err(FAMILIES),
            (Self::Adapter(_) | Self::App | Self::FloorPlan, _) => Ok(()),
        }
    }
}

/// `file:line`, what stands there, and the rule it breaks.
fn violation(source: &Source, name: &Name, rule: &str) -> String {
    format!("{}:{}: `{}`: {rule}", source.path(), name.line, name.text())
}

/// Paths that a room may not name.
fn forbidden_paths(source: &Source) -> Vec<String> {
    let room = Room::of(source);
    let broken_rule = |name: &Name| {
        let path = name.resolved()?;
        if name.is_far_up() {
            Some(ONE_LEVEL)
        } else {
            room.judge(&path).err()
        }
    };
    let names = source.names().iter();
    names
        .filter_map(|name| Some(violation(source, name, broken_rule(name)?)))
        .collect()
}

/// Crates, and parts of the standard library, that a pure room may not name.
fn forbidden_crates(source: &Source, dependencies: &[String]) -> Vec<String> {
    if !Room::of(source).is_pure() {
        return Vec::new();
    }
    let broken_rule = |name: &Name| {
        let is_banned =
            |first: &String| dependencies.contains(first) && !PURE.contains(&first.as_str());
        match name.segments.as_slice() {
            [root, module, ..] if is_std(root) && IMPURE.contains(&module.as_str()) => Some(NO_IO),
            [root, rest @ ..]
                if is_std(root)
                    && rest
                        .iter()
                        .any(|name| name == "SystemTime" || name == "Instant") =>
            {
                Some(NO_IO)
            }
            [first, ..] if is_banned(first) => Some(CRATES),
            _ => None,
        }
    };
    let names = source.names().iter();
    names
        .filter_map(|name| Some(violation(source, name, broken_rule(name)?)))
        .collect()
}

fn is_std(name: &str) -> bool {
    matches!(name, "std" | "core")
}

/// Error statuses outside the one file that chooses them. What an upstream answered is not chosen but read.
fn chosen_statuses(source: &Source) -> Vec<String> {
    if source.path() == "src/adapters/http/error.rs"
        || source.path().starts_with("src/adapters/upstream")
    {
        return Vec::new();
    }
    let is_constant = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let is_error =
        |name: &str| name == "from_u16" || (is_constant(name) && !NO_ERRORS.contains(&name));
    let names = source.names().iter();
    names
        .filter(|name| {
            name.segments
                .windows(2)
                .any(|pair| pair[0] == "StatusCode" && is_error(&pair[1]))
        })
        .map(|name| violation(source, name, STATUSES))
        .collect()
}

/// The names by which code can call the dependencies of Cargo.toml, those for tests left out.
fn dependencies() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let for_platforms = manifest
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(toml::Table::values);
    let tables = for_platforms
        .filter_map(|target| target.get("dependencies"))
        .chain(manifest.get("dependencies"));
    tables
        .filter_map(toml::Value::as_table)
        .flat_map(toml::Table::keys)
        .map(|name| name.replace('-', "_"))
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    scan::production_sources(root())
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn rooms_only_name_what_lies_beneath_them() {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(forbidden_paths)
        .filter(|found| !is_of(found, &[PORTS, FAMILIES]))
        .collect();

    assert_none(&found);
}

#[test]
fn pure_rooms_only_use_pure_crates() {
    let dependencies = dependencies();
    assert!(
        PURE.iter()
            .all(|pure| dependencies.iter().any(|name| name == pure)),
        "PURE names what Cargo.toml has not"
    );

    let found: Vec<String> = sources()
        .iter()
        .flat_map(|source| forbidden_crates(source, &dependencies))
        .collect();

    assert_none(&found);
}

#[test]
fn ports_only_name_the_model() {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(forbidden_paths)
        .filter(|found| is_of(found, &[PORTS]))
        .collect();

    assert_none(&found);
}

#[test]
fn adapter_families_do_not_know_each_other() {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(forbidden_paths)
        .filter(|found| is_of(found, &[FAMILIES]))
        .collect();

    assert_none(&found);
}

fn is_of(found: &str, rules: &[&str]) -> bool {
    rules.iter().any(|rule| found.ends_with(rule))
}

#[test]
fn statuses_are_chosen_in_one_file() {
    let found: Vec<String> = sources().iter().flat_map(chosen_statuses).collect();

    assert_none(&found);
}

#[test]
fn no_file_of_production_code_is_longer_than_one_idea() {
    let found: Vec<String> = sources()
        .iter()
        .filter(|source| source.line_count() > MOST_LINES)
        .map(|source| {
            format!(
                "{}: {} lines: look for the second idea",
                source.path(),
                source.line_count()
            )
        })
        .collect();

    assert_none(&found);
}

#[test]
fn the_scan_catches_a_planted_violation() {
    let dependencies: Vec<String> = PURE
        .iter()
        .chain(&["tokio", "hyper", "opendal"])
        .map(|name| (*name).to_owned())
        .collect();
    for (path, text, expected) in PLANTED {
        let source = Source::new(path, text);

        let mut found = forbidden_paths(&source);
        found.extend(forbidden_crates(&source, &dependencies));
        found.extend(chosen_statuses(&source));

        assert_eq!(found.len(), expected.len(), "{path}: {text}\n{found:#?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(
                found.starts_with(expected),
                "{text}\nfound {found}\nnot   {expected}"
            );
        }
    }
}

#[test]
fn the_scan_sees_every_file_of_production_code_and_no_other() {
    let house = tempfile::tempdir().unwrap();
    for (path, text) in [
        (
            "src/lib.rs",
            "pub mod domain { pub mod a; #[cfg(test)] pub mod world; }",
        ),
        (
            "src/domain/a.rs",
            "mod b; #[cfg(test)] mod tests; #[cfg(test)] mod double;",
        ),
        ("src/domain/a/b.rs", ""),
        ("src/domain/a/tests.rs", ""),
        ("src/domain/a/tests/cases.rs", ""),
        ("src/domain/a/double.rs", ""),
        ("src/domain/a/notes.txt", ""),
        ("src/domain/world.rs", ""),
        ("src/domain/world/parts.rs", ""),
    ] {
        let path = house.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    let seen: Vec<String> = scan::production_sources(house.path())
        .iter()
        .map(|source| source.path().to_owned())
        .collect();

    assert_eq!(seen, ["src/domain/a.rs", "src/domain/a/b.rs", "src/lib.rs"]);
    assert!(
        sources()
            .iter()
            .any(|source| Room::of(source) == Room::Main)
    );
    assert!(sources().len() > 20, "the scan looks in the wrong place");
}
