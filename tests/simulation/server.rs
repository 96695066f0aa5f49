//! Simulated servers: a registry and a collector each, over the one store; they die and come back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use simple_registry::adapters::storage;
use simple_registry::domain::access::AccessPolicy;
use simple_registry::domain::collector::{Collector, CollectorSettings};
use simple_registry::domain::error::RegistryError;
use simple_registry::domain::model::Timestamp;
use simple_registry::domain::namespaces::{MissingReferences, Namespace, Namespaces};
use simple_registry::domain::registry::Registry;
use simple_registry::domain::retention::Mode;
use simple_registry::ports::{Clock, LockManager, Tasks};

use super::flaws::Flaw;
use super::history::History;
use super::locks::SimulatedLocks;
use super::retention::Retaining;
use super::scrub::Scrubbing;
use super::tree::SimulatedTree;
use super::world::{Life, World};

/// After how long an idle upload goes.
const MAX_AGE: Duration = Duration::from_mins(10);

/// The ports of one process.
pub struct Process {
    pub life: Arc<Life>,
    pub registry: Arc<Registry>,
    pub collector: Collector,
    pub retaining: Option<Arc<Retaining>>,
    pub scrubbing: Arc<Scrubbing>,
}

impl Process {
    pub fn begin(world: &Arc<World>, history: &Arc<History>, life: Arc<Life>) -> Self {
        let locks: Arc<dyn LockManager> = Arc::new(SimulatedLocks {
            world: Arc::clone(world),
            life: Arc::clone(&life),
        });
        let tree = |of_clients| {
            Arc::new(SimulatedTree {
                world: Arc::clone(world),
                life: Arc::clone(&life),
                of_clients,
            })
        };
        let storage = |of_clients| {
            let tree = tree(of_clients);
            let for_times = world.is_bucket().then(|| Arc::clone(&locks));
            storage::over(tree.clone(), tree, for_times)
        };
        // Clocks of servers differ by less than a second.
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock {
            world: Arc::clone(world),
            life: Arc::clone(&life),
            ahead: i64::try_from(world.below(900)).unwrap(),
        });
        let tasks: Arc<dyn Tasks> = Arc::new(SimulatedTasks(Arc::clone(world), Arc::clone(&life)));
        let everything = Namespace {
            access_policy: AccessPolicy {
                default_allow: true,
                rules: Vec::new(),
            },
            missing_references: MissingReferences::Refuse,
            ..Namespace::default()
        };
        let namespaces = Namespaces::new([("*".to_owned(), everything)]);
        let settings = CollectorSettings {
            grace_period: world.plan.grace_period,
            rate_limit: None,
        };
        Self {
            registry: Arc::new(Registry::new(
                &storage(true),
                &locks,
                &clock,
                &tasks,
                namespaces.clone(),
            )),
            collector: Collector::new(&storage(false), &locks, &clock, settings),
            retaining: Retaining::new(world, history, storage(false), &locks, &clock).map(Arc::new),
            scrubbing: Arc::new(Scrubbing::new(
                world,
                history,
                storage(false),
                tree(false),
                (&locks, &clock),
                namespaces,
            )),
            life,
        }
    }
}

/// One of the servers.
pub struct Server {
    running: Mutex<Option<Running>>,
    /// It does not start again.
    stopped: AtomicBool,
}

#[derive(Clone)]
struct Running {
    life: Arc<Life>,
    registry: Arc<Registry>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Failure {
    /// It never came to a server.
    Down,
    /// The server died over it.
    Lost,
    /// It was answered with an error.
    Error(RegistryError),
}

impl Server {
    /// Starts it, and again whenever it has died.
    pub fn start(world: &Arc<World>, history: &Arc<History>, number: usize) -> Arc<Self> {
        let server = Arc::new(Self {
            running: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let (world, kept) = (Arc::clone(world), Arc::clone(&server));
        let history = Arc::clone(history);
        tokio::spawn(async move {
            for start in 1_u32.. {
                let life = Life::begin(&world, format!("server {number}.{start}"));
                let process = Process::begin(&world, &history, Arc::clone(&life));
                world.note(|| format!("{}: starts", life.name));
                *kept.running.lock().unwrap() = Some(Running {
                    life: Arc::clone(&life),
                    registry: Arc::clone(&process.registry),
                });
                life.spawn(expire(Arc::clone(&world), Arc::clone(&process.registry)));
                if let Some(retaining) = &process.retaining {
                    life.spawn(retain(
                        Arc::clone(&world),
                        Arc::clone(&life),
                        Arc::clone(retaining),
                    ));
                }
                if world.plan.scrub {
                    life.spawn(scrub(
                        Arc::clone(&world),
                        Arc::clone(&life),
                        Arc::clone(&process.scrubbing),
                    ));
                }
                life.spawn(collect(Arc::clone(&world), process));
                life.died.notified().await;
                *kept.running.lock().unwrap() = None;
                if kept.stopped.load(Ordering::Relaxed) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(world.below(20_000))).await;
            }
        });
        server
    }

    /// A server that is neither started nor killed.
    pub fn of(process: &Process) -> Arc<Self> {
        let running = Running {
            life: Arc::clone(&process.life),
            registry: Arc::clone(&process.registry),
        };
        Arc::new(Self {
            running: Mutex::new(Some(running)),
            stopped: AtomicBool::new(false),
        })
    }

    pub fn kill(&self) {
        if let Some(running) = &*self.running.lock().unwrap() {
            running.life.kill();
        }
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.kill();
    }

    /// What a client asks is done by a task of its own, to its end.
    pub async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Arc<Registry>) -> BoxFuture<'static, Result<T, RegistryError>>,
    ) -> Result<T, Failure> {
        let Some(running) = self.running.lock().unwrap().clone() else {
            return Err(Failure::Down);
        };
        running.life.awake().await;
        let answer = running.life.spawn(request(running.registry)).await;
        match answer {
            Ok(answer) => answer.map_err(Failure::Error),
            Err(error) if error.is_cancelled() => Err(Failure::Lost),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

async fn collect(world: Arc<World>, mut process: Process) {
    loop {
        // While nothing happens, there is little to do.
        let least = if world.is_calm() { 60_000 } else { 50 };
        let pause = least + world.below(world.plan.interval);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        process.life.awake().await;
        let pass = process.collector.pass(&|| true).await;
        world.note(|| format!("{}: {pass:?}", process.life.name));
    }
}

async fn retain(world: Arc<World>, life: Arc<Life>, retaining: Arc<Retaining>) {
    loop {
        let least = if world.is_calm() { 60_000 } else { 50 };
        let pause = least + world.below(2 * world.plan.interval);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        life.awake().await;
        let mode = if world.one_in(2) {
            Mode::Force
        } else {
            Mode::Apply
        };
        let run = retaining.run(mode).await;
        world.note(|| format!("{}: {run:?}", life.name));
    }
}

async fn scrub(world: Arc<World>, life: Arc<Life>, scrubbing: Arc<Scrubbing>) {
    loop {
        let least = if world.is_calm() { 60_000 } else { 50 };
        let pause = least + world.below(4 * world.plan.interval);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        life.awake().await;
        let found = scrubbing.run(MAX_AGE, false).await;
        world.note(|| format!("{}: scrub: {found:?}", life.name));
    }
}

async fn expire(world: Arc<World>, registry: Arc<Registry>) {
    loop {
        tokio::time::sleep(MAX_AGE / 4).await;
        let expired = registry.uploads().expire(MAX_AGE).await;
        world.note(|| format!("expired: {expired:?}"));
    }
}

struct SimulatedClock {
    world: Arc<World>,
    life: Arc<Life>,
    ahead: i64,
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.world.time() + self.ahead)
    }

    async fn sleep(&self, duration: Duration) {
        // Nobody who only looks around now and then does so without a pause.
        let is_short = duration < Duration::from_secs(1);
        if is_short || !self.world.has(Flaw::NoPatience) {
            tokio::time::sleep(duration).await;
            self.life.awake().await;
        }
    }
}

struct SimulatedTasks(Arc<World>, Arc<Life>);

impl Tasks for SimulatedTasks {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        if !self.0.has(Flaw::NoTasks) {
            self.1.spawn(work);
        }
    }
}
