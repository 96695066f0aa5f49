//! The clock by which leases run out: it counts while the system is suspended, and nobody sets it.

use std::time::Duration;

/// How long the system has been up, suspended or not.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[must_use]
pub fn uptime() -> Duration {
    let clock = nix::time::ClockId::CLOCK_BOOTTIME;
    // It cannot fail for a clock that every Linux has.
    nix::time::clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

/// How long the program has been up; it may stand still while the system is suspended.
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
#[must_use]
pub fn uptime() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;

    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}
