use super::*;
use crate::domain::model::{Algorithm, Hasher, Timestamp};
use crate::domain::world::{Later, World, outage, repository};
use crate::ports::MockClock;

fn digest(number: u64) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, &number.to_be_bytes())
}

/// Pulls that are noted later, at the times that the clock then tells.
fn pulls(mut world: World, times: &'static [i64]) -> (Arc<Pulls>, Arc<Later>) {
    let mut clock = MockClock::new();
    let mut times = times.iter().copied().cycle();
    clock
        .expect_now()
        .returning(move || Timestamp::from_millis(times.next().unwrap()));
    world.clock = clock;
    let ports = world.into_ports();
    let later = Arc::new(Later::default());
    let tasks: Arc<dyn Tasks> = later.clone();
    (Pulls::new(&ports.storage, &ports.clock, &tasks), later)
}

#[tokio::test]
async fn an_image_is_noted_once_in_five_minutes() {
    let mut world = World::new();
    world.pulls.expect_note().times(2).returning(|_, _| Ok(()));
    let (pulls, later) = pulls(world, &[0, 1, 299_999, 300_000, 300_001]);

    for _ in 0..5 {
        pulls.note(&repository(), &digest(1));
        later.run().await;
    }
}

#[tokio::test]
async fn each_image_of_each_repository_is_noted_by_itself() {
    let (pulls, later) = pulls(World::new(), &[0]);

    for name in ["a", "b"] {
        for number in 0..2 {
            pulls.note(&name.parse().unwrap(), &digest(number));
        }
    }

    assert_eq!(later.len(), 4);
}

#[tokio::test]
async fn what_the_store_cannot_take_in_is_left_to_the_next_pull() {
    let mut world = World::new();
    world.pulls.expect_note().returning(|_, _| Ok(()));
    let (pulls, later) = pulls(world, &[0]);

    for number in 0..=MOST {
        pulls.note(&repository(), &digest(number));
    }
    assert_eq!(later.len() as u64, MOST);

    later.run().await;
    pulls.note(&repository(), &digest(MOST));
    assert_eq!(later.len(), 1);
}

#[tokio::test]
async fn a_store_that_is_down_is_asked_no_more_often() {
    let mut world = World::new();
    let refused = &mut world.pulls;
    refused.expect_note().once().returning(|_, _| Err(outage()));
    let (pulls, later) = pulls(world, &[0]);

    for _ in 0..3 {
        pulls.note(&repository(), &digest(1));
        later.run().await;
    }

    assert_eq!(pulls.refused.load(Ordering::Relaxed), 1);
}
