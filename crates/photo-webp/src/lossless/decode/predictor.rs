//! The predictor transform, undone: RFC 9649, 3.5.1. Four channels at a time.

use super::transform::{Blocks, ROWS_AT_ONCE};
use super::{Budget, Pixel};
use crate::DecodeError;

/// What the first pixel is predicted to be, and all pixels in mode 0.
const BLACK: u32 = u32::from_le_bytes([0, 0, 0, 255]);

/// Adds its prediction to each pixel.
pub(super) fn invert(
    pixels: &mut [Pixel],
    width: usize,
    blocks: &Blocks,
    budget: &mut Budget<'_>,
) -> Result<(), DecodeError> {
    for (y, start) in (0..pixels.len()).step_by(width).enumerate() {
        if y % ROWS_AT_ONCE == 0 {
            budget.look()?;
        }
        // The first row and the first column have no mode.
        if y == 0 {
            pixels[0] = add(load(pixels[0]), BLACK).to_le_bytes();
            for x in 1..width {
                pixels[x] = add(load(pixels[x]), load(pixels[x - 1])).to_le_bytes();
            }
            continue;
        }
        pixels[start] = add(load(pixels[start]), load(pixels[start - width])).to_le_bytes();
        let modes = &blocks.data[(y >> blocks.bits) * blocks.across..][..blocks.across];
        let mut x = 1;
        let mut block = 0;
        for same in modes.chunk_by(|a, b| mode(*a) == mode(*b)) {
            block += same.len();
            let end = (block << blocks.bits).min(width);
            predict(&mut pixels[..start + end], start + x, width, mode(same[0]));
            x = end;
        }
    }
    Ok(())
}

fn mode([_, green, _, _]: Pixel) -> u8 {
    green & 15
}

/// Predicts the pixels from `start` to the end, which are of one row.
fn predict(pixels: &mut [Pixel], start: usize, width: usize, mode: u8) {
    let (before, row) = pixels.split_at_mut(start);
    // From the pixel above and to the left on; the last one's above and to the right is the first of this row.
    let above = &before[start - width - 1..];
    let last = load(before[start - 1]);
    match mode {
        1 => run(row, above, last, |left, _, _, _| left),
        2 => run(row, above, last, |_, _, top, _| top),
        3 => run(row, above, last, |_, _, _, top_right| top_right),
        4 => run(row, above, last, |_, top_left, _, _| top_left),
        5 => run(row, above, last, |left, _, top, top_right| average(average(left, top_right), top)),
        6 => run(row, above, last, |left, top_left, _, _| average(left, top_left)),
        7 => run(row, above, last, |left, _, top, _| average(left, top)),
        8 => run(row, above, last, |_, top_left, top, _| average(top_left, top)),
        9 => run(row, above, last, |_, _, top, top_right| average(top, top_right)),
        10 => run(row, above, last, |left, top_left, top, top_right| {
            average(average(left, top_left), average(top, top_right))
        }),
        11 => run(row, above, last, |left, top_left, top, _| select(left, top, top_left)),
        12 => run(row, above, last, |left, top_left, top, _| gradient(left, top, top_left)),
        13 => run(row, above, last, |left, top_left, top, _| half_gradient(average(left, top), top_left)),
        // There are 14 modes; libwebp takes the others for the first.
        _ => run(row, above, last, |_, _, _, _| BLACK),
    }
}

#[inline(always)]
fn run(row: &mut [Pixel], above: &[Pixel], mut left: u32, prediction: impl Fn(u32, u32, u32, u32) -> u32) {
    for (pixel, &[top_left, top, top_right]) in row.iter_mut().zip(above.array_windows()) {
        left = add(load(*pixel), prediction(left, load(top_left), load(top), load(top_right)));
        *pixel = left.to_le_bytes();
    }
}

#[inline(always)]
fn load(pixel: Pixel) -> u32 {
    u32::from_le_bytes(pixel)
}

/// Each sample modulo 256.
#[inline(always)]
fn add(a: u32, b: u32) -> u32 {
    const EVEN: u32 = 0x00ff_00ff;
    ((a & EVEN).wrapping_add(b & EVEN) & EVEN) | ((a & !EVEN).wrapping_add(b & !EVEN) & !EVEN)
}

/// Rounded down.
#[inline(always)]
fn average(a: u32, b: u32) -> u32 {
    (a & b) + (((a ^ b) & 0xfefe_fefe) >> 1)
}

/// The one of left and top that is nearer to left plus top less top left, by the sum over all samples.
#[inline(always)]
fn select(left: u32, top: u32, top_left: u32) -> u32 {
    let [l, t, tl] = [left, top, top_left].map(u32::to_le_bytes);
    // How far left and top are from it.
    let mut distances = [0; 2];
    for i in 0..4 {
        distances[0] += u32::from(t[i].abs_diff(tl[i]));
        distances[1] += u32::from(l[i].abs_diff(tl[i]));
    }
    if distances[0] < distances[1] { left } else { top }
}

/// Left plus top less top left, clamped.
#[inline(always)]
fn gradient(left: u32, top: u32, top_left: u32) -> u32 {
    let [l, t, tl] = [left, top, top_left].map(u32::to_le_bytes);
    let sample = |i: usize| clamped(i16::from(l[i]) + i16::from(t[i]) - i16::from(tl[i]));
    u32::from_le_bytes([sample(0), sample(1), sample(2), sample(3)])
}

/// As much more than the average as half of what that is more than top left, clamped.
#[inline(always)]
fn half_gradient(average: u32, top_left: u32) -> u32 {
    let [a, tl] = [average, top_left].map(u32::to_le_bytes);
    let sample = |i: usize| clamped(i16::from(a[i]) + (i16::from(a[i]) - i16::from(tl[i])) / 2);
    u32::from_le_bytes([sample(0), sample(1), sample(2), sample(3)])
}

#[inline(always)]
fn clamped(sample: i16) -> u8 {
    u8::try_from(sample.clamp(0, 255)).unwrap_or(0)
}
