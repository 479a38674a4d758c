//! Other variants for a photo that has ended: what a backfill asks for.
//!
//! The photo stays as it is until its record names the new variants, which is one conditional write: they have keys of
//! their own ([`Edition`]). So whatever fails here takes nothing away, and objects that no record came to name are
//! orphans, which the reconcile function removes.

use std::time::Instant;

use photo_aws::metrics::{self, Document};
use photo_aws::{AwsError, Settled, Tracked};
use photo_domain::event::Unsent;
use photo_domain::record::{Outcome, PhotoRecord, State, Status};
use photo_domain::{Announcement, Edition};
use time::OffsetDateTime;

use super::{Pipeline, orphaned, stale, starts, transient};
use crate::error::{Failure, Permanent};
use crate::event::OriginalCreated;

impl Pipeline {
    /// Makes the variants of a photo that has ended as `outcome` says once more, by today's settings.
    pub(super) async fn renew(
        &self,
        created: &OriginalCreated,
        tracked: &Tracked,
        outcome: &Outcome,
        receive_count: u32,
        deadline: Instant,
    ) -> Result<(), AwsError> {
        let (key, record) = (&created.key, &tracked.record);
        let was = outcome.status();
        if matches!(outcome, Outcome::Ready(old) if old.recipe.as_ref() == Some(&self.config.recipe)) {
            tracing::info!("its variants are by today's settings: nothing to renew");
            return Ok(());
        }
        if let Some(killed) = starts::killed(tracked) {
            // The next backfill, perhaps by a version that can read the photo, begins anew.
            self.store.clear_starts(key).await.map_err(transient)?;
            not_renewed(killed, was);
            return Ok(());
        }
        let edition = Some(Edition::generate());
        let (mut processed, measured) =
            match self.make(created, record, edition, receive_count, deadline).await {
                Ok(made) => made,
                Err(Failure::Permanent(failed)) => {
                    not_renewed(failed, was);
                    return Ok(());
                }
                Err(Failure::Stale) => {
                    stale();
                    return Ok(());
                }
                Err(Failure::Transient(error)) => return Err(transient(error)),
            };
        // Whether anybody was ever told that it is ready.
        if let Outcome::Ready(old) = outcome {
            processed.renewed = old.renewed || tracked.unsent.is_none();
        }
        let at = OffsetDateTime::now_utc().truncate_to_millisecond();
        match self.store.renew(key, &processed, was, at).await? {
            Settled::Now => {
                tracing::info!(was = was.as_str(), "photo renewed");
                measured.count(metrics::PHOTOS_RENEWED).emit();
                let state = State::Settled(Outcome::Ready(processed));
                let renewed = PhotoRecord { state, ..record.clone() };
                self.announce(key, &renewed, Unsent { what: Announcement::Ready, at }).await;
                Ok(())
            }
            Settled::Before(status) => {
                tracing::info!(status = status.as_str(), "renewed or deleted meanwhile: duplicate event");
                Ok(())
            }
            // Deleted while it was processed.
            Settled::NoRecord => {
                orphaned();
                Ok(())
            }
        }
    }
}

/// Notes that a photo stays as it is.
fn not_renewed(Permanent { code, reason }: Permanent, was: Status) {
    tracing::warn!(code = code.as_str(), reason, status = was.as_str(), "not renewed: left as it was");
    Document::new().count(metrics::RENEWALS_FAILED).emit();
}
