//! The distribution API over real HTTP, over memory.

mod access;
mod blobs;
mod catalog;
mod errors;
mod every_request;
mod files;
mod health;
pub mod identities;
mod immutable_tags;
mod limits;
mod manifests;
mod mirror;
mod permissions;
mod pulls;
mod referrers;
mod shutdown;
mod tags;
mod tls;
mod tokens;
mod transport;
mod uploads;
mod version;
