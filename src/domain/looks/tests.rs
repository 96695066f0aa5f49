use super::*;
use crate::domain::model::{Algorithm, Hasher};
use crate::domain::world::{World, absent, condemned, outage, repository, there};

fn digest() -> Digest {
    Hasher::digest_of(Algorithm::Sha256, b"x")
}

fn looks(world: World) -> Looks {
    let ports = world.into_ports();
    Looks::new(&ports.storage, &ports.locks)
}

#[tokio::test]
async fn what_nobody_marked_costs_no_lock() {
    let mut world = World::new();
    world.blobs.expect_look().returning(|_| Ok(there(3)));
    let journal = world.journal.clone();

    let seen = looks(world).data(&digest()).await.unwrap();

    assert_eq!(seen.unwrap().size, 3);
    assert!(journal.entries().is_empty());
}

#[tokio::test]
async fn a_mark_is_taken_away_under_the_lock_and_the_look_starts_again() {
    let mut world = World::new();
    let journal = world.journal.clone();
    let (looked, pardoned) = (journal.clone(), journal.clone());
    let mut answers = vec![there(3), condemned(3)];
    world.links.expect_look().returning(move |_, _| {
        looked.note("look");
        Ok(answers.pop().unwrap())
    });
    world.marks.expect_pardon().returning(move |_| {
        pardoned.note("pardon");
        Ok(())
    });

    let seen = looks(world).link(&repository(), &digest()).await.unwrap();

    assert!(seen.is_some());
    assert_eq!(journal.entries(), ["look", "lock link", "pardon", "look"]);
}

#[tokio::test]
async fn what_went_while_the_mark_was_taken_away_is_gone() {
    let mut world = World::new();
    let mut answers = vec![absent(), condemned(3)];
    world
        .blobs
        .expect_look()
        .returning(move |_| Ok(answers.pop().unwrap()));
    world.marks.expect_pardon().returning(|_| Ok(()));

    assert_eq!(looks(world).data(&digest()).await.unwrap(), None);
}

#[tokio::test]
async fn the_link_is_looked_at_before_the_content() {
    let mut world = World::new();
    world.links.expect_look().returning(|_, _| Ok(absent()));

    // A look at the content would panic: nobody expects it.
    let seen = looks(world).blob(&repository(), &digest()).await.unwrap();

    assert_eq!(seen, None);
}

#[tokio::test]
async fn an_outage_is_no_absence() {
    let mut world = World::new();
    world.blobs.expect_look().returning(|_| Err(outage()));

    let seen = looks(world).data(&digest()).await;

    assert!(matches!(seen, Err(RegistryError::Unavailable(_))));
}
