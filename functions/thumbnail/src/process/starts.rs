//! Notes of renders that have begun: a photo that kills the function leaves them standing.
//!
//! The queue counts how often it has delivered a message. That alone decides nothing, for an outage raises the count too. So
//! from the second delivery on the record notes when a render begins. When a render ends, in success or in failure, all notes
//! go: the photo does not kill the function. A note that stands for longer than an invocation can run is a killed render (out
//! of memory, out of time, or crashed). The first delivery, which is the only one of nearly every photo, writes nothing.

use std::time::Duration;

use photo_aws::{AwsError, Tracked, error_chain};
use photo_domain::{FailureCode, OriginalKey, upkeep};
use time::OffsetDateTime;

use super::Pipeline;
use crate::error::Permanent;

/// The longest that one try to remove the notes may take. The tries come out of the time for the variants' writes, and the SDK
/// alone would try for 40 s.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the second try to remove the notes waits.
const PAUSE: Duration = Duration::from_secs(1);

/// Returns the failure of a photo with too many killed renders. The cause (memory or time) is unknown.
pub(super) fn killed(tracked: &Tracked) -> Option<Permanent> {
    let killed = upkeep::killed_renders(&tracked.render_starts, OffsetDateTime::now_utc());
    (killed >= upkeep::MAX_KILLED_RENDERS).then(|| Permanent {
        code: FailureCode::ProcessingTimeout,
        reason: format!("{killed} renders began and were killed: out of memory, out of time, or crashed"),
    })
}

impl Pipeline {
    /// Notes that a render begins, unless this is its message's first delivery. Returns whether a note was written.
    pub(super) async fn note_start(&self, key: &OriginalKey, receive_count: u32) -> Result<bool, AwsError> {
        if receive_count < 2 {
            return Ok(false);
        }
        let noted = self.store.note_start(key, OffsetDateTime::now_utc().truncate_to_millisecond()).await;
        if noted.is_err() {
            // The answer may be lost, and not the write: without a removal this note would count as a killed render.
            self.clear_starts(key).await;
        }
        noted
    }

    /// Removes all notes. A note that stays without a killed render would count as one, so a failed removal is tried once more;
    /// the write that settles the record removes the notes too.
    pub(super) async fn clear_starts(&self, key: &OriginalKey) {
        if self.try_to_clear_starts(key).await.is_ok() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = self.try_to_clear_starts(key).await {
            tracing::warn!(
                operation = error.operation,
                error = error_chain(&error),
                "render note not removed"
            );
        }
    }

    async fn try_to_clear_starts(&self, key: &OriginalKey) -> Result<(), AwsError> {
        let removal = tokio::time::timeout(REMOVAL_TIMEOUT, self.store.clear_starts(key)).await;
        removal.unwrap_or_else(|elapsed| {
            Err(AwsError { operation: "dynamodb:UpdateItem", source: elapsed.into() })
        })
    }
}
