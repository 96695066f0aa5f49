//! What S3 says when it does not do what it is asked, told as what is to be
//! mended: a key of the configuration, and how.

use std::error::Error;

use opendal::ErrorKind;

/// What is wrong. Shows no secret, and is one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::adapters::storage) enum Problem {
    #[error("there is no such bucket: create it, or name another")]
    NoBucket,
    #[error("it does not belong to storage.s3.access_key_id")]
    WrongSecret,
    #[error("the service does not know it ({0})")]
    UnknownKey(String),
    #[error("its session does not count, or no longer: get a new one ({0})")]
    Ended(String),
    #[error("no key to sign with: set it and storage.s3.secret_key, or mend the source ({0})")]
    NoKey(String),
    #[error("the service's clock and this machine's differ too much: set this one's")]
    Clock,
    #[error("the bucket is in another one ({0})")]
    Region(String),
    #[error("it lacks a permission: allow it {permission} ({code})")]
    Denied {
        permission: &'static str,
        code: String,
    },
    #[error("not reached: {0}")]
    NotReached(String),
    #[error("the service fails at present ({0}): see to it, or wait")]
    Failing(String),
    #[error("it does not answer as an S3 server does: {0}")]
    NotS3(String),
    #[error("the service answers {0}")]
    Other(String),
    #[error("{0}")]
    Configuration(String),
}

impl Problem {
    /// What an error of OpenDAL's means; `None` for one that is not of S3.
    pub(in crate::adapters::storage) fn of(error: &opendal::Error) -> Option<Self> {
        let text = error.to_string();
        if !text.contains("service: s3") {
            return None;
        }
        let operation = match field(&text, "service_operation: ") {
            "" if text.contains("DeleteObjectsResult") => "DeleteObjects",
            operation => operation,
        };
        let code = quoted(&text, "code");
        if !code.is_empty() {
            return Some(Self::of_answer(code, quoted(&text, "message"), operation));
        }
        let cause = root_cause(error);
        Some(if text.contains("reqsign::") {
            Self::NoKey(cause)
        } else if error.kind() == ErrorKind::ConfigInvalid {
            // From here: nothing was asked yet.
            Self::Configuration(cause)
        } else if error.kind() == ErrorKind::PermissionDenied {
            // The answer to a HEAD has no body.
            Self::Denied {
                permission: permission(operation),
                code: "403".to_owned(),
            }
        } else if let Some((_, rest)) = text.split_once("response: Parts { status: ") {
            let status = rest.split(',').next().unwrap_or_default();
            if status.starts_with('5') {
                Self::Failing(format!("status {status}"))
            } else {
                Self::NotS3(format!("status {status}"))
            }
        } else if error.is_temporary() || error.is_persistent() {
            Self::NotReached(cause)
        } else {
            Self::NotS3(cause)
        })
    }

    /// What a code of S3's means, in answer to such an operation.
    pub(in crate::adapters::storage) fn of_answer(
        code: &str,
        message: &str,
        operation: &str,
    ) -> Self {
        let said = format!("{code}: {message}");
        match code {
            "NoSuchBucket" | "InvalidBucketName" => Self::NoBucket,
            "SignatureDoesNotMatch" => Self::WrongSecret,
            // Garage has one code for these and for what is not allowed.
            "AccessDenied" if message.contains("Invalid signature") => Self::WrongSecret,
            "AccessDenied" if message.contains("No such key") => Self::UnknownKey(said),
            "InvalidAccessKeyId" | "NotSignedUp" => Self::UnknownKey(code.to_owned()),
            "ExpiredToken" | "InvalidToken" | "InvalidTokenId" | "TokenRefreshRequired" => {
                Self::Ended(code.to_owned())
            }
            "RequestTimeTooSkewed" | "RequestExpired" => Self::Clock,
            "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "InvalidRegion"
            | "PermanentRedirect"
            | "TemporaryRedirect" => Self::Region(said),
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "Forbidden" => Self::Denied {
                permission: permission(operation),
                code: code.to_owned(),
            },
            "NotImplemented" | "MethodNotAllowed" => {
                Self::NotS3(format!("it lacks {operation} ({code})"))
            }
            "InternalError" | "ServiceUnavailable" | "SlowDown" | "SlowDownRead"
            | "SlowDownWrite" => Self::Failing(code.to_owned()),
            _ => Self::Other(said),
        }
    }

    /// The key of the configuration that it is about.
    pub(in crate::adapters::storage) fn key(&self) -> &'static str {
        match self {
            Self::NoBucket => "storage.s3.bucket",
            Self::WrongSecret => "storage.s3.secret_key",
            Self::UnknownKey(_) | Self::Ended(_) | Self::NoKey(_) | Self::Denied { .. } => {
                "storage.s3.access_key_id"
            }
            Self::Region(_) => "storage.s3.region",
            Self::Clock | Self::NotReached(_) | Self::Failing(_) | Self::NotS3(_) => {
                "storage.s3.endpoint"
            }
            Self::Other(_) | Self::Configuration(_) => "storage.s3",
        }
    }
}

/// The permission that an operation needs. Copies read as well, of objects that
/// were read before.
fn permission(operation: &str) -> &'static str {
    match operation {
        "GetObject" | "HeadObject" => "s3:GetObject",
        "ListObjects" | "ListObjectsV2" => "s3:ListBucket",
        "DeleteObject" | "DeleteObjects" => "s3:DeleteObject",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        _ => "s3:PutObject",
    }
}

/// The word after `name`.
fn field<'t>(text: &'t str, name: &str) -> &'t str {
    let rest = text.split_once(name).map_or("", |(_, rest)| rest);
    rest.split([',', ' ']).next().unwrap_or_default()
}

/// The quoted text after `name`.
fn quoted<'t>(text: &'t str, name: &str) -> &'t str {
    let rest = text.split_once(&format!("{name}: \""));
    rest.map_or("", |(_, rest)| rest)
        .split('"')
        .next()
        .unwrap_or_default()
}

/// What lies beneath an error, in one line.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    let text = match root.downcast_ref::<opendal::Error>() {
        Some(error) => error.message().to_owned(),
        None => root.to_string(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests;
