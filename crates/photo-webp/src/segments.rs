//! Steps and filter strengths, by quality and by segment, as libwebp chooses them.

use crate::analysis::{Analysis, SEGMENTS};
use crate::quantize::{Kind, Quantizer};
use crate::steps;

/// Segments that lie above this have neither texture nor noise that the filter could take away, but slopes whose steps show.
/// Pictures with noise everywhere have none: their smoothest lies at 219 to 231, that of photos with a soft background at 236
/// to 255. See docs/adr/021-own-webp-encoder.md.
const SMOOTH: i32 = 234;

/// By the square of the mean step, as in libwebp.
const RATE_WEIGHT: u64 = 3;

/// How a segment is coded.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// The index of its steps, 0 to 127.
    pub(crate) index: i32,
    /// The strength of the deblocking filter, 0 to 63.
    pub(crate) filter: i32,
    pub(crate) luma: Quantizer,
    pub(crate) second: Quantizer,
    pub(crate) chroma: Quantizer,
    /// What a macroblock in 4 x 4 blocks costs more than one in one piece, in 1/256 of a squared difference.
    pub(crate) blocks_penalty: u64,
    /// How many 1/8192 of a squared error in coefficients 1/256 bit of a 4 x 4 block is worth.
    pub(crate) rate_weight: u64,
}

/// How the picture is coded.
#[derive(Clone, Debug)]
pub(crate) struct Segments {
    pub(crate) all: Vec<Segment>,
    /// What is added to the index for chroma's first coefficients, and for its others.
    pub(crate) chroma_first: i32,
    pub(crate) chroma_others: i32,
}

/// How much steps vary between segments, 0 to 100; how strong the filter is, 0 to 100.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    pub(crate) spatial: i32,
    pub(crate) filter: i32,
}

impl Segments {
    /// Merges segments that turn out the same, in the analysis too.
    pub(crate) fn new(quality: f64, tuning: Tuning, analysis: &mut Analysis) -> Self {
        let spread = 0.9 * f64::from(tuning.spatial) / 100.0 / 128.0;
        let fraction = quality.clamp(0.0, 100.0) / 100.0;
        // The size of the file goes roughly with the third power of the step.
        let base = (if fraction < 0.75 { fraction * (2.0 / 3.0) } else { 2.0 * fraction - 1.0 }).cbrt();
        // libwebp's bounds of what the analysis of chroma gives: 30 is bad, 64 neutral, 100 good.
        let chroma_others = ((analysis.chroma - 64) * 10 / 70 * tuning.spatial / 100).clamp(-4, 6);
        let chroma_first = (-4 * tuning.spatial / 100).clamp(-15, 15);

        let mut all: Vec<Segment> = Vec::with_capacity(SEGMENTS);
        let mut merged = [0_u8; SEGMENTS];
        for (number, merged) in merged.iter_mut().enumerate().take(analysis.count) {
            let ease = f64::from(analysis.ease[number]);
            let compression = 127.0 * (1.0 - base.powf(1.0 - spread * ease));
            #[expect(clippy::cast_possible_truncation, reason = "0 to 127")]
            let index = (compression as i32).clamp(0, 127);
            let step = i32::from(steps::AC[index.unsigned_abs() as usize & 127]) / 4;
            // libwebp weakens the filter where less is to be seen, and makes up for it from effort 3 on by looking at coded edges.
            let weakened = if analysis.centres[number] > SMOOTH { 0 } else { analysis.above_least[number] };
            let strength = step.min(63) * 5 * tuning.filter / (256 + weakened);
            let filter = if strength < 2 { 0 } else { strength.min(63) };
            let same = all.iter().position(|other| (other.index, other.filter) == (index, filter));
            *merged = u8::try_from(same.unwrap_or(all.len())).unwrap_or(0);
            if same.is_none() {
                all.push(Segment::new(index, filter, chroma_first, chroma_others));
            }
        }
        for segment in &mut analysis.segments {
            *segment = merged[usize::from(*segment) & 3];
        }
        Self { all, chroma_first, chroma_others }
    }
}

impl Segment {
    fn new(index: i32, filter: i32, chroma_first: i32, chroma_others: i32) -> Self {
        let luma = Quantizer::new(Kind::Luma, index, index);
        let step = u64::from(luma.mean_step().unsigned_abs());
        Self {
            index,
            filter,
            second: Quantizer::new(Kind::Second, index, index),
            chroma: Quantizer::new(Kind::Chroma, index + chroma_first, index + chroma_others),
            blocks_penalty: 1000 * step * step,
            rate_weight: RATE_WEIGHT * step * step,
            luma,
        }
    }
}
