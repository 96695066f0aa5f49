//! Mirrors: what is pulled through, over real HTTP, from an upstream in the test's hands.

mod blobs;
mod chain;
mod eviction;
mod manifests;
mod referrers;
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use crate::support::{FakeUpstream, Image, Setup, TestRegistry, mirror_of};

/// Tags are asked about each time.
const ALWAYS: Duration = Duration::ZERO;

/// A registry whose `hub` is filled from these.
async fn mirror(upstreams: &[&Arc<FakeUpstream>], interval: Duration) -> TestRegistry {
    TestRegistry::with(setup(upstreams, interval)).await
}

fn setup(upstreams: &[&Arc<FakeUpstream>], interval: Duration) -> Setup {
    Setup::with_namespaces([
        ("hub", mirror_of(upstreams, interval)),
        ("own", Setup::open()),
    ])
}

/// The upstream has the image, under this tag.
fn has_image(upstream: &FakeUpstream, tag: &str, image: &Image) {
    upstream.has_blob(&image.config);
    upstream.has_blob(&image.layer);
    upstream.has_manifest(tag, &image.manifest);
}

/// Waits until `done`.
async fn eventually(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happens");
}
