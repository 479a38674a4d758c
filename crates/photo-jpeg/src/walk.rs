//! Which segments of a file make up the picture: from the start of the image to where the picture ends.

use crate::error::{Error, TRUNCATED};
use crate::frame::Frame;
use crate::markers::{Markers, Segment, is_frame, marker};

/// One component in a scan's header.
#[derive(Clone, Copy)]
pub(crate) struct Selected {
    pub(crate) index: usize,
    pub(crate) dc: usize,
    pub(crate) ac: usize,
}

/// A scan's header.
pub(crate) struct Scan {
    pub(crate) components: Vec<Selected>,
    /// First and last coefficient, along the zigzag.
    pub(crate) spectral_selection: (u8, u8),
    /// Bits that are missing before this scan, 0 for a first scan, and after it.
    pub(crate) successive_approximation: (u8, u8),
}

impl Scan {
    fn parse(body: &[u8], frame: &Frame) -> Result<Self, Error> {
        let (&count, rest) = body.split_first().ok_or(TRUNCATED)?;
        let (listed, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or(TRUNCATED)?;
        let &[first, last, bits] = rest else {
            return Err(Error::Corrupt("a scan header of the wrong length"));
        };
        let mut components: Vec<Selected> = Vec::with_capacity(listed.len() / 2);
        for &[id, tables] in listed.as_chunks::<2>().0 {
            let is_free = |index: usize| components.iter().all(|selected| selected.index != index);
            // Some files give all components the same id: they are meant in the order of the frame, as libjpeg-turbo takes them.
            let index = (0..frame.components.len())
                .find(|&index| frame.components[index].id == id && is_free(index))
                .ok_or(Error::Corrupt("a scan of an unknown component"))?;
            components.push(Selected { index, dc: usize::from(tables >> 4), ac: usize::from(tables & 15) });
        }
        if components.is_empty() {
            return Err(Error::Corrupt("a scan of nothing"));
        }
        let (high, low) = (bits >> 4, bits & 15);
        if frame.progressive {
            let is_alone = components.len() == 1;
            let is_band = if first == 0 { last == 0 } else { last >= first && last < 64 && is_alone };
            if !is_band || low > 13 || (high > 0 && high != low + 1) {
                return Err(Error::Corrupt("impossible parameters of a progressive scan"));
            }
        }
        Ok(Self { components, spectral_selection: (first, last), successive_approximation: (high, low) })
    }
}

/// A part of the picture.
pub(crate) enum Part<'a> {
    Segment(Segment<'a>),
    /// Its data begin at the end of the segment. The walk continues behind them after [`Walk::skip_data`].
    Scan(Scan, Segment<'a>),
}

/// Steps through the parts of a picture. It ends at the end-of-image marker, at another picture, and where no scan can tell
/// more; all that a file has behind that is not the picture's.
pub(crate) struct Walk<'a, 'f> {
    markers: Markers<'a>,
    frame: &'f Frame,
    /// For each component: a bit for each coefficient that has all its bits, along the zigzag.
    complete: Vec<u64>,
    has_scan: bool,
}

impl<'a, 'f> Walk<'a, 'f> {
    pub(crate) fn new(markers: Markers<'a>, frame: &'f Frame) -> Self {
        Self { markers, frame, complete: vec![0; frame.components.len()], has_scan: false }
    }

    /// The next part; `None` at the end of the picture.
    pub(crate) fn next(&mut self) -> Result<Option<Part<'a>>, Error> {
        if self.complete.iter().all(|&coefficients| coefficients == u64::MAX) {
            return Ok(None);
        }
        let segment = self.markers.next()?;
        match segment.marker {
            marker::SOS => {
                let scan = Scan::parse(segment.body, self.frame)?;
                self.note(&scan);
                self.has_scan = true;
                Ok(Some(Part::Scan(scan, segment)))
            }
            marker::EOI => Ok(None),
            code if self.has_scan && (code == marker::SOI || is_frame(code)) => Ok(None),
            _ => Ok(Some(Part::Segment(segment))),
        }
    }

    /// Past a scan's data, of which those before `at` have been read.
    pub(crate) fn skip_data(&mut self, at: usize) {
        self.markers.at = at;
        self.markers.skip_scan();
    }

    /// libjpeg-turbo decodes scans in any order, and so do browsers.
    fn note(&mut self, scan: &Scan) {
        let (first, last) = scan.spectral_selection;
        let (coefficients, missing_bits) = if self.frame.progressive {
            (coefficient_mask(first.into(), last.into()), scan.successive_approximation.1)
        } else {
            (u64::MAX, 0)
        };
        for selected in &scan.components {
            let complete = &mut self.complete[selected.index];
            if missing_bits == 0 {
                *complete |= coefficients;
            } else {
                *complete &= !coefficients;
            }
        }
    }
}

/// Returns a bit for each coefficient of a spectral selection, along the zigzag: `first` ≤ `last` < 64.
pub(crate) fn coefficient_mask(first: usize, last: usize) -> u64 {
    (u64::MAX >> (63 - last)) & (u64::MAX << first)
}
