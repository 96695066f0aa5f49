//! Every path in the store.
//!
//! ```text
//! docker/registry/v2/                                CNCF Distribution's layout, both ways
//!   blobs/<alg>/<hex[0..2]>/<hex>/
//!     data                                           content: layers, configs, manifests
//!     _condemned, _dying                             the collector's marks           (ours)
//!   repositories/<name>/
//!     _layers/<alg>/<hex>/
//!       link                                         the repository may read the blob
//!       _condemned, _dying                                                           (ours)
//!     _manifests/revisions/<alg>/<hex>/
//!       link                                         the repository holds the manifest
//!       _meta                                        media type, size, push          (ours)
//!       _condemned, _dying                                                           (ours)
//!     _manifests/tags/<tag>/
//!       current/link                                 where the tag points
//!       index/<alg>/<hex>/link                       where it has pointed
//!     _uploads/<uuid>/
//!       data, startedat                              the bytes so far; since when
//!       _session, _pieces/<n>                        offset and hash; pieces         (ours)
//!     _referrers/<alg>/<hex>/<alg>-<hex>             a referrer, by its subject      (ours)
//!     _pulls/<alg>-<hex>                             its time is the last pull's    (ours)
//!     _deleted/<millis>-<alg>-<hex>-<random>         what was deleted                (ours)
//! _registry/
//!   format                                           which layout this is            (ours)
//!   locks                                            byte ranges locked by processes (ours)
//!   clock                                            what time it is there            (ours)
//!   owner                                            the one server of a bucket      (ours)
//!   token_keys                                       what signs tokens               (ours)
//!   tmp/<random>                                     writes that are not done yet    (ours)
//!   quarantine/<alg>-<hex>-<random>                  content that was another's      (ours)
//! ```
//!
//! What is ours, Distribution does not visit: it looks for files called `data`
//! and `link` in places it knows, and nothing of ours has these names or lies
//! directly in `_manifests/tags` (storage.md section 1, tried with 2.8 and 3.1).

use crate::domain::model::{Algorithm, Digest, RepositoryName, Tag, Thing, UploadId};

/// Below which all repositories lie.
pub(super) const REPOSITORIES: &str = "docker/registry/v2/repositories";

/// Below which all content lies.
pub(super) const BLOBS: &str = "docker/registry/v2/blobs";

/// Which directory makes a directory a repository.
pub(super) const MANIFESTS: &str = "_manifests";

/// Which directories can hold claims.
pub(super) const CLAIMS: &[&str] = &[MANIFESTS, LAYERS, DELETED];

mod roles;

pub(super) use roles::role_of;

const LAYERS: &str = "_layers";
const DELETED: &str = "_deleted";

/// Which directory holds a repository's upload sessions.
pub(super) const UPLOADS: &str = "_uploads";

/// Names which layout the store has.
pub(super) const FORMAT: &str = "_registry/format";

/// The file whose byte ranges processes lock.
pub(super) const LOCKS: &str = "_registry/locks";

/// The lease of the one server that works on a bucket.
pub(super) const OWNER: &str = "_registry/owner";

/// Written to learn what time it is by the store's clock.
pub(super) const CLOCK: &str = "_registry/clock";

/// What signs tokens.
pub(super) const TOKEN_KEYS: &str = "_registry/token_keys";

/// Where content goes that is not what its name says.
pub(super) const QUARANTINE: &str = "_registry/quarantine";

/// Where files are written before they get their name.
pub(super) const TMP: &str = "_registry/tmp";

/// The collector's marks beside a thing.
pub(super) const CONDEMNED: &str = "_condemned";
pub(super) const DYING: &str = "_dying";

/// What one request asks for is up to a dozen paths: each is put together at once.
fn path(parts: &[&str]) -> String {
    parts.join("/")
}

/// A directory of the repository's, and what is below it.
fn of(repository: &RepositoryName, dir: &str) -> String {
    path(&[REPOSITORIES, repository.as_str(), dir])
}

pub(super) fn blob_dir(digest: &Digest) -> String {
    let hex = digest.hex();
    path(&[BLOBS, digest.algorithm().as_str(), &hex[..2], hex])
}

pub(super) fn blob(digest: &Digest) -> String {
    let hex = digest.hex();
    path(&[BLOBS, digest.algorithm().as_str(), &hex[..2], hex, DATA])
}

/// What a file with content is called.
pub(super) const DATA: &str = "data";

pub(super) fn layer_link_dir(repository: &RepositoryName, digest: &Digest) -> String {
    let (repository, algorithm) = (repository.as_str(), digest.algorithm().as_str());
    path(&[REPOSITORIES, repository, LAYERS, algorithm, digest.hex()])
}

pub(super) fn layer_links(repository: &RepositoryName, algorithm: Algorithm) -> String {
    path(&[
        REPOSITORIES,
        repository.as_str(),
        LAYERS,
        algorithm.as_str(),
    ])
}

pub(super) fn blobs(algorithm: Algorithm) -> String {
    path(&[BLOBS, algorithm.as_str()])
}

pub(super) fn layer_link(repository: &RepositoryName, digest: &Digest) -> String {
    let (repository, algorithm) = (repository.as_str(), digest.algorithm().as_str());
    path(&[
        REPOSITORIES,
        repository,
        LAYERS,
        algorithm,
        digest.hex(),
        LINK,
    ])
}

pub(super) fn manifests(repository: &RepositoryName) -> String {
    of(repository, MANIFESTS)
}

/// Below a repository: its manifests, by algorithm and digest.
const REVISIONS: &str = "_manifests/revisions";

pub(super) fn revisions(repository: &RepositoryName, algorithm: Algorithm) -> String {
    path(&[
        REPOSITORIES,
        repository.as_str(),
        REVISIONS,
        algorithm.as_str(),
    ])
}

pub(super) fn revision_dir(repository: &RepositoryName, digest: &Digest) -> String {
    let (repository, algorithm) = (repository.as_str(), digest.algorithm().as_str());
    path(&[REPOSITORIES, repository, REVISIONS, algorithm, digest.hex()])
}

/// What a file is called that holds a digest.
pub(super) const LINK: &str = "link";

pub(super) fn revision_link(repository: &RepositoryName, digest: &Digest) -> String {
    of_revision(repository, digest, LINK)
}

pub(super) fn revision_meta(repository: &RepositoryName, digest: &Digest) -> String {
    of_revision(repository, digest, "_meta")
}

fn of_revision(repository: &RepositoryName, digest: &Digest, file: &str) -> String {
    let (repository, algorithm) = (repository.as_str(), digest.algorithm().as_str());
    path(&[
        REPOSITORIES,
        repository,
        REVISIONS,
        algorithm,
        digest.hex(),
        file,
    ])
}

/// Below a repository: its tags.
const TAGS: &str = "_manifests/tags";

pub(super) fn tags(repository: &RepositoryName) -> String {
    of(repository, TAGS)
}

pub(super) fn tag_dir(repository: &RepositoryName, tag: &Tag) -> String {
    path(&[REPOSITORIES, repository.as_str(), TAGS, tag.as_str()])
}

/// Below a tag's directory: where it points.
pub(super) const TAG_CURRENT: &str = "current/link";

pub(super) fn tag_current(repository: &RepositoryName, tag: &Tag) -> String {
    let (repository, tag) = (repository.as_str(), tag.as_str());
    path(&[REPOSITORIES, repository, TAGS, tag, TAG_CURRENT])
}

pub(super) fn tag_history(repository: &RepositoryName, tag: &Tag, algorithm: Algorithm) -> String {
    format!("{}/index/{algorithm}", tag_dir(repository, tag))
}

pub(super) fn tag_index(repository: &RepositoryName, tag: &Tag, digest: &Digest) -> String {
    let history = tag_history(repository, tag, digest.algorithm());
    format!("{history}/{}/{LINK}", digest.hex())
}

pub(super) fn uploads(repository: &RepositoryName) -> String {
    of(repository, UPLOADS)
}

pub(super) fn upload_dir(repository: &RepositoryName, id: &UploadId) -> String {
    path(&[REPOSITORIES, repository.as_str(), UPLOADS, id.as_str()])
}

pub(super) fn referrers(repository: &RepositoryName, subject: &Digest) -> String {
    let (algorithm, hex) = (subject.algorithm(), subject.hex());
    format!("{REPOSITORIES}/{repository}/_referrers/{algorithm}/{hex}")
}

pub(super) fn referrer(repository: &RepositoryName, subject: &Digest, digest: &Digest) -> String {
    let (algorithm, hex) = (digest.algorithm(), digest.hex());
    format!("{}/{algorithm}-{hex}", referrers(repository, subject))
}

pub(super) fn pulls(repository: &RepositoryName) -> String {
    of(repository, "_pulls")
}

pub(super) fn pull(repository: &RepositoryName, digest: &Digest) -> String {
    let (algorithm, hex) = (digest.algorithm(), digest.hex());
    format!("{}/{algorithm}-{hex}", pulls(repository))
}

pub(super) fn deletions(repository: &RepositoryName) -> String {
    of(repository, DELETED)
}

/// The directory of a thing, where its marks lie, and the thing's name in it.
pub(super) fn thing(thing: &Thing) -> (String, &'static str) {
    match thing {
        Thing::Data(digest) => (blob_dir(digest), DATA),
        Thing::Link(repository, digest) => (layer_link_dir(repository, digest), "link"),
        Thing::Revision(repository, digest) => (revision_dir(repository, digest), "link"),
    }
}

#[cfg(test)]
mod tests;
