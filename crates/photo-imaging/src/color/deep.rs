//! Colours of 16 bits a channel to sRGB, before the low bytes go: a profile of linear light needs them in the shadows.

use std::sync::Arc;

use moxcms::{ColorProfile, Transform16BitExecutor, TransformOptions};

use super::{
    ByPixels, PIXELS_A_CHECK, PixelTransform, by_pixels, coloured, curve, extend_by_pixels,
    is_gray_in_colours, layouts, narrow,
};
use crate::error::ImagingError;
use crate::limits::Limits;
use crate::profile::Profile;
use crate::raster::Channels;

/// A profile made ready for pixels of 16 bits a channel, which become 8 bits.
pub(crate) struct DeepConversion<'p> {
    source: Channels,
    target: Channels,
    method: Method<'p>,
}

enum Method<'p> {
    Library {
        transform: Arc<Transform16BitExecutor>,
        /// Gray by a profile for colours.
        is_spread: bool,
    },
    Pixels(Box<dyn PixelTransform + Send + Sync + 'p>),
}

impl<'p> DeepConversion<'p> {
    /// `None` if the profile is for other channels, or is not complete.
    pub(crate) fn new(profile: &'p Profile, source: Channels) -> Option<Self> {
        let is_spread = is_gray_in_colours(source, profile);
        let taken = if is_spread { coloured(source) } else { source };
        let (space, from, to, target) = layouts(taken);
        if profile.color_space() != space {
            return None;
        }
        let method = match by_pixels(profile, taken)? {
            ByPixels::Yes(transform) => Method::Pixels(transform),
            ByPixels::No(profile) => {
                let options = TransformOptions::default();
                let srgb = ColorProfile::new_srgb();
                let transform = profile.create_transform_16bit(from, &srgb, to, options).ok()?;
                Method::Library { transform, is_spread }
            }
        };
        Some(Self { source, target, method })
    }

    /// Channels of converted pixels.
    pub(crate) fn target(&self) -> Channels {
        self.target
    }

    /// Appends converted pixels.
    pub(crate) fn extend(&self, out: &mut Vec<u8>, samples: &[u16]) -> Result<(), ImagingError> {
        let (transform, is_spread) = match &self.method {
            Method::Pixels(transform) => {
                extend_by_pixels(out, samples, self.source, &**transform, curve::sixteen, narrow);
                return Ok(());
            }
            Method::Library { transform, is_spread } => (transform, *is_spread),
        };
        let mut converted = vec![0_u16; samples.len() / self.source.count() * self.target.count()];
        let is_done = match self.source {
            Channels::Gray if is_spread => {
                let spread: Vec<u16> = samples.iter().flat_map(|&gray| [gray; 3]).collect();
                transform.transform(&spread, &mut converted)
            }
            Channels::GrayAlpha if is_spread => {
                let pixels = samples.as_chunks().0.iter();
                let spread: Vec<u16> = pixels.flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]).collect();
                transform.transform(&spread, &mut converted)
            }
            _ => transform.transform(samples, &mut converted),
        };
        is_done.map_err(|error| ImagingError::Internal(format!("colours were not converted: {error}")))?;
        out.extend(converted.into_iter().map(narrow));
        Ok(())
    }

    /// Converts a picture of big-endian samples.
    pub(crate) fn apply(&self, samples: &[[u8; 2]], limits: &Limits) -> Result<Vec<u8>, ImagingError> {
        let mut out = Vec::with_capacity(samples.len() / self.source.count() * self.target.count());
        let mut part = Vec::new();
        for bytes in samples.chunks(PIXELS_A_CHECK * self.source.count()) {
            limits.check_deadline("convert colours")?;
            part.clear();
            part.extend(bytes.iter().map(|&sample| u16::from_be_bytes(sample)));
            self.extend(&mut out, &part)?;
        }
        Ok(out)
    }
}
