use super::*;

const PACE: Pace = Pace {
    renewal: Duration::from_millis(40),
    valid: Duration::from_millis(400),
    dead: Duration::from_millis(800),
    settling: Duration::from_millis(200),
};

async fn stored(objects: &Objects) -> Option<Bytes> {
    objects.read(OWNER).await.unwrap()
}

#[tokio::test]
async fn while_an_owner_lives_no_other_starts() {
    let objects = Objects::in_memory().unwrap();
    let owner = Owner::claim(objects.clone(), PACE).await.unwrap();
    assert!(owner.proof()());

    let Err(refused) = Owner::claim(objects.clone(), PACE).await else {
        panic!("two owners");
    };

    assert!(refused.to_string().contains("another server"), "{refused}");
    assert_eq!(refused.key, "storage.s3");
    assert!(owner.proof()() && !owner.lost().is_cancelled());
}

#[tokio::test]
async fn a_lease_that_is_given_up_is_free_at_once() {
    let objects = Objects::in_memory().unwrap();
    let owner = Owner::claim(objects.clone(), PACE).await.unwrap();

    owner.release().await;
    assert!(stored(&objects).await.is_none());

    let began = uptime();
    Owner::claim(objects, PACE).await.unwrap();
    assert!(uptime().saturating_sub(began) < PACE.dead);
}

#[tokio::test]
async fn a_dead_owner_is_outlived() {
    let objects = Objects::in_memory().unwrap();
    drop(Owner::claim(objects.clone(), PACE).await.unwrap());

    let began = uptime();
    let owner = Owner::claim(objects, PACE).await.unwrap();

    assert!(uptime().saturating_sub(began) >= PACE.dead);
    assert!(owner.proof()());
}

#[tokio::test]
async fn of_two_that_start_at_once_one_starts() {
    let objects = Objects::in_memory().unwrap();

    let (one, other) = tokio::join!(
        Owner::claim(objects.clone(), PACE),
        Owner::claim(objects.clone(), PACE)
    );

    assert!(one.is_ok() != other.is_ok());
}

#[tokio::test]
async fn a_lease_that_another_has_taken_is_lost() {
    let objects = Objects::in_memory().unwrap();
    let owner = Owner::claim(objects.clone(), PACE).await.unwrap();
    let lost = owner.lost();

    let other = Bytes::from_static(br#"{"version":1,"owner":"other","renewal":0}"#);
    // Between a renewal's read and its write it would be written over.
    while !lost.is_cancelled() {
        objects.write(OWNER, other.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    assert!(!owner.proof()());
    owner.release().await;
    assert_eq!(
        stored(&objects).await,
        Some(other),
        "it is not ours to remove"
    );
}

#[tokio::test]
async fn the_lease_is_another_object_with_each_renewal() {
    let objects = Objects::in_memory().unwrap();
    let _owner = Owner::claim(objects.clone(), PACE).await.unwrap();
    let before = stored(&objects).await;

    tokio::time::sleep(PACE.renewal * 5).await;

    assert_ne!(stored(&objects).await, before);
}
