//! What opens a bucket: of the server in this process, or of a real one that the environment names (docs/testing.md).

use simple_registry::adapters::storage::config::S3Config;

/// The real server: `http://KEY:SECRET@HOST:PORT/BUCKET`.
const VARIABLE: &str = "SIMPLE_REGISTRY_TEST_S3";

/// A bucket, and a key for it.
pub struct Access {
    pub id: String,
    pub secret: String,
    pub endpoint: String,
    pub bucket: String,
    pub prefix: String,
}

impl Access {
    /// A prefix of its own in the bucket of the real server; `None` where none is named.
    pub fn of_real_server() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "a test's parameter")]
        let url = std::env::var(VARIABLE).ok()?;
        let parsed = Self::parse(&url);
        assert!(
            parsed.is_some(),
            "{VARIABLE}: http://KEY:SECRET@HOST:PORT/BUCKET"
        );
        parsed
    }

    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (key, rest) = rest.split_once('@')?;
        let (id, secret) = key.split_once(':')?;
        let (host, bucket) = rest.split_once('/')?;
        Some(Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            endpoint: format!("{scheme}://{host}"),
            bucket: bucket.to_owned(),
            prefix: format!("{}/b", uuid::Uuid::new_v4().simple()),
        })
    }

    /// `[storage.s3]`; `keys` go before the ones that every test needs.
    pub fn text(&self, keys: &str) -> String {
        let key = [("access_key_id", &*self.id), ("secret_key", &*self.secret)];
        self.complete(keys, &key)
    }

    /// The same without the key.
    pub fn text_without_key(&self) -> String {
        self.complete("", &[])
    }

    fn complete(&self, keys: &str, more: &[(&str, &str)]) -> String {
        let mut text = format!("{keys}\n");
        let needed = [
            ("endpoint", &*self.endpoint),
            ("bucket", &self.bucket),
            ("region", "us-east-1"),
            ("key_prefix", &self.prefix),
        ];
        for (key, value) in more.iter().chain(&needed) {
            if !keys.contains(&format!("{key} =")) {
                text = format!("{text}{key} = '{value}'\n");
            }
        }
        text
    }

    pub fn config(&self, keys: &str) -> S3Config {
        toml::from_str(&self.text(keys)).unwrap()
    }
}
