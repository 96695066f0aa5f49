//! Marks: the primitives of the collector's protocol.

use simple_registry::domain::model::{Look, Mark, Thing};
use simple_registry::ports::StoragePorts;

use super::{repository, sha256, store_blob, store_manifest};

/// One thing of each kind, all there.
async fn things(ports: &StoragePorts) -> Vec<Thing> {
    let name = repository("a");
    let blob = store_blob(ports, &name, b"content").await;
    ports.links.add(&name, &blob).await.unwrap();
    let manifest = store_manifest(ports, &name, "{}").await;
    vec![
        Thing::Data(blob.clone()),
        Thing::Link(name.clone(), blob),
        Thing::Revision(name, manifest),
    ]
}

async fn look(ports: &StoragePorts, thing: &Thing) -> Look {
    match thing {
        Thing::Data(digest) => ports.blobs.look(digest).await,
        Thing::Link(name, digest) => ports.links.look(name, digest).await,
        Thing::Revision(name, digest) => ports.manifests.look(name, digest).await,
    }
    .unwrap()
}

pub async fn an_unmarked_thing_is_seen_as_it_is(ports: &StoragePorts) {
    for thing in things(ports).await {
        let look = look(ports, &thing).await;

        assert_eq!(look.mark, Mark::None, "{thing:?}");
        assert!(look.thing.is_some(), "{thing:?}");
    }
}

pub async fn a_mark_is_seen_before_the_thing(ports: &StoragePorts) {
    for thing in things(ports).await {
        let id = ports.marks.condemn(&thing).await.unwrap().unwrap();
        let condemned = look(ports, &thing).await;
        assert_eq!(condemned.mark, Mark::Condemned(id.clone()), "{thing:?}");

        assert!(ports.marks.doom(&thing, &id).await.unwrap());
        assert_eq!(look(ports, &thing).await.mark, Mark::Dying, "{thing:?}");
    }
}

pub async fn a_mark_is_as_old_as_its_id(ports: &StoragePorts) {
    for thing in things(ports).await {
        let before = ports.marks.now().await.unwrap();
        let first = ports.marks.condemn(&thing).await.unwrap().unwrap();
        let since = ports.marks.since(&thing, &first).await.unwrap().unwrap();
        assert!(since >= before, "{thing:?}: {since:?}, {before:?}");

        ports.marks.pardon(&thing).await.unwrap();
        assert_eq!(ports.marks.since(&thing, &first).await.unwrap(), None);
        ports.marks.condemn(&thing).await.unwrap();
        assert_eq!(ports.marks.since(&thing, &first).await.unwrap(), None);
    }
}

pub async fn condemning_again_adopts_the_mark_that_is_there(ports: &StoragePorts) {
    for thing in things(ports).await {
        let first = ports.marks.condemn(&thing).await.unwrap();
        let second = ports.marks.condemn(&thing).await.unwrap();

        assert_eq!(first, second);
        ports.marks.pardon(&thing).await.unwrap();
        assert_ne!(
            first,
            ports.marks.condemn(&thing).await.unwrap(),
            "a new mark, a new id"
        );
    }
}

pub async fn condemning_makes_no_place_for_what_is_gone(ports: &StoragePorts) {
    for thing in [
        Thing::Data(sha256(b"never")),
        Thing::Link(repository("a"), sha256(b"never")),
        Thing::Revision(repository("a"), sha256(b"never")),
    ] {
        assert_eq!(ports.marks.condemn(&thing).await.unwrap(), None);
        assert_eq!(look(ports, &thing).await.mark, Mark::None);
    }
}

pub async fn only_the_id_that_stands_can_doom(ports: &StoragePorts) {
    for thing in things(ports).await {
        let stale = ports.marks.condemn(&thing).await.unwrap().unwrap();
        ports.marks.pardon(&thing).await.unwrap();
        assert!(!ports.marks.doom(&thing, &stale).await.unwrap());
        ports.marks.condemn(&thing).await.unwrap();

        assert!(!ports.marks.doom(&thing, &stale).await.unwrap());

        assert_ne!(look(ports, &thing).await.mark, Mark::Dying);
    }
}

pub async fn a_dying_thing_is_not_doomed_again(ports: &StoragePorts) {
    for thing in things(ports).await {
        let id = ports.marks.condemn(&thing).await.unwrap().unwrap();
        assert!(ports.marks.doom(&thing, &id).await.unwrap());

        assert!(!ports.marks.doom(&thing, &id).await.unwrap());
        let again = ports.marks.condemn(&thing).await.unwrap().unwrap();
        assert!(!ports.marks.doom(&thing, &again).await.unwrap());
    }
}

pub async fn pardon_takes_every_mark_away(ports: &StoragePorts) {
    for thing in things(ports).await {
        let id = ports.marks.condemn(&thing).await.unwrap().unwrap();
        ports.marks.doom(&thing, &id).await.unwrap();
        ports.marks.condemn(&thing).await.unwrap();

        ports.marks.pardon(&thing).await.unwrap();
        ports.marks.pardon(&thing).await.unwrap();

        assert_eq!(look(ports, &thing).await.mark, Mark::None);
        assert!(look(ports, &thing).await.thing.is_some());
    }
}
