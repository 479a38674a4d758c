//! What a render takes in memory, known before a decoder runs.
//!
//! Stage by stage the bytes are added up that are held at the same time: what the decoder gives, then the picture at the size of the
//! largest variant, and for each variant its pixels and what its encoder needs. The figures of the encoders are those of pictures that are
//! all noise.

use crate::encode::LOSSLESS_PIXELS;
use crate::format::OutputFormat;
use crate::options::{RenderOptions, VariantSpec};
use crate::plan::Placement;

/// Bytes that resizing and encoding may take in any case: [`crate::Limits::for_lambda_memory`] leaves them free. Variants of up to
/// some 1600 px need no more, so that such a render is charged for its decoder alone.
const FREE_BYTES: u64 = 32 << 20;

/// What the stages behind the decoder work on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    /// Width and height in px of the picture that all variants are made from.
    pub(crate) target: (u32, u32),
    /// Of the options' variants.
    pub(crate) placements: &'a [Placement],
    pub(crate) options: &'a RenderOptions,
    /// Encoders that run at the same time.
    pub(crate) threads: usize,
    /// Whether pixels may have alpha.
    pub(crate) has_alpha: bool,
}

impl Work<'_> {
    /// The peak of a render that takes `decoding` bytes at most for the decoder, which leaves `left` bytes to be reduced.
    pub(crate) fn bytes(&self, decoding: u64, left: u64) -> u64 {
        // Planes are resized by way of two more of them.
        let reducing = left + 2 * self.upright();
        decoding.max(reducing.max(self.behind()).saturating_sub(FREE_BYTES))
    }

    /// The peak of an animation of so many frames that is kept. The decoder takes `decoder` bytes, and `moving` are the numbers of the
    /// variants.
    pub(crate) fn animation_bytes(&self, decoder: u64, moving: &[usize], frames: u32) -> u64 {
        // What was shown last, what is shown now and the part of it that changed; the files of all parts.
        let each = |&i: &usize| area(self.placements[i].canvas) * (3 * RGBA + u64::from(frames) * FILE);
        let kept: u64 = moving.iter().map(each).sum();
        decoder.max((decoder + kept + self.behind()).saturating_sub(FREE_BYTES))
    }

    fn pixel(&self) -> u64 {
        if self.has_alpha { RGBA } else { RGB }
    }

    /// The picture that all variants are made from.
    fn upright(&self) -> u64 {
        area(self.target) * self.pixel()
    }

    /// From the reduced picture to the files.
    fn behind(&self) -> u64 {
        // In other colours, turned, and premultiplied to be resized.
        let converting = 2 * self.upright() + if self.has_alpha { self.upright() } else { 0 };
        let variants = || self.options.variants.iter().zip(self.placements);
        let prepared = |(spec, placement): (&VariantSpec, &Placement)| {
            let is_whole = area(placement.size) == area(self.target);
            let flat = self.has_alpha && spec.format() == OutputFormat::Jpeg;
            let resized = if is_whole { 0 } else { area(placement.size) * self.pixel() };
            let opaque =
                if flat || placement.canvas != placement.size { area(placement.canvas) * RGB } else { 0 };
            resized + opaque
        };
        let pixels: u64 = variants().map(prepared).sum();
        let files: u64 = self.placements.iter().map(|placement| area(placement.canvas) * FILE).sum();
        let mut encoders: Vec<u64> =
            variants().map(|(spec, placement)| self.encoder(spec, area(placement.canvas))).collect();
        encoders.sort_unstable_by(|a, b| b.cmp(a));
        let encoding: u64 = encoders.iter().take(self.threads).sum();
        converting.max(self.upright() + pixels + files + encoding)
    }

    /// Bytes that an encoder takes beside its input and its file.
    fn encoder(&self, spec: &VariantSpec, pixels: u64) -> u64 {
        pixels
            * match spec.format() {
                // Planes, and four bytes for each coefficient.
                OutputFormat::Jpeg if spec.quality() < 90 => 8,
                OutputFormat::Jpeg => 15,
                // Indices, their costs and runs, of a picture by a palette.
                OutputFormat::WebP if pixels <= LOSSLESS_PIXELS => 24,
                OutputFormat::WebP if self.options.webp_method > 3 => 16,
                OutputFormat::WebP => 8 + if self.has_alpha { 4 } else { 0 },
                OutputFormat::Avif => 64,
            }
    }
}

const RGB: u64 = 3;
const RGBA: u64 = 4;

/// Bytes a pixel of a file.
const FILE: u64 = 1;

fn area((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}
