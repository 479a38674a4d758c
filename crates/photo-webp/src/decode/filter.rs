//! The deblocking filters: RFC 6386, 15. Sixteen places along an edge are filtered at once, each in a lane.

use bytemuck::cast;
use wide::{i8x16, i16x16, u8x16, u16x8};

/// How strongly the edges of a macroblock are filtered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Strength {
    /// The largest step across an edge inside of the macroblock that is still taken for an artefact; those of its own
    /// edges may be larger by 4.
    inner: u8,
    /// The largest step between pixels beside it.
    interior: u8,
    /// From steps of more than this on, pixels further away are left as they are.
    high_variance: u8,
}

impl Strength {
    /// Of a level of 0 to 63 (nothing is filtered at 0) and a sharpness of 0 to 7: RFC 6386, 15.2 to 15.4.
    pub(super) fn new(level: i32, sharpness: i32) -> Option<Self> {
        let level = u8::try_from(level).ok().filter(|&level| level > 0)?;
        let sharpness = u8::try_from(sharpness).ok()?;
        let mut interior = level;
        if sharpness > 0 {
            interior = (level >> if sharpness > 4 { 2 } else { 1 }).min(9 - sharpness);
        }
        let interior = interior.max(1);
        let high_variance = u8::from(level >= 40) + u8::from(level >= 15);
        Some(Self { inner: 2 * level + interior, interior, high_variance })
    }
}

/// Of a macroblock that is done: how strongly its edges are filtered, and whether those inside of it are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filtered {
    pub(super) strength: Option<Strength>,
    pub(super) inside: bool,
}

/// A whole plane of bytes, each row `stride` long.
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    pub(super) stride: usize,
}

impl Plane {
    pub(super) fn new(stride: usize, rows: usize) -> Self {
        Self { samples: vec![0; stride * rows], stride }
    }

    #[inline(always)]
    fn row<const N: usize>(&self, at: usize) -> [u8; N] {
        self.samples.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, at: usize, row: [u8; N]) {
        put(&mut self.samples, at, row);
    }
}

/// Writes a row into samples from a place on.
#[inline(always)]
pub(super) fn put<const N: usize>(samples: &mut [u8], at: usize, row: [u8; N]) {
    if let Some(place) = samples.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = row;
    }
}

/// Filters a row of macroblocks, whose neighbours above are filtered already.
pub(super) fn row(planes: &mut [Plane; 3], row: usize, simple: bool, macroblocks: &[Filtered]) {
    for (column, macroblock) in macroblocks.iter().enumerate() {
        let Some(strength) = macroblock.strength else { continue };
        let outer = Edge::new(strength, strength.inner + 4);
        let inner = Edge::new(strength, strength.inner);
        let luma = &mut planes[0];
        if simple {
            luma.edges((column, row), macroblock.inside, &|p| simple_edge(p, &outer), &|p| {
                simple_edge(p, &inner)
            });
            continue;
        }
        luma.edges((column, row), macroblock.inside, &|p| outer_edge(p, &outer), &|p| inner_edge(p, &inner));
        let [_, chroma @ ..] = planes;
        let at = 8 * (row * chroma[0].stride + column);
        if column > 0 {
            both_across_columns(chroma, at, &|p| outer_edge(p, &outer));
        }
        if macroblock.inside {
            both_across_columns(chroma, at + 4, &|p| inner_edge(p, &inner));
        }
        if row > 0 {
            both_across_rows(chroma, at, &|p| outer_edge(p, &outer));
        }
        if macroblock.inside {
            both_across_rows(chroma, at + 4 * chroma[0].stride, &|p| inner_edge(p, &inner));
        }
    }
}

/// Four pixels before an edge and four behind it, at sixteen places.
type Pixels = [u8x16; 8];

impl Plane {
    /// All edges of a macroblock of luma, and inside of it.
    #[inline(always)]
    fn edges(
        &mut self,
        (column, row): (usize, usize),
        inside: bool,
        outer: &impl Fn(Pixels) -> Option<Pixels>,
        inner: &impl Fn(Pixels) -> Option<Pixels>,
    ) {
        let inside: &[usize] = if inside { &[4, 8, 12] } else { &[] };
        let at = 16 * (row * self.stride + column);
        if column > 0 {
            self.across_columns(at, outer);
        }
        for x in inside {
            self.across_columns(at + x, inner);
        }
        if row > 0 {
            self.across_rows(at, outer);
        }
        for y in inside {
            self.across_rows(at + y * self.stride, inner);
        }
    }

    /// The edge below the row above `at`, 16 pixels long.
    #[inline(always)]
    fn across_rows(&mut self, at: usize, filter: &impl Fn(Pixels) -> Option<Pixels>) {
        let stride = self.stride;
        let Some(top) = at.checked_sub(4 * stride) else { return };
        let pixels: Pixels = std::array::from_fn(|y| u8x16::new(self.row(top + y * stride)));
        let Some(pixels) = filter(pixels) else { return };
        // The outermost are never changed.
        for (y, row) in pixels.iter().enumerate().take(7).skip(1) {
            self.put(top + y * stride, row.to_array());
        }
    }

    /// The edge on the left of `at`, 16 pixels long.
    #[inline(always)]
    fn across_columns(&mut self, at: usize, filter: &impl Fn(Pixels) -> Option<Pixels>) {
        let stride = self.stride;
        let Some(left) = at.checked_sub(4) else { return };
        let rows: [[u8; 8]; 16] = std::array::from_fn(|y| self.row(left + y * stride));
        let Some(rows) = filtered_columns(rows, filter) else { return };
        for (y, row) in rows.into_iter().enumerate() {
            self.put(left + y * stride, row);
        }
    }
}

/// The edges of U and V, 8 pixels long each.
#[inline(always)]
fn both_across_rows([u, v]: &mut [Plane; 2], at: usize, filter: &impl Fn(Pixels) -> Option<Pixels>) {
    let stride = u.stride;
    let Some(top) = at.checked_sub(4 * stride) else { return };
    let pixels: Pixels = std::array::from_fn(|y| {
        let halves: [[u8; 8]; 2] = [u.row(top + y * stride), v.row(top + y * stride)];
        cast(halves)
    });
    let Some(pixels) = filter(pixels) else { return };
    for (y, &row) in pixels.iter().enumerate().take(7).skip(1) {
        let [of_u, of_v]: [[u8; 8]; 2] = cast(row);
        u.put(top + y * stride, of_u);
        v.put(top + y * stride, of_v);
    }
}

/// As [`both_across_rows`].
#[inline(always)]
fn both_across_columns([u, v]: &mut [Plane; 2], at: usize, filter: &impl Fn(Pixels) -> Option<Pixels>) {
    let stride = u.stride;
    let Some(left) = at.checked_sub(4) else { return };
    let rows: [[u8; 8]; 16] = std::array::from_fn(|y| {
        let plane = if y < 8 { &*u } else { &*v };
        plane.row(left + y % 8 * stride)
    });
    let Some(rows) = filtered_columns(rows, filter) else { return };
    for (y, row) in rows.into_iter().enumerate() {
        let plane = if y < 8 { &mut *u } else { &mut *v };
        plane.put(left + y % 8 * stride, row);
    }
}

/// Rows of eight pixels with the edge in their middle.
#[inline(always)]
fn filtered_columns(
    rows: [[u8; 8]; 16],
    filter: &impl Fn(Pixels) -> Option<Pixels>,
) -> Option<[[u8; 8]; 16]> {
    let mut v: [u8x16; 8] = cast(rows);
    // Each turn moves the highest bit of a byte's place to the end: after four of seven, columns are rows.
    for _ in 0..4 {
        v = shuffled(v);
    }
    let mut v = filter(v)?;
    for _ in 0..3 {
        v = shuffled(v);
    }
    Some(cast(v))
}

/// The first half of all bytes and the second, by turns.
#[inline(always)]
fn shuffled(v: [u8x16; 8]) -> [u8x16; 8] {
    let low = |i: usize| u8x16::unpack_low(v[i], v[i + 4]);
    let high = |i: usize| u8x16::unpack_high(v[i], v[i + 4]);
    [low(0), high(0), low(1), high(1), low(2), high(2), low(3), high(3)]
}

/// What is compared with.
struct Edge {
    /// Of twice the step across the edge and half of that of the pixels beside.
    limit: u8x16,
    interior: u8x16,
    high_variance: u8x16,
}

impl Edge {
    #[inline(always)]
    fn new(strength: Strength, limit: u8) -> Self {
        Self {
            limit: u8x16::splat(limit),
            interior: u8x16::splat(strength.interior),
            high_variance: u8x16::splat(strength.high_variance),
        }
    }
}

/// All bits where it is zero.
#[inline(always)]
fn is_zero(x: u8x16) -> u8x16 {
    x.simd_eq(u8x16::splat(0))
}

#[inline(always)]
fn step(a: u8x16, b: u8x16) -> u8x16 {
    a.saturating_sub(b) | b.saturating_sub(a)
}

/// `x / 2 ^ SHIFT`.
#[inline(always)]
fn halved<const SHIFT: u32>(x: u8x16) -> u8x16 {
    // There is no shift of bytes: those of the neighbour are cleared.
    let pairs: u16x8 = cast(x);
    cast::<_, u8x16>(pairs >> SHIFT) & u8x16::splat(u8::MAX >> SHIFT)
}

/// Where the step across the edge is one that quantisation makes.
#[inline(always)]
fn is_small([_, _, p1, p0, q0, q1, _, _]: &Pixels, edge: &Edge) -> u8x16 {
    let across = step(*p0, *q0);
    let size = across.saturating_add(across).saturating_add(halved::<1>(step(*p1, *q1)));
    is_zero(size.saturating_sub(edge.limit))
}

/// Where the picture is smooth beside such a step, and where it is smooth nearest to it.
#[inline(always)]
fn wanted(pixels: &Pixels, edge: &Edge) -> (u8x16, u8x16) {
    let [p3, p2, p1, p0, q0, q1, q2, q3] = *pixels;
    let nearest = step(p1, p0).max(step(q1, q0));
    let all = step(p3, p2).max(step(p2, p1)).max(nearest).max(step(q3, q2)).max(step(q2, q1));
    let mask = is_small(pixels, edge) & is_zero(all.saturating_sub(edge.interior));
    (mask, is_zero(nearest.saturating_sub(edge.high_variance)))
}

/// 0 to 255 as -128 to 127, and back.
#[inline(always)]
fn centred(x: u8x16) -> i8x16 {
    cast(x ^ u8x16::splat(0x80))
}

#[inline(always)]
fn level(x: i8x16) -> u8x16 {
    cast::<_, u8x16>(x) ^ u8x16::splat(0x80)
}

/// `x / 2 ^ SHIFT`, rounded down.
#[inline(always)]
fn halved_signed<const SHIFT: u32>(x: i8x16) -> i8x16 {
    let zero = i8x16::splat(1 << (7 - SHIFT));
    cast::<_, i8x16>(halved::<SHIFT>(level(x))) - zero
}

/// The pixels nearest to an edge, and what is to be taken from the step between them: three times it, and that of their neighbours where
/// `outer` says so. Each sum is clamped: what is clamped once stays so, for all that comes after has one sign.
#[inline(always)]
fn difference([p1, p0, q0, q1]: [i8x16; 4], outer: i8x16) -> i8x16 {
    let across = q0.saturating_sub(p0);
    let neighbours = p1.saturating_sub(q1) & outer;
    neighbours.saturating_add(across).saturating_add(across).saturating_add(across)
}

/// What is taken from the pixel behind the edge, and given to the one before: some three eighths of the step.
#[inline(always)]
fn eighths(difference: i8x16) -> (i8x16, i8x16) {
    let eighth = |round: i8| halved_signed::<3>(difference.saturating_add(i8x16::splat(round)));
    (eighth(4), eighth(3))
}

/// One pixel on each side: RFC 6386, 15.2. `None`: nothing changes.
#[inline(always)]
fn simple_edge(pixels: Pixels, edge: &Edge) -> Option<Pixels> {
    let mask = is_small(&pixels, edge);
    if !mask.any() {
        return None;
    }
    let [p3, p2, p1, p0, q0, q1, q2, q3] = pixels;
    let near = [p1, p0, q0, q1].map(centred);
    let difference = difference(near, i8x16::splat(-1)) & cast::<_, i8x16>(mask);
    let (from, to) = eighths(difference);
    let [_, before, behind, _] = near;
    let (p0, q0) = (level(before.saturating_add(to)), level(behind.saturating_sub(from)));
    Some([p3, p2, p1, p0, q0, q1, q2, q3])
}

/// Two pixels on each side: RFC 6386, 15.3, `subblock_filter`. `None`: nothing changes.
#[inline(always)]
fn inner_edge(pixels: Pixels, edge: &Edge) -> Option<Pixels> {
    let (mask, smooth) = wanted(&pixels, edge);
    if !mask.any() {
        return None;
    }
    let smooth: i8x16 = cast(smooth);
    let [p3, p2, p1, p0, q0, q1, q2, q3] = pixels;
    let near = [p1, p0, q0, q1].map(centred);
    let difference = difference(near, !smooth) & cast::<_, i8x16>(mask);
    let (from, to) = eighths(difference);
    let outer = halved_signed::<1>(from + i8x16::splat(1)) & smooth;
    let [p1, p0, q0, q1] = near;
    let changed =
        [p1.saturating_add(outer), p0.saturating_add(to), q0.saturating_sub(from), q1.saturating_sub(outer)];
    let [p1, p0, q0, q1] = changed.map(level);
    Some([p3, p2, p1, p0, q0, q1, q2, q3])
}

/// Three pixels on each side, or one where the picture is rough: RFC 6386, 15.3, `MBfilter`. `None`: nothing changes.
#[inline(always)]
fn outer_edge(pixels: Pixels, edge: &Edge) -> Option<Pixels> {
    let (mask, smooth) = wanted(&pixels, edge);
    if !mask.any() {
        return None;
    }
    let smooth: i8x16 = cast(smooth);
    let [p3, p2, p1, p0, q0, q1, q2, q3] = pixels;
    let difference = difference([p1, p0, q0, q1].map(centred), i8x16::splat(-1)) & cast::<_, i8x16>(mask);
    let (from, to) = eighths(difference & !smooth);
    let nine = i16x16::from(difference & smooth) * i16x16::splat(9);
    let part =
        |times: i16| i8x16::from_i16x16_saturate((nine * i16x16::splat(times) + i16x16::splat(63)) >> 7_u32);
    let (a, b, c) = (part(3), part(2), part(1));
    let [p2, p1, p0, q0, q1, q2] = [p2, p1, p0, q0, q1, q2].map(centred);
    // Of each two that are added to the same pixel one is zero.
    let changed = [
        p2.saturating_add(c),
        p1.saturating_add(b),
        p0.saturating_add(a + to),
        q0.saturating_sub(a + from),
        q1.saturating_sub(b),
        q2.saturating_sub(c),
    ];
    let [p2, p1, p0, q0, q1, q2] = changed.map(level);
    Some([p3, p2, p1, p0, q0, q1, q2, q3])
}

#[cfg(test)]
mod tests;
