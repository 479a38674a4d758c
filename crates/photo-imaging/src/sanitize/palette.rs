//! The rows of a PNG: their filters, and which colours of a palette they use.

use crate::probe::png::Shape;

/// Whether each row of a PNG begins with a filter that there is.
pub(super) struct Filters {
    pub(super) are_known: bool,
    /// Bytes and number of the rows that are left, of this pass and of the next ones, the last first.
    passes: Vec<(u64, u32)>,
    /// Bytes that are left of a row.
    left: u64,
}

impl Filters {
    pub(super) fn new(shape: Shape) -> Self {
        let mut passes = shape.rows();
        passes.reverse();
        Self { are_known: true, passes, left: 0 }
    }

    pub(super) fn push(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.left == 0 {
                let Some((bytes, rows)) = self.passes.last_mut() else { return };
                self.are_known &= data[0] <= MAX_FILTER;
                (self.left, *rows) = (*bytes, *rows - 1);
                if *rows == 0 {
                    self.passes.pop();
                }
            }
            let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
            data = &data[count..];
            self.left -= count as u64;
        }
    }
}

/// The largest number of a filter.
const MAX_FILTER: u8 = 4;

/// Which of 256 colours a pixel has.
pub(super) type Used = [bool; 256];

/// Reads rows as they are inflated.
pub(super) struct Indices<'a> {
    used: &'a mut Used,
    depth: u8,
    /// Width in px and number of rows that are left, of this pass and of the next ones, the last first.
    passes: Vec<(u32, u32)>,
    /// The row that is being filled, with its filter.
    row: Vec<u8>,
    /// The row before, without.
    above: Vec<u8>,
}

impl<'a> Indices<'a> {
    pub(super) fn new(shape: Shape, used: &'a mut Used) -> Self {
        let mut passes = shape.passes();
        passes.reverse();
        Self { used, depth: shape.depth, passes, row: Vec::new(), above: Vec::new() }
    }

    pub(super) fn push(&mut self, mut data: &[u8]) {
        while let Some(&(width, _)) = self.passes.last() {
            let length = (width as usize * usize::from(self.depth)).div_ceil(8) + 1;
            let (part, rest) = data.split_at(data.len().min(length - self.row.len()));
            self.row.extend_from_slice(part);
            if self.row.len() < length {
                return;
            }
            data = rest;
            self.finish_row(width as usize);
        }
    }

    fn finish_row(&mut self, width: usize) {
        let mut row = std::mem::take(&mut self.row);
        let filter = row.remove(0);
        self.above.resize(row.len(), 0);
        if unfilter(filter, &mut row, &self.above) {
            let (depth, per_byte) = (usize::from(self.depth), 8 / usize::from(self.depth));
            let mask = u8::MAX >> (8 - depth);
            for x in 0..width {
                let shift = 8 - depth * (x % per_byte + 1);
                self.used[usize::from(row[x / per_byte] >> shift & mask)] = true;
            }
        } else {
            // Damage: nothing is known of the colours.
            *self.used = [true; 256];
        }
        self.above.clone_from(&row);
        row.clear();
        self.row = row;
        if let Some((_, rows)) = self.passes.last_mut() {
            *rows -= 1;
            if *rows == 0 {
                self.passes.pop();
                self.above.clear();
            }
        }
    }
}

/// Undoes a filter for samples of one byte or less (PNG specification, third edition, 9.2). False if there is no such filter.
fn unfilter(filter: u8, row: &mut [u8], above: &[u8]) -> bool {
    let (mut left, mut above_left) = (0_u8, 0_u8);
    for (byte, &above) in row.iter_mut().zip(above) {
        let predicted = match filter {
            0 => 0,
            1 => left,
            2 => above,
            3 => left.midpoint(above),
            4 => paeth(left, above, above_left),
            _ => return false,
        };
        *byte = byte.wrapping_add(predicted);
        (left, above_left) = (*byte, above);
    }
    true
}

fn paeth(left: u8, above: u8, above_left: u8) -> u8 {
    let estimate = i16::from(left) + i16::from(above) - i16::from(above_left);
    let distance = |value: u8| (estimate - i16::from(value)).abs();
    let (l, a, al) = (distance(left), distance(above), distance(above_left));
    if l <= a && l <= al {
        left
    } else if a <= al {
        above
    } else {
        above_left
    }
}
