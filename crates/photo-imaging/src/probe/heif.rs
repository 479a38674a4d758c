//! HEIC, by photo-heif's own look at the container.

use std::sync::Arc;

use image::metadata::Orientation;
use photo_heif::{Error, Heif, MAX_FACTOR};

use super::Header;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;

/// Reads the container and the parameter sets of the primary item.
pub(super) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(Header, Arc<Heif<'a>>), ImagingError> {
    let heif = Heif::parse(bytes).map_err(refused)?;
    // The clean aperture is checked as the size of the photo; all around it is decoded too.
    let (coded_width, coded_height) = heif.coded_size();
    limits.check_size(coded_width, coded_height)?;
    let header = Header {
        format: Format::Heic,
        width: heif.width(),
        height: heif.height(),
        frames: 1,
        orientation: Orientation::from_exif(heif.orientation()).unwrap_or(Orientation::NoTransforms),
        has_icc: heif.icc_profile().is_some(),
        // What no variant can be made without; rendering holds what its variants need against the same limit.
        decoder_bytes: heif.memory_bytes(MAX_FACTOR),
        damage: None,
    };
    Ok((header, Arc::new(heif)))
}

/// The decoder's error as this crate's.
pub(crate) fn refused(error: Error) -> ImagingError {
    match error {
        Error::Unsupported(kind) => ImagingError::UnsupportedType(kind),
        Error::Stopped => ImagingError::DeadlinePassed { step: "the end of decoding" },
        damage => ImagingError::corrupt(Format::Heic, damage.to_string()),
    }
}
