//! What the frames of an animation are put on.

use super::{Source, raster, source};
use crate::damage::Loss;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::webp::Frame;
use crate::raster::{Channels, Raster};

/// Transparent at first, as in browsers, whatever colour the file names for its background.
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    data: Vec<[u8; 4]>,
}

impl Canvas {
    pub(crate) fn new((width, height): (u32, u32)) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, height, data: vec![[0; 4]; width * height] }
    }

    /// Puts a frame on the canvas. Answers what is seen then, and what is missing of the frame.
    pub(crate) fn show(
        &mut self,
        frame: &Frame<'_>,
        limits: &Limits,
    ) -> Result<(Raster, Option<Loss>), ImagingError> {
        let (source, loss) = source(frame, limits)?;
        let picture = match source {
            Source::Pixels(raster) => raster,
            Source::Planes(planes) => planes.into_raster(frame.width, frame.height)?,
        };
        match (picture.channels(), frame.blends) {
            (Channels::Rgba, true) => {
                let pixels = picture.data().as_chunks::<4>().0;
                self.put(frame, pixels, |&over, under| *under = blend(over, *under))?;
            }
            (Channels::Rgba, false) => {
                self.put(frame, picture.data().as_chunks::<4>().0, |&over, under| *under = over)?;
            }
            _ => {
                let pixels = picture.data().as_chunks::<3>().0;
                self.put(frame, pixels, |&[r, g, b], under| *under = [r, g, b, 255])?;
            }
        }
        drop(picture);
        let side = |side: usize| u32::try_from(side).unwrap_or(0);
        let shown = raster((side(self.width), side(self.height)), Channels::Rgba, self.data.concat())?;
        if frame.disposes {
            let clear = vec![(); frame.width as usize * frame.height as usize];
            self.put(frame, &clear, |(), under| *under = [0; 4])?;
        }
        Ok((shown, loss))
    }

    fn put<T>(
        &mut self,
        frame: &Frame<'_>,
        pixels: &[T],
        each: impl Fn(&T, &mut [u8; 4]),
    ) -> Result<(), ImagingError> {
        let (left, top) = (frame.left as usize, frame.top as usize);
        let (width, height) = (frame.width as usize, frame.height as usize);
        if left + width > self.width || top + height > self.height || pixels.len() != width * height {
            return Err(ImagingError::corrupt(Format::WebP, "a frame does not fit its canvas"));
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
