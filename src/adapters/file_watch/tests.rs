use std::fs;
use std::time::Instant;

use super::*;

/// A change counts within this time of it.
const SOON: Duration = Duration::from_secs(2);

/// No look comes by itself.
#[cfg(target_os = "linux")]
const NEVER: Duration = Duration::from_hours(1);

async fn watch(file: &Path, poll: Duration) -> FileWatch {
    let mut watch = FileWatch::new([file.to_owned()]).await;
    watch.poll = poll;
    watch
}

async fn is_seen(watch: &mut FileWatch) -> bool {
    let begun = Instant::now();
    let seen = tokio::time::timeout(SOON, watch.changed()).await.is_ok();
    seen && begun.elapsed() < SOON
}

#[cfg(unix)]
fn link(target: &str, name: &Path) {
    let new = name.with_file_name("new");
    std::os::unix::fs::symlink(target, &new).unwrap();
    fs::rename(new, name).unwrap();
}

/// The system tells of it (on Linux) …
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_system_tells_of_every_way_to_change_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "1").unwrap();
    let mut watch = watch(&file, NEVER).await;

    fs::write(&file, "2").unwrap();
    assert!(is_seen(&mut watch).await, "written over");

    let new = dir.path().join("new");
    fs::write(&new, "3").unwrap();
    fs::rename(new, &file).unwrap();
    assert!(is_seen(&mut watch).await, "renamed, as editors do");

    fs::remove_file(&file).unwrap();
    assert!(is_seen(&mut watch).await, "removed");

    fs::write(&file, "4").unwrap();
    assert!(is_seen(&mut watch).await, "there again");
}

/// lessons.md, correctness 45: the file's own name never changes, nor its directory's content.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_link_that_is_swapped_as_kubernetes_does_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    for version in ["1", "2", "3"] {
        fs::create_dir(dir.path().join(version)).unwrap();
        fs::write(dir.path().join(version).join("config.toml"), version).unwrap();
    }
    let data = dir.path().join("..data");
    link("1", &data);
    let file = dir.path().join("config.toml");
    link("..data/config.toml", &file);
    let mut watch = watch(&file, NEVER).await;

    // More than once: what is watched has moved with the first.
    for version in ["2", "3"] {
        link(version, &data);
        assert!(is_seen(&mut watch).await, "{version}");
    }
    fs::write(dir.path().join("3").join("config.toml"), "edited").unwrap();
    assert!(is_seen(&mut watch).await, "edited where the link leads");
}

/// … and where it does not, a look finds it.
#[cfg(unix)]
#[tokio::test]
async fn what_the_system_does_not_tell_of_is_seen_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for version in ["1", "2"] {
        fs::create_dir(dir.path().join(version)).unwrap();
        fs::write(dir.path().join(version).join("config.toml"), version).unwrap();
    }
    let current = dir.path().join("current");
    link("1", &current);
    let mut watch = watch(&current.join("config.toml"), POLL).await;
    watch.watcher = None;

    link("2", &current);

    assert!(is_seen(&mut watch).await);
}

#[tokio::test]
async fn a_file_that_was_only_touched_has_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "1").unwrap();
    let mut watch = watch(&file, Duration::from_millis(10)).await;

    fs::write(&file, "1").unwrap();

    assert!(!is_seen(&mut watch).await);
}

#[tokio::test]
async fn a_file_that_is_still_written_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "whole").unwrap();
    let mut watch = watch(&file, Duration::from_millis(10)).await;

    let write = async {
        for piece in ["ha", "half", "half of", "all of it"] {
            fs::write(&file, piece).unwrap();
            tokio::time::sleep(QUIET / 2).await;
        }
    };
    tokio::join!(write, watch.changed());

    assert!(!is_seen(&mut watch).await, "it was seen at its end");
}

#[tokio::test]
async fn a_file_that_never_rests_is_seen_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let mut watch = watch(&file, POLL).await;
    let restless = tokio::spawn(async move {
        for content in 0_u64.. {
            fs::write(&file, content.to_string()).unwrap();
            tokio::time::sleep(QUIET / 3).await;
        }
    });

    assert!(is_seen(&mut watch).await);
    restless.abort();
}

#[tokio::test]
async fn a_change_between_two_lists_of_files_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    fs::write(&new, "1").unwrap();
    let mut watch = watch(&old, Duration::from_millis(10)).await;

    fs::write(&old, "1").unwrap();
    watch.follow([old, new.clone()]).await;
    assert!(is_seen(&mut watch).await, "changed before");
    assert!(!is_seen(&mut watch).await, "the new one has not changed");

    fs::write(new, "2").unwrap();
    assert!(is_seen(&mut watch).await, "but now");
}
