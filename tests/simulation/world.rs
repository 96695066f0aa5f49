//! What everybody in the simulation shares: the seed, the time, the store's content, and what goes wrong.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use simple_registry::ports::StoreError;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use super::flaws::Flaw;
use super::locks::Holds;
use super::objects::Objects;
use super::plan::{Flavour, Plan};
use super::random::Random;
use super::sessions::Sessions;

/// When the simulation begins, in milliseconds since the epoch.
const BEGINNING: i64 = 1_800_000_000_000;

/// More steps than any run needs: somebody goes round in a circle that takes no time.
const MOST_STEPS: u64 = 3_000_000;

pub struct World {
    pub plan: Plan,
    pub flaw: Option<Flaw>,
    began: Instant,
    /// Nothing goes wrong while it is set.
    calm: AtomicBool,
    steps: AtomicU64,
    state: Mutex<State>,
    trace: Option<Mutex<Vec<String>>>,
    panicked: AtomicBool,
    power_cut: AtomicU64,
}

/// The store's content and the locks: what outlives every server.
pub struct State {
    pub random: Random,
    pub objects: Objects,
    pub sessions: Sessions,
    pub holds: Holds,
}

/// What becomes of a request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fine,
    /// It is not done, and the caller is told so.
    Refused,
    /// It is done, and the caller is not told.
    Unanswered,
    /// The caller is told that it failed, and it is carried out after that.
    Late,
    /// The server dies before, or after.
    CrashBefore,
    CrashAfter,
    /// The whole process stands still for a while.
    Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
    Removal,
}

impl World {
    /// `setting` is where a flaw matters, whether there is one or not.
    pub fn new(seed: u64, setting: Option<Flaw>, flaw: Option<Flaw>, traced: bool) -> Arc<Self> {
        let mut random = Random::new(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for _ in 0..8 {
            random.next(); // seeds that differ little begin alike
        }
        let mut plan = Plan::draw(&mut random);
        if let Some(setting) = setting {
            setting.matters_in(&mut plan);
        }
        Self::of(plan, random, flaw, traced)
    }

    pub fn of(plan: Plan, random: Random, flaw: Option<Flaw>, traced: bool) -> Arc<Self> {
        Arc::new(Self {
            plan,
            flaw,
            began: Instant::now(),
            calm: AtomicBool::new(false),
            steps: AtomicU64::new(0),
            state: Mutex::new(State {
                random,
                objects: Objects::default(),
                sessions: Sessions::default(),
                holds: Holds::default(),
            }),
            trace: traced.then(Mutex::default),
            panicked: AtomicBool::new(false),
            power_cut: AtomicU64::new(0),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub fn is_bucket(&self) -> bool {
        self.plan.flavour == Flavour::Bucket
    }

    /// A number below `n`.
    pub fn below(&self, n: u64) -> u64 {
        self.state().random.below(n)
    }

    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// So many times in ten thousand, and never while it is calm.
    pub fn strikes(&self, rate: u64) -> bool {
        rate > 0 && !self.is_calm() && self.below(10_000) < rate
    }

    pub fn set_calm(&self, calm: bool) {
        self.note(|| if calm { "--- calm" } else { "--- storm" }.to_owned());
        self.calm.store(calm, Ordering::Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// The time of day, as the store tells it.
    pub fn time(&self) -> i64 {
        BEGINNING + i64::try_from(self.now()).unwrap()
    }

    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    pub fn step(&self) {
        let steps = self.steps.fetch_add(1, Ordering::Relaxed);
        assert!(steps < MOST_STEPS, "livelock: {steps} steps, and no end");
    }

    /// How long something takes: mostly little, sometimes as long as the plan lets it.
    pub fn delay(&self) -> Duration {
        let slow = if self.is_calm() { 0 } else { self.plan.slow };
        let mut state = self.state();
        let millis = match state.random.below(64) {
            0 if slow > 0 => state.random.below(slow),
            1..6 => 20 + state.random.below(180),
            _ => state.random.below(20),
        };
        Duration::from_millis(millis)
    }

    pub fn fate(&self, kind: Kind) -> Fate {
        let plan = &self.plan;
        if self.strikes(plan.crashes) {
            return if self.one_in(2) {
                Fate::CrashBefore
            } else {
                Fate::CrashAfter
            };
        }
        if self.strikes(plan.pauses) {
            return Fate::Pause;
        }
        if !self.strikes(plan.errors) {
            return Fate::Fine;
        }
        match kind {
            Kind::Read => Fate::Refused,
            Kind::Removal if self.is_bucket() && self.one_in(2) => Fate::Late,
            _ if self.one_in(2) => Fate::Refused,
            _ => Fate::Unanswered,
        }
    }

    /// What was not synced may be gone.
    pub fn cut_power(&self) {
        self.note(|| "--- power cut".to_owned());
        self.power_cut.store(self.now(), Ordering::Relaxed);
        let mut state = self.state();
        let state = &mut *state;
        state.objects.power_cut(&mut state.random);
        state.sessions.power_cut(&mut state.random);
    }

    /// When the last one was.
    pub fn power_was_cut(&self) -> u64 {
        self.power_cut.load(Ordering::Relaxed)
    }

    /// Whether a task of a server did.
    pub fn has_panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let line = format!("{:>9} {}", self.now(), what());
            trace.lock().unwrap().push(line);
        }
    }

    pub fn trace(&self) -> Vec<String> {
        let trace = self.trace.as_ref();
        trace.map_or_else(Vec::new, |trace| trace.lock().unwrap().clone())
    }
}

/// A server's process, from its start to its death.
pub struct Life {
    world: Arc<World>,
    pub name: String,
    /// It sees everything at once, and nothing happens to it.
    pub observes: bool,
    dead: AtomicBool,
    pub died: Notify,
    paused_until: Mutex<Instant>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Life {
    pub fn begin(world: &Arc<World>, name: String) -> Arc<Self> {
        Self::of(world, name, false)
    }

    pub fn observer(world: &Arc<World>) -> Arc<Self> {
        Self::of(world, "observer".to_owned(), true)
    }

    fn of(world: &Arc<World>, name: String, observes: bool) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            name,
            observes,
            dead: AtomicBool::new(false),
            died: Notify::new(),
            paused_until: Mutex::new(Instant::now()),
            tasks: Mutex::default(),
        })
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Everything that the process was at stops between two of its steps.
    pub fn kill(&self) {
        if !self.dead.swap(true, Ordering::Relaxed) {
            self.world.note(|| format!("{}: dies", self.name));
            for task in self.tasks.lock().unwrap().drain(..) {
                task.abort();
            }
            self.died.notify_one();
        }
    }

    /// A task of this process.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let world = Arc::clone(&self.world);
        let task = tokio::spawn(async move {
            match AssertUnwindSafe(work).catch_unwind().await {
                Ok(answer) => answer,
                Err(panic) => {
                    world.panicked.store(true, Ordering::Relaxed);
                    resume_unwind(panic)
                }
            }
        });
        let mut tasks = self.tasks.lock().unwrap();
        if self.is_dead() {
            task.abort();
        }
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
        task
    }

    fn pause(&self) {
        let millis = self.world.below(self.world.plan.longest_pause);
        self.world
            .note(|| format!("{}: stands still for {millis} ms", self.name));
        *self.paused_until.lock().unwrap() = Instant::now() + Duration::from_millis(millis);
    }

    /// Returns when the process is not paused.
    pub async fn awake(&self) {
        loop {
            let until = *self.paused_until.lock().unwrap();
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Some time inside one request, in which others get on. A process that is dead gets no further.
    pub async fn tick(&self) {
        if self.is_dead() {
            return pending().await;
        }
        self.world.step();
        if !self.observes && self.world.one_in(16) {
            tokio::time::sleep(Duration::from_millis(self.world.below(30))).await;
            if self.is_dead() {
                pending::<()>().await;
            }
        }
    }

    /// One request to the store. Whoever asks may be dropped while it is on its way, and it is carried out all the same;
    /// that of a process that has died is, where the store is another machine.
    pub async fn request<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl Fn() -> String,
        kind: Kind,
        effect: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.world.step();
        if self.observes {
            return Ok(effect.await);
        }
        self.awake().await;
        let fate = self.world.fate(kind);
        if fate == Fate::Pause {
            self.pause();
        }
        let told = if self.world.trace.is_some() {
            what()
        } else {
            String::new()
        };
        let (life, before) = (Arc::clone(self), self.world.delay());
        let outlives = self.world.is_bucket() && self.world.one_in(2);
        let request = tokio::spawn(async move {
            tokio::time::sleep(before).await;
            if fate == Fate::CrashBefore {
                life.kill();
            }
            if life.is_dead() && !outlives {
                return pending().await;
            }
            if fate == Fate::Refused {
                return None;
            }
            if fate == Fate::Late {
                tokio::spawn(life.late(told, effect));
                return None;
            }
            let answer = effect.await;
            life.world
                .note(|| format!("{}: {told} {}", life.name, named(fate)));
            if fate == Fate::CrashAfter {
                life.kill();
            }
            (fate != Fate::Unanswered).then_some(answer)
        });
        let answer = request.await.expect("no request panics");
        tokio::time::sleep(self.world.delay()).await;
        self.awake().await;
        answer.ok_or_else(|| {
            self.world
                .note(|| format!("{}: {} fails ({fate:?})", self.name, what()));
            StoreError::Unavailable {
                what: what(),
                source: format!("{fate:?}").into(),
            }
        })
    }

    /// Carries out what was given up, within the time that the collector reckons with.
    async fn late<T>(self: Arc<Self>, what: String, effect: impl Future<Output = T>) {
        let millis = self.world.below(self.world.plan.latest);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        effect.await;
        self.world.note(|| format!("{}: {what}, late", self.name));
    }
}

fn named(fate: Fate) -> String {
    match fate {
        Fate::Fine => String::new(),
        other => format!("({other:?})"),
    }
}
