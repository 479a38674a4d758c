//! How a photo's bytes come to S3.

use std::num::NonZeroU64;

/// The smallest part of an upload in parts but its last, in bytes
/// ([Amazon S3 multipart upload limits](https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)).
pub const MIN_PART_BYTES: u64 = 5 << 20;

/// The most parts of one upload (the same page).
pub const MAX_PARTS: u64 = 10_000;

/// The most multipart uploads of one photo that parts are signed for. Each holds all of the photo's bytes until it is
/// completed, aborted or, after a day, ended by the bucket; a client needs a second one only where it has lost the first.
pub const MAX_MULTIPART_UPLOADS: usize = 5;

/// The way that a client brings a photo's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadMethod {
    /// One PUT.
    #[default]
    Put,
    /// One POST of a form, under a policy.
    Post,
    /// In parts, each request signed by itself; it can be taken up again after a break.
    Multipart(PartedUpload),
}

impl UploadMethod {
    /// In parts, as large as they have to be for this many bytes.
    #[must_use]
    pub const fn multipart(size_bytes: u64) -> Self {
        Self::Multipart(PartedUpload::of(size_bytes))
    }

    /// The word in records and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Multipart(_) => "multipart",
        }
    }
}

/// How an upload is cut into parts: all of one size but the last.
///
/// The size is kept in the record: an upload that goes on for hours keeps its parts whatever a newer version would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartedUpload {
    part_size_bytes: NonZeroU64,
}

impl PartedUpload {
    /// Parts of S3's smallest size, or larger where there would be more than [`MAX_PARTS`].
    const fn of(size_bytes: u64) -> Self {
        let least = size_bytes.div_ceil(MAX_PARTS);
        let size = if least > MIN_PART_BYTES { least } else { MIN_PART_BYTES };
        match NonZeroU64::new(size) {
            Some(part_size_bytes) => Self { part_size_bytes },
            None => Self { part_size_bytes: NonZeroU64::MIN },
        }
    }

    /// Parts of this size, as a record has it.
    #[must_use]
    pub const fn with_part_size(part_size_bytes: NonZeroU64) -> Self {
        Self { part_size_bytes }
    }

    /// The size in bytes of every part but the last.
    #[must_use]
    pub const fn part_size_bytes(self) -> u64 {
        self.part_size_bytes.get()
    }

    /// How many parts so many bytes have.
    #[must_use]
    pub const fn part_count(self, size_bytes: u64) -> u64 {
        size_bytes.div_ceil(self.part_size_bytes.get())
    }

    /// The length in bytes of the part with this number, counted from 1; none if there is no such part.
    #[must_use]
    pub fn part_length(self, size_bytes: u64, number: u64) -> Option<u64> {
        let before = number.checked_sub(1)?.checked_mul(self.part_size_bytes.get())?;
        size_bytes
            .checked_sub(before)
            .filter(|left| *left > 0)
            .map(|left| left.min(self.part_size_bytes.get()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parted(size_bytes: u64) -> PartedUpload {
        PartedUpload::of(size_bytes)
    }

    #[test]
    fn parts_are_as_small_as_s3_allows_and_never_too_many() {
        assert_eq!(parted(1).part_size_bytes(), MIN_PART_BYTES);
        assert_eq!(parted(32 << 20).part_count(32 << 20), 7);
        let largest = 5 << 40;
        assert_eq!(parted(largest).part_count(largest), MAX_PARTS);
    }

    #[test]
    fn the_last_part_is_what_is_left() {
        let size = (5 << 20) * 2 + 7;
        let lengths: Vec<_> = (0..=4).map(|number| parted(size).part_length(size, number)).collect();
        assert_eq!(lengths, [None, Some(5 << 20), Some(5 << 20), Some(7), None]);
        assert_eq!(parted(5 << 20).part_length(5 << 20, 2), None);
        assert_eq!(parted(1).part_length(1, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn the_parts_of_an_upload_are_all_of_it(size in 1_u64..(6 << 30)) {
            let parts = parted(size);
            let lengths: Option<Vec<_>> =
                (1..=parts.part_count(size)).map(|number| parts.part_length(size, number)).collect();
            let lengths = lengths.unwrap();
            prop_assert_eq!(lengths.iter().sum::<u64>(), size);
            prop_assert!(lengths.len() as u64 <= MAX_PARTS);
            prop_assert!(lengths.iter().rev().skip(1).all(|length| *length >= MIN_PART_BYTES));
        }
    }
}
