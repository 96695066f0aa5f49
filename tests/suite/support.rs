//! What API tests are made of: a registry of their own, a client, and content.

mod certificates;
mod client;
mod content;
mod flaky;
mod ports;
mod program;
mod registry;
mod script;
mod upstream;

pub use certificates::{Authority, Pair, TlsClient};
pub use client::{Answer, Call};
pub use content::{Image, digest_of, manifest, random};
pub use flaky::{Fault, Flaky};
pub use ports::free_port;
pub use program::serve;
pub use registry::{Setup, TestRegistry};
pub use script::{Asked, Reply, Script};
pub use upstream::{CHUNK, Failure, FakeUpstream, mirror_of};
