//! Retention over a real directory: `scrub --retention`, beside a server or not, and what it leaves.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use serde_json::{Value, json};
use simple_registry::adapters::cel::retention_rule;
use simple_registry::adapters::clock::SystemClock;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::storage;
use simple_registry::app::config::parse;
use simple_registry::app::wiring;
use simple_registry::domain::collector::{Collector, CollectorSettings};
use simple_registry::domain::model::{MediaType, Timestamp};
use simple_registry::domain::namespaces::{MissingReferences, Namespace, Namespaces};
use simple_registry::domain::retention::{Mode, Retention, RetentionSettings, Run, Verdict};
use simple_registry::ports::{Clock, LockManager, StoragePorts};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{Image, Setup, TestRegistry, digest_of, free_port, manifest, random, serve};

const REFERENCE: &str = include_str!("../../../docs/retention.md");

const DAY: Duration = Duration::from_hours(24);

/// A clock that never makes anybody wait.
struct Hurry;

#[async_trait]
impl Clock for Hurry {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

/// A store in a directory, and a server in front of it.
struct Tree {
    directory: TempDir,
    storage: StoragePorts,
    locks: Arc<dyn LockManager>,
    server: TestRegistry,
}

impl Tree {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let storage = storage::open_files(&directory.path().join("data"), false, 4096).unwrap();
        let locks: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(Duration::from_secs(10)));
        let namespace = Namespace {
            missing_references: MissingReferences::Refuse,
            ..Setup::open()
        };
        let server = TestRegistry::with(Setup {
            storage: storage.clone(),
            locks: Arc::clone(&locks),
            ..Setup::with_namespaces([("*", namespace)])
        });
        Self {
            server: server.await,
            directory,
            storage,
            locks,
        }
    }

    /// Pushes an image, as old as this.
    async fn image(&self, repository: &str, tag: &str, seed: u64, days: u32) -> Image {
        let image = Image::new(seed);
        image.push(&self.server, repository, tag).await;
        self.age(repository, tag, days);
        image
    }

    /// Pushes a manifest, as old as this.
    async fn manifest(&self, repository: &str, reference: &str, text: &str, days: u32) -> String {
        self.server.push_blob(repository, b"{}").await;
        let digest = self.server.push_manifest(repository, reference, text).await;
        self.age(repository, reference, days);
        digest
    }

    /// Sets the time of the tag, if it is one, and of all manifests that are newer.
    fn age(&self, repository: &str, reference: &str, days: u32) {
        let now = SystemClock.now().as_millis().unsigned_abs();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now);
        let then = now - DAY * days;
        // A later access would be a pull.
        let times = FileTimes::new().set_modified(then).set_accessed(then);
        let manifests = self.manifests(repository);
        let tag = manifests.join("tags").join(reference).join("current/link");
        if tag.exists() {
            File::open(tag).unwrap().set_times(times).unwrap();
        }
        for revision in fs::read_dir(manifests.join("revisions/sha256")).unwrap() {
            let link = File::open(revision.unwrap().path().join("link")).unwrap();
            let age = now.duration_since(link.metadata().unwrap().modified().unwrap());
            if age.unwrap_or_default() < DAY / 2 {
                link.set_times(times).unwrap();
            }
        }
    }

    fn manifests(&self, repository: &str) -> PathBuf {
        let repositories = self
            .directory
            .path()
            .join("data/docker/registry/v2/repositories");
        repositories.join(repository).join("_manifests")
    }

    async fn status(&self, repository: &str, reference: &str) -> u16 {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.server.get(path).send().await.status
    }

    async fn assert_pulls(&self, repository: &str, reference: &str) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = self.server.get(path).send().await.expect_status(200);
        let manifest = answer.json();
        for child in manifest["manifests"].as_array().into_iter().flatten() {
            let digest = child["digest"].as_str().unwrap();
            Box::pin(self.assert_pulls(repository, digest)).await;
        }
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for blob in layers.chain(manifest.get("config")) {
            let digest = blob["digest"].as_str().unwrap();
            let path = format!("/v2/{repository}/blobs/{digest}");
            let answer = self.server.get(path).send().await.expect_status(200);
            assert_eq!(digest_of(&answer.body), digest);
        }
    }

    /// Runs the program with these rules for every repository.
    fn scrub(&self, rules: &[&str], arguments: &[&str]) -> Output {
        let rules = serde_json::to_string(rules).unwrap();
        let config = format!(
            "storage.fs.root_dir = 'data'\ncollector.grace_period = '1h'\n\
             repository.'*'.retention_policy.rules = {rules}\n"
        );
        fs::write(self.directory.path().join("config.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_simple-registry"));
        command
            .current_dir(self.directory.path())
            .env_remove("RUST_LOG");
        command.args(["scrub", "--retention"]).args(arguments);
        command.output().unwrap()
    }

    /// Retention in this process, under the server's locks.
    async fn retain(&self, rules: &[&str], mode: Mode) -> Run {
        let namespace = Namespace {
            retention_rules: rules
                .iter()
                .map(|rule| retention_rule(rule).unwrap())
                .collect(),
            ..Namespace::default()
        };
        let namespaces = Arc::new(Namespaces::new([("*".to_owned(), namespace)]));
        let settings = RetentionSettings {
            max_deleted_percent: 100,
            grace_period: Duration::from_hours(1),
        };
        let clock: Arc<dyn Clock> = Arc::new(Hurry);
        let retention = Retention::new(&self.storage, &self.locks, &clock, namespaces, settings);
        retention.run(mode, &|| true).await.unwrap().unwrap()
    }

    /// Collects whatever can be, without a grace period.
    async fn collect(&self, passes: usize) {
        let clock: Arc<dyn Clock> = Arc::new(Hurry);
        let settings = CollectorSettings {
            grace_period: Duration::ZERO,
            rate_limit: None,
        };
        let mut collector = Collector::new(&self.storage, &self.locks, &clock, settings);
        for _ in 0..passes {
            let pass = collector.pass(&|| true).await.unwrap().unwrap();
            assert_eq!(pass.doubts, [""; 0]);
        }
    }

    /// Every file with its bytes, but for what only tells the time and who holds a lock.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        read_all(&self.directory.path().join("data/docker"), &mut files);
        files
    }
}

fn read_all(dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, files);
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    String::from_utf8(output.stdout.clone()).unwrap() + &errors
}

fn index(children: &[&Image]) -> String {
    let children: Vec<Value> = children.iter().map(|child| child.descriptor()).collect();
    let index =
        json!({ "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": children });
    index.to_string()
}

/// A signature as cosign tags it.
fn signature_of(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// An artifact manifest; `number` makes it another one.
fn artifact(subject: Option<(&str, usize)>, number: usize) -> String {
    let mut more = json!({ "annotations": { "number": number.to_string() } });
    if let Some((digest, size)) = subject {
        more["subject"] =
            json!({ "mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": size });
    }
    manifest(b"{}", &[], &more)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_the_run_does_and_changes_nothing() {
    let tree = Tree::new().await;
    tree.image("team/app", "latest", 1, 30).await;
    tree.image("team/app", "v1", 2, 3).await;
    tree.image("team/app", "old", 3, 30).await;
    let rules = [
        "image.tag == 'latest'",
        "image.pushed_at > now() - days(15)",
    ];
    let before = tree.files();

    let output = tree.scrub(&rules, &["--dry-run"]);

    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "keep    team/app:latest  rule 0: image.tag == 'latest'\n\
         delete  team/app:old     no rule keeps it\n\
         keep    team/app:v1      rule 1: image.pushed_at > now() - days(15)\n\
         retention: 2 kept, 0 deleted, 1 to delete\n\
         retention: 3 looked at, 0 found, 0 to mend, 0 left\n"
    );
    assert_eq!(tree.files(), before);

    let output = tree.scrub(&rules, &["--json"]);

    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let first = String::from_utf8(output.stdout).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["image"], "team/app:old");
    assert_eq!(first["verdict"], "deleted");
    tree.assert_pulls("team/app", "latest").await;
    tree.assert_pulls("team/app", "v1").await;
    assert_eq!(tree.status("team/app", "old").await, 404);
    assert_eq!(tree.status("team/app", &Image::new(3).digest).await, 404);
    let repository = "team/app".parse().unwrap();
    let ever = Timestamp::from_millis(i64::MAX);
    let records = tree
        .storage
        .deletions
        .list(&repository, ever)
        .await
        .unwrap();
    let [record] = records.as_slice() else {
        panic!("{records:?}");
    };
    let deletion = record.deletion.as_ref().unwrap();
    assert_eq!(deletion.by.as_deref(), Some("retention"));
    assert_eq!(deletion.tags, ["old".parse().unwrap()]);
    assert!(deletion.manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_keep_no_tag_of_a_repository_need_force_there() {
    let tree = Tree::new().await;
    tree.image("gone", "a", 1, 30).await;
    tree.image("gone", "b", 2, 30).await;
    for n in 0..4 {
        tree.image("other", &format!("new-{n}"), 10 + n, 1).await;
    }
    tree.image("other", "old", 3, 30).await;
    let rules = ["image.pushed_at > now() - days(15)"];

    let output = tree.scrub(&rules, &[]);

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let line = "retention: left: gone: nothing is deleted: its rules keep none of its tags; with --force they are deleted (held-back)";
    assert!(said(&output).contains(line), "{}", said(&output));
    tree.assert_pulls("gone", "a").await;
    assert_eq!(tree.status("other", "old").await, 404);

    let output = tree.scrub(&rules, &["--force"]);

    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(tree.status("gone", "a").await, 404);
    assert_eq!(tree.status("gone", "b").await, 404);
    tree.assert_pulls("other", "new-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_share_needs_force() {
    let tree = Tree::new().await;
    for (n, days) in [1, 30, 30].into_iter().enumerate() {
        tree.image("app", &format!("v{n}"), n as u64, days).await;
    }
    let rules = ["image.pushed_at > now() - days(15)"];

    let output = tree.scrub(&rules, &[]);

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let why = "2 of 3 images would go, and maintenance.max_deleted_percent is 50; with --force they are deleted";
    assert!(said(&output).contains(why), "{}", said(&output));
    tree.assert_pulls("app", "v1").await;

    assert_eq!(tree.scrub(&rules, &["--force"]).status.code(), Some(0));
    assert_eq!(tree.status("app", "v1").await, 404);
    tree.assert_pulls("app", "v0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_without_an_answer_keeps_and_is_told_of() {
    let tree = Tree::new().await;
    tree.image("app", "v1", 1, 30).await;

    let output = tree.scrub(&["image.last_pulled_at < now()"], &[]);

    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("app: rule 0 has no answer for 1 images"),
        "{}",
        said(&output)
    );
    tree.assert_pulls("app", "v1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pulled_stays_by_a_rule_about_pulls() {
    let tree = Tree::new().await;
    tree.image("app", "v1", 1, 30).await;
    tree.image("app", "v2", 2, 30).await;
    tree.assert_pulls("app", "v1").await;
    let repository = "app".parse().unwrap();
    while tree
        .storage
        .pulls
        .list(&repository)
        .await
        .unwrap()
        .is_empty()
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    for rule in [
        "image.last_pulled_at != null && image.last_pulled_at > now() - days(1)",
        "top_pulled(2)",
    ] {
        let run = tree.retain(&[rule], Mode::Plan).await;

        let images = &run.repositories[0].images;
        let verdicts: Vec<Verdict> = images.iter().map(|it| it.verdict).collect();
        assert_eq!(verdicts, [Verdict::Kept, Verdict::Goes], "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_in_doubt_is_left_alone_and_the_others_are_not() {
    let tree = Tree::new().await;
    for repository in ["broken", "sound"] {
        tree.image(repository, "latest", 1, 30).await;
        tree.image(
            repository,
            "old",
            if repository == "broken" { 2 } else { 3 },
            30,
        )
        .await;
    }
    let hex = &Image::new(2).digest["sha256:".len()..];
    let data = format!(
        "data/docker/registry/v2/blobs/sha256/{}/{hex}/data",
        &hex[..2]
    );
    fs::write(tree.directory.path().join(data), "rotten").unwrap();

    let output = tree.scrub(&["image.tag == 'latest'"], &["--force"]);

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let line =
        format!("broken: nothing is deleted: the manifest sha256:{hex} has lost its content");
    assert!(said(&output).contains(&line), "{}", said(&output));
    assert_eq!(tree.status("sound", "old").await, 404);
    assert!(
        tree.manifests("broken")
            .join("tags/old/current/link")
            .exists()
    );
}

/// `maintenance.retention_interval`, and rules that change while the server runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_applies_its_rules_as_they_are_now_and_never_by_force() {
    let tree = Tree::new().await;
    for n in 0..3 {
        tree.image("app", &format!("new-{n}"), n, 1).await;
    }
    tree.image("app", "old", 9, 30).await;
    tree.image("gone", "old", 9, 30).await;
    let port = free_port();
    let dir = tree.directory.path().display().to_string();
    let file = tree.directory.path().join("config.toml");
    let write = |rule: &str| {
        let text = format!(
            "server.port = {port}\nstorage.fs.root_dir = '{dir}/data'\nmaintenance.retention_interval = 1\n\
             [repository.'*'.retention_policy]\nrules = [{rule:?}]\n"
        );
        fs::write(&file, text).unwrap();
    };
    write("image.tag != null");
    let stop = CancellationToken::new();
    let (named, told) = (file.clone(), stop.clone());
    let running = tokio::spawn(async move { serve(named, told).await });
    tokio::time::sleep(Duration::from_millis(2500)).await;
    tree.assert_pulls("app", "old").await;

    write("image.pushed_at > now() - days(15)");
    let changed = Instant::now();
    while tree.status("app", "old").await == 200 {
        assert!(
            changed.elapsed() < Duration::from_secs(20),
            "the rules do not count"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    tree.assert_pulls("app", "new-1").await;
    tree.assert_pulls("gone", "old").await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// The issue's "Signatures": those of a kept image survive, those of a deleted one go.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_and_children_share_the_fate_of_their_image() {
    for rule in [
        "image.tag == 'kept'",
        "image.tag != null && image.tag.startsWith('k')",
        "top_pushed(1)",
        "image.tag == 'kept' && image.pushed_at > now() - days(20)",
    ] {
        let tree = Tree::new().await;
        let mut all = Vec::new();
        for (number, tag, days) in [(0, "kept", 10), (10, "goes", 40)] {
            let child = Image::new(number as u64);
            child.push(&tree.server, "app", &child.digest).await;
            let index = index(&[&child]);
            let root = tree.manifest("app", tag, &index, days).await;
            let referrer = artifact(Some((&root, index.len())), number + 1);
            let referrer = tree
                .manifest("app", &digest_of(referrer.as_bytes()), &referrer, 90)
                .await;
            let of_it = artifact(Some((&referrer, 1)), number + 2);
            let of_it = tree
                .manifest("app", &digest_of(of_it.as_bytes()), &of_it, 90)
                .await;
            let cosign = artifact(None, number + 3);
            let cosign = tree
                .manifest("app", &signature_of(&root), &cosign, 90)
                .await;
            let of_child = artifact(None, number + 4);
            let of_child = tree
                .manifest("app", &signature_of(&child.digest), &of_child, 90)
                .await;
            all.push([root, child.digest, referrer, of_it, cosign, of_child]);
        }

        let run = tree.retain(&[rule], Mode::Force).await;
        assert_eq!(run.held_back, None);
        assert_eq!(run.repositories[0].held_back, None);
        // What was pushed within some seconds before its index went, the collector leaves alone: it is older here.
        tree.collect(6).await;

        let [kept, gone] = all.as_slice() else {
            panic!("two images");
        };
        for digest in kept {
            tree.assert_pulls("app", digest).await;
        }
        for digest in gone {
            assert_eq!(tree.status("app", digest).await, 404, "{rule}: {digest}");
        }
        let referrers = tree
            .server
            .get(format!("/v2/app/referrers/{}", kept[0]))
            .send()
            .await;
        assert_eq!(referrers.json()["manifests"].as_array().unwrap().len(), 1);
    }
}

/// A push of what is judged, while it is judged, is never lost: of the tag, of the manifest, of an index of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_meanwhile_stays() {
    let tree = Tree::new().await;
    let images: Vec<Image> = (0..4).map(Image::new).collect();
    for image in &images {
        image.push_blobs(&tree.server, "app").await;
    }
    tree.image("app", "latest", 99, 1).await;
    for round in 0..25 {
        for (n, image) in images.iter().enumerate() {
            tree.server
                .push_manifest("app", &image.digest, &image.manifest)
                .await;
            tree.server
                .push_manifest("app", &format!("v{n}"), &image.manifest)
                .await;
            tree.age("app", &format!("v{n}"), 30);
        }
        let again = async {
            tokio::time::sleep(Duration::from_micros(random(round, 1)[0].into()) * 40).await;
            let (moved, listed, pushed) = (&images[0], &images[1], &images[2]);
            tree.server
                .push_manifest("app", "v0", &moved.manifest)
                .await;
            let index = index(&[listed]);
            let put = tree
                .server
                .put("/v2/app/manifests/all")
                .body(&index)
                .send()
                .await;
            tree.server
                .push_manifest("app", "other", &pushed.manifest)
                .await;
            put.status
        };

        let rules = ["image.pushed_at > now() - days(15)"];
        let (run, index_put) = tokio::join!(tree.retain(&rules, Mode::Force), again);

        assert_eq!(run.repositories[0].held_back, None);
        assert_eq!(run.repositories[0].problems, [""; 0]);
        tree.assert_pulls("app", "latest").await;
        tree.assert_pulls("app", "v0").await;
        tree.assert_pulls("app", "other").await;
        // Refused where its child had gone already; else whole.
        assert!(matches!(index_put, 201 | 404 | 400), "{index_put}");
        if index_put == 201 {
            tree.assert_pulls("app", "all").await;
        }
        assert_eq!(tree.status("app", "v3").await, 404, "nobody pushed it");
        for tag in ["all", "other"] {
            tree.server
                .delete(format!("/v2/app/manifests/{tag}"))
                .send()
                .await;
        }
    }
}

/// What is kept pulls whole, whatever is in the repository and whatever the rules say.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_image_pulls_whole_afterwards() {
    for seed in 1..=24 {
        let tree = Tree::new().await;
        let mut dice = random(seed, 4096).into_iter();
        let mut roll = move |sides: usize| usize::from(dice.next().unwrap()) % sides;
        let mut digests: Vec<(String, usize)> = Vec::new();
        for number in 0..12 {
            let text = match roll(4) {
                0 if digests.len() > 2 => {
                    let children: Vec<Value> = (0..2)
                        .map(|_| &digests[roll(digests.len())])
                        .map(|(digest, size)| json!({ "mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": size }))
                        .collect();
                    json!({ "schemaVersion": 2, "manifests": children, "annotations": { "n": number.to_string() } }).to_string()
                }
                1 if !digests.is_empty() => {
                    let (digest, size) = &digests[roll(digests.len())];
                    artifact(Some((digest, *size)), number)
                }
                _ => artifact(None, number),
            };
            let mut reference = match roll(5) {
                0 => digest_of(text.as_bytes()),
                1 if !digests.is_empty() => signature_of(&digests[roll(digests.len())].0),
                other => format!("{}{number}", ["v", "pr-", "x"][other % 3]),
            };
            if reference.contains(".sig") && text.contains("\"manifests\"") {
                // It could belong to what it lists: a circle.
                reference = format!("v{number}");
            }
            let digest = tree
                .manifest(
                    "app",
                    &reference,
                    &text,
                    1 + 3 * u32::try_from(roll(20)).unwrap(),
                )
                .await;
            digests.push((digest, text.len()));
        }
        let rules = [
            vec!["image.tag != null && image.tag.startsWith('v')"],
            vec!["top_pushed(2)"],
            vec!["image.pushed_at > now() - days(20)", "image.tag == 'x3'"],
            vec!["image.tag == null"],
        ];
        let rules = &rules[roll(4)];

        let run = tree.retain(rules, Mode::Force).await;
        tree.collect(4).await;

        let outcome = &run.repositories[0];
        assert_eq!(outcome.held_back, None, "{seed}");
        for image in &outcome.images {
            let reference = match &image.tag {
                Some(tag) => tag.to_string(),
                None => image.digest.to_string(),
            };
            match image.verdict {
                Verdict::Kept => tree.assert_pulls("app", &reference).await,
                Verdict::Gone => assert_eq!(
                    tree.status("app", &reference).await,
                    404,
                    "{seed}: {image:?}"
                ),
                Verdict::Goes => panic!("{seed}: {image:?}"),
            }
        }
        let again = tree.retain(rules, Mode::Force).await;
        assert!(
            again.repositories[0]
                .images
                .iter()
                .all(|it| it.verdict == Verdict::Kept || it.tag.is_none()),
            "{seed}"
        );
    }
}

#[test]
fn the_example_of_the_reference_does_what_its_comments_say() {
    let example = REFERENCE
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let text = format!("storage.fs.root_dir = 'data'\n{example}");
    let loaded = parse("docs/retention.md", &text, &|_| None).unwrap();
    let namespaces = wiring::namespaces(&loaded.config).unwrap();
    let rules = &namespaces
        .find(&"team/app".parse().unwrap())
        .unwrap()
        .retention_rules;
    let day = |days: i64| Timestamp::from_millis((1000 - days) * 86_400_000);
    let around = simple_registry::domain::model::Surroundings {
        now: day(0),
        last_pushed: (0..20).map(|n| format!("p{n}").parse().unwrap()).collect(),
        last_pulled: (10..20).map(|n| format!("p{n}").parse().unwrap()).collect(),
    };
    for (tag, pushed, pulled, by) in [
        (Some("latest"), 90, None, Some(0)),
        (Some("v1.2"), 90, None, Some(1)),
        (Some("x"), 3, None, Some(2)),
        (None, 3, None, Some(2)),
        (Some("x"), 90, Some(3), Some(3)),
        (Some("p9"), 90, None, Some(4)),
        (Some("p11"), 90, Some(90), Some(4)),
        (Some("x"), 90, Some(90), None),
        (None, 90, None, None),
    ] {
        let image = simple_registry::domain::model::Image {
            tag: tag.map(|tag| tag.parse().unwrap()),
            pushed_at: day(pushed),
            last_pulled_at: pulled.map(day),
        };
        let first = rules.iter().position(|rule| {
            let answers = rule.judge(std::slice::from_ref(&image), &around);
            *answers[0].as_ref().unwrap()
        });
        assert_eq!(first, by, "{image:?}");
    }
}

#[test]
fn every_variable_and_function_is_explained() {
    for name in [
        "`image.tag`",
        "`image.pushed_at`",
        "`image.last_pulled_at`",
        "`last_pushed`",
        "`last_pulled`",
        "`now()`",
        "`days(n)`",
        "`hours(n)`",
        "`minutes(n)`",
        "`top(image.tag, list, n)`",
        "`top_pushed(n)`",
        "`top_pulled(n)`",
    ] {
        assert!(REFERENCE.contains(name), "{name}");
    }
}

#[test]
fn rules_that_can_not_be_meant_are_refused_and_constant_ones_told_of() {
    let load = |rules: &str| {
        let text = format!(
            "storage.fs.root_dir = 'data'\nrepository.a.access_policy = {{}}\n[repository.a.retention_policy]\nrules = [\n{rules}]\n"
        );
        parse("c", &text, &|_| None)
    };

    let refused = load(
        "  'image.tag == 1 +',\n  'image.pushed_at > now() - day(3)',\n  'request.action == 1',\n",
    );
    let refused = refused.unwrap_err().to_string();
    let lines: Vec<&str> = refused.lines().collect();
    assert_eq!(lines.len(), 3, "{refused}");
    assert!(
        lines[0]
            .starts_with("c:5:3: repository.a.retention_policy.rules[0]: \"image.tag == 1 +\": "),
        "{refused}"
    );
    assert!(
        lines[1].contains("unknown function `day`; did you mean `days`?"),
        "{refused}"
    );
    assert!(
        lines[2].ends_with("rules[2]: `request.action` belongs to `access_policy`"),
        "{refused}"
    );

    let warnings = load("  'true', 'days(1) > days(2)', 'image.tag != null'")
        .unwrap()
        .warnings;
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("is true of every image, so everything is kept"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains("is false of every image, so it keeps nothing"),
        "{warnings:?}"
    );
}
