//! From the first segment to the last.

use crate::coefficients::Coefficients;
use crate::error::{Error, TRUNCATED};
use crate::frame::{Color, Frame, Layout};
use crate::idct::WRITTEN;
use crate::markers::Markers;
use crate::picture::{Picture, Plane};
use crate::scale::Scales;
use crate::tables::Tables;
use crate::{progressive, sequential};

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
    pub(crate) band: (u8, u8),
    /// Bits that are still missing, before this scan and after it.
    pub(crate) missing_bits: (u8, u8),
}

/// All that the scans of a file share.
pub(crate) struct Decoder<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) frame: &'a Frame,
    pub(crate) layouts: Vec<Layout>,
    pub(crate) planes: Vec<Plane>,
    pub(crate) tables: Tables<'a>,
    /// Of progressive files alone: one for each component.
    pub(crate) coefficients: Vec<Coefficients>,
    /// Of sequential files: which components are decoded.
    pub(crate) decoded: Vec<bool>,
}

/// The whole file. Its structure was walked before.
pub(crate) fn decode(
    bytes: &[u8],
    frame: &Frame,
    color: Color,
    scales: Scales,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<Picture, Error> {
    let layouts: Vec<Layout> =
        (0..frame.components.len()).map(|index| frame.layout(index, color, scales)).collect();
    let mut decoder = Decoder {
        bytes,
        frame,
        planes: Vec::new(),
        tables: Tables::default(),
        coefficients: Vec::new(),
        decoded: vec![false; layouts.len()],
        layouts,
    };
    decoder.allocate();
    decoder.run(should_stop)?;
    Ok(Picture {
        color,
        width: scales.luma.of(frame.width),
        height: scales.luma.of(frame.height),
        exact_width: f64::from(frame.width * scales.luma.eighths()) / 8.0,
        exact_height: f64::from(frame.height * scales.luma.eighths()) / 8.0,
        planes: decoder.planes,
    })
}

/// Segments between two looks at the deadline. A segment costs a microsecond per 65 kB at most, a look some 30 ns.
const SEGMENTS_A_CHECK: u32 = 256;

impl Decoder<'_> {
    fn allocate(&mut self) {
        if self.frame.progressive {
            let components = self.frame.components.iter().zip(&self.layouts);
            self.coefficients = components
                .map(|(component, layout)| Coefficients::new(self.frame.padded_blocks(component), layout))
                .collect();
        } else {
            self.planes = self.layouts.iter().map(Plane::new).collect();
        }
    }

    fn run(&mut self, should_stop: &mut dyn FnMut() -> bool) -> Result<(), Error> {
        let mut markers = Markers::new(self.bytes)?;
        let mut framed = false;
        for count in 1_u32.. {
            let segment = markers.next()?;
            if count.is_multiple_of(SEGMENTS_A_CHECK) && should_stop() {
                return Err(Error::Stopped);
            }
            match segment.marker {
                0xc0..=0xc2 => framed = true,
                0xc4 => self.tables.define_huffman(segment.body)?,
                0xdb => self.tables.define_quantisation(segment.body)?,
                0xdd => self.tables.define_restart(segment.body)?,
                0xda if !framed => return Err(Error::Corrupt("a scan before the frame header")),
                0xda => {
                    let scan = parse_scan(segment.body, self.frame)?;
                    markers.at = if self.frame.progressive {
                        progressive::scan(self, &scan, segment.end, should_stop)?
                    } else {
                        sequential::scan(self, &scan, segment.end, should_stop)?
                    };
                }
                0xd9 => break,
                _ => {}
            }
        }
        if self.frame.progressive {
            return progressive::finish(self, should_stop);
        }
        if self.decoded.contains(&false) {
            return Err(Error::Corrupt("a component has no scan"));
        }
        Ok(())
    }
}

fn parse_scan(body: &[u8], frame: &Frame) -> Result<Scan, Error> {
    let (&count, rest) = body.split_first().ok_or(TRUNCATED)?;
    let (listed, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or(TRUNCATED)?;
    let &[first, last, bits] = rest else { return Err(Error::Corrupt("a scan header of the wrong length")) };
    let mut components: Vec<Selected> = Vec::with_capacity(listed.len() / 2);
    for &[id, tables] in listed.as_chunks::<2>().0 {
        let index = frame
            .components
            .iter()
            .position(|c| c.id == id)
            .ok_or(Error::Corrupt("a scan of an unknown component"))?;
        if components.iter().any(|c| c.index == index) {
            return Err(Error::Corrupt("a scan that lists a component twice"));
        }
        components.push(Selected { index, dc: usize::from(tables >> 4), ac: usize::from(tables & 15) });
    }
    if components.is_empty() {
        return Err(Error::Corrupt("a scan of nothing"));
    }
    Ok(Scan { components, band: (first, last), missing_bits: (bits >> 4, bits & 15) })
}

/// What [`decode`] allocates: planes; rows of blocks; of progressive files, coefficients and which of them are not zero.
pub(crate) fn memory_bytes(frame: &Frame, color: Color, scales: Scales) -> u64 {
    let of = |index: usize| {
        let layout = frame.layout(index, color, scales);
        let component = &frame.components[index];
        let (across, _) = frame.padded_blocks(component);
        let plane = layout.width as u64 * layout.height as u64;
        let stride = across as usize * layout.block_width + WRITTEN;
        let strip = (stride * component.v as usize * layout.block_height) as u64;
        let kept =
            if frame.progressive { Coefficients::bytes(frame.padded_blocks(component), &layout) } else { 0 };
        plane + strip + kept
    };
    (0..frame.components.len()).map(of).sum()
}
