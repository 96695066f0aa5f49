//! Deletion: what was judged to go, if nobody has said anything else since.

use std::collections::{BTreeMap, HashSet};

use super::judgement::Plan;
use super::snapshot::{Pointer, Snapshot};
use super::{Case, Retention, Verdict};
use crate::domain::model::{Digest, RepositoryName, Tag, Thing};
use crate::domain::references::{Doubt, causes};
use crate::domain::removals::patiently;
use crate::ports::{LockGuard, LockKey, StoreError};

/// Who deletes, in the records.
const BY: Option<&str> = Some("retention");

/// Manifests that are marked, and the ids of the marks.
type Marks = BTreeMap<Digest, String>;

/// Images that were deleted.
type Gone = HashSet<(Option<Tag>, Digest)>;

impl Retention {
    /// Deletes by the collector's protocol (docs/decisions/0003): marks the
    /// manifests that are to go, each under its lock, so that no push of it is
    /// under way; reads and judges everything again; and removes what is still
    /// to go and still has its mark. A push of one of them, or of an index that
    /// names it, was seen by the second judgement or takes the mark away.
    pub(super) async fn delete(&self, case: &mut Case<'_>, go_on: &(dyn Fn() -> bool + Sync)) {
        let Some((snapshot, plan)) = case.judged.take() else {
            return;
        };
        if plan.manifests.is_empty() && plan.tags.is_empty() {
            return;
        }
        let (mut marks, mut gone) = (Marks::new(), Gone::new());
        let done = self.delete_marked(case, (&snapshot, &plan), (&mut marks, &mut gone), go_on);
        let done = done.await;
        let pardoned = self.pardon(case.repository, &marks).await;
        let persisted = self.storage.durability.persist().await;
        let rest = pardoned.and(persisted).map_err(Doubt::from);
        for doubt in [done, rest].into_iter().filter_map(Result::err) {
            case.outcome.problems.push(causes(&doubt));
        }
        for image in &mut case.outcome.images {
            if gone.contains(&(image.tag.clone(), image.digest.clone())) {
                image.verdict = Verdict::Gone;
            }
        }
    }

    async fn delete_marked(
        &self,
        case: &Case<'_>,
        (snapshot, plan): (&Snapshot, &Plan),
        (marks, gone): (&mut Marks, &mut Gone),
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Doubt> {
        let repository = case.repository;
        for digest in plan.manifests.keys() {
            let thing = Thing::Revision(repository.clone(), digest.clone());
            let lock = self.lock(&LockKey::from(&thing)).await?;
            let marking = patiently(&*self.clock, self.storage.marks.condemn(&thing));
            let id = lock.during(marking).await?;
            marks.extend(id.map(|id| (digest.clone(), id)));
        }
        let now = self.storage.marks.now().await?;
        let judged = self.judged(repository, case.rules, now, Some(snapshot));
        let (_, again) = judged.await?;
        for (digest, tags) in again.manifests {
            let Some(id) = marks.get(&digest).filter(|_| go_on()) else {
                continue;
            };
            if plan.manifests.get(&digest) == Some(&tags)
                && self.delete_manifest(repository, &digest, id, &tags).await?
            {
                marks.remove(&digest);
                let untagged = tags.is_empty().then_some(None);
                let images = tags.into_iter().map(Some).chain(untagged);
                gone.extend(images.map(|tag| (tag, digest.clone())));
            }
        }
        for (tag, pointer) in again.tags {
            if plan.tags.get(&tag) == Some(&pointer)
                && go_on()
                && self.delete_tag(repository, &tag, &pointer).await?
            {
                gone.insert((Some(tag), pointer.digest));
            }
        }
        Ok(())
    }

    /// Deletes the manifest, if its mark still stands under its lock.
    async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        id: &str,
        tags: &[Tag],
    ) -> Result<bool, StoreError> {
        let thing = Thing::Revision(repository.clone(), digest.clone());
        let lock = self.lock(&LockKey::from(&thing)).await?;
        lock.during(async {
            let Some(stored) = self.storage.manifests.get(repository, digest).await? else {
                return Ok(false);
            };
            if !self.storage.marks.doom(&thing, id).await? {
                return Ok(false);
            }
            let tags = tags.to_vec();
            let (removals, attempt) = (&self.removals, self.removals.attempt());
            let removed = removals.manifest(&attempt, repository, digest, stored, tags, BY);
            removed.await?;
            self.storage.marks.pardon(&thing).await?;
            Ok(true)
        })
        .await
    }

    /// Deletes a tag of a manifest that stays, if it was not pushed since.
    async fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        Pointer { digest, pushed_at }: &Pointer,
    ) -> Result<bool, StoreError> {
        let key = LockKey::Tag(repository.clone(), tag.clone());
        let lock = self.lock(&key).await?;
        lock.during(async {
            let tags = &self.storage.tags;
            if tags.get(repository, tag).await?.as_ref() != Some(digest)
                || tags.pushed_at(repository, tag).await? != *pushed_at
            {
                return Ok(false);
            }
            let info = self.storage.manifests.stat(repository, digest).await?;
            let media_type = info.and_then(|info| info.media_type);
            let (removals, attempt) = (&self.removals, self.removals.attempt());
            let removed = removals.tag(&attempt, repository, tag, digest.clone(), media_type, BY);
            removed.await?;
            Ok(true)
        })
        .await
    }

    /// Takes the marks away from what stays.
    async fn pardon(&self, repository: &RepositoryName, marks: &Marks) -> Result<(), StoreError> {
        for digest in marks.keys() {
            let thing = Thing::Revision(repository.clone(), digest.clone());
            let lock = self.lock(&LockKey::from(&thing)).await?;
            lock.during(self.storage.marks.pardon(&thing)).await?;
        }
        Ok(())
    }

    async fn lock(&self, key: &LockKey) -> Result<LockGuard, StoreError> {
        Ok(self.locks.acquire(key).await?)
    }
}
