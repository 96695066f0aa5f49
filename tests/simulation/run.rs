//! One seed, from its beginning to its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use simple_registry::domain::model::{Digest, Reference};
use simple_registry::domain::retention::{Mode, Outcome, Verdict};

use super::client::Client;
use super::content::Content;
use super::flaws::Flaw;
use super::history::History;
use super::plan::Keep;
use super::server::{Process, Server};
use super::world::{Life, World};

/// Until then every lock of a dead server is free, and everything late is done.
const SETTLED: Duration = Duration::from_mins(4);

/// Longer than any client should need.
const PATIENCE: Duration = Duration::from_hours(12);

/// How often the collector may go through everything until it is clean: what is let go, is so by and by.
const PASSES: usize = 24;

/// How a run went.
pub struct Run {
    pub seed: u64,
    /// Promises that were not kept, the first first.
    pub broken: Vec<String>,
    pub trace: Vec<String>,
    pub acknowledged: usize,
    /// The same for two runs that went the same way.
    pub fingerprint: (u64, u64, u64),
}

/// As the seed says.
pub fn run(seed: u64, traced: bool) -> Run {
    run_in(seed, None, None, traced)
}

/// The setting in which a rule matters, with the rule.
pub fn run_with(seed: u64, rule: Flaw, traced: bool) -> Run {
    run_in(seed, Some(rule), None, traced)
}

/// The same without it.
pub fn run_without(seed: u64, rule: Flaw) -> Run {
    run_in(seed, Some(rule), Some(rule), false)
}

fn run_in(seed: u64, setting: Option<Flaw>, flaw: Option<Flaw>, traced: bool) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(seed, setting, flaw, traced);
        let content = Arc::new(Content::new());
        let history = History::new(&world, &content);
        world.note(|| format!("{:?}", world.plan));
        let simulation = Simulation {
            servers: Vec::new(),
            content,
            history: Arc::clone(&history),
            world: Arc::clone(&world),
        };
        let ended = tokio::spawn(simulation.go()).await;
        if ended.is_err() || world.has_panicked() {
            history.broken("a task has panicked: see above");
        }
        let next = world.below(u64::MAX);
        Run {
            seed,
            broken: history.all_broken(),
            trace: world.trace(),
            acknowledged: history.acknowledged(),
            fingerprint: (world.steps(), world.now(), next),
        }
    })
}

struct Simulation {
    world: Arc<World>,
    content: Arc<Content>,
    history: Arc<History>,
    servers: Vec<Arc<Server>>,
}

impl Simulation {
    async fn go(mut self) {
        for number in 0..self.world.plan.servers {
            self.servers
                .push(Server::start(&self.world, &self.history, number));
        }
        for _ in 0..2 {
            self.world.set_calm(false);
            self.storm(self.world.plan.operations).await;
            self.world.set_calm(true);
            tokio::time::sleep(SETTLED).await;
            self.check().await;
        }
        self.storm(2).await;
        for server in &self.servers {
            server.stop();
        }
        let life = Life::begin(&self.world, "the last server".to_owned());
        let mut process = Process::begin(&self.world, &self.history, life);
        tokio::time::sleep(SETTLED).await;
        self.becomes_clean(&mut process).await;
        self.scrub(&process).await;
        self.becomes_clean(&mut process).await;
        self.check().await;
    }

    fn client(&self) -> Client {
        Client {
            world: Arc::clone(&self.world),
            content: Arc::clone(&self.content),
            history: Arc::clone(&self.history),
            servers: self.servers.clone(),
        }
    }

    async fn storm(&self, operations: u64) {
        let clients = 0..self.world.plan.clients;
        let clients: Vec<_> = clients
            .map(|_| tokio::spawn(self.client().run(operations)))
            .collect();
        let power = self.world.plan.power_cuts && !self.world.is_calm();
        let cuts = power.then(|| {
            let (world, servers) = (Arc::clone(&self.world), self.servers.clone());
            tokio::spawn(cut_power(world, servers))
        });
        let all = async {
            for client in clients {
                client.await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            self.history.broken("clients do not come to an end");
        }
        if let Some(cuts) = cuts {
            cuts.abort();
        }
    }

    /// Everything that must be there is, and what must be gone is, to somebody who sees all of it at once.
    async fn check(&self) {
        let process = Process::begin(&self.world, &self.history, Life::observer(&self.world));
        let observer = Client {
            servers: vec![Server::of(&process)],
            ..self.client()
        };
        for repository in 0..self.content.repositories.len() {
            for item in 0..self.content.items.len() {
                observer.read(repository, item).await;
                observer.list_referrers(repository, item).await;
            }
            for blob in 0..self.content.blobs.len() {
                observer.read_blob(repository, blob).await;
            }
            for tag in 0..self.content.tags.len() {
                observer.look_at_tag(repository, tag).await;
            }
        }
    }

    /// P3: after some quiet passes the store holds what the images need, and nothing else.
    async fn becomes_clean(&self, process: &mut Process) {
        let mut difference = Vec::new();
        for _ in 0..PASSES {
            let has_retained = self.retain(process).await;
            if let Err(error) = process.registry.uploads().expire(Duration::ZERO).await {
                self.history
                    .broken(&format!("uploads do not expire: {error}"));
            }
            match process.collector.pass(&|| true).await {
                Ok(Some(pass)) => {
                    self.world.note(|| format!("{pass:?}"));
                    if !pass.doubts.is_empty() {
                        self.history.broken(&format!("P3: {:?}", pass.doubts));
                    }
                }
                other => self.history.broken(&format!("P3: no pass: {other:?}")),
            }
            tokio::time::sleep(self.world.plan.grace_period + Duration::from_secs(10)).await;
            difference = self.difference(process).await;
            if difference.is_empty() && !has_retained {
                return;
            }
        }
        self.history
            .broken(&format!("P3: it does not become clean: {difference:#?}"));
    }

    /// Whether rules had something to delete. While nothing else happens, it goes.
    async fn retain(&self, process: &Process) -> bool {
        let Some(retaining) = &process.retaining else {
            return false;
        };
        let run = match retaining.run(Mode::Force).await {
            Ok(Some(run)) => run,
            other => {
                self.history
                    .broken(&format!("no run of retention: {other:?}"));
                return false;
            }
        };
        self.world.note(|| format!("{run:?}"));
        let mut images = run.repositories.iter().flat_map(|it| &it.images);
        // What somebody who died had doomed waits for the next run.
        let has_more = images.any(|it| it.verdict != Verdict::Kept);
        let is_held_back = |it: &Outcome| !it.problems.is_empty() || it.held_back.is_some();
        if run.held_back.is_some() || run.repositories.iter().any(is_held_back) {
            self.history
                .broken(&format!("retention is held back: {run:?}"));
        }
        has_more
    }

    /// What crashes left is mended at once: then there is nothing more.
    async fn scrub(&self, process: &Process) {
        for may_find in [true, false] {
            let found = process.scrubbing.run(Duration::ZERO, true).await;
            self.world.note(|| format!("scrub: {found:?}"));
            match found {
                Ok(found) if found.is_empty() || may_find => {}
                other => self
                    .history
                    .broken(&format!("scrub does not mend everything: {other:?}")),
            }
        }
    }

    /// What is there and must not be (+), and the other way round (-).
    async fn difference(&self, process: &Process) -> Vec<String> {
        let needed = self.needed(process).await;
        let judged = ["data", "link", "_meta", "_condemned", "_dying"];
        let kept = self.kept(process).await;
        let is_judged = |path: &&String| {
            let name = path.rsplit('/').next().unwrap();
            judged.contains(&name) && !path.contains("/tags/")
        };
        let state = self.world.state();
        let stored: BTreeSet<String> = state.objects.paths().filter(is_judged).cloned().collect();
        let left = stored.difference(&needed);
        let lost = needed.difference(&stored);
        let mut difference: Vec<String> = left.map(|it| format!("+ {it}")).collect();
        difference.extend(lost.map(|it| format!("- {it}")));
        for (repository, kept) in kept.iter().enumerate() {
            for (number, item) in self.content.items.iter().enumerate() {
                let path = format!("_manifests/revisions/sha256/{}/link", item.digest.hex());
                let name = &self.content.repositories[repository];
                let path = format!("docker/registry/v2/repositories/{name}/{path}");
                if stored.contains(&path) && self.history.is_left(repository, number) {
                    difference.push(format!("+ {path}, which nothing holds"));
                }
                if stored.contains(&path) && !kept.contains(&number) {
                    difference.push(format!("+ {path}, which no rule keeps"));
                }
            }
        }
        if !state.sessions.is_empty() {
            difference.push("+ upload sessions".to_owned());
        }
        difference
    }

    /// The images of each repository that its rules keep, with what belongs to them.
    async fn kept(&self, process: &Process) -> Vec<BTreeSet<usize>> {
        let items = &self.content.items;
        let mut all = Vec::new();
        for name in &self.content.repositories {
            let Some(keep) = self.world.plan.retention else {
                all.push((0..items.len()).collect());
                continue;
            };
            let mut kept = BTreeSet::new();
            for tag in &self.content.tags {
                let is_kept = keep != Keep::Latest || tag.as_str() == "latest";
                let reference = Reference::Tag(tag.clone());
                let found = process.registry.get_manifest(name, &reference).await;
                if is_kept && let Ok((found, _)) = found {
                    kept.extend(self.content.item_of(&found.digest));
                }
            }
            loop {
                let belongs = |it: &usize| {
                    items[*it].subject.is_some_and(|it| kept.contains(&it))
                        || kept
                            .iter()
                            .any(|holder| items[*holder].children.contains(it))
                };
                let more: Vec<_> = (0..items.len())
                    .filter(|it| !kept.contains(it) && belongs(it))
                    .collect();
                if more.is_empty() {
                    break;
                }
                kept.extend(more);
            }
            all.push(kept);
        }
        all
    }

    async fn needed(&self, process: &Process) -> BTreeSet<String> {
        let mut needed = BTreeSet::new();
        let data = |digest: &Digest| {
            let hex = digest.hex();
            format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2])
        };
        for name in &self.content.repositories {
            let repository = format!("docker/registry/v2/repositories/{name}");
            for item in &self.content.items {
                let reference = Reference::Digest(item.digest.clone());
                if process
                    .registry
                    .get_manifest(name, &reference)
                    .await
                    .is_err()
                {
                    continue;
                }
                needed.insert(data(&item.digest));
                for file in ["link", "_meta"] {
                    let hex = item.digest.hex();
                    let revisions = "_manifests/revisions/sha256";
                    needed.insert(format!("{repository}/{revisions}/{hex}/{file}"));
                }
                let link = |it: &Digest| format!("{repository}/_layers/sha256/{}/link", it.hex());
                for blob in &item.blobs {
                    let digest = &self.content.blobs[*blob].digest;
                    needed.insert(data(digest));
                    needed.insert(link(digest));
                }
                // A child that was on its way when its index was pushed has become a blob as well.
                for child in &item.children {
                    let digest = &self.content.items[*child].digest;
                    if self.world.state().objects.get(&link(digest)).is_some() {
                        needed.insert(data(digest));
                        needed.insert(link(digest));
                    }
                }
            }
        }
        needed
    }
}

/// All servers die at once, and what was not synced may be gone.
async fn cut_power(world: Arc<World>, servers: Vec<Arc<Server>>) {
    loop {
        let pause = 1_000 + world.below(40_000);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        for server in &servers {
            server.kill();
        }
        world.cut_power();
    }
}
