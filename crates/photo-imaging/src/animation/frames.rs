//! Frames as they are seen: composed on the whole canvas, RGBA.

use crate::decode;
use crate::decode::webp::Canvas;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::{Header, webp};
use crate::raster::Raster;

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
            let frames = decode::gif::Frames::new(bytes, header, limits)?;
            Ok(Box::new(frames.map(|frame| frame.map(|(raster, duration_ms)| Frame { raster, duration_ms }))))
        }
        Format::WebP => {
            let frames = webp::frames(bytes).ok_or_else(|| misfit(Format::WebP))?;
            let mut canvas = Canvas::new((header.width, header.height));
            Ok(Box::new(frames.into_iter().map(move |frame| {
                let (raster, loss) = canvas.show(&frame, limits)?;
                if let Some(loss) = loss {
                    return Err(ImagingError::corrupt(Format::WebP, loss.reason));
                }
                Ok(Frame { raster, duration_ms: frame.duration_ms })
            })))
        }
        Format::Jpeg | Format::Png | Format::Heic => Err(ImagingError::Internal("no animation".to_owned())),
    }
}

fn misfit(format: Format) -> ImagingError {
    ImagingError::corrupt(format, "a frame does not fit its canvas")
}
