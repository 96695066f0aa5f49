//! `Seconds`: a duration, written as whole seconds or as text such as "10s", "5m", "1h" or "1d".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::{Serialize, Serializer};

/// Units by name, largest first.
const UNITS: &[(&str, u64)] = &[("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// About a century. More would overflow the clock's arithmetic, which panics.
const MOST: u64 = 36_500 * 86_400;

const EXPECTED: &str = r#"a duration of at most 36500 days: whole seconds, or text such as "10s", "5m", "24h" or "1d""#;

/// A duration in whole seconds, at most a century.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(extend("type" = ["integer", "string"]))]
pub struct Seconds(u64);

impl Seconds {
    /// So many seconds; more than a century is a century.
    #[must_use]
    pub const fn new(seconds: u64) -> Self {
        Self(if seconds > MOST { MOST } else { seconds })
    }

    /// The duration, as the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    fn checked(seconds: u64) -> Option<Self> {
        (seconds <= MOST).then_some(Self(seconds))
    }
}

/// The text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct BadSeconds;

impl FromStr for Seconds {
    type Err = BadSeconds;

    /// Reads digits and a unit; without a unit it is seconds.
    fn from_str(text: &str) -> Result<Self, BadSeconds> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let factor = match unit {
            "" => 1,
            _ => factor(unit).ok_or(BadSeconds)?,
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .and_then(Self::checked)
            .ok_or(BadSeconds)
    }
}

fn factor(unit: &str) -> Option<u64> {
    UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
}

impl fmt::Display for Seconds {
    /// The largest unit that says it exactly, so that what is printed reads back as the same duration.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, factor) = UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(&("s", 1));
        write!(formatter, "{}{name}", self.0 / factor)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Seconds, E> {
        u64::try_from(number)
            .ok()
            .and_then(Seconds::checked)
            .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Seconds, E> {
        Seconds::checked(number)
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Seconds, E> {
        text.parse()
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests;
