//! What a seed is like: the store, how many there are, and how often something goes wrong.

use std::time::Duration;

use super::random::Random;

/// The two kinds of stores, which promise different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Files of one machine: marks are exclusive, locks end with their process, and a power cut takes back what was not synced.
    Files,
    /// S3 and Redis: marks overwrite, listings run in the order of keys, locks expire, removals may be carried out late.
    Bucket,
}

/// Which images retention keeps. What has no tag of these goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Those with a tag.
    Tagged,
    /// Those with the tag `latest`.
    Latest,
    /// The one whose tag was pushed last.
    Newest,
}

/// Rates are in ten thousand requests; times in milliseconds.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting by itself")]
pub struct Plan {
    pub flavour: Flavour,
    pub servers: usize,
    pub clients: usize,
    pub operations: u64,
    pub grace_period: Duration,
    /// The longest pause of a collector between two passes.
    pub interval: u64,
    /// The longest pause of a client between two operations.
    pub idle: u64,
    /// The longest that a slow request takes.
    pub slow: u64,
    pub errors: u64,
    pub crashes: u64,
    pub pauses: u64,
    pub longest_pause: u64,
    pub power_cuts: bool,
    /// What retention keeps, if there is any.
    pub retention: Option<Keep>,
    /// Servers scrub now and then.
    pub scrub: bool,
    /// Every other operation deletes a blob.
    pub blob_deletes: bool,
    /// The store tells times in seconds.
    pub coarse: bool,
    /// How long after its failure a removal can be carried out.
    pub latest: u64,
    /// How long a lock lasts whose holder is gone.
    pub ttl: Duration,
}

impl Plan {
    pub fn draw(random: &mut Random) -> Self {
        let flavour = *choose(random, &[Flavour::Files, Flavour::Bucket]);
        let is_bucket = flavour == Flavour::Bucket;
        let grace_period = *choose(random, &[0, 0, 1_000, 20_000, 120_000]);
        let idle = *choose(random, &[50, 1_000, 3 * grace_period + 500]);
        Self {
            flavour,
            servers: *choose(random, &[1, 2, 2, 3]),
            clients: *choose(random, &[2, 3, 4]),
            operations: 4 + random.below(8),
            grace_period: Duration::from_millis(grace_period),
            interval: (*choose(random, &[200, 2_000, 10_000])).max(idle / 8),
            idle,
            slow: *choose(random, &[0, 1_000, 14_000]),
            errors: *choose(random, &[0, 0, 20, 200]),
            crashes: *choose(random, &[0, 0, 5, 40]),
            pauses: *choose(random, &[0, 0, 5]),
            longest_pause: 100_000,
            power_cuts: !is_bucket && random.below(2) == 0,
            retention: *choose(
                random,
                &[
                    None,
                    None,
                    None,
                    Some(Keep::Tagged),
                    Some(Keep::Latest),
                    Some(Keep::Newest),
                ],
            ),
            scrub: random.below(2) == 0,
            blob_deletes: false,
            coarse: is_bucket,
            latest: 25_000,
            ttl: Duration::from_secs(45),
        }
    }

    /// A store on which nothing goes wrong.
    pub fn calm(flavour: Flavour) -> Self {
        Self {
            flavour,
            errors: 0,
            crashes: 0,
            pauses: 0,
            power_cuts: false,
            retention: None,
            scrub: false,
            coarse: false,
            ..Self::draw(&mut Random::new(1))
        }
    }
}

fn choose<'a, T>(random: &mut Random, from: &'a [T]) -> &'a T {
    &from[usize::try_from(random.below(from.len() as u64)).unwrap()]
}
