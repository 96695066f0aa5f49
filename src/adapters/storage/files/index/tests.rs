use super::*;

fn texts(names: &Names) -> Vec<&str> {
    names.after("").map(|name| name.text).collect()
}

/// A directory with `a` in it, that was left alone for long enough.
fn settled() -> (tempfile::TempDir, Index) {
    let (dir, index) = young();
    std::thread::sleep(Duration::from_millis(1050));
    (dir, index)
}

fn young() -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    let clock = dir.path().join("clock");
    fs::write(&clock, "").unwrap();
    (dir, Index::new(clock))
}

#[test]
fn a_directory_that_stays_as_it_is_is_read_once() {
    let (dir, index) = settled();

    let (hits, misses) = (DIRECTORIES.hits(), DIRECTORIES.misses());

    let first = index.names(dir.path()).unwrap();
    let second = index.names(dir.path()).unwrap();

    assert!(Arc::ptr_eq(&first, &second));
    // Other tests of this process count as well.
    assert!(DIRECTORIES.hits() > hits && DIRECTORIES.misses() > misses);
}

#[test]
fn a_directory_of_a_hundred_thousand_names_is_remembered() {
    let (_dir, index) = settled();
    let names: Vec<String> = (0..100_000).map(|i| format!("v1.{i}.0-build")).collect();
    let names = Arc::new(Names::new(names, Stamp::default()));

    index
        .names
        .insert(PathBuf::from("tags"), Arc::clone(&names));

    assert!(index.names.get(Path::new("tags")).is_some());
}

#[test]
fn whatever_happens_to_a_directory_is_seen_by_the_next_question() {
    let (dir, index) = settled();
    assert_eq!(texts(&index.names(dir.path()).unwrap()), ["a"]);

    fs::create_dir(dir.path().join("b")).unwrap();
    assert_eq!(texts(&index.names(dir.path()).unwrap()), ["a", "b"]);

    fs::rename(dir.path().join("a"), dir.path().join("c")).unwrap();
    assert_eq!(texts(&index.names(dir.path()).unwrap()), ["b", "c"]);

    fs::remove_dir_all(dir.path()).unwrap();
    assert!(texts(&index.names(dir.path()).unwrap()).is_empty());
}

/// Two changes within one tick of the clock bear one time.
#[test]
fn a_directory_that_has_just_changed_is_not_remembered() {
    let (dir, index) = young();

    let first = index.names(dir.path()).unwrap();
    let second = index.names(dir.path()).unwrap();

    assert!(!Arc::ptr_eq(&first, &second));
}

#[test]
fn a_time_in_the_future_is_never_settled() {
    let at = |seconds, nanoseconds| Stamp {
        inode: 1,
        seconds,
        nanoseconds,
    };

    assert!(at(9, 5).is_settled(&at(10, 5)));
    assert!(!at(9, 6).is_settled(&at(10, 5)));
    assert!(!at(11, 0).is_settled(&at(10, 5)));
}

/// Then nothing is remembered, but pulls go on (0002-storage.md).
#[test]
fn a_store_that_cannot_be_written_is_listed() {
    let (dir, _) = settled();
    let index = Index::new(dir.path().join("nothing"));

    assert_eq!(texts(&index.names(dir.path()).unwrap()), ["a"]);
}

#[test]
fn a_leaf_is_looked_for_until_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(vec!["a".to_owned()], Stamp::default());
    let has = || {
        let name = names.after("").next().unwrap();
        name.has(|| dir.path().join("leaf")).unwrap()
    };
    assert!(!has());

    fs::write(dir.path().join("leaf"), "").unwrap();
    assert!(has());

    // Gone without its directory: the names are forgotten after a while.
    fs::remove_file(dir.path().join("leaf")).unwrap();
    assert!(has());
    assert!(names.stands(&Stamp::default()));
    let old = Names {
        read: Instant::now().checked_sub(LONGEST),
        ..names
    };
    assert!(!old.stands(&Stamp::default()));
}

#[test]
fn what_is_remembered_is_bounded() {
    let (_, index) = young();
    let names: Vec<_> = (0..1000).map(|n| format!("{n:0100}")).collect();
    for n in 0..200 {
        let names = Arc::new(Names::new(names.clone(), Stamp::default()));
        index.names.insert(PathBuf::from(n.to_string()), names);
    }

    assert!(index.names.weight() <= MOST);
    assert!(index.names.len() > 10);
}
