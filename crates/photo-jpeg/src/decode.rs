//! From the first segment to the last.

use crate::coefficients::Coefficients;
use crate::entropy::Sink;
use crate::error::Error;
use crate::frame::{Color, Frame, Layout};
use crate::idct::WRITTEN;
use crate::loss::Received;
use crate::markers::{Markers, marker};
use crate::picture::{Picture, Plane};
use crate::scale::Scales;
use crate::tables::Tables;
use crate::walk::{Part, Walk};
use crate::{CodedPart, Decoded, progressive, sequential};

/// All that the scans of a file share.
pub(crate) struct Decoder<'a, 'f, 's> {
    pub(crate) bytes: &'a [u8],
    pub(crate) frame: &'f Frame,
    pub(crate) layouts: Vec<Layout>,
    pub(crate) planes: Vec<Plane>,
    pub(crate) tables: Tables<'a>,
    /// Of progressive files alone: one for each component.
    pub(crate) coefficients: Vec<Coefficients>,
    pub(crate) sink: Option<Sink<'a, 's>>,
    received: Received,
    /// Which components have had a scan.
    has_scan: Vec<bool>,
}

/// The whole file. Its segments up to the first scan were read before.
pub(crate) fn decode(
    bytes: &[u8],
    frame: &Frame,
    color: Color,
    scales: Scales,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<Decoded, Error> {
    let mut decoder = Decoder::new(bytes, frame, color, scales, None);
    decoder.run(should_stop)?;
    decoder.finish(should_stop)?;
    let loss = decoder.received.loss(frame, color);
    let picture = Picture {
        color,
        width: scales.luma.of(frame.width),
        height: scales.luma.of(frame.height),
        exact_width: f64::from(frame.width * scales.luma.eighths()) / 8.0,
        exact_height: f64::from(frame.height * scales.luma.eighths()) / 8.0,
        planes: decoder.planes,
    };
    Ok(Decoded { picture, loss })
}

/// Gives the parts of the picture to `sink`.
///
/// # Errors
/// All damage that costs a code.
pub(crate) fn coded_parts<'a>(
    bytes: &'a [u8],
    frame: &Frame,
    color: Color,
    sink: Sink<'a, '_>,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<(), Error> {
    let mut decoder = Decoder::new(bytes, frame, color, Scales::same(crate::Scale::LEAST), Some(sink));
    decoder.run(should_stop)?;
    let received = &decoder.received;
    let loss = received.loss(frame, color).map(|loss| loss.reason);
    match loss.or(received.fault) {
        Some(reason) => Err(Error::Corrupt(reason)),
        None => Ok(()),
    }
}

/// Segments between two looks at the deadline. A segment costs a microsecond per 65 kB at most, a look some 30 ns.
const SEGMENTS_A_CHECK: u32 = 256;

impl<'a, 'f, 's> Decoder<'a, 'f, 's> {
    fn new(
        bytes: &'a [u8],
        frame: &'f Frame,
        color: Color,
        scales: Scales,
        sink: Option<Sink<'a, 's>>,
    ) -> Self {
        let count = frame.components.len();
        let layouts: Vec<Layout> = (0..count).map(|index| frame.layout(index, color, scales)).collect();
        let (mut coefficients, mut planes) = (Vec::new(), Vec::new());
        if frame.progressive {
            let components = frame.components.iter().zip(&layouts);
            coefficients = components
                .map(|(component, layout)| Coefficients::new(frame.padded_blocks(component), layout))
                .collect();
        } else {
            planes = layouts.iter().map(Plane::new).collect();
        }
        Self {
            bytes,
            frame,
            layouts,
            planes,
            tables: Tables::new(frame.progressive),
            coefficients,
            sink,
            received: Received::new(count),
            has_scan: vec![false; count],
        }
    }

    /// Reads all segments and scans. What is damaged behind the first scan ends the picture there.
    fn run(&mut self, should_stop: &mut dyn FnMut() -> bool) -> Result<(), Error> {
        let mut walk = Walk::new(Markers::new(self.bytes)?, self.frame);
        for count in 1_u32.. {
            if count.is_multiple_of(SEGMENTS_A_CHECK) && should_stop() {
                return Err(Error::Stopped);
            }
            match self.part(&mut walk, should_stop) {
                Ok(true) => {}
                Ok(false) => break,
                Err(Error::Corrupt(reason)) if self.has_scan.contains(&true) => {
                    self.received.fault = self.received.fault.or(Some(reason));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads one segment, and the data of a scan. False at the end of the picture.
    fn part(
        &mut self,
        walk: &mut Walk<'a, '_>,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Error> {
        let (segment, scan) = match walk.next()? {
            None => return Ok(false),
            Some(Part::Segment(segment)) => (segment, None),
            Some(Part::Scan(scan, segment)) => (segment, Some(scan)),
        };
        match segment.marker {
            marker::DHT => self.tables.define_huffman(segment.body)?,
            marker::DQT => self.tables.define_quantisation(segment.body)?,
            marker::DRI => self.tables.define_restart(segment.body)?,
            marker::SOF0..=marker::SOF2 | marker::SOS => {}
            _ => return Ok(true),
        }
        if let Some(sink) = &mut self.sink {
            sink(CodedPart::Segment { marker: segment.marker, body: segment.body });
        }
        let Some(scan) = scan else { return Ok(true) };
        let outcome = if self.frame.progressive {
            progressive::scan(self, &scan, segment.end, should_stop)?
        } else {
            sequential::scan(self, &scan, segment.end, should_stop)?
        };
        for selected in &scan.components {
            self.has_scan[selected.index] = true;
        }
        self.received.note_scan(self.frame, &scan, &outcome);
        walk.skip_data(outcome.at);
        Ok(true)
    }

    /// Makes planes of what the scans brought. Components without a scan are gray, as from libjpeg.
    fn finish(&mut self, should_stop: &mut dyn FnMut() -> bool) -> Result<(), Error> {
        if self.frame.progressive {
            return progressive::finish(self, should_stop);
        }
        for (plane, _) in self.planes.iter_mut().zip(&self.has_scan).filter(|(_, has_scan)| !**has_scan) {
            plane.fill_gray(0);
        }
        Ok(())
    }
}

/// What [`decode`] allocates: planes; rows of blocks; of progressive files, coefficients and which of them are not zero.
pub(crate) fn memory_bytes(frame: &Frame, color: Color, scales: Scales) -> u64 {
    let of = |index: usize| {
        let layout = frame.layout(index, color, scales);
        let component = &frame.components[index];
        let (horizontal, _) = frame.padded_blocks(component);
        let plane = layout.width as u64 * layout.height as u64;
        let stride = horizontal as usize * layout.block_width + WRITTEN;
        let strip = (stride * component.v as usize * layout.block_height) as u64;
        let kept =
            if frame.progressive { Coefficients::bytes(frame.padded_blocks(component), &layout) } else { 0 };
        plane + strip + kept
    };
    (0..frame.components.len()).map(of).sum()
}
