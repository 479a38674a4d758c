//! Frames as they are seen: composed on the whole canvas, RGBA.

use std::io::Cursor;

use image::codecs::{gif::GifDecoder, webp::WebPDecoder};
use image::{AnimationDecoder, ImageDecoder, ImageError};

use crate::decode::GifSource;
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
            let mut canvas = Canvas::new(header.width, header.height);
            Ok(Box::new(frames.into_iter().map(move |frame| canvas.show(&frame))))
        }
        Format::Jpeg | Format::Png => Err(ImagingError::Internal("no animation".to_owned())),
    }
}

/// What frames of a WebP are put on. `image-webp` has a canvas of its own, which clears the wrong bytes before a frame
/// without alpha (0.2.4, `composite_frame`), so each frame is decoded as a picture by itself.
struct Canvas {
    width: usize,
    height: usize,
    data: Vec<[u8; 4]>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, height, data: vec![[0; 4]; width * height] }
    }

    fn show(&mut self, frame: &webp::Frame<'_>) -> Result<Frame, ImagingError> {
        let file = frame.as_file().ok_or_else(|| misfit(Format::WebP))?;
        let decoder = WebPDecoder::new(Cursor::new(file)).map_err(|e| damaged(Format::WebP, &e))?;
        if decoder.dimensions() != (frame.width, frame.height) {
            return Err(misfit(Format::WebP));
        }
        let channels = decoder.color_type().channel_count();
        let mut data = vec![0; frame.width as usize * frame.height as usize * usize::from(channels)];
        decoder.read_image(&mut data).map_err(|e| damaged(Format::WebP, &e))?;
        if channels == 4 {
            let (pixels, _) = data.as_chunks::<4>();
            if frame.blends {
                self.put(frame, pixels, |&over, under| *under = blend(over, *under))?;
            } else {
                self.put(frame, pixels, |&over, under| *under = over)?;
            }
        } else {
            let (pixels, _) = data.as_chunks::<3>();
            self.put(frame, pixels, |&[r, g, b], under| *under = [r, g, b, 255])?;
        }
        let (width, height) = (self.width, self.height);
        let side = |side: usize| u32::try_from(side).unwrap_or(0);
        let shown = Raster::new(side(width), side(height), Channels::Rgba, self.data.concat());
        if frame.disposes {
            let clear = vec![[0_u8; 4]; frame.width as usize * frame.height as usize];
            self.put(frame, &clear, |&over, under| *under = over)?;
        }
        Ok(Frame { raster: shown.ok_or_else(|| misfit(Format::WebP))?, duration_ms: frame.duration_ms })
    }

    fn put<T>(
        &mut self,
        frame: &webp::Frame<'_>,
        pixels: &[T],
        each: impl Fn(&T, &mut [u8; 4]),
    ) -> Result<(), ImagingError> {
        let (left, top) = (frame.left as usize, frame.top as usize);
        let (width, height) = (frame.width as usize, frame.height as usize);
        if left + width > self.width || top + height > self.height || pixels.len() != width * height {
            return Err(misfit(Format::WebP));
        }
        let rows = self.data.chunks_exact_mut(self.width).skip(top);
        for (row, source) in rows.zip(pixels.chunks_exact(width)) {
            row[left..left + width].iter_mut().zip(source).for_each(|(under, over)| each(over, under));
        }
        Ok(())
    }
}

/// `over` on `under`, neither premultiplied (WebP container specification, "Alpha-blending").
fn blend(over: [u8; 4], under: [u8; 4]) -> [u8; 4] {
    let (alpha, rest) = (u32::from(over[3]), 255 - u32::from(over[3]));
    // Times 255.
    let below = u32::from(under[3]) * rest;
    let sum = alpha * 255 + below;
    if sum == 0 {
        return [0; 4];
    }
    let mix = |channel: usize| {
        let light = u32::from(over[channel]) * alpha * 255 + u32::from(under[channel]) * below;
        u8::try_from((light + sum / 2) / sum).unwrap_or(u8::MAX)
    };
    [mix(0), mix(1), mix(2), u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)]
}

fn damaged(format: Format, error: &ImageError) -> ImagingError {
    ImagingError::corrupt(format, error.to_string())
}

fn misfit(format: Format) -> ImagingError {
    ImagingError::corrupt(format, "a frame does not fit its canvas")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blending_is_over() {
        assert_eq!(blend([1, 2, 3, 255], [9, 9, 9, 9]), [1, 2, 3, 255]);
        assert_eq!(blend([1, 2, 3, 0], [9, 8, 7, 200]), [9, 8, 7, 200]);
        assert_eq!(blend([1, 2, 3, 0], [9, 8, 7, 0]), [0; 4]);
        assert_eq!(blend([255, 0, 0, 128], [0, 0, 255, 255]), [128, 0, 127, 255]);
        // Half over half: three quarters, two thirds of it the upper colour.
        assert_eq!(blend([240, 0, 0, 128], [0, 0, 240, 128]), [160, 0, 80, 192]);
    }
}
