//! How much one owner may take: photos and bytes in a day, and photos pending at once.
//!
//! What is taken is counted per owner and day (UTC), so nothing has to be reset: a new day has a new counter, and old
//! ones expire. A photo belongs to the day in its own id, whoever asks and whenever. `docs/adr/017-quotas.md` says why.

use std::time::Duration;

use time::{Date, OffsetDateTime};

use crate::PhotoId;

/// How long a client whose photos are pending should wait: they are done, or given up, within minutes.
const PENDING_RETRY: Duration = Duration::from_secs(30);

/// The limits; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Uploads asked for in a day.
    pub photos_per_day: u64,
    /// Bytes announced in a day.
    pub bytes_per_day: u64,
    /// Photos of a day that are pending at once.
    pub pending: u64,
}

/// What an owner has taken of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Uploads asked for, without those that expired.
    pub photos: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are still pending.
    pub pending: u64,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// Photos in a day.
    Photos,
    /// Bytes in a day.
    Bytes,
    /// Pending photos.
    Pending,
}

/// What the end of a photo gives back to its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It is ready or failed: it was uploaded and worked on, so it counts, but is not pending any more.
    Slot,
    /// Nothing was uploaded in time: it counts as if it had not been asked for, until the bytes come after all.
    Everything {
        /// What was announced.
        size_bytes: u64,
    },
}

impl Quotas {
    /// Whether there is nothing to count.
    #[must_use]
    pub const fn are_off(&self) -> bool {
        self.photos_per_day == 0 && self.bytes_per_day == 0 && self.pending == 0
    }

    /// Which limit so many more photos, of so many bytes together, would be over.
    #[must_use]
    pub const fn refusal(&self, used: Counter, photos: u64, bytes: u64) -> Option<Exceeded> {
        if self.photos_per_day != 0 && used.photos.saturating_add(photos) > self.photos_per_day {
            return Some(Exceeded::Photos);
        }
        if self.bytes_per_day != 0 && used.bytes.saturating_add(bytes) > self.bytes_per_day {
            return Some(Exceeded::Bytes);
        }
        if self.pending != 0 && used.pending.saturating_add(photos) > self.pending {
            return Some(Exceeded::Pending);
        }
        None
    }
}

impl Counter {
    /// Counts a new photo.
    #[must_use]
    pub const fn reserved(self, size_bytes: u64) -> Self {
        Self {
            photos: self.photos.saturating_add(1),
            bytes: self.bytes.saturating_add(size_bytes),
            pending: self.pending.saturating_add(1),
        }
    }

    /// Gives back what a photo's end gives back.
    #[must_use]
    pub const fn released(self, release: Release) -> Self {
        let pending = self.pending.saturating_sub(1);
        match release {
            Release::Slot => Self { pending, ..self },
            Release::Everything { size_bytes } => Self {
                photos: self.photos.saturating_sub(1),
                bytes: self.bytes.saturating_sub(size_bytes),
                pending,
            },
        }
    }
}

impl Exceeded {
    /// When it is worth asking again.
    #[must_use]
    pub fn retry_after(self, now: OffsetDateTime) -> Duration {
        match self {
            Self::Pending => PENDING_RETRY,
            Self::Photos | Self::Bytes => until_tomorrow(now),
        }
    }
}

/// The day that a photo counts for.
#[must_use]
pub fn day(photo_id: PhotoId) -> Date {
    photo_id.made_at().date()
}

fn until_tomorrow(now: OffsetDateTime) -> Duration {
    const DAY: Duration = Duration::from_hours(24);
    let since_midnight = now.to_offset(time::UtcOffset::UTC)
        - now.to_offset(time::UtcOffset::UTC).replace_time(time::Time::MIDNIGHT);
    // A whole second at least: `Retry-After: 0` would ask for it at once.
    DAY.saturating_sub(since_midnight.unsigned_abs()).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn each_limit_lets_exactly_as_much_through_as_it_says() {
        let quotas = Quotas { photos_per_day: 2, bytes_per_day: 100, pending: 1 };
        let used = |photos, bytes, pending| Counter { photos, bytes, pending };
        for (used, size, expected) in [
            (used(0, 0, 0), 100, None),
            (used(0, 0, 0), 101, Some(Exceeded::Bytes)),
            (used(1, 60, 0), 40, None),
            (used(1, 60, 0), 41, Some(Exceeded::Bytes)),
            (used(2, 0, 0), 1, Some(Exceeded::Photos)),
            (used(1, 0, 1), 1, Some(Exceeded::Pending)),
            (used(1, u64::MAX, 0), 1, Some(Exceeded::Bytes)),
        ] {
            assert_eq!(quotas.refusal(used, 1, size), expected, "{used:?} {size}");
        }
    }

    #[test]
    fn several_photos_fit_together_or_not_at_all() {
        let quotas = Quotas { photos_per_day: 5, bytes_per_day: 0, pending: 4 };
        let used = Counter { photos: 2, bytes: 0, pending: 1 };
        assert_eq!(quotas.refusal(used, 3, 9), None);
        assert_eq!(quotas.refusal(used, 4, 9), Some(Exceeded::Photos));
        assert_eq!(quotas.refusal(Counter { pending: 2, ..used }, 3, 9), Some(Exceeded::Pending));
    }

    #[test]
    fn zero_is_no_limit() {
        let full = Counter { photos: u64::MAX, bytes: u64::MAX, pending: u64::MAX };
        assert!(Quotas::default().are_off());
        assert_eq!(Quotas::default().refusal(full, 1, u64::MAX), None);
        assert!(!Quotas { pending: 1, ..Quotas::default() }.are_off());
    }

    #[test]
    fn a_day_s_quota_comes_back_at_midnight_utc() {
        let wait = |now| Exceeded::Photos.retry_after(now).as_secs();
        assert_eq!(wait(datetime!(2026-11-24 23:59:00 UTC)), 60);
        assert_eq!(wait(datetime!(2026-11-24 00:00:00 UTC)), 86_400);
        assert_eq!(wait(datetime!(2026-11-25 01:59:00 +2)), 60);
        assert_eq!(wait(datetime!(2026-11-24 23:59:59.999_999_999 UTC)), 1);
        assert_eq!(Exceeded::Pending.retry_after(datetime!(2026-11-24 12:00 UTC)), PENDING_RETRY);
    }

    #[test]
    fn a_photo_counts_for_the_day_in_its_id() {
        let id: PhotoId = "01935b7c-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(day(id), id.made_at().date());
        assert_eq!(day(PhotoId::generate()), OffsetDateTime::now_utc().date());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Create(u64),
        Settle(usize),
        Expire(usize),
        Tomorrow,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1..60_u64).prop_map(Step::Create),
            4 => (0..30_usize).prop_map(Step::Settle),
            2 => (0..30_usize).prop_map(Step::Expire),
            1 => Just(Step::Tomorrow),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Events come twice and in any order: each end of a photo is tried again and again, and the record's own
        /// condition (it is still pending) decides whether anything is given back.
        #[test]
        fn whatever_happens_a_counter_says_what_the_records_say(steps in steps()) {
            let quotas = Quotas { photos_per_day: 8, bytes_per_day: 300, pending: 3 };
            let mut counters: BTreeMap<u32, Counter> = BTreeMap::new();
            // Each photo: its day, its size, whether it is pending, whether it has expired.
            let mut photos: Vec<(u32, u64, bool, bool)> = Vec::new();
            let mut today = 0;
            for step in steps {
                match step {
                    Step::Create(size) => {
                        let counter = counters.entry(today).or_default();
                        if quotas.refusal(*counter, 1, size).is_none() {
                            *counter = counter.reserved(size);
                            photos.push((today, size, true, false));
                        }
                    }
                    Step::Settle(which) | Step::Expire(which) => {
                        let Some(photo) = photos.get_mut(which).filter(|photo| photo.2) else { continue };
                        let expired = matches!(step, Step::Expire(_));
                        let release =
                            if expired { Release::Everything { size_bytes: photo.1 } } else { Release::Slot };
                        let counter = counters.entry(photo.0).or_default();
                        *counter = counter.released(release);
                        (photo.2, photo.3) = (false, expired);
                    }
                    Step::Tomorrow => today += 1,
                }
                for (day, counter) in &counters {
                    let of_day = || photos.iter().filter(|photo| photo.0 == *day);
                    let counted = Counter {
                        photos: of_day().filter(|photo| !photo.3).count() as u64,
                        bytes: of_day().filter(|photo| !photo.3).map(|photo| photo.1).sum(),
                        pending: of_day().filter(|photo| photo.2).count() as u64,
                    };
                    prop_assert_eq!(*counter, counted);
                    prop_assert!(counter.photos <= 8 && counter.bytes <= 300 && counter.pending <= 3);
                }
            }
        }
    }
}
