//! Letting go: what a client deleted with its index, or with its subject.

use std::time::Duration;

use super::{Collector, Work, hash};
use crate::domain::model::{Digest, Manifest, Page, RepositoryName, Thing, Timestamp};
use crate::domain::references::{Digests, short};
use crate::ports::{Deletion, DeletionRecord, StoreError};

/// How wrong two times of a store can be that tells it in seconds. What was
/// pushed so shortly before the deletion stays.
const RESOLUTION: Duration = Duration::from_secs(2);

/// What is known of a repository when its manifests have been read.
pub(super) struct Held<'a> {
    pub(super) repository: &'a RepositoryName,
    /// Its manifests.
    pub(super) revisions: &'a Digests,
    /// What they name.
    pub(super) needed: &'a Digests,
}

impl Collector {
    /// The records of deletions that are older than the grace period. What the
    /// younger ones name can be restored.
    pub(super) async fn expired_deletions(
        &self,
        repository: &RepositoryName,
        work: &mut Work<'_>,
    ) -> Result<Vec<DeletionRecord>, StoreError> {
        let ever = Timestamp::from_millis(i64::MAX);
        let mut records = self.storage.deletions.list(repository, ever).await?;
        let before = work.at.before(self.settings.grace_period);
        // What was seen settled may be gone, and have left a mark.
        for deletion in records.iter().filter_map(|it| it.deletion.as_ref()) {
            let key = (short(&deletion.digest), hash(repository));
            work.settled.remove(&key);
        }
        records.retain(|record| match &record.deletion {
            Some(deletion) if deletion.at >= before => {
                work.restorable.insert(&deletion.digest);
                let references = deletion.references.iter();
                references.for_each(|it| work.restorable.insert(it));
                false
            }
            Some(_) | None => true,
        });
        Ok(records)
    }

    /// Children of a deleted index and referrers of a deleted subject go after
    /// the grace period, where no tag and nothing else holds them, and nobody
    /// has pushed them since. A record that has nothing left to say goes too.
    pub(super) async fn let_go(
        &self,
        held: &Held<'_>,
        expired: Vec<DeletionRecord>,
        work: &mut Work<'_>,
    ) -> Result<(), StoreError> {
        let deletions = &self.storage.deletions;
        let mut tagged = None;
        for record in expired {
            let deletion = record.deletion.filter(|it| it.manifest);
            // While it is there again but not acknowledged, it still counts as a holder.
            let key = |it: &Deletion| (short(&it.digest), hash(held.repository));
            let mut is_done = deletion.as_ref().is_none_or(|it| {
                !held.revisions.contains(&it.digest) || work.settled.contains(&key(it))
            });
            for orphan in self.held_by(held, deletion.as_ref()).await? {
                if tagged.is_none() {
                    tagged = Some(self.tagged(held.repository).await?);
                }
                let is_tagged = tagged.as_ref().is_some_and(|it| it.contains(&orphan));
                let since = deletion.as_ref().map(|it| it.at);
                is_done &= self.release(held, orphan, is_tagged, since, work).await?;
            }
            if is_done {
                deletions.remove(held.repository, &record.id).await?;
            }
        }
        Ok(())
    }

    /// The manifests that this deletion may have orphaned.
    async fn held_by(
        &self,
        held: &Held<'_>,
        deletion: Option<&Deletion>,
    ) -> Result<Vec<Digest>, StoreError> {
        let Some(deletion) = deletion else {
            return Ok(Vec::new());
        };
        let mut orphans = deletion.references.clone();
        // Those of a subject that stands again, too: they may have been marked before it did.
        let referrers = &self.storage.referrers;
        orphans.extend(referrers.list(held.repository, &deletion.digest).await?);
        orphans.retain(|it| held.revisions.contains(it));
        Ok(orphans)
    }

    async fn tagged(&self, repository: &RepositoryName) -> Result<Digests, StoreError> {
        let mut tagged = Digests::default();
        for tag in self
            .storage
            .tags
            .list(repository, &Page::all())
            .await?
            .items
        {
            if let Some(digest) = self.storage.tags.get(repository, &tag).await? {
                tagged.insert(&digest);
            }
        }
        Ok(tagged)
    }

    /// Judges a manifest that was held by something that was deleted at
    /// `since`. Whether no more is to be said about it.
    async fn release(
        &self,
        held: &Held<'_>,
        orphan: Digest,
        is_tagged: bool,
        since: Option<Timestamp>,
        work: &mut Work<'_>,
    ) -> Result<bool, StoreError> {
        let Some(stored) = self.storage.manifests.get(held.repository, &orphan).await? else {
            return Ok(true);
        };
        // What nobody understands may belong to anything.
        let Ok(manifest) = Manifest::parse(None, &stored.bytes) else {
            return Ok(true);
        };
        let subject = manifest.subject.as_ref();
        let has_subject = subject.is_some_and(|it| held.revisions.contains(&it.digest));
        let look = self
            .storage
            .manifests
            .look(held.repository, &orphan)
            .await?;
        // Two ages, each by its own clock: the clocks may differ.
        let pushed_since = look.thing.zip(since).is_none_or(|(it, since)| {
            work.now.since(it.modified) <= work.at.since(since) + RESOLUTION
        });
        let claimed = is_tagged || has_subject || pushed_since || held.needed.contains(&orphan);
        let thing = Thing::Revision(held.repository.clone(), orphan);
        Ok(self.judge(thing, claimed, work).await? || claimed)
    }

    /// Deletes a manifest that nothing holds, as a client would, under its lock.
    pub(super) async fn remove_revision(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        let Some(stored) = self.storage.manifests.get(repository, digest).await? else {
            return Ok(());
        };
        let by = Some("collector");
        let removals = &self.removals;
        let attempt = removals.attempt();
        let removed = removals.manifest(&attempt, repository, digest, stored, Vec::new(), by);
        removed.await
    }
}
