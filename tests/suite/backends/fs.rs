//! Files keep every contract.

use simple_registry::adapters::storage::open_files;
use simple_registry::ports::StoragePorts;

struct Files {
    ports: StoragePorts,
    _root: tempfile::TempDir,
}

fn open() -> Files {
    let root = tempfile::tempdir().unwrap();
    let ports = open_files(root.path(), true, 64 << 10).unwrap();
    Files { ports, _root: root }
}

crate::backends::storage_contracts!(super::open());

/// Two openings of one directory, as two processes have them.
#[cfg(not(feature = "portable"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_share_one_key_of_tokens() {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;
    use std::time::Duration;

    use simple_registry::adapters::locks::FileLocks;
    use simple_registry::adapters::storage::lock_file;
    use simple_registry::ports::LockManager;

    let root = tempfile::tempdir().unwrap();
    let ways = (0..4).map(|_| {
        let ports = open_files(root.path(), true, 64 << 10).unwrap();
        let locks = FileLocks::open(&lock_file(root.path()), Duration::from_secs(10)).unwrap();
        (ports, Arc::new(locks) as Arc<dyn LockManager>)
    });

    crate::contracts::token_keys::share_one_key(ways).await;

    let record = std::fs::metadata(root.path().join("_registry/token_keys")).unwrap();
    assert_eq!(record.permissions().mode() & 0o777, 0o600);
}
