//! Errors: what fails beneath us is never an answer about content.

use std::time::{Duration, Instant};

use simple_registry::adapters::http::Settings;

use crate::support::{Answer, Call, Fault, Flaky, Image, Setup, TestRegistry, digest_of};

/// A request to each endpoint that works, made anew each time.
const ENDPOINTS: [&str; 24] = [
    "GET blobs/{layer}",
    "HEAD blobs/{layer}",
    "GET manifests/latest",
    "HEAD manifests/latest",
    "GET manifests/{digest}",
    "GET tags/list",
    "GET referrers/{digest}",
    "GET _catalog",
    "POST blobs/uploads/",
    "POST blobs/uploads/?digest={blob} blob",
    "POST blobs/uploads/?mount={mounted}&from=other",
    "POST blobs/uploads/?mount={mounted}",
    "GET {session}",
    "PATCH {session} blob",
    "PUT {session}?digest={blob} blob",
    "DELETE {session}",
    "PUT manifests/latest manifest",
    "PUT manifests/{digest}?tag=x&tag=y manifest",
    "PUT manifests/signature signature",
    "DELETE blobs/{loose}",
    "DELETE manifests/latest",
    "DELETE manifests/{digest}",
    "DELETE manifests/{signature}",
    "GET blobs/{signature}",
];

/// A registry over a store that can be made to fail, with content in it.
struct World {
    registry: TestRegistry,
    flaky: std::sync::Arc<Flaky>,
    image: Image,
    signature: Image,
    session: String,
}

impl World {
    async fn new(fault: Fault) -> Self {
        Self::with(Setup::default(), fault).await
    }

    async fn with(mut setup: Setup, fault: Fault) -> Self {
        let flaky = Flaky::over(setup.storage, fault);
        setup.storage = flaky.ports();
        let registry = TestRegistry::with(setup).await;
        let image = Image::new(1);
        image.push(&registry, "a", "latest").await;
        let signature = Image::with(2, &serde_json::json!({ "subject": image.descriptor() }));
        signature.push(&registry, "a", "signature").await;
        registry.push_blob("a", b"loose").await;
        registry.push_blob("other", b"mounted").await;
        let session = registry.start_upload("a").await;
        Self {
            registry,
            flaky,
            image,
            signature,
            session,
        }
    }

    fn call(&self, endpoint: &str) -> Call {
        let mut words = endpoint.split(' ');
        let method = words.next().unwrap();
        let path = words
            .next()
            .unwrap()
            .replace("{layer}", &digest_of(&self.image.layer))
            .replace("{digest}", &self.image.digest)
            .replace("{signature}", &self.signature.digest)
            .replace("{blob}", &digest_of(b"blob"))
            .replace("{loose}", &digest_of(b"loose"))
            .replace("{mounted}", &digest_of(b"mounted"))
            .replace("{session}", &self.session);
        let path = match &*path {
            "_catalog" => "/v2/_catalog".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/v2/a/{path}"),
        };
        let body = match words.next() {
            Some("manifest") => self.image.manifest.clone(),
            Some("signature") => self.signature.manifest.clone(),
            Some(text) => text.to_owned(),
            None => String::new(),
        };
        self.registry.call(method, path).body(body)
    }
}

/// Lets each call to the store fail in turn; `judge` sees every answer.
async fn fail_everywhere(fault: Fault, judge: impl Fn(&str, usize, &Answer)) {
    for endpoint in ENDPOINTS {
        for calls in 0.. {
            let world = World::new(fault).await;
            world.flaky.fail_after(calls);
            let answer = world.call(endpoint).send().await;
            if !world.flaky.has_failed() {
                assert!(answer.status < 300, "{endpoint}: {answer:?}");
                break;
            }
            judge(endpoint, calls, &answer);
        }
    }
}

/// Promise P5; lessons.md, correctness 3, 26 and 46: an outage is 5xx, never
/// 404, at whatever point of whatever request it strikes.
#[tokio::test]
async fn an_outage_is_never_an_answer_about_content() {
    fail_everywhere(Fault::Outage, |endpoint, calls, answer| {
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("secret"), "{endpoint}: {text}");
        assert!(
            answer.status == 503 || answer.status < 300,
            "{endpoint}, call {calls}: {} {text}",
            answer.status
        );
        if answer.status == 503 && !endpoint.starts_with("HEAD") {
            assert_eq!(answer.json()["errors"][0]["code"], "UNAVAILABLE");
            assert!(answer.json()["errors"][0]["detail"]["request_id"].is_string());
        }
    })
    .await;
}

/// No bug that one request meets stops the registry.
#[tokio::test]
async fn a_panic_is_an_answer_like_another() {
    for endpoint in ENDPOINTS {
        let world = World::new(Fault::Panic).await;
        world.flaky.fail_after(0);

        let answer = world.call(endpoint).send().await.expect_status(500);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("secret"), "{text}");

        world.call("GET tags/list").send().await.expect_status(200);
    }
}

/// semantics.md, "Limits": a store that hangs does not hold requests for ever.
#[tokio::test]
async fn a_request_that_does_not_come_forward_is_given_up() {
    let settings = Settings {
        max_concurrent_requests: 1,
        query_timeout: Duration::from_millis(300),
        grace_period: Duration::from_millis(300),
        ..Settings::default()
    };
    let world = World::with(Setup::with_settings(settings), Fault::Hang).await;

    world.flaky.fail_after(0);
    let started = Instant::now();
    let answer = world.call("GET manifests/latest").send().await;
    answer.expect_error(503, "UNAVAILABLE");
    assert!(started.elapsed() >= Duration::from_millis(300));
    world.call("GET tags/list").send().await.expect_status(200);

    // A write has longer, and is not stopped: it keeps its place.
    world.flaky.fail_after(0);
    let started = Instant::now();
    let answer = world.call("PUT manifests/latest manifest").send().await;
    answer.expect_error(503, "UNAVAILABLE");
    assert!(started.elapsed() >= Duration::from_millis(600));
    world
        .call("GET tags/list")
        .send()
        .await
        .expect_error(429, "TOOMANYREQUESTS");
}
