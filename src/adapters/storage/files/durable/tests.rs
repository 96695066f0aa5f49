use std::os::unix::fs::OpenOptionsExt;

use super::*;

/// A group whose syncs fail: a handle of this kind cannot be synced.
fn failing() -> GroupSync {
    let root = tempfile::tempdir().unwrap();
    let handle = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_PATH)
        .open(root.path())
        .unwrap();
    GroupSync::new(handle)
}

/// The kernel reports an error once. A second sync that succeeds says nothing
/// about what the first one lost.
#[tokio::test]
async fn after_a_failed_sync_nothing_more_is_acknowledged() {
    let group = failing();
    assert!(group.sync().await.is_err());

    let error = group.sync().await.unwrap_err();

    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("restarted"), "{source}");
}

/// A lack of space passes; but who shared the sync that met it is told.
#[tokio::test]
async fn everybody_who_shared_a_sync_without_space_is_told() {
    let group = failing();
    for _ in 0..2 {
        assert!(group.sync().await.is_err());
        group.turn.lock().await.broken = false;
    }

    // The first of two failures is remembered for those who still wait.
    assert_eq!(group.turn.lock().await.failed, Some((0, 2)));
}
