//! An animated WebP, frame by frame (WebP container specification, RFC 9649).

use crate::color::without_needless_alpha;
use crate::error::ImagingError;
use crate::format::OutputFormat;
use crate::probe::webp::put_chunk;
use crate::raster::{Channels, Raster};

/// The bit of VP8X that says that there is alpha, and the one that says that there is an animation.
const ALPHA: u8 = 0x10;
const ANIMATED: u8 = 0x02;
/// Of a frame: its pixels replace what is there, alpha included, and stay.
const REPLACES: u8 = 0x02;
/// Bytes of `RIFF` and the size, which counts what comes behind.
const RIFF_HEADER: usize = 8;
/// 24 bits.
const MAX_DURATION_MS: u32 = 0xff_ffff;

/// The part of a canvas that is to be encoded, at even offsets as the file format wants it.
pub(super) struct Part {
    left: u32,
    top: u32,
    pub(super) raster: Raster,
}

/// A file that grows.
pub(super) struct Writer {
    canvas: (u32, u32),
    /// RGBA as shown last.
    shown: Option<Raster>,
    has_alpha: bool,
    frames: Vec<u8>,
}

impl Writer {
    pub(super) fn new(canvas: (u32, u32)) -> Self {
        Self { canvas, shown: None, has_alpha: false, frames: Vec::new() }
    }

    pub(super) fn canvas(&self) -> (u32, u32) {
        self.canvas
    }

    /// What of this picture differs from the one before it; one pixel if nothing does, so that its time counts.
    pub(super) fn changed(&mut self, picture: &Raster) -> Result<Part, ImagingError> {
        if (picture.width(), picture.height()) != self.canvas {
            return Err(ImagingError::Internal("a frame of another size than the canvas".to_owned()));
        }
        let next = match picture.channels() {
            Channels::Rgba => picture.clone(),
            _ => picture.map(Channels::Rgba, |[r, g, b]| [r, g, b, 255]),
        };
        let (left, top, right, bottom) = match &self.shown {
            None => (0, 0, self.canvas.0, self.canvas.1),
            Some(shown) => difference(shown, &next).unwrap_or((0, 0, 1, 1)),
        };
        let raster = without_needless_alpha(cut(&next, left, top, right, bottom)?);
        self.shown = Some(next);
        Ok(Part { left, top, raster })
    }

    /// Adds a part, encoded as a WebP file of its own.
    pub(super) fn push(&mut self, part: &Part, file: &[u8], duration_ms: u32) -> Result<(), ImagingError> {
        let broken = || refused("the encoder's file is not WebP");
        let mut frame = Vec::with_capacity(file.len() + 16);
        frame.extend_from_slice(&u24(part.left / 2));
        frame.extend_from_slice(&u24(part.top / 2));
        frame.extend_from_slice(&u24(part.raster.width() - 1));
        frame.extend_from_slice(&u24(part.raster.height() - 1));
        frame.extend_from_slice(&u24(duration_ms.min(MAX_DURATION_MS)));
        frame.push(REPLACES);
        let mut rest = file.get(12..).ok_or_else(broken)?;
        while let Some((head, after)) = rest.split_first_chunk::<8>() {
            let [k0, k1, k2, k3, size @ ..] = *head;
            let padded = u32::from_le_bytes(size).next_multiple_of(2) as usize;
            let (data, after) = after.split_at_checked(padded).ok_or_else(broken)?;
            match &[k0, k1, k2, k3] {
                b"ALPH" | b"VP8 " | b"VP8L" => {
                    self.has_alpha |= [k0, k1, k2, k3] == *b"ALPH";
                    frame.extend_from_slice(head);
                    frame.extend_from_slice(data);
                }
                _ => {}
            }
            rest = after;
        }
        put(&mut self.frames, *b"ANMF", &frame)
    }

    /// The whole file. `loops` 0 is for ever.
    pub(super) fn finish(self, loops: u16) -> Result<Vec<u8>, ImagingError> {
        let flags = ANIMATED | if self.has_alpha { ALPHA } else { 0 };
        let mut extended = vec![flags, 0, 0, 0];
        extended.extend_from_slice(&u24(self.canvas.0 - 1));
        extended.extend_from_slice(&u24(self.canvas.1 - 1));
        // The background's colour is a hint that nobody follows: none.
        let mut control = vec![0; 4];
        control.extend_from_slice(&loops.to_le_bytes());
        let mut head = b"RIFF\0\0\0\0WEBP".to_vec();
        put(&mut head, *b"VP8X", &extended)?;
        put(&mut head, *b"ANIM", &control)?;
        let behind = head.len() - RIFF_HEADER + self.frames.len();
        let size = u32::try_from(behind).map_err(|_| refused("more than 4 GiB"))?;
        head[4..RIFF_HEADER].copy_from_slice(&size.to_le_bytes());
        // In place: there may be much of it.
        let mut file = self.frames;
        file.splice(..0, head);
        Ok(file)
    }
}

fn put(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Result<(), ImagingError> {
    put_chunk(out, kind, data).ok_or_else(|| refused("more than 4 GiB"))
}

fn u24(value: u32) -> [u8; 3] {
    let [a, b, c, _] = value.to_le_bytes();
    [a, b, c]
}

fn refused(reason: &str) -> ImagingError {
    ImagingError::Encode { format: OutputFormat::WebP, reason: reason.to_owned() }
}

/// The smallest box around all pixels that differ, from an even left and top to the exclusive right and bottom.
fn difference(a: &Raster, b: &Raster) -> Option<(u32, u32, u32, u32)> {
    let row_bytes = a.width() as usize * 4;
    let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
    for (y, (from, to)) in a.data().chunks_exact(row_bytes).zip(b.data().chunks_exact(row_bytes)).enumerate()
    {
        let (from, _) = from.as_chunks::<4>();
        let (to, _) = to.as_chunks::<4>();
        let differs = |(x, y): (&[u8; 4], &[u8; 4])| x != y;
        let Some(first) = from.iter().zip(to).position(differs) else { continue };
        let last = from.iter().zip(to).rposition(differs).unwrap_or(first);
        (left, right) = (left.min(first), right.max(last + 1));
        (top, bottom) = (top.min(y), y + 1);
    }
    let px = |side: usize| u32::try_from(side).ok();
    (bottom > 0).then_some(())?;
    Some((px(left & !1)?, px(top & !1)?, px(right)?, px(bottom)?))
}

fn cut(raster: &Raster, left: u32, top: u32, right: u32, bottom: u32) -> Result<Raster, ImagingError> {
    let columns = left as usize * 4..right as usize * 4;
    let rows = raster.data().chunks_exact(raster.width() as usize * 4);
    let data: Vec<u8> = rows
        .skip(top as usize)
        .take((bottom - top) as usize)
        .flat_map(|row| &row[columns.clone()])
        .copied()
        .collect();
    Raster::new(right - left, bottom - top, Channels::Rgba, data)
        .ok_or_else(|| ImagingError::Internal("an empty part of a frame".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(width: u32, height: u32, at: &[(u32, u32)]) -> Raster {
        let mut data = vec![7; (width * height * 4) as usize];
        for (x, y) in at {
            data[((y * width + x) * 4) as usize] = 200;
        }
        Raster::new(width, height, Channels::Rgba, data).unwrap()
    }

    #[test]
    fn the_difference_is_the_smallest_box_from_even_corners() {
        let plain = dots(9, 7, &[]);
        assert_eq!(difference(&plain, &plain), None);
        assert_eq!(difference(&plain, &dots(9, 7, &[(0, 0)])), Some((0, 0, 1, 1)));
        assert_eq!(difference(&plain, &dots(9, 7, &[(8, 6)])), Some((8, 6, 9, 7)));
        assert_eq!(difference(&plain, &dots(9, 7, &[(3, 5), (5, 3)])), Some((2, 2, 6, 6)));
    }

    #[test]
    fn the_first_frame_is_whole_and_a_still_one_is_a_pixel() {
        let mut writer = Writer::new((9, 7));
        let part = writer.changed(&dots(9, 7, &[])).unwrap();
        assert_eq!((part.raster.width(), part.raster.height()), (9, 7));
        let part = writer.changed(&dots(9, 7, &[])).unwrap();
        assert_eq!((part.left, part.top, part.raster.width(), part.raster.height()), (0, 0, 1, 1));
        let part = writer.changed(&dots(9, 7, &[(5, 5)])).unwrap();
        assert_eq!((part.left, part.top, part.raster.width(), part.raster.height()), (4, 4, 2, 2));
    }
}
