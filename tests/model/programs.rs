//! The programs: what `src/domain` does, one read or write of the store at a time.

use crate::protocol::{Label, Op, Place, Program};
use crate::rules::Rules;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `Blobs::stat` or `Uploads::finish`, then `Manifests::put`, in `A`.
    Push,
    /// `Manifests::put` alone: somebody else pushed the blob.
    Put,
    /// The push of an index that names the manifest of `A`.
    PushIndex,
    /// `Uploads::mount` from `A`, then `Manifests::put` in `B`.
    MountAndPush,
    /// `Blobs::delete` in `A`.
    DeleteBlob,
    /// `Manifests::delete` in `A`.
    DeleteManifest,
    /// `Collector`, for one thing each.
    CollectLink(Place),
    CollectData,
    CollectOwn,
    CollectPending,
}

pub fn program(role: Role, rules: Rules) -> Program {
    let mut it = Builder {
        rules,
        program: Program::default(),
    };
    it.program.client = true;
    match role {
        Role::Push => it.push(),
        Role::Put => it.put(0),
        Role::PushIndex => it.push_index(),
        Role::MountAndPush => it.mount_and_push(),
        Role::DeleteBlob => it.delete_blob(),
        Role::DeleteManifest => it.delete_manifest(),
        Role::CollectLink(link) => it.collect(link),
        Role::CollectData => it.collect(Place::Data),
        Role::CollectOwn => it.collect(Place::Own),
        Role::CollectPending => it.collect_pending(),
    }
    it.add(Op::End);
    it.program
}

struct Builder {
    rules: Rules,
    program: Program,
}

impl Builder {
    fn add(&mut self, op: Op) {
        self.program.ops.push(op);
    }

    fn all(&mut self, ops: impl IntoIterator<Item = Op>) {
        self.program.ops.extend(ops);
    }

    /// A place to jump to, not known yet.
    fn label(&mut self) -> Label {
        self.program.labels.push(usize::MAX);
        self.program.labels.len() - 1
    }

    fn here(&mut self, label: Label) {
        self.program.labels[label] = self.program.ops.len();
    }

    fn labelled(&mut self) -> Label {
        let label = self.label();
        self.here(label);
        label
    }

    /// `Looks::settle`: goes on where the thing is there and unmarked, and
    /// jumps where it is gone.
    fn look(&mut self, place: Place, gone: Label) {
        let again = self.labelled();
        let (marked, settled) = (self.label(), self.label());
        if self.rules.marks_before_thing {
            self.add(Op::Uncondemned(place, marked));
            self.add(Op::NotDying(place, marked));
            self.add(Op::There(place, gone));
        } else {
            self.add(Op::There(place, gone));
            self.add(Op::Uncondemned(place, marked));
            self.add(Op::NotDying(place, marked));
        }
        self.add(Op::Jump(settled));
        self.here(marked);
        self.add(Op::Lock(place));
        self.pardon(place);
        self.add(Op::Unlock(place));
        self.add(Op::Jump(again));
        self.here(settled);
    }

    fn pardon(&mut self, place: Place) {
        self.add(Op::DropCondemned(place));
        self.add(Op::DropDying(place));
    }

    /// `BlobLinks::refresh`.
    fn refresh(&mut self, link: Place, gone: Label) {
        if !self.rules.s3 {
            self.add(Op::Renew(link, gone));
            return;
        }
        let (absent, done) = (self.label(), self.label());
        if self.rules.renew_under_lock {
            self.add(Op::Lock(link));
        }
        self.add(Op::There(link, absent));
        self.add(Op::WriteAgain(link));
        self.add(Op::Unlock(link));
        self.add(Op::Jump(done));
        self.here(absent);
        self.add(Op::Unlock(link));
        self.add(Op::Jump(gone));
        self.here(done);
    }

    fn look_at_blob(&mut self, link: Place, gone: Label) {
        if self.rules.look_at_link {
            self.look(link, gone);
        }
        if self.rules.look_at_data {
            self.look(Place::Data, gone);
        }
    }

    fn upload(&mut self, link: Place) {
        let (store, done) = (self.label(), self.label());
        let claim = self.labelled();
        if !self.rules.claim_first {
            self.add(Op::Write(Place::Data));
        }
        self.add(Op::Write(link));
        if self.rules.look_at_link {
            self.look(link, claim);
        }
        if self.rules.look_at_data {
            self.look(Place::Data, store);
        } else {
            self.add(Op::There(Place::Data, store));
        }
        self.add(Op::Jump(done));
        self.here(store);
        self.add(Op::Write(Place::Data));
        self.here(done);
    }

    fn push(&mut self) {
        let (upload, put) = (self.label(), self.label());
        self.add(Op::Either(upload));
        self.refresh(Place::LinkA, upload);
        self.look_at_blob(Place::LinkA, upload);
        self.add(Op::Jump(put));
        self.here(upload);
        self.upload(Place::LinkA);
        self.here(put);
        self.put(0);
    }

    fn mount_and_push(&mut self) {
        let (upload, put) = (self.label(), self.label());
        self.add(Op::There(Place::LinkA, upload));
        self.add(Op::Write(Place::LinkB));
        self.look_at_blob(Place::LinkB, upload);
        self.add(Op::Jump(put));
        self.here(upload);
        self.upload(Place::LinkB);
        self.here(put);
        self.put(1);
    }

    fn put(&mut self, repository: usize) {
        let link = [Place::LinkA, Place::LinkB][repository];
        let revision = [Place::RevisionA, Place::RevisionB][repository];
        let (refuse, acknowledge, end) = (self.label(), self.label(), self.label());
        if self.rules.push_holds_lock {
            self.add(Op::Lock(revision));
        }
        if !self.rules.look_when_settled {
            self.add(Op::Fresh(revision, acknowledge));
        }
        self.add(Op::Write(Place::Own));
        self.add(if self.rules.pending {
            Op::Pend(revision)
        } else {
            Op::Settle(revision)
        });
        if self.rules.own_content_first {
            self.look_at_own();
        }
        if self.rules.manifest_looks {
            let order = if self.rules.link_before_data {
                [link, Place::Data]
            } else {
                [Place::Data, link]
            };
            for place in order {
                self.look(place, refuse);
            }
        }
        if !self.rules.own_content_first {
            self.look_at_own();
        }
        self.add(Op::Settle(revision));
        self.here(acknowledge);
        self.add(Op::Acknowledge(repository));
        self.add(Op::Unlock(revision));
        self.add(Op::Jump(end));
        self.here(refuse);
        self.add(Op::Refuse);
        if !self.rules.keep_link {
            self.add(Op::Remove(link));
        }
        if !self.rules.keep_refused_revision {
            let kept = self.label();
            self.add(Op::Fresh(revision, kept));
            self.add(Op::Remove(revision));
            self.here(kept);
        }
        self.add(Op::Unlock(revision));
        self.here(end);
    }

    /// `Manifests::has_child`: only what is settled is taken for there.
    fn push_index(&mut self) {
        let (settled, end) = (self.label(), self.label());
        self.add(Op::Fresh(Place::RevisionA, settled));
        self.add(Op::Jump(end));
        self.here(settled);
        self.add(Op::AcknowledgeIndex);
        self.here(end);
    }

    fn look_at_own(&mut self) {
        let (stored, write) = (self.label(), self.label());
        let again = self.labelled();
        self.look(Place::Own, write);
        self.add(Op::Jump(stored));
        self.here(write);
        self.add(Op::Write(Place::Own));
        self.add(Op::Jump(again));
        self.here(stored);
    }

    fn delete_manifest(&mut self) {
        let unlock = self.label();
        self.add(Op::Lock(Place::RevisionA));
        self.add(Op::There(Place::RevisionA, unlock));
        self.add(Op::Forget(0));
        self.here(unlock);
        self.add(Op::Unlock(Place::RevisionA));
    }

    fn condemn(&mut self, place: Place, gone: Label, marked: Label) {
        if self.rules.s3 {
            self.add(Op::Adopt(place, marked));
            self.add(Op::Overwrite(place));
        } else {
            self.add(Op::Condemn(place, gone));
        }
    }

    /// Under the lock: dooms, removes, takes the marks away; else jumps.
    fn execute(&mut self, place: Place, otherwise: Label) {
        if self.rules.remove_under_lock {
            self.add(Op::Lock(place));
        }
        self.add(Op::Doom(place, otherwise));
        self.add(Op::Remove(place));
        self.pardon(place);
    }

    fn delete_blob(&mut self) {
        let link = Place::LinkA;
        let revision = Place::RevisionA;
        let (unknown, prove, dead, used) = (self.label(), self.label(), self.label(), self.label());
        let (named, lost, unlock) = (self.label(), self.label(), self.label());
        let again = self.labelled();
        self.add(Op::There(link, unknown));
        self.condemn(link, again, prove);
        self.here(prove);
        // `user_of`: a revision that is gone, or whose content is, names nothing.
        self.add(Op::Claimed(revision, named));
        self.add(Op::Jump(dead));
        self.here(named);
        self.add(Op::There(Place::Own, dead));
        self.add(Op::Fresh(revision, used));
        if self.rules.wait_for_pending {
            let still_used = self.label();
            self.add(Op::Lock(revision));
            self.add(Op::Fresh(revision, still_used));
            self.add(Op::Unlock(revision));
            self.add(Op::Jump(dead));
            self.here(still_used);
            self.add(Op::Unlock(revision));
            self.add(Op::Jump(used));
        }
        self.here(dead);
        self.execute(link, lost);
        self.add(Op::Deleted);
        self.add(Op::Unlock(link));
        self.add(Op::Jump(unknown));
        self.here(lost);
        let not_dying = self.label();
        let dying = self.label();
        self.add(Op::NotDying(link, dying));
        self.add(Op::Jump(not_dying));
        self.here(dying);
        self.pardon(link);
        self.here(not_dying);
        self.add(Op::Unlock(link));
        self.add(Op::Jump(again));
        self.here(used);
        if self.rules.failed_proof_unmarks {
            self.add(Op::Lock(link));
            self.pardon(link);
        }
        self.here(unlock);
        self.add(Op::Unlock(link));
        self.here(unknown);
    }

    /// What keeps the thing alive, one read after the other.
    fn claims(&mut self, place: Place, alive: Label) {
        let revision_of = |link| match link {
            Place::LinkA => Place::RevisionA,
            _ => Place::RevisionB,
        };
        match place {
            Place::LinkA | Place::LinkB => {
                self.add(Op::Claimed(revision_of(place), alive));
                self.add(Op::Fresh(place, alive));
            }
            Place::Own => {
                self.all([Place::RevisionA, Place::RevisionB].map(|it| Op::Claimed(it, alive)));
            }
            _ => {
                for link in [Place::LinkA, Place::LinkB] {
                    let skip = self.label();
                    if !self.rules.failed_listing_stops {
                        self.add(Op::Either(skip));
                    }
                    if !self.rules.scan_every_link {
                        self.add(Op::There(revision_of(link), skip));
                    }
                    self.add(Op::Claimed(link, alive));
                    self.here(skip);
                }
            }
        }
    }

    fn collect(&mut self, place: Place) {
        self.program.client = false;
        let (prove, dying, idle, alive) = (self.label(), self.label(), self.label(), self.label());
        let unlock = self.label();
        // Find.
        self.add(Op::NotDying(place, dying));
        self.add(Op::Adopt(place, prove));
        self.add(Op::There(place, idle));
        self.claims(place, idle);
        self.condemn(place, idle, prove);
        // Prove.
        self.here(prove);
        if self.rules.prove {
            self.claims(place, alive);
        }
        self.execute(place, unlock);
        self.here(unlock);
        self.add(Op::Unlock(place));
        self.add(Op::Again);
        self.here(alive);
        if self.rules.failed_proof_unmarks {
            self.add(Op::Lock(place));
            self.add(Op::Mine(place, unlock));
            self.pardon(place);
            self.add(Op::Unlock(place));
        }
        self.add(Op::Again);
        self.here(dying);
        self.add(Op::Lock(place));
        let still = self.label();
        self.add(Op::NotDying(place, still));
        self.add(Op::Jump(unlock));
        self.here(still);
        if !self.rules.prove_dying_again {
            self.add(Op::Remove(place));
        }
        self.pardon(place);
        self.add(Op::Unlock(place));
        self.here(idle);
        self.add(Op::Again);
    }

    /// A revision that is pending under its lock was given up by whoever pushed it.
    fn collect_pending(&mut self) {
        self.program.client = false;
        let revision = Place::RevisionA;
        let (idle, unlock) = (self.label(), self.label());
        self.add(Op::There(revision, idle));
        self.add(Op::Fresh(revision, idle));
        self.add(Op::Lock(revision));
        if self.rules.pending_under_lock {
            self.add(Op::Fresh(revision, unlock));
        }
        self.add(Op::Remove(revision));
        self.here(unlock);
        self.add(Op::Unlock(revision));
        self.here(idle);
        self.add(Op::Again);
    }
}
