//! Rules that a test takes out, to see that the simulation misses them.

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
}
