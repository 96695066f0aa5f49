//! Pushes against deletes of the same things, at full rate.
//!
//! Clients push manifests that share two blobs while others delete those blobs,
//! tags and manifests. A push may be told that a blob is missing; but from its
//! 201 on, and until the manifest is deleted, everything it names answers.
//! `RACE_SECONDS` says for how long (2 by default).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::{Client, Failure, digest_of, image};
use crate::random::Random;
use crate::server::Place;

/// How long it may take until something of everything has happened.
const PATIENCE: Duration = Duration::from_mins(1);

const REPOSITORY: &str = "race/app";
const SHARED: [&[u8]; 2] = [b"the one blob that all share", b"and the other"];

/// What happened, for the test to see that everything did.
#[derive(Default)]
struct Tally {
    pushed: u64,
    missing: u64,
    blobs_deleted: u64,
    blobs_refused: u64,
    tags_moved: u64,
    broken: Vec<String>,
}

impl Tally {
    fn shows_a_race(&self) -> bool {
        self.pushed > 10 && self.blobs_refused > 0 && self.blobs_deleted > 0
    }
}

/// What a racer does, over and over.
type Role = fn(&mut Racer) -> Result<(), Failure>;

struct Racer {
    client: Client,
    random: Random,
    tally: Arc<Mutex<Tally>>,
}

impl Racer {
    fn note(&self, what: impl FnOnce(&mut Tally)) {
        what(&mut self.tally.lock().unwrap());
    }

    fn blob(content: &[u8]) -> String {
        format!("/v2/{REPOSITORY}/blobs/{}", digest_of(content))
    }

    /// Pushes a manifest of its own over the shared blobs, and looks at what
    /// it was promised; then deletes it again.
    fn push(&mut self) -> Result<(), Failure> {
        for content in SHARED {
            if self
                .client
                .send("HEAD", &Self::blob(content), &[], &[])?
                .status
                != 200
            {
                self.client.push_blob_at_once(REPOSITORY, content)?;
            }
        }
        let config = format!(r#"{{"n":{}}}"#, self.random.next());
        let config_digest = self
            .client
            .push_blob_at_once(REPOSITORY, config.as_bytes())?;
        let layers = SHARED.map(|content| (digest_of(content), content.len()));
        let manifest = image((&config_digest, config.len()), &layers);
        let path = format!("/v2/{REPOSITORY}/manifests/{}", digest_of(&manifest));
        let kind = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
        let answer = self
            .client
            .send("PUT", &format!("{path}?tag=moving"), &kind, &manifest)?;
        match answer.status {
            201 => self.note(|tally| tally.pushed += 1),
            404 if answer.text().contains("MANIFEST_BLOB_UNKNOWN") => {
                self.note(|tally| tally.missing += 1);
                return Ok(());
            }
            other => return Err(Failure::Answer(format!("PUT: {other}: {}", answer.text()))),
        }

        for _ in 0..3 {
            let needed = SHARED.into_iter().chain([config.as_bytes()]);
            for path in needed.map(Self::blob).chain([path.clone()]) {
                self.client.expect(200, "GET", &path, &[], &[])?;
            }
        }
        self.client.expect(202, "DELETE", &path, &[], &[])?;
        self.client.expect(404, "GET", &path, &[], &[])?;
        // Now and then nobody needs the blobs, and they go.
        let pause = self.random.below(20);
        std::thread::sleep(Duration::from_millis(pause));
        Ok(())
    }

    /// Deletes one of the shared blobs, if nobody needs it.
    fn delete_blob(&mut self) -> Result<(), Failure> {
        let content = SHARED[usize::try_from(self.random.below(2)).unwrap()];
        let answer = self.client.send("DELETE", &Self::blob(content), &[], &[])?;
        match answer.status {
            202 => self.note(|tally| tally.blobs_deleted += 1),
            405 => self.note(|tally| tally.blobs_refused += 1),
            404 => {}
            other => {
                return Err(Failure::Answer(format!(
                    "DELETE: {other}: {}",
                    answer.text()
                )));
            }
        }
        Ok(())
    }

    /// Pulls the tag that everybody moves: what answers is whole.
    fn follow_tag(&mut self) -> Result<(), Failure> {
        let path = format!("/v2/{REPOSITORY}/manifests/moving");
        let answer = self.client.get(&path)?;
        match answer.status {
            200 => self.note(|tally| tally.tags_moved += 1),
            404 => {}
            other => return Err(Failure::Answer(format!("GET: {other}: {}", answer.text()))),
        }
        if answer.status == 200
            && Some(digest_of(&answer.body).as_str()) != answer.header("docker-content-digest")
        {
            return Err(Failure::Answer(
                "the tag answers other bytes than it says".to_owned(),
            ));
        }
        if self.random.below(4) == 0 {
            self.client.send("DELETE", &path, &[], &[])?;
        }
        Ok(())
    }
}

#[test]
fn what_was_acknowledged_is_whole_whoever_deletes_beside_it() {
    #[expect(clippy::disallowed_methods, reason = "how long: told by CI")]
    let seconds = std::env::var("RACE_SECONDS")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(2);
    let place = Place::new("");
    let server = place.start();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let roles: [Role; 3] = [Racer::push, Racer::delete_blob, Racer::follow_tag];
    let racers: Vec<_> = [0, 0, 1, 1, 2]
        .into_iter()
        .enumerate()
        .map(|(n, role)| {
            let mut racer = Racer {
                client: server.client(),
                random: Random::new(n as u64 + 1),
                tally: Arc::clone(&tally),
            };
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Err(failure) = roles[role](&mut racer) {
                        racer.note(|tally| tally.broken.push(format!("{failure:?}")));
                    }
                }
            })
        })
        .collect();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds)
        || !tally.lock().unwrap().shows_a_race() && begun.elapsed() < PATIENCE
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    stop.store(true, Ordering::Relaxed);
    for racer in racers {
        racer.join().unwrap();
    }

    let tally = tally.lock().unwrap();
    println!(
        "{} pushed, {} missed a blob; blobs: {} deleted, {} refused; the tag answered {} times",
        tally.pushed, tally.missing, tally.blobs_deleted, tally.blobs_refused, tally.tags_moved
    );
    assert!(tally.broken.is_empty(), "{}", tally.broken.join("\n"));
    assert!(tally.shows_a_race(), "no race took place");
}
