//! Actions: the vocabulary of access policies.

use std::fmt;
use std::str::FromStr;

use super::{Digest, Reference, RepositoryName, Rights};

/// What a request wants to do, in the words that policies use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask for the API's version, or discover its extensions.
    GetApiVersion,
    /// Begin a blob push.
    StartUpload,
    /// Send a part of a blob.
    UpdateUpload,
    /// Finish a blob push.
    CompleteUpload,
    /// Ask how far a blob push has come.
    GetUpload,
    /// Give up a blob push.
    CancelUpload,
    /// Pull a blob, or ask whether it is there.
    GetBlob,
    /// Delete a blob.
    DeleteBlob,
    /// Push a manifest.
    PutManifest,
    /// Pull a manifest, or ask whether it is there.
    GetManifest,
    /// Delete a manifest or a tag.
    DeleteManifest,
    /// List the referrers of a manifest.
    GetReferrers,
    /// See a repository in the catalog.
    ListCatalog,
    /// List a repository's tags.
    ListTags,
}

impl Action {
    /// Every action.
    #[rustfmt::skip] // a table
    pub const ALL: [Self; 14] = [
        Self::GetApiVersion, Self::StartUpload, Self::UpdateUpload, Self::CompleteUpload, Self::GetUpload,
        Self::CancelUpload, Self::GetBlob, Self::DeleteBlob, Self::PutManifest, Self::GetManifest,
        Self::DeleteManifest, Self::GetReferrers, Self::ListCatalog, Self::ListTags,
    ];

    /// The word that a policy compares `request.action` with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GetApiVersion => "get-api-version",
            Self::StartUpload => "start-upload",
            Self::UpdateUpload => "update-upload",
            Self::CompleteUpload => "complete-upload",
            Self::GetUpload => "get-upload",
            Self::CancelUpload => "cancel-upload",
            Self::GetBlob => "get-blob",
            Self::DeleteBlob => "delete-blob",
            Self::PutManifest => "put-manifest",
            Self::GetManifest => "get-manifest",
            Self::DeleteManifest => "delete-manifest",
            Self::GetReferrers => "get-referrers",
            Self::ListCatalog => "list-catalog",
            Self::ListTags => "list-tags",
        }
    }

    /// The right that a token needs for it; `None` for what is not about one
    /// repository's content.
    #[must_use]
    pub fn right(self) -> Option<Rights> {
        match self {
            Self::GetApiVersion | Self::ListCatalog => None,
            Self::GetBlob | Self::GetManifest | Self::GetReferrers | Self::ListTags => {
                Some(Rights::PULL)
            }
            Self::StartUpload
            | Self::UpdateUpload
            | Self::CompleteUpload
            | Self::GetUpload
            | Self::CancelUpload
            | Self::PutManifest => Some(Rights::PUSH),
            Self::DeleteBlob | Self::DeleteManifest => Some(Rights::DELETE),
        }
    }
}

/// Why a text is no action; it tells which there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actions are {}", Action::ALL.map(Action::as_str).join(", "))]
pub struct InvalidAction;

impl FromStr for Action {
    type Err = InvalidAction;

    fn from_str(text: &str) -> Result<Self, InvalidAction> {
        let mut all = Self::ALL.into_iter();
        all.find(|action| action.as_str() == text)
            .ok_or(InvalidAction)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that a request needs permission for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRequest {
    /// What it wants to do.
    pub action: Action,
    /// In which repository; `None` for what belongs to none.
    pub repository: Option<RepositoryName>,
    /// The digest, for what names one (semantics.md, "Access policy").
    pub digest: Option<Digest>,
    /// The tag or digest as in the URL, for manifests and referrers.
    pub reference: Option<Reference>,
    /// Whether the tag that is pushed or deleted is there already. `None` until
    /// somebody has looked, and for everything that changes no tag.
    pub tag_exists: Option<bool>,
}

impl AccessRequest {
    /// An action on a repository as a whole.
    #[must_use]
    pub fn on(repository: &RepositoryName, action: Action) -> Self {
        Self {
            action,
            repository: Some(repository.clone()),
            digest: None,
            reference: None,
            tag_exists: None,
        }
    }

    /// Whether this changes a tag that nobody has looked for yet.
    #[must_use]
    pub fn may_find_a_tag(&self) -> bool {
        self.tag_exists.is_none()
            && matches!(self.reference, Some(Reference::Tag(_)))
            && matches!(self.action, Action::PutManifest | Action::DeleteManifest)
    }
}
