//! GIF: what all images take, without a look at their codes.

use image::metadata::Orientation;

use super::Header;
use crate::animation::Survey;
use crate::error::ImagingError;
use crate::format::Format;
use crate::gif::{Block, Gif};
use crate::limits::Limits;

/// Walks all blocks and counts the images.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, ImagingError> {
    let corrupt = |reason| ImagingError::corrupt(Format::Gif, reason);
    let gif = Gif::parse(bytes).ok_or_else(|| corrupt("no screen descriptor"))?;
    let mut images = gif.images();
    let first = images.next().ok_or_else(|| corrupt("no image"))?;
    let (width, height) = gif.canvas(&first);
    Ok(Header {
        format: Format::Gif,
        width,
        height,
        frames: images.fold(1, |frames, _| frames.saturating_add(1)),
        orientation: Orientation::NoTransforms,
        has_icc: false,
        // Palette indices of the first image; rows of colours are made of them.
        decoder_bytes: first.pixels(),
        damage: None,
    })
}

/// What all images take, and how often they are shown. `None` if the images, which may be larger than the canvas, have more
/// pixels than the limits allow.
pub(crate) fn survey(bytes: &[u8], limits: &Limits) -> Option<Survey> {
    let gif = Gif::parse(bytes)?;
    // Without the extension that tells it, the animation is shown once.
    let (mut loops, mut canvas, mut pixels, mut largest) = (1, 0, 0_u64, 0);
    for block in gif.blocks() {
        match block {
            Block::Repeats(0) => loops = 0,
            Block::Repeats(times) => loops = times.saturating_add(1),
            Block::Image(image) => {
                if canvas == 0 {
                    let (width, height) = gif.canvas(&image);
                    canvas = u64::from(width) * u64::from(height);
                }
                pixels = pixels.saturating_add(image.pixels());
                largest = largest.max(image.pixels());
            }
        }
    }
    // What the next image is put on, what is given back to it, what is shown; the image's palette indices.
    let decoder_bytes = canvas * 3 * 4 + largest;
    (pixels <= limits.max_frame_pixels).then_some(Survey { loops, decoder_bytes })
}
