//! Levels, multiplied with their steps: RFC 6386, 13 and 14.

use super::header::{ByPlace, Steps};
use super::reader::BoolReader;
use crate::filled::Filled;
use crate::quantize::{ZIGZAG, ZIGZAG_COLUMNS};
use crate::tokens::{EXTRA, Plane};
use crate::transform::inverse_second;

/// What is in a block, and so how it is transformed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Content {
    #[default]
    Nothing,
    /// The first coefficient alone.
    First,
    All,
}

/// The coefficients of a macroblock: 16 blocks of luma, 4 of U, 4 of V, each by columns. Zero between macroblocks.
pub(super) struct Coefficients {
    pub(super) blocks: [[i16; 16]; 24],
    pub(super) contents: [Content; 24],
}

impl Coefficients {
    pub(super) const NONE: Self = Self { blocks: [[0; 16]; 24], contents: [Content::Nothing; 24] };
}

/// Reads a macroblock's levels. Says whether any coefficient is not zero.
pub(super) fn read(
    reader: &mut BoolReader<'_>,
    probabilities: &ByPlace,
    steps: &Steps,
    whole: bool,
    (above, left): (&mut Filled, &mut Filled),
    out: &mut Coefficients,
) -> bool {
    // In registers for all blocks.
    let mut own = *reader;
    let mut any = false;
    let (plane, first) = if whole {
        let mut second = [0; 16];
        let plane = &probabilities[Plane::Second as usize];
        let before = usize::from(above.second) + usize::from(left.second);
        let end = block(&mut own, plane, before, 0, steps.second, &ZIGZAG, &mut second);
        (above.second, left.second) = (end > 0, end > 0);
        if end > 0 {
            for (block, first) in out.blocks.iter_mut().zip(inverse_second(&second)) {
                block[0] = first;
            }
        }
        (Plane::LumaWithoutFirst, 1)
    } else {
        (Plane::Luma, 0)
    };
    let plane = &probabilities[plane as usize];
    let (luma, chroma) = out.blocks.split_at_mut(16);
    let (luma_contents, chroma_contents) = out.contents.split_at_mut(16);
    let mut blocks = luma.iter_mut().zip(luma_contents);
    for left in &mut left.luma {
        for (above, (coefficients, content)) in above.luma.iter_mut().zip(&mut blocks) {
            let before = usize::from(*above) + usize::from(*left);
            let end = block(&mut own, plane, before, first, steps.luma, &ZIGZAG_COLUMNS, coefficients);
            (*above, *left) = (end > first, end > first);
            *content = content_of(end, coefficients[0]);
            any |= *content != Content::Nothing;
        }
    }
    let plane = &probabilities[Plane::Chroma as usize];
    let mut blocks = chroma.iter_mut().zip(chroma_contents);
    for (above, left) in above.chroma.iter_mut().zip(&mut left.chroma) {
        for left in left {
            for (above, (coefficients, content)) in above.iter_mut().zip(&mut blocks) {
                let before = usize::from(*above) + usize::from(*left);
                let end = block(&mut own, plane, before, 0, steps.chroma, &ZIGZAG_COLUMNS, coefficients);
                (*above, *left) = (end > 0, end > 0);
                *content = content_of(end, coefficients[0]);
                any |= *content != Content::Nothing;
            }
        }
    }
    *reader = own;
    any
}

/// `end` is behind the last level that was read.
fn content_of(end: usize, first: i16) -> Content {
    if end > 1 {
        Content::All
    } else if first != 0 {
        Content::First
    } else {
        Content::Nothing
    }
}

/// Reads a block's levels from place `first` on, and gives the place behind the last.
#[inline(always)]
fn block(
    r: &mut BoolReader<'_>,
    probabilities: &[[[u8; 11]; 3]; 17],
    before: usize,
    first: usize,
    steps: [i16; 2],
    order: &[u8; 16],
    out: &mut [i16; 16],
) -> usize {
    let mut place = first;
    let mut p = &probabilities[first & 15][before.min(2)];
    'block: loop {
        if place > 15 || !r.bit(p[0]) {
            break place;
        }
        while !r.bit(p[1]) {
            place += 1;
            if place > 15 {
                break 'block place;
            }
            p = &probabilities[place & 15][0];
        }
        let next = &probabilities[(place & 15) + 1];
        let amount = if r.bit(p[2]) {
            let amount = large(r, p);
            p = &next[2];
            amount
        } else {
            p = &next[1];
            1
        };
        let step = i32::from(steps[usize::from(place > 0)]);
        // A valid file's have 16 bits; whatever another one's become is as good.
        #[expect(clippy::cast_possible_truncation)]
        let coefficient = (r.signed(amount) * step) as i16;
        out[usize::from(order[place & 15]) & 15] = coefficient;
        place += 1;
    }
}

/// A level that is larger than 1: RFC 6386, 13.2.
#[inline(always)]
fn large(r: &mut BoolReader<'_>, p: &[u8; 11]) -> i32 {
    if !r.bit(p[3]) {
        return if r.bit(p[4]) { 3 + i32::from(r.bit(p[5])) } else { 2 };
    }
    if !r.bit(p[6]) {
        return if r.bit(p[7]) {
            let high = 2 * i32::from(r.bit(165));
            7 + high + i32::from(r.bit(145))
        } else {
            5 + i32::from(r.bit(159))
        };
    }
    let class = if r.bit(p[8]) { 2 + usize::from(r.bit(p[10])) } else { usize::from(r.bit(p[9])) };
    let (least, extra) = EXTRA[class & 3];
    // At most 67 and 11 bits.
    least.cast_signed() + extra.iter().fold(0, |sum, &probability| sum << 1 | i32::from(r.bit(probability)))
}
