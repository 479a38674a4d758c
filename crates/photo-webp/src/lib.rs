//! WebP files, in safe Rust: encoders of lossy ones and of lossless ones of few colours, and decoders of all.
//!
//! A lossy WebP file of this kind is one key frame of VP8: RFC 6386 says what is in it. Alpha is beside it, without loss (RFC
//! 9649). How good the file is depends on the encoder's choices alone. They follow those of libwebp (copyright 2010 Google Inc.,
//! see `LICENSE-libwebp` and `PATENTS-libwebp` beside this crate's manifest), so that `quality` means the same: segments by how
//! visible quantisation is, their steps and filter strengths, modes by squared error and cost, rounding. What differs is the way
//! to them: each macroblock is coded once, its levels are kept until the probabilities that suit them are known, eight
//! blocks are transformed at once, and only the best three modes of a block of 4 x 4 are tried to their end.
//!
//! [`decode`] is the way back for the frame, [`decode_alpha`] for its alpha. [`decode_lossless`] decodes lossless pictures. Of a
//! damaged file they give the rows in front of the damage and say so by a [`Loss`]. What they take is known before they run:
//! [`decode_memory_bytes`], [`alpha_memory_bytes`], [`lossless_memory_bytes`].
//! [`trim_frame`], [`alpha_length`] and [`lossless_length`] tell where each of these streams ends.

#![expect(clippy::inline_always, reason = "measured: vectors live in registers only within one function")]

mod alpha;
mod analysis;
mod container;
mod cost;
mod decode;
mod encode;
mod filled;
mod frame;
mod intra4;
mod lanes;
mod lossless;
mod macroblock;
mod mode_probabilities;
mod picture;
mod predict;
mod probabilities;
mod quantize;
mod rate;
mod segments;
mod steps;
mod tokens;
mod transform;
mod transparent;
mod writer;

#[cfg(test)]
mod round_trip;

pub use alpha::decode::{Alpha, alpha_length, alpha_memory_bytes, decode_alpha};
pub use decode::{DecodeError, Loss, Picture, decode, decode_memory_bytes, trim_frame};
pub use lossless::decode::{
    DecodeLimits, LosslessPicture, decode_lossless, lossless_length, lossless_memory_bytes,
};
use segments::Tuning;
use thiserror::Error;
pub use transparent::Cleaned;

/// A side of a picture in the file has 14 bits.
pub const MAX_SIDE: u32 = 16_383;

/// A picture of 8-bit YCbCr by BT.601, limited range: 16 to 235 for Y, 16 to 240 for the others, which have half the size,
/// rounded up. No padding between rows.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// `width * height` samples.
    pub y: &'a [u8],
    /// Cb.
    pub u: &'a [u8],
    /// Cr.
    pub v: &'a [u8],
}

/// How a picture is encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// 1 (small) to 100 (good), on libwebp's scale; what is beyond counts as that, and what is not a number as 1.
    pub quality: f32,
}

/// Why a picture cannot be encoded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// No pixels, or a side that the file cannot say.
    #[error("{width} x {height} px: sides have to be 1 to {MAX_SIDE} px")]
    Size {
        /// As given.
        width: u32,
        /// As given.
        height: u32,
    },
    /// A plane does not have the samples that the size asks for.
    #[error("a plane has {found} samples, not {expected}")]
    Samples {
        /// Samples in the plane.
        found: usize,
        /// What the size asks for.
        expected: usize,
    },
    /// More than the file's lengths can say.
    #[error("the picture does not fit into a file")]
    TooLarge,
}

/// What files are made with.
const TUNING: Tuning = Tuning { spatial: 50, filter: 60 };

/// The picture as a WebP file.
pub fn encode(planes: &Planes<'_>, options: Options) -> Result<Vec<u8>, EncodeError> {
    planes.check()?;
    let frame = encode::encode(planes, options, TUNING, &mut |_, _, _| {})?;
    container::file(&frame, None, (planes.width, planes.height))
}

/// The picture with its alpha, `width * height` samples, as a WebP file: colour with loss, alpha without. 255 is opaque; if all
/// of it is, this is [`encode`].
///
/// Of wholly transparent pixels the colour is not kept, and colour is taken not to be premultiplied. Where alpha differs within
/// the pixels that share a chroma sample, it should be their mean weighted by alpha, or else hidden colours show.
pub fn encode_with_alpha(
    planes: &Planes<'_>,
    alpha: &[u8],
    options: Options,
) -> Result<Vec<u8>, EncodeError> {
    planes.check()?;
    if alpha.len() != planes.y.len() {
        return Err(EncodeError::Samples { found: alpha.len(), expected: planes.y.len() });
    }
    if alpha.iter().all(|&alpha| alpha == 255) {
        return encode(planes, options);
    }
    let (width, height) = (planes.width, planes.height);
    let cleaned = transparent::Cleaned::of(planes, alpha);
    let planes = cleaned.as_ref().map_or(*planes, |cleaned| cleaned.planes(width, height));
    let frame = encode::encode(&planes, options, TUNING, &mut |_, _, _| {})?;
    container::file(&frame, Some(&alpha::encode(alpha, width as usize)), (width, height))
}

/// Encodes a picture of few colours without loss: RGB or RGBA by `channels`, 3 or 4, not premultiplied, no padding between rows.
/// `None` if the picture has more than 256 colours, or if few of its pixels are like their neighbours, as in photos: files of
/// those are smaller with loss. Of wholly transparent pixels the colour is not kept.
///
/// # Errors
/// Samples that are not those of this size.
pub fn encode_palette(
    samples: &[u8],
    channels: usize,
    (width, height): (u32, u32),
) -> Result<Option<Vec<u8>>, EncodeError> {
    if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
        return Err(EncodeError::Size { width, height });
    }
    let expected = width as usize * height as usize * channels;
    if samples.len() != expected || !(3..=4).contains(&channels) {
        return Err(EncodeError::Samples { found: samples.len(), expected });
    }
    let indexed = if channels == 3 {
        let pixels = samples.as_chunks::<3>().0.iter().map(|&[r, g, b]| [r, g, b, 255]);
        lossless::palette::Indexed::of(pixels, width as usize)
    } else {
        lossless::palette::Indexed::of(samples.as_chunks::<4>().0.iter().copied(), width as usize)
    };
    indexed.map(|indexed| container::lossless_file(&indexed.encode())).transpose()
}

impl Planes<'_> {
    fn check(&self) -> Result<(), EncodeError> {
        let (width, height) = (self.width, self.height);
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(EncodeError::Size { width, height });
        }
        let luma = width as usize * height as usize;
        let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
        for (plane, expected) in [(self.y, luma), (self.u, chroma), (self.v, chroma)] {
            if plane.len() != expected {
                return Err(EncodeError::Samples { found: plane.len(), expected });
            }
        }
        Ok(())
    }
}
