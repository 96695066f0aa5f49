//! Rules that a test takes out, to see that the simulation misses them.

use std::time::Duration;

use super::plan::{Flavour, Keep, Plan};

/// One rule that the adapters do not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A look sees no mark.
    BlindLooks,
    /// A look reads the thing, and after it the marks.
    ThingBeforeMarks,
    /// Whatever mark is there dooms.
    AnyIdDooms,
    /// Two hold one lock.
    SharedLocks,
    /// Whoever lost a lock goes on.
    UnnoticedLoss,
    /// A manifest is visible before its looks have passed.
    PendingIsSettled,
    /// Renewing the time of what is gone makes it anew.
    TouchCreates,
    /// A listing that fails looks complete.
    ShortListings,
    /// An outage reads as absence.
    OutageIsAbsence,
    /// Whoever waits until a late removal is over does not.
    NoPatience,
    /// Everything is old.
    NothingIsFresh,
    /// What was synced is not on the disk.
    NothingIsSynced,
    /// A mark is written nowhere.
    NoMarks,
    /// Retention sees where a tag points once in a run.
    StaleTags,
    /// Retention deletes what it has marked, whoever took the mark away.
    PardonsUnseen,
    /// Scrub mends under no lock.
    UnlockedScrub,
    /// Nothing is done in the background: the lock of a client's removal that got no answer is not kept.
    NoTasks,
}

impl Flaw {
    /// Makes the plan one in which the rule matters: each has its setting, and most seeds are another one.
    pub fn matters_in(self, plan: &mut Plan) {
        // Everybody is busy at once, and nothing is too young to go.
        plan.clients = 4;
        plan.operations = 12;
        plan.grace_period = Duration::ZERO;
        plan.idle = 1_000;
        plan.interval = 200;
        plan.retention = None;
        plan.scrub = self == Self::UnlockedScrub;
        match self {
            Self::SharedLocks => plan.servers = 3,
            Self::AnyIdDooms | Self::ThingBeforeMarks => {
                plan.servers = 3;
                plan.blob_deletes = true;
            }
            Self::UnnoticedLoss => {
                plan.servers = 3;
                plan.flavour = Flavour::Bucket;
                plan.pauses = 60;
            }
            Self::ShortListings | Self::OutageIsAbsence => plan.errors = 200,
            Self::NoPatience | Self::NoTasks => {
                plan.flavour = Flavour::Bucket;
                plan.errors = 200;
            }
            Self::NothingIsFresh => {
                plan.grace_period = Duration::from_mins(2);
                plan.errors = 0;
                plan.crashes = 0;
                plan.pauses = 0;
                plan.power_cuts = false;
            }
            Self::NothingIsSynced => {
                plan.flavour = Flavour::Files;
                plan.power_cuts = true;
            }
            Self::StaleTags | Self::PardonsUnseen => plan.retention = Some(Keep::Latest),
            Self::UnlockedScrub => {
                plan.servers = 3;
                plan.slow = 14_000;
            }
            Self::BlindLooks | Self::PendingIsSettled | Self::TouchCreates | Self::NoMarks => {}
        }
        plan.coarse = plan.flavour == Flavour::Bucket;
        plan.power_cuts &= plan.flavour == Flavour::Files;
    }
}
