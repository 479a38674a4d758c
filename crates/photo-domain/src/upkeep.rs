//! When a record is looked after: every time that the reconcile function goes by is here.
//!
//! A record that something is still to be done for carries a time at which it is due. It is set by the very write
//! that leaves something to be done, so nothing is forgotten however a process ends.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{PhotoId, UploadMethod};

/// After this long without bytes an upload has expired; with bytes, their event was lost. An upload's signature
/// lives five minutes at most, and Lambda's own two retries of an event take three.
pub const UPLOAD_WINDOW: Duration = Duration::from_mins(15);

/// How long a client may take for an upload in parts. The lifecycle rule of the originals bucket ends unfinished ones
/// after one day, which S3 counts in whole days from the next midnight (UTC) on: never earlier.
pub const MULTIPART_WINDOW: Duration = Duration::from_hours(24);

/// How often an upload in parts whose bytes have not come is looked at: its event may have been lost, and a day
/// would be a long time to wait for thumbnails.
pub const MULTIPART_LOOK: Duration = Duration::from_hours(1);

/// When requests of an upload are signed no more.
#[must_use]
pub fn signing_ends_at(method: UploadMethod, created_at: OffsetDateTime) -> OffsetDateTime {
    match method {
        UploadMethod::Put | UploadMethod::Post => created_at + UPLOAD_WINDOW,
        UploadMethod::Multipart(_) => created_at + MULTIPART_WINDOW,
    }
}

/// When an upload without bytes has expired: the last signature of it can no longer be used, and a request that had
/// begun by then has ended.
#[must_use]
pub fn upload_ends_at(method: UploadMethod, created_at: OffsetDateTime) -> OffsetDateTime {
    match method {
        UploadMethod::Put | UploadMethod::Post => signing_ends_at(method, created_at),
        UploadMethod::Multipart(_) => signing_ends_at(method, created_at) + UPLOAD_WINDOW,
    }
}

/// How long a deleted photo is left alone before it is removed: longer than the thumbnail function's timeout (60 s),
/// so that whoever read the record before it was marked has ended and writes no variant behind the removal's back.
pub const DELETE_QUIET: Duration = Duration::from_mins(2);

/// How long whoever settled a record has to announce it, before the reconcile function does.
pub const ANNOUNCE_GRACE: Duration = Duration::from_mins(2);

/// How long the original of a failed photo is kept while a backfill renews the photo: longer than Lambda keeps the event
/// (`MaximumEventAgeInSeconds`, 6 h) and the function runs. After that the original is tagged by the record again.
pub const RENEWAL_WINDOW: Duration = Duration::from_hours(12);

/// How often a photo whose bytes are there is processed again, each time with Lambda's own retries, before it
/// fails with [`FailureCode::RetriesExhausted`](crate::FailureCode::RetriesExhausted).
pub const MAX_ATTEMPTS: u32 = 5;

/// A record whose bytes are there is not abandoned: each retry moves its TTL this far away.
pub const ARRIVED_RETENTION: Duration = Duration::from_hours(365 * 24);

/// How long after its `attempt`th retry a photo is looked at again: 15 min, 1 h, 4 h, then 12 h.
#[must_use]
pub const fn backoff(attempt: u32) -> Duration {
    match attempt {
        0 | 1 => Duration::from_mins(15),
        2 => Duration::from_hours(1),
        3 => Duration::from_hours(4),
        _ => Duration::from_hours(12),
    }
}

/// How many partitions the index of due records has. DynamoDB takes 1,000 writes a second on each, and a write that
/// the index cannot take holds up the record's own.
pub const SHARDS: u8 = 16;

/// The partition of a photo in the index of due records: its id's last hex digit, which is random.
#[must_use]
pub fn shard(photo_id: PhotoId) -> u8 {
    photo_id.last_byte() % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_that_never_works_is_given_up_after_about_a_day() {
        let waits: Duration = (1..=MAX_ATTEMPTS).map(backoff).sum();
        assert!((Duration::from_hours(24)..Duration::from_hours(36)).contains(&waits), "{waits:?}");
        assert!((1..MAX_ATTEMPTS).all(|attempt| backoff(attempt) <= backoff(attempt + 1)));
    }

    #[test]
    fn an_upload_in_parts_may_take_a_day_and_any_other_a_quarter_of_an_hour() {
        let start = OffsetDateTime::UNIX_EPOCH;
        for method in [UploadMethod::Put, UploadMethod::Post] {
            assert_eq!(upload_ends_at(method, start) - start, Duration::from_mins(15));
        }
        let parts = UploadMethod::multipart(1 << 30);
        assert_eq!(signing_ends_at(parts, start) - start, Duration::from_hours(24));
        assert_eq!(upload_ends_at(parts, start) - start, Duration::from_mins(24 * 60 + 15));
        assert!(MULTIPART_LOOK < MULTIPART_WINDOW);
    }

    #[test]
    fn photos_spread_over_every_shard() {
        let mut seen = [false; SHARDS as usize];
        for _ in 0..2_000 {
            seen[usize::from(shard(PhotoId::generate()))] = true;
        }
        assert!(seen.iter().all(|seen| *seen), "{seen:?}");
    }
}
