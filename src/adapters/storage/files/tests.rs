use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream;

use super::*;
use crate::domain::model::{Algorithm, ByteStream, RepositoryName, UploadSession};
use crate::ports::UploadSessions;

struct Scratch {
    files: Files,
    root: tempfile::TempDir,
}

fn scratch() -> Scratch {
    let root = tempfile::tempdir().unwrap();
    let files = reopen(&root);
    Scratch { files, root }
}

/// As after a restart.
fn reopen(root: &tempfile::TempDir) -> Files {
    Files::open(root.path(), Durable::on(root.path()).unwrap(), 4096).unwrap()
}

fn name() -> RepositoryName {
    "a/b".parse().unwrap()
}

fn stream(bytes: &'static [u8]) -> ByteStream {
    Box::pin(stream::iter([Ok(Bytes::from_static(bytes))]))
}

/// A session with `hello` in it, and its directory.
async fn saved(scratch: &Scratch) -> (UploadSession, PathBuf) {
    let now = Timestamp::from_millis(0);
    let files = &scratch.files;
    let begun = files.create(&name(), Algorithm::Sha256, now).await.unwrap();
    let session = files
        .append(&name(), &begun, stream(b"hello"))
        .await
        .unwrap();
    files.save(&name(), &session).await.unwrap();
    let dir = scratch
        .root
        .path()
        .join(layout::upload_dir(&name(), &session.id));
    (session, dir)
}

#[tokio::test]
async fn a_session_goes_on_after_a_restart() {
    let scratch = scratch();
    let (session, _) = saved(&scratch).await;

    let files = reopen(&scratch.root);
    let standing = files.get(&name(), &session.id).await.unwrap().unwrap();

    assert_eq!(standing.hasher.digest(), session.hasher.digest());
}

/// After a power cut the record may tell of bytes that never reached the disk.
#[tokio::test]
async fn another_boot_hashes_the_bytes_again() {
    let scratch = scratch();
    let (session, dir) = saved(&scratch).await;
    let record = fs::read_to_string(dir.join("_session")).unwrap();
    let boot = &scratch.files.inner.boot;
    fs::write(dir.join("_session"), record.replace(boot, "another boot")).unwrap();
    fs::write(dir.join("data"), b"h\0\0\0o, and more").unwrap();

    let standing = scratch
        .files
        .get(&name(), &session.id)
        .await
        .unwrap()
        .unwrap();

    let of_the_bytes = crate::domain::model::Hasher::digest_of(Algorithm::Sha256, b"h\0\0\0o");
    assert_eq!(standing.hasher.digest(), of_the_bytes);
    assert_eq!(standing.offset(), 5);
}

#[tokio::test]
async fn a_session_that_lost_acknowledged_bytes_is_over() {
    let scratch = scratch();
    let (session, dir) = saved(&scratch).await;
    fs::write(dir.join("data"), b"hell").unwrap();

    assert!(
        scratch
            .files
            .get(&name(), &session.id)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_session_of_another_registry_begins_again() {
    let scratch = scratch();
    let (session, dir) = saved(&scratch).await;
    fs::remove_file(dir.join("_session")).unwrap();

    let standing = scratch
        .files
        .get(&name(), &session.id)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(standing.offset(), 0);
}

/// It was cancelled, or has expired: an append that comes late makes no new one.
#[tokio::test]
async fn a_session_that_is_gone_does_not_come_back() {
    let scratch = scratch();
    let (session, dir) = saved(&scratch).await;
    UploadSessions::remove(&scratch.files, &name(), &session.id)
        .await
        .unwrap();

    let appended = scratch.files.append(&name(), &session, stream(b"x")).await;
    let saved = scratch.files.save(&name(), &session).await;

    assert!(appended.is_err() && saved.is_err());
    assert!(!dir.exists());
}

#[tokio::test]
async fn what_is_removed_takes_its_empty_directories_along() {
    let scratch = scratch();
    let path = "docker/registry/v2/repositories/a/b/_layers/sha256/x/link";
    scratch
        .files
        .write(path, Bytes::from_static(b"x"))
        .await
        .unwrap();

    Tree::remove(&scratch.files, path).await.unwrap();

    let repositories = scratch.root.path().join(layout::REPOSITORIES);
    assert_eq!(fs::read_dir(repositories).unwrap().count(), 0);
}

#[tokio::test]
async fn only_old_temporary_files_are_swept() {
    let scratch = scratch();
    let tmp = scratch.root.path().join(layout::TMP);
    fs::write(tmp.join("old"), b"").unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    fs::write(tmp.join("new"), b"").unwrap();
    let between = sight(&fs::metadata(tmp.join("new")).unwrap()).modified;

    let swept = Tree::sweep(&scratch.files, between, true).await.unwrap();

    assert_eq!(swept, 1);
    assert!(tmp.join("new").exists());
}

/// Only a definite "not found" is absence (lessons.md, 3): here a directory
/// lies where a file should.
#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_no_absence() {
    let scratch = scratch();
    fs::create_dir_all(scratch.root.path().join("x/link")).unwrap();

    assert!(scratch.files.read("x/link").await.is_err());
    assert!(scratch.files.read("x/link/below").await.unwrap().is_none());
}

/// storage.md section 4: creators try again from the top of the chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_removers_of_one_directory_do_not_hurt_each_other() {
    let scratch = scratch();
    let stop = Arc::new(AtomicBool::new(false));
    let path = |n: u32| format!("docker/registry/v2/repositories/a/b/_layers/sha256/x{n}/link");
    let remover = tokio::spawn({
        let (files, stop) = (scratch.files.clone(), Arc::clone(&stop));
        async move {
            while !stop.load(Ordering::Relaxed) {
                Tree::remove(&files, &path(0)).await.unwrap();
            }
        }
    });
    for n in 0..300 {
        let kept = path(1 + n);
        scratch.files.write(&path(0), Bytes::new()).await.unwrap();
        scratch.files.write(&kept, Bytes::new()).await.unwrap();
        assert!(scratch.files.stat(&kept).await.unwrap().is_some());
        Tree::remove(&scratch.files, &kept).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    remover.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_persist_at_once_are_all_served() {
    let scratch = scratch();
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let files = scratch.files.clone();
            tokio::spawn(async move { files.persist().await })
        })
        .collect();

    for waiter in waiting {
        waiter.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_store_of_a_newer_layout_is_not_opened() {
    let scratch = scratch();
    fs::write(scratch.root.path().join(layout::FORMAT), r#"{"version":2}"#).unwrap();

    let opened = crate::adapters::storage::open_files(scratch.root.path(), true, 4096);

    let Err(error) = opened else {
        panic!("it was opened");
    };
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("use a newer one"), "{source}");
}

#[test]
fn a_root_that_spans_file_systems_is_not_opened() {
    let root = tempfile::tempdir().unwrap();
    let v2 = root.path().join("docker/registry/v2");
    fs::create_dir_all(&v2).unwrap();
    // The link leads to another file system wherever there is a /proc.
    std::os::unix::fs::symlink("/proc/self", v2.join("blobs")).unwrap();

    let opened = Files::open(root.path(), Durable::Off, 4096);

    if Path::new("/proc/self").exists() {
        let Err(error) = opened else {
            panic!("it was opened");
        };
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("another file system"), "{source}");
    }
}
