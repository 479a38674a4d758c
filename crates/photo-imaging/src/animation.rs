//! Animations that are kept: every frame is composed on the whole canvas, resized like a photo, and of the result the
//! part that changed is encoded.
//!
//! Frame by frame, so that memory does not grow with their number and the deadline is seen between two of them: that is
//! what libwebp's own animation encoder, which takes all frames at once, cannot do.

mod frames;
mod writer;

use std::cmp::Reverse;
use std::sync::Arc;

use crate::color::{self, Conversion};
use crate::encode;
use crate::error::ImagingError;
use crate::format::{Format, OutputFormat};
use crate::ladder::Ladder;
use crate::memory::Work;
use crate::options::{Animation, RenderOptions, VariantSpec};
use crate::orient;
use crate::plan::Placement;
use crate::pool;
use crate::probe::Probed;
use crate::probe::{gif, webp};
use crate::profile::Profile;
use crate::raster::Channels;
use crate::render::{Original, Variant, guarded};
use crate::strips;
use writer::Writer;

/// What a look at the structure tells of an animation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    /// How often it is shown; 0 is for ever.
    pub(crate) loops: u16,
    /// What decoding all of it takes, in bytes.
    pub(crate) decoder_bytes: u64,
}

/// The variants of an animation that move: which, and what the file says.
pub(crate) struct Kept {
    survey: Survey,
    /// Indices of the options' variants, largest first.
    pub(crate) variants: Vec<usize>,
    /// What rendering them takes.
    pub(crate) bytes: u64,
}

impl Kept {
    /// `None` if nothing is to move: stills, formats without animation, animations of which the frames or a later frame are
    /// beyond the limits. Those become their first frame, as all do by default.
    pub(crate) fn of(probed: &Probed<'_>, work: &Work<'_>) -> Option<Self> {
        let Work { options, placements, .. } = *work;
        let (header, limits) = (&probed.header, &probed.limits);
        if options.animation != Animation::Keep
            || header.frames < 2
            || !limits.keeps_frames(header.frames, header.width, header.height)
        {
            return None;
        }
        let survey = match probed.header.format {
            Format::Gif => gif::survey(probed.bytes, &probed.limits),
            Format::WebP => webp::survey(probed.bytes, &probed.limits),
            Format::Jpeg | Format::Png | Format::Heic => None,
        }?;
        let area = |&i: &usize| {
            let (width, height) = placements[i].canvas;
            u64::from(width) * u64::from(height)
        };
        let moves = |&i: &usize| options.variants[i].format() == OutputFormat::WebP;
        let mut variants: Vec<usize> = (0..placements.len()).filter(moves).collect();
        let encoded_pixels =
            u64::from(probed.header.frames).saturating_mul(variants.iter().map(area).sum::<u64>());
        let bytes = work.animation_bytes(survey.decoder_bytes, &variants, probed.header.frames);
        if variants.is_empty()
            || encoded_pixels > limits.max_animation_pixels
            || bytes > limits.max_decoder_bytes
        {
            return None;
        }
        variants.sort_by_key(|i| Reverse(area(i)));
        Some(Self { survey, variants, bytes })
    }

    /// Decodes all frames and makes the variants that move, in the order of `self.variants`. `target` is the upright
    /// size from which all of them can be made.
    pub(crate) fn render(
        &self,
        probed: &Probed<'_>,
        profile: Option<&Profile>,
        original: Original,
        target: (u32, u32),
        placements: &[Placement],
        options: &RenderOptions,
    ) -> Result<Vec<Variant>, ImagingError> {
        let (limits, orientation) = (&probed.limits, probed.header.orientation);
        let stored = probed.stored(target);
        let mut frames = guarded("decoding", || frames::open(&probed.header, probed.bytes, limits))?;
        let conversion = guarded("reading the profile", || {
            Ok(profile.and_then(|profile| Conversion::new(profile, Channels::Rgba)))
        })?;
        let mut writers: Vec<Writer> =
            self.variants.iter().map(|&i| Writer::new(placements[i].canvas)).collect();
        loop {
            limits.check_deadline("next frame")?;
            let Some(frame) = guarded("decoding", || frames.next().transpose())? else { break };
            let upright = guarded("converting colours", || {
                let reduced = strips::reduced(frame.raster, stored)?;
                let converted = color::convert(reduced, conversion.as_ref(), limits)?;
                Ok(orient::upright(converted, orientation))
            })?;
            let mut ladder = Ladder::new(original, Arc::new(upright));
            let mut parts = Vec::with_capacity(writers.len());
            for (writer, &i) in writers.iter_mut().zip(&self.variants) {
                let picture = ladder.make(&placements[i], false, options.background)?;
                parts.push((writer.changed(&picture)?, &options.variants[i]));
            }
            let encoded = pool::map(&parts, options.threads, |(part, spec)| {
                limits.check_deadline("encode")?;
                guarded("encoding", || encode::webp(&part.raster, spec.quality(), options.webp_method))
            })?;
            for ((writer, (part, _)), file) in writers.iter_mut().zip(&parts).zip(&encoded) {
                writer.push(part, file, frame.duration_ms)?;
            }
        }
        let finished = writers.into_iter().zip(&self.variants);
        finished.map(|(writer, &i)| self.finish(writer, &options.variants[i])).collect()
    }

    fn finish(&self, writer: Writer, spec: &VariantSpec) -> Result<Variant, ImagingError> {
        let (width, height) = writer.canvas();
        Ok(Variant {
            name: spec.name().to_owned(),
            format: OutputFormat::WebP,
            width,
            height,
            bytes: writer.finish(self.survey.loops)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::limits::Limits;
    use crate::options::Fit;
    use crate::plan::place;
    use crate::probe::probe;

    #[test]
    fn the_deadline_is_seen_before_each_frame() {
        let bytes = include_bytes!("../testdata/animated.gif");
        let fit = Fit::Inside { longest_side: 40 };
        let spec = VariantSpec::new("v", fit, OutputFormat::WebP, 80).unwrap();
        let options = RenderOptions { animation: Animation::Keep, ..RenderOptions::new(vec![spec]) };
        let placements = [place(200, 133, fit)];
        let original = Original { format: Format::Gif, width: 200, height: 133 };
        let render = |limits: &Limits| {
            let probed = probe(bytes, limits).unwrap();
            let work = Work {
                target: (40, 27),
                placements: &placements,
                options: &options,
                threads: 1,
                has_alpha: true,
            };
            let kept = Kept::of(&probed, &work).unwrap();
            kept.render(&probed, None, original, (100, 67), &placements, &options)
                .map(|variants| variants.len())
        };
        assert_eq!(render(&Limits::default()).unwrap(), 1);
        let passed = Limits::default().with_deadline(Instant::now());
        assert_eq!(render(&passed).unwrap_err().code(), "PROCESSING_TIMEOUT");
    }
}
