//! The collector's marks beside things.

use async_trait::async_trait;

use crate::domain::model::{Thing, Timestamp};
use crate::ports::StoreError;

/// The primitives out of which the collector's protocol is made
/// (storage.md section 4). `doom` and `pardon` are called under the thing's lock.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Marks: Send + Sync {
    /// Marks the thing under a new random id, or adopts the mark that is there:
    /// returns the id that stands. `None` where the thing has no place any
    /// more; a mark never makes one.
    async fn condemn(&self, thing: &Thing) -> Result<Option<String>, StoreError>;

    /// When the mark `id` was written, by the store's clock; `None` where it does
    /// not stand.
    async fn since(&self, thing: &Thing, id: &str) -> Result<Option<Timestamp>, StoreError>;

    /// Declares the thing dying if it still stands condemned under `id`, and
    /// is not dying already; false, and no change, if not.
    async fn doom(&self, thing: &Thing, id: &str) -> Result<bool, StoreError>;

    /// Takes all marks away, `_dying` last. Succeeds where there are none.
    async fn pardon(&self, thing: &Thing) -> Result<(), StoreError>;

    /// What time it is by the store's clock, which tells the age of things.
    async fn now(&self) -> Result<Timestamp, StoreError>;
}
