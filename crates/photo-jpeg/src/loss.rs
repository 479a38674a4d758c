//! How much of a picture has arrived.

use crate::frame::{Color, Frame};
use crate::walk::Scan;

/// What a file lacks of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Thousandths of rows of pixels that were decoded from the file's own bytes, rounded, and less than `total`. Where a
    /// row has arrived in part, or without its colour, a share of it counts: luma twice as much as each of the chroma
    /// components; in progressive files, DC as much as the first scans of all AC coefficients together. Bits that refine
    /// coefficients do not count.
    pub received: u64,
    /// 1,000 times the height of the picture in px.
    pub total: u64,
    /// The first fault in the file.
    pub reason: &'static str,
}

/// What the scans of a file have brought.
pub(crate) struct Received {
    /// For each component and coefficient, the part of its blocks that has come in a first scan.
    shares: Vec<[f64; 64]>,
    /// Whether a scan has invalid codes.
    is_garbled: bool,
    /// The first fault in the file, also if it costs no pixel.
    pub(crate) fault: Option<&'static str>,
}

impl Received {
    pub(crate) fn new(components: usize) -> Self {
        Self { shares: vec![[0.0; 64]; components], is_garbled: false, fault: None }
    }

    /// Notes what a scan lacked.
    pub(crate) fn note_scan(&mut self, frame: &Frame, scan: &Scan, outcome: &Outcome) {
        let Outcome { missing, total, fault, .. } = *outcome;
        self.fault = self.fault.or(fault);
        self.is_garbled |= outcome.is_garbled;
        if frame.progressive && scan.successive_approximation.0 > 0 {
            return;
        }
        // Rows that were never there are those of a wrong frame header, not lost ones.
        let is_whole = missing == 0 || (outcome.has_clean_end && 2 * missing <= total);
        // Numbers of blocks are far below 2⁵³.
        #[expect(clippy::cast_precision_loss)]
        let share = if is_whole { 1.0 } else { (total - missing) as f64 / total as f64 };
        let (first, last) = if frame.progressive { scan.spectral_selection } else { (0, 63) };
        for selected in &scan.components {
            self.shares[selected.index][usize::from(first)..=usize::from(last)].fill(share);
        }
    }

    /// `None` if the picture is whole.
    pub(crate) fn loss(&self, frame: &Frame, color: Color) -> Option<Loss> {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (index, shares) in self.shares.iter().enumerate() {
            let weight = if color.is_chroma(index) { 1.0 } else { 2.0 };
            let ac: f64 = shares[1..].iter().sum();
            sum += weight * (shares[0] + ac / 63.0) / 2.0;
            weights += weight;
        }
        let share: f64 = sum / weights;
        if share >= 1.0 && !self.is_garbled {
            return None;
        }
        // Whole rows would make every loss of a picture one pixel high a loss of all of it.
        let total = 1000 * frame.height;
        // Between 0 and the total.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let received = (share * f64::from(total)).round() as u64;
        let reason = self.fault.unwrap_or("a scan is missing");
        let total = u64::from(total);
        Some(Loss { received: received.min(total - 1), total, reason })
    }
}

/// What became of a scan.
pub(crate) struct Outcome {
    /// Of `total` MCUs, those that were not decoded. In a scan of one component, an MCU is a block.
    pub(crate) missing: u64,
    pub(crate) total: u64,
    /// The first fault in the scan.
    pub(crate) fault: Option<&'static str>,
    /// Whether the scan has invalid codes. Data that end too early have none.
    pub(crate) is_garbled: bool,
    /// Whether the data end with a whole row of MCUs, and the next marker follows at once.
    pub(crate) has_clean_end: bool,
    /// The place up to which the data have been read.
    pub(crate) at: usize,
}
