//! The whole picture, from analysis to frame.

use crate::analysis::analyse;
use crate::filled::Filled;
use crate::frame::{Frame, MAX_FIRST_PARTITION, Macroblock};
use crate::macroblock::{BlockModes, Carried, Coded, Context, LumaMode};
use crate::picture::{Neighbours, Pixels};
use crate::probabilities::DEFAULT;
use crate::rate::Rates;
use crate::segments::{Segments, Tuning};
use crate::tokens::{Plane, Tokens};
use crate::writer::BoolWriter;
use crate::{EncodeError, Options, Planes};

/// From this quality on chroma's errors are not handed on, as in libwebp.
const EXACT_QUALITY: f32 = 98.0;

/// Rates are known better after each so many rows of macroblocks.
const ROWS: usize = 8;

/// What decoders see of the picture before they filter, handed over macroblock by macroblock.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(usize, usize, &Pixels);

/// The last row or column of what has been coded.
#[derive(Clone, Copy, Default)]
struct Side {
    modes: [u8; 4],
    filled: Filled,
    carried: Carried,
}

pub(crate) fn encode(
    planes: &Planes<'_>,
    options: Options,
    tuning: Tuning,
    watch: Watch<'_>,
) -> Result<Vec<u8>, EncodeError> {
    // Modes have to fit into the first partition: 4 bits a macroblock are left in the largest picture.
    let mut share = 1;
    loop {
        let (frame, first) = attempt(planes, options, tuning, share, watch)?;
        if first <= MAX_FIRST_PARTITION {
            return Ok(frame);
        }
        if share > 64 {
            return Err(EncodeError::TooLarge);
        }
        share *= 2;
    }
}

/// Gives the frame and the size of its first partition. Modes get `1 / share` of what they may take.
fn attempt(
    planes: &Planes<'_>,
    options: Options,
    tuning: Tuning,
    share: u64,
    watch: Watch<'_>,
) -> Result<(Vec<u8>, usize), EncodeError> {
    let columns = planes.width.div_ceil(16) as usize;
    let rows = planes.height.div_ceil(16) as usize;
    let count = columns * rows;
    let mut analysis = analyse(planes, columns, rows);
    if share > 1 {
        analysis.count = 1;
        analysis.segments.fill(0);
    }
    let quality = if options.quality.is_nan() { 1.0 } else { options.quality.clamp(1.0, 100.0) };
    let segments = Segments::new(f64::from(quality), tuning, &mut analysis);
    let header_limit = 256 * 510 * 8 * 1024 / (count as u64).max(1) / share;
    let hand_on = quality <= EXACT_QUALITY;

    let mut tokens = Tokens::with_capacity(count * 64);
    let mut macroblocks = Vec::with_capacity(count);
    let mut neighbours = Neighbours::new(columns);
    let mut above = vec![Side::default(); columns];
    let mut rates = Rates::new(&DEFAULT);
    let (mut pixels, mut seen, mut coded) = (Pixels::BLACK, Pixels::BLACK, Coded::new());
    for row in 0..rows {
        let mut left = Side::default();
        if row % ROWS == 1 {
            rates = Rates::new(&tokens.probabilities());
        }
        for (column, above) in above.iter_mut().enumerate() {
            let number = analysis.segments.get(row * columns + column).copied().unwrap_or(0);
            let Some(segment) = segments.all.get(usize::from(number)) else {
                return Err(EncodeError::TooLarge);
            };
            pixels.read(planes, column, row);
            let context = Context {
                segment,
                edges: neighbours.around(column, row),
                modes: BlockModes { above: above.modes, left: left.modes },
                header_limit,
                rates: &rates,
                filled: (above.filled.luma, left.filled.luma),
                carried: hand_on.then_some((&mut above.carried, &mut left.carried)),
            };
            coded.code(&pixels, context, &mut seen);
            watch(column, row, &seen);
            neighbours.keep(column, &seen);
            (above.modes, left.modes) = match &coded.luma {
                LumaMode::Whole(mode) => ([*mode; 4], [*mode; 4]),
                LumaMode::Blocks(m) => ([m[12], m[13], m[14], m[15]], [m[3], m[7], m[11], m[15]]),
            };
            let empty = !record(&coded, &mut tokens, &mut above.filled, &mut left.filled);
            macroblocks.push(Macroblock { luma: coded.luma, chroma: coded.chroma, segment: number, empty });
        }
    }
    let probabilities = tokens.probabilities();
    let frame = Frame {
        width: planes.width,
        height: planes.height,
        columns,
        macroblocks: &macroblocks,
        segments: &segments,
        probabilities: &probabilities,
    };
    let first = frame.first_partition();
    let mut writer = BoolWriter::with_capacity(count * 40);
    tokens.write(&probabilities, &mut writer);
    Ok((frame.payload(&first, &writer.finish())?, first.len()))
}

/// Keeps the levels of a macroblock; says whether there are any that are not zero. If not, none are kept.
fn record(coded: &Coded, tokens: &mut Tokens, above: &mut Filled, left: &mut Filled) -> bool {
    let whole = matches!(coded.luma, LumaMode::Whole(_));
    let any = |levels: &[[i16; 16]]| levels.as_flattened().iter().fold(0, |all, &level| all | level) != 0;
    let filled = any(&coded.luma_levels)
        || any(&coded.chroma_levels)
        || (whole && coded.second.iter().any(|&l| l != 0));
    if !filled {
        above.clear(whole);
        left.clear(whole);
        return false;
    }
    let mut plane = Plane::Luma;
    if whole {
        plane = Plane::LumaWithoutFirst;
        let before = u8::from(above.second) + u8::from(left.second);
        let filled = tokens.add(Plane::Second, before, &coded.second);
        (above.second, left.second) = (filled, filled);
    }
    for (row, left) in coded.luma_levels.as_chunks::<4>().0.iter().zip(&mut left.luma) {
        for (levels, above) in row.iter().zip(&mut above.luma) {
            let filled = tokens.add(plane, u8::from(*above) + u8::from(*left), levels);
            (*above, *left) = (filled, filled);
        }
    }
    let planes = coded.chroma_levels.as_chunks::<4>().0.iter();
    for (blocks, (above, left)) in planes.zip(above.chroma.iter_mut().zip(&mut left.chroma)) {
        for (row, left) in blocks.as_chunks::<2>().0.iter().zip(left) {
            for (levels, above) in row.iter().zip(above.iter_mut()) {
                let filled = tokens.add(Plane::Chroma, u8::from(*above) + u8::from(*left), levels);
                (*above, *left) = (filled, filled);
            }
        }
    }
    true
}
