//! Judgement: which images are kept, and why; and what so has to go.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::belonging::Belonging;
use super::snapshot::{Held, Pointer, Snapshot};
use super::{Judged, Retention, Verdict};
use crate::domain::model::{Digest, Image, RepositoryName, Surroundings, Tag, Timestamp};
use crate::domain::references::Doubt;
use crate::ports::RetentionRule;

/// How wrong two times of a store can be that tells it in seconds. What was
/// pushed so shortly ago may be pushed again in the same second, and stays.
const RESOLUTION: Duration = Duration::from_secs(2);

/// How much later than now something may have been pushed, by clocks that differ.
const FUTURE: Duration = Duration::from_mins(5);

/// How many images are judged between two pauses.
const AT_A_TIME: usize = 1000;

/// A pause in which requests are served.
const PAUSE: Duration = Duration::from_millis(1);

/// What has to go.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) images: Vec<Judged>,
    pub(super) problems: Vec<String>,
    /// Manifests, with all the tags that point at them.
    pub(super) manifests: BTreeMap<Digest, Vec<Tag>>,
    /// Tags of manifests that stay.
    pub(super) tags: BTreeMap<Tag, Pointer>,
}

/// An image before and after it is judged.
struct Candidate<'s> {
    tag: Option<&'s Tag>,
    digest: &'s Digest,
    image: Image,
    /// Why it is kept, if it is.
    kept: Option<String>,
}

/// How often a rule had no answer, and where first.
type Failures = BTreeMap<(usize, String), (usize, String)>;

impl Retention {
    pub(super) async fn judged(
        &self,
        repository: &RepositoryName,
        rules: &[Arc<dyn RetentionRule>],
        now: Timestamp,
        earlier: Option<&Snapshot>,
    ) -> Result<(Snapshot, Plan), Doubt> {
        let snapshot = self.snapshot(repository, earlier).await?;
        let plan = self.decide(&snapshot, rules, now).await?;
        Ok((snapshot, plan))
    }

    /// The plan for what was found.
    pub(super) async fn decide(
        &self,
        snapshot: &Snapshot,
        rules: &[Arc<dyn RetentionRule>],
        now: Timestamp,
    ) -> Result<Plan, Doubt> {
        let belonging = Belonging::of(snapshot)?;
        let mut candidates = candidates(snapshot, &belonging, now);
        let around = surroundings(&candidates, now);
        for candidate in &mut candidates {
            let young = match candidate.tag {
                Some(_) => RESOLUTION,
                None => self.settings.grace_period,
            };
            if now.since(candidate.image.pushed_at) < young {
                let young = young.as_secs();
                candidate.kept = Some(format!("it was pushed less than {young} s ago"));
            }
        }
        let mut failures = Failures::new();
        for some in candidates.chunks_mut(AT_A_TIME) {
            ask(rules, some, &around, &mut failures);
            self.clock.sleep(PAUSE).await;
        }
        let mut plan = plan(snapshot, &belonging, candidates);
        plan.problems.extend(failures.into_iter().map(|((rule, error), (images, first))| {
            format!("rule {rule} has no answer for {images} images, the first is {first}, so they are kept: {error}")
        }));
        let late = |pointer: &&Pointer| pointer.pushed_at > Some(now.after(FUTURE));
        let late = snapshot.tags.values().filter(late).count();
        if late > 0 {
            plan.problems
                .push(format!("{late} tags were pushed in the future, by the store's clock; they count as pushed now"));
        }
        Ok(plan)
    }
}

/// What the rules are about: tags that are attached to nothing, and manifests
/// without a tag that belong to nothing.
fn candidates<'s>(
    snapshot: &'s Snapshot,
    belonging: &Belonging<'s>,
    now: Timestamp,
) -> Vec<Candidate<'s>> {
    let candidate = |tag: Option<&'s Tag>, digest: &'s Digest, pushed_at: Option<_>| Candidate {
        tag,
        digest,
        image: Image {
            tag: tag.cloned(),
            // What is unknown, or later than now, is now.
            pushed_at: pushed_at.unwrap_or(now).min(now),
            last_pulled_at: snapshot.pulls.get(digest).copied(),
        },
        kept: None,
    };
    let is_settled = |held: &Held| held.pushed_at.is_some();
    let tags = snapshot.tags.iter().filter(|(tag, pointer)| {
        let held = snapshot.manifests.get(&pointer.digest);
        held.is_some_and(is_settled) && !belonging.attached.contains_key(tag)
    });
    let tags = tags.map(|(tag, it)| candidate(Some(tag), &it.digest, it.pushed_at));
    let tagged: HashSet<_> = snapshot.tags.values().map(|it| &it.digest).collect();
    let untagged = snapshot.manifests.iter().filter(|(digest, held)| {
        let is_alone = belonging.owners(digest).next().is_none() && !tagged.contains(digest);
        is_settled(held) && is_alone && !snapshot.leaving.contains(*digest)
    });
    let untagged = untagged.map(|(digest, held)| candidate(None, digest, held.pushed_at));
    tags.chain(untagged).collect()
}

fn surroundings(candidates: &[Candidate<'_>], now: Timestamp) -> Surroundings {
    let ranked = |time: fn(&Image) -> Option<Timestamp>| {
        let tags = candidates
            .iter()
            .filter_map(|it| Some((time(&it.image)?, it.tag?)));
        let mut tags: Vec<_> = tags.collect();
        tags.sort_by_key(|(time, tag)| (Reverse(*time), *tag));
        tags.into_iter().map(|(_, tag)| tag.clone()).collect()
    };
    Surroundings {
        now,
        last_pushed: ranked(|image| Some(image.pushed_at)),
        last_pulled: ranked(|image| image.last_pulled_at),
    }
}

/// Asks each rule about the images that none before it keeps. One without an
/// answer keeps as well: nobody knows what it would have said.
fn ask(
    rules: &[Arc<dyn RetentionRule>],
    candidates: &mut [Candidate<'_>],
    around: &Surroundings,
    failures: &mut Failures,
) {
    let mut failed: HashMap<usize, String> = HashMap::new();
    for (index, rule) in rules.iter().enumerate() {
        let open = candidates.iter_mut().enumerate();
        let open: Vec<_> = open.filter(|(_, it)| it.kept.is_none()).collect();
        let images: Vec<_> = open.iter().map(|(_, it)| it.image.clone()).collect();
        let mut answers = rule.judge(&images, around).into_iter();
        for (position, candidate) in open {
            match answers.next() {
                Some(Ok(false)) => {}
                Some(Ok(true)) => {
                    candidate.kept = Some(format!("rule {index}: {}", rule.text()));
                }
                Some(Err(error)) => {
                    let name = candidate
                        .tag
                        .map_or_else(|| candidate.digest.to_string(), Tag::to_string);
                    let first = failures.entry((index, error.to_string()));
                    first.or_insert((0, name)).0 += 1;
                    failed
                        .entry(position)
                        .or_insert_with(|| format!("rule {index} has no answer: {error}"));
                }
                None => {
                    failed
                        .entry(position)
                        .or_insert_with(|| format!("rule {index} has no answer"));
                }
            }
        }
    }
    for (position, why) in failed {
        if let Some(candidate) = candidates.get_mut(position) {
            candidate.kept.get_or_insert(why);
        }
    }
}

fn verdict(is_kept: bool) -> Verdict {
    if is_kept {
        Verdict::Kept
    } else {
        Verdict::Goes
    }
}

/// What follows: a manifest is kept that any of its tags keeps, or anything that
/// it belongs to. What belongs only to what goes is left to the collector, with
/// which it can be restored, unless it has a tag.
fn plan<'s>(
    snapshot: &'s Snapshot,
    belonging: &Belonging<'s>,
    candidates: Vec<Candidate<'s>>,
) -> Plan {
    let mut kept: HashSet<&Digest> = HashSet::new();
    kept.extend(
        candidates
            .iter()
            .filter(|it| it.kept.is_some())
            .map(|it| it.digest),
    );
    for digest in &belonging.in_order {
        let is_pending = snapshot
            .manifests
            .get(digest)
            .is_some_and(|it| it.pushed_at.is_none());
        if is_pending || belonging.owners(digest).any(|owner| kept.contains(owner)) {
            kept.insert(digest);
        }
    }

    let mut plan = Plan::default();
    for it in candidates {
        plan.images.push(Judged {
            tag: it.tag.cloned(),
            digest: it.digest.clone(),
            verdict: verdict(it.kept.is_some()),
            why: it.kept.unwrap_or_else(|| "no rule keeps it".to_owned()),
        });
    }
    for (tag, subject) in &belonging.attached {
        plan.images.push(Judged {
            tag: Some((*tag).clone()),
            digest: snapshot.tags[*tag].digest.clone(),
            verdict: verdict(kept.contains(subject)),
            why: format!("it belongs to {subject}"),
        });
    }
    plan.images.sort_by(|one, other| {
        let key = |it: &Judged| (it.tag.is_none(), it.tag.clone(), it.digest.clone());
        key(one).cmp(&key(other))
    });
    for image in plan.images.iter().filter(|it| it.verdict == Verdict::Goes) {
        if !kept.contains(&image.digest) {
            let tags = plan.manifests.entry(image.digest.clone()).or_default();
            tags.extend(image.tag.clone());
        } else if let Some((tag, pointer)) = image
            .tag
            .as_ref()
            .and_then(|it| snapshot.tags.get_key_value(it))
        {
            plan.tags.insert(tag.clone(), pointer.clone());
        }
    }
    plan
}
