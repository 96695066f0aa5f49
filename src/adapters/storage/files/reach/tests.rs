use super::*;

/// What both say, or the disk alone; that is what counts.
fn both<T: PartialEq + std::fmt::Debug>(
    read: impl Fn(Reach) -> io::Result<Option<T>>,
) -> Option<T> {
    let disk = read(Reach::Disk).unwrap();
    if let Ok(memory) = read(Reach::Memory) {
        assert_eq!(memory, disk);
    }
    disk
}

#[test]
fn memory_says_what_the_disk_says() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("x"), "content").unwrap();
    fs::write(at("empty"), "").unwrap();

    let read = |name: &str| both(|reach| reach.read(&at(name)));
    let length = |name: &str| both(|reach| Ok(reach.stat(&at(name))?.map(|it| it.len())));
    assert_eq!(read("x").unwrap(), b"content");
    assert_eq!(read("empty").unwrap(), b"");
    assert_eq!(read("absent"), None);
    assert_eq!(read("x/below a file"), None);
    assert_eq!(length("x"), Some(7));
    assert_eq!(length("absent/and/below"), None);
}

/// A cache that had to be told would forget to be (lessons.md, correctness 39).
#[test]
fn memory_knows_of_changes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (x, new) = (dir.path().join("x"), dir.path().join("new"));
    let read = || both(|reach| reach.read(&x));
    assert_eq!(read(), None);

    fs::write(&x, "one").unwrap();
    assert_eq!(read().unwrap(), b"one");

    fs::write(&new, "two").unwrap();
    fs::rename(&new, &x).unwrap();
    assert_eq!(read().unwrap(), b"two");

    fs::remove_file(&x).unwrap();
    assert_eq!(read(), None);
}

#[test]
fn bytes_that_are_not_there_are_an_error() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(5).unwrap();

    for reach in [Reach::Memory, Reach::Disk] {
        assert!(reach.read_at(&file, 3, 3).is_err());
    }
    assert!(Reach::Memory.read_at(&file, 0, AT_MOST + 1).is_err());
}
