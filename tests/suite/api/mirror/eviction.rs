//! A cache with a limit: what was not pulled for the longest time goes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use simple_registry::domain::eviction::Evicted;
use simple_registry::domain::model::{Digest, MediaType, RepositoryName, Tag, TagPattern};
use simple_registry::domain::namespaces::{ImmutableTags, Namespace};
use simple_registry::ports::StoragePorts;

use super::{eventually, has_image, setup};
use crate::support::{FakeUpstream, Image, TestRegistry, digest_of};

/// Tags are not asked about again.
const RARELY: Duration = Duration::from_hours(1);

struct Cache {
    registry: TestRegistry,
    storage: StoragePorts,
    upstream: Arc<FakeUpstream>,
}

impl Cache {
    async fn limited(limit: u64) -> Self {
        Self::with(limit, |_| {}).await
    }

    /// A mirror, `hub`, of an upstream with nothing in it yet.
    async fn with(limit: u64, change: impl FnOnce(&mut Namespace)) -> Self {
        let upstream = FakeUpstream::new("up");
        let mut setup = setup(&[&upstream], RARELY);
        for (prefix, namespace) in &mut setup.namespaces {
            if *prefix == "hub" {
                let source = namespace.mirrors.as_mut().unwrap();
                Arc::get_mut(source).unwrap().cache_max_size = Some(limit);
            }
        }
        change(&mut setup.namespaces[0].1);
        let storage = setup.storage.clone();
        let registry = TestRegistry::with(setup).await;
        Self {
            registry,
            storage,
            upstream,
        }
    }

    fn name(image: u64) -> RepositoryName {
        format!("hub/{image}").parse().unwrap()
    }

    /// Pulls all of the image number `image`, as `hub/<number>:latest`, for the first time.
    async fn pull(&self, image: u64) -> Image {
        let pulled = self.fetch(image).await;
        self.is_noted(&Self::name(image), &pulled.digest).await;
        // By the next millisecond, the next pull is a later one.
        tokio::time::sleep(Duration::from_millis(2)).await;
        pulled
    }

    async fn fetch(&self, image: u64) -> Image {
        let pulled = Image::new(image);
        has_image(&self.upstream, "latest", &pulled);
        let name = Self::name(image);
        self.get(&format!("/v2/{name}/manifests/latest")).await;
        for blob in [&pulled.config, &pulled.layer] {
            let digest = digest_of(blob);
            self.get(&format!("/v2/{name}/blobs/{digest}")).await;
            let digest: Digest = digest.parse().unwrap();
            eventually(async || self.storage.links.exists(&name, &digest).await.unwrap()).await;
        }
        pulled
    }

    async fn get(&self, path: &str) {
        self.registry.get(path).send().await.expect_status(200);
    }

    async fn is_noted(&self, name: &RepositoryName, digest: &str) {
        let digest: Digest = digest.parse().unwrap();
        eventually(async || {
            let pulls = self.storage.pulls.list(name).await.unwrap();
            pulls.contains_key(&digest)
        })
        .await;
    }

    async fn evict(&self) -> Vec<Evicted> {
        self.registry.registry().evict(&|| true).await.unwrap()
    }

    async fn has(&self, name: &RepositoryName, digest: &str) -> bool {
        let digest = digest.parse().unwrap();
        let stat = self.storage.manifests.stat(name, &digest).await.unwrap();
        stat.is_some()
    }

    async fn has_image(&self, image: u64) -> bool {
        let tag: Tag = "latest".parse().unwrap();
        let name = Self::name(image);
        let there = self.has(&name, &Image::new(image).digest).await;
        let standing = self.storage.tags.get(&name, &tag).await.unwrap();
        assert_eq!(there, standing.is_some(), "the tag goes with its manifest");
        there
    }
}

fn size(image: &Image) -> u64 {
    (image.config.len() + image.layer.len() + image.manifest.len()) as u64
}

#[tokio::test]
async fn what_was_not_pulled_for_the_longest_time_goes_until_the_rest_fits() {
    let one = size(&Image::new(1));
    let cache = Cache::limited(2 * one + 100).await;
    for image in 1..=3 {
        cache.pull(image).await;
    }
    // Image 1 is pulled once more, after the others.
    let name = Cache::name(1);
    let digest = Image::new(1).digest.parse().unwrap();
    cache.storage.pulls.note(&name, &digest).await.unwrap();

    let evicted = cache.evict().await;

    assert_eq!(
        evicted,
        [Evicted {
            namespace: "hub".to_owned(),
            held: 3 * one,
            left: 2 * one,
            manifests: 1,
        }]
    );
    assert!(cache.has_image(1).await && !cache.has_image(2).await && cache.has_image(3).await);
    assert_eq!(cache.evict().await, [], "what fits is left alone");
}

/// Its link goes at once; content that nothing links, the collector frees.
#[tokio::test]
async fn what_is_evicted_is_no_more_the_repository_s_and_comes_back_when_it_is_asked_for() {
    let cache = Cache::limited(10).await;
    let image = cache.pull(1).await;
    let layer: Digest = digest_of(&image.layer).parse().unwrap();
    cache.upstream.asked();

    assert_eq!(cache.evict().await[0].left, 0);
    let links = &cache.storage.links;
    assert!(!links.exists(&Cache::name(1), &layer).await.unwrap());

    cache.fetch(1).await;
    assert!(cache.has_image(1).await);
    assert!(!cache.upstream.asked().is_empty());
}

#[tokio::test]
async fn a_blob_that_another_image_names_is_counted_once_and_stays() {
    let both = Image::new(1);
    let cache = Cache::limited(size(&both) + 100).await;
    cache.pull(1).await;
    // The same blobs, by another manifest of the same repository.
    let other = Image::with(1, &json!({ "annotations": { "a": "b" } }));
    has_image(&cache.upstream, "other", &other);
    let name = Cache::name(1);
    cache.get(&format!("/v2/{name}/manifests/other")).await;
    cache.is_noted(&name, &other.digest).await;

    let evicted = cache.evict().await;

    let held = size(&both) + other.manifest.len() as u64;
    assert_eq!((evicted[0].held, evicted[0].manifests), (held, 1));
    assert!(!cache.has(&name, &both.digest).await && cache.has(&name, &other.digest).await);
    let layer = digest_of(&both.layer).parse().unwrap();
    assert!(cache.storage.links.exists(&name, &layer).await.unwrap());
}

/// Clients that have an index ask for a child of it only.
#[tokio::test]
async fn an_index_goes_after_its_children() {
    let child = Image::new(1);
    let cache = Cache::limited(size(&child) + 600).await;
    let name = Cache::name(1);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [child.descriptor()],
    });
    let index = index.to_string();
    cache.upstream.has_manifest("multi", &index);
    cache.get(&format!("/v2/{name}/manifests/multi")).await;
    cache.is_noted(&name, &digest_of(index.as_bytes())).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    cache.pull(2).await;
    cache.pull(1).await;

    let evicted = cache.evict().await;

    assert_eq!(evicted[0].manifests, 1, "{evicted:?}");
    assert!(!cache.has_image(2).await && cache.has_image(1).await);
    assert!(cache.has(&name, &digest_of(index.as_bytes())).await);
}

#[tokio::test]
async fn what_was_never_pulled_counts_from_when_it_came() {
    let one = size(&Image::new(1));
    let cache = Cache::limited(one + 100).await;
    let asked_about = Image::new(1);
    has_image(&cache.upstream, "latest", &asked_about);
    let head = cache.registry.head("/v2/hub/1/manifests/latest").send();
    head.await.expect_status(200);
    assert!(cache.has_image(1).await);
    tokio::time::sleep(Duration::from_millis(2)).await;
    cache.pull(2).await;

    assert_eq!(cache.evict().await[0].manifests, 1);

    assert!(!cache.has_image(1).await && cache.has_image(2).await);
}

/// What came back could be another one.
#[tokio::test]
async fn an_immutable_tag_stays_and_the_rest_goes_for_it() {
    let one = size(&Image::new(1));
    let cache = Cache::with(one / 2, |namespace| {
        namespace.immutable_tags = ImmutableTags {
            patterns: vec![TagPattern::try_from("pinned".to_owned()).unwrap()],
            exceptions: Vec::new(),
        };
    })
    .await;
    has_image(&cache.upstream, "pinned", &Image::new(3));
    cache.get("/v2/hub/3/manifests/pinned").await;
    cache.pull(2).await;

    let evicted = cache.evict().await;

    let pinned = Image::new(3);
    let left = pinned.manifest.len() as u64;
    assert_eq!((evicted[0].manifests, evicted[0].left), (1, left));
    assert!(cache.has(&Cache::name(3), &pinned.digest).await);
}

#[tokio::test]
async fn what_clients_push_is_never_evicted() {
    let cache = Cache::limited(10).await;
    let image = Image::new(1);
    image.push(&cache.registry, "own", "latest").await;

    assert_eq!(cache.evict().await, []);

    assert!(cache.has(&"own".parse().unwrap(), &image.digest).await);
}
