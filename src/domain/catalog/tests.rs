use proptest::prelude::*;

use super::*;
use crate::domain::world::World;

fn catalog(names: Vec<String>) -> Catalog {
    let mut world = World::new();
    world.repositories.expect_list().returning(move |page| {
        let listing = Listing::cut(names.clone(), page);
        Ok(Listing {
            items: listing
                .items
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
            more: listing.more,
        })
    });
    Catalog::new(&world.into_ports().storage)
}

/// A caller who may see nothing, asking for pages of one: one page, and the
/// rest at once.
#[test]
fn what_the_caller_may_not_see_is_not_listed_one_by_one() {
    let mut world = World::new();
    world.repositories.expect_list().times(2).returning(|page| {
        let names = (0..500).map(|n| format!("hidden-{n}").parse().unwrap());
        let listing = Listing::cut(
            names,
            &Page::<RepositoryName> {
                after: page.after.as_ref().map(|after| after.parse().unwrap()),
                limit: page.limit,
            },
        );
        Ok(listing)
    });
    let catalog = Catalog::new(&world.into_ports().storage);
    let page = Page {
        after: None,
        limit: Some(1),
    };

    let listing = catalog.list(&page, &|_| false);

    let listing = futures_util::FutureExt::now_or_never(listing)
        .unwrap()
        .unwrap();
    assert!(listing.items.is_empty() && !listing.more);
}

proptest! {
    #[test]
    fn pages_put_together_are_what_the_caller_may_see(
        names in proptest::collection::btree_set("[a-c]{1,2}(-[a-c])?(/[a-c])?", 0..20),
        limit in 1_usize..5,
    ) {
        let may_see = |name: &RepositoryName| !name.as_str().starts_with('b');
        let visible: Vec<_> = names.iter().filter(|name| !name.starts_with('b')).cloned().collect();
        let catalog = catalog(names.into_iter().collect());

        let mut seen = Vec::new();
        let mut page = Page { after: None, limit: Some(limit) };
        loop {
            let listing = catalog.list(&page, &may_see);
            let listing = futures_util::FutureExt::now_or_never(listing).unwrap().unwrap();
            prop_assert!(listing.items.len() <= limit);
            seen.extend(listing.items.iter().map(ToString::to_string));
            page.after = seen.last().cloned();
            if !listing.more {
                break;
            }
            prop_assert!(!listing.items.is_empty(), "a page that promises more shows something");
        }
        prop_assert_eq!(seen, visible);
    }
}
