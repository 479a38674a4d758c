//! JPEG decoding for thumbnails: scaled while decoding, honest about damage, bounded in memory and time, no `unsafe`.
//!
//! ```
//! use photo_jpeg::{Jpeg, Scale, Scales};
//!
//! # fn main() -> Result<(), photo_jpeg::Error> {
//! # let bytes = include_bytes!("../../photo-imaging/testdata/photo-6mp.jpg");
//! let jpeg = Jpeg::parse(bytes)?;
//! assert_eq!((jpeg.width(), jpeg.height()), (3000, 2000));
//! let quarter = Scale::new(2).unwrap_or(Scale::FULL);
//! let decoded = jpeg.decode(Scales::same(quarter), &mut || false)?;
//! assert_eq!(decoded.loss, None);
//! let picture = decoded.picture;
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
//! - Damage that costs no pixel is passed over: bytes that belong to no block, restart markers of wrong numbers, no end of the
//!   image, data behind it, missing refinements of a progressive file. Huffman tables that are missing are those of ITU-T
//!   T.81, annex K.3.
//! - Of a damaged file comes out what has arrived, and [`Loss`] says how much that is. Decoding resumes at restart markers as
//!   libjpeg's does; what is missing is gray.
//! - The samples come out as planes at the resolution that they are stored in, so that a caller who resizes anyway need
//!   not enlarge chroma first; [`Picture::into_pixels`] makes pixels of them.

#![expect(clippy::inline_always, reason = "measured: the loop over coefficients lives on being one function")]

mod bits;
mod coefficients;
mod decode;
mod entropy;
mod error;
mod frame;
mod huffman;
mod idct;
mod loss;
mod markers;
mod picture;
mod progressive;
mod scale;
mod sequential;
mod standard;
mod tables;
mod upsample;
mod walk;

pub use error::Error;
pub use frame::Color;
pub use loss::Loss;
pub use picture::{Picture, Plane, rgb_of_ycbcr};
pub use scale::{Scale, Scales};

use frame::Frame;
use markers::{Markers, is_frame, marker};
use walk::{Part, Walk};

/// A file of more scans than this is an attack on time: encoders write about ten.
pub const MAX_SCANS: u32 = 100;

/// Longest ICC profile in bytes. Those of printing conditions have 2 to 3 MB, those of displays and cameras some kB.
pub const MAX_ICC_BYTES: usize = 4 << 20;

/// Most chunks of a profile: as many as can be numbered.
const MAX_ICC_CHUNKS: usize = 255;

/// Zeros at the end of a file that may be data. More of them are what a transfer that was cut off left.
const MAX_TRAILING_ZEROS: usize = 32;

/// The Huffman tables of ITU-T T.81, annex K.3, that a sequential file without its own means. Each is a table of a DHT segment:
/// class and number, counts of codes by length, and symbols.
pub const STANDARD_HUFFMAN_TABLES: [&[u8]; 4] = standard::TABLES;

/// A file whose frame header is known. Nothing is decoded yet.
#[derive(Clone, Debug)]
pub struct Jpeg<'a> {
    bytes: &'a [u8],
    frame: Frame,
    color: Color,
    jfif: bool,
    adobe_transform: Option<u8>,
    exif: Option<&'a [u8]>,
    /// Number, count and bytes.
    icc: Vec<(u8, u8, &'a [u8])>,
    scans: u32,
    damage: Option<Error>,
}

/// A picture, and what is missing of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// All that has arrived; the rest is gray.
    pub picture: Picture,
    /// `None` if the picture is whole.
    pub loss: Option<Loss>,
}

/// A part of a file that the picture is made of, see [`Jpeg::coded_parts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodedPart<'a> {
    /// A segment that defines tables or the restart interval, or begins the frame or a scan.
    Segment {
        /// The code of its marker.
        marker: u8,
        /// Its content.
        body: &'a [u8],
    },
    /// The data of a restart interval, or of a scan without restarts, up to the byte in which its last block ends.
    Data(&'a [u8]),
}

impl<'a> Jpeg<'a> {
    /// Reads all segments up to the first scan, and counts the scans. Time is linear in the length of the input and nothing of it
    /// is copied. What stands behind the first scan's header changes neither colours nor orientation, as in browsers.
    ///
    /// # Errors
    /// A frame header that is missing, invalid, or of a kind that is not decoded here. That no scan can be decoded is
    /// [`Jpeg::damage`], so that a caller may hold the size against limits first.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let bytes = &bytes[..bytes.len().min(length + MAX_TRAILING_ZEROS)];
        let mut markers = Markers::new(bytes)?;
        let (mut frame, mut adobe_transform, mut jfif) = (None, None, false);
        let (mut exif, mut icc) = (None, Vec::new());
        let damage = loop {
            let before = markers;
            let segment = match markers.next() {
                Ok(segment) => segment,
                Err(error) => break Some(error),
            };
            let body = segment.body;
            match segment.marker {
                marker::SOF0..=marker::SOF2 if frame.is_some() => {
                    return Err(Error::Corrupt("a second frame header"));
                }
                code @ marker::SOF0..=marker::SOF2 => frame = Some(Frame::parse(code, body)?),
                0xc3 | 0xc5..=0xc7 | marker::DHP => {
                    return Err(Error::Unsupported("lossless or hierarchical JPEG"));
                }
                marker::SOF55 => return Err(Error::Unsupported("JPEG-LS")),
                code if is_frame(code) || matches!(code, marker::JPG) => {
                    return Err(Error::Unsupported("arithmetic-coded JPEG"));
                }
                marker::SOS => {
                    markers = before;
                    break None;
                }
                marker::EOI => break Some(Error::Corrupt("no scan")),
                // A shorter one is none to libjpeg either.
                marker::APP0 => jfif |= body.starts_with(b"JFIF\0") && body.len() >= 14,
                marker::APP1 if exif.is_none() && is_exif(body) => exif = Some(body),
                marker::APP2 => {
                    if let Some([number, count, chunk @ ..]) = body.strip_prefix(b"ICC_PROFILE\0")
                        && icc.len() < MAX_ICC_CHUNKS
                    {
                        icc.push((*number, *count, chunk));
                    }
                }
                marker::APP14 if body.starts_with(b"Adobe") => {
                    adobe_transform = body.get(11).copied().or(adobe_transform);
                }
                _ => {}
            }
        };
        let frame = frame.ok_or(damage.unwrap_or(Error::Corrupt("no frame header")))?;
        let color = frame.color(adobe_transform, jfif);
        let mut jpeg = Self { bytes, frame, color, jfif, adobe_transform, exif, icc, scans: 0, damage };
        if damage.is_none() {
            jpeg.damage = jpeg.count_scans(markers).err();
        }
        Ok(jpeg)
    }

    fn count_scans(&mut self, markers: Markers<'_>) -> Result<(), Error> {
        let mut walk = Walk::new(markers, &self.frame);
        loop {
            match walk.next() {
                Ok(Some(Part::Scan(_, segment))) => {
                    self.scans += 1;
                    walk.skip_data(segment.end);
                }
                Ok(Some(Part::Segment(_))) => {}
                Err(error) if self.scans == 0 => return Err(error),
                Ok(None) | Err(_) if self.scans > MAX_SCANS => return Err(Error::Corrupt("too many scans")),
                Ok(None) | Err(_) => return Ok(()),
            }
        }
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

    /// Whether a JFIF segment says that colour is YCbCr.
    #[must_use]
    pub fn is_jfif(&self) -> bool {
        self.jfif
    }

    /// The colour transform of Adobe's segment, if there is one.
    #[must_use]
    pub fn adobe_transform(&self) -> Option<u8> {
        self.adobe_transform
    }

    /// Number of scans that the picture is made of.
    #[must_use]
    pub fn scans(&self) -> u32 {
        self.scans
    }

    /// The first EXIF segment before the scans that holds a TIFF structure, with the six bytes of `Exif\0\0`.
    #[must_use]
    pub fn exif(&self) -> Option<&'a [u8]> {
        self.exif
    }

    /// Whether there is an ICC profile, whole or not.
    #[must_use]
    pub fn has_icc_profile(&self) -> bool {
        !self.icc.is_empty()
    }

    /// The ICC profile, if each of its chunks is there once and it has at most [`MAX_ICC_BYTES`].
    #[must_use]
    pub fn icc_profile(&self) -> Option<Vec<u8>> {
        let &(_, count, _) = self.icc.first()?;
        let mut chunks = vec![None; count.into()];
        for &(number, of, bytes) in &self.icc {
            let chunk = chunks.get_mut(usize::from(number.checked_sub(1)?))?;
            // A number that comes twice makes it no profile, for browsers too.
            if of != count || chunk.replace(bytes).is_some() {
                return None;
            }
        }
        let chunks: Vec<&[u8]> = chunks.into_iter().collect::<Option<_>>()?;
        let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        (1..=MAX_ICC_BYTES).contains(&length).then(|| chunks.concat())
    }

    /// Why no picture can be had of the file: no scan behind the frame header, or more than [`MAX_SCANS`].
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

    /// Decodes the picture, as much of it as has arrived.
    ///
    /// `should_stop` is asked at least once for each row of MCUs of each scan and for every 256 segments between them; a true
    /// answer ends in [`Error::Stopped`].
    ///
    /// # Errors
    /// [`Jpeg::damage`], and a first scan whose header or tables are invalid.
    pub fn decode(&self, scales: Scales, should_stop: &mut dyn FnMut() -> bool) -> Result<Decoded, Error> {
        match self.damage {
            Some(error) => Err(error),
            None => decode::decode(self.bytes, &self.frame, self.color, scales, should_stop),
        }
    }

    /// Gives `sink` the parts that the picture is made of, in their order: a file that is written of them, with restart markers
    /// between the data of a scan and an end-of-image marker behind them, is the same picture without a byte that belongs to
    /// no block. The codes are decoded for that; memory is that of [`Jpeg::decode`] at [`Scale::LEAST`].
    ///
    /// # Errors
    /// Those of [`Jpeg::decode`], and codes that are missing or invalid, also if they cost no pixel. What `sink` was given is then
    /// not a whole picture.
    pub fn coded_parts(
        &self,
        sink: &mut dyn FnMut(CodedPart<'a>),
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        match self.damage {
            Some(error) => Err(error),
            None => decode::coded_parts(self.bytes, &self.frame, self.color, sink, should_stop),
        }
    }
}

/// Whether an APP1 segment holds EXIF, as Chromium tells: a name, a fill byte and the beginning of a TIFF structure.
fn is_exif(body: &[u8]) -> bool {
    body.starts_with(b"Exif\0") && body.len() >= 14 && matches!(&body[6..8], b"II" | b"MM")
}
