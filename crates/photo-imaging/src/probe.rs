//! The first stage: what the header says, held against the limits. Nothing is decoded here.

mod cursor;
pub(crate) mod gif;
pub(crate) mod heif;
pub(crate) mod jpeg;
pub(crate) mod png;
pub(crate) mod png_color;
pub(crate) mod webp;

use std::sync::Arc;

use image::metadata::Orientation;
use photo_heif::Heif;
use photo_jpeg::Jpeg;

pub(crate) use cursor::Cursor;

use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::render::guarded;

/// A photo whose header is known and within limits. The only way to the next stage, so no byte is decoded unchecked.
#[derive(Clone, Debug)]
pub struct Probed<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) header: Header,
    pub(crate) limits: Limits,
    /// What the JPEG decoder has found already.
    pub(crate) jpeg: Option<Jpeg<'a>>,
    /// The still of a WebP, or its first frame.
    pub(crate) webp: Option<webp::Frame<'a>>,
    /// The container of a HEIC.
    pub(crate) heif: Option<Arc<Heif<'a>>>,
}

/// What a format's parser found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) format: Format,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frames: u32,
    pub(crate) orientation: Orientation,
    pub(crate) has_icc: bool,
    /// What decoding takes, in bytes; of JPEG, at the least scale.
    pub(crate) decoder_bytes: u64,
    /// Why the file is damaged, found on a look at its structure that was carried to the end.
    pub(crate) damage: Option<&'static str>,
}

/// Sniffs the type and reads the header. Time is linear in the length of the input, memory constant. Of lossless WebP, prefix codes and
/// transforms are read as well, which takes less than a byte for each pixel.
///
/// # Errors
/// Every limit, the deadline only while that is read, and what the structure of the file alone shows to be wrong.
pub fn probe<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Probed<'a>, ImagingError> {
    limits.check_bytes(bytes.len())?;
    let (mut jpeg, mut first_frame, mut heif) = (None, None, None);
    let header = match Format::sniff(bytes)? {
        Format::Jpeg => {
            let (header, parsed) = jpeg::parse(bytes)?;
            jpeg = Some(parsed);
            header
        }
        Format::Png => png::parse(bytes)?,
        Format::WebP => {
            let (header, found) = webp::parse(bytes, limits)?;
            first_frame = found;
            header
        }
        // The parameter sets are read by a library.
        Format::Heic => {
            let (header, parsed) = guarded("reading the header", || heif::parse(bytes, limits))?;
            heif = Some(parsed);
            header
        }
        Format::Gif => gif::parse(bytes)?,
    };
    if header.width == 0 || header.height == 0 {
        return Err(ImagingError::corrupt(header.format, "a side is zero"));
    }
    limits.check_size(header.width, header.height)?;
    limits.check_memory(header.decoder_bytes)?;
    // Last, so that a bomb is called one even if it is cut off as well.
    if let Some(reason) = header.damage {
        return Err(ImagingError::corrupt(header.format, reason));
    }
    Ok(Probed { bytes, header, limits: *limits, jpeg, webp: first_frame, heif })
}

impl Probed<'_> {
    /// Whether it is a WebP that is decoded to planes.
    pub(crate) fn is_planar_webp(&self) -> bool {
        let size = (self.header.width, self.header.height);
        self.webp.is_some_and(|frame| frame.is_planar() && frame.covers(size))
    }

    /// The type that the bytes have.
    #[must_use]
    pub fn format(&self) -> Format {
        self.header.format
    }

    /// Width in px as a viewer shows it, after orientation.
    #[must_use]
    pub fn width(&self) -> u32 {
        if swaps_sides(self.header.orientation) { self.header.height } else { self.header.width }
    }

    /// Height in px as a viewer shows it, after orientation.
    #[must_use]
    pub fn height(&self) -> u32 {
        if swaps_sides(self.header.orientation) { self.header.width } else { self.header.height }
    }

    /// Number of frames, 1 for a still picture.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.header.frames
    }

    /// EXIF orientation, 1 to 8; 1 if there is none or a senseless one.
    #[must_use]
    pub fn orientation(&self) -> u8 {
        self.header.orientation.to_exif()
    }

    /// Whether an ICC profile is embedded.
    #[must_use]
    pub fn has_icc_profile(&self) -> bool {
        self.header.has_icc
    }

    /// Memory in bytes that decoding takes, by the header. A JPEG takes more the larger its largest variant is; this is
    /// the least.
    #[must_use]
    pub fn decoder_bytes(&self) -> u64 {
        self.header.decoder_bytes
    }
}

/// Whether width and height change places when the orientation is applied.
pub(crate) const fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{
        FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270,
        Rotate270FlipH,
    };
    match orientation {
        NoTransforms | FlipHorizontal | FlipVertical | Rotate180 => false,
        Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH => true,
    }
}

/// Orientation out of a TIFF structure; some writers leave JPEG's `Exif\0\0` before it in PNG and WebP too.
fn orientation_of(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
}
