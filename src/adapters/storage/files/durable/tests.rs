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

#[tokio::test]
async fn everybody_who_shared_a_failed_sync_is_told() {
    let group = failing();

    assert!(group.sync().await.is_err());
    assert!(group.sync().await.is_err());

    // The first of two failures is remembered for those who still wait.
    assert_eq!(group.turn.lock().await.failed, Some((0, 2)));
}
