//! Whose key signs what S3 is asked: the configuration's, or one that this
//! machine is given, by AWS's standard sources.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use opendal::HttpTransporter;
use reqsign_aws_v4::{
    AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider,
    EnvCredentialProvider, IMDSv2CredentialProvider, ProfileCredentialProvider,
};
use reqsign_core::{
    Context, Env, Error, FileRead, OsEnv, ProvideCredential, ProvideCredentialDyn, Result,
};

use super::transport::Transport;
use crate::adapters::storage::config::S3Config;

/// How long one source may take. Where there is none, nobody answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the sources look at in the environment.
const VARIABLES: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

type Source = Box<dyn ProvideCredentialDyn<Credential = Credential>>;

/// Where the key comes from. A signer that is given this asks again before a
/// key ends.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// The configuration, and nothing else is asked.
    Configured(Credential),
    /// The first of these that has one.
    Standard(Arc<Standard>),
}

#[derive(Debug)]
pub(super) struct Standard {
    sources: Vec<(&'static str, Source)>,
    context: Context,
}

impl Credentials {
    /// The configuration's key; where it has none, the standard sources.
    pub(super) fn new(config: &S3Config) -> std::io::Result<Self> {
        if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_key) {
            return Ok(Self::Configured(Credential {
                access_key_id: id.expose().to_owned(),
                secret_access_key: secret.expose().to_owned(),
                ..Credential::default()
            }));
        }
        Ok(Self::Standard(Arc::new(Standard::new()?)))
    }

    /// The key that counts now; `None` where no source has one.
    pub(super) async fn find(&self) -> Result<Option<Credential>> {
        match self {
            Self::Configured(key) => Ok(Some(key.clone())),
            Self::Standard(standard) => standard.find().await,
        }
    }
}

impl ProvideCredential for Credentials {
    type Credential = Credential;

    /// Tells the log why there is none: signers do not.
    async fn provide_credential(&self, _: &Context) -> Result<Option<Credential>> {
        let found = self.find().await;
        if let Err(error) = &found {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "AWS's sources have no key for storage.s3");
        }
        found
    }
}

impl Standard {
    fn new() -> std::io::Result<Self> {
        // Only the web identity's service speaks https. Where the system has no
        // authorities that fails, and the others work.
        let transport = Transport::new(true, None).or_else(|error| {
            tracing::debug!(%error, "no authorities for AWS's token service");
            Transport::new(false, None)
        })?;
        Ok(Self {
            sources: vec![
                ("the environment", Box::new(EnvCredentialProvider::new())),
                ("the profile", Box::new(ProfileCredentialProvider::new())),
                (
                    "the web identity",
                    Box::new(AssumeRoleWithWebIdentityCredentialProvider::new()),
                ),
                ("the container", Box::new(ECSCredentialProvider::new())),
                ("the instance", Box::new(IMDSv2CredentialProvider::new())),
            ],
            context: Context::new()
                .with_env(Machine)
                .with_file_read(Machine)
                .with_http_send(HttpTransporter::new(transport)),
        })
    }

    /// A source that is there and fails ends the search: a key of another one
    /// would be somebody else's.
    async fn find(&self) -> Result<Option<Credential>> {
        for (name, source) in &self.sources {
            let asked = source.provide_credential_dyn(&self.context);
            let answer = tokio::time::timeout(PATIENCE, asked).await;
            match answer.unwrap_or_else(|_| Err(Error::unexpected("it does not answer"))) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => {
                    return Err(Error::credential_invalid(format!("{name}: {error}"))
                        .set_retryable(error.is_retryable())
                        .with_source(error));
                }
            }
        }
        Ok(None)
    }
}

/// The environment and the files. The library's own environment would panic
/// where any variable is no UTF-8.
#[derive(Debug)]
struct Machine;

impl Env for Machine {
    fn var(&self, key: &str) -> Option<String> {
        OsEnv.var(key)
    }

    fn vars(&self) -> HashMap<String, String> {
        let set = |name: &str| Some((name.to_owned(), OsEnv.var(name)?));
        VARIABLES.into_iter().filter_map(set).collect()
    }

    fn home_dir(&self) -> Option<PathBuf> {
        OsEnv.home_dir()
    }
}

impl FileRead for Machine {
    async fn file_read(&self, path: &str) -> Result<Vec<u8>> {
        let read = tokio::fs::read(path).await;
        read.map_err(|error| Error::config_invalid(format!("{path}: {error}")))
    }
}
