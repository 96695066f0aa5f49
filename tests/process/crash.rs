//! Promises P1, P2 and P5 against SIGKILL at random moments of concurrent pushes.
//!
//! Clients write down what they were promised; the server is killed and started
//! again and again; afterwards everything that was promised must be there, byte
//! for byte, and what was deleted must be gone. `CRASH_KILLS` says how often
//! (15 by default; CI: 200), `CRASH_SEED` repeats a run.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::{Client, Failure, digest_of, image};
use crate::random::Random;
use crate::server::Place;

const CLIENTS: u64 = 4;

/// How long an image may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client knows about one thing: the digests that may answer there, `None`
/// for nothing. One is a promise; several, and the connection broke before an answer.
#[derive(Clone, Debug, PartialEq)]
struct Known(BTreeSet<Option<String>>);

impl Known {
    fn promised(only: Option<String>) -> Self {
        Self([only].into())
    }

    fn allows(&self, seen: Option<&String>) -> bool {
        self.0.contains(&seen.cloned())
    }

    fn certain(&self) -> Option<&Option<String>> {
        self.0.first().filter(|_| self.0.len() == 1)
    }

    /// It may also have become this.
    fn or(mut self, other: Option<String>) -> Self {
        self.0.insert(other);
        self
    }

    /// It is not that any more, and nothing if it was.
    fn without(mut self, digest: &str) -> Self {
        if self.0.remove(&Some(digest.to_owned())) {
            self.0.insert(None);
        }
        self
    }
}

/// Everything that one client was promised.
#[derive(Default)]
struct Promises {
    /// Manifest bytes by path, for those that were pushed; the digest that must answer there.
    manifests: HashMap<String, Known>,
    tags: HashMap<String, Known>,
    /// What must be readable as long as the manifest is: path of the blob by manifest path.
    blobs: HashMap<String, Vec<String>>,
    interrupted: u64,
}

/// What the clients complain about; any entry fails the test.
type Complaints = Arc<Mutex<Vec<String>>>;

struct Pusher {
    name: String,
    client: Client,
    random: Random,
    /// Content that several clients push, so that they meet at one blob.
    common: Arc<Vec<Vec<u8>>>,
    promises: Promises,
    complaints: Complaints,
    /// How many images all clients got acknowledged.
    acknowledged: Arc<AtomicU64>,
}

impl Pusher {
    fn run(mut self, stop: &AtomicBool) -> Promises {
        while !stop.load(Ordering::Relaxed) {
            let done = match self.random.below(10) {
                0 => self.delete_tag(),
                1 => self.delete_manifest(),
                2 => self.pull_something(),
                _ => self.push_image(),
            };
            match done {
                Ok(()) => {}
                Err(Failure::Connection(_)) => {
                    self.promises.interrupted += 1;
                    std::thread::sleep(Duration::from_millis(3));
                }
                Err(Failure::Answer(answer)) => self.complain(answer),
            }
        }
        self.promises
    }

    fn complain(&self, what: String) {
        self.complaints.lock().unwrap().push(what);
    }

    fn push_image(&mut self) -> Result<(), Failure> {
        let repository = match self.random.below(3) {
            0 => "shared/app".to_owned(),
            n => format!("{}/app{n}", self.name),
        };
        let size = self.random.below(200_000);
        let common = self.random.below(self.common.len() as u64);
        let contents = [
            self.random.bytes(size),
            self.common[usize::try_from(common).unwrap()].clone(),
        ];
        let mut layers = Vec::new();
        for content in &contents {
            let digest = digest_of(content);
            let path = format!("/v2/{repository}/blobs/{digest}");
            let there = self.client.send("HEAD", &path, &[], &[])?;
            match there.status {
                200 => {}
                404 if self.random.below(2) == 0 => {
                    self.client.push_blob(&repository, content).map(drop)?;
                }
                404 => {
                    self.client
                        .push_blob_at_once(&repository, content)
                        .map(drop)?;
                }
                other => self.complain(format!("HEAD {path}: {other}")),
            }
            layers.push((digest, content.len()));
        }
        let config = format!(r#"{{"n":{}}}"#, self.random.next());
        let config_digest = self.client.push_blob(&repository, config.as_bytes())?;
        let manifest = image((&config_digest, config.len()), &layers);
        let digest = digest_of(&manifest);

        // From here on nobody can take it back.
        let tag = format!("{}-{}", self.name, self.random.below(6));
        let tag_path = format!("/v2/{repository}/manifests/{tag}");
        let digest_path = format!("/v2/{repository}/manifests/{digest}");
        let before = match self.promises.tags.get(&tag_path) {
            Some(known) if known.certain().is_some() => known.clone(),
            // After an interruption, ask: from then on it is a promise.
            Some(_) => self.ask(&tag_path)?,
            None => Known::promised(None),
        };
        let now = Some(digest.clone());
        let blobs = layers
            .iter()
            .map(|(digest, _)| digest)
            .chain([&config_digest]);
        let blobs = blobs.map(|digest| format!("/v2/{repository}/blobs/{digest}"));
        self.promises
            .blobs
            .insert(digest_path.clone(), blobs.collect());
        self.promises
            .tags
            .insert(tag_path.clone(), before.or(now.clone()));
        let absent = Known::promised(None);
        self.promises
            .manifests
            .insert(digest_path.clone(), absent.or(now.clone()));
        self.client.put_manifest(&repository, &tag, &manifest)?;

        let promised = Known::promised(now);
        self.promises.tags.insert(tag_path, promised.clone());
        self.promises.manifests.insert(digest_path, promised);
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Where a tag points now. No other client writes this one's tags.
    fn ask(&mut self, path: &str) -> Result<Known, Failure> {
        let answer = self.client.send("HEAD", path, &[], &[])?;
        let seen = answer.header("docker-content-digest").map(str::to_owned);
        let known = &self.promises.tags[path];
        if !known.allows(seen.as_ref()) {
            self.complain(format!("{path}: {known:?}, and points at {seen:?}"));
        }
        let known = Known::promised(seen);
        self.promises.tags.insert(path.to_owned(), known.clone());
        Ok(known)
    }

    /// Something that must be there, in the order of nobody's choice.
    fn choose(
        &mut self,
        from: impl Fn(&Promises) -> &HashMap<String, Known>,
    ) -> Option<(String, String)> {
        let known = from(&self.promises).iter();
        let mut there: Vec<_> = known
            .filter_map(|(path, known)| {
                let digest = known.certain()?.as_ref()?;
                Some((path.clone(), digest.clone()))
            })
            .collect();
        there.sort();
        let chosen = self.random.below(there.len().max(1) as u64);
        there.into_iter().nth(usize::try_from(chosen).unwrap())
    }

    fn delete_tag(&mut self) -> Result<(), Failure> {
        let Some((path, digest)) = self.choose(|promises| &promises.tags) else {
            return Ok(());
        };
        let known = Known::promised(Some(digest)).or(None);
        self.promises.tags.insert(path.clone(), known);
        self.client.expect(202, "DELETE", &path, &[], &[])?;
        self.promises.tags.insert(path, Known::promised(None));
        Ok(())
    }

    fn delete_manifest(&mut self) -> Result<(), Failure> {
        let Some((path, digest)) = self.choose(|promises| &promises.manifests) else {
            return Ok(());
        };
        let repository = path.split("/manifests/").next().unwrap().to_owned();
        let tags: Vec<String> = (self.promises.tags.iter())
            .filter(|(tag, known)| tag.starts_with(&repository) && known.allows(Some(&digest)))
            .map(|(tag, _)| tag.clone())
            .collect();
        // Interrupted, any of its tags may be gone already, and the manifest not.
        for path in tags.iter().chain([&path]) {
            let known = self.known(path);
            *known = known.clone().or(None);
        }
        self.client.expect(202, "DELETE", &path, &[], &[])?;
        for path in tags.iter().chain([&path]) {
            let known = self.known(path);
            *known = known.clone().without(&digest);
        }
        Ok(())
    }

    fn known(&mut self, path: &str) -> &mut Known {
        let promises = &mut self.promises;
        let known = promises.tags.get_mut(path);
        known
            .or(promises.manifests.get_mut(path))
            .expect("a known path")
    }

    fn pull_something(&mut self) -> Result<(), Failure> {
        let Some((path, digest)) = self.choose(|promises| &promises.manifests) else {
            return Ok(());
        };
        let answer = self.client.expect(200, "GET", &path, &[], &[])?;
        if digest_of(&answer.body) != digest {
            self.complain(format!("{path} answers other bytes"));
        }
        Ok(())
    }
}

/// Checks every promise against a server that runs in peace.
fn check(promises: &Promises, client: &mut Client) -> Vec<String> {
    let mut broken = Vec::new();
    let mut digest_at = |path: &str| -> Result<Option<String>, String> {
        let answer = client.get(path).map_err(|e| format!("{path}: {e}"))?;
        match answer.status {
            200 => Ok(Some(digest_of(&answer.body))),
            404 => Ok(None),
            other => Err(format!("{path}: {other}: {}", answer.text())),
        }
    };
    for (path, known) in promises.manifests.iter().chain(&promises.tags) {
        match digest_at(path) {
            Ok(seen) if known.allows(seen.as_ref()) => {}
            Ok(seen) => broken.push(format!("{path}: {known:?}, and it answers {seen:?}")),
            Err(e) => broken.push(e),
        }
    }
    for (manifest, blobs) in &promises.blobs {
        // What answers must be whole, promised or not; what was deleted need not.
        if !matches!(digest_at(manifest), Ok(Some(_))) {
            continue;
        }
        for path in blobs {
            let named = path.rsplit('/').next().map(str::to_owned);
            match digest_at(path) {
                Ok(seen) if seen == named => {}
                Ok(seen) => broken.push(format!("{manifest} needs {path}, which answers {seen:?}")),
                Err(e) => broken.push(e),
            }
        }
    }
    broken
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long and which run: told by CI"
    )]
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kills: u64 = number("CRASH_KILLS").unwrap_or(15);
    let seed = number("CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("CRASH_KILLS={kills} CRASH_SEED={seed}");
    let mut random = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let place = Place::new("");
    let common = Arc::new((0..8).map(|n| random.bytes(1000 * n)).collect::<Vec<_>>());
    let complaints = Complaints::default();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));

    let mut server = place.start();
    let pushers: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let pusher = Pusher {
                name: format!("c{n}"),
                client: server.client(),
                random: random.fork(),
                common: Arc::clone(&common),
                promises: Promises::default(),
                complaints: Arc::clone(&complaints),
                acknowledged: Arc::clone(&acknowledged),
            };
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || pusher.run(&stop))
        })
        .collect();
    for kill in 0..kills {
        // At any moment, but no more often than the machine gets something done.
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5 + random.below(150)));
            if acknowledged.load(Ordering::Relaxed) > kill {
                break;
            }
        }
        server.kill();
        server = place.start();
    }
    stop.store(true, Ordering::Relaxed);
    let promises: Vec<_> = pushers.into_iter().map(|it| it.join().unwrap()).collect();

    let mut broken = complaints.lock().unwrap().clone();
    let mut client = server.client();
    for promises in &promises {
        broken.extend(check(promises, &mut client));
    }
    let interrupted: u64 = promises.iter().map(|it| it.interrupted).sum();
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    println!(
        "{kills} kills, {acknowledged} images acknowledged, {interrupted} requests interrupted"
    );
    assert!(
        broken.is_empty(),
        "CRASH_SEED={seed}: {} broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
    assert!(
        acknowledged >= kills,
        "the clients hardly got anything done"
    );
    assert!(interrupted >= kills / 2, "the kills hit nothing");
}
