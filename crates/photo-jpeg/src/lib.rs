//! JPEG decoding for thumbnails: scaled while decoding, strict about damage, bounded in memory and time, no `unsafe`.
//!
//! ```
//! use photo_jpeg::{Jpeg, Scale, Scales};
//!
//! # fn main() -> Result<(), photo_jpeg::Error> {
//! # let bytes = include_bytes!("../../photo-imaging/testdata/photo-6mp.jpg");
//! let jpeg = Jpeg::parse(bytes)?;
//! assert_eq!((jpeg.width(), jpeg.height()), (3000, 2000));
//! let quarter = Scale::new(2).unwrap_or(Scale::FULL);
//! let picture = jpeg.decode(Scales::same(quarter), &mut || false)?;
//! assert_eq!((picture.width, picture.height), (750, 500));
//! let pixels = picture.into_pixels();
//! assert_eq!(pixels.len(), 750 * 500 * 3);
//! # Ok(())
//! # }
//! ```
//!
//! - Sequential and progressive Huffman files of 8 bits, of one, three or four components in any sampling; all else is
//!   [`Error::Unsupported`].
//! - At N/8 a block of 8 × 8 becomes N × N samples, out of its N × N lowest frequencies; the others are skipped, and
//!   progressive files keep only what the scale needs.
//! - A file that is cut off, whose codes run wild, or whose progression is not complete is [`Error::Corrupt`]: never half
//!   a picture.
//! - The samples come out as planes at the resolution that they are stored in, so that a caller who resizes anyway need
//!   not enlarge chroma first; [`Picture::into_pixels`] makes pixels of them.

#![expect(clippy::inline_always, reason = "measured: the loop over coefficients lives on being one function")]

mod bits;
mod coefficients;
mod decode;
mod error;
mod frame;
mod huffman;
mod idct;
mod markers;
mod picture;
mod progressive;
mod scale;
mod sequential;
mod tables;
mod upsample;

pub use error::Error;
pub use frame::Color;
pub use picture::{Picture, Plane, rgb_of_ycbcr};
pub use scale::{Scale, Scales};

use frame::Frame;
use markers::Markers;

/// A file of more scans than this is an attack on time: encoders write about ten.
pub const MAX_SCANS: u32 = 100;

/// Longest ICC profile in bytes. Those of printing conditions have 2 to 3 MB, those of displays and cameras some kB.
pub const MAX_ICC_BYTES: usize = 4 << 20;

/// Most chunks of a profile: as many as can be numbered.
const MAX_ICC_CHUNKS: usize = 255;

/// A file whose frame header is known. Nothing is decoded yet.
#[derive(Clone, Debug)]
pub struct Jpeg<'a> {
    bytes: &'a [u8],
    frame: Frame,
    color: Color,
    exif: Option<&'a [u8]>,
    /// Number, count and bytes.
    icc: Vec<(u8, u8, &'a [u8])>,
    scans: u32,
    damage: Option<Error>,
}

impl<'a> Jpeg<'a> {
    /// Walks all markers. Time is linear in the length of the input and nothing of it is copied.
    ///
    /// # Errors
    /// A frame header that is missing, broken, or of a kind that is not decoded here. What is wrong further on is
    /// [`Jpeg::damage`], so that a caller may hold the size against limits first.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut markers = Markers::new(bytes)?;
        let (mut frame, mut transform, mut jfif) = (None, None, false);
        let (mut exif, mut icc, mut scans) = (None, Vec::new(), 0);
        let damage = loop {
            let segment = match markers.next() {
                Ok(segment) => segment,
                Err(error) => break Some(error),
            };
            let body = segment.body;
            match segment.marker {
                0xc0..=0xc2 if frame.is_some() => return Err(Error::Corrupt("a second frame header")),
                marker @ 0xc0..=0xc2 => frame = Some(Frame::parse(marker, body)?),
                0xc3 | 0xc5..=0xc7 | 0xde => return Err(Error::Unsupported("lossless or hierarchical JPEG")),
                0xf7 => return Err(Error::Unsupported("JPEG-LS")),
                0xc8..=0xcb | 0xcd..=0xcf => return Err(Error::Unsupported("arithmetic-coded JPEG")),
                0xda => {
                    scans += 1;
                    if let Err(error) = markers.skip_scan() {
                        break Some(error);
                    }
                }
                0xd9 if scans == 0 => break Some(Error::Corrupt("no scan")),
                0xd9 => break None,
                // A shorter one is none to libjpeg either.
                0xe0 => jfif |= body.starts_with(b"JFIF\0") && body.len() >= 14,
                0xe1 if exif.is_none() && body.starts_with(b"Exif\0") => exif = Some(body),
                0xe2 => {
                    if let Some([number, count, chunk @ ..]) = body.strip_prefix(b"ICC_PROFILE\0")
                        && icc.len() < MAX_ICC_CHUNKS
                    {
                        icc.push((*number, *count, chunk));
                    }
                }
                0xee if body.starts_with(b"Adobe") => transform = body.get(11).copied(),
                _ => {}
            }
        };
        let frame = frame.ok_or(match damage {
            Some(error) if scans == 0 => error,
            _ => Error::Corrupt("no frame header"),
        })?;
        let damage = damage.or((scans > MAX_SCANS).then_some(Error::Corrupt("too many scans")));
        let color = frame.color(transform, jfif);
        Ok(Self { bytes, frame, color, exif, icc, scans, damage })
    }

    /// Width in px, 1 to 65,535.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.frame.width
    }

    /// Height in px, 1 to 65,535.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.frame.height
    }

    /// What the components are.
    #[must_use]
    pub fn color(&self) -> Color {
        self.color
    }

    /// Whether the file is progressive.
    #[must_use]
    pub fn is_progressive(&self) -> bool {
        self.frame.progressive
    }

    /// Number of scans.
    #[must_use]
    pub fn scans(&self) -> u32 {
        self.scans
    }

    /// The first EXIF segment, with its `Exif\0\0`.
    #[must_use]
    pub fn exif(&self) -> Option<&'a [u8]> {
        self.exif
    }

    /// Whether there is an ICC profile, whole or not.
    #[must_use]
    pub fn has_icc_profile(&self) -> bool {
        !self.icc.is_empty()
    }

    /// The ICC profile, if all of its chunks are there and it has at most [`MAX_ICC_BYTES`].
    #[must_use]
    pub fn icc_profile(&self) -> Option<Vec<u8>> {
        let &(_, count, _) = self.icc.first()?;
        let chunk = |number| self.icc.iter().find(|&&(n, c, _)| n == number && c == count);
        let chunks = (1..=count).map(|number| chunk(number).map(|&(_, _, bytes)| bytes));
        let chunks: Vec<&[u8]> = chunks.collect::<Option<_>>()?;
        let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        (1..=MAX_ICC_BYTES).contains(&length).then(|| chunks.concat())
    }

    /// What is wrong with the structure of the file behind its frame header. Such a file is never decoded.
    #[must_use]
    pub fn damage(&self) -> Option<Error> {
        self.damage
    }

    /// Memory in bytes that [`Jpeg::decode`] takes at most, the picture included. [`Picture::into_pixels`] takes the
    /// pixels in addition.
    #[must_use]
    pub fn memory_bytes(&self, scales: Scales) -> u64 {
        decode::memory_bytes(&self.frame, self.color, scales)
    }

    /// Decodes the whole picture.
    ///
    /// `should_stop` is asked at least once for each row of units of each scan and for every 256 segments between them; a true
    /// answer ends in [`Error::Stopped`].
    ///
    /// # Errors
    /// Every damage, found before or while decoding.
    pub fn decode(&self, scales: Scales, should_stop: &mut dyn FnMut() -> bool) -> Result<Picture, Error> {
        match self.damage {
            Some(error) => Err(error),
            None => decode::decode(self.bytes, &self.frame, self.color, scales, should_stop),
        }
    }
}
