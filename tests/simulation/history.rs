//! What clients were told, and what must therefore be true.
//!
//! Two operations that overlap may have been done in either order; one that ended before another began came first.
//! An operation without an answer may have been done or not, until its end.

use std::sync::{Arc, Mutex};

use super::content::Content;
use super::plan::Keep;
use super::world::World;

/// How much younger than a deletion a push must be to be seen as later: stores tell times in seconds, clocks differ,
/// and the domain allows for two seconds.
const RESOLUTION: u64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A manifest, and perhaps a tag that points at it.
    Put(usize, Option<usize>),
    Delete(usize),
    DeleteTag(usize),
    /// A blob is pushed or mounted.
    Claim(usize),
    DeleteBlob(usize),
    /// Rules decide what goes.
    Retain,
    /// A run of retention tells that the manifest went, or this tag of it.
    Gone(usize, Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Nobody knows.
    Unsure,
    /// Certainly not.
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    repository: usize,
    what: What,
    start: u64,
    end: u64,
    outcome: Outcome,
    /// How often a run of retention has judged, and when it did last.
    judged: (u32, u64),
}

/// What must be, over some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    There,
    Gone,
    Either,
}

/// A span of time, with both its ends.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

pub struct History {
    world: Arc<World>,
    pub content: Arc<Content>,
    operations: Mutex<Vec<Operation>>,
    broken: Mutex<Vec<String>>,
}

impl History {
    pub fn new(world: &Arc<World>, content: &Arc<Content>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            content: Arc::clone(content),
            operations: Mutex::default(),
            broken: Mutex::default(),
        })
    }

    /// Notes that an operation begins; how it ended is told to [`History::end`].
    pub fn begin(&self, repository: usize, what: What) -> usize {
        let mut operations = self.operations.lock().unwrap();
        operations.push(Operation {
            repository,
            what,
            start: self.world.now(),
            end: u64::MAX,
            outcome: Outcome::Unsure,
            judged: (0, 0),
        });
        self.world.note(|| {
            format!(
                "client: {} begins {what:?} in {repository}",
                operations.len() - 1
            )
        });
        operations.len() - 1
    }

    /// What a dead server was at may be done until its locks are free.
    pub fn end(&self, operation: usize, outcome: Outcome, lost: bool) {
        let plan = &self.world.plan;
        let ttl = u64::try_from(plan.ttl.as_millis()).unwrap();
        let more = if lost { ttl + plan.slow } else { 0 };
        let mut operations = self.operations.lock().unwrap();
        let it = &mut operations[operation];
        it.end = self.world.now() + more;
        it.outcome = outcome;
        self.world
            .note(|| format!("client: {operation} ends {outcome:?}, {:?}", it.what));
    }

    /// A run of retention judges what it has seen until now.
    pub fn judges(&self, operation: usize) {
        let mut operations = self.operations.lock().unwrap();
        let (often, last) = &mut operations[operation].judged;
        (*often, *last) = (*often + 1, self.world.now());
    }

    /// A run of retention, which ends now, has deleted the manifest, or this tag of it.
    pub fn has_gone(&self, repository: usize, run: usize, item: usize, tag: Option<usize>) {
        let mut operations = self.operations.lock().unwrap();
        let gone = Operation {
            repository,
            what: What::Gone(item, tag),
            end: self.world.now(),
            outcome: Outcome::Done,
            ..operations[run]
        };
        operations.push(gone);
    }

    pub fn since(&self, from: u64) -> Span {
        Span {
            from,
            to: self.world.now(),
        }
    }

    /// A promise was not kept.
    pub fn broken(&self, promise: &str) {
        self.world.note(|| format!("BROKEN: {promise}"));
        let now = self.world.now();
        self.broken
            .lock()
            .unwrap()
            .push(format!("at {now}: {promise}"));
    }

    pub fn all_broken(&self) -> Vec<String> {
        self.broken.lock().unwrap().clone()
    }

    pub fn acknowledged(&self) -> usize {
        let operations = self.operations.lock().unwrap();
        let done =
            |it: &&Operation| matches!(it.what, What::Put(..)) && it.outcome == Outcome::Done;
        operations.iter().filter(done).count()
    }

    /// The manifests that were deleted, each with its repository, as often as they were.
    pub fn deleted(&self) -> Vec<(usize, usize)> {
        let operations = self.operations.lock().unwrap();
        let deletes = operations.iter().filter_map(|it| match it.what {
            What::Delete(item) if it.outcome != Outcome::Refused => Some((it.repository, item)),
            _ => None,
        });
        deletes.collect()
    }

    /// Operations of the repository that were not refused.
    fn of(&self, repository: usize, which: impl Fn(What) -> bool) -> Vec<Operation> {
        let operations = self.operations.lock().unwrap();
        let mine = operations.iter().filter(|it| {
            it.repository == repository && it.outcome != Outcome::Refused && which(it.what)
        });
        mine.copied().collect()
    }

    /// Whether the manifest is there.
    pub fn item(&self, repository: usize, item: usize, span: Span) -> Verdict {
        let puts = self.of(
            repository,
            |it| matches!(it, What::Put(put, _) if put == item),
        );
        let deletes = self.of(repository, |it| it == What::Delete(item));
        let stands = |put: &&Operation| {
            put.outcome == Outcome::Done
                && put.end < span.from
                && deletes
                    .iter()
                    .all(|it| it.end < put.start || it.start > span.to)
        };
        if let Some(put) = puts.iter().rfind(stands) {
            return if self.may_be_let_go(repository, item, put.start, span)
                || self.may_be_deleted_by_rule(repository, item, put.start, span)
            {
                Verdict::Either
            } else {
                Verdict::There
            };
        }
        let is_gone = |delete: &Operation| {
            delete.outcome == Outcome::Done
                && delete.end < span.from
                && puts
                    .iter()
                    .all(|it| it.end < delete.start || it.start > span.to)
        };
        let by_rule = self.of(repository, |it| it == What::Gone(item, None));
        let mut gone = deletes.iter().chain(&by_rule);
        if puts.iter().all(|put| put.start > span.to) || gone.any(is_gone) {
            Verdict::Gone
        } else {
            Verdict::Either
        }
    }

    /// The indexes that name the item, and its subject.
    fn holders(&self, item: usize) -> Vec<usize> {
        let holds = |holder: &usize| {
            self.content.items[*holder].children.contains(&item)
                || self.content.items[item].subject == Some(*holder)
        };
        (0..self.content.items.len()).filter(holds).collect()
    }

    /// Whether something that held the item went after `since`, by a client, by a rule, or with what held that in turn.
    fn was_left(&self, repository: usize, item: usize, since: u64, span: Span) -> bool {
        let all_along = Span {
            from: since.saturating_sub(RESOLUTION),
            ..span
        };
        self.holders(item).iter().any(|holder| {
            if self.item(repository, *holder, all_along) == Verdict::There {
                return false;
            }
            // Whatever held the holder may have gone before this item was pushed, and the holder itself after it.
            let puts = self.of(
                repository,
                |it| matches!(it, What::Put(put, _) if put == *holder),
            );
            let after = |it: &Operation| {
                let had_it = || it.judged.0 > 1 && puts.iter().any(|put| put.start < it.end);
                let may_be = it.what != What::Retain || had_it();
                may_be && it.start <= span.to && it.end.saturating_add(RESOLUTION) >= since
            };
            let deletes = self.of(repository, |it| {
                it == What::Delete(*holder) || it == What::Retain
            });
            let before = |it: &&Operation| it.outcome == Outcome::Done && it.start <= since;
            let pushed = puts.iter().rfind(before).map_or(0, |it| it.start);
            deletes.iter().any(after) || self.was_left(repository, *holder, pushed, span)
        })
    }

    /// The runs of retention that may have deleted what was pushed at `since`: each judges twice, and what was pushed
    /// after that stays.
    fn runs_over(&self, repository: usize, since: u64, span: Span) -> Vec<Operation> {
        let mut runs = self.of(repository, |it| it == What::Retain);
        runs.retain(|it| it.judged.0 > 1 && since <= it.judged.1 && it.judged.1 <= span.to);
        runs
    }

    /// Whether a rule may have deleted a manifest that was pushed at `since`: no tag and nothing that it belongs to has
    /// kept it all the time, nor its youth.
    fn may_be_deleted_by_rule(
        &self,
        repository: usize,
        item: usize,
        since: u64,
        span: Span,
    ) -> bool {
        let runs = self.runs_over(repository, since, span);
        let mut tags = 0..self.content.tags.len();
        if runs.is_empty() || tags.any(|tag| self.tag(repository, tag, span) == Some(item)) {
            return false;
        }
        let puts = self.of(
            repository,
            |it| matches!(it, What::Put(put, _) if put == item),
        );
        let is_untagged = puts.iter().all(|it| matches!(it.what, What::Put(_, None)));
        let grace = u64::try_from(self.world.plan.grace_period.as_millis()).unwrap();
        let holders = self.holders(item);
        runs.iter().any(|run| {
            let is_young = is_untagged && run.judged.1 + RESOLUTION < since + grace;
            let all_along = Span {
                from: run.start,
                ..span
            };
            let holds = |it: &usize| self.item(repository, *it, all_along) == Verdict::There;
            !is_young && !holders.iter().any(holds)
        })
    }

    /// Whether the rules keep a tag that was set so, whatever this run saw.
    fn keeps(&self, tag: usize, set: &Operation, run: &Operation) -> bool {
        match self.world.plan.retention {
            None | Some(Keep::Tagged) => true,
            Some(Keep::Latest) => self.content.tags[tag].as_str() == "latest",
            Some(Keep::Newest) => {
                let others = self.of(
                    set.repository,
                    |it| matches!(it, What::Put(_, Some(to)) if to != tag),
                );
                let is_older = |it: &Operation| it.end.saturating_add(RESOLUTION) < set.start;
                let mut others = others.iter();
                others.all(|it| is_older(it) || it.start > run.judged.1)
            }
        }
    }

    /// Whether the collector may have let go of a manifest that was pushed at `since`: it was left, and nothing else
    /// has held it.
    fn may_be_let_go(&self, repository: usize, item: usize, since: u64, span: Span) -> bool {
        let mut tags = 0..self.content.tags.len();
        let is_tagged = |tag| self.tag(repository, tag, span) == Some(item);
        let is_child = |holder: &usize| {
            self.content.items[*holder].children.contains(&item)
                && self.item(repository, *holder, span) == Verdict::There
        };
        self.was_left(repository, item, since, span)
            && !tags.any(is_tagged)
            && !self.holders(item).iter().any(is_child)
    }

    /// Whether somebody pushed one of these after that, with whatever success.
    fn was_tried(&self, repository: usize, items: &[usize], after: u64) -> bool {
        let operations = self.operations.lock().unwrap();
        operations.iter().any(|it| {
            let tried = matches!(it.what, What::Put(item, _) if items.contains(&item));
            it.repository == repository && tried && it.end >= after
        })
    }

    /// Whether nothing holds the manifest any more, since long after it was pushed: then it goes as well. A push of a
    /// holder that failed since may have held it while the collector looked; one of itself has renewed it, as one that
    /// succeeds does.
    pub fn is_left(&self, repository: usize, item: usize) -> bool {
        let span = self.since(self.world.now());
        let puts = self.of(
            repository,
            |it| matches!(it, What::Put(put, _) if put == item),
        );
        let was_tagged = puts.iter().any(|it| !matches!(it.what, What::Put(_, None)));
        let holders = self.holders(item);
        let tried: Vec<usize> = holders.iter().copied().chain([item]).collect();
        let gone = |holder: &usize| self.item(repository, *holder, span) == Verdict::Gone;
        let left = |holder: &usize| {
            let deletes = self.of(repository, |it| it == What::Delete(*holder));
            deletes.iter().any(|delete| {
                let before = |it: &Operation| it.end.saturating_add(RESOLUTION) < delete.start;
                delete.outcome == Outcome::Done
                    && puts.iter().all(before)
                    && !self.was_tried(repository, &tried, delete.start)
            })
        };
        // A push that broke off may have left no record of its subject: that is for scrub.
        let was_pushed = puts.iter().any(|it| it.outcome == Outcome::Done);
        was_pushed && !was_tagged && holders.iter().all(gone) && holders.iter().any(left)
    }

    /// Where the tag certainly points.
    fn tag(&self, repository: usize, tag: usize, span: Span) -> Option<usize> {
        let sets = self.of(
            repository,
            |it| matches!(it, What::Put(_, to) if to == Some(tag)),
        );
        let certain = sets.iter().rfind(|set| {
            let What::Put(item, _) = set.what else {
                return false;
            };
            let moves = self.of(repository, |it| match it {
                What::Put(other, to) => to == Some(tag) && other != item,
                What::DeleteTag(other) => other == tag,
                What::Delete(other) => other == item,
                _ => false,
            });
            set.outcome == Outcome::Done
                && set.end < span.from
                && moves
                    .iter()
                    .all(|it| it.end < set.start || it.start > span.to)
                && self
                    .runs_over(repository, set.start, span)
                    .iter()
                    .all(|run| self.keeps(tag, set, run))
        });
        match certain?.what {
            What::Put(item, _) => Some(item),
            _ => None,
        }
    }

    /// Judges where somebody has seen the tag point.
    pub fn saw_tag(&self, repository: usize, tag: usize, seen: Option<usize>, span: Span) {
        let certain = self.tag(repository, tag, span);
        let place = format!("tag {tag} of repository {repository}");
        let Some(item) = seen else {
            if let Some(item) = certain {
                self.broken(&format!("P1: {place} points at {item}, and is unknown"));
            }
            return;
        };
        let sets = self.of(repository, |it| it == What::Put(item, Some(tag)));
        let possible = sets.iter().any(|set| {
            let moves = self.of(repository, |it| match it {
                What::Put(other, to) => to == Some(tag) && other != item,
                What::DeleteTag(other) => other == tag,
                What::Delete(other) => other == item,
                What::Gone(other, from) => other == item && from == Some(tag),
                _ => false,
            });
            let later = |it: &Operation| {
                it.outcome == Outcome::Done && it.start > set.end && it.end < span.from
            };
            set.start <= span.to && !moves.iter().any(later)
        });
        if !possible {
            self.broken(&format!("P4: {place} points at {item}, which it must not"));
        }
    }

    /// Judges whether somebody has seen the manifest.
    pub fn saw_item(&self, repository: usize, item: usize, seen: bool, span: Span) {
        match (self.item(repository, item, span), seen) {
            (Verdict::There, false) => self.broken(&format!(
                "P1: manifest {item} of repository {repository} was acknowledged, and is unknown"
            )),
            (Verdict::Gone, true) => self.broken(&format!(
                "P4: manifest {item} of repository {repository} was deleted, and is there"
            )),
            _ => {}
        }
    }

    /// Judges whether somebody has seen the blob.
    pub fn saw_blob(&self, repository: usize, blob: usize, seen: bool, span: Span) {
        let needed = (0..self.content.items.len()).any(|item| {
            self.content.items[item].blobs.contains(&blob)
                && self.item(repository, item, span) == Verdict::There
        });
        if needed && !seen {
            self.broken(&format!(
                "P1: blob {blob} of repository {repository} belongs to an acknowledged image, and is unknown"
            ));
        }
        let claims = self.of(repository, |it| it == What::Claim(blob));
        let deletes = self.of(repository, |it| it == What::DeleteBlob(blob));
        let is_gone = |delete: &Operation| {
            delete.outcome == Outcome::Done
                && delete.end < span.from
                && claims
                    .iter()
                    .all(|it| it.end < delete.start || it.start > span.to)
        };
        if seen && deletes.iter().any(is_gone) {
            self.broken(&format!(
                "P4: blob {blob} of repository {repository} was deleted, and is there"
            ));
        }
    }

    /// When the manifest was deleted, if that is so short a time ago that it can be restored, and nobody has touched it
    /// since but for this operation and those for its tags. S3 tells times in seconds, and clocks differ.
    pub fn is_restorable(
        &self,
        repository: usize,
        item: usize,
        operation: usize,
        span: Span,
    ) -> Option<u64> {
        let deletes = self.of(repository, |it| it == What::Delete(item));
        let delete = deletes.iter().rfind(|it| it.outcome == Outcome::Done)?;
        let grace = u64::try_from(self.world.plan.grace_period.as_millis()).unwrap();
        let is_recent = delete.end < span.from && span.to + RESOLUTION < delete.start + grace;
        let own = operation..=operation + self.content.tags.len();
        let operations = self.operations.lock().unwrap();
        let mut others = operations.iter().enumerate();
        let is_touched = others.any(|(number, it)| {
            let touches = match it.what {
                What::Put(put, _) => put == item && !own.contains(&number),
                What::Delete(other) => other == item && it.start != delete.start,
                _ => false,
            };
            it.repository == repository && touches && it.end >= delete.start
        });
        (is_recent && !is_touched).then_some(delete.start)
    }

    /// Whether somebody may have taken the blob away in that time.
    pub fn may_be_deleted(&self, repository: usize, blob: usize, span: Span) -> bool {
        let deletes = self.of(repository, |it| it == What::DeleteBlob(blob));
        deletes
            .iter()
            .any(|it| it.start <= span.to && it.end >= span.from)
    }
}
