//! `Belonging`: which manifests follow which: children their index, referrers their subject, signatures what they sign.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::snapshot::Snapshot;
use crate::domain::model::{Digest, Tag};
use crate::domain::references::Doubt;

/// What belongs to what in a repository.
pub(super) struct Belonging<'s> {
    /// Tags that are made of another manifest's digest, and that manifest:
    /// `sha256-….sig` and the like, and lists of referrers.
    pub(super) attached: BTreeMap<&'s Tag, &'s Digest>,
    owners: HashMap<&'s Digest, BTreeSet<&'s Digest>>,
    /// Every manifest, after all that it belongs to.
    pub(super) in_order: Vec<&'s Digest>,
}

impl<'s> Belonging<'s> {
    /// Finds out.
    ///
    /// # Errors
    /// Where manifests belong to each other in a circle.
    pub(super) fn of(snapshot: &'s Snapshot) -> Result<Self, Doubt> {
        let manifests = &snapshot.manifests;
        let names = manifests
            .keys()
            .map(|digest| (Tag::fallback_for(digest), digest));
        let names: HashMap<Tag, &Digest> = names.collect();
        let attached = snapshot.tags.iter().filter_map(|(tag, pointer)| {
            let name: Tag = tag.as_str().split('.').next()?.parse().ok()?;
            let subject = names.get(&name)?;
            // A manifest under its own digest is an image like any other.
            (**subject != pointer.digest).then_some((tag, *subject))
        });
        let attached: BTreeMap<_, _> = attached.collect();

        let mut owners: HashMap<_, BTreeSet<_>> = HashMap::new();
        let mut belongs = |digest: &Digest, to: &Digest| {
            let ends = manifests
                .get_key_value(digest)
                .zip(manifests.get_key_value(to));
            if let Some(((digest, _), (to, _))) = ends {
                owners.entry(digest).or_default().insert(to);
            }
        };
        for (digest, held) in manifests {
            for child in &held.children {
                belongs(child, digest);
            }
            if let Some(subject) = &held.subject {
                belongs(digest, subject);
            }
        }
        for (tag, subject) in &attached {
            belongs(&snapshot.tags[*tag].digest, subject);
        }
        let in_order = in_order(snapshot, &owners)?;
        Ok(Self {
            attached,
            owners,
            in_order,
        })
    }

    /// What the manifest belongs to.
    pub(super) fn owners(&self, digest: &Digest) -> impl Iterator<Item = &'s Digest> {
        self.owners.get(digest).into_iter().flatten().copied()
    }
}

fn in_order<'s>(
    snapshot: &'s Snapshot,
    owners: &HashMap<&'s Digest, BTreeSet<&'s Digest>>,
) -> Result<Vec<&'s Digest>, Doubt> {
    let mut followers: HashMap<_, Vec<_>> = HashMap::new();
    for (digest, owners) in owners {
        for owner in owners {
            followers.entry(*owner).or_default().push(*digest);
        }
    }
    let mut missing: HashMap<_, _> = owners.iter().map(|(it, of)| (*it, of.len())).collect();
    let free = snapshot
        .manifests
        .keys()
        .filter(|it| !owners.contains_key(it));
    let mut order: Vec<_> = free.collect();
    let mut next = 0;
    while let Some(owner) = order.get(next) {
        next += 1;
        for follower in followers.remove(owner).into_iter().flatten() {
            if let Some(left) = missing.get_mut(follower) {
                *left -= 1;
                if *left == 0 {
                    missing.remove(follower);
                    order.push(follower);
                }
            }
        }
    }
    match missing.keys().min() {
        None => Ok(order),
        Some(digest) => Err(Doubt::Circle((*digest).clone())),
    }
}
