//! `ByteSize`: a number of bytes, written as an integer or as text such as "5MB" or "50MiB".

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::{Serialize, Serializer};

/// Units by name, largest first. MB is 10⁶, MiB is 2²⁰.
const UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

const EXPECTED: &str = r#"a size: a whole number of bytes, or text such as "5MB" or "50MiB""#;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(extend("type" = ["integer", "string"]))]
pub struct ByteSize(u64);

impl ByteSize {
    /// A size of so many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; more than fits is the most that fits.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The text is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct BadByteSize;

impl FromStr for ByteSize {
    type Err = BadByteSize;

    /// Reads digits, perhaps a fraction, and a unit in any case; without a unit it is bytes.
    /// A fraction of a byte is dropped.
    fn from_str(text: &str) -> Result<Self, BadByteSize> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.trim_start_matches(' ');
        let factor = match unit {
            "" => 1,
            _ => factor(unit).ok_or(BadByteSize)?,
        };

        let bytes = match number.split_once('.') {
            None => whole(number)?.checked_mul(factor),
            // Half a byte is a slip of the pen, not a size.
            Some(_) if factor == 1 => None,
            Some((units, fraction)) => whole(units)?
                .checked_mul(factor)
                .zip(part(fraction, factor))
                .and_then(|(units, part)| units.checked_add(part)),
        };
        bytes.map(Self).ok_or(BadByteSize)
    }
}

fn factor(unit: &str) -> Option<u64> {
    UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .map(|(_, factor)| *factor)
}

fn whole(digits: &str) -> Result<u64, BadByteSize> {
    digits.parse().map_err(|_| BadByteSize)
}

/// `0.fraction × factor`, rounded down. Integers throughout: floats would turn "4.35GB" into one byte less.
fn part(fraction: &str, factor: u64) -> Option<u64> {
    // Eighteen digits say more than any unit can hold, and keep the product within 128 bits.
    if fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let numerator: u128 = fraction.parse().ok()?;
    let denominator = fraction.bytes().fold(1_u128, |power, _| power * 10);
    u64::try_from(numerator * u128::from(factor) / denominator).ok()
}

impl fmt::Display for ByteSize {
    /// The largest unit that says it exactly, so that what is printed reads back as the same size.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, factor) = UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(&("B", 1));
        write!(formatter, "{}{name}", self.0 / factor)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteSizeVisitor)
    }
}

struct ByteSizeVisitor;

impl Visitor<'_> for ByteSizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ByteSize, E> {
        u64::try_from(number)
            .map(ByteSize)
            .map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse()
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests;
