//! What the processes of the protocol share, and the small steps that their programs are made of.

use stateright::{Model, Property};

use crate::rules::Rules;

/// Where a thing, its marks and its lock are. `A` and `B` are repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The content of the one blob.
    Data,
    /// The content of the one manifest, which names the blob.
    Own,
    LinkA,
    LinkB,
    RevisionA,
    RevisionB,
}

/// Absent; there and old, or pending; there and young, or final.
pub const ABSENT: u8 = 0;
pub const OLD: u8 = 1;
pub const YOUNG: u8 = 2;
pub const PENDING: u8 = OLD;
pub const FINAL: u8 = YOUNG;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spot {
    pub thing: u8,
    /// The id in `_condemned`; 0 where there is none.
    pub condemned: u8,
    pub dying: bool,
    /// Who holds the lock: a process's number, from 1.
    pub lock: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    pub at: u8,
    /// The id of the mark that it wrote or adopted.
    pub id: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub spots: [Spot; 6],
    pub processes: Vec<Process>,
    /// The manifest of `A`, of `B`: answered 201, and not deleted since.
    pub acknowledged: [bool; 2],
    /// An index that names the manifest of `A` was answered 201.
    pub index: bool,
    /// A client's DELETE of the blob in `A` was answered 202, and nobody pushed it since.
    pub deleted: bool,
    /// What must never be: see [`Promise`].
    pub broken: Option<Promise>,
}

/// What is found broken on the way, and not by looking at a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// P4: a renewed time brought a deleted link back.
    Deleted,
    /// A push was refused a blob that it was just promised.
    Lease,
}

/// Where a program can jump to.
pub type Label = usize;

/// One step: at most one read or write of the store.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Puts the thing there, young; or leaves it where it is content.
    Write(Place),
    /// Sets the time of what is there, else jumps.
    Renew(Place, Label),
    /// Writes a link again that was read before: what S3 has instead.
    WriteAgain(Place),
    /// Jumps where the thing is not there.
    There(Place, Label),
    /// Jumps where it is there.
    Claimed(Place, Label),
    /// Jumps where it is there and young, or final.
    Fresh(Place, Label),
    /// Jumps where `_condemned` is there.
    Uncondemned(Place, Label),
    /// Jumps where `_dying` is there.
    NotDying(Place, Label),
    /// Takes the mark that is there for its own and jumps.
    Adopt(Place, Label),
    /// Writes `_condemned` under a new id, or adopts; jumps where there is no place for it.
    Condemn(Place, Label),
    /// The same where writing is not exclusive: what another wrote since the look is written over.
    Overwrite(Place),
    /// Under the lock: `_condemned` becomes `_dying`, else jumps.
    Doom(Place, Label),
    /// Jumps unless the own mark is what is there.
    Mine(Place, Label),
    DropCondemned(Place),
    DropDying(Place),
    Remove(Place),
    Lock(Place),
    Unlock(Place),
    /// Makes the revision pending, unless it is final.
    Pend(Place),
    Settle(Place),
    /// 201 to a manifest of `A` (0) or `B` (1).
    Acknowledge(usize),
    /// 201 to an index over the manifest of `A`, unless that was deleted since.
    AcknowledgeIndex,
    /// A client's DELETE of that manifest takes it away.
    Forget(usize),
    /// 202 to a client's DELETE of the blob.
    Deleted,
    /// The client is told that the blob is missing.
    Refuse,
    /// Goes on, or jumps: both can be.
    Either(Label),
    Jump(Label),
    /// Begins anew, remembering nothing.
    Again,
    End,
}

#[derive(Clone, Debug, Default)]
pub struct Program {
    pub ops: Vec<Op>,
    pub labels: Vec<usize>,
    /// Whether it is a client: a crash ends it, and it begins once.
    pub client: bool,
}

/// The processes, the beginnings, and what is asked.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub programs: Vec<Program>,
    pub beginnings: Vec<[Spot; 6]>,
    pub rules: Rules,
    pub asked: Asked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// P1: what was acknowledged is complete. Links age at any moment: no safety rests on time.
    Whole,
    /// P4, for a DELETE of a blob.
    StaysDeleted,
    /// Links age only while nobody is between a promise and the push that relies on it.
    Lease,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Step(usize),
    /// The second way of an `Either`.
    OtherWay(usize),
    /// The process dies; or its lock expires, which ends its work all the same.
    Crash(usize),
    /// The lock expires, and the process does not notice.
    LoseLock(usize, usize),
    Age(usize),
}

impl Protocol {
    fn op(&self, state: &State, who: usize) -> Op {
        self.programs[who].ops[usize::from(state.processes[who].at)]
    }

    /// Jumps cost nothing.
    fn settle(&self, state: &mut State, who: usize) {
        loop {
            match self.op(state, who) {
                Op::Jump(label) => self.jump(state, who, label),
                Op::Again => state.processes[who] = Process::default(),
                _ => return,
            }
        }
    }

    fn jump(&self, state: &mut State, who: usize, label: Label) {
        state.processes[who].at = u8::try_from(self.programs[who].labels[label]).unwrap();
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each step")]
    fn step(&self, state: &mut State, who: usize) {
        let op = self.op(state, who);
        let me = u8::try_from(who + 1).unwrap();
        let id = state.processes[who].id;
        state.processes[who].at += 1;
        let fresh = unused_id(state);
        let spot = |state: &mut State, place: Place| state.spots[place as usize];
        let mut jump_to = None;
        let mut jump_if = |condition: bool, label| {
            if condition {
                jump_to = Some(label);
            }
        };
        match op {
            Op::Write(place) => {
                state.spots[place as usize].thing = match place {
                    Place::LinkA | Place::LinkB => YOUNG,
                    _ => OLD, // content has no lease
                };
                state.deleted &= place != Place::LinkA;
            }
            Op::Renew(place, gone) => {
                let there = spot(state, place).thing != ABSENT;
                jump_if(!there, gone);
                if there {
                    state.spots[place as usize].thing = YOUNG;
                }
            }
            Op::WriteAgain(place) => {
                if spot(state, place).thing == ABSENT && state.deleted {
                    state.broken = Some(Promise::Deleted);
                }
                state.spots[place as usize].thing = YOUNG;
            }
            Op::There(place, gone) => jump_if(spot(state, place).thing == ABSENT, gone),
            Op::Claimed(place, alive) => jump_if(spot(state, place).thing != ABSENT, alive),
            Op::Fresh(place, alive) => jump_if(spot(state, place).thing == YOUNG, alive),
            Op::Uncondemned(place, marked) => jump_if(spot(state, place).condemned != 0, marked),
            Op::NotDying(place, marked) => jump_if(spot(state, place).dying, marked),
            Op::Adopt(place, label) => {
                let standing = spot(state, place).condemned;
                jump_if(standing != 0, label);
                state.processes[who].id = standing;
            }
            Op::Condemn(place, gone) => {
                let seen = spot(state, place);
                let nothing = seen.thing == ABSENT && seen.condemned == 0 && !seen.dying;
                jump_if(nothing, gone);
                if !nothing {
                    let id = if seen.condemned == 0 {
                        fresh
                    } else {
                        seen.condemned
                    };
                    state.spots[place as usize].condemned = id;
                    state.processes[who].id = id;
                }
            }
            Op::Overwrite(place) => {
                state.spots[place as usize].condemned = fresh;
                state.processes[who].id = fresh;
            }
            Op::Doom(place, otherwise) => {
                let seen = spot(state, place);
                let mine = seen.condemned == id || !self.rules.compare_ids;
                let stands = seen.condemned != 0 && mine && !seen.dying;
                jump_if(!stands, otherwise);
                if stands {
                    state.spots[place as usize].dying = true;
                    if !self.rules.s3 {
                        state.spots[place as usize].condemned = 0; // a rename
                    }
                    state.processes[who].id = 0;
                }
            }
            Op::Mine(place, otherwise) => {
                let seen = spot(state, place);
                jump_if(seen.condemned != id || seen.dying, otherwise);
                state.processes[who].id = 0;
            }
            Op::DropCondemned(place) => state.spots[place as usize].condemned = 0,
            Op::DropDying(place) => state.spots[place as usize].dying = false,
            Op::Remove(place) => state.spots[place as usize].thing = ABSENT,
            Op::Lock(place) => state.spots[place as usize].lock = me,
            Op::Unlock(place) => {
                if spot(state, place).lock == me {
                    state.spots[place as usize].lock = 0;
                }
            }
            Op::Pend(place) => {
                if spot(state, place).thing == ABSENT {
                    state.spots[place as usize].thing = PENDING;
                }
            }
            Op::Settle(place) => state.spots[place as usize].thing = FINAL,
            Op::Acknowledge(repository) => state.acknowledged[repository] = true,
            Op::AcknowledgeIndex => {
                state.index = spot(state, Place::RevisionA).thing != ABSENT;
            }
            Op::Forget(repository) => {
                let revision = [Place::RevisionA, Place::RevisionB][repository];
                state.spots[revision as usize].thing = ABSENT;
                state.acknowledged[repository] = false;
                state.index = false;
            }
            Op::Deleted => state.deleted = true,
            Op::Refuse => {
                if self.asked == Asked::Lease {
                    state.broken = Some(Promise::Lease);
                }
            }
            Op::Either(_) => {}
            Op::Jump(_) | Op::Again | Op::End => unreachable!("not steps"),
        }
        if let Some(label) = jump_to {
            self.jump(state, who, label);
        }
        self.settle(state, who);
    }

    fn crash(&self, state: &mut State, who: usize) {
        let me = u8::try_from(who + 1).unwrap();
        for spot in &mut state.spots {
            if spot.lock == me {
                spot.lock = 0;
            }
        }
        let program = &self.programs[who];
        let end = if program.client {
            program.ops.len() - 1
        } else {
            0
        };
        state.processes[who] = Process {
            at: u8::try_from(end).unwrap(),
            id: 0,
        };
    }

    /// Every client has its answer, or is dead.
    pub fn all_ended(&self, state: &State) -> bool {
        let ended = |(program, process): (&Program, &Process)| {
            !program.client || usize::from(process.at) + 1 == program.ops.len()
        };
        self.programs.iter().zip(&state.processes).all(ended)
    }

    /// Somebody is between a claim and the end of what relies on it.
    fn leases(&self, state: &State) -> bool {
        let busy = |(program, process): (&Program, &Process)| {
            program.client && process.at != 0 && usize::from(process.at) + 1 != program.ops.len()
        };
        self.programs.iter().zip(&state.processes).any(busy)
    }
}

/// Ids are random; here, the smallest that nobody knows of.
fn unused_id(state: &State) -> u8 {
    (1..=u8::MAX)
        .find(|id| {
            state.spots.iter().all(|spot| spot.condemned != *id)
                && state.processes.iter().all(|process| process.id != *id)
        })
        .unwrap()
}

/// P1: what was acknowledged is there, and everything that it names.
fn is_whole(state: &State) -> bool {
    let there = |place: Place| state.spots[place as usize].thing != ABSENT;
    let settled = |place: Place| state.spots[place as usize].thing == FINAL;
    let whole = |revision, link| {
        settled(revision) && there(link) && there(Place::Data) && there(Place::Own)
    };
    (!state.acknowledged[0] && !state.index || whole(Place::RevisionA, Place::LinkA))
        && (!state.acknowledged[1] || whole(Place::RevisionB, Place::LinkB))
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let begin = |spots: &[Spot; 6]| State {
            spots: *spots,
            processes: vec![Process::default(); self.programs.len()],
            acknowledged: [
                spots[Place::RevisionA as usize].thing == FINAL,
                spots[Place::RevisionB as usize].thing == FINAL,
            ],
            index: false,
            deleted: false,
            broken: None,
        };
        self.beginnings.iter().map(begin).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for who in 0..self.programs.len() {
            match self.op(state, who) {
                Op::End => continue,
                Op::Lock(place) if state.spots[place as usize].lock != 0 => {}
                Op::Either(_) => actions.extend([Action::Step(who), Action::OtherWay(who)]),
                _ => actions.push(Action::Step(who)),
            }
            if state.processes[who].at != 0 {
                actions.push(Action::Crash(who));
            }
        }
        for (at, spot) in state.spots.iter().enumerate() {
            if !self.rules.stop_without_lock && spot.lock != 0 {
                actions.push(Action::LoseLock(usize::from(spot.lock) - 1, at));
            }
        }
        if self.asked != Asked::Lease || !self.leases(state) {
            for link in [Place::LinkA, Place::LinkB] {
                if state.spots[link as usize].thing == YOUNG {
                    actions.push(Action::Age(link as usize));
                }
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Step(who) => self.step(&mut state, who),
            Action::OtherWay(who) => {
                if let Op::Either(label) = self.op(&state, who) {
                    self.jump(&mut state, who, label);
                    self.settle(&mut state, who);
                }
            }
            Action::Crash(who) => self.crash(&mut state, who),
            Action::LoseLock(_, at) => state.spots[at].lock = 0,
            Action::Age(at) => state.spots[at].thing = OLD,
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![match self.asked {
            Asked::Whole => Property::always("kept", |_, state: &State| is_whole(state)),
            Asked::StaysDeleted | Asked::Lease => {
                Property::always("kept", |_, state: &State| state.broken.is_none())
            }
        }]
    }
}
