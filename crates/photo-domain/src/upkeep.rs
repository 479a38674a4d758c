//! When a record is looked after: every time that the reconcile function goes by is here.
//!
//! A record that something is still to be done for carries a time at which it is due. It is set by the very write
//! that leaves something to be done, so nothing is forgotten however a process ends.

use std::time::Duration;

use time::OffsetDateTime;

use crate::record::{PhotoRecord, State};
use crate::{PhotoId, UploadMethod, UploadRequest};

/// After this long without bytes an upload has expired; with bytes, their event was lost, or is still in the thumbnail
/// queue. Requests of the upload are signed for as long.
pub const UPLOAD_WINDOW: Duration = Duration::from_mins(15);

/// The longest that a signature is accepted, whatever `UploadUrlExpirySeconds` says: a leaked URL is soon worthless.
pub const SIGNATURE_LIFE: Duration = Duration::from_mins(5);

/// How long a request may go on that began just before its signature expired, at least: S3 looks at a signature when a
/// request begins, and completing a multipart upload can take minutes.
pub const REQUEST_MARGIN: Duration = Duration::from_mins(10);

/// The slowest upload that a removal waits for, in bytes per second.
pub const SLOWEST_UPLOAD: u64 = 64 << 10;

/// How long a client may take for an upload in parts. The lifecycle rule of the originals bucket ends unfinished ones
/// after one day, which S3 counts in whole days from the next midnight (UTC) on: never earlier.
pub const MULTIPART_WINDOW: Duration = Duration::from_hours(24);

/// When an upload in parts whose bytes have not come is looked at for the second time: its event may have been lost, and
/// a day would be a long time to wait for thumbnails. See [`next_look`].
pub const MULTIPART_LOOK: Duration = Duration::from_hours(1);

/// When requests of an upload are signed no more.
#[must_use]
pub fn signing_ends_at(method: UploadMethod, created_at: OffsetDateTime) -> OffsetDateTime {
    match method {
        UploadMethod::Put | UploadMethod::Post => created_at + UPLOAD_WINDOW,
        UploadMethod::Multipart(_) => created_at + MULTIPART_WINDOW,
    }
}

/// Whether requests of an upload are signed: the one rule for every route that signs.
#[must_use]
pub fn is_signed(record: &PhotoRecord, now: OffsetDateTime) -> bool {
    matches!(record.state, State::Pending { .. })
        && now < signing_ends_at(record.request.method, record.created_at)
}

/// When an upload without bytes has expired. What comes by a signature that outlives it is processed all the same.
#[must_use]
pub fn upload_ends_at(method: UploadMethod, created_at: OffsetDateTime) -> OffsetDateTime {
    match method {
        UploadMethod::Put | UploadMethod::Post => signing_ends_at(method, created_at),
        UploadMethod::Multipart(_) => signing_ends_at(method, created_at) + UPLOAD_WINDOW,
    }
}

/// When an upload in parts without bytes is looked at again: each time it is four times as old, and at its end.
#[must_use]
pub fn next_look(created_at: OffsetDateTime, ends_at: OffsetDateTime, now: OffsetDateTime) -> OffsetDateTime {
    let age = (now - created_at).unsigned_abs();
    ends_at.min(now + MULTIPART_LOOK.max(3 * age))
}

/// How long a deleted photo is left alone before anything of it is removed. A delete outlives every signature: nothing is
/// signed for a deleted photo, so the last signature ends [`SIGNATURE_LIFE`] after the delete, and the last request that
/// began with it [`REQUEST_MARGIN`] later. It is also longer than any function runs: an invocation that read the record
/// before the delete has ended, and signs and writes nothing behind the removal's back.
pub const DELETE_WAIT: Duration = SIGNATURE_LIFE.saturating_add(REQUEST_MARGIN);

/// When everything of a deleted photo is removed. A large photo by one request has the time that its bytes take at
/// [`SLOWEST_UPLOAD`].
#[must_use]
pub fn removal_at(request: &UploadRequest, deleted_at: OffsetDateTime) -> OffsetDateTime {
    let transfer = match request.method {
        UploadMethod::Put | UploadMethod::Post => Duration::from_secs(request.size_bytes / SLOWEST_UPLOAD),
        // Its parts are aborted before the removal, and completing an upload moves no bytes.
        UploadMethod::Multipart(_) => Duration::ZERO,
    };
    deleted_at + DELETE_WAIT.max(SIGNATURE_LIFE + transfer)
}

/// Time in which the function that settles a record must announce it. After that the reconcile function does it.
pub const ANNOUNCE_GRACE: Duration = Duration::from_mins(2);

/// How long the original of a failed photo is kept while a backfill renews the photo: longer than the thumbnail queue keeps
/// the event (10 days) and the function runs. After that the original is tagged by the record again.
pub const RENEWAL_WINDOW: Duration = Duration::from_hours(11 * 24);

/// How often a photo whose bytes are there is put into the thumbnail queue again, before it fails with
/// [`FailureCode::RetriesExhausted`](crate::FailureCode::RetriesExhausted). The attempts and their waits ([`backoff`]) take
/// longer than the queue needs for all deliveries of the photo's own event ([`MAX_RECEIVES`]): while that event still waits
/// for a delivery, the photo is not given up. While messages wait in the queue no attempt is counted.
pub const MAX_ATTEMPTS: u32 = 11;

/// How often the thumbnail queue delivers a message before it is a dead letter: `maxReceiveCount` of the template.
pub const MAX_RECEIVES: u32 = 100;

/// How long a photo is left alone while messages wait in the thumbnail queue: its own event may be one of them.
pub const BACKLOG_WAIT: Duration = Duration::from_mins(15);

/// A photo that is older than this does not wait for the end of a backlog. On a queue that is never empty, a lost event would
/// otherwise never be replaced. Its event is sent again without counting an attempt: a duplicate does no harm.
pub const BACKLOG_PATIENCE: Duration = Duration::from_hours(24);

/// When a photo is looked at again whose event was sent behind a backlog.
pub const RESEND_WAIT: Duration = Duration::from_hours(12);

/// When a photo is looked at again while messages wait in the queue, and whether its event is sent meanwhile.
#[must_use]
pub fn during_backlog(created_at: OffsetDateTime, now: OffsetDateTime) -> (OffsetDateTime, bool) {
    let resends = now - created_at >= BACKLOG_PATIENCE;
    (now + if resends { RESEND_WAIT } else { BACKLOG_WAIT }, resends)
}

/// How many of S3's events of one form lead to a render. A form can be sent again for as long as its signature lives, and each
/// time S3 sends an event. A message is counted at its first delivery alone: an outage raises the number of its deliveries and
/// uses nothing up. A photo that these events bring to no end is still due: the reconcile function's own [`MAX_ATTEMPTS`]
/// follow, and these are not counted.
pub const MAX_FORM_RENDERS: u32 = 3;

/// How long an invocation of the thumbnail function may run, and two minutes more for the clocks of two machines. A note of a
/// render's beginning that is older is left by an invocation that was killed.
pub const RENDER_LIFE: Duration = Duration::from_mins(3);

/// A photo that has killed so many renders fails: the next render would end the same way.
pub const MAX_KILLED_RENDERS: usize = 2;

/// How many renders were killed, by the notes of their beginnings. A render that still runs is not counted: an event may be
/// delivered twice at the same time.
#[must_use]
pub fn killed_renders(starts: &[OffsetDateTime], now: OffsetDateTime) -> usize {
    starts.iter().filter(|start| **start + RENDER_LIFE < now).count()
}

/// How long a message waits in the thumbnail queue after its `receive_count`th delivery has failed for a reason that may pass:
/// 30 s, doubled up to 15 min for about two hours, and then 1 h.
#[must_use]
pub const fn redelivery_wait(receive_count: u32) -> Duration {
    match receive_count {
        0 | 1 => Duration::from_secs(30),
        2 => Duration::from_mins(1),
        3 => Duration::from_mins(2),
        4 => Duration::from_mins(4),
        5 => Duration::from_mins(8),
        6..=11 => Duration::from_mins(15),
        _ => Duration::from_hours(1),
    }
}

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
    fn a_photo_that_never_works_is_given_up_after_about_four_days() {
        let waits: Duration = (1..=MAX_ATTEMPTS).map(backoff).sum();
        assert!((Duration::from_hours(4 * 24)..Duration::from_hours(5 * 24)).contains(&waits), "{waits:?}");
        assert!((1..MAX_ATTEMPTS).all(|attempt| backoff(attempt) <= backoff(attempt + 1)));
    }

    #[test]
    fn no_photo_is_given_up_while_its_own_event_is_delivered() {
        let attempts: Duration = (1..=MAX_ATTEMPTS).map(backoff).sum();
        // Each delivery may take the function's timeout of a minute before it fails.
        let deliveries: Duration =
            (1..=MAX_RECEIVES).map(|count| redelivery_wait(count) + Duration::from_mins(1)).sum();
        assert!(attempts > deliveries, "{attempts:?} of reconcile, {deliveries:?} of the queue");
        let one_less: Duration = (1..MAX_ATTEMPTS).map(backoff).sum();
        assert!(one_less < deliveries, "no more attempts than that needs: {one_less:?}");
    }

    #[test]
    fn an_old_photo_s_event_is_sent_again_behind_a_backlog() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_hours(100);
        for (age_minutes, wait_minutes, resends) in
            [(15, 15, false), (24 * 60 - 1, 15, false), (24 * 60, 12 * 60, true), (50 * 60, 12 * 60, true)]
        {
            let (due_at, is_sent) = during_backlog(now - Duration::from_mins(age_minutes), now);
            assert_eq!(((due_at - now).whole_minutes(), is_sent), (wait_minutes, resends), "{age_minutes}");
        }
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
    }

    #[test]
    fn an_upload_in_parts_is_looked_at_a_few_times_a_day() {
        let start = OffsetDateTime::UNIX_EPOCH;
        let ends_at = upload_ends_at(UploadMethod::multipart(1 << 30), start);
        let mut looks = vec![start + UPLOAD_WINDOW];
        while let Some(last) = looks.last().copied().filter(|last| *last < ends_at) {
            looks.push(next_look(start, ends_at, last));
        }
        let minutes: Vec<_> = looks.iter().map(|at| (*at - start).whole_minutes()).collect();
        assert_eq!(minutes, [15, 75, 300, 1200, 1455]);
    }

    #[test]
    fn a_message_waits_longer_after_each_failure_up_to_an_hour() {
        let waits = |receives: std::ops::RangeInclusive<u32>| -> Vec<_> {
            receives.map(|count| redelivery_wait(count).as_secs()).collect()
        };
        assert_eq!(waits(0..=6), [30, 30, 60, 120, 240, 480, 900]);
        assert_eq!(waits(11..=13), [900, 3600, 3600]);
        assert_eq!(redelivery_wait(u32::MAX), Duration::from_hours(1));
        // An outage of two hours costs a photo a quarter of an hour at most, one of a day an hour.
        let until_hourly: u64 = waits(1..=11).iter().sum();
        assert!((90 * 60..=120 * 60).contains(&until_hourly), "{until_hourly}");
        // All deliveries fit into the ten days that the queue keeps a message.
        let all: u64 = waits(1..=MAX_RECEIVES).iter().sum();
        assert!(all < 5 * 24 * 3600, "{all}");
    }

    #[test]
    fn a_render_that_may_still_run_is_not_counted_as_killed() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_hours(1);
        let ago = |seconds| now - Duration::from_secs(seconds);
        for (starts, killed) in [
            (vec![], 0),
            (vec![ago(0), ago(180)], 0),
            (vec![ago(181), ago(1)], 1),
            (vec![ago(181), ago(86_400)], 2),
            // Another machine's clock.
            (vec![now + Duration::from_mins(1)], 0),
        ] {
            assert_eq!(killed_renders(&starts, now), killed, "{starts:?}");
        }
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
