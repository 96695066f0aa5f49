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

/// Whatever one process remembers of a directory, another may change it.
#[tokio::test]
async fn what_another_process_changes_between_two_pages_is_on_the_second() {
    use simple_registry::domain::model::Page;

    use crate::contracts::{repository, sha256, store_manifest, tag};

    let root = tempfile::tempdir().unwrap();
    let [here, there] = [(); 2].map(|()| open_files(root.path(), true, 64 << 10).unwrap());
    let name = repository("a");
    let point = async |ports: &StoragePorts, text: &str| {
        let tags = &ports.tags;
        tags.set(&name, &tag(text), &sha256(b"x")).await.unwrap();
    };
    store_manifest(&here, &name, "{}").await;
    for text in ["v1", "v2", "v3"] {
        point(&here, text).await;
    }
    let first = Page {
        after: None,
        limit: Some(1),
    };
    // Old enough to be remembered by now.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for _ in 0..2 {
        let tags = here.tags.list(&name, &first).await.unwrap();
        assert!(tags.items == [tag("v1")] && tags.more);
        let repositories = here.repositories.list(&Page::all()).await.unwrap();
        assert_eq!(repositories.items, std::slice::from_ref(&name));
    }

    there.tags.remove(&name, &tag("v2")).await.unwrap();
    point(&there, "v1.5").await;
    store_manifest(&there, &repository("a/b"), "{}").await;

    let rest = Page {
        after: Some(tag("v1")),
        limit: None,
    };
    let tags = here.tags.list(&name, &rest).await.unwrap();
    assert_eq!(tags.items, [tag("v1.5"), tag("v3")]);
    let rest = Page {
        after: Some("a".to_owned()),
        limit: None,
    };
    let repositories = here.repositories.list(&rest).await.unwrap();
    assert_eq!(repositories.items, [repository("a/b")]);
}
