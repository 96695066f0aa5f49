use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const MARKER: &[&str] = &["_here"];

/// Every page of `limit`, put together.
fn in_pages(
    limit: usize,
    list: impl Fn(&Page<String>) -> io::Result<Listing<String>>,
) -> Vec<String> {
    let mut seen = Vec::new();
    let mut page = Page {
        after: None,
        limit: Some(limit),
    };
    loop {
        let listing = list(&page).unwrap();
        assert!(listing.items.len() <= limit);
        page.after = listing.items.last().cloned();
        seen.extend(listing.items);
        if !listing.more {
            return seen;
        }
        assert!(page.after.is_some(), "what promises more shows something");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nested paths, whose parents may be among them or not, and `-` and `.`,
    /// which sort before `/`.
    #[test]
    fn pages_of_nested_paths_are_the_sorted_list(
        paths in proptest::collection::btree_set("[ab]{1,2}([.-][ab0])?(/[ab](-[ab])?){0,3}", 0..24),
        beside in proptest::collection::btree_set("[ab]{1,2}(/[ab]){0,2}", 0..8),
        limit in 1_usize..6,
        after in "[ab]{0,2}[./-]?[ab]{0,2}[./-]?[ab]{0,1}",
    ) {
        let root = tempfile::tempdir().unwrap();
        for path in &paths {
            fs::create_dir_all(root.path().join(path).join(MARKER[0])).unwrap();
        }
        for path in &beside {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        let index = Index::new(root.path().to_owned());
        let valid = |path: &str| !path.starts_with("bb");
        let list = |page: &Page<String>| marked(&index, root.path(), MARKER, valid, page);

        let sorted: Vec<_> = paths.into_iter().filter(|path| valid(path)).collect();
        prop_assert_eq!(&in_pages(limit, list), &sorted);

        let rest = Page { after: Some(after.clone()), limit: Some(limit) };
        let listing = list(&rest).unwrap();
        prop_assert_eq!(listing, Listing::cut(sorted, &rest), "after {:?}", after);
    }

    /// Names without their leaf are passed over.
    #[test]
    fn pages_of_names_with_a_leaf_are_the_sorted_list(
        names in proptest::collection::btree_set("[a-c.-]{3}", 0..24),
        without in proptest::collection::btree_set("[a-c]{1,2}", 0..8),
        limit in 1_usize..6,
    ) {
        let root = tempfile::tempdir().unwrap();
        for name in names.iter().chain(&without) {
            fs::create_dir_all(root.path().join(name).join("current")).unwrap();
        }
        for name in &names {
            fs::write(root.path().join(name).join("current/link"), "").unwrap();
        }
        let index = Index::new(root.path().to_owned());

        let seen = in_pages(limit, |page| {
            with_leaf(&index, root.path(), "current/link", page)
        });

        let names: BTreeSet<_> = names.into_iter().filter(|name| name != "..").collect();
        prop_assert_eq!(seen, names.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn what_is_no_directory_is_no_name() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    fs::create_dir(root.path().join("dir")).unwrap();
    std::os::unix::fs::symlink("dir", root.path().join("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).unwrap();

    let mut names = subdirectories(root.path()).unwrap();

    names.sort_unstable();
    assert_eq!(names, ["dir", "link"]);
}
