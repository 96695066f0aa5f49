//! `nearest`: what somebody who misspelt a name probably meant.

use std::cmp::Reverse;

/// The valid name that was probably meant, if one is near enough to be worth naming. Of several that are as near, the
/// one that begins most alike.
pub fn nearest<'v>(name: &str, valid: &'v [impl AsRef<str>]) -> Option<&'v str> {
    let name = name.to_lowercase();
    let alike = |valid: &str| {
        name.bytes()
            .zip(valid.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    valid
        .iter()
        .map(AsRef::as_ref)
        .map(|valid| (distance(&name, valid), Reverse(alike(valid)), valid))
        .filter(|(distance, _, valid)| *distance <= 1 + valid.chars().count() / 3)
        .min()
        .map(|(_, _, valid)| valid)
}

/// How many letters must be added, removed or replaced to get from one word to the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests;
