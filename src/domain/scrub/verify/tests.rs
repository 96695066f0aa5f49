//! Verify beside writers: what it does where somebody heals, asks, or the store fails. The rest is in
//! `tests/suite/contracts/scrub.rs`.

use futures_util::stream;

use super::{UNREADABLE, Verify};
use crate::domain::model::{Algorithm, Digest, Hasher, Role, Sight, Surveyed, Timestamp};
use crate::domain::scrub::{Audience, Finding};
use crate::domain::world::{World, outage};
use crate::ports::Surveying;

#[derive(Default)]
struct Ear(Vec<Finding>);

impl Audience for Ear {
    fn found(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    fn seen(&mut self, _: u64) {}

    fn goes_on(&self) -> bool {
        true
    }
}

fn of(bytes: &[u8]) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, bytes)
}

/// A world with so many contents, all of the name "good".
fn world(contents: usize) -> World {
    let mut world = World::new();
    let content = Surveyed {
        path: "blobs/data".to_owned(),
        role: Role::Content(of(b"good")),
        sight: Sight {
            size: 4,
            modified: Timestamp::from_millis(0),
        },
    };
    let listing =
        move || -> Surveying { Box::pin(stream::iter([Ok(vec![content.clone(); contents])])) };
    world.survey.expect_content().returning(listing);
    world.clock.expect_sleep().returning(|_| ());
    world.durability.expect_persist().returning(|| Ok(()));
    world
}

async fn run(world: World) -> (bool, Vec<&'static str>, Vec<String>) {
    let journal = world.journal.clone();
    let ports = world.into_ports();
    let verify = Verify::new(&ports.storage, &ports.locks, &ports.clock);
    let mut ear = Ear::default();
    let done = verify.run(&mut ear).await.is_ok();
    let kinds = ear.0.iter().map(|it| it.kind).collect();
    (done, kinds, journal.entries())
}

/// Marks that are written down; they stand under the lock so often as is said.
fn marked(world: &mut World, mut stands: impl FnMut() -> bool + Send + 'static) {
    let marks = &mut world.marks;
    let journal = world.journal.clone();
    marks.expect_condemn().returning(move |_| {
        journal.note("mark");
        Ok(Some("id".to_owned()))
    });
    marks.expect_doom().returning(move |_, _| Ok(stands()));
    let journal = world.journal.clone();
    marks.expect_pardon().returning(move |_| {
        journal.note("pardon");
        Ok(())
    });
    let journal = world.journal.clone();
    world.survey.expect_set_aside().returning(move |_| {
        journal.note("set aside");
        Ok("elsewhere".to_owned())
    });
}

#[tokio::test]
async fn what_is_wrong_twice_is_moved_under_its_lock() {
    let mut world = world(1);
    world
        .survey
        .expect_hash()
        .times(2)
        .returning(|_, _, _| Ok(Some(of(b"bad"))));
    marked(&mut world, || true);

    let (done, kinds, journal) = run(world).await;

    assert!(done);
    assert_eq!(kinds, ["wrong-content"]);
    assert_eq!(journal, ["mark", "lock data", "set aside", "pardon"]);
}

#[tokio::test]
async fn what_is_healed_meanwhile_stays() {
    let mut world = world(1);
    let mut reads = [of(b"bad"), of(b"good")].into_iter();
    world
        .survey
        .expect_hash()
        .returning(move |_, _, _| Ok(reads.next()));
    marked(&mut world, || true);

    let (_, kinds, journal) = run(world).await;

    assert_eq!(kinds, [""; 0]);
    assert_eq!(journal, ["mark", "lock data", "pardon"]);
}

#[tokio::test]
async fn whoever_takes_the_mark_away_makes_it_read_again() {
    let mut world = world(1);
    world
        .survey
        .expect_hash()
        .times(3)
        .returning(|_, _, _| Ok(Some(of(b"bad"))));
    let mut asked = [false, true].into_iter();
    marked(&mut world, move || asked.next().unwrap());

    let (_, kinds, journal) = run(world).await;

    assert_eq!(kinds, ["wrong-content"]);
    let twice = [
        "mark",
        "lock data",
        "pardon",
        "mark",
        "lock data",
        "set aside",
        "pardon",
    ];
    assert_eq!(journal, twice);
}

#[tokio::test]
async fn one_that_can_t_be_read_is_told_and_many_in_a_row_are_an_outage() {
    let mut few = world(2);
    few.survey.expect_hash().returning(|_, _, _| Err(outage()));
    let mut many = world(UNREADABLE + 9);
    many.survey.expect_hash().returning(|_, _, _| Err(outage()));

    let (done, kinds, _) = run(few).await;
    let (many_done, _, _) = run(many).await;

    assert!(done && !many_done);
    assert_eq!(kinds, ["unreadable-content"; 2]);
}
