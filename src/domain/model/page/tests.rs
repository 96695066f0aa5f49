use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn pages_put_together_are_the_sorted_list(
        names in proptest::collection::btree_set("[a-c.-]{1,3}", 0..20),
        limit in 1_usize..6,
    ) {
        let mut seen = Vec::new();
        let mut page = Page { after: None, limit: Some(limit) };
        loop {
            let listing = Listing::cut(names.iter().rev().cloned(), &page);
            prop_assert!(listing.items.len() <= limit);
            seen.extend(listing.items.iter().cloned());
            if !listing.more {
                break;
            }
            page.after = listing.items.last().cloned();
        }
        prop_assert_eq!(seen, names.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn nothing_asked_for_is_nothing_given() {
    let none = Page {
        after: None,
        limit: Some(0),
    };

    let listing = Listing::cut(["a", "b"], &none);

    assert!(listing.items.is_empty() && listing.more);
}
