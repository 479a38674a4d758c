//! The second stage: the one decode that all variants share.
//!
//! JPEG and WebP go through our own decoders, see [`jpeg`] and [`webp`], PNG through [`png`], GIF through `image`.

mod gif_source;
pub(crate) mod jpeg;
mod planes;
mod png;
pub(crate) mod webp;

use image::codecs::gif::GifDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError};

use crate::damage::Loss;
use crate::error::ImagingError;
use crate::format::Format;
use crate::probe::{Header, Probed};
use crate::profile::Profile;
use crate::raster::{Channels, Raster};
pub(crate) use gif_source::GifSource;
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
        let source = match header.format {
            Format::Jpeg => {
                let missing = || ImagingError::Internal("a JPEG without a header".to_owned());
                let photo = self.jpeg.as_ref().ok_or_else(missing)?;
                Source::Planes(jpeg::decode(photo, target, planar, &self.limits)?)
            }
            Format::Png => return png::decode(bytes, header, target, profile, &self.limits),
            Format::WebP => {
                let missing = || ImagingError::Internal("a WebP without a picture".to_owned());
                let frame = self.webp.as_ref().ok_or_else(missing)?;
                webp::decode(frame, (header.width, header.height), &self.limits)?
            }
            Format::Gif => {
                let source = GifSource::new(bytes, self.limits.deadline);
                let decoded = GifDecoder::new(source)
                    .map_err(|e| damaged(header, &e))
                    .and_then(|decoder| decode_by_image(header, decoder));
                Source::Pixels(decoded.map_err(|e| self.limits.late_or(e))?)
            }
        };
        Ok(Decoded { source, profile, orientation: header.orientation, loss: None })
    }
}

fn decode_by_image(header: &Header, decoder: impl ImageDecoder) -> Result<Raster, ImagingError> {
    let (width, height) = decoder.dimensions();
    if (width, height) != (header.width, header.height) {
        return Err(other_size(header.format));
    }
    let channels = match decoder.color_type() {
        ColorType::L8 => Channels::Gray,
        ColorType::La8 => Channels::GrayAlpha,
        ColorType::Rgb8 => Channels::Rgb,
        ColorType::Rgba8 => Channels::Rgba,
        _ => return Err(ImagingError::UnsupportedType("this pixel format")),
    };
    let length = usize::try_from(decoder.total_bytes())
        .map_err(|_| ImagingError::corrupt(header.format, "too large for this machine"))?;
    let mut data = vec![0; length];
    decoder.read_image(&mut data).map_err(|e| damaged(header, &e))?;
    Raster::new(width, height, channels, data).ok_or_else(|| other_size(header.format))
}

fn other_size(format: Format) -> ImagingError {
    ImagingError::corrupt(format, "the decoder sees another size than the header")
}

fn damaged(header: &Header, error: &ImageError) -> ImagingError {
    match error {
        ImageError::Unsupported(_) => ImagingError::UnsupportedType("this kind of image"),
        _ => ImagingError::corrupt(header.format, error.to_string()),
    }
}
