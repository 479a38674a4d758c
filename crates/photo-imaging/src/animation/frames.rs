//! Frames as they are seen: composed on the whole canvas, RGBA.

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, ImageError};

use crate::decode::GifSource;
use crate::decode::webp::Canvas;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::{Header, webp};
use crate::raster::{Channels, Raster};

/// One picture of an animation.
pub(super) struct Frame {
    pub(super) raster: Raster,
    pub(super) duration_ms: u32,
}

/// All of them, decoded one after the other.
type Frames<'a> = Box<dyn Iterator<Item = Result<Frame, ImagingError>> + 'a>;

pub(super) fn open<'a>(
    header: &Header,
    bytes: &'a [u8],
    limits: &'a Limits,
) -> Result<Frames<'a>, ImagingError> {
    match header.format {
        Format::Gif => {
            let late_or_damaged = |e: &ImageError| limits.late_or(damaged(Format::Gif, e));
            let decoder =
                GifDecoder::new(GifSource::new(bytes, limits.deadline)).map_err(|e| late_or_damaged(&e))?;
            let frames = decoder.into_frames().map(move |frame| {
                let frame = frame.map_err(|e| late_or_damaged(&e))?;
                let (numerator, denominator) = frame.delay().numer_denom_ms();
                let duration_ms = numerator / denominator.max(1);
                let picture = frame.into_buffer();
                let (width, height) = picture.dimensions();
                let raster = Raster::new(width, height, Channels::Rgba, picture.into_raw());
                Ok(Frame { raster: raster.ok_or_else(|| misfit(Format::Gif))?, duration_ms })
            });
            Ok(Box::new(frames))
        }
        Format::WebP => {
            let frames = webp::frames(bytes).ok_or_else(|| misfit(Format::WebP))?;
            let mut canvas = Canvas::new((header.width, header.height));
            Ok(Box::new(frames.into_iter().map(move |frame| {
                let raster = canvas.show(&frame, limits)?;
                Ok(Frame { raster, duration_ms: frame.duration_ms })
            })))
        }
        Format::Jpeg | Format::Png => Err(ImagingError::Internal("no animation".to_owned())),
    }
}

fn damaged(format: Format, error: &ImageError) -> ImagingError {
    ImagingError::corrupt(format, error.to_string())
}

fn misfit(format: Format) -> ImagingError {
    ImagingError::corrupt(format, "a frame does not fit its canvas")
}
