//! The second stage: the one decode that all variants share.
//!
//! JPEG and WebP go through our own decoders, see [`jpeg`] and [`webp`], PNG through [`png`], GIF through [`gif`].

pub(crate) mod gif;
pub(crate) mod heif;
pub(crate) mod jpeg;
mod planes;
pub(crate) mod png;
pub(crate) mod webp;

use image::metadata::Orientation;

use crate::damage::Loss;
use crate::error::ImagingError;
use crate::format::Format;
use crate::probe::Probed;
use crate::profile::Profile;
use crate::raster::Raster;
pub(crate) use planes::Planes;

/// Pixels as stored, at the stored orientation and in the profile's colours.
pub(crate) struct Decoded<'a> {
    pub(crate) source: Source,
    /// `None` if the pixels are in sRGB, or taken for it.
    pub(crate) profile: Option<&'a Profile>,
    pub(crate) orientation: Orientation,
    /// What is missing of it; `None` if every pixel has arrived.
    pub(crate) loss: Option<Loss>,
}

/// What a decoder gives.
pub(crate) enum Source {
    /// Of PNG mostly at the size already that will be made of it.
    Pixels(Raster),
    /// Of JPEG, already smaller than the photo if less will do, and of lossy WebP: not yet pixels.
    Planes(Planes),
}

impl Probed<'_> {
    /// `target` is what will be made of it: stored width and height in px. `planar` says that planes will be
    /// [`Planes::into_planar`]. `profile` is that of the photo.
    pub(crate) fn decode<'p>(
        &self,
        target: (u32, u32),
        planar: bool,
        profile: Option<&'p Profile>,
    ) -> Result<Decoded<'p>, ImagingError> {
        let (header, bytes) = (&self.header, self.bytes);
        let (source, loss) = match header.format {
            Format::Jpeg => {
                let missing = || ImagingError::Internal("a JPEG without a header".to_owned());
                let photo = self.jpeg.as_ref().ok_or_else(missing)?;
                let (planes, loss) = jpeg::decode(photo, target, planar, &self.limits)?;
                (Source::Planes(planes), loss)
            }
            Format::Png => return png::decode(bytes, header, target, profile, &self.limits),
            Format::WebP => {
                let missing = || ImagingError::Internal("a WebP without a picture".to_owned());
                let frame = self.webp.as_ref().ok_or_else(missing)?;
                let size = (header.width, header.height);
                webp::decode(frame, size, &self.limits)?
            }
            Format::Heic => {
                let missing = || ImagingError::Internal("a HEIC without a picture".to_owned());
                let photo = self.heif.as_ref().ok_or_else(missing)?;
                return heif::decode(photo, header, target, profile, &self.limits);
            }
            Format::Gif => gif::decode(bytes, header, target, &self.limits)?,
        };
        Ok(Decoded { source, profile, orientation: header.orientation, loss })
    }
}

fn other_size(format: Format) -> ImagingError {
    ImagingError::corrupt(format, "the decoder sees another size than the header")
}
