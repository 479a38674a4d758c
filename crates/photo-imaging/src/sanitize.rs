//! The photo itself without what it tells of its maker: each format is written anew from what a decoder needs, which are the
//! coded pixels, the colours and the orientation. Nothing is copied by default, so a kind of metadata that is not known here
//! is left out as well.
//!
//! Coded pixels are copied as they are; what remains of a sender's choices in them is listed in
//! `docs/adr/039-sanitised-original-is-written-anew.md`.

mod cut;
mod gif;
pub(crate) mod inflate;
mod jpeg;
mod lut;
mod lzw;
mod palette;
mod png;
mod profile;
mod webp;

use image::metadata::Orientation;

use crate::error::ImagingError;
use crate::format::{Format, OutputFormat};
use crate::limits::Limits;
use crate::options::{Animation, Fit, RenderOptions, VariantSpec};
use crate::probe::Probed;
use crate::render::Variant;

/// Bytes that the output may be longer than the input: a structure for the orientation, and the padding of a profile.
const MARGIN: usize = 128;

/// Quality of a picture that stands for its original. From 90 on, JPEG keeps chroma at full resolution.
const REENCODED_QUALITY: u8 = 92;

impl Probed<'_> {
    /// Encodes the photo anew as it is shown, in its own size: for a photo that is damaged, or whose format browsers do
    /// not show. JPEG stays JPEG, and formats with alpha become WebP if its sides allow. Of an animation the first frame
    /// is written. The picture is smaller if its own size takes more memory than [`crate::Limits::max_decoder_bytes`].
    ///
    /// Of `options`, the variants and the threads are not used. `held_bytes` is what the caller holds of the photo's other
    /// variants. The limits leave memory for one copy of the original, which is not made here: what is held beyond its length is
    /// charged.
    ///
    /// # Errors
    /// Those of [`Probed::render`].
    pub fn reencode(&self, options: &RenderOptions, held_bytes: usize) -> Result<Variant, ImagingError> {
        let charged = held_bytes.saturating_sub(self.bytes.len()) as u64;
        let max_decoder_bytes = self.limits.max_decoder_bytes.saturating_sub(charged);
        let photo = Self { limits: Limits { max_decoder_bytes, ..self.limits }, ..self.clone() };
        let mut longest_side = self.width().max(self.height());
        let format = match self.header.format {
            Format::Png | Format::WebP | Format::Gif if longest_side <= OutputFormat::WebP.max_side() => {
                OutputFormat::WebP
            }
            _ => OutputFormat::Jpeg,
        };
        loop {
            let spec = VariantSpec::new("original", Fit::Inside { longest_side }, format, REENCODED_QUALITY)
                .map_err(|error| ImagingError::Internal(error.to_string()))?;
            let options = RenderOptions {
                variants: vec![spec],
                animation: Animation::FirstFrame,
                threads: 1,
                ..options.clone()
            };
            match photo.render_timed(&options) {
                // Each turn takes a little more than half of the pixels.
                Err(ImagingError::TooMuchMemory { .. }) if longest_side > 1 => {
                    longest_side = longest_side * 3 / 4;
                }
                Err(error) => return Err(error),
                Ok((rendered, _)) => {
                    let missing = || ImagingError::Internal("no variant was made".to_owned());
                    return rendered.variants.into_iter().next().ok_or_else(missing);
                }
            }
        }
    }

    /// Writes the same pixels into a file without metadata, orientation and colour profile excepted. An animated PNG becomes the
    /// picture that is shown. An animated WebP ends before the first frame that cannot be decoded. Bytes behind the end of a stream go.
    /// Time is linear in the length of the input and in the number of pixels of all frames. The output is at most
    /// 128 bytes longer than the input, and 512 bytes for a PNG whose data holds more or less than its rows; a PNG's profile is
    /// compressed again, which may take more bytes than before.
    ///
    /// # Errors
    /// Damage that [`crate::probe`] passed over, and a deadline that passes.
    pub fn sanitize(&self) -> Result<Vec<u8>, ImagingError> {
        let mut out = Vec::with_capacity(self.bytes.len() + MARGIN);
        let (bytes, orientation, limits) = (self.bytes, self.header.orientation, &self.limits);
        match (self.header.format, &self.jpeg) {
            (Format::Jpeg, Some(photo)) => jpeg::write(photo, orientation, limits, &mut out)?,
            (Format::Jpeg, None) => {
                return Err(ImagingError::Internal("a JPEG without a header".to_owned()));
            }
            (Format::Png, _) => png::write(bytes, orientation, limits, &mut out)?,
            (Format::WebP, _) => {
                let size = (self.header.width, self.header.height);
                webp::write(bytes, size, orientation, limits, &mut out)?;
            }
            // Browsers other than Safari do not show it: the caller encodes it anew.
            (Format::Heic, _) => return Err(ImagingError::UnsupportedType("a HEIC without metadata")),
            (Format::Gif, _) => gif::write(bytes, limits, &mut out)?,
        }
        Ok(out)
    }
}

/// A TIFF structure that says the orientation and nothing else.
fn tiff(orientation: Orientation) -> [u8; 26] {
    let mut tiff = *b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    tiff[19] = orientation.to_exif();
    tiff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_exif_says_its_orientation() {
        for number in 1..=8 {
            let orientation = Orientation::from_exif(number).unwrap();
            assert_eq!(Orientation::from_exif_chunk(&tiff(orientation)), Some(orientation));
        }
    }
}
