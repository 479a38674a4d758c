//! Whole macroblocks predicted from what is around them: RFC 6386, 12.2 and 12.3.

use wide::{i16x8, i32x4, u8x16};

use crate::picture::{Edge, Edges, Pixels};

/// The mean of what is around, `TrueMotion` (above plus left minus corner), what is above, what is on the left: in the
/// order of the modes of 4 x 4 blocks, see [`crate::intra4`].
pub(crate) const MODES: usize = 4;
pub(crate) const MEAN: usize = 0;
pub(crate) const TRUE_MOTION: usize = 1;
pub(crate) const ABOVE: usize = 2;

/// The mean of a block of `N` x `N` pixels.
fn mean<const N: usize>(edge: &Edge<N>, has_above: bool, has_left: bool) -> u8 {
    let sum = |pixels: &[u8; N]| pixels.iter().map(|&p| usize::from(p)).sum::<usize>();
    let total = match (has_above, has_left) {
        (true, true) => sum(&edge.above) + sum(&edge.left),
        (true, false) => 2 * sum(&edge.above),
        (false, true) => 2 * sum(&edge.left),
        (false, false) => return 128,
    };
    // A mean of bytes is a byte.
    #[expect(clippy::cast_possible_truncation)]
    let mean = ((total + N) / (2 * N)) as u8;
    mean
}

/// Bytes as numbers of 16 bits.
#[inline(always)]
pub(crate) fn widened(pixels: [u8; 16]) -> [i16x8; 2] {
    let bytes = u8x16::new(pixels);
    [i16x8::from_u8x16_low(bytes), i16x8::from_u8x16_high(bytes)]
}

#[inline(always)]
fn clamped(x: i16x8) -> i16x8 {
    x.max(i16x8::splat(0)).min(i16x8::splat(255))
}

#[inline(always)]
fn splat(pixel: u8) -> i16x8 {
    i16x8::splat(i16::from(pixel))
}

/// How the rows of a prediction are made, two vectors each.
#[inline(always)]
fn row<const MODE: usize>(mean: i16x8, above: [i16x8; 2], left: i16x8, corner: i16x8) -> [i16x8; 2] {
    match MODE {
        MEAN => [mean; 2],
        TRUE_MOTION => above.map(|above| clamped(above + (left - corner))),
        ABOVE => above,
        _ => [left; 2],
    }
}

/// Luma, in each of the modes: squared errors.
pub(crate) fn luma_errors(pixels: &[u8; 256], edges: &Edges) -> [u32; MODES] {
    let above = widened(edges.y.above);
    let (mean, corner) = (splat(mean(&edges.y, edges.has_above, edges.has_left)), splat(edges.y.corner));
    let mut sums = [i32x4::splat(0); MODES];
    for (pixels, &left) in pixels.as_chunks::<16>().0.iter().zip(&edges.y.left) {
        let (pixels, left) = (widened(*pixels), splat(left));
        sums[0] += squares(pixels, row::<0>(mean, above, left, corner));
        sums[1] += squares(pixels, row::<1>(mean, above, left, corner));
        sums[2] += squares(pixels, row::<2>(mean, above, left, corner));
        sums[3] += squares(pixels, row::<3>(mean, above, left, corner));
    }
    sums.map(|sum| sum.reduce_add().unsigned_abs())
}

#[inline(always)]
pub(crate) fn squares(pixels: [i16x8; 2], predicted: [i16x8; 2]) -> i32x4 {
    let [a, b] = [pixels[0] - predicted[0], pixels[1] - predicted[1]];
    a.dot(a) + b.dot(b)
}

/// U and V side by side.
fn chroma_row(u: [u8; 8], v: [u8; 8]) -> [u8; 16] {
    let mut both = [0; 16];
    both[..8].copy_from_slice(&u);
    both[8..].copy_from_slice(&v);
    both
}

struct ChromaEdge {
    mean: [i16x8; 2],
    above: [i16x8; 2],
    corner: [i16x8; 2],
}

impl ChromaEdge {
    #[inline(always)]
    fn of(edges: &Edges) -> Self {
        let mean = |edge| splat(mean(edge, edges.has_above, edges.has_left));
        Self {
            mean: [mean(&edges.u), mean(&edges.v)],
            above: widened(chroma_row(edges.u.above, edges.v.above)),
            corner: [splat(edges.u.corner), splat(edges.v.corner)],
        }
    }

    #[inline(always)]
    fn row<const MODE: usize>(&self, left: [i16x8; 2]) -> [i16x8; 2] {
        [0, 1].map(|i| row::<MODE>(self.mean[i], [self.above[i]; 2], left[i], self.corner[i])[0])
    }
}

/// U and V, in each of the modes: squared errors.
pub(crate) fn chroma_errors(pixels: &Pixels, edges: &Edges) -> [u32; MODES] {
    let edge = ChromaEdge::of(edges);
    let mut sums = [i32x4::splat(0); MODES];
    for y in 0..8 {
        let left = [splat(edges.u.left[y]), splat(edges.v.left[y])];
        let pixels = widened(chroma_row(pixels.u.as_chunks().0[y], pixels.v.as_chunks().0[y]));
        sums[0] += squares(pixels, edge.row::<0>(left));
        sums[1] += squares(pixels, edge.row::<1>(left));
        sums[2] += squares(pixels, edge.row::<2>(left));
        sums[3] += squares(pixels, edge.row::<3>(left));
    }
    sums.map(|sum| sum.reduce_add().unsigned_abs())
}

/// A predicted macroblock of luma, 16 rows of two vectors.
pub(crate) type Luma = [[i16x8; 2]; 16];

/// Predicted chroma: 8 rows of U and V.
pub(crate) type Chroma = [[i16x8; 2]; 8];

/// Luma in this mode.
#[inline(always)]
pub(crate) fn luma<const MODE: usize>(edges: &Edges) -> Luma {
    let above = widened(edges.y.above);
    let (mean, corner) = (splat(mean(&edges.y, edges.has_above, edges.has_left)), splat(edges.y.corner));
    edges.y.left.map(|left| row::<MODE>(mean, above, splat(left), corner))
}

/// Luma in a mode that is known late.
pub(crate) fn luma_in(mode: usize, edges: &Edges) -> Luma {
    match mode {
        MEAN => luma::<0>(edges),
        TRUE_MOTION => luma::<1>(edges),
        ABOVE => luma::<2>(edges),
        _ => luma::<3>(edges),
    }
}

/// Chroma in this mode.
#[inline(always)]
pub(crate) fn chroma<const MODE: usize>(edges: &Edges) -> Chroma {
    let edge = ChromaEdge::of(edges);
    std::array::from_fn(|y| edge.row::<MODE>([splat(edges.u.left[y]), splat(edges.v.left[y])]))
}

/// Chroma in a mode that is known late.
pub(crate) fn chroma_in(mode: usize, edges: &Edges) -> Chroma {
    match mode {
        MEAN => chroma::<0>(edges),
        TRUE_MOTION => chroma::<1>(edges),
        ABOVE => chroma::<2>(edges),
        _ => chroma::<3>(edges),
    }
}
