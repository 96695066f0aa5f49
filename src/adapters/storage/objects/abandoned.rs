//! Multipart uploads that nobody ends: what a killed process leaves of them no listing of objects shows.

use std::time::Duration;

use super::{Objects, S3, layout, unavailable};
use crate::adapters::storage::s3::Unfinished;
use crate::domain::model::Timestamp;
use crate::ports::StoreError;

/// How long nobody takes to put a blob together.
const DAY: Duration = Duration::from_hours(24);

impl Objects {
    /// Removes what was begun before `before` and never ended, or counts it; how many.
    pub(super) async fn sweep_unfinished(
        &self,
        s3: &S3,
        before: Timestamp,
        remove: bool,
    ) -> Result<usize, StoreError> {
        let failed = |source| unavailable("unfinished multipart uploads", source);
        let unfinished = s3.client.unfinished().await.map_err(failed)?;
        let Some(unfinished) = unfinished else {
            s3.unlisted.call_once(|| {
                tracing::info!(
                    "the service does not list unfinished multipart uploads, or not to this access key: \
                     a lifecycle rule has to remove those that a killed server leaves (docs/s3.md)"
                );
            });
            return Ok(0);
        };
        let mut removed = 0;
        for upload in &unfinished {
            if self.is_abandoned(upload, before).await? {
                if remove {
                    s3.client.give_up(upload).await.map_err(failed)?;
                }
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// A session that is there may be alive, however long its request takes;
    /// when it is idle, it is removed first. That it is gone, the store has to
    /// have said (lessons.md, 19).
    async fn is_abandoned(
        &self,
        upload: &Unfinished,
        before: Timestamp,
    ) -> Result<bool, StoreError> {
        let begun_before = |time| upload.since.is_some_and(|since| since < time);
        if let Some(session) = session_of(&upload.path) {
            return Ok(begun_before(before) && !self.any_below(session).await?);
        }
        let is_blob = upload.path.starts_with(layout::BLOBS);
        Ok(is_blob && begun_before(before.before(DAY)))
    }
}

/// The directory of the session that a piece belongs to.
fn session_of(path: &str) -> Option<&str> {
    let (session, _) = path.rsplit_once("/_pieces/")?;
    let (uploads, _) = session.rsplit_once('/')?;
    let uploads = uploads.strip_suffix(layout::UPLOADS)?;
    uploads.starts_with(layout::REPOSITORIES).then_some(session)
}
