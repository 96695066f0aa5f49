//! Scrub over stores whose files can be reached: each kind of damage is planted once in a real tree, found once, and
//! mended or left; nothing else is touched.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use simple_registry::adapters::clock::SystemClock;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::domain::model::MediaType;
use simple_registry::domain::scrub::{Audience, Fate, Finding, Links, Verify};
use simple_registry::ports::{Clock, LockManager, StoragePorts};

use crate::support::{Image, Setup, TestRegistry, digest_of, manifest};

/// Files by their paths below the root.
type Files = BTreeMap<String, Vec<u8>>;

const V2: &str = "docker/registry/v2";
const APP: &str = "docker/registry/v2/repositories/team/app";

/// A digest of nothing that is here.
const ABSENT: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// Hears everything.
#[derive(Default)]
pub struct Ear {
    pub found: Vec<Finding>,
    pub seen: u64,
    pub expected: u64,
    pub read: u64,
}

impl Audience for Ear {
    fn found(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    fn seen(&mut self, more: u64) {
        self.seen += more;
    }

    fn expects(&mut self, bytes: u64) {
        self.expected += bytes;
    }

    fn read(&mut self, more: u64) {
        self.read += more;
    }

    fn goes_on(&self) -> bool {
        true
    }
}

impl Ear {
    pub fn kinds(&self) -> Vec<(&'static str, Fate)> {
        self.found.iter().map(|it| (it.kind, it.fate)).collect()
    }
}

/// A store, and where its files lie.
pub struct Reached {
    pub root: PathBuf,
    pub ports: StoragePorts,
    /// How many digits of a digest are in the names of files.
    pub digits: usize,
}

impl Reached {
    pub async fn links(&self) -> Ear {
        let (locks, clock) = means();
        let age = Duration::from_hours(24);
        let setup = Setup::default();
        let links = Links::new(&self.ports, &locks, &clock, setup.namespaces(), age);
        let mut ear = Ear::default();
        links.run(&mut ear).await.unwrap();
        ear
    }

    pub async fn verify(&self) -> Ear {
        let (locks, clock) = means();
        let mut ear = Ear::default();
        let verify = Verify::new(&self.ports, &locks, &clock);
        verify.run(&mut ear).await.unwrap();
        ear
    }

    pub async fn serve(&self) -> TestRegistry {
        TestRegistry::with(Setup {
            storage: self.ports.clone(),
            ..Setup::default()
        })
        .await
    }

    /// Where the object lies.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(self.name(path))
    }

    fn name(&self, path: &str) -> String {
        let mut name = String::new();
        for part in path.split_inclusive(['/', '-']) {
            let is_digest =
                part.len() >= 64 && part.bytes().take(64).all(|it| it.is_ascii_hexdigit());
            if is_digest {
                name.push_str(&part[..self.digits]);
                name.push_str(&part[64..]);
            } else {
                name.push_str(part);
            }
        }
        name
    }

    pub fn files(&self) -> Files {
        let mut files = Files::new();
        read_all(&self.root, &self.root.join("docker"), &mut files);
        files
    }

    /// Makes everything so old that it must be finished.
    pub fn age(&self) {
        age(&self.root.join("docker"));
    }

    /// Removes the file, and the directories that this leaves empty.
    fn remove(&self, path: &str) {
        let path = self.at(path);
        fs::remove_file(&path).unwrap();
        let mut above = path.ancestors().skip(1);
        while above.next().is_some_and(|dir| fs::remove_dir(dir).is_ok()) {}
    }

    /// Makes the files what they were.
    fn restore(&self, files: &Files) {
        let now = self.files();
        for path in now.keys().filter(|path| !files.contains_key(*path)) {
            self.remove(path);
        }
        for (path, bytes) in files {
            if now.get(path) != Some(bytes) {
                write(&self.root.join(path), bytes);
            }
        }
    }
}

fn means() -> (Arc<dyn LockManager>, Arc<dyn Clock>) {
    let patience = Duration::from_secs(10);
    (Arc::new(MemoryLocks::new(patience)), Arc::new(SystemClock))
}

fn read_all(root: &Path, dir: &Path, files: &mut Files) {
    let entries: Vec<_> = fs::read_dir(dir).unwrap().collect();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            files.insert(name.to_owned(), fs::read(&path).unwrap());
        }
    }
}

fn age(path: &Path) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            age(&entry.unwrap().path());
        }
    }
    let file = File::open(path).unwrap();
    let then = file.metadata().unwrap().modified().unwrap() - Duration::from_hours(48);
    file.set_times(FileTimes::new().set_modified(then)).unwrap();
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn hex(digest: &str) -> &str {
    digest.split_once(':').unwrap().1
}

fn data(digest: &str) -> String {
    let hex = hex(digest);
    format!("{V2}/blobs/sha256/{}/{hex}/data", &hex[..2])
}

fn layer(digest: &str) -> String {
    format!("{APP}/_layers/sha256/{}/link", hex(digest))
}

fn revision(digest: &str, file: &str) -> String {
    format!("{APP}/_manifests/revisions/sha256/{}/{file}", hex(digest))
}

fn current(tag: &str) -> String {
    format!("{APP}/_manifests/tags/{tag}/current/link")
}

fn past(tag: &str, digest: &str) -> String {
    let hex = hex(digest);
    format!("{APP}/_manifests/tags/{tag}/index/sha256/{hex}/link")
}

/// What is in the tree.
pub struct Tree {
    pub one: Image,
    pub two: Image,
    pub signature: String,
}

/// Images that share a repository and content, an index, a signature, and a tag that has moved.
pub async fn push_everything(registry: &TestRegistry) -> Tree {
    let (one, two) = (Image::new(1), Image::new(2));
    one.push(registry, "team/app", "latest").await;
    one.push(registry, "team/app", "v1").await;
    two.push(registry, "team/app", "v2").await;
    two.push(registry, "team/app", "latest").await;
    one.push(registry, "other", "latest").await;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [one.descriptor(), two.descriptor()],
    });
    registry
        .push_manifest("team/app", "both", &index.to_string())
        .await;
    registry.push_blob("team/app", b"{}").await;
    let signature = manifest(b"{}", &[], &json!({ "subject": one.descriptor() }));
    let digest = digest_of(signature.as_bytes());
    registry
        .push_manifest("team/app", &digest, &signature)
        .await;
    registry.push_blob("other", b"nobody needs this").await;
    Tree {
        one,
        two,
        signature: digest,
    }
}

/// What happens to the files.
enum Damage {
    /// It says something else.
    Write(String, Vec<u8>),
    Remove(Vec<String>),
    Move(String, String),
    /// It is there as well under another name.
    Copy(String, String),
}

impl Damage {
    fn plant(&self, store: &Reached) {
        let read = |path: &str| fs::read(store.at(path)).unwrap();
        let remove = |path: &String| store.remove(path);
        match self {
            Self::Write(path, bytes) => write(&store.at(path), bytes),
            Self::Remove(paths) => paths.iter().for_each(remove),
            Self::Move(from, to) => {
                write(&store.at(to), &read(from));
                remove(from);
            }
            Self::Copy(from, to) => write(&store.at(to), &read(from)),
        }
    }
}

/// What is to become of it.
#[derive(Clone, Copy, PartialEq)]
enum After {
    /// Every byte is as before it was planted.
    AsBefore,
    /// But for this file, which has another time in it.
    AsBeforeBut(&'static str),
    /// Nothing is changed.
    Left,
    /// What was planted stays, and what is left of it goes.
    Without(&'static str),
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn damages(tree: &Tree, store: &Reached) -> Vec<(&'static str, Damage, After)> {
    use After::{AsBefore, AsBeforeBut, Left, Without};
    use Damage::{Copy, Move, Remove, Write};

    let Tree {
        one,
        two,
        signature,
    } = tree;
    let [layer1, layer2] = [one, two].map(|it| digest_of(&it.layer));
    let config1 = digest_of(&one.config);
    let absent = format!("sha256:{ABSENT}");
    let meta = revision(&one.digest, "_meta");
    let torn = fs::read(store.at(&meta)).unwrap()[..20].to_vec();
    let wrong = fs::read_to_string(store.at(&meta)).unwrap();
    let size = format!("\"size\":{}", one.manifest.len());
    let wrong = wrong.replace(&size, "\"size\":7").into_bytes();
    let referrer = |subject: &str| {
        let (subject, digest) = (hex(subject), hex(signature));
        format!("{APP}/_referrers/sha256/{subject}/sha256-{digest}")
    };
    let entry = referrer(&one.digest);
    let shard = if hex(&layer1).starts_with("00") {
        "11"
    } else {
        "00"
    };
    let misplaced = format!("{V2}/blobs/sha256/{shard}/{}/data", hex(&layer1));
    let temporary = "data.0d9ddb4f-8c9a-4e0c-9d3a-6c4f1ffb0c11.tmp";
    let temporary = data(&layer1).replace("data", temporary);
    vec![
        ("broken-link", Write(layer(&layer1), vec![]), AsBefore),
        (
            "broken-link",
            Write(layer(&layer1), layer2.clone().into()),
            AsBefore,
        ),
        (
            "broken-link",
            Write(revision(&one.digest, "link"), b"sha256:12".to_vec()),
            AsBefore,
        ),
        (
            "broken-link",
            Write(past("v2", &two.digest), vec![0; 71]),
            AsBefore,
        ),
        (
            "dangling-link",
            Write(layer(&absent), absent.clone().into()),
            AsBefore,
        ),
        ("dangling-link", Remove(vec![data(&layer2)]), Left),
        ("lost-manifest", Remove(vec![data(&two.digest)]), Left),
        (
            "torn-record",
            Write(meta.clone(), torn),
            AsBeforeBut("_meta"),
        ),
        ("wrong-record", Write(meta, wrong), AsBefore),
        ("missing-link", Remove(vec![layer(&config1)]), AsBefore),
        (
            "missing-blob",
            Remove(vec![layer(&layer2), data(&layer2)]),
            Left,
        ),
        ("missing-referrer", Remove(vec![entry.clone()]), AsBefore),
        (
            "missing-referrer",
            Write(entry.clone(), b"{\"version\":".to_vec()),
            AsBefore,
        ),
        (
            "stale-referrer",
            Copy(entry.clone(), referrer(&two.digest)),
            AsBefore,
        ),
        (
            "stale-referrer",
            Copy(entry.clone(), entry.replace(hex(signature), ABSENT)),
            AsBefore,
        ),
        ("broken-tag", Write(current("v2"), vec![]), AsBefore),
        ("broken-tag", Write(current("latest"), vec![]), Left),
        (
            "dangling-tag",
            Write(current("v2"), absent.clone().into()),
            Left,
        ),
        (
            "missing-history",
            Remove(vec![past("v2", &two.digest)]),
            AsBefore,
        ),
        (
            "stale-history",
            Remove(vec![current("latest")]),
            Without("app/_manifests/tags/latest/"),
        ),
        (
            "misplaced-content",
            Move(data(&layer1), misplaced.clone()),
            AsBefore,
        ),
        ("misplaced-content", Copy(data(&layer1), misplaced), Left),
        ("stray-file", Write(temporary, b"half".to_vec()), AsBefore),
        (
            "unknown-file",
            Write(format!("{APP}/notes.txt"), b"mine".to_vec()),
            Left,
        ),
        (
            "unknown-file",
            Write(format!("{V2}/blobs/sha256/zz/data"), vec![]),
            Left,
        ),
    ]
}

/// On a healthy tree nothing is found and nothing changed; each damage is found once, and then no more unless it is left.
pub async fn every_kind_of_damage_is_found_once(store: &Reached) {
    let tree = push_everything(&store.serve().await).await;
    store.age();
    let healthy = store.files();
    let ear = store.links().await;
    assert_eq!(ear.found, []);
    assert_eq!(
        usize::try_from(ear.seen).unwrap(),
        healthy.len() + ours(&store.root)
    );
    assert_eq!(store.files(), healthy);

    // A server that shortens names has to have seen what is written behind its back.
    let absent = format!("sha256:{ABSENT}").parse().unwrap();
    store.ports.blobs.look(&absent).await.unwrap();
    for (number, (kind, damage, after)) in damages(&tree, store).iter().enumerate() {
        damage.plant(store);
        store.age();
        let damaged = store.files();
        assert_ne!(damaged, healthy, "{number}: {kind}");

        let ear = store.links().await;

        let fate = if *after == After::Left {
            Fate::Left
        } else {
            Fate::Mended
        };
        assert_eq!(ear.kinds(), [(*kind, fate)], "{number}: {:?}", ear.found);
        let files = store.files();
        let same = |one: &Files, other: &Files, but: &str| {
            let differing = one
                .iter()
                .filter(|(path, bytes)| other.get(*path) != Some(bytes));
            let differing: Vec<_> = differing.map(|(path, _)| path.clone()).collect();
            assert!(
                differing.iter().all(|it| it.contains(but)),
                "{number}: {kind}: {differing:?}"
            );
        };
        match after {
            After::AsBefore => assert_eq!(
                files.keys().collect::<Vec<_>>(),
                healthy.keys().collect::<Vec<_>>()
            ),
            After::AsBeforeBut(_) => {}
            After::Left => assert!(files == damaged, "{number}: {kind}"),
            After::Without(but) => {
                assert!(!files.keys().any(|path| path.contains(but)), "{number}");
                same(&damaged, &files, but);
                same(&files, &damaged, "no other");
            }
        }
        match after {
            After::AsBefore => same(&files, &healthy, "no other"),
            After::AsBeforeBut(but) => same(&files, &healthy, but),
            After::Left | After::Without(_) => {}
        }
        let again = store.links().await;
        let expected = if *after == After::Left {
            ear.kinds()
        } else {
            vec![]
        };
        assert_eq!(again.kinds(), expected, "{number}: {kind}");
        assert!(store.files() == files, "{number}: {kind}");
        store.restore(&healthy);
    }
}

/// What the registry has of its own beside everything else.
fn ours(root: &Path) -> usize {
    let mut files = Files::new();
    read_all(root, &root.join("_registry"), &mut files);
    files.len()
}

/// What rots is set aside once, reads as absent, and is healed by a push.
pub async fn what_is_not_what_its_name_says_is_set_aside_once(store: &Reached) {
    let registry = store.serve().await;
    let tree = push_everything(&registry).await;
    let healthy = store.files();
    let ear = store.verify().await;
    let content = healthy.iter().filter(|(path, _)| path.ends_with("/data"));
    let bytes: usize = content.clone().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(ear.found, []);
    assert_eq!((ear.expected, ear.read), (bytes as u64, bytes as u64));
    assert_eq!(usize::try_from(ear.seen).unwrap(), content.count());
    assert_eq!(store.files(), healthy);

    let Tree { one, two, .. } = &tree;
    let mut left = healthy.clone();
    let blob = digest_of(&one.layer);
    for digest in [&blob, &two.digest] {
        let path = store.at(&data(digest));
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] ^= 1;
        fs::write(&path, &bytes).unwrap();

        let ear = store.verify().await;

        assert_eq!(
            ear.kinds(),
            [("wrong-content", Fate::Left)],
            "{:?}",
            ear.found
        );
        let aside = ear.found[0]
            .what
            .split(' ')
            .find(|it| it.starts_with("_registry/"));
        assert_eq!(fs::read(store.at(aside.unwrap())).unwrap(), bytes);
        left.remove(&store.name(&data(digest)));
        assert!(store.files() == left);
        assert_eq!(store.verify().await.found, []);
    }
    let head = |path: String| registry.head(path).send();
    let blob = format!("/v2/team/app/blobs/{blob}");
    let image = format!("/v2/team/app/manifests/{}", two.digest);
    assert_eq!(head(blob.clone()).await.status, 404);
    assert_eq!(head(image.clone()).await.status, 404);

    one.push(&registry, "team/app", "v1").await;
    two.push(&registry, "team/app", "v2").await;

    assert_eq!(head(blob).await.status, 200);
    assert_eq!(head(image).await.status, 200);
    assert_eq!(store.verify().await.found, []);
    assert_eq!(store.links().await.found, []);
    assert_eq!(store.files(), healthy);
}
