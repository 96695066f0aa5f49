//! A bucket keeps every contract; and what is S3's alone: parts, copies, leases, and how a start fails.

mod large;
mod registry;
mod server;
mod short;
mod start;

use std::sync::Arc;
use std::time::Duration;

use server::Server;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::storage::Bucket;
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
    let bucket = Bucket::open(&server.config(keys), 4096).await.unwrap();
    let locks: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(Duration::from_secs(5)));
    Stored {
        ports: bucket.ports(&locks),
        server,
    }
}

crate::backends::storage_contracts!(super::open().await);
