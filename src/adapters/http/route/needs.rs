//! Needs: what a request needs permission for.

use super::{Route, Subject};
use crate::domain::model::{
    AccessRequest, Action, Digest, Reference, RepositoryName, Rights, Scope,
};

impl Route {
    /// Everything that must be allowed for the request to be done. The source
    /// of a mount is not among it: where that may not be read, the mount
    /// becomes an ordinary upload, and nobody learns what is there.
    pub fn needs(&self) -> Vec<AccessRequest> {
        match self {
            Self::Version | Self::Extensions(_) => vec![AccessRequest {
                action: Action::GetApiVersion,
                repository: None,
                digest: None,
                reference: None,
                tag_exists: None,
            }],
            // Judged for each repository that it lists, or is asked for.
            Self::Catalog(_) | Self::Token(_) | Self::TokenByForm => Vec::new(),
            Self::GetBlob(name, digest) | Self::StatBlob(name, digest) => {
                vec![of_blob(Action::GetBlob, name, digest)]
            }
            Self::DeleteBlob(name, digest) => vec![of_blob(Action::DeleteBlob, name, digest)],
            Self::StartUpload(name, _) => vec![AccessRequest::on(name, Action::StartUpload)],
            Self::PushBlob(name, digest) => vec![
                of_blob(Action::StartUpload, name, digest),
                of_blob(Action::CompleteUpload, name, digest),
            ],
            Self::MountBlob {
                repository, digest, ..
            } => vec![of_blob(Action::StartUpload, repository, digest)],
            Self::AppendUpload(name, _) => vec![AccessRequest::on(name, Action::UpdateUpload)],
            Self::FinishUpload(name, _, digest) => {
                vec![of_blob(Action::CompleteUpload, name, digest)]
            }
            Self::UploadStatus(name, _) => vec![AccessRequest::on(name, Action::GetUpload)],
            Self::CancelUpload(name, _) => vec![AccessRequest::on(name, Action::CancelUpload)],
            Self::GetManifest(name, reference) | Self::StatManifest(name, reference) => {
                vec![of_manifest(Action::GetManifest, name, reference)]
            }
            Self::DeleteManifest(name, reference) => {
                vec![of_manifest(Action::DeleteManifest, name, reference)]
            }
            Self::PutManifest(name, reference, tags) => {
                let by_tag = tags.iter().cloned().map(Reference::Tag);
                std::iter::once(reference.clone())
                    .chain(by_tag)
                    .map(|it| of_manifest(Action::PutManifest, name, &it))
                    .collect()
            }
            Self::ListTags(name, _) => vec![AccessRequest::on(name, Action::ListTags)],
            Self::ListReferrers {
                repository,
                subject,
                ..
            } => vec![AccessRequest {
                reference: Some(Reference::Digest(subject.clone())),
                ..AccessRequest::on(repository, Action::GetReferrers)
            }],
        }
    }
}

impl Route {
    /// What is done, in the word that a policy has for it where it has one.
    pub fn action(&self) -> &'static str {
        let action = match self {
            Self::Token(_) | Self::TokenByForm => return "get-token",
            Self::Version | Self::Extensions(_) => Action::GetApiVersion,
            Self::Catalog(_) => Action::ListCatalog,
            Self::GetBlob(..) | Self::StatBlob(..) => Action::GetBlob,
            Self::DeleteBlob(..) => Action::DeleteBlob,
            Self::StartUpload(..) | Self::PushBlob(..) | Self::MountBlob { .. } => {
                Action::StartUpload
            }
            Self::AppendUpload(..) => Action::UpdateUpload,
            Self::FinishUpload(..) => Action::CompleteUpload,
            Self::UploadStatus(..) => Action::GetUpload,
            Self::CancelUpload(..) => Action::CancelUpload,
            Self::GetManifest(..) | Self::StatManifest(..) => Action::GetManifest,
            Self::DeleteManifest(..) => Action::DeleteManifest,
            Self::PutManifest(..) => Action::PutManifest,
            Self::ListTags(..) => Action::ListTags,
            Self::ListReferrers { .. } => Action::GetReferrers,
        };
        action.as_str()
    }

    /// What it is about.
    pub fn subject(&self) -> Subject<'_> {
        let (repository, digest, tag) = match self {
            Self::Version
            | Self::Catalog(_)
            | Self::Token(_)
            | Self::TokenByForm
            | Self::Extensions(None) => (None, None, None),
            Self::StartUpload(name, _)
            | Self::AppendUpload(name, _)
            | Self::UploadStatus(name, _)
            | Self::CancelUpload(name, _)
            | Self::ListTags(name, _)
            | Self::Extensions(Some(name)) => (Some(name), None, None),
            Self::GetBlob(name, digest)
            | Self::StatBlob(name, digest)
            | Self::DeleteBlob(name, digest)
            | Self::PushBlob(name, digest)
            | Self::FinishUpload(name, _, digest)
            | Self::GetManifest(name, Reference::Digest(digest))
            | Self::StatManifest(name, Reference::Digest(digest))
            | Self::DeleteManifest(name, Reference::Digest(digest))
            | Self::PutManifest(name, Reference::Digest(digest), _)
            | Self::MountBlob {
                repository: name,
                digest,
                ..
            }
            | Self::ListReferrers {
                repository: name,
                subject: digest,
                ..
            } => (Some(name), Some(digest), None),
            Self::GetManifest(name, Reference::Tag(tag))
            | Self::StatManifest(name, Reference::Tag(tag))
            | Self::DeleteManifest(name, Reference::Tag(tag))
            | Self::PutManifest(name, Reference::Tag(tag), _) => (Some(name), None, Some(tag)),
        };
        Subject {
            repository,
            digest,
            tag,
        }
    }

    /// What a token must be for that is to do as much, and what clients that
    /// push ask for as well: to see what is there already.
    pub fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        scope.catalog = matches!(self, Self::Catalog(_));
        for need in self.needs() {
            if let (Some(repository), Some(right)) = (&need.repository, need.action.right()) {
                let more = match right {
                    Rights::PUSH => Rights::PULL,
                    right => right,
                };
                scope.add(repository, right.and(more));
            }
        }
        if let Self::MountBlob {
            from: Some(from), ..
        } = self
        {
            scope.add(from, Rights::PULL);
        }
        scope
    }
}

fn of_blob(action: Action, repository: &RepositoryName, digest: &Digest) -> AccessRequest {
    AccessRequest {
        digest: Some(digest.clone()),
        ..AccessRequest::on(repository, action)
    }
}

fn of_manifest(
    action: Action,
    repository: &RepositoryName,
    reference: &Reference,
) -> AccessRequest {
    let digest = match reference {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(_) => None,
    };
    AccessRequest {
        digest,
        reference: Some(reference.clone()),
        ..AccessRequest::on(repository, action)
    }
}
