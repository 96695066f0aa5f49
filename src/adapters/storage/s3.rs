//! A bucket: how it is opened, and what is found out at once.

use std::sync::Arc;
use std::time::Duration;

use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::{ErrorKind, HttpTransporter, Operator};
use reqsign_core::ProvideCredentialChain;

use super::config::S3Config;
use super::objects::{Objects, Parts};
use super::tree::Tree;
use super::{Store, StoreMetrics, layout, measured, ports};
use crate::ports::{BlobLocator, LockManager, StoragePorts, StoreError};

mod client;
mod credentials;
mod explain;
mod lease;
mod locator;
mod multipart;
mod transport;

pub(super) use client::Client;
use credentials::Credentials;
pub(super) use explain::Problem;
use explain::root_cause;
pub use lease::group::{Agree, Group};
pub use lease::{Owner, Pace};
pub(super) use locator::Locator;
pub(super) use multipart::{Part, Unfinished, Upload};
use transport::Transport;

/// How long one call may take that moves content: a piece, a copy by the
/// service. No transfer as a whole has a limit.
const CALL: Duration = Duration::from_mins(5);

/// How long a small object may take, and the next chunk of an answer: after
/// that the call is made again, where the answer had come to.
const STALL: Duration = Duration::from_secs(30);

/// How long any other call may take, and a delete. Less than what is left of a
/// lease after the last moment at which a lock is given ([`Pace`]).
const SMALL_CALL: Duration = Duration::from_secs(15);

/// A bucket that was reached and may be used.
pub struct Bucket {
    objects: Objects,
    redirect: bool,
    metrics: StoreMetrics,
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
    /// Opens the bucket and tries on it all that the registry does: reads,
    /// listings, writes, copies and deletes.
    /// `chunk` is what one transfer buffers, as far as S3 takes so little. What
    /// is done by the storage ports is counted in `metrics`.
    ///
    /// # Errors
    ///
    /// Where it is not there or not reached, or the credentials do not open it.
    pub async fn open(
        config: &S3Config,
        chunk: usize,
        metrics: &StoreMetrics,
    ) -> Result<Self, BucketError> {
        let waiting = |io| {
            TimeoutLayer::new()
                .with_timeout(SMALL_CALL)
                .with_io_timeout(io)
        };
        let credentials = Credentials::new(config)
            .map_err(|error| BucketError::new("storage.s3.access_key_id", error.to_string()))?;
        check_credentials(&credentials).await?;
        let transport = transport(config)?.counting(metrics.requests.clone());
        let operator = operator(config, transport.clone(), credentials.clone())?;
        let client = Client::new(config, transport, credentials);
        // Each try has its time: the timeouts lie inside, the retries outside.
        let again = RetryLayer::new()
            .with_max_times(4)
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter();
        let patient = |io| {
            let waiting = operator.clone().layer(waiting(io));
            waiting.layer(again.clone())
        };
        let (moving, patient) = (patient(CALL), patient(STALL));
        let once = operator.layer(waiting(SMALL_CALL));

        check_patiently(&once)
            .await
            .map_err(|error| explain(&error, config))?;
        let objects = Objects::in_bucket(patient, once, moving, client, parts(config, chunk));
        check_format(&objects)
            .await
            .map_err(|error| BucketError::new("storage.s3", causes(&error)))?;
        Ok(Self {
            objects,
            redirect: config.redirect,
            metrics: metrics.clone(),
        })
    }

    /// The storage ports. `locks` are those of all who write to the bucket.
    #[must_use]
    pub fn ports(&self, locks: &Arc<dyn LockManager>) -> StoragePorts {
        let store = Store {
            tree: Arc::new(self.objects.clone()),
            locks: Some(Arc::clone(locks)),
        };
        let locator = self.redirect.then(|| self.objects.locator());
        StoragePorts {
            locator: locator.map(|locator| Arc::new(locator) as Arc<dyn BlobLocator>),
            ..measured(store, Arc::new(self.objects.clone()), &self.metrics)
        }
    }

    /// The storage ports for somebody who only looks: nothing is changed but the
    /// object that tells the time, and what changes anything answers as if it had.
    /// Upload sessions are the exception: they are the real ones.
    #[must_use]
    pub fn ports_to_look(&self) -> StoragePorts {
        let store = Store::still(Arc::new(self.objects.clone()));
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

fn operator(
    config: &S3Config,
    transport: Transport,
    credentials: Credentials,
) -> Result<Operator, BucketError> {
    let mut service = opendal::services::S3::default()
        .bucket(&config.bucket)
        .root(config.key_prefix.as_deref().unwrap_or("/"))
        .endpoint(config.endpoint.as_str())
        .region(&config.region)
        .credential_provider_chain(ProvideCredentialChain::new().push(credentials))
        .disable_config_load();
    if config.virtual_host_style {
        service = service.enable_virtual_host_style();
    }
    let operator = Operator::new(service).map_err(|error| explain(&error, config))?;
    let transport = HttpTransporter::new(transport);
    let context = operator.base_context().with_http_transport(transport);
    Ok(operator.with_context(context))
}

fn transport(config: &S3Config) -> Result<Transport, BucketError> {
    let https = config.endpoint.as_str().starts_with("https:");
    let ca_bundle = config.ca_bundle.as_deref();
    Transport::new(https, ca_bundle).map_err(|error| {
        BucketError::new(
            "storage.s3.ca_bundle",
            match ca_bundle {
                Some(path) => format!("{}: {error}", path.display()),
                None => format!("the system has no authorities, and none are named: {error}"),
            },
        )
    })
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

/// Whether there is a key to sign with, which the first request would say less
/// clearly.
async fn check_credentials(credentials: &Credentials) -> Result<(), BucketError> {
    let why = match credentials.find().await {
        Ok(Some(_)) => return Ok(()),
        Ok(None) => "none of AWS's sources has a key".to_owned(),
        Err(error) => format!("AWS's sources have no key, {error}: {}", root_cause(&error)),
    };
    Err(BucketError::new(
        "storage.s3.access_key_id",
        format!(
            "not set, and {why}: set it and storage.s3.secret_key, or one of the sources of docs/s3.md"
        ),
    ))
}

/// A moment's failure is no reason not to start.
async fn check_patiently(operator: &Operator) -> opendal::Result<()> {
    for pause in [200, 500, 1000, 2000] {
        match check(operator).await {
            Err(error) if error.is_temporary() => {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            checked => return checked,
        }
    }
    check(operator).await
}

/// Everything that the registry does to a bucket, on an object of its own. The
/// delete comes first: where it is not allowed, nothing is left behind.
async fn check(operator: &Operator) -> opendal::Result<()> {
    let probe = format!("_registry/probe-{}", uuid::Uuid::new_v4().simple());
    let copy = format!("{probe}-copy");
    match operator.read(layout::FORMAT).await {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    operator.list_with("_registry/").limit(1).await?;
    operator.delete(&probe).await?;
    operator.write(&probe, probe.clone()).await?;
    let copied = async {
        operator.copy(&probe, &copy).await?;
        operator.read(&copy).await
    };
    let copied = copied.await;
    // Together, as uploads are removed.
    operator.delete_iter([probe.clone(), copy]).await?;
    if copied?.to_bytes() == probe.as_bytes() {
        return Ok(());
    }
    let not_kept = "what was written, copied and read came back as something else";
    Err(opendal::Error::new(ErrorKind::Unexpected, not_kept).with_context("service", "s3"))
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
    let place = format!("{:?} at {}", config.bucket, config.endpoint.as_str());
    match Problem::of(error) {
        Some(problem) => BucketError::new(problem.key(), format!("{problem} ({place})")),
        None => BucketError::new("storage.s3", format!("{} ({place})", root_cause(error))),
    }
}

/// An error of the store, and what caused it.
fn causes(error: &StoreError) -> String {
    format!("{error}: {}", root_cause(error))
}

#[cfg(test)]
mod tests;
