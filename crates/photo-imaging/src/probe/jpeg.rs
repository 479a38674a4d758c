//! JPEG, by the decoder's own walk over its markers.

use image::metadata::Orientation;
use photo_jpeg::{Error, Jpeg, Scale, Scales};

use super::{Header, orientation_of};
use crate::error::ImagingError;
use crate::format::Format;

/// Reads the segments before the first scan, and counts scans. A file without any is damaged.
pub(super) fn parse(bytes: &[u8]) -> Result<(Header, Jpeg<'_>), ImagingError> {
    let jpeg = Jpeg::parse(bytes).map_err(refused)?;
    let damage = match jpeg.damage() {
        Some(Error::Corrupt(reason) | Error::Unsupported(reason)) => Some(reason),
        Some(Error::Stopped) | None => None,
    };
    let header = Header {
        format: Format::Jpeg,
        width: jpeg.width(),
        height: jpeg.height(),
        frames: 1,
        orientation: jpeg
            .exif()
            .and_then(|exif| exif.get(6..))
            .map_or(Orientation::NoTransforms, orientation_of),
        has_icc: jpeg.has_icc_profile(),
        // What no variant can be made without; rendering holds what its variants need against the same limit.
        decoder_bytes: jpeg.memory_bytes(Scales::same(Scale::LEAST)),
        damage,
    };
    Ok((header, jpeg))
}

/// The decoder's error as this crate's.
pub(crate) fn refused(error: Error) -> ImagingError {
    match error {
        Error::Unsupported(kind) => ImagingError::UnsupportedType(kind),
        Error::Corrupt(reason) => ImagingError::corrupt(Format::Jpeg, reason),
        Error::Stopped => ImagingError::DeadlinePassed { step: "the end of decoding" },
    }
}
