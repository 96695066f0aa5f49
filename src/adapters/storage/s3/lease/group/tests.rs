use futures_util::FutureExt;

use super::super::Owner;
use super::*;

const PACE: Pace = Pace {
    renewal: Duration::from_millis(40),
    valid: Duration::from_millis(400),
    dead: Duration::from_millis(800),
    settling: Duration::from_millis(200),
};

/// A lock store: the first name that it is told stands, until it forgets it.
#[derive(Clone, Default)]
struct LockStore(Arc<Mutex<(Option<String>, bool)>>);

impl LockStore {
    fn agree(&self) -> Agree {
        let store = self.clone();
        Arc::new(move |name| {
            let store = store.clone();
            async move {
                let mut store = store.0.lock().unwrap();
                if store.1 {
                    return Err("down".into());
                }
                if store.0.is_none() {
                    store.0 = name;
                }
                Ok(store.0.clone())
            }
            .boxed()
        })
    }

    fn name(&self, name: Option<&str>) {
        self.0.lock().unwrap().0 = name.map(str::to_owned);
    }

    fn down(&self, down: bool) {
        self.0.lock().unwrap().1 = down;
    }
}

fn objects() -> Objects {
    Objects::in_memory().unwrap()
}

async fn join(objects: &Objects, store: &LockStore) -> Result<Group, BucketError> {
    Group::join(objects.clone(), PACE, store.agree()).await
}

#[tokio::test]
async fn servers_with_one_lock_store_share_the_bucket() {
    let (objects, store) = (objects(), LockStore::default());
    let (one, other) = tokio::join!(join(&objects, &store), join(&objects, &store));
    let (one, other) = (one.unwrap(), other.unwrap());
    let began = uptime();

    let third = join(&objects, &store).await.unwrap();

    assert!(uptime().saturating_sub(began) < PACE.settling, "at once");
    tokio::time::sleep(PACE.valid * 2).await;
    assert!(one.stands() && other.stands() && third.stands());
}

#[tokio::test]
async fn a_server_with_another_lock_store_is_refused() {
    let (objects, store) = (objects(), LockStore::default());
    let one = join(&objects, &store).await.unwrap();

    let Err(refused) = join(&objects, &LockStore::default()).await else {
        panic!("two lock stores for one bucket");
    };

    assert!(
        refused.to_string().contains("[lock_store.redis]"),
        "{refused}"
    );
    assert!(one.stands());
}

#[tokio::test]
async fn a_server_without_a_lock_store_and_a_group_refuse_each_other() {
    let objects = objects();
    let group = join(&objects, &LockStore::default()).await.unwrap();
    assert!(Owner::claim(objects.clone(), PACE).await.is_err());
    drop(group);

    let owner = Owner::claim(objects.clone(), PACE).await.unwrap();
    assert!(join(&objects, &LockStore::default()).await.is_err());
    owner.release().await;
    assert!(join(&objects, &LockStore::default()).await.is_ok());
}

#[tokio::test]
async fn a_lock_store_that_lost_its_memory_is_told_the_name_again() {
    let (objects, store) = (objects(), LockStore::default());
    let one = join(&objects, &store).await.unwrap();

    store.name(None);
    let other = join(&objects, &store).await.unwrap();
    assert!(other.stands());

    tokio::time::sleep(PACE.valid * 2).await;
    assert!(one.stands() && other.stands());
}

#[tokio::test]
async fn a_lock_store_that_is_down_is_waited_for() {
    let (objects, store) = (objects(), LockStore::default());
    store.down(true);
    let group = join(&objects, &store).await.unwrap();
    assert!(!group.stands());

    store.down(false);
    tokio::time::sleep(PACE.renewal * 4 + PACE.settling).await;
    assert!(group.stands());

    store.down(true);
    tokio::time::sleep(PACE.valid * 2).await;
    assert!(group.stands(), "the bucket is theirs all the same");
}

#[tokio::test]
async fn a_lock_store_that_others_have_named_gives_no_locks() {
    let (objects, store) = (objects(), LockStore::default());
    let group = join(&objects, &store).await.unwrap();

    store.name(Some("other"));
    tokio::time::sleep(PACE.renewal * 4).await;

    assert!(!group.stands());
}

#[tokio::test]
async fn a_group_whose_bucket_another_has_taken_gives_no_locks_until_it_is_gone() {
    let (objects, store) = (objects(), LockStore::default());
    let group = join(&objects, &store).await.unwrap();
    let other = Bytes::from_static(br#"{"version":1,"owner":"other","renewal":0}"#);
    while group.stands() {
        objects.write(OWNER, other.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    objects.remove(OWNER).await.unwrap();
    let waited = PACE.dead + PACE.settling + PACE.renewal * 4;
    tokio::time::sleep(waited).await;

    assert!(group.stands());
}
