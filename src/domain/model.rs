//! The nouns: values that cannot be invalid, without I/O, clock or HTTP.

mod action;
mod caller;
mod content;
mod credentials;
mod descriptor;
mod digest;
mod hasher;
mod manifest;
mod mark;
mod media_type;
mod name;
mod page;
mod reference;
mod scope;
mod secret;
mod tag_pattern;
mod timestamp;
mod upload;

pub use action::{AccessRequest, Action, InvalidAction};
pub use caller::{Caller, ClientCertificate, Identity};
pub use content::{Body, ByteStream};
pub use credentials::{ClientKey, Credentials};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, InvalidDigest};
pub use hasher::Hasher;
pub use manifest::{InvalidManifest, Manifest, ManifestContent, Need, Requirement};
pub use mark::{Found, Look, Mark, Sight, Thing};
pub use media_type::MediaType;
pub use name::{InvalidName, RepositoryName};
pub use page::{Listing, Page};
pub use reference::{InvalidReference, Reference, Tag};
pub use scope::{Rights, Scope};
pub use secret::Secret;
pub use tag_pattern::{InvalidTagPattern, TagPattern};
pub use timestamp::Timestamp;
pub use upload::{InvalidUploadId, Piece, UploadId, UploadSession};
