//! The store of the simulation keeps every contract, as files and as a bucket: so it is as strong as they say.
#![allow(dead_code, reason = "what only the simulation uses")]

use std::sync::Arc;

use simple_registry::adapters::storage;
use simple_registry::ports::{LockManager, StoragePorts};

#[path = "../../simulation/flaws.rs"]
mod flaws;
#[path = "../../simulation/locks.rs"]
mod locks;
#[path = "../../simulation/objects.rs"]
mod objects;
#[path = "../../simulation/plan.rs"]
mod plan;
#[path = "../../process/random.rs"]
mod random;
#[path = "../../simulation/sessions.rs"]
mod sessions;
#[path = "../../simulation/tree.rs"]
mod tree;
#[path = "../../simulation/world.rs"]
mod world;

use plan::{Flavour, Plan};

struct Simulated {
    ports: StoragePorts,
}

fn open(flavour: Flavour) -> Simulated {
    let world = world::World::of(Plan::calm(flavour), random::Random::new(1), None, false);
    let life = world::Life::observer(&world);
    let locks = Arc::new(locks::SimulatedLocks {
        world: Arc::clone(&world),
        life: Arc::clone(&life),
    });
    let for_times = world.is_bucket().then_some(locks as Arc<dyn LockManager>);
    let tree = Arc::new(tree::SimulatedTree {
        world,
        life,
        of_clients: true,
    });
    Simulated {
        ports: storage::over(tree.clone(), tree, for_times),
    }
}

mod as_files {
    crate::backends::storage_contracts!(super::super::open(super::super::Flavour::Files));
}

mod as_a_bucket {
    crate::backends::storage_contracts!(super::super::open(super::super::Flavour::Bucket));
}
