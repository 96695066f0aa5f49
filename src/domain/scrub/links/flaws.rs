//! Flaws: what is wrong with one file. Looked for twice, so nothing here changes anything.

use super::{Cure, Flaw, Links};
use crate::domain::error::RegistryError;
use crate::domain::manifests::referrer;
use crate::domain::model::{
    Digest, Hasher, Link, Manifest, Need, RepositoryName, Role, Says, Surveyed, Tag,
};
use crate::ports::{ManifestInfo, NewManifest};

type Flaws = Result<Vec<Flaw>, RegistryError>;

/// One flaw, and nothing else.
fn one(kind: &'static str, what: impl Into<String>, cure: Cure) -> Vec<Flaw> {
    let what = what.into();
    vec![Flaw { kind, what, cure }]
}

fn none() -> Vec<Flaw> {
    Vec::new()
}

impl Links {
    pub(super) async fn flaws(&self, it: &Surveyed, is_old: bool) -> Flaws {
        let path = || it.path.clone();
        Ok(match &it.role {
            Role::Content(_) | Role::Record => none(),
            Role::Unknown => one(
                "unknown-file",
                "no registry puts this here; it is not touched",
                Cure::None,
            ),
            Role::Stray | Role::Empty if !is_old => none(),
            Role::Stray => one(
                "stray-file",
                "it is of a write that never ended, and is removed",
                Cure::Clear(path()),
            ),
            Role::Empty => one(
                "empty-directory",
                "nothing is in it, and it is removed",
                Cure::Clear(path()),
            ),
            Role::Misplaced(digest) => self.of_misplaced(path(), digest).await?,
            Role::Link(link) => match link {
                Link::Layer(repository, digest) => {
                    self.of_layer(link, repository, digest, is_old).await?
                }
                Link::Revision(repository, digest) => {
                    self.of_revision(link, repository, digest).await?
                }
                Link::Tag(repository, tag) => self.of_tag(link, repository, tag).await?,
                Link::Past(repository, tag, digest) => {
                    self.of_past(link, repository, tag, digest).await?
                }
            },
            Role::Referrer(repository, subject, digest) => {
                self.of_referrer(repository, subject, digest).await?
            }
        })
    }

    async fn of_misplaced(&self, path: String, digest: &Digest) -> Flaws {
        let is_it = self.hash(&path, digest).await?.as_ref() == Some(digest);
        let place_is_free = self.storage.blobs.look(digest).await?.thing.is_none();
        let (what, cure) = if is_it && place_is_free {
            let what = "content in another directory than its digest asks for; it is moved there";
            (what, Cure::Place(path, digest.clone()))
        } else {
            let what = "content in another directory than its digest asks for; it is another's, or \
                        its place is taken: look at it, and remove it";
            (what, Cure::None)
        };
        Ok(one("misplaced-content", what, cure))
    }

    /// A link, before its content: a removal goes the other way.
    async fn of_layer(
        &self,
        link: &Link,
        repository: &RepositoryName,
        digest: &Digest,
        is_old: bool,
    ) -> Flaws {
        let Some(Says(says)) = self.storage.survey.read(link).await? else {
            return Ok(none());
        };
        // Another registry's second name for content that is stored under its first.
        if says
            .as_ref()
            .is_some_and(|it| it.algorithm() != digest.algorithm())
        {
            return Ok(none());
        }
        if self.storage.blobs.look(digest).await?.thing.is_some() {
            return Ok(says_another(link, says.as_ref(), digest));
        }
        Ok(if is_old {
            let what = "its content is not in the store; it is removed, unless a manifest needs it: \
                        then push the blob again";
            let cure = Cure::Unlink(repository.clone(), digest.clone());
            one("dangling-link", what, cure)
        } else {
            none()
        })
    }

    async fn of_revision(
        &self,
        link: &Link,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Flaws {
        let manifests = &self.storage.manifests;
        let Some(Says(says)) = self.storage.survey.read(link).await? else {
            return Ok(none());
        };
        let Some(bytes) = manifests.claim(repository, digest).await? else {
            // Of one that is pending, nobody was told.
            let is_settled = manifests.look(repository, digest).await?.thing.is_some();
            let what = "the manifest's content is not in the store: push it again, or delete it";
            return Ok(if is_settled {
                one("lost-manifest", what, Cure::None)
            } else {
                none()
            });
        };
        // Content that is another's says nothing about this; --verify tells of it.
        if Hasher::digest_of(digest.algorithm(), &bytes) != *digest {
            return Ok(none());
        }
        let mut flaws = says_another(link, says.as_ref(), digest);
        // What another registry took and nobody here understands is served as it is.
        let Ok(manifest) = Manifest::parse(None, &bytes) else {
            return Ok(flaws);
        };
        let size = bytes.len() as u64;
        let described = manifests.describe(repository, digest, size).await?;
        let mut new = NewManifest {
            digest: digest.clone(),
            media_type: manifest.media_type.clone(),
            pushed_at: self.clock.now(),
            pushed_by: None,
            bytes,
        };
        let Some(info) = described else {
            if self.storage.survey.is_torn(repository, digest).await? {
                let what = "the manifest's record can't be read, so it is not served; it is pushed \
                            again from its own content, if all that it needs is here";
                let cure = Cure::Push(repository.clone(), Box::new((manifest, new)));
                flaws.extend(one("torn-record", what, cure));
            }
            return Ok(flaws);
        };
        flaws.extend(self.of_needs(repository, &manifest).await?);
        let pushed_as = info.media_type.clone();
        if is_wrong(&info, size, &new.bytes) {
            new.pushed_at = info.pushed_at.unwrap_or(new.pushed_at);
            let cure = Cure::Describe(repository.clone(), new.clone());
            let what = "the manifest's record has another size or media type than its content; it is written anew";
            flaws.extend(one("wrong-record", what, cure));
        } else {
            new.media_type = pushed_as.unwrap_or(new.media_type);
        }
        if let Some(subject) = &manifest.subject {
            let subject = &subject.digest;
            let expected = referrer(&manifest, &new);
            let entries = &self.storage.referrers;
            let entry = entries.get(repository, subject, digest).await?;
            if entry.as_ref() != Some(&expected) {
                let what = format!("{subject} does not list it among its referrers; it is added");
                let cure = Cure::Refer(repository.clone(), subject.clone(), expected);
                flaws.extend(one("missing-referrer", what, cure));
            }
        }
        Ok(flaws)
    }

    /// What a manifest was only taken with. Where it may name anything, a link would let its
    /// repository read what was never pushed there.
    async fn of_needs(&self, repository: &RepositoryName, manifest: &Manifest) -> Flaws {
        let mut flaws = none();
        if self.accepts(repository) {
            return Ok(flaws);
        }
        let needs = manifest.needs().into_iter();
        for need in needs.filter(|it| it.need == Need::Blob) {
            let digest = need.digest;
            if self.storage.links.exists(repository, digest).await? {
                continue;
            }
            flaws.extend(if self.storage.blobs.look(digest).await?.thing.is_some() {
                let what = format!("its repository lacks the link to {digest}; it is added");
                let cure = Cure::Link(repository.clone(), digest.clone());
                one("missing-link", what, cure)
            } else {
                let what = format!("it needs {digest}, which is not in the store: push that again");
                one("missing-blob", what, Cure::None)
            });
        }
        Ok(flaws)
    }

    async fn of_tag(&self, link: &Link, repository: &RepositoryName, tag: &Tag) -> Flaws {
        let survey = &self.storage.survey;
        let Some(Says(says)) = survey.read(link).await? else {
            return Ok(none());
        };
        if let Some(digest) = says {
            if !self.is_held(repository, &digest).await? {
                let what = format!(
                    "it points at {digest}, which is not there: push that again, or delete the tag"
                );
                return Ok(one("dangling-tag", what, Cure::None));
            }
            let past = Link::Past(repository.clone(), tag.clone(), digest.clone());
            return Ok(if survey.read(&past).await?.is_some() {
                none()
            } else {
                let what = "its history lacks what it points at; it is added";
                one("missing-history", what, Cure::Say(past, digest))
            });
        }
        let history = survey.history(repository, tag).await?;
        if let [only] = &history[..]
            && self.is_held(repository, only).await?
        {
            let what = format!(
                "it does not say where it points; it never pointed anywhere but at {only}, and does again"
            );
            let cure = Cure::Point(repository.clone(), tag.clone(), only.clone());
            return Ok(one("broken-tag", what, cure));
        }
        let what =
            "it does not say where it points, and that is not certain: push it again, or delete it";
        Ok(one("broken-tag", what, Cure::None))
    }

    async fn of_past(
        &self,
        link: &Link,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Flaws {
        let survey = &self.storage.survey;
        let Some(Says(says)) = survey.read(link).await? else {
            return Ok(none());
        };
        let current = Link::Tag(repository.clone(), tag.clone());
        if survey.read(&current).await?.is_some() {
            return Ok(says_another(link, says.as_ref(), digest));
        }
        // What a tag says is durable before it is acknowledged: one that says nothing was deleted, or never was.
        // All of it goes at once, and is told of once.
        let is_first = survey.history(repository, tag).await?.first() == Some(digest);
        Ok(if is_first {
            let what = "the history of a tag that was deleted; it is removed";
            let cure = Cure::Untag(repository.clone(), tag.clone());
            one("stale-history", what, cure)
        } else {
            none()
        })
    }

    async fn of_referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        digest: &Digest,
    ) -> Flaws {
        let is_stale = if self.is_held(repository, digest).await? {
            let bytes = self.storage.manifests.claim(repository, digest).await?;
            let bytes = bytes.filter(|it| Hasher::digest_of(digest.algorithm(), it) == *digest);
            let manifest = bytes.and_then(|bytes| Manifest::parse(None, &bytes).ok());
            // What can't be read may be one.
            manifest.is_some_and(|it| it.subject.is_none_or(|it| it.digest != *subject))
        } else {
            // A removal takes the entry away before the manifest: then all is well.
            let listed = self.storage.referrers.list(repository, subject).await?;
            listed.contains(digest)
        };
        Ok(if is_stale {
            let what =
                "it lists a referrer that is not there, or of another subject; it is removed";
            let cure = Cure::Unrefer(repository.clone(), subject.clone(), digest.clone());
            one("stale-referrer", what, cure)
        } else {
            none()
        })
    }

    /// Whether the repository has the manifest, in whatever state.
    async fn is_held(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let revision = Link::Revision(repository.clone(), digest.clone());
        Ok(self.storage.survey.read(&revision).await?.is_some())
    }
}

/// A link that says something else than its path.
fn says_another(link: &Link, says: Option<&Digest>, digest: &Digest) -> Vec<Flaw> {
    if says == Some(digest) {
        return none();
    }
    let what = match says {
        None => "the link is empty or torn; it says again what its path does".to_owned(),
        Some(other) => format!("the link says {other}; it says again what its path does"),
    };
    let cure = Cure::Say(link.clone(), digest.clone());
    one("broken-link", what, cure)
}

/// Whether the record can't be that of these bytes.
fn is_wrong(info: &ManifestInfo, size: u64, bytes: &[u8]) -> bool {
    info.size != size
        || info
            .media_type
            .as_ref()
            .is_some_and(|it| Manifest::parse(Some(it), bytes).is_err())
}
