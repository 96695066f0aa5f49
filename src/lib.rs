//! An OCI-compliant and docker-compatible registry service.
//!
//! The floor plan. Four rooms; an arrow points at what may be named, and
//! `tests/architecture.rs` keeps it so:
//!
//! ```text
//!     model  ◀──  ports  ◀──  domain  ◀──  adapters  ◀──  app  ◀──  main
//!     nouns       promises    use cases    technology     composition
//! ```

#[deny(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub mod domain {
    //! What a registry is and does: no I/O, no clock, no HTTP.

    pub mod access;
    pub mod blobs;
    pub mod catalog;
    pub mod collector;
    pub mod error;
    pub mod eviction;
    pub mod explain;
    pub mod login;
    mod looks;
    pub mod manifests;
    pub mod mirror;
    pub mod model;
    pub mod namespaces;
    mod pulls;
    pub mod readiness;
    mod recent;
    mod references;
    pub mod referrers;
    pub mod registry;
    mod removals;
    pub mod retention;
    pub mod scrub;
    pub mod tags;
    pub mod uploads;
    #[cfg(test)]
    mod world;
}

#[deny(missing_docs)]
pub mod ports {
    //! Promises that the domain needs kept: one trait for each thing outside
    //! the process. Absence is `None`, failure is an error.

    mod access_rule;
    mod authenticator;
    mod blob_links;
    mod blob_locator;
    mod blob_store;
    mod clock;
    mod deletion_records;
    mod durability;
    mod error;
    mod lock_manager;
    mod lookups;
    mod manifest_store;
    mod marks;
    mod mount_hints;
    mod pull_times;
    mod referrer_index;
    mod repository_index;
    mod retention_rule;
    mod storage_ports;
    mod survey;
    mod tag_index;
    mod tasks;
    mod token_cache;
    mod token_keys;
    mod tokens;
    mod upload_sessions;
    mod upstream;

    pub use access_rule::*;
    pub use authenticator::*;
    pub use blob_links::*;
    pub use blob_locator::*;
    pub use blob_store::*;
    pub use clock::*;
    pub use deletion_records::*;
    pub use durability::*;
    pub use error::*;
    pub use lock_manager::*;
    pub use lookups::*;
    pub use manifest_store::*;
    pub use marks::*;
    pub use mount_hints::*;
    pub use pull_times::*;
    pub use referrer_index::*;
    pub use repository_index::*;
    pub use retention_rule::*;
    pub use storage_ports::*;
    pub use survey::*;
    pub use tag_index::*;
    pub use tasks::*;
    pub use token_cache::*;
    pub use token_keys::*;
    pub use tokens::*;
    pub use upload_sessions::*;
    pub use upstream::*;
}

#[deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub mod adapters {
    //! Technology: what the ports are made of, and who calls the use cases. One
    //! family per folder; families do not know each other.

    pub mod cel;
    pub mod clock;
    pub mod file_watch;
    pub mod http;
    pub mod identities;
    pub mod locks;
    pub mod redis;
    pub mod storage;
    pub mod tasks;
    pub mod telemetry {
        //! Outbound: logs, traces, metrics, health.
        pub mod caches;
        pub mod config;
        pub mod lines;
        pub mod process;
        pub mod traces;
        pub mod upkeep;
        pub mod upstreams;
    }
    pub mod tokens;
    pub mod units;
    pub mod upstream;
}

#[deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub mod app {
    //! Composition: the command line, the configuration, and what is wired to what.

    pub mod cli;
    pub mod commands;
    pub mod config;
    mod logging;
    pub mod reload;
    mod run;
    mod service_manager;
    pub mod shutdown;
    pub mod wiring;

    pub use run::run;
}
