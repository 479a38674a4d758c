//! The picture as macroblocks of 16 x 16 pixels, and the pixels around them.

use crate::Planes;

/// The pixels of a macroblock, row by row.
#[derive(Clone)]
pub(crate) struct Pixels {
    pub(crate) y: [u8; 256],
    pub(crate) u: [u8; 64],
    pub(crate) v: [u8; 64],
}

impl Pixels {
    pub(crate) const BLACK: Self = Self { y: [0; 256], u: [0; 64], v: [0; 64] };

    /// The macroblock at this column and row of them; the picture's last pixels go on beyond its sides.
    pub(crate) fn read(&mut self, planes: &Planes<'_>, column: usize, row: usize) {
        let (width, height) = (planes.width as usize, planes.height as usize);
        copy::<16, 256>(planes.y, (width, height), (column, row), &mut self.y);
        let half = (width.div_ceil(2), height.div_ceil(2));
        copy::<8, 64>(planes.u, half, (column, row), &mut self.u);
        copy::<8, 64>(planes.v, half, (column, row), &mut self.v);
    }
}

fn copy<const SIDE: usize, const AREA: usize>(
    plane: &[u8],
    (width, height): (usize, usize),
    (column, row): (usize, usize),
    out: &mut [u8; AREA],
) {
    let left = column * SIDE;
    for (y, out) in out.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
        let start = (row * SIDE + y).min(height - 1) * width;
        let line = &plane[start..start + width];
        if let Some(whole) = line[left..].first_chunk::<SIDE>() {
            *out = *whole;
        } else {
            for (x, out) in out.iter_mut().enumerate() {
                *out = line[(left + x).min(width - 1)];
            }
        }
    }
}

/// What is around a block of `N` x `N` pixels.
#[derive(Clone, Copy)]
pub(crate) struct Edge<const N: usize> {
    pub(crate) above: [u8; N],
    pub(crate) left: [u8; N],
    pub(crate) corner: u8,
}

/// What is around a macroblock. Outside of the picture it is 127 above and 129 on the left: RFC 6386, 12.2 and 12.3.
#[derive(Clone)]
pub(crate) struct Edges {
    pub(crate) y: Edge<16>,
    /// The row above, beyond the right side.
    pub(crate) beyond: [u8; 4],
    pub(crate) u: Edge<8>,
    pub(crate) v: Edge<8>,
    pub(crate) has_above: bool,
    pub(crate) has_left: bool,
}

/// The last pixels of the macroblocks above and of the one on the left.
pub(crate) struct Neighbours {
    y: Vec<[u8; 16]>,
    u: Vec<[u8; 8]>,
    v: Vec<[u8; 8]>,
    edges: Edges,
}

impl Neighbours {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            y: vec![[127; 16]; columns],
            u: vec![[127; 8]; columns],
            v: vec![[127; 8]; columns],
            edges: Edges {
                y: Edge { above: [127; 16], left: [129; 16], corner: 127 },
                beyond: [127; 4],
                u: Edge { above: [127; 8], left: [129; 8], corner: 127 },
                v: Edge { above: [127; 8], left: [129; 8], corner: 127 },
                has_above: false,
                has_left: false,
            },
        }
    }

    /// What is around the macroblock in this column and row. Ask for one after the other.
    pub(crate) fn around(&mut self, column: usize, row: usize) -> &Edges {
        let edges = &mut self.edges;
        (edges.has_above, edges.has_left) = (row > 0, column > 0);
        if column == 0 {
            let corner = if row > 0 { 129 } else { 127 };
            (edges.y.corner, edges.u.corner, edges.v.corner) = (corner, corner, corner);
            (edges.y.left, edges.u.left, edges.v.left) = ([129; 16], [129; 8], [129; 8]);
        }
        (edges.y.above, edges.u.above, edges.v.above) = (self.y[column], self.u[column], self.v[column]);
        edges.beyond = match self.y.get(column + 1) {
            Some(&[a, b, c, d, ..]) => [a, b, c, d],
            None => [edges.y.above[15]; 4],
        };
        edges
    }

    /// Keeps the last pixels of the macroblock in this column.
    pub(crate) fn keep(&mut self, column: usize, pixels: &Pixels) {
        let edges = &mut self.edges;
        edges.y = next(&pixels.y, &mut self.y[column]);
        edges.u = next(&pixels.u, &mut self.u[column]);
        edges.v = next(&pixels.v, &mut self.v[column]);
    }
}

/// What the next macroblock on the right has at its left; `above` becomes what the one below has above it.
fn next<const SIDE: usize, const AREA: usize>(pixels: &[u8; AREA], above: &mut [u8; SIDE]) -> Edge<SIDE> {
    let corner = above[SIDE - 1];
    let rows = pixels.as_chunks::<SIDE>().0;
    *above = rows[SIDE - 1];
    Edge { above: [0; SIDE], left: std::array::from_fn(|y| rows[y][SIDE - 1]), corner }
}
