//! The frame: its header, the modes of macroblocks.

use crate::EncodeError;
use crate::intra4::PATHS;
use crate::macroblock::LumaMode;
use crate::mode_probabilities::BLOCK_MODES;
use crate::probabilities::{DEFAULT, KEPT};
use crate::segments::Segments;
use crate::tokens::{Probabilities, likelihood};
use crate::writer::{Bits, BoolWriter};

/// What is written of a macroblock beside its levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Macroblock {
    pub(crate) luma: LumaMode,
    pub(crate) chroma: u8,
    pub(crate) segment: u8,
    /// All levels are zero, and none are written.
    pub(crate) empty: bool,
}

/// Everything that is known once all macroblocks are coded.
pub(crate) struct Frame<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How many macroblocks are side by side, at least one.
    pub(crate) columns: usize,
    pub(crate) macroblocks: &'a [Macroblock],
    pub(crate) segments: &'a Segments,
    pub(crate) probabilities: &'a Probabilities,
}

/// The size of the first partition has 19 bits: RFC 6386, 9.1.
pub(crate) const MAX_FIRST_PARTITION: usize = (1 << 19) - 1;

impl Frame<'_> {
    /// Header and modes.
    pub(crate) fn first_partition(&self) -> Vec<u8> {
        let mut writer = BoolWriter::with_capacity(self.macroblocks.len() * 7 / 8 + 1500);
        // The colour space is YCbCr, and decoders have to clamp.
        writer.put_bits(0, 2);
        let map = self.put_segments(&mut writer);
        self.put_filter(&mut writer);
        // One partition of levels.
        writer.put_bits(0, 2);
        writer.put_bits(self.segments.all.first().map_or(0, |s| s.index.unsigned_abs()), 7);
        for difference in [0, 0, 0, self.segments.chroma_first, self.segments.chroma_others] {
            writer.put_signed(difference, 4);
        }
        // Probabilities are for this frame: there is no other.
        writer.put_even(false);
        self.put_probabilities(&mut writer);
        let skip = self.put_skip(&mut writer);
        self.put_modes(&mut writer, map, skip);
        writer.finish()
    }

    /// Steps and filters of segments; gives the probabilities of the map if there is one: RFC 6386, 9.3.
    fn put_segments(&self, writer: &mut BoolWriter) -> Option<[u8; 3]> {
        let segments = &self.segments.all;
        writer.put_even(segments.len() > 1);
        if segments.len() <= 1 {
            return None;
        }
        let mut counts = [0_u64; 4];
        for macroblock in self.macroblocks {
            counts[usize::from(macroblock.segment) & 3] += 1;
        }
        let map = [
            likelihood(counts[0] + counts[1], counts[2] + counts[3]),
            likelihood(counts[0], counts[1]),
            likelihood(counts[2], counts[3]),
        ];
        // There is a map, there are values, and they are not differences.
        writer.put_bits(0b111, 3);
        for number in 0..4 {
            writer.put_signed(segments.get(number).map_or(0, |s| s.index), 7);
        }
        for number in 0..4 {
            writer.put_signed(segments.get(number).map_or(0, |s| s.filter), 6);
        }
        for probability in map {
            writer.put_even(probability != 255);
            if probability != 255 {
                writer.put_bits(u32::from(probability), 8);
            }
        }
        Some(map)
    }

    /// RFC 6386, 9.6: the normal filter, no sharpness, no differences by mode.
    fn put_filter(&self, writer: &mut BoolWriter) {
        let strength = self.segments.all.iter().map(|s| s.filter.unsigned_abs()).max().unwrap_or(0);
        writer.put_even(false);
        writer.put_bits(strength, 6);
        writer.put_bits(0, 3);
        writer.put_even(false);
    }

    fn put_probabilities(&self, writer: &mut BoolWriter) {
        let flat = |p: &Probabilities| p.as_flattened().as_flattened().as_flattened().to_vec();
        for ((new, old), kept) in flat(self.probabilities).into_iter().zip(flat(&DEFAULT)).zip(flat(&KEPT)) {
            writer.put(new != old, kept);
            if new != old {
                writer.put_bits(u32::from(new), 8);
            }
        }
    }

    /// How likely a macroblock has levels, if any has none.
    fn put_skip(&self, writer: &mut BoolWriter) -> Option<u8> {
        let empty = self.macroblocks.iter().filter(|macroblock| macroblock.empty).count() as u64;
        writer.put_even(empty > 0);
        if empty == 0 {
            return None;
        }
        let probability = likelihood(self.macroblocks.len() as u64 - empty, empty);
        writer.put_bits(u32::from(probability), 8);
        Some(probability)
    }

    fn put_modes(&self, writer: &mut BoolWriter, map: Option<[u8; 3]>, skip: Option<u8>) {
        let mut above = vec![[0_u8; 4]; self.columns];
        for row in self.macroblocks.chunks(self.columns) {
            let mut left = [0_u8; 4];
            for (macroblock, above) in row.iter().zip(&mut above) {
                if let Some([halves, lower, upper]) = map {
                    writer.put(macroblock.segment >= 2, halves);
                    writer.put(
                        macroblock.segment & 1 != 0,
                        if macroblock.segment >= 2 { upper } else { lower },
                    );
                }
                if let Some(probability) = skip {
                    writer.put(macroblock.empty, probability);
                }
                match &macroblock.luma {
                    LumaMode::Whole(mode) => {
                        put_whole(writer, *mode);
                        (*above, left) = ([*mode; 4], [*mode; 4]);
                    }
                    LumaMode::Blocks(modes) => {
                        writer.put(false, 145);
                        put_blocks(writer, modes, above, &mut left);
                    }
                }
                put_chroma(writer, macroblock.chroma);
            }
        }
    }

    /// The frame: its tag, the picture's size, both partitions.
    pub(crate) fn payload(&self, first: &[u8], levels: &[u8]) -> Result<Vec<u8>, EncodeError> {
        // A key frame of profile 0 that is shown.
        let size = u32::try_from(first.len()).map_err(|_| EncodeError::TooLarge)?;
        let [a, b, c, _] = (1 << 4 | size << 5).to_le_bytes();
        let [width, height] = [self.width, self.height].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
        let mut frame = Vec::with_capacity(10 + first.len() + levels.len());
        frame.extend_from_slice(&[a, b, c, 0x9d, 0x01, 0x2a]);
        frame.extend_from_slice(&width.to_le_bytes());
        frame.extend_from_slice(&height.to_le_bytes());
        frame.extend_from_slice(first);
        frame.extend_from_slice(levels);
        Ok(frame)
    }
}

fn put_whole(writer: &mut BoolWriter, mode: u8) {
    writer.put(true, 145);
    writer.put(matches!(mode, 1 | 3), 156);
    match mode {
        1 | 3 => writer.put(mode == 1, 128),
        _ => writer.put(mode == 2, 163),
    }
}

fn put_blocks(writer: &mut BoolWriter, modes: &[u8; 16], above: &mut [u8; 4], left: &mut [u8; 4]) {
    for (row, left) in modes.as_chunks::<4>().0.iter().zip(left) {
        for (&mode, above) in row.iter().zip(above.iter_mut()) {
            let probabilities = &BLOCK_MODES[usize::from(*above) % 10][usize::from(*left) % 10];
            for &(branch, bit) in PATHS[usize::from(mode) % 10] {
                writer.put(bit, probabilities[branch]);
            }
            (*above, *left) = (mode, mode);
        }
    }
}

fn put_chroma(writer: &mut BoolWriter, mode: u8) {
    writer.put(mode != 0, 142);
    if mode != 0 {
        writer.put(mode != 2, 114);
        if mode != 2 {
            writer.put(mode != 3, 183);
        }
    }
}
