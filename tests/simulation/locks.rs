//! Simulated locks: those of files end with their process; those of a bucket are leases, renewed until their holder can't.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use simple_registry::ports::{Lease, LockError, LockGuard, LockKey, LockManager};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::flaws::Flaw;
use super::world::{Life, World};

/// As in the registry's own wiring.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is held, by name.
#[derive(Default)]
pub struct Holds {
    all: BTreeMap<String, Hold>,
    taken: u64,
}

struct Hold {
    token: u64,
    holder: Weak<Life>,
    /// When it ends by itself.
    expires: Option<Instant>,
}

impl Hold {
    fn stands(&self) -> bool {
        match self.expires {
            Some(expires) => Instant::now() < expires,
            None => self.holder.upgrade().is_some_and(|life| !life.is_dead()),
        }
    }
}

/// One server's way to the locks.
pub struct SimulatedLocks {
    pub world: Arc<World>,
    pub life: Arc<Life>,
}

impl SimulatedLocks {
    fn take(&self, key: &LockKey) -> Option<LockGuard> {
        let name = key.to_string();
        let leased = self.world.is_bucket();
        let mut state = self.world.state();
        let holds = &mut state.holds;
        let is_held = holds.all.get(&name).is_some_and(Hold::stands);
        if is_held && !self.world.has(Flaw::SharedLocks) {
            return None;
        }
        holds.taken += 1;
        let token = holds.taken;
        let hold = Hold {
            token,
            holder: Arc::downgrade(&self.life),
            expires: leased.then(|| Instant::now() + self.world.plan.ttl),
        };
        holds.all.insert(name.clone(), hold);
        drop(state);
        self.world
            .note(|| format!("{}: locks {}", self.life.name, shorter(&name)));
        let hold = Arc::new(Held {
            world: Arc::clone(&self.world),
            life: Arc::clone(&self.life),
            key: key.clone(),
            name,
            token,
            renewed: Mutex::new(Instant::now()),
            over: AtomicBool::new(false),
            lost: Notify::new(),
        });
        if !leased {
            return Some(LockGuard::new(Releases(hold)));
        }
        tokio::spawn(Arc::clone(&hold).renew());
        Some(LockGuard::leased(Releases(hold)))
    }

    /// The lock store may not answer.
    async fn ask(&self) -> Result<(), LockError> {
        self.life.awake().await;
        if self.life.observes {
            return Ok(());
        }
        self.world.step();
        tokio::time::sleep(Duration::from_millis(self.world.below(10))).await;
        if self.world.is_bucket() && self.world.strikes(self.world.plan.errors) {
            return Err(LockError::Unavailable {
                what: "a lock".to_owned(),
                source: "the simulation refuses".into(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl LockManager for SimulatedLocks {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        let began = Instant::now();
        loop {
            self.ask().await?;
            if let Some(guard) = self.take(key) {
                return Ok(guard);
            }
            if began.elapsed() > PATIENCE {
                return Err(LockError::Contended(key.to_string()));
            }
            let pause = 5 + self.world.below(100);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        self.ask().await?;
        Ok(self.take(key))
    }
}

/// A lock that is, or was, held.
struct Held {
    world: Arc<World>,
    life: Arc<Life>,
    key: LockKey,
    name: String,
    token: u64,
    renewed: Mutex<Instant>,
    /// Given back, or lost.
    over: AtomicBool,
    lost: Notify,
}

impl Held {
    fn give_back(&self) {
        self.over.store(true, Ordering::Relaxed);
        let mut state = self.world.state();
        let all = &mut state.holds.all;
        if all.get(&self.name).is_some_and(|it| it.token == self.token) {
            all.remove(&self.name);
        }
    }

    /// Every third of its time, while the process lives and is not paused.
    async fn renew(self: Arc<Self>) {
        let ttl = self.world.plan.ttl;
        loop {
            tokio::time::sleep(ttl / 3).await;
            self.life.awake().await;
            if self.over.load(Ordering::Relaxed) || self.life.is_dead() {
                return;
            }
            if self.world.strikes(self.world.plan.errors * 10) && self.stands() {
                continue; // not answered; the next time it may be
            }
            let mut state = self.world.state();
            let hold = state.holds.all.get_mut(&self.name);
            let hold = hold.filter(|it| it.token == self.token && it.stands());
            let Some(hold) = hold else {
                break;
            };
            hold.expires = Some(Instant::now() + ttl);
            *self.renewed.lock().unwrap() = Instant::now();
        }
        self.world
            .note(|| format!("{}: has lost {}", self.life.name, shorter(&self.name)));
        self.over.store(true, Ordering::Relaxed);
        self.lost.notify_waiters();
    }

    /// For two thirds of its time.
    fn stands(&self) -> bool {
        let age = self.renewed.lock().unwrap().elapsed();
        !self.over.load(Ordering::Relaxed) && age < self.world.plan.ttl * 2 / 3
    }
}

/// Dropped by whoever held it; a process that died drops nothing.
struct Releases(Arc<Held>);

impl Drop for Releases {
    fn drop(&mut self) {
        if !self.0.life.is_dead() && !self.0.over.load(Ordering::Relaxed) {
            self.0.give_back();
        }
    }
}

impl Lease for Releases {
    fn key(&self) -> &LockKey {
        &self.0.key
    }

    fn stands(&self) -> bool {
        self.0.world.has(Flaw::UnnoticedLoss) || self.0.stands()
    }

    fn lost(&self) -> BoxFuture<'static, ()> {
        if self.0.world.has(Flaw::UnnoticedLoss) {
            return std::future::pending().boxed();
        }
        let held = Arc::clone(&self.0);
        async move { held.lost.notified().await }.boxed()
    }

    /// Where the lock store does not answer, after its time.
    fn release(&self) -> BoxFuture<'static, ()> {
        let held = Arc::clone(&self.0);
        async move {
            tokio::time::sleep(Duration::from_millis(held.world.below(10))).await;
            if held.world.strikes(held.world.plan.errors) {
                held.over.store(true, Ordering::Relaxed);
            } else {
                held.give_back();
            }
        }
        .boxed()
    }
}

/// Digests are long, and their first digits tell enough.
fn shorter(name: &str) -> String {
    match name.split_once("sha256:") {
        Some((before, digits)) => format!("{before}{}", &digits[..6]),
        None => name.to_owned(),
    }
}
