//! Of which parts an object is made: in the sizes that the configuration wants, within S3's limits.

use crate::domain::model::Piece;

/// S3 makes no object of more parts.
pub(super) const MOST_PARTS: u64 = 10_000;

/// S3 takes no part below this but the last one.
const LEAST_PART: u64 = 5 << 20;

/// S3 takes no part above this.
const MOST_PART: u64 = 5 << 30;

/// The sizes in which S3 is given content.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapters::storage) struct Parts {
    /// Of an uploaded part, which is what a transfer holds in memory.
    pub(in crate::adapters::storage) size: usize,
    /// From which size on a copy is made in parts.
    pub(in crate::adapters::storage) copy_threshold: u64,
    /// The size of such a part.
    pub(in crate::adapters::storage) copy_chunk: u64,
    /// How many such parts are copied at a time.
    pub(in crate::adapters::storage) copy_jobs: usize,
}

/// Some bytes of a piece, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) piece: usize,
    pub(super) bytes: std::ops::Range<u64>,
}

/// Where the bytes of a part come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From one piece: S3 copies them.
    Copy(Range),
    /// From several, or from one that is too small to be copied.
    Seam(Vec<Range>),
}

impl Parts {
    /// The parts of which the pieces are made one object.
    pub(super) fn plan(&self, pieces: &[Piece]) -> Vec<Source> {
        let plan = self.plan_from(pieces, LEAST_PART);
        if plan.len() as u64 <= MOST_PARTS {
            return plan;
        }
        let total: u64 = pieces.iter().map(|piece| piece.size).sum();
        self.plan_from(pieces, LEAST_PART.max(total.div_ceil(MOST_PARTS - 1)))
    }

    /// No part but the last is below `least`.
    fn plan_from(&self, pieces: &[Piece], least: u64) -> Vec<Source> {
        let mut sources = Vec::new();
        let (mut seam, mut seam_size) = (Vec::new(), 0);
        for (number, piece) in pieces.iter().enumerate() {
            let is_last = number + 1 == pieces.len();
            let step = if piece.size < self.copy_threshold {
                piece.size.min(MOST_PART)
            } else {
                self.copy_chunk.max(least)
            };
            let mut at = 0;
            while at < piece.size {
                let left = piece.size - at;
                let end_of_all = is_last && at > 0;
                let copied = seam_size == 0 && (left >= least || end_of_all);
                let mut size = left.min(if copied { step } else { least - seam_size });
                let rest = left - size;
                if copied && rest < least && !is_last && left <= MOST_PART {
                    size = left; // the rest would have to come here to be sent on
                }
                let range = Range {
                    piece: number,
                    bytes: at..at + size,
                };
                at += size;
                if copied {
                    sources.push(Source::Copy(range));
                    continue;
                }
                seam.push(range);
                seam_size += size;
                if seam_size == least {
                    sources.push(Source::Seam(std::mem::take(&mut seam)));
                    seam_size = 0;
                }
            }
        }
        if !seam.is_empty() {
            sources.push(Source::Seam(seam));
        }
        sources
    }
}

#[cfg(test)]
mod tests;
