//! The domain's own code on simulated servers, over a simulated store, locks and clocks, in an order that a seed decides
//! (docs/decisions/0010).
//!
//! Time is simulated, and stands still while anybody has something to do: so one thread, and the seed's choice of how
//! long each step takes, decide the whole order. At each step a server may die, be paused, or be told an error.
//! `SIMULATION_SEEDS` says how many seeds are tried (100 by default), `SIMULATION_SEED` repeats one and prints what
//! happened.

mod client;
mod content;
mod flaws;
mod history;
mod locks;
mod objects;
#[expect(dead_code, reason = "what only the contracts use")]
mod plan;
#[path = "../process/random.rs"]
#[expect(dead_code, reason = "what only other tests draw")]
mod random;
mod retention;
mod run;
mod scrub;
mod server;
mod sessions;
mod tree;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use flaws::Flaw;
use run::{Run, run, run_with, run_without};

#[expect(clippy::disallowed_methods, reason = "how many and which: told by CI")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The first of these seeds that breaks a promise, on as many threads as there are cores.
fn first_broken(seeds: std::ops::Range<u64>, run: fn(u64) -> Run) -> (u64, Option<Run>) {
    let next = Arc::new(AtomicU64::new(seeds.start));
    let found = Arc::new(Mutex::new(None::<Run>));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads: Vec<_> = (0..cores)
        .map(|_| {
            let (next, found, acknowledged) = (
                Arc::clone(&next),
                Arc::clone(&found),
                Arc::clone(&acknowledged),
            );
            let end = seeds.end;
            std::thread::spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || found.lock().unwrap().is_some() {
                        return;
                    }
                    let run = run(seed);
                    acknowledged.fetch_add(run.acknowledged as u64, Ordering::Relaxed);
                    if !run.broken.is_empty() {
                        let mut found = found.lock().unwrap();
                        if found.as_ref().is_none_or(|it| run.seed < it.seed) {
                            *found = Some(run);
                        }
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let found = found.lock().unwrap().take();
    (acknowledged.load(Ordering::Relaxed), found)
}

#[test]
fn whatever_happens_no_promise_is_broken() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let run = run(seed, true);
        for line in &run.trace {
            println!("{line}");
        }
        assert!(
            run.broken.is_empty(),
            "SIMULATION_SEED={seed}: {:#?}",
            run.broken
        );
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(100);
    let begun = Instant::now();
    let (acknowledged, broken) = first_broken(0..seeds, |seed| run(seed, false));
    if let Some(run) = broken {
        panic!("SIMULATION_SEED={}: {:#?}", run.seed, run.broken);
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seeds} seeds, {acknowledged} manifests acknowledged, {seconds:.1} s");
    assert!(acknowledged > seeds, "hardly anything was pushed");
}

#[test]
fn a_seed_goes_the_same_way_each_time() {
    for seed in 0..20 {
        let (first, again) = (run(seed, false), run(seed, false));
        assert_eq!(first.fingerprint, again.fingerprint, "seed {seed}");
    }
}

/// Each rule that is taken out is missed by one of the first so many seeds.
macro_rules! misses {
    ($($name:ident: $flaw:ident in $seeds:literal;)+) => {$(
        #[test]
        fn $name() {
            let (_, broken) = first_broken(0..$seeds, |seed| run_without(seed, Flaw::$flaw));
            let run = broken.unwrap_or_else(|| panic!("{} seeds, and nothing is missed", $seeds));
            println!("seed {}: {}", run.seed, run.broken[0]);
            // It is this rule, and nothing else.
            let kept = run_with(run.seed, Flaw::$flaw, number("SIMULATION_SEED").is_some());
            for line in &kept.trace {
                println!("{line}");
            }
            assert!(kept.broken.is_empty(), "with it: {:#?}", kept.broken);
        }
    )+};
}

mod taken_out {
    use super::{Flaw, first_broken, number, run_with, run_without};

    misses! {
        looks_that_see_no_mark_are_missed: BlindLooks in 1000;
        looks_at_the_thing_before_its_marks_are_missed: ThingBeforeMarks in 1000;
        marks_that_doom_whatever_their_id_are_missed: AnyIdDooms in 1000;
        locks_that_two_can_hold_are_missed: SharedLocks in 1000;
        a_lock_that_is_lost_unnoticed_is_missed: UnnoticedLoss in 1000;
        a_pending_manifest_that_is_visible_is_missed: PendingIsSettled in 1000;
        a_renewal_that_creates_is_missed: TouchCreates in 1000;
        a_listing_that_is_cut_short_is_missed: ShortListings in 1000;
        an_outage_that_reads_as_absence_is_missed: OutageIsAbsence in 1000;
        a_late_removal_that_nobody_waits_for_is_missed: NoPatience in 1000;
        things_that_are_never_fresh_are_missed: NothingIsFresh in 1000;
        a_sync_that_syncs_nothing_is_missed: NothingIsSynced in 1000;
        marks_that_are_written_nowhere_are_missed: NoMarks in 1000;
        a_tag_that_moves_unseen_by_retention_is_missed: StaleTags in 1000;
        a_push_that_retention_does_not_see_is_missed: PardonsUnseen in 1000;
        a_scrub_without_locks_is_missed: UnlockedScrub in 1000;
        a_client_s_late_removal_whose_lock_is_free_is_missed: NoTasks in 1000;
    }
}
