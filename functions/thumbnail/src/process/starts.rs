//! Notes of renders that have begun: a photo that kills the function leaves them standing.
//!
//! The queue counts how often it has delivered a message. That alone decides nothing, for an outage raises the count too. So
//! from the second delivery on the record notes when a render begins, and the note goes when the render has ended, in success
//! or in failure. A note that stands for longer than an invocation can run is a killed render (out of memory, out of time, or
//! crashed). The first delivery, which is the only one of nearly every photo, writes nothing.

use std::time::Duration;

use photo_aws::{AwsError, Tracked, error_chain};
use photo_domain::{FailureCode, OriginalKey, upkeep};
use time::OffsetDateTime;

use super::Pipeline;
use crate::error::Permanent;

/// How long the second try at taking a note back waits.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a photo that has killed too many renders is not rendered again. No invocation has ended with it: to the client that is a
/// photo that cannot be processed within an invocation, whatever it ran out of.
pub(super) fn killed(tracked: &Tracked) -> Option<Permanent> {
    let killed = upkeep::killed_renders(&tracked.render_starts, OffsetDateTime::now_utc());
    (killed >= upkeep::MAX_KILLED_RENDERS).then(|| Permanent {
        code: FailureCode::ProcessingTimeout,
        reason: format!("{killed} renders began and were killed: out of memory, out of time, or crashed"),
    })
}

impl Pipeline {
    /// Notes that a render begins, unless this is its message's first delivery.
    pub(super) async fn note_start(
        &self,
        key: &OriginalKey,
        receive_count: u32,
    ) -> Result<Option<OffsetDateTime>, AwsError> {
        if receive_count < 2 {
            return Ok(None);
        }
        let start = OffsetDateTime::now_utc().truncate_to_millisecond();
        match self.store.note_start(key, start).await {
            // Deleted meanwhile: the end of the render finds that out.
            Ok(is_noted) => Ok(is_noted.then_some(start)),
            Err(error) => {
                // The answer may be lost, and not the write.
                self.clear_start(key, start).await;
                Err(error)
            }
        }
    }

    /// Takes the note back. A note that stays without a killed render would count as one, so a failure is tried once more; the
    /// write that settles the record takes all notes with it, too.
    pub(super) async fn clear_start(&self, key: &OriginalKey, start: OffsetDateTime) {
        if self.store.clear_start(key, start).await.is_ok() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = self.store.clear_start(key, start).await {
            tracing::warn!(
                operation = error.operation,
                error = error_chain(&error),
                "the note of a render that has ended stands"
            );
        }
    }
}
