//! What is wanted of a photo.

use crate::damage::DamagedPhotos;
use crate::format::OutputFormat;

/// How a variant's size follows from the photo's. A photo is never enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fit {
    /// The whole photo, its longer side at most this many px.
    Inside {
        /// In px.
        longest_side: u32,
    },
    /// The whole photo, at most this wide and this high.
    Within {
        /// In px.
        width: u32,
        /// In px.
        height: u32,
    },
    /// The middle of the photo, cut to this shape and at most this size. A smaller photo is cut to the same shape.
    Cover {
        /// In px.
        width: u32,
        /// In px.
        height: u32,
    },
    /// The whole photo in the middle of exactly this size, on the background colour, which also replaces transparency.
    Contain {
        /// In px.
        width: u32,
        /// In px.
        height: u32,
    },
}

/// One file to be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VariantSpec {
    name: String,
    fit: Fit,
    format: OutputFormat,
    quality: u8,
}

/// A variant that no photo could have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariant {
    /// A side is zero, or longer than the file format can say.
    #[error("variant {name:?}: a side of {side} px, 1 to {max} are allowed for {format}")]
    Side {
        /// The variant's name.
        name: String,
        /// The side given, in px.
        side: u32,
        /// The longest side of the format, in px.
        max: u32,
        /// The format.
        format: OutputFormat,
    },
    /// The quality is out of range.
    #[error("variant {name:?}: quality {quality}, 1 to 100 are allowed")]
    Quality {
        /// The variant's name.
        name: String,
        /// The quality given.
        quality: u8,
    },
}

impl VariantSpec {
    /// Checks sides (1 to [`OutputFormat::max_side`] px) and quality (1 to 100). Two variants may share a name if their
    /// formats differ: their pixels are then made once.
    ///
    /// # Errors
    /// [`InvalidVariant`], which names the variant.
    pub fn new(
        name: impl Into<String>,
        fit: Fit,
        format: OutputFormat,
        quality: u8,
    ) -> Result<Self, InvalidVariant> {
        let name = name.into();
        let max = format.max_side();
        let (a, b) = match fit {
            Fit::Inside { longest_side } => (longest_side, longest_side),
            Fit::Within { width, height } | Fit::Cover { width, height } | Fit::Contain { width, height } => {
                (width, height)
            }
        };
        if let Some(side) = [a, b].into_iter().find(|side| !(1..=max).contains(side)) {
            return Err(InvalidVariant::Side { name, side, max, format });
        }
        if !(1..=100).contains(&quality) {
            return Err(InvalidVariant::Quality { name, quality });
        }
        Ok(Self { name, fit, format, quality })
    }

    /// The name given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the size is found.
    #[must_use]
    pub fn fit(&self) -> Fit {
        self.fit
    }

    /// The file format.
    #[must_use]
    pub fn format(&self) -> OutputFormat {
        self.format
    }

    /// The encoder's quality, 1 to 100. WebP gets up to 3.5 steps more below half a megapixel:
    /// docs/adr/033-quality-by-size.md.
    #[must_use]
    pub fn quality(&self) -> u8 {
        self.quality
    }
}

/// What becomes of an animation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Animation {
    /// Its first frame, in every variant.
    #[default]
    FirstFrame,
    /// WebP variants move; those of formats without animation here, and those of an animation beyond
    /// [`crate::Limits::max_animation_pixels`] or the decoder's memory, are the first frame.
    Keep,
}

/// All that is wanted of one photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// The files to be made. None at all is fine: the placeholder is made in any case.
    pub variants: Vec<VariantSpec>,
    /// Red, green and blue under transparency in JPEG, and around a photo that is contained.
    pub background: [u8; 3],
    /// The effort of WebP: up to 3 pictures are `photo-webp`'s, from 4 on libwebp's at that method, 6 at most.
    pub webp_method: u8,
    /// rav1e's speed for AVIF, 1 (small) to 10 (fast); 0 is taken as 1 and more as 10.
    pub avif_speed: u8,
    /// What becomes of an animation.
    pub animation: Animation,
    /// What becomes of a photo of which pixels are missing.
    pub damaged_photos: DamagedPhotos,
    /// Threads that encode at the same time, this one included; 0 is taken as 1. Output does not depend on it.
    pub threads: usize,
}

impl RenderOptions {
    /// A fraction of the work of libwebp's own default of 4 for the same quality and some 3 % more bytes: see
    /// docs/adr/021-own-webp-encoder.md.
    pub const DEFAULT_WEBP_METHOD: u8 = 2;

    /// A second or so of one CPU for a picture of 1280 px; 8 takes twice that for 1 % fewer bytes.
    pub const DEFAULT_AVIF_SPEED: u8 = 9;

    /// These variants on white, with the default effort, on one thread.
    #[must_use]
    pub fn new(variants: Vec<VariantSpec>) -> Self {
        Self {
            variants,
            background: [255; 3],
            webp_method: Self::DEFAULT_WEBP_METHOD,
            avif_speed: Self::DEFAULT_AVIF_SPEED,
            animation: Animation::FirstFrame,
            damaged_photos: DamagedPhotos::Show,
            threads: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_that_cannot_be_is_refused_with_its_name() {
        let inside = |longest_side| Fit::Inside { longest_side };
        let table = [
            (
                inside(0),
                OutputFormat::Jpeg,
                80,
                Some("variant \"x\": a side of 0 px, 1 to 65535 are allowed for jpeg"),
            ),
            (
                inside(16_384),
                OutputFormat::WebP,
                80,
                Some("variant \"x\": a side of 16384 px, 1 to 16383 are allowed for webp"),
            ),
            (
                Fit::Cover { width: 1, height: 0 },
                OutputFormat::WebP,
                80,
                Some("variant \"x\": a side of 0 px, 1 to 16383 are allowed for webp"),
            ),
            (inside(10), OutputFormat::Jpeg, 0, Some("variant \"x\": quality 0, 1 to 100 are allowed")),
            (inside(10), OutputFormat::Jpeg, 101, Some("variant \"x\": quality 101, 1 to 100 are allowed")),
            (inside(16_383), OutputFormat::WebP, 100, None),
            (inside(1), OutputFormat::Jpeg, 1, None),
        ];
        for (fit, format, quality, expected) in table {
            let refused = VariantSpec::new("x", fit, format, quality).err().map(|e| e.to_string());
            assert_eq!(refused.as_deref(), expected);
        }
    }
}
