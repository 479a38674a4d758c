//! What a run did: its answer, and the one log line that metrics are made of.

use photo_aws::metrics::{self, Document};
use serde::Serialize;

/// Counts by kind. In a dry run they are what would have been done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Due records that were looked at.
    pub due: u64,
    /// Uploads that never came.
    pub expired: u64,
    /// Photos whose bytes were there and that are processed again.
    pub retried: u64,
    /// Photos whose bytes were there, and for which no attempt was counted, because messages wait in the thumbnail queue.
    pub postponed: u64,
    /// Photos that failed after their last attempt.
    pub gave_up: u64,
    /// Announcements that had not been sent.
    pub announced: u64,
    /// Deleted photos of which everything is removed.
    pub deleted: u64,
    /// Originals that were listed.
    pub originals_listed: u64,
    /// Originals whose record had nobody to look after it, and has again.
    pub hastened: u64,
    /// Originals without a record, seen so for the first time: their retention begins.
    pub originals_noted: u64,
    /// Originals that have been without a record for their retention, marked to expire.
    pub originals_orphaned: u64,
    /// Variants that were listed.
    pub variants_listed: u64,
    /// Variants that no record names, removed.
    pub variants_removed: u64,
    /// Buckets in which so much looked like an orphan that nothing was touched.
    pub refused: u64,
    /// Owners of whose objects so many had no record that they were left alone, once for each bucket.
    pub owners_skipped: u64,
    /// Steps that failed; each is logged, and is due again.
    pub errors: u64,
    /// Whether the run saw all that was due, and not only what it had time and numbers for.
    pub complete: bool,
    /// How long it took.
    pub duration_ms: u64,
}

impl Summary {
    /// Photos that arrived and were still pending beyond the grace.
    #[must_use]
    pub fn stuck(&self) -> u64 {
        self.retried + self.postponed + self.gave_up
    }

    /// The run's metrics. A dry run changes nothing and is not counted as a run. A run in which
    /// something failed may not have seen the photos that are stuck: it says nothing of them, so that no alarm is over.
    pub fn metrics(&self) -> Document {
        let failed = self.errors + self.refused > 0;
        let skipped = self.owners_skipped > 0;
        let document = Document::new()
            .value(metrics::RECONCILE_RUNS, f64::from(u8::from(!self.dry_run)))
            .value(metrics::RECONCILE_RUNS_FAILED, f64::from(u8::from(failed || skipped)));
        if failed && self.stuck() == 0 {
            return document;
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let stuck = self.stuck() as f64;
        document.value(metrics::STUCK_PENDING, stuck)
    }

    /// Writes the one line.
    pub fn log(&self) {
        tracing::info!(
            dry_run = self.dry_run,
            due = self.due,
            expired = self.expired,
            retried = self.retried,
            postponed = self.postponed,
            gave_up = self.gave_up,
            announced = self.announced,
            deleted = self.deleted,
            originals_listed = self.originals_listed,
            hastened = self.hastened,
            originals_noted = self.originals_noted,
            originals_orphaned = self.originals_orphaned,
            variants_listed = self.variants_listed,
            variants_removed = self.variants_removed,
            refused = self.refused,
            owners_skipped = self.owners_skipped,
            errors = self.errors,
            complete = self.complete,
            duration_ms = self.duration_ms,
            "reconciled"
        );
    }
}
