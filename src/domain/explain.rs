//! Explaining: what keeps a digest, or kept it until it was deleted. Reads only.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::error::RegistryError;
use crate::domain::model::{
    Digest, Look, Manifest, ManifestContent, Mark, Page, RepositoryName, Tag, Thing, Timestamp,
};
use crate::ports::{Deletion, StoragePorts, StoreError};

/// How many manifests are read at a time.
const AT_A_TIME: usize = 16;

/// What is known of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The digest.
    pub digest: Digest,
    /// Its content.
    pub content: State,
    /// The repositories that know it, or knew it.
    pub places: Vec<Place>,
    /// What could not be read. With any, what is not listed may be there.
    pub doubts: Vec<String>,
}

/// A thing as it stands, and the mark beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What was seen of it.
    pub look: Look,
    /// When the mark was written, by the store's clock.
    pub marked_at: Option<Timestamp>,
}

/// What one repository knows of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The repository.
    pub repository: RepositoryName,
    /// Its link to a blob.
    pub link: State,
    /// Its manifest of that digest.
    pub revision: State,
    /// That manifest first, and then the manifests that need it, those that
    /// need them, and so on.
    pub holders: Vec<Holder>,
    /// The manifests whose subject it is.
    pub referrers: Vec<Digest>,
    /// The deletions of it, and of what needed it; the oldest first.
    pub deletions: Vec<Deletion>,
}

/// A manifest that needs the digest, or is it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The manifest.
    pub manifest: Digest,
    /// Which holders it needs, or the digest itself.
    pub needs: Vec<Digest>,
    /// The tags that point at it.
    pub tags: Vec<Tag>,
    /// Its subject, and whether that stands.
    pub subject: Option<(Digest, bool)>,
    /// Whether its push is not done, or was given up.
    pub pending: bool,
}

impl Explanation {
    /// Whether anything at all is known of it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.content.look.thing.is_some() || !self.places.is_empty()
    }

    /// Whether a manifest keeps it in a repository, or it is one; else it is
    /// only its age that does, or nothing.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        let held = |place: &Place| place.holders.iter().any(|it| !it.pending);
        let stands = |place: &Place| place.revision.look.thing.is_some();
        self.places.iter().any(|place| held(place) || stands(place))
    }
}

impl Place {
    /// Whether only records and referrers are left of it.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.link.look.thing.is_none() && self.holders.is_empty()
    }
}

/// Finds out what is known of digests.
pub struct Explain {
    storage: StoragePorts,
}

/// A manifest that may matter.
struct Read {
    manifest: Digest,
    needs: Vec<Digest>,
    subject: Option<Digest>,
}

impl Explain {
    /// For what is in `storage`.
    #[must_use]
    pub fn new(storage: &StoragePorts) -> Self {
        Self {
            storage: storage.clone(),
        }
    }

    /// Everything that keeps `digest`, or kept it until it was deleted. Reads
    /// the manifests of the repositories in which it is.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`], where not even the repositories are known.
    pub async fn why(&self, digest: &Digest) -> Result<Explanation, RegistryError> {
        let mut everything = self.storage.repositories.everything().await?;
        everything
            .repositories
            .sort_unstable_by_key(ToString::to_string);
        let mut explanation = Explanation {
            digest: digest.clone(),
            content: self.state(&Thing::Data(digest.clone())).await?,
            places: Vec::new(),
            doubts: Vec::new(),
        };
        let doubts = &mut explanation.doubts;
        for path in everything.strange {
            doubts.push(format!(
                "{path}: it is no repository's name, and may hold links"
            ));
        }
        for repository in everything.repositories {
            match self.place(&repository, digest, doubts).await {
                Ok(place) => explanation.places.extend(place),
                Err(error) => doubts.push(format!("{repository}: it could not be read: {error}")),
            }
        }
        Ok(explanation)
    }

    async fn state(&self, thing: &Thing) -> Result<State, StoreError> {
        let StoragePorts {
            blobs,
            links,
            manifests,
            marks,
            ..
        } = &self.storage;
        let look = match thing {
            Thing::Data(digest) => blobs.look(digest).await?,
            Thing::Link(repository, digest) => links.look(repository, digest).await?,
            Thing::Revision(repository, digest) => manifests.look(repository, digest).await?,
        };
        let marked_at = match &look.mark {
            Mark::Condemned(id) => marks.since(thing, id).await?,
            Mark::None | Mark::Dying => None,
        };
        Ok(State { look, marked_at })
    }

    async fn place(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        doubts: &mut Vec<String>,
    ) -> Result<Option<Place>, StoreError> {
        let StoragePorts {
            manifests,
            referrers,
            ..
        } = &self.storage;
        let mut place = Place {
            repository: repository.clone(),
            link: self
                .state(&Thing::Link(repository.clone(), digest.clone()))
                .await?,
            revision: self
                .state(&Thing::Revision(repository.clone(), digest.clone()))
                .await?,
            holders: Vec::new(),
            referrers: referrers.list(repository, digest).await?,
            deletions: Vec::new(),
        };
        let all = manifests.list(repository, &Page::all()).await?.items;
        let is_here = all.contains(digest);
        if is_here || place.link.look.thing.is_some() {
            self.holders(&mut place, all, digest, doubts).await?;
        }
        let subjects = place
            .holders
            .iter()
            .filter_map(|it| Some(&it.subject.as_ref()?.0));
        let holders = place.holders.iter().map(|it| &it.manifest);
        let concerned = holders.chain(subjects).chain([digest]).cloned().collect();
        place.deletions = self.deletions(repository, concerned).await?;
        let known = is_here
            || place.link.look.thing.is_some()
            || !place.referrers.is_empty()
            || !place.deletions.is_empty();
        Ok(known.then_some(place))
    }

    /// The deletions of `concerned`, and of everything that needed them.
    async fn deletions(
        &self,
        repository: &RepositoryName,
        mut concerned: HashSet<Digest>,
    ) -> Result<Vec<Deletion>, StoreError> {
        let ever = Timestamp::from_millis(i64::MAX);
        let records = self.storage.deletions.list(repository, ever).await?;
        let mut rest: Vec<Deletion> = records.into_iter().filter_map(|it| it.deletion).collect();
        let mut found = Vec::new();
        loop {
            let is_about = |it: &Deletion| {
                let mut named = it.references.iter().chain([&it.digest]);
                named.any(|it| concerned.contains(it))
            };
            let (about, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_about);
            if about.is_empty() {
                break;
            }
            for deletion in &about {
                concerned.insert(deletion.digest.clone());
                concerned.extend(deletion.subject.clone());
            }
            found.extend(about);
            rest = others;
        }
        found.sort_by_key(|deletion| deletion.at);
        Ok(found)
    }

    /// What needs the digest in the repository, whose manifests are `all`.
    async fn holders(
        &self,
        place: &mut Place,
        all: Vec<Digest>,
        digest: &Digest,
        doubts: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let repository = place.repository.clone();
        let standing: HashSet<Digest> = all.iter().cloned().collect();
        let reads = all.into_iter().map(|it| self.read(&repository, it, digest));
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(AT_A_TIME);
        let mut rest = Vec::new();
        while let Some(read) = reads.try_next().await? {
            match read {
                Ok(read) => rest.extend(read),
                Err(doubt) => doubts.push(format!("{repository}: {doubt}")),
            }
        }
        drop(reads);
        let tags = self.tags(&repository).await?;

        let mut held = HashSet::from([digest.clone()]);
        let (mut next, mut rest): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|it: &Read| it.manifest == *digest);
        loop {
            for Read {
                manifest,
                mut needs,
                subject,
            } in next
            {
                needs.retain(|need| held.contains(need));
                let stat = self.storage.manifests.stat(&repository, &manifest).await?;
                place.holders.push(Holder {
                    needs,
                    tags: tags.get(&manifest).cloned().unwrap_or_default(),
                    subject: subject.map(|it| (it.clone(), standing.contains(&it))),
                    pending: stat.is_none(),
                    manifest,
                });
            }
            held.extend(place.holders.iter().map(|it| it.manifest.clone()));
            let is_next = |it: &Read| it.needs.iter().any(|need| held.contains(need));
            (next, rest) = rest.into_iter().partition(is_next);
            if next.is_empty() {
                return Ok(());
            }
        }
    }

    /// The manifest, if it is the digest, names it, or names manifests; or why
    /// that is not known.
    async fn read(
        &self,
        repository: &RepositoryName,
        manifest: Digest,
        digest: &Digest,
    ) -> Result<Result<Option<Read>, String>, StoreError> {
        let Some(bytes) = self.storage.manifests.claim(repository, &manifest).await? else {
            let look = self.storage.manifests.look(repository, &manifest).await?;
            return Ok(match look.thing {
                Some(_) => Err(format!("the manifest {manifest} has lost its content")),
                None => Ok(None),
            });
        };
        let parsed = match Manifest::parse(None, &bytes) {
            Ok(parsed) => parsed,
            Err(error) => {
                return Ok(Err(format!(
                    "the manifest {manifest} can't be understood: {error}"
                )));
            }
        };
        let is_index = matches!(parsed.content, ManifestContent::Index { .. });
        let needs: Vec<Digest> = parsed.needs().iter().map(|it| it.digest.clone()).collect();
        // Images need no manifests: of these, few are kept in memory.
        let matters = manifest == *digest || is_index || needs.contains(digest);
        Ok(Ok(matters.then(|| Read {
            manifest,
            needs,
            subject: parsed.subject.map(|subject| subject.digest),
        })))
    }

    async fn tags(
        &self,
        repository: &RepositoryName,
    ) -> Result<HashMap<Digest, Vec<Tag>>, StoreError> {
        let mut tags: HashMap<Digest, Vec<Tag>> = HashMap::new();
        let all = self.storage.tags.list(repository, &Page::all()).await?;
        for tag in all.items {
            if let Some(digest) = self.storage.tags.get(repository, &tag).await? {
                tags.entry(digest).or_default().push(tag);
            }
        }
        Ok(tags)
    }
}
