//! The second stage: the one decode that all variants share.
//!
//! JPEG and lossy WebP without alpha go through our own decoders, see [`jpeg`] and [`lossy`], PNG that can be reduced row by
//! row through [`png`], the rest through `image`.

mod jpeg;
mod lossy;
mod planes;
mod png;

use std::io::Cursor;

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError};

use crate::color;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::{Header, Probed, gif, png_color, webp};
use crate::raster::{Channels, Raster};
pub(crate) use planes::Planes;

/// Pixels as stored, at the stored orientation and in the profile's colours.
pub(crate) struct Decoded {
    pub(crate) source: Source,
    pub(crate) icc: Option<Vec<u8>>,
    pub(crate) orientation: Orientation,
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
    /// [`Planes::into_planar`].
    pub(crate) fn decode(&self, target: (u32, u32), planar: bool) -> Result<Decoded, ImagingError> {
        let (header, bytes) = (&self.header, self.bytes);
        if let Some(photo) = &self.jpeg {
            let planes = jpeg::decode(photo, target, planar, &self.limits)?;
            let (source, icc) = (Source::Planes(planes), photo.icc_profile());
            return Ok(Decoded { source, icc, orientation: header.orientation });
        }
        if let Some(photo) = &self.lossy {
            let source = Source::Planes(lossy::decode(photo, &self.limits)?);
            let icc = photo.icc.map(<[u8]>::to_vec);
            return Ok(Decoded { source, icc, orientation: header.orientation });
        }
        let (raster, icc) = match header.format {
            Format::Jpeg => return Err(ImagingError::Internal("a JPEG without a header".to_owned())),
            Format::Png => {
                if let Some(decoded) = png::reduced(bytes, header, target, &self.limits)? {
                    return Ok(decoded);
                }
                // The codec counts profile and text chunks against this, so that they cannot inflate without bound.
                let limits = png_limits(&self.limits);
                let decoder =
                    PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(|e| damaged(header, &e))?;
                let gray = !decoder.color_type().has_color();
                decode_by_image(header, decoder, png_color::profile(bytes, gray))?
            }
            Format::WebP => {
                let put_right = webp::put_right(bytes);
                let bytes = put_right.as_deref().unwrap_or(bytes);
                let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|e| damaged(header, &e))?;
                decode_by_image(header, decoder, None)?
            }
            Format::Gif => {
                let put_right = gif::put_right(bytes);
                let bytes = put_right.as_deref().unwrap_or(bytes);
                let decoder = GifDecoder::new(Cursor::new(bytes)).map_err(|e| damaged(header, &e))?;
                decode_by_image(header, decoder, None)?
            }
        };
        Ok(Decoded { source: Source::Pixels(raster), icc, orientation: header.orientation })
    }
}

fn decode_by_image(
    header: &Header,
    mut decoder: impl ImageDecoder,
    named_profile: Option<Vec<u8>>,
) -> Result<(Raster, Option<Vec<u8>>), ImagingError> {
    let (width, height) = decoder.dimensions();
    if (width, height) != (header.width, header.height) {
        return Err(ImagingError::corrupt(header.format, "the decoder sees another size than the header"));
    }
    // A profile that cannot be read is as good as none.
    let icc = named_profile.or_else(|| decoder.icc_profile().ok().flatten());
    let color = decoder.color_type();
    let (channels, deep) = match color {
        ColorType::L8 => (Channels::Gray, false),
        ColorType::La8 => (Channels::GrayAlpha, false),
        ColorType::Rgb8 => (Channels::Rgb, false),
        ColorType::Rgba8 => (Channels::Rgba, false),
        ColorType::L16 => (Channels::Gray, true),
        ColorType::La16 => (Channels::GrayAlpha, true),
        ColorType::Rgb16 => (Channels::Rgb, true),
        ColorType::Rgba16 => (Channels::Rgba, true),
        _ => return Err(ImagingError::UnsupportedType("this pixel format")),
    };
    let length = usize::try_from(decoder.total_bytes())
        .map_err(|_| ImagingError::corrupt(header.format, "too large for this machine"))?;
    let mut data = vec![0; length];
    decoder.read_image(&mut data).map_err(|e| damaged(header, &e))?;
    if deep && let Some(icc) = &icc {
        // Before the low bytes go: a profile of linear light needs them in the shadows.
        let (deep_samples, _) = data.as_chunks::<2>();
        if let Some((channels, data)) = color::deep_to_srgb(deep_samples, channels, icc) {
            let raster = Raster::new(width, height, channels, data);
            return raster.map(|raster| (raster, None)).ok_or_else(|| {
                ImagingError::corrupt(header.format, "the decoder gave another size than the header")
            });
        }
    }
    if deep {
        narrow(&mut data);
    }
    let raster = Raster::new(width, height, channels, data).ok_or_else(|| {
        ImagingError::corrupt(header.format, "the decoder gave another size than the header")
    })?;
    Ok((raster, icc))
}

/// 16 bits a channel to 8, in place, rounded to nearest.
fn narrow(data: &mut Vec<u8>) {
    let half = data.len() / 2;
    for i in 0..half {
        data[i] = color::narrow(u16::from_ne_bytes([data[2 * i], data[2 * i + 1]]));
    }
    data.truncate(half);
    data.shrink_to_fit();
}

fn png_limits(limits: &Limits) -> image::Limits {
    let mut png = image::Limits::no_limits();
    png.max_alloc = Some(limits.max_decoder_bytes);
    png
}

fn damaged(header: &Header, error: &ImageError) -> ImagingError {
    match error {
        ImageError::Unsupported(_) => ImagingError::UnsupportedType("this kind of image"),
        _ => ImagingError::corrupt(header.format, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_rounded_to_the_nearest_of_eight() {
        let mut data: Vec<u8> = [0_u16, 128, 129, 257, 32_896, 65_406, 65_407, 65_535]
            .into_iter()
            .flat_map(u16::to_ne_bytes)
            .collect();
        narrow(&mut data);
        assert_eq!(data, [0, 0, 1, 1, 128, 254, 255, 255]);
    }
}
