//! Scrub: finds what crashes, other tools and bad disks did to a store, and mends what is certain.

mod links;
mod uploads;
mod verify;

pub use links::Links;
pub use uploads::uploads;
pub use verify::Verify;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of damage, in one word with hyphens: for machines.
    pub kind: &'static str,
    /// Where it is.
    pub place: String,
    /// What is wrong, and what is done about it, or has to be.
    pub what: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is as it should be now.
    Mended,
    /// It is as it was: what is right is not certain, or is lost.
    Left,
}

/// Who is told, while it happens.
pub trait Audience: Send + Sync {
    /// One more thing that is not as it should be.
    fn found(&mut self, finding: Finding);

    /// So many things more were looked at.
    fn seen(&mut self, more: u64);

    /// So many bytes are going to be read.
    fn expects(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// So many bytes more were read.
    fn read(&mut self, more: u64) {
        let _ = more;
    }

    /// Whether to go on. Asked between two repairs.
    fn goes_on(&self) -> bool;
}
