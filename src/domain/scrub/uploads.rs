//! Uploads that nobody goes on with, and files of writes that never ended.

use std::sync::Arc;
use std::time::Duration;

use super::{Audience, Fate, Finding};
use crate::domain::error::RegistryError;
use crate::domain::uploads::Uploads;
use crate::ports::{Clock, LockManager, StoragePorts};

/// Removes the sessions that were idle for longer than `max_age`, with or
/// without a record, and temporary files of that age; or only tells of them.
///
/// # Errors
///
/// [`RegistryError::Unavailable`].
pub async fn uploads(
    storage: &StoragePorts,
    locks: &Arc<dyn LockManager>,
    clock: &Arc<dyn Clock>,
    (max_age, only_look): (Duration, bool),
    audience: &mut dyn Audience,
) -> Result<(), RegistryError> {
    let uploads = Uploads::new(storage, locks, clock);
    let expired = uploads.expire_those(max_age, |idle| {
        audience.seen(1);
        if !audience.goes_on() {
            return false;
        }
        audience.found(Finding {
            kind: "idle-upload",
            place: format!("{} {}", idle.repository, idle.id),
            what: "nobody goes on with this upload; it is removed".to_owned(),
            fate: Fate::Mended,
        });
        !only_look
    });
    expired.await?;
    if !audience.goes_on() {
        return Ok(());
    }
    let stray = uploads.sweep(max_age, !only_look).await?;
    if stray > 0 {
        audience.found(Finding {
            kind: "stray-files",
            place: "temporary files and unfinished transfers".to_owned(),
            what: format!("{stray} are of writes that never ended; they are removed"),
            fate: Fate::Mended,
        });
    }
    Ok(())
}
