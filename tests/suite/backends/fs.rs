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

mod scrub {
    use simple_registry::adapters::storage::{open_files, open_files_to_look};

    use crate::contracts::scrub::{self, Reached};

    fn open() -> (Reached, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let ports = open_files(directory.path(), false, 64 << 10).unwrap();
        let root = directory.path().to_owned();
        (
            Reached {
                root,
                ports,
                digits: 64,
            },
            directory,
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_kind_of_damage_is_found_once() {
        scrub::every_kind_of_damage_is_found_once(&open().0).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_what_its_name_says_is_set_aside_once() {
        scrub::what_is_not_what_its_name_says_is_set_aside_once(&open().0).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_directory_with_nothing_in_it_goes_with_those_that_it_leaves_empty() {
        let (store, _directory) = open();
        scrub::push_everything(&store.serve().await).await;
        let other = store.root.join("docker/registry/v2/repositories/other");
        std::fs::create_dir_all(other.join("_uploads/gone/hashstates")).unwrap();
        let fresh = store.links().await;
        store.age();
        let files = store.files();
        let look = open_files_to_look(&store.root, 64 << 10).unwrap();
        let to_look = Reached {
            root: store.root.clone(),
            ports: look,
            digits: 64,
        };

        let told = to_look.links().await;

        assert_eq!(fresh.found, []);
        assert!(other.join("_uploads/gone/hashstates").is_dir());
        let done = store.links().await;
        assert_eq!(told.found, done.found);
        let kinds: Vec<_> = done.kinds().iter().map(|it| it.0).collect();
        assert_eq!(kinds, ["empty-directory"]);
        assert!(!other.join("_uploads").exists());
        assert_eq!(store.files(), files);
        assert_eq!(store.links().await.found, []);
    }
}

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
