//! When a record is looked after: every time that the reconcile function goes by is here.
//!
//! A record that something is still to be done for carries a time at which it is due. It is set by the very write
//! that leaves something to be done, so nothing is forgotten however a process ends.

use std::time::Duration;

use crate::PhotoId;

/// After this long without bytes an upload has expired; with bytes, their event was lost. An upload's signature
/// lives five minutes at most, and Lambda's own two retries of an event take three.
pub const UPLOAD_WINDOW: Duration = Duration::from_mins(15);

/// How long a deleted photo is left alone before it is removed: longer than the thumbnail function's timeout (60 s),
/// so that whoever read the record before it was marked has ended and writes no variant behind the removal's back.
pub const DELETE_QUIET: Duration = Duration::from_mins(2);

/// How long whoever settled a record has to announce it, before the reconcile function does.
pub const ANNOUNCE_GRACE: Duration = Duration::from_mins(2);

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
    fn photos_spread_over_every_shard() {
        let mut seen = [false; SHARDS as usize];
        for _ in 0..2_000 {
            seen[usize::from(shard(PhotoId::generate()))] = true;
        }
        assert!(seen.iter().all(|seen| *seen), "{seen:?}");
    }
}
