//! The other way round: what an object is, by its path.

use super::{
    BLOBS, CONDEMNED, DATA, DELETED, DYING, LAYERS, LINK, MANIFESTS, REPOSITORIES, TAG_CURRENT,
    UPLOADS,
};
use crate::domain::model::{Digest, Link, RepositoryName, Role};

/// What lies in `_registry`: objects, and directories of such.
const OURS: &[&str] = &["format", "locks", "clock", "owner", "token_keys"];
const OUR_DIRECTORIES: &[&str] = &["tmp/", "quarantine/", "probe-"];

/// What CNCF Distribution, as a cache of another registry, keeps at the root.
const SCHEDULE: &str = "scheduler-state.json";

/// What the object at this path is, which is no directory.
pub(in super::super) fn role_of(path: &str) -> Role {
    let below = |dir: &str| path.strip_prefix(dir)?.strip_prefix('/');
    let role = if let Some(path) = below("_registry") {
        let is_ours = OURS.contains(&path) || OUR_DIRECTORIES.iter().any(|it| path.starts_with(it));
        is_ours.then_some(Role::Record)
    } else if let Some(path) = below(BLOBS) {
        in_blobs(path)
    } else if let Some(path) = below(REPOSITORIES) {
        in_repositories(path)
    } else {
        (path == SCHEDULE).then_some(Role::Record)
    };
    match role {
        Some(role) => role,
        None if path.starts_with("docker/registry/v2/") && is_temporary(path) => Role::Stray,
        None => Role::Unknown,
    }
}

/// Under which name Distribution 3 writes a file before it gets its own:
/// `data.<uuid>.tmp`.
fn is_temporary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let parts: Vec<&str> = name.split('.').collect();
    matches!(parts[..], [DATA | LINK | "startedat", id, "tmp"] if uuid::Uuid::try_parse(id).is_ok())
}

fn in_blobs(path: &str) -> Option<Role> {
    let parts: Vec<&str> = path.split('/').collect();
    let [algorithm, shard, hex, name] = parts[..] else {
        return None;
    };
    let digest = digest(algorithm, hex)?;
    match name {
        DATA if digest.hex().starts_with(shard) && shard.len() == 2 => Some(Role::Content(digest)),
        DATA => Some(Role::Misplaced(digest)),
        CONDEMNED | DYING => Some(Role::Record),
        _ => None,
    }
}

fn in_repositories(path: &str) -> Option<Role> {
    let (name, path) = path.split_once("/_")?;
    let name: RepositoryName = name.parse().ok()?;
    let path = &format!("_{path}");
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        [LAYERS, algorithm, hex, file] => {
            let digest = digest(algorithm, hex)?;
            of_thing(file, Link::Layer(name, digest))
        }
        [MANIFESTS, "revisions", algorithm, hex, ref file @ ..] => {
            let digest = digest(algorithm, hex)?;
            match *file {
                // The second of schema 1, which Distribution once kept apart.
                ["_meta"] | ["signatures", _, _, LINK] => Some(Role::Record),
                [file] => of_thing(file, Link::Revision(name, digest)),
                _ => None,
            }
        }
        [MANIFESTS, "tags", tag, "index", algorithm, hex, LINK] => {
            let digest = digest(algorithm, hex)?;
            Some(Role::Link(Link::Past(name, tag.parse().ok()?, digest)))
        }
        [MANIFESTS, "tags", tag, ref file @ ..] if file.join("/") == TAG_CURRENT => {
            Some(Role::Link(Link::Tag(name, tag.parse().ok()?)))
        }
        ["_referrers", algorithm, hex, referrer] => {
            let subject = digest(algorithm, hex)?;
            Some(Role::Referrer(name, subject, named(referrer)?))
        }
        ["_pulls", pull] => named(pull).map(|_| Role::Record),
        [DELETED, _] | [UPLOADS, _, ..] => Some(Role::Record),
        _ => None,
    }
}

/// A file in the directory of a thing.
fn of_thing(file: &str, link: Link) -> Option<Role> {
    match file {
        LINK => Some(Role::Link(link)),
        CONDEMNED | DYING => Some(Role::Record),
        _ => None,
    }
}

fn digest(algorithm: &str, hex: &str) -> Option<Digest> {
    format!("{algorithm}:{hex}").parse().ok()
}

/// The digest of a file that is called by it.
fn named(name: &str) -> Option<Digest> {
    name.replacen('-', ":", 1).parse().ok()
}
