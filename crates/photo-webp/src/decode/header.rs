//! The frame's header: RFC 6386, 9.

use super::filter::Strength;
use super::reader::BoolReader;
use super::{DecodeError, TRUNCATED};
use crate::probabilities::{DEFAULT, KEPT};
use crate::steps;
use crate::tokens::{BANDS, Probabilities};

/// Bytes before the first partition.
pub(super) const TAG: usize = 10;
const SEGMENTS: usize = 4;

/// Probabilities of coefficients by their place in the block instead of the band of it; one place more than there is.
pub(super) type ByPlace = [[[[u8; 11]; 3]; 17]; 4];

/// What levels are multiplied with: the first, the others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Steps {
    pub(super) luma: [i16; 2],
    pub(super) second: [i16; 2],
    pub(super) chroma: [i16; 2],
}

/// What a frame is decoded with.
pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Probabilities of the numbers of segments, if they are written.
    pub(super) map: Option<[u8; 3]>,
    pub(super) steps: [Steps; SEGMENTS],
    pub(super) simple_filter: bool,
    /// By segment, and whether the macroblock is predicted in blocks.
    pub(super) strengths: [[Option<Strength>; 2]; SEGMENTS],
    /// How likely a macroblock has levels, if that is written.
    pub(super) skip: Option<u8>,
    pub(super) probabilities: Box<ByPlace>,
}

/// Width and height in pixels.
fn size(frame: &[u8]) -> Result<(u32, u32), DecodeError> {
    let [a, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = *frame else {
        return Err(DecodeError::Corrupt("not a key frame of VP8"));
    };
    if a & 1 != 0 {
        return Err(DecodeError::Corrupt("not a key frame of VP8"));
    }
    // The two bits above say how a viewer might enlarge it; nobody does.
    let [width, height] = [[w0, w1], [h0, h1]].map(|side| u32::from(u16::from_le_bytes(side) & 0x3fff));
    if width == 0 || height == 0 {
        return Err(DecodeError::Corrupt("a side is zero"));
    }
    Ok((width, height))
}

/// The header, the reader of modes behind it, and those of levels.
pub(super) fn parse(frame: &[u8]) -> Result<(Header, BoolReader<'_>, Vec<BoolReader<'_>>), DecodeError> {
    let (width, height) = size(frame)?;
    let (tag, rest) = frame.split_at_checked(TAG).ok_or(TRUNCATED)?;
    let tag = u32::from_le_bytes([tag[0], tag[1], tag[2], 0]);
    if (tag >> 1) & 7 > 3 {
        return Err(DecodeError::Corrupt("an unknown profile"));
    }
    if (tag >> 4) & 1 == 0 {
        return Err(DecodeError::Corrupt("a frame that is not shown"));
    }
    let (first, rest) = rest.split_at_checked((tag >> 5) as usize).ok_or(TRUNCATED)?;
    let mut reader = BoolReader::new(first);
    // The colour space is the only one there is, and clamping is always done.
    reader.number(2);
    let segments = Segments::read(&mut reader);
    let filter = Filter::read(&mut reader);
    let levels = partitions(rest, reader.number(2))?;
    let steps = read_steps(&mut reader, &segments);
    // Whether the probabilities are for frames to come as well: there are none.
    reader.even();
    let probabilities = by_place(&read_probabilities(&mut reader));
    let skip = reader.even().then(|| reader.number(8));
    if reader.past_end() {
        return Err(TRUNCATED);
    }
    let header = Header {
        width,
        height,
        map: segments.map,
        steps,
        simple_filter: filter.simple,
        strengths: filter.strengths(&segments),
        skip,
        probabilities,
    };
    Ok((header, reader, levels))
}

/// RFC 6386, 9.3.
#[derive(Default)]
struct Segments {
    used: bool,
    /// Values are not differences to the frame's.
    absolute: bool,
    steps: [i32; SEGMENTS],
    filters: [i32; SEGMENTS],
    map: Option<[u8; 3]>,
}

impl Segments {
    fn read(reader: &mut BoolReader<'_>) -> Self {
        let mut segments = Self { used: reader.even(), ..Self::default() };
        if !segments.used {
            return segments;
        }
        let has_map = reader.even();
        if reader.even() {
            segments.absolute = reader.even();
            segments.steps.fill_with(|| reader.optional_signed(7));
            segments.filters.fill_with(|| reader.optional_signed(6));
        }
        if has_map {
            segments.map = Some([0; 3].map(|_: u8| if reader.even() { reader.number(8) } else { 255 }));
        }
        segments
    }

    /// A segment's value, or what it is for all.
    fn value(&self, own: i32, of_all: i32) -> i32 {
        match (self.used, self.absolute) {
            (false, _) => of_all,
            (true, true) => own,
            (true, false) => own + of_all,
        }
    }
}

/// RFC 6386, 9.6.
struct Filter {
    simple: bool,
    level: i32,
    sharpness: i32,
    /// Of key frames, and of those of their macroblocks that are predicted in blocks.
    differences: [i32; 2],
}

impl Filter {
    fn read(reader: &mut BoolReader<'_>) -> Self {
        let simple = reader.even();
        let (level, sharpness) = (i32::from(reader.number(6)), i32::from(reader.number(3)));
        let mut differences = [0; 2];
        if reader.even() && reader.even() {
            // Four by what is referred to, four by mode; the first of each is that of key frames.
            for difference in &mut differences {
                for i in 0..4 {
                    let value = reader.optional_signed(6);
                    if i == 0 {
                        *difference = value;
                    }
                }
            }
        }
        Self { simple, level, sharpness, differences }
    }

    fn strengths(&self, segments: &Segments) -> [[Option<Strength>; 2]; SEGMENTS] {
        segments.filters.map(|own| {
            // With a level of zero nothing is filtered, whatever segments say: RFC 6386, 9.6.
            let level = segments.value(own, self.level);
            let [all, blocks] = self.differences;
            [all, all + blocks].map(|difference| {
                if self.level == 0 {
                    return None;
                }
                Strength::new((level + difference).clamp(0, 63), self.sharpness)
            })
        })
    }
}

/// RFC 6386, 9.5. The last partition goes to the end. One that reaches beyond it is cut off there, as in libwebp.
fn partitions(rest: &[u8], log: u8) -> Result<Vec<BoolReader<'_>>, DecodeError> {
    let count = 1 << log;
    let (sizes, mut rest) = rest.split_at_checked(3 * (count - 1)).ok_or(TRUNCATED)?;
    let mut readers = Vec::with_capacity(count);
    for &[a, b, c] in sizes.as_chunks::<3>().0 {
        let size = u32::from_le_bytes([a, b, c, 0]) as usize;
        let (partition, after) = rest.split_at(size.min(rest.len()));
        readers.push(BoolReader::new(partition));
        rest = after;
    }
    readers.push(BoolReader::new(rest));
    Ok(readers)
}

/// RFC 6386, 9.6 and 14.1.
fn read_steps(reader: &mut BoolReader<'_>, segments: &Segments) -> [Steps; SEGMENTS] {
    let base = i32::from(reader.number(7));
    let [luma_first, second_first, second, chroma_first, chroma] =
        [0; 5].map(|_: u8| reader.optional_signed(4));
    let at = |table: &[i16; 128], index: i32, most: u32| {
        table[index.max(0).unsigned_abs().min(most) as usize & 127]
    };
    segments.steps.map(|own| {
        let index = segments.value(own, base);
        Steps {
            luma: [at(&steps::DC, index + luma_first, 127), at(&steps::AC, index, 127)],
            second: [
                2 * at(&steps::DC, index + second_first, 127),
                at(&steps::SECOND_AC, index + second, 127),
            ],
            // At most 132.
            chroma: [at(&steps::DC, index + chroma_first, 117), at(&steps::AC, index + chroma, 127)],
        }
    })
}

fn read_probabilities(reader: &mut BoolReader<'_>) -> Box<Probabilities> {
    let mut all = Box::new(DEFAULT);
    for (plane, kept) in all.iter_mut().zip(&KEPT) {
        for (band, kept) in plane.iter_mut().zip(kept) {
            for (context, kept) in band.iter_mut().zip(kept) {
                for (probability, &kept) in context.iter_mut().zip(kept) {
                    if reader.bit(kept) {
                        *probability = reader.number(8);
                    }
                }
            }
        }
    }
    all
}

fn by_place(probabilities: &Probabilities) -> Box<ByPlace> {
    let mut all = Box::new([[[[0; 11]; 3]; 17]; 4]);
    for (places, bands) in all.iter_mut().zip(probabilities) {
        for (place, band) in places.iter_mut().zip(BANDS) {
            *place = bands[usize::from(band) & 7];
        }
    }
    all
}
