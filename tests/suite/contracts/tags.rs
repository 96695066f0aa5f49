//! Tags.

use std::time::Duration;

use simple_registry::domain::model::Page;
use simple_registry::ports::StoragePorts;

use super::{repository, sha256, tag};

pub async fn a_tag_points_where_it_was_set_last(ports: &StoragePorts) {
    let name = repository("a");
    assert_eq!(ports.tags.get(&name, &tag("v1")).await.unwrap(), None);

    for bytes in [b"one", b"two"] {
        ports
            .tags
            .set(&name, &tag("v1"), &sha256(bytes))
            .await
            .unwrap();

        let target = ports.tags.get(&name, &tag("v1")).await.unwrap();
        assert_eq!(target, Some(sha256(bytes)));
    }
}

/// A push counts, be it of the same digest: retention asks for its time.
pub async fn setting_a_tag_again_renews_its_time(ports: &StoragePorts) {
    let (name, tag) = (repository("a"), tag("v1"));
    assert_eq!(ports.tags.pushed_at(&name, &tag).await.unwrap(), None);
    let mut times = Vec::new();
    for _ in 0..2 {
        ports.tags.set(&name, &tag, &sha256(b"one")).await.unwrap();
        times.extend(ports.tags.pushed_at(&name, &tag).await.unwrap());
        // Longer than a second, in which some stores tell the time.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }

    let [first, second] = times.as_slice() else {
        panic!("{times:?}");
    };
    assert!(second > first, "{times:?}");
}

pub async fn a_removed_tag_is_gone_with_its_history(ports: &StoragePorts) {
    let name = repository("a");
    ports
        .tags
        .set(&name, &tag("v1"), &sha256(b"one"))
        .await
        .unwrap();
    ports
        .tags
        .set(&name, &tag("v1"), &sha256(b"two"))
        .await
        .unwrap();

    ports.tags.remove(&name, &tag("v1")).await.unwrap();
    ports.tags.remove(&name, &tag("v1")).await.unwrap();

    assert_eq!(ports.tags.get(&name, &tag("v1")).await.unwrap(), None);
    assert!(
        ports
            .tags
            .list(&name, &Page::all())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(
        !ports.repositories.exists(&name).await.unwrap(),
        "nothing of it is left"
    );
}

/// storage.md section 5: byte order of the name, whatever the store sorts by.
pub async fn tags_are_listed_in_byte_order_and_pages(ports: &StoragePorts) {
    let name = repository("a");
    let mut tags = ["v1", "v1-rc", "v1.0", "V1", "_x", "0", "v10", "latest"];
    for text in tags {
        ports
            .tags
            .set(&name, &tag(text), &sha256(b"x"))
            .await
            .unwrap();
    }
    tags.sort_unstable();

    for limit in 1..=tags.len() + 1 {
        let mut page = Page {
            after: None,
            limit: Some(limit),
        };
        let mut seen = Vec::new();
        loop {
            let listing = ports.tags.list(&name, &page).await.unwrap();
            seen.extend(listing.items.iter().map(ToString::to_string));
            page.after = listing.items.last().cloned();
            if !listing.more {
                break;
            }
        }
        assert_eq!(seen, tags, "in pages of {limit}");
    }
    let rest = Page {
        after: Some(tag("nothing-called-so")),
        limit: None,
    };
    let rest = ports.tags.list(&name, &rest).await.unwrap();
    assert_eq!(rest.items.len(), 4);
}

pub async fn tags_that_point_at_a_digest_are_found(ports: &StoragePorts) {
    let name = repository("a");
    for (text, bytes) in [("a", b"1"), ("b", b"2"), ("c", b"1")] {
        ports
            .tags
            .set(&name, &tag(text), &sha256(bytes))
            .await
            .unwrap();
    }

    let mut found = ports.tags.pointing_at(&name, &sha256(b"1")).await.unwrap();

    found.sort();
    assert_eq!(found, [tag("a"), tag("c")]);
}
