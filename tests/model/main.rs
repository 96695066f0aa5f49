//! The collector's protocol, checked exhaustively: claims, marks, locks, crashes (docs/decisions/0008).
//!
//! A model of what `src/domain` does: each step is one read or write of the store, any process may die between two
//! steps, and links grow old at any moment. `MODEL=large` adds the settings that take longer.

#![expect(clippy::similar_names, reason = "rules and roles")]

mod programs;
mod protocol;
mod rules;

use std::collections::{HashMap, VecDeque};

use programs::Role::{
    CollectData, CollectLink, CollectOwn, CollectPending, DeleteBlob, DeleteManifest, MountAndPush,
    Push, PushIndex, Put,
};
use programs::{Role, program};
use protocol::Asked::{Lease, StaysDeleted, Whole};
use protocol::Place::{LinkA, LinkB};
use protocol::{ABSENT, Action, Asked, FINAL, OLD, PENDING, Place, Protocol, Spot, State};
use rules::Rules;
use stateright::{Checker, Model};

/// The store before anybody does anything: data, own content, links and revisions of `A` and `B`.
type Beginning = [u8; 6];

const EMPTY: Beginning = [ABSENT; 6];
/// Content that nobody links; the manifest's own, too.
const ORPHANS: Beginning = [OLD, OLD, ABSENT, ABSENT, ABSENT, ABSENT];
/// A link that no manifest needs.
const LINKED: Beginning = [OLD, OLD, OLD, ABSENT, ABSENT, ABSENT];
/// A push that was given up.
const GIVEN_UP: Beginning = [OLD, OLD, OLD, ABSENT, PENDING, ABSENT];
/// An image in `A`.
const IMAGE: Beginning = [OLD, OLD, OLD, ABSENT, FINAL, ABSENT];

fn protocol(asked: Asked, beginnings: &[Beginning], roles: &[Role], rules: Rules) -> Protocol {
    let spots = |things: &Beginning| {
        things.map(|thing| Spot {
            thing,
            ..Spot::default()
        })
    };
    Protocol {
        programs: roles.iter().map(|role| program(*role, rules)).collect(),
        beginnings: beginnings.iter().map(spots).collect(),
        rules,
        asked,
    }
}

/// Each setting, on files and on S3.
#[track_caller]
fn holds_everywhere(asked: Asked, beginnings: &[Beginning], roles: &[Role]) {
    holds(asked, beginnings, roles, Rules::all());
    holds(
        asked,
        beginnings,
        roles,
        Rules::without(|rules| {
            rules.s3 = true;
        }),
    );
}

/// Nothing that was promised is broken, however the steps fall.
#[track_caller]
fn holds(asked: Asked, beginnings: &[Beginning], roles: &[Role], rules: Rules) {
    let checker = protocol(asked, beginnings, roles, rules).checker();
    let checker = checker.threads(2).spawn_bfs().join();
    println!("{roles:?}: {} states", checker.unique_state_count());
    if let Some(path) = checker.discovery("kept") {
        panic!("{roles:?} lose it: {:#?}", path.into_actions());
    }
}

/// The checker finds how it breaks.
#[track_caller]
fn breaks(asked: Asked, beginnings: &[Beginning], roles: &[Role], take_out: fn(&mut Rules)) {
    let protocol = protocol(asked, beginnings, roles, Rules::without(take_out));
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    let found = checker.discovery("kept");
    let found =
        found.unwrap_or_else(|| panic!("{} states, and no loss", checker.unique_state_count()));
    println!("{roles:?}: lost after {} steps", found.into_actions().len());
}

/// Whatever happened, a store where everybody goes on becomes clean: no marks, no locks, and nothing that no manifest
/// needs.
#[track_caller]
fn becomes_clean(beginnings: &[Beginning], roles: &[Role], rules: Rules) {
    let protocol = protocol(Whole, beginnings, roles, rules);
    let mut numbers = HashMap::new();
    let mut states = Vec::new();
    let mut before: Vec<Vec<usize>> = Vec::new();
    let mut open = VecDeque::new();
    let mut number = |state: State, states: &mut Vec<State>, open: &mut VecDeque<usize>| {
        *numbers.entry(state.clone()).or_insert_with(|| {
            states.push(state);
            open.push_back(states.len() - 1);
            states.len() - 1
        })
    };
    for state in protocol.init_states() {
        number(state, &mut states, &mut open);
    }
    while let Some(from) = open.pop_front() {
        let state = states[from].clone();
        let mut actions = Vec::new();
        protocol.actions(&state, &mut actions);
        for action in actions {
            let Some(next) = protocol.next_state(&state, action) else {
                continue;
            };
            let to = number(next, &mut states, &mut open);
            before.resize(states.len(), Vec::new());
            // A crash is nobody's way out.
            if !matches!(action, Action::Crash(_)) {
                before[to].push(from);
            }
        }
    }
    before.resize(states.len(), Vec::new());

    let is_clean = |state: &State| {
        let there = |place: Place| state.spots[place as usize].thing != ABSENT;
        let unmarked = |spot: &Spot| spot.condemned == 0 && !spot.dying && spot.lock == 0;
        let collected = |role: &Role| match role {
            CollectLink(LinkB) => there(Place::RevisionB) || !there(LinkB),
            CollectLink(_) => there(Place::RevisionA) || !there(LinkA),
            CollectData => there(LinkA) || there(LinkB) || !there(Place::Data),
            CollectOwn => there(Place::RevisionA) || there(Place::RevisionB) || !there(Place::Own),
            CollectPending => state.spots[Place::RevisionA as usize].thing != PENDING,
            _ => true,
        };
        protocol.all_ended(state) && state.spots.iter().all(unmarked) && roles.iter().all(collected)
    };
    let mut clean: Vec<bool> = states.iter().map(is_clean).collect();
    let mut open: Vec<usize> = (0..states.len()).filter(|at| clean[*at]).collect();
    while let Some(at) = open.pop() {
        for from in &before[at] {
            if !std::mem::replace(&mut clean[*from], true) {
                open.push(*from);
            }
        }
    }
    println!("{roles:?}: {} states become clean", states.len());
    if let Some(stuck) = clean.iter().position(|clean| !clean) {
        panic!("{roles:?} are stuck at {:#?}", states[stuck]);
    }
}

const BLOB: [Role; 3] = [Push, CollectLink(LinkA), CollectData];

#[test]
fn no_manifest_loses_its_blob_to_the_collectors_of_links_and_data() {
    holds_everywhere(Whole, &[EMPTY, LINKED, ORPHANS], &BLOB);
}

#[test]
fn no_manifest_loses_its_blob_to_two_collectors() {
    holds_everywhere(
        Whole,
        &[LINKED],
        &[Push, CollectLink(LinkA), CollectLink(LinkA)],
    );
    holds_everywhere(Whole, &[ORPHANS], &[Put, CollectData, CollectData]);
}

#[test]
fn no_manifest_loses_its_blob_to_a_client_that_deletes_it() {
    holds_everywhere(Whole, &[LINKED], &[Push, CollectLink(LinkA), DeleteBlob]);
    holds_everywhere(Whole, &[LINKED], &[Put, DeleteBlob, DeleteBlob]);
    let roles = [Push, DeleteBlob, DeleteManifest, CollectPending];
    holds_everywhere(Whole, &[LINKED, IMAGE, GIVEN_UP], &roles);
}

#[test]
fn no_manifest_loses_its_own_content() {
    holds_everywhere(
        Whole,
        &[LINKED, GIVEN_UP],
        &[Put, CollectLink(LinkA), CollectOwn],
    );
    holds_everywhere(Whole, &[LINKED, GIVEN_UP], &[Put, DeleteBlob, CollectOwn]);
}

#[test]
fn a_mounted_blob_outlives_the_repository_that_it_came_from() {
    let roles = [
        MountAndPush,
        DeleteManifest,
        CollectLink(LinkA),
        CollectData,
    ];
    holds_everywhere(Whole, &[IMAGE], &roles);
    holds_everywhere(
        Whole,
        &[IMAGE],
        &[MountAndPush, CollectLink(LinkB), CollectData],
    );
}

#[test]
fn a_pending_revision_is_collected_and_an_acknowledged_one_is_not() {
    let roles = [Push, CollectPending, CollectLink(LinkA)];
    holds_everywhere(Whole, &[EMPTY, LINKED, GIVEN_UP], &roles);
    holds_everywhere(
        Whole,
        &[LINKED, GIVEN_UP],
        &[Put, PushIndex, CollectPending],
    );
}

#[test]
fn a_deleted_blob_stays_deleted() {
    holds_everywhere(StaysDeleted, &[LINKED], &[Push, DeleteBlob]);
}

#[test]
fn a_push_is_not_refused_what_it_was_just_promised() {
    holds_everywhere(Lease, &[EMPTY, LINKED, ORPHANS], &BLOB);
    let roles = [
        MountAndPush,
        DeleteManifest,
        CollectLink(LinkA),
        CollectData,
    ];
    holds_everywhere(Lease, &[IMAGE], &roles);
}

#[test]
fn what_nothing_needs_is_freed_whoever_dies() {
    for s3 in [false, true] {
        let rules = Rules::without(|rules| {
            rules.s3 = s3;
        });
        becomes_clean(&[LINKED], &[Put, CollectLink(LinkA), CollectData], rules);
        becomes_clean(
            &[GIVEN_UP],
            &[CollectPending, CollectLink(LinkA), CollectData],
            rules,
        );
        becomes_clean(&[GIVEN_UP], &[Put, CollectPending, CollectOwn], rules);
        becomes_clean(&[LINKED], &[DeleteBlob, CollectLink(LinkA)], rules);
    }
}

/// What is too large to be checked on every run.
#[test]
fn larger_settings_hold_as_well() {
    #[expect(clippy::disallowed_methods, reason = "how much: told by CI")]
    if std::env::var("MODEL").as_deref() != Ok("large") {
        return;
    }
    holds_everywhere(Whole, &[LINKED], &[Push, Put, CollectLink(LinkA)]);
    holds_everywhere(
        Whole,
        &[LINKED],
        &[Put, Put, CollectLink(LinkA), CollectData],
    );
    let roles = [Put, CollectLink(LinkA), CollectData, DeleteBlob];
    holds_everywhere(Whole, &[LINKED, ORPHANS], &roles);
    becomes_clean(&[EMPTY, LINKED], &BLOB, Rules::all());
}

mod without {
    //! Each rule taken out, in the setting that needs it.

    use super::*;

    #[test]
    fn ids_in_marks_a_mark_is_taken_for_another() {
        let two = [Push, CollectLink(LinkA), CollectLink(LinkA)];
        breaks(Whole, &[LINKED], &two, |rules| {
            rules.compare_ids = false;
        });
        let delete = [Push, CollectLink(LinkA), DeleteBlob];
        breaks(Whole, &[LINKED], &delete, |rules| {
            rules.compare_ids = false;
        });
    }

    #[test]
    fn a_proof_a_claim_before_the_mark_is_missed() {
        let roles = [Push, CollectLink(LinkA)];
        breaks(Whole, &[LINKED], &roles, |rules| {
            rules.prove = false;
        });
    }

    #[test]
    fn the_lock_a_mark_is_taken_away_under_the_removal() {
        let roles = [Push, CollectLink(LinkA)];
        breaks(Whole, &[LINKED], &roles, |rules| {
            rules.remove_under_lock = false;
        });
        breaks(Whole, &[LINKED], &roles, |rules| {
            rules.stop_without_lock = false;
        });
    }

    #[test]
    fn looks_nothing_is_safe() {
        let roles = [Push, CollectLink(LinkA)];
        breaks(Whole, &[LINKED], &roles, |rules| {
            rules.manifest_looks = false;
        });
    }

    #[test]
    fn their_order_what_was_seen_first_is_gone_at_the_end() {
        let roles = [Push, CollectLink(LinkA)];
        breaks(Whole, &[LINKED], &roles, |rules| {
            rules.marks_before_thing = false;
        });
        let own = [Put, DeleteBlob, CollectOwn];
        breaks(Whole, &[LINKED, GIVEN_UP], &own, |rules| {
            rules.own_content_first = false;
        });
        let two = [Put, Push, CollectLink(LinkA), CollectData];
        breaks(Whole, &[LINKED], &two, |rules| {
            rules.link_before_data = false;
        });
    }

    #[test]
    fn looks_at_what_stands_already_a_deleted_manifest_is_acknowledged() {
        let roles = [Push, CollectLink(LinkA), DeleteManifest];
        breaks(Whole, &[IMAGE], &roles, |rules| {
            rules.look_when_settled = false;
            rules.push_holds_lock = false;
        });
        breaks(Whole, &[LINKED], &[Put, Put, CollectLink(LinkA)], |rules| {
            rules.look_when_settled = false;
            rules.pending = false;
        });
    }

    #[test]
    fn pending_manifests_an_index_relies_on_what_is_refused() {
        let roles = [Put, PushIndex, CollectLink(LinkA)];
        breaks(Whole, &[LINKED], &roles, |rules| {
            rules.pending = false;
        });
    }

    #[test]
    fn looks_of_uploads_a_promise_is_not_kept() {
        breaks(Lease, &[LINKED], &BLOB, |rules| {
            rules.look_at_link = false;
        });
        breaks(Lease, &[LINKED, ORPHANS], &BLOB, |rules| {
            rules.look_at_data = false;
        });
    }

    #[test]
    fn claims_that_stay_another_writer_is_refused() {
        let roles = [Push, Put, CollectLink(LinkA), CollectData];
        breaks(Lease, &[LINKED, EMPTY], &roles, |rules| {
            rules.keep_link = false;
        });
    }

    #[test]
    fn a_lock_for_renewals_on_s3_a_deleted_link_comes_back() {
        breaks(StaysDeleted, &[LINKED], &[Push, DeleteBlob], |rules| {
            rules.s3 = true;
            rules.renew_under_lock = false;
        });
    }

    #[test]
    fn a_new_proof_what_another_registry_wrote_dies_with_an_old_one() {
        let mut protocol = protocol(
            Whole,
            &[IMAGE],
            &[CollectLink(LinkA)],
            Rules::without(|rules| {
                rules.prove_dying_again = false;
            }),
        );
        protocol.beginnings[0][LinkA as usize].dying = true;
        let lost = protocol.clone().checker().spawn_bfs().join();
        assert!(lost.discovery("kept").is_some());
        protocol.programs = vec![program(CollectLink(LinkA), Rules::all())];
        assert!(
            protocol
                .checker()
                .spawn_bfs()
                .join()
                .discovery("kept")
                .is_none()
        );
    }

    #[test]
    fn a_scan_of_every_link_a_mount_is_not_kept() {
        let roles = [
            MountAndPush,
            DeleteManifest,
            CollectLink(LinkA),
            CollectData,
        ];
        breaks(Lease, &[IMAGE], &roles, |rules| {
            rules.scan_every_link = false;
        });
    }

    #[test]
    fn complete_listings_content_is_removed_that_is_linked() {
        breaks(Whole, &[IMAGE], &[CollectData], |rules| {
            rules.failed_listing_stops = false;
        });
    }

    #[test]
    fn the_wait_for_a_pending_push_a_delete_removes_what_it_needs() {
        breaks(Whole, &[LINKED], &[Put, DeleteBlob], |rules| {
            rules.wait_for_pending = false;
        });
    }

    #[test]
    fn the_lock_of_a_push_its_revision_is_taken_for_given_up() {
        let roles = [Push, CollectPending];
        breaks(Whole, &[GIVEN_UP], &roles, |rules| {
            rules.pending_under_lock = false;
        });
        breaks(Whole, &[GIVEN_UP], &roles, |rules| {
            rules.push_holds_lock = false;
        });
    }

    /// Belt and braces: another rule holds as well (docs/decisions/0008). Kept, and known to be no more than that.
    #[test]
    fn these_alone_nothing_is_lost() {
        holds(
            Whole,
            &[EMPTY, LINKED],
            &BLOB,
            Rules::without(|rules| {
                rules.claim_first = false;
            }),
        );
        let refused = [Push, Put, CollectLink(LinkA)];
        holds(
            Whole,
            &[LINKED],
            &refused,
            Rules::without(|rules| {
                rules.keep_refused_revision = false;
            }),
        );
        let again = [Push, CollectLink(LinkA), DeleteManifest];
        holds(
            Whole,
            &[LINKED, IMAGE],
            &again,
            Rules::without(|rules| {
                rules.look_when_settled = false;
            }),
        );
        let proof = [Push, CollectLink(LinkA), DeleteManifest];
        holds(
            Whole,
            &[LINKED],
            &proof,
            Rules::without(|rules| {
                rules.failed_proof_unmarks = false;
            }),
        );
    }
}
