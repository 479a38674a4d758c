//! The coefficients of a component that the scans of a progressive file have brought so far.

use crate::frame::Layout;
use crate::tables::{Quantisation, ZIGZAG};

/// Not kept at this scale.
pub(crate) const NOWHERE: u8 = 255;

/// The coefficients that the scale needs, and of all others only whether they are zero, which later scans have to know.
pub(crate) struct Coefficients {
    /// Blocks in a row and in a column, with those that pad MCUs.
    pub(crate) horizontal_blocks: usize,
    pub(crate) vertical_blocks: usize,
    pub(crate) block_width: usize,
    pub(crate) block_height: usize,
    /// Coefficients kept of each block: `block_width` × `block_height`, column by column.
    pub(crate) kept: usize,
    pub(crate) values: Vec<i16>,
    /// For each block: a bit for each coefficient that is not zero, along the zigzag.
    pub(crate) nonzero: Vec<u64>,
    /// Where each coefficient along the zigzag is kept, or [`NOWHERE`].
    pub(crate) places: [u8; 64],
    /// Those that are kept somewhere, as bits.
    pub(crate) wanted: u64,
    /// As it was at the component's first scan.
    pub(crate) quantisation: Option<Quantisation>,
}

impl Coefficients {
    pub(crate) fn new((horizontal, vertical): (u32, u32), layout: &Layout) -> Self {
        let (block_width, block_height) = (layout.block_width, layout.block_height);
        let blocks = horizontal as usize * vertical as usize;
        let mut places = [NOWHERE; 64];
        let mut wanted = 0;
        for (k, (place, &at)) in places.iter_mut().zip(&ZIGZAG).enumerate() {
            let (u, v) = (usize::from(at / 8), usize::from(at % 8));
            if u < block_width && v < block_height {
                *place = u8::try_from(u * block_height + v).unwrap_or(NOWHERE);
                wanted |= 1 << k;
            }
        }
        let kept = block_width * block_height;
        Self {
            horizontal_blocks: horizontal as usize,
            vertical_blocks: vertical as usize,
            block_width,
            block_height,
            kept,
            values: vec![0; blocks * kept],
            nonzero: vec![0; blocks],
            places,
            wanted,
            quantisation: None,
        }
    }

    /// What [`Coefficients::new`] allocates.
    pub(crate) fn bytes((horizontal, vertical): (u32, u32), layout: &Layout) -> u64 {
        let each = 2 * layout.block_width * layout.block_height + 8;
        u64::from(horizontal) * u64::from(vertical) * each as u64
    }
}
