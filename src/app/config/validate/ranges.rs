//! Numbers and durations that would stop the registry, and sizes that are raised instead.

use std::time::Duration;

use crate::adapters::storage::config::{S3Config, StorageConfig};
use crate::adapters::tokens::LONGEST_LIFE;
use crate::adapters::units::{ByteSize, Seconds};
use crate::app::config::Config;
use crate::app::config::findings::Findings;
use crate::app::config::key_path::KeyPath;

/// Below this, a transfer spends its time on calls instead of bytes.
const LEAST_CHUNK: ByteSize = ByteSize::from_bytes(4 << 10);

/// S3 copies no part above this.
const MOST_PART: ByteSize = ByteSize::from_bytes(5 << 30);

/// No machine works on more requests at a time, and a semaphore counts no further than an eighth of the integers.
const MOST_REQUESTS: usize = 1_000_000;

/// Clients take a shorter life of a token for this one.
const LEAST_LIFE: Duration = Duration::from_mins(1);

/// Checks every number of the configuration.
pub(super) fn check(config: &mut Config, findings: &mut Findings<'_>) {
    if !(1..=MOST_REQUESTS).contains(&config.max_concurrent_requests) {
        let found = config.max_concurrent_requests;
        findings.refuse(
            KeyPath::of(&["max_concurrent_requests"]),
            format!("expected a whole number from 1 to {MOST_REQUESTS}, found {found}"),
        );
    }
    check_durations(config, findings);
    if let Some(size) = &mut config.server.streaming_chunk_size {
        raise(
            size,
            LEAST_CHUNK,
            KeyPath::of(&["server", "streaming_chunk_size"]),
            findings,
        );
    }
    if let StorageConfig::S3(s3) = &mut config.storage {
        check_s3(s3, findings);
    }
}

/// Durations of which none would be for ever, or never.
fn check_durations(config: &Config, findings: &mut Findings<'_>) {
    let collector = &config.collector;
    let mut durations = vec![
        (
            KeyPath::of(&["server", "query_timeout"]),
            config.server.query_timeout,
        ),
        (KeyPath::of(&["uploads", "max_age"]), config.uploads.max_age),
        (KeyPath::of(&["collector", "interval"]), collector.interval),
        (
            KeyPath::of(&["collector", "grace_period"]),
            collector.grace_period,
        ),
    ];
    durations.extend(config.maintenance.retention_interval.map(|interval| {
        (
            KeyPath::of(&["maintenance", "retention_interval"]),
            interval,
        )
    }));
    durations.extend(
        config
            .lock_store
            .redis
            .as_ref()
            .map(|redis| (KeyPath::of(&["lock_store", "redis", "ttl"]), redis.ttl)),
    );
    let most = config.maintenance.max_deleted_percent;
    if !(1..=100).contains(&most) {
        findings.refuse(
            KeyPath::of(&["maintenance", "max_deleted_percent"]),
            format!("expected 1 to 100 (everything), found {most}"),
        );
    }
    for (key, duration) in durations {
        if Seconds::is_zero(duration) {
            findings.refuse(key, "expected at least 1 second, found 0");
        }
    }
    let lifetime = config.token.lifetime;
    if !(LEAST_LIFE..=LONGEST_LIFE).contains(&lifetime.duration()) {
        findings.refuse(
            KeyPath::of(&["token", "lifetime"]),
            format!("expected 60 seconds to 24 hours, found {lifetime}: clients take less for 60 seconds"),
        );
    }
    if collector.rate_limit == Some(0) {
        findings.refuse(
            KeyPath::of(&["collector", "rate_limit"]),
            "expected a whole number, 1 or more, found 0",
        );
    }
}

fn check_s3(s3: &mut S3Config, findings: &mut Findings<'_>) {
    let key = KeyPath::of(&["storage", "s3"]);
    raise(
        &mut s3.multipart_min_part_size,
        S3Config::PART_FLOOR,
        key.key("multipart_min_part_size"),
        findings,
    );
    raise(
        &mut s3.multipart_copy_chunk_size,
        S3Config::PART_FLOOR,
        key.key("multipart_copy_chunk_size"),
        findings,
    );
    for (name, size) in [
        ("multipart_min_part_size", s3.multipart_min_part_size),
        ("multipart_copy_chunk_size", s3.multipart_copy_chunk_size),
        ("multipart_copy_threshold", s3.multipart_copy_threshold),
    ] {
        if size > MOST_PART {
            findings.refuse(
                key.key(name),
                format!("expected at most {MOST_PART}, found {size}: S3 takes no more at once"),
            );
        }
    }
    if !(1..=1_000).contains(&s3.multipart_copy_jobs) {
        let found = s3.multipart_copy_jobs;
        findings.refuse(
            key.key("multipart_copy_jobs"),
            format!("expected a whole number from 1 to 1000, found {found}"),
        );
    }
}

/// Raises a size that is too small to work; nothing at all is a mistake, though.
fn raise(size: &mut ByteSize, least: ByteSize, key: KeyPath, findings: &mut Findings<'_>) {
    if size.bytes() == 0 {
        findings.refuse(key, format!("expected a size of at least {least}, found 0"));
    } else if *size < least {
        findings.warn(
            key,
            format!("{size} is too small and was raised to {least}"),
        );
        *size = least;
    }
}
