//! Slices of one coded picture (ITU-T H.265, 7.3.6 and 7.3.8).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use heifer_hevc_dec::nal::NalUnit;
use heifer_hevc_dec::params::{Pps, Sps, Tiles};
use heifer_hevc_dec::recon::{Frame, Reconstructor};
use heifer_hevc_dec::scan::CtbLayout;
use heifer_hevc_dec::slice::SliceHeader;
use heifer_hevc_dec::syntax::{CodingUnit, Picture, SaoParams, Sink, TransformBlock, decode_slice_segment};

use super::{Configuration, Format, Unit, Units, is_slice, refusal};
use crate::Error;
use crate::boxes::Reader;

/// Columns and rows of HEVC tiles. Level 6.2 has at most 20 and 22 (A.4.2).
const MAX_TILES_A_SIDE: u32 = 64;

/// Coding units between two calls of `should_stop`. One has at least 64 luma samples.
const UNITS_A_CHECK: u32 = 64;

/// What the rehearsal of a slice that is cut off reads behind its end. The decoder reads zeros.
const OTHER_END: [u8; 64] = [0xff; 64];

/// A decoded picture.
pub(crate) struct DecodedPicture {
    pub(crate) frame: Frame,
    pub(crate) format: Format,
    /// Rows of pixels that were decoded, from the top; less than the format has if there is damage.
    pub(crate) rows: u32,
    pub(crate) damage: Option<Error>,
}

impl Configuration {
    /// Decodes a picture from its item data: NAL units behind their lengths. Of a picture that is cut off, the rows of coding tree
    /// blocks before the cut are decoded.
    ///
    /// # Errors
    /// Damage of this picture alone is [`Error::Corrupt`], or `Unsupported` for tools that are not decoded.
    pub(crate) fn decode(
        &self,
        data: &[u8],
        expected: &Format,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<DecodedPicture, Error> {
        let units = Units { reader: Reader::new(data), length_bytes: self.length_bytes };
        let is_cut_off = units.into_iter().any(|unit| unit.is_cut_off && is_slice(unit.bytes));
        // The decoder reads on behind the end of a slice. What it decodes there depends on what it reads, so a second run that
        // reads something else tells which rows are the file's.
        let rehearsal =
            if is_cut_off { Some(self.run(data, expected, true, should_stop)?.sums) } else { None };
        let Run { sps, picture, recon, sums, trusted, damage } =
            self.run(data, expected, false, should_stop)?;
        let recon = recon.ok_or(Error::Corrupt("no slice"))?;
        let layout = &picture.layout;
        let rows = match &rehearsal {
            Some(other) => equal_rows(&sums, other).min(complete_rows(layout, picture.decoded_ctbs)),
            None => complete_rows(layout, trusted),
        };
        let damage = damage.unwrap_or(Error::Corrupt(if is_cut_off {
            "a slice that is cut off"
        } else {
            "missing slices"
        }));
        drop(picture);
        if should_stop() {
            return Err(Error::Stopped);
        }
        let format = Format::of(sps)?;
        let rows = (rows << sps.log2_ctb_size).saturating_sub(format.window.1).min(format.size.1);
        if rows == 0 {
            return Err(damage);
        }
        let damage = (rows < format.size.1).then_some(damage);
        Ok(DecodedPicture { frame: recon.finish(false), format, rows, damage })
    }

    /// Decodes slices until the picture is complete, the data ends or a slice is damaged.
    ///
    /// # Errors
    /// A picture of which no slice can be decoded.
    fn run(
        &self,
        data: &[u8],
        expected: &Format,
        is_rehearsal: bool,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Run<'_>, Error> {
        let mut run: Option<Run<'_>> = None;
        let mut previous: Option<SliceHeader> = None;
        let units = Units { reader: Reader::new(data), length_bytes: self.length_bytes };
        for unit in units.filter(|unit| is_slice(unit.bytes)) {
            if should_stop() {
                return Err(Error::Stopped);
            }
            match self.slice(&unit, expected, &mut run, previous.as_ref(), is_rehearsal, should_stop) {
                Ok(Some(header)) if !header.dependent_slice_segment_flag => previous = Some(header),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => match &mut run {
                    Some(run) => {
                        run.damage = Some(error);
                        break;
                    }
                    None => return Err(error),
                },
            }
            if run.as_ref().is_some_and(|run| run.picture.is_complete()) {
                break;
            }
        }
        run.ok_or(Error::Corrupt("no slice"))
    }

    /// Decodes a slice. `None` is returned if it belongs to the next picture.
    fn slice<'s>(
        &'s self,
        unit: &Unit<'_>,
        expected: &Format,
        run: &mut Option<Run<'s>>,
        previous: Option<&SliceHeader>,
        is_rehearsal: bool,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<SliceHeader>, Error> {
        let mut nal = NalUnit::parse(unit.bytes).map_err(|_| Error::Corrupt("invalid NAL unit header"))?;
        let is_first = nal.rbsp.first().is_some_and(|byte| byte & 0x80 != 0);
        if is_first && run.is_some() {
            return Ok(None);
        }
        let header = SliceHeader::parse(&nal.rbsp, &nal.header, &self.sets, previous)
            .map_err(|error| refusal(&error, Error::Corrupt("invalid slice header")))?;
        let damaged = Error::Corrupt("damaged slice");
        let qp = header.slice_qp_y(&self.sets).map_err(|_| damaged)?;
        let (pps, sps) = self.sets.get(header.slice_pic_parameter_set_id.into()).map_err(|_| damaged)?;
        if run.is_none() {
            check(pps, sps, expected)?;
        }
        let Run { picture, recon, sums, trusted, .. } =
            run.get_or_insert_with(|| Run::new(sps, pps, is_rehearsal));
        // Each slice starts where the one before it ends: no block is decoded twice.
        let address = usize::try_from(header.slice_segment_address).unwrap_or(usize::MAX);
        let place = picture.layout.rs_to_ts.get(address);
        if !std::ptr::eq(picture.pps, pps) || place != Some(&picture.decoded_ctbs) {
            return Err(Error::Corrupt("a slice at the wrong place"));
        }
        if let Some(recon) = recon {
            recon.start_slice(&header);
        }
        if is_rehearsal && unit.is_cut_off {
            nal.rbsp.to_mut().extend_from_slice(&OTHER_END);
        }
        let payload = nal.rbsp.get(header.header_size..).ok_or(damaged)?;
        let sums = unit.is_cut_off.then_some(sums);
        let (log2_ctb, (_, sub_y)) = (sps.log2_ctb_size, sps.chroma_subsampling());
        let mut sink = Guard { recon: recon.as_mut(), should_stop, units: 0, sums, log2_ctb, sub_y };
        // What is half done when it unwinds is dropped.
        let slice = AssertUnwindSafe(|| decode_slice_segment(picture, &header, qp, payload, &mut sink));
        match catch_unwind(slice) {
            Ok(decoded) => decoded.map_err(|error| refusal(&error, damaged))?,
            Err(payload) if payload.is::<Stop>() => return Err(Error::Stopped),
            Err(payload) => resume_unwind(payload),
        };
        if let Some(error) = recon.as_mut().and_then(|recon| recon.error.take()) {
            return Err(refusal(&error, damaged));
        }
        *trusted = picture.decoded_ctbs;
        Ok(Some(header))
    }
}

/// A picture that is being decoded.
struct Run<'s> {
    sps: &'s Sps,
    picture: Picture<'s>,
    /// Missing in a rehearsal.
    recon: Option<Reconstructor<'s>>,
    /// What a slice that is cut off codes, summed up by rows of coding tree blocks.
    sums: Vec<u64>,
    /// Coding tree blocks of slices that were decoded without an error.
    trusted: u32,
    damage: Option<Error>,
}

impl<'s> Run<'s> {
    fn new(sps: &'s Sps, pps: &'s Pps, is_rehearsal: bool) -> Self {
        let picture = Picture::new(sps, pps);
        let sums = vec![0; picture.layout.height as usize];
        let recon = (!is_rehearsal).then(|| Reconstructor::new(sps, pps));
        Self { sps, picture, recon, sums, trusted: 0, damage: None }
    }
}

/// Rows from the top of which both runs decoded the same.
fn equal_rows(sums: &[u64], other: &[u64]) -> u32 {
    let equal = sums.iter().zip(other).take_while(|(a, b)| a == b).count();
    u32::try_from(equal).unwrap_or(u32::MAX)
}

/// Rows of coding tree blocks that are complete from the top once so many blocks have been decoded: HEVC tiles are coded one after the
/// other, from left to right and then from the top to the bottom.
fn complete_rows(layout: &CtbLayout, mut blocks: u32) -> u32 {
    let &[.., last_tile, columns] = layout.col_bd.as_slice() else { return 0 };
    for (&top, &bottom) in layout.row_bd.iter().zip(layout.row_bd.iter().skip(1)) {
        let height = bottom - top;
        let Some(others) = blocks.checked_sub(height * columns) else {
            // A row is complete with its part of the last tile.
            let of_last_tile = blocks.saturating_sub(height * last_tile);
            return top + of_last_tile.checked_div(columns - last_tile).unwrap_or(0);
        };
        blocks = others;
    }
    layout.height
}

/// Holds the parameter sets that a slice names against those of the header, before anything is allocated for them.
fn check(pps: &Pps, sps: &Sps, expected: &Format) -> Result<(), Error> {
    if !Format::of(sps)?.matches(expected) {
        return Err(Error::Corrupt("a slice of another format"));
    }
    let too_many = |tiles: &Tiles| tiles.num_columns.max(tiles.num_rows) > MAX_TILES_A_SIDE;
    if pps.tiles.as_ref().is_some_and(too_many) {
        return Err(Error::LimitExceeded("HEVC tiles"));
    }
    Ok(())
}

/// Unwinds from a slice when it is time to stop: the crate's parser has no other way out. No panic hook runs.
struct Stop;

/// Hands blocks to the reconstruction, and asks whether to stop.
struct Guard<'r, 'a> {
    recon: Option<&'r mut Reconstructor<'a>>,
    should_stop: &'r mut dyn FnMut() -> bool,
    units: u32,
    sums: Option<&'r mut Vec<u64>>,
    log2_ctb: u8,
    /// Luma rows of a row of chroma.
    sub_y: u32,
}

impl Guard<'_, '_> {
    /// Adds numbers to the sum of a row (FNV-1a, a number at a time).
    fn add(&mut self, luma_y: u32, numbers: impl Iterator<Item = u64>) {
        let row = self.sums.as_mut().and_then(|sums| sums.get_mut((luma_y >> self.log2_ctb) as usize));
        if let Some(row) = row {
            *row = numbers
                .fold(*row, |sum, number| (sum ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23));
        }
    }
}

impl Sink for Guard<'_, '_> {
    fn sao(&mut self, x: u32, y: u32, params: &SaoParams) {
        let offsets = params.offsets.iter().flatten().map(|&offset| u64::from(offset.cast_unsigned()));
        let others = params.type_idx.iter().chain(&params.band_position).chain(&params.eo_class);
        self.add(y << self.log2_ctb, offsets.chain(others.map(|&number| number.into())));
        if let Some(recon) = &mut self.recon {
            recon.sao(x, y, params);
        }
    }

    fn transform_block(&mut self, block: &TransformBlock<'_>) {
        let numbers = [block.x, block.log2_size.into(), block.intra_mode.into(), block.qp_y.cast_unsigned()];
        let coefficients = block.coeffs.unwrap_or(&[]).iter().map(|&value| value.cast_unsigned());
        let luma_y = if block.c_idx == 0 { block.y } else { block.y * self.sub_y };
        self.add(luma_y, numbers.into_iter().chain(coefficients).map(u64::from));
        if let Some(recon) = &mut self.recon {
            recon.transform_block(block);
        }
    }

    fn pcm(&mut self, x: u32, y: u32, log2_size: u8, samples: [&[u16]; 3]) {
        self.add(y, samples.into_iter().flatten().map(|&sample| sample.into()));
        if let Some(recon) = &mut self.recon {
            recon.pcm(x, y, log2_size, samples);
        }
    }

    fn coding_unit(&mut self, unit: &CodingUnit) {
        self.units += 1;
        if self.units.is_multiple_of(UNITS_A_CHECK) && (self.should_stop)() {
            resume_unwind(Box::new(Stop));
        }
        let numbers = [unit.x.into(), unit.log2_size.into(), u64::from(unit.qp_y.cast_unsigned())];
        self.add(unit.y, numbers.into_iter());
        if let Some(recon) = &mut self.recon {
            recon.coding_unit(unit);
        }
    }
}
