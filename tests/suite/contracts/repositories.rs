//! Repositories.

use simple_registry::domain::model::Page;
use simple_registry::ports::StoragePorts;

use super::{repository, store_blob, store_manifest};

pub async fn a_repository_exists_once_it_holds_a_manifest(ports: &StoragePorts) {
    let name = repository("a/b");
    store_blob(ports, &name, b"x").await;
    assert!(!ports.repositories.exists(&name).await.unwrap());

    store_manifest(ports, &name, "{}").await;

    assert!(ports.repositories.exists(&name).await.unwrap());
    assert!(!ports.repositories.exists(&repository("a")).await.unwrap());
}

/// `a-b` sorts before `a/b`, though a walk meets it after `a`.
pub async fn repositories_are_listed_in_byte_order_of_the_whole_name(ports: &StoragePorts) {
    let mut names = ["a", "a/b", "a-b", "a.b/c", "a/b/c", "b", "a0"];
    for name in names {
        store_manifest(ports, &repository(name), "{}").await;
    }
    names.sort_unstable();

    for limit in 1..=names.len() {
        let mut page = Page {
            after: None,
            limit: Some(limit),
        };
        let mut seen = Vec::new();
        loop {
            let listing = ports.repositories.list(&page).await.unwrap();
            seen.extend(listing.items.iter().map(ToString::to_string));
            page.after = listing.items.last().map(ToString::to_string);
            if !listing.more {
                break;
            }
        }
        assert_eq!(seen, names, "in pages of {limit}");
    }
}

pub async fn a_repository_without_manifests_is_gone(ports: &StoragePorts) {
    let name = repository("a/b");
    let digest = store_manifest(ports, &name, "{}").await;

    ports.manifests.remove(&name, &digest).await.unwrap();

    assert!(!ports.repositories.exists(&name).await.unwrap());
    assert!(
        ports
            .repositories
            .list(&Page::all())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}
