//! A bucket keeps every contract; and what is S3's alone: parts, copies, leases, URLs, keys, and how a start fails.

mod access;
mod denied;
mod keys;
mod large;
mod redirect;
mod registry;
mod reload;
mod server;
mod short;
mod start;

use std::sync::Arc;
use std::time::Duration;

use access::Access;
use server::Server;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::storage::config::S3Config;
use simple_registry::adapters::storage::{Bucket, StoreMetrics};
use simple_registry::ports::{LockManager, StoragePorts};

struct Stored {
    ports: StoragePorts,
    server: Server,
}

async fn open() -> Stored {
    open_with("").await
}

/// A bucket of a server of its own, and keys of `[storage.s3]` besides.
async fn open_with(keys: &str) -> Stored {
    let server = Server::start().await;
    Stored {
        ports: ports(&server.config(keys)).await,
        server,
    }
}

async fn ports(config: &S3Config) -> StoragePorts {
    let bucket = Bucket::open(config, 4096, &StoreMetrics::default())
        .await
        .unwrap();
    let locks: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(Duration::from_secs(5)));
    bucket.ports(&locks)
}

/// A bucket of a real server where the environment names one, else as [`open`].
struct Target {
    ports: StoragePorts,
    _server: Option<Server>,
}

async fn target(keys: &str) -> Target {
    if let Some(real) = Access::of_real_server() {
        return Target {
            ports: ports(&real.config(keys)).await,
            _server: None,
        };
    }
    let Stored { ports, server } = open_with(keys).await;
    Target {
        ports,
        _server: Some(server),
    }
}

crate::backends::storage_contracts!(super::target("").await);

mod scrub {
    use crate::contracts::scrub::{self, Reached};

    async fn open() -> (Reached, super::Stored) {
        let stored = super::open().await;
        let root = stored.server.bucket().join("a/b");
        let ports = stored.ports.clone();
        (
            Reached {
                root,
                ports,
                digits: 32,
            },
            stored,
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_kind_of_damage_is_found_once() {
        scrub::every_kind_of_damage_is_found_once(&open().await.0).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_what_its_name_says_is_set_aside_once() {
        scrub::what_is_not_what_its_name_says_is_set_aside_once(&open().await.0).await;
    }
}
