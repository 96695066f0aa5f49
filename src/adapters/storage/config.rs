//! `[storage.fs]` and `[storage.s3]`: a configuration names exactly one.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::units::{self, ByteSize, HttpUrl};
use crate::domain::model::Secret;

/// `[storage]`: where content lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Section", rename_all = "lowercase")]
pub enum StorageConfig {
    /// `[storage.fs]`.
    Fs(FsConfig),
    /// `[storage.s3]`.
    S3(S3Config),
}

/// The section as it is written. An enum read directly would say "wanted exactly 1 element".
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
struct Section {
    fs: Option<FsConfig>,
    s3: Option<S3Config>,
}

impl TryFrom<Section> for StorageConfig {
    type Error = &'static str;

    fn try_from(section: Section) -> Result<Self, Self::Error> {
        match (section.fs, section.s3) {
            (Some(fs), None) => Ok(Self::Fs(fs)),
            (None, Some(s3)) => Ok(Self::S3(s3)),
            (None, None) => Err("names no storage; add either [storage.fs] or [storage.s3]"),
            (Some(_), Some(_)) => {
                Err("names two storages; keep either [storage.fs] or [storage.s3]")
            }
        }
    }
}

/// `[storage.fs]`: a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FsConfig {
    /// The directory; a relative one starts where the program was started.
    #[serde(deserialize_with = "units::path")]
    pub root_dir: PathBuf,
    /// Whether what is acknowledged survives a power cut: false means no fsync.
    #[serde(default = "yes")]
    pub durable: bool,
    /// Whether all machines that write there see each other's writes and locks at once.
    #[serde(default)]
    pub coherent: bool,
}

/// `[storage.s3]`: a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// The id of the access key. No secret by itself; it is one here so that it can come from the environment as well.
    /// Without it and its partner, AWS's standard sources are asked.
    #[serde(default, deserialize_with = "units::optional_secret")]
    #[schemars(with = "Option<String>")]
    pub access_key_id: Option<Secret>,
    /// The secret of the access key.
    #[serde(default, deserialize_with = "units::optional_secret")]
    #[schemars(with = "Option<String>")]
    pub secret_key: Option<Secret>,
    /// Where the server is.
    pub endpoint: HttpUrl,
    /// The bucket.
    #[serde(deserialize_with = "units::filled")]
    pub bucket: String,
    /// The bucket's region.
    #[serde(deserialize_with = "units::filled")]
    pub region: String,
    /// What every key begins with.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// The least size of an uploaded part.
    #[serde(default = "min_part_size")]
    pub multipart_min_part_size: ByteSize,
    /// The size from which a copy is made in parts.
    #[serde(default = "copy_threshold")]
    pub multipart_copy_threshold: ByteSize,
    /// The size of such a part.
    #[serde(default = "copy_chunk_size")]
    pub multipart_copy_chunk_size: ByteSize,
    /// How many such parts are copied at a time.
    #[serde(default = "copy_jobs")]
    pub multipart_copy_jobs: usize,
    /// Whether the bucket is in the host name (true) or in the path (false).
    #[serde(default)]
    pub virtual_host_style: bool,
    /// PEM: authorities of the server's certificate.
    #[serde(default, deserialize_with = "units::optional_path")]
    pub ca_bundle: Option<PathBuf>,
    /// Whether a blob is answered with a redirect to a presigned URL.
    #[serde(default)]
    pub redirect: bool,
}

impl S3Config {
    /// S3 takes no part below this but the last one.
    pub const PART_FLOOR: ByteSize = ByteSize::from_bytes(5 << 20);
}

fn yes() -> bool {
    true
}

fn min_part_size() -> ByteSize {
    S3Config::PART_FLOOR
}

fn copy_threshold() -> ByteSize {
    ByteSize::from_bytes(5_000_000_000)
}

fn copy_chunk_size() -> ByteSize {
    ByteSize::from_bytes(100_000_000)
}

fn copy_jobs() -> usize {
    4
}
