//! Pushes at full rate against a collector that never rests, and a server that is killed.
//!
//! Clients push, mount, skip, delete and push again images that share layers, in several repositories, while whatever
//! nothing references goes after a second. What was acknowledged stays whole; and when everybody is quiet, the store
//! holds exactly what the images need. Scrubs run beside it, and are killed as well; some deletions are undone.
//! `COLLECT_PUSHES` says how many (100 by default; CI: 2000), `COLLECT_SEED` repeats a run.
//!
//! On S3, two servers share a bucket: `COLLECT_S3` is what is configured, and `COLLECT_S3_FILES` where that S3 (`MinIO`)
//! keeps what is in it, a directory with an `xl.meta` for each object (`tests/system/collect-s3`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::{Client, Failure, digest_of, image};
use crate::random::Random;
use crate::server::Place;

const REPOSITORIES: [&str; 3] = ["race/a", "race/b", "race/b/deep"];

/// How long the store may take to become what it should be.
const PATIENCE: Duration = Duration::from_mins(4);

/// How long an upload may rest. On a busy machine, requests to S3 take seconds.
fn max_age() -> Duration {
    Duration::from_secs(if on_s3() { 10 } else { 2 })
}

/// What every server is told.
fn settings() -> String {
    format!(
        "[collector]\ninterval = 1\ngrace_period = 1\nrate_limit = 1000000\n[uploads]\nmax_age = {}\n",
        max_age().as_secs()
    )
}

#[derive(Clone)]
struct Image {
    repository: &'static str,
    blobs: Vec<Vec<u8>>,
    manifest: Vec<u8>,
}

impl Image {
    fn path(&self) -> String {
        let digest = digest_of(&self.manifest);
        format!("/v2/{}/manifests/{digest}", self.repository)
    }

    fn blob(&self, content: &[u8]) -> String {
        format!("/v2/{}/blobs/{}", self.repository, digest_of(content))
    }
}

/// What happened.
#[derive(Default)]
struct Tally {
    pushed: AtomicU64,
    missing: AtomicU64,
    interrupted: AtomicU64,
    skipped: AtomicU64,
    mounted: AtomicU64,
    repushed: AtomicU64,
    restored: AtomicU64,
    scrubs: AtomicU64,
    refused: AtomicU64,
    broken: Mutex<Vec<String>>,
}

impl Tally {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

struct Racer {
    client: Client,
    random: Random,
    shared: Arc<Vec<Vec<u8>>>,
    tally: Arc<Tally>,
    place: Arc<Place>,
    /// Acknowledged, and not deleted.
    images: Vec<Image>,
    /// Nobody knows: the connection broke before the answer.
    unsure: Vec<Image>,
}

impl Racer {
    fn run(mut self, stop: &AtomicBool) -> (Vec<Image>, Vec<Image>) {
        while !stop.load(Ordering::Relaxed) {
            let done = match self.random.below(8) {
                0 | 1 => self.delete(),
                2 => self.delete_blob(),
                3 => self.check(),
                _ => {
                    let image = self.invent();
                    self.push(image)
                }
            };
            match done {
                Ok(()) => {}
                Err(Failure::Connection(_)) => {
                    Tally::count(&self.tally.interrupted);
                    std::thread::sleep(Duration::from_millis(3));
                }
                // On S3, the locks of a server that was killed last: others wait, and then are told to come again, or
                // (of an upload) that it is not theirs to go on with.
                Err(Failure::Answer(answer))
                    if on_s3() && [": 503", ": 416"].iter().any(|it| answer.contains(it)) =>
                {
                    Tally::count(&self.tally.refused);
                }
                Err(Failure::Answer(answer)) => self.tally.broken.lock().unwrap().push(answer),
            }
        }
        (self.images, self.unsure)
    }

    fn choose(&mut self, below: usize) -> usize {
        usize::try_from(self.random.below(below as u64)).unwrap()
    }

    fn invent(&mut self) -> Image {
        let repository = REPOSITORIES[self.choose(REPOSITORIES.len())];
        let config = format!(r#"{{"n":{}}}"#, self.random.next()).into_bytes();
        let mut blobs = vec![config];
        for _ in 0..2 {
            let shared = self.choose(self.shared.len());
            blobs.push(self.shared[shared].clone());
        }
        let of = |content: &Vec<u8>| (digest_of(content), content.len());
        let layers: Vec<_> = blobs[1..].iter().map(of).collect();
        let manifest = image((&digest_of(&blobs[0]), blobs[0].len()), &layers);
        Image {
            repository,
            blobs,
            manifest,
        }
    }

    fn push(&mut self, image: Image) -> Result<(), Failure> {
        for content in &image.blobs {
            let there = self.client.send("HEAD", &image.blob(content), &[], &[])?;
            match there.status {
                200 => Tally::count(&self.tally.skipped),
                404 if self.random.below(3) == 0 => self.mount(&image, content)?,
                404 => self
                    .client
                    .push_blob_at_once(image.repository, content)
                    .map(drop)?,
                other => return Err(Failure::Answer(format!("HEAD: {other}"))),
            }
        }
        let kind = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
        self.unsure.push(image.clone());
        let answer = self
            .client
            .send("PUT", &image.path(), &kind, &image.manifest)?;
        if [201, 404].contains(&answer.status) {
            self.unsure.pop();
        }
        match answer.status {
            201 => {
                Tally::count(&self.tally.pushed);
                self.images.push(image);
            }
            // Somebody deleted a blob of it meanwhile, or this took too long.
            404 if answer.text().contains("MANIFEST_BLOB_UNKNOWN") => {
                Tally::count(&self.tally.missing);
            }
            other => return Err(Failure::Answer(format!("PUT: {other}: {}", answer.text()))),
        }
        Ok(())
    }

    fn mount(&mut self, image: &Image, content: &[u8]) -> Result<(), Failure> {
        let digest = digest_of(content);
        let from = REPOSITORIES[self.choose(REPOSITORIES.len())];
        let path = format!(
            "/v2/{}/blobs/uploads/?mount={digest}&from={from}",
            image.repository
        );
        let begun = Instant::now();
        let answer = self.client.send("POST", &path, &[], &[])?;
        match answer.status {
            201 => Tally::count(&self.tally.mounted),
            202 => {
                let location = answer.header("location").unwrap_or_default();
                let path = format!("{location}?digest={digest}");
                match self.client.expect(201, "PUT", &path, &[], content) {
                    // Whoever is that slow has to start again. (S3 tells times in seconds.)
                    Err(Failure::Answer(answer))
                        if answer.contains("BLOB_UPLOAD_UNKNOWN")
                            && begun.elapsed() + Duration::from_secs(1) >= max_age() =>
                    {
                        let late = std::io::ErrorKind::TimedOut;
                        return Err(Failure::Connection(late.into()));
                    }
                    put => drop(put?),
                }
            }
            other => return Err(Failure::Answer(format!("mount: {other}"))),
        }
        Ok(())
    }

    /// Restores a deleted image, if that is in time and nobody has deleted a blob of it. Nobody knows whether it is
    /// restored where the command did not end well.
    fn undelete(&mut self, image: Image) -> Result<(), Failure> {
        let named = format!("{}@{}", image.repository, digest_of(&image.manifest));
        let mut command = self.place.command();
        command.args(["undelete", &named]);
        let done = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        match done.code() {
            Some(0) => {
                Tally::count(&self.tally.restored);
                self.images.push(image);
            }
            Some(2) => {}
            _ => self.unsure.push(image),
        }
        Ok(())
    }

    /// Deletes an image; half of them come back at once.
    fn delete(&mut self) -> Result<(), Failure> {
        if self.images.is_empty() {
            return Ok(());
        }
        let chosen = self.choose(self.images.len());
        let image = self.images.swap_remove(chosen);
        self.unsure.push(image.clone());
        self.client.expect(202, "DELETE", &image.path(), &[], &[])?;
        self.unsure.pop();
        match self.random.below(8) {
            0..3 => return Ok(()),
            3 => return self.undelete(image),
            _ => {}
        }
        Tally::count(&self.tally.repushed);
        let pause = self.random.below(1500);
        std::thread::sleep(Duration::from_millis(pause));
        self.push(image)
    }

    fn delete_blob(&mut self) -> Result<(), Failure> {
        let image = self.invent();
        let answer = self
            .client
            .send("DELETE", &image.blob(&image.blobs[1]), &[], &[])?;
        match answer.status {
            202 | 404 | 405 => Ok(()),
            other => Err(Failure::Answer(format!(
                "DELETE: {other}: {}",
                answer.text()
            ))),
        }
    }

    /// An image that was acknowledged answers, byte for byte.
    fn check(&mut self) -> Result<(), Failure> {
        if self.images.is_empty() {
            return Ok(());
        }
        let chosen = self.choose(self.images.len());
        is_whole(&mut self.client, &self.images[chosen])
    }
}

fn is_whole(client: &mut Client, image: &Image) -> Result<(), Failure> {
    let blobs = image.blobs.iter().map(|it| (image.blob(it), it));
    for (path, content) in blobs.chain([(image.path(), &image.manifest)]) {
        if client.expect(200, "GET", &path, &[], &[])?.body != *content {
            return Err(Failure::Answer(format!("{path} answers other bytes")));
        }
    }
    Ok(())
}

/// Everything in the store that is content, a link or a mark.
fn stored(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut pending = vec![root.join("docker")];
    while let Some(dir) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue; // it was just removed
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let ours = ["data", "link", "_condemned", "_dying", "_meta"].contains(&name.as_str());
            // On S3, the object is a directory.
            if path.is_dir() && !(ours && path.join("xl.meta").exists()) {
                pending.push(path);
            } else if ours {
                let path = path.strip_prefix(root.join("docker/registry/v2")).unwrap();
                found.insert(path.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

fn needed(images: &[Image]) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    let hex = |content: &[u8]| digest_of(content).replace("sha256:", "");
    for image in images {
        for content in image.blobs.iter().chain([&image.manifest]) {
            let hex = hex(content);
            needed.insert(format!("blobs/sha256/{}/{hex}/data", &hex[..2]));
        }
        let repository = format!("repositories/{}", image.repository);
        for content in &image.blobs {
            needed.insert(format!("{repository}/_layers/sha256/{}/link", hex(content)));
        }
        for file in ["link", "_meta"] {
            let revision = hex(&image.manifest);
            needed.insert(format!(
                "{repository}/_manifests/revisions/sha256/{revision}/{file}"
            ));
        }
    }
    needed
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long, which run, and where: told by CI"
)]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn on_s3() -> bool {
    told("COLLECT_S3").is_some()
}

/// Where servers run, and where what they store can be seen.
fn places() -> (Vec<Arc<Place>>, PathBuf) {
    let Some(s3) = told("COLLECT_S3") else {
        let place = Place::new(&settings());
        let root = place.root();
        return (vec![Arc::new(place)], root);
    };
    let places = (0..2).map(|_| Arc::new(Place::elsewhere(&format!("{}{s3}\n", settings()))));
    let files = told("COLLECT_S3_FILES").expect("COLLECT_S3_FILES is set as well");
    (places.collect(), files.into())
}

/// What a server said last.
fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(60)..];
    format!("{}\n--\n", last.join("\n"))
}

/// Scrubs again and again, every other time with all content read, and now and then not to its end. It never finds
/// anything that it can't mend.
fn scrub(place: &Place, mut random: Random, stop: &AtomicBool, tally: &Tally) {
    let findings = place.dir.path().join("findings");
    while !stop.load(Ordering::Relaxed) {
        let mut command = place.command();
        command.arg("scrub");
        if random.below(2) == 0 {
            command.arg("--verify");
        }
        let out = std::fs::File::create(&findings).unwrap();
        let mut scrub = command.stdout(out).stderr(Stdio::null()).spawn().unwrap();
        let patience = Duration::from_millis(random.below(if on_s3() { 20_000 } else { 2000 }));
        let begun = Instant::now();
        while scrub.try_wait().unwrap().is_none() {
            if begun.elapsed() > patience {
                scrub.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        match scrub.wait().unwrap().code() {
            Some(0) => Tally::count(&tally.scrubs),
            Some(2) => {
                let told = std::fs::read_to_string(&findings).unwrap();
                tally.broken.lock().unwrap().push(format!("scrub: {told}"));
            }
            // It was killed, or something could not be looked at: the server was.
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn beside_a_collector_nothing_is_lost_and_in_the_end_nothing_is_left() {
    let number = |name: &str| told(name).and_then(|text| text.parse().ok());
    let pushes: u64 = number("COLLECT_PUSHES").unwrap_or(100);
    let seed = number("COLLECT_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("COLLECT_PUSHES={pushes} COLLECT_SEED={seed}");
    let mut random = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let (places, root) = places();
    let shared = Arc::new((1..8).map(|n| random.bytes(999 * n)).collect::<Vec<_>>());
    let tally = Arc::new(Tally::default());
    let stop = Arc::new(AtomicBool::new(false));

    let mut servers: Vec<_> = places.iter().map(|place| place.start_observed()).collect();
    let scrubbing = {
        let (place, random) = (Arc::clone(&places[0]), random.fork());
        let (stop, tally) = (Arc::clone(&stop), Arc::clone(&tally));
        std::thread::spawn(move || scrub(&place, random, &stop, &tally))
    };
    let racers: Vec<_> = (0..4)
        .map(|index| {
            let place = &places[index % places.len()];
            let racer = Racer {
                client: servers[index % places.len()].client(),
                place: Arc::clone(place),
                random: random.fork(),
                shared: Arc::clone(&shared),
                tally: Arc::clone(&tally),
                images: Vec::new(),
                unsure: Vec::new(),
            };
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || racer.run(&stop))
        })
        .collect();
    while tally.pushed.load(Ordering::Relaxed) < pushes {
        let slower = if on_s3() { 4 } else { 1 };
        std::thread::sleep(Duration::from_millis(slower * (1500 + random.below(3000))));
        let victim = usize::try_from(random.below(places.len() as u64)).unwrap();
        servers.remove(victim).kill();
        servers.insert(victim, places[victim].start_observed());
    }
    stop.store(true, Ordering::Relaxed);
    let (mut images, mut unsure) = (Vec::new(), Vec::new());
    for racer in racers {
        let (certain, rest) = racer.join().unwrap();
        images.extend(certain);
        unsure.extend(rest);
    }

    scrubbing.join().unwrap();

    let mut client = servers[0].client();
    for image in unsure {
        if client.get(&image.path()).unwrap().status == 200 {
            images.push(image);
        }
    }
    let mut broken = tally.broken.lock().unwrap().clone();
    for image in &images {
        if let Err(failure) = is_whole(&mut client, image) {
            broken.push(format!("{failure:?}"));
        }
    }
    println!(
        "{} pushed, {} missed a blob, {} interrupted, {} blobs skipped, {} mounted, {} images pushed again, {} restored, {} scrubs, {} refused; {} stand",
        tally.pushed.load(Ordering::Relaxed),
        tally.missing.load(Ordering::Relaxed),
        tally.interrupted.load(Ordering::Relaxed),
        tally.skipped.load(Ordering::Relaxed),
        tally.mounted.load(Ordering::Relaxed),
        tally.repushed.load(Ordering::Relaxed),
        tally.restored.load(Ordering::Relaxed),
        tally.scrubs.load(Ordering::Relaxed),
        tally.refused.load(Ordering::Relaxed),
        images.len()
    );
    assert!(
        broken.is_empty(),
        "COLLECT_SEED={seed}: {}",
        broken.join("\n")
    );

    let needed = needed(&images);
    let begun = Instant::now();
    loop {
        let stored = stored(&root);
        let lost: Vec<_> = needed.difference(&stored).collect();
        assert!(lost.is_empty(), "COLLECT_SEED={seed}: lost: {lost:#?}");
        let left: Vec<_> = stored.difference(&needed).collect();
        if left.is_empty() {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "COLLECT_SEED={seed}: left: {left:#?}\n{}",
            places
                .iter()
                .map(|it| last_lines(&it.log()))
                .collect::<String>()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("clean after {:?}", begun.elapsed());
    for image in &images {
        is_whole(&mut client, image).unwrap();
    }
}
