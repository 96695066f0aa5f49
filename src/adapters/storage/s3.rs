//! A bucket: how it is opened, and what is found out at once.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::{ErrorKind, HttpTransporter, Operator};

use super::config::S3Config;
use super::objects::{Objects, Parts};
use super::tree::Tree;
use super::{Store, layout, ports};
use crate::ports::{LockManager, StoragePorts, StoreError};

mod lease;
mod transport;

pub use lease::group::{Agree, Group};
pub use lease::{Owner, Pace};

/// How long one call may take that moves content: a part, a copy by the
/// service, a chunk of an answer. No transfer as a whole has a limit.
const CALL: Duration = Duration::from_mins(5);

/// How long any other call may take, and a delete. Less than what is left of a
/// lease after the last moment at which a lock is given ([`Pace`]).
const SMALL_CALL: Duration = Duration::from_secs(15);

/// A bucket that was reached and may be used.
pub struct Bucket {
    objects: Objects,
}

/// A bucket that can't be used as the configuration says.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct BucketError {
    /// The key of the configuration that it is about.
    pub key: &'static str,
    problem: String,
}

impl Bucket {
    /// Opens the bucket and looks whether it can be read, listed and written.
    /// `chunk` is what one transfer buffers, as far as S3 takes so little.
    ///
    /// # Errors
    ///
    /// Where it is not there or not reached, or the credentials do not open it.
    pub async fn open(config: &S3Config, chunk: usize) -> Result<Self, BucketError> {
        let waiting = |io| {
            TimeoutLayer::new()
                .with_timeout(SMALL_CALL)
                .with_io_timeout(io)
        };
        let operator = operator(config)?;
        // Each try has its time: the timeouts lie inside, the retries outside.
        let again = RetryLayer::new()
            .with_max_times(4)
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter();
        let patient = operator.clone().layer(waiting(CALL)).layer(again);
        let once = operator.layer(waiting(SMALL_CALL));
        let objects = Objects::in_bucket(patient, once.clone(), parts(config, chunk));

        check(&once)
            .await
            .map_err(|error| explain(&error, config))?;
        check_format(&objects.impatient())
            .await
            .map_err(|error| BucketError::new("storage.s3", causes(&error)))?;
        Ok(Self { objects })
    }

    /// The storage ports. `locks` are those of all who write to the bucket.
    #[must_use]
    pub fn ports(&self, locks: &Arc<dyn LockManager>) -> StoragePorts {
        let store = Store {
            tree: Arc::new(self.objects.clone()),
            locks: Some(Arc::clone(locks)),
        };
        ports(store, Arc::new(self.objects.clone()))
    }

    /// Makes this process the only one that writes to the bucket below its
    /// prefix, for as long as the answer lives. Waits where the last owner may
    /// still be alive.
    ///
    /// # Errors
    ///
    /// Where another owner lives, or the bucket does not answer.
    pub async fn claim(&self, pace: Pace) -> Result<Owner, BucketError> {
        Owner::claim(self.objects.impatient(), pace).await
    }

    /// Makes this process one of those that share the lock store of `agree`,
    /// and that alone write to the bucket below its prefix.
    ///
    /// # Errors
    ///
    /// Where somebody else does.
    pub async fn join(&self, pace: Pace, agree: Agree) -> Result<Group, BucketError> {
        Group::join(self.objects.impatient(), pace, agree).await
    }
}

impl BucketError {
    fn new(key: &'static str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self { key, problem }
    }
}

fn operator(config: &S3Config) -> Result<Operator, BucketError> {
    let mut service = opendal::services::S3::default()
        .bucket(&config.bucket)
        .root(config.key_prefix.as_deref().unwrap_or("/"))
        .endpoint(config.endpoint.as_str())
        .region(&config.region)
        .access_key_id(config.access_key_id.expose())
        .secret_access_key(config.secret_key.expose())
        // The configuration's credentials, and no others that are about.
        .disable_config_load()
        .disable_ec2_metadata();
    if config.virtual_host_style {
        service = service.enable_virtual_host_style();
    }
    let operator = Operator::new(service).map_err(|error| explain(&error, config))?;

    let https = config.endpoint.as_str().starts_with("https:");
    let ca_bundle = config.ca_bundle.as_deref();
    let transport = transport::Transport::new(https, ca_bundle).map_err(|error| {
        BucketError::new(
            "storage.s3.ca_bundle",
            match ca_bundle {
                Some(path) => format!("{}: {error}", path.display()),
                None => format!("the system has no authorities, and none are named: {error}"),
            },
        )
    })?;
    let transport = HttpTransporter::new(transport);
    let context = operator.base_context().with_http_transport(transport);
    Ok(operator.with_context(context))
}

fn parts(config: &S3Config, chunk: usize) -> Parts {
    Parts {
        size: chunk
            .max(config.multipart_min_part_size.as_usize())
            .max(S3Config::PART_FLOOR.as_usize()),
        copy_threshold: config.multipart_copy_threshold.bytes(),
        copy_chunk: config.multipart_copy_chunk_size.bytes(),
        copy_jobs: config.multipart_copy_jobs,
    }
}

/// A read and a listing: neither needs anything to be there.
async fn check(operator: &Operator) -> opendal::Result<()> {
    match operator.read(layout::FORMAT).await {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let ours = operator.list_with("_registry/").limit(1);
    ours.await.map(drop)
}

async fn check_format(objects: &Objects) -> Result<(), StoreError> {
    let refused = |source: std::io::Error| StoreError::Unavailable {
        what: layout::FORMAT.to_owned(),
        source: Box::new(source),
    };
    let found = objects.read(layout::FORMAT).await?;
    match found.map(|bytes| super::is_known_format(&bytes)) {
        Some(Ok(true)) => Ok(()),
        Some(Err(newer)) => Err(refused(newer)),
        Some(Ok(false)) | None => objects.write(layout::FORMAT, super::format_record()).await,
    }
}

/// Which key of the configuration is to be mended, and why.
fn explain(error: &opendal::Error, config: &S3Config) -> BucketError {
    let text = error.to_string();
    let code = text
        .split_once("code: \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("", |(code, _)| code);
    let endpoint = config.endpoint.as_str();
    let bucket = &config.bucket;
    let (key, problem) = match code {
        "NoSuchBucket" => (
            "storage.s3.bucket",
            format!("there is no bucket {bucket:?} at {endpoint}"),
        ),
        "SignatureDoesNotMatch" => (
            "storage.s3.secret_key",
            format!("{endpoint} says that it does not belong to storage.s3.access_key_id"),
        ),
        "InvalidAccessKeyId" | "NotSignedUp" => (
            "storage.s3.access_key_id",
            format!("{endpoint} does not know it ({code})"),
        ),
        "RequestTimeTooSkewed" => (
            "storage.s3.endpoint",
            format!("the clock of {endpoint} and this machine's differ too much: set this one's"),
        ),
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => (
            "storage.s3.region",
            format!(
                "the bucket {bucket:?} is not in {:?} ({code})",
                config.region
            ),
        ),
        _ if error.kind() == ErrorKind::PermissionDenied => (
            "storage.s3.access_key_id",
            format!("it may not read, list and write the bucket {bucket:?} at {endpoint} ({code})"),
        ),
        "" if error.is_temporary() => (
            "storage.s3.endpoint",
            format!("{endpoint} is not reached: {}", root_cause(error)),
        ),
        _ => ("storage.s3", format!("{endpoint} answers: {text}")),
    };
    BucketError::new(key, problem)
}

fn root_cause(error: &dyn Error) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

/// An error of the store, and what caused it.
fn causes(error: &StoreError) -> String {
    format!("{error}: {}", root_cause(error))
}

#[cfg(test)]
mod tests;
