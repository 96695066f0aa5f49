//! Simple-Registry: the floor plan. (This branch's minimal one; the lead's takes its place.)
#![forbid(unsafe_code)]

/// What a registry is and does.
#[deny(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub mod domain {
    /// The nouns.
    pub mod model {
        mod secret;
        pub use secret::Secret;
    }
}

/// Technology: one family per folder.
#[deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub mod adapters {
    pub mod units;

    pub mod http {
        pub mod config;
    }
    pub mod identities {
        pub mod config;
    }
    pub mod redis {
        pub mod config;
    }
    pub mod storage {
        pub mod config;
    }
    pub mod telemetry {
        pub mod config;
    }
    pub mod tokens {
        pub mod config;
    }
    pub mod upstream {
        pub mod config;
    }
}

/// Composition: the command line, the configuration, and what is wired to what.
#[deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub mod app {
    pub mod cli;
    pub mod commands;
    pub mod config;
    mod logging;
    mod run;
    pub mod shutdown;
    pub mod wiring;

    pub use run::run;
}
