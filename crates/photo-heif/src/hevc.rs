//! One coded picture: parameter sets, slices, and the limits that the HEVC decoder has not (ITU-T H.265).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use heifer_hevc_dec::nal::{NalUnit, NalUnitType};
use heifer_hevc_dec::params::{ParameterSets, Pps, Sps};
use heifer_hevc_dec::recon::{Frame, Reconstructor};
use heifer_hevc_dec::slice::SliceHeader;
use heifer_hevc_dec::syntax::{CodingUnit, Picture, SaoParams, Sink, TransformBlock, decode_slice_segment};

use crate::Error;
use crate::boxes::Reader;
use crate::color::Nclx;

/// Longest decoder configuration in bytes. Encoders write 100 to 2,000.
const MAX_CONFIGURATION_BYTES: usize = 16 << 10;

/// Samples that a side may be longer than the conformance window: coded sides are whole coding blocks.
const MAX_PADDING: u32 = 64;

/// Columns and rows of HEVC tiles. Level 6.2 has at most 20 and 22 (A.4.2).
const MAX_TILES_A_SIDE: u32 = 64;

/// Coding units between two calls of `should_stop`. One has at least 64 luma samples.
const UNITS_A_CHECK: u32 = 64;

/// What the sequence parameter set says of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// Width and height in px that are shown.
    pub(crate) size: (u32, u32),
    coded: (u32, u32),
    /// Luma samples left of the window and above it.
    pub(crate) window: (u32, u32),
    /// Luma samples a chroma sample, horizontally and vertically. `None` without chroma.
    pub(crate) subsampling: Option<(u32, u32)>,
    pub(crate) depth: [u8; 2],
    pub(crate) vui: Nclx,
}

impl Format {
    fn of(sps: &Sps) -> Result<Self, Error> {
        let coded = (sps.pic_width_in_luma_samples, sps.pic_height_in_luma_samples);
        let size = sps.output_size();
        if coded.0 - size.0 >= MAX_PADDING || coded.1 - size.1 >= MAX_PADDING {
            return Err(Error::Corrupt("a coded picture much larger than its window"));
        }
        if sps.separate_colour_plane_flag {
            return Err(Error::Unsupported("HEVC with separate colour planes"));
        }
        let (sub_x, sub_y) = sps.chroma_subsampling();
        let [left, _, top, _] = sps.conf_win_offsets;
        let vui = sps.vui.as_ref();
        Ok(Self {
            size,
            coded,
            window: (left * sub_x, top * sub_y),
            subsampling: (sps.chroma_format_idc != 0).then_some((sub_x, sub_y)),
            depth: [sps.bit_depth_luma, sps.bit_depth_chroma],
            vui: Nclx {
                primaries: vui.map_or(2, |vui| vui.colour_primaries.into()),
                transfer: vui.map_or(2, |vui| vui.transfer_characteristics.into()),
                matrix: vui.map_or(2, |vui| vui.matrix_coeffs.into()),
                full_range: vui.is_some_and(|vui| vui.video_full_range_flag),
            },
        })
    }

    /// Bits of a sample, the larger of luma's and chroma's.
    pub(crate) fn bits(&self) -> u8 {
        if self.subsampling.is_some() { self.depth[0].max(self.depth[1]) } else { self.depth[0] }
    }

    /// Whether another picture can stand beside this one in a grid.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.size == other.size && self.subsampling == other.subsampling && self.depth == other.depth
    }

    /// Memory in bytes that decoding a picture takes at most.
    pub(crate) fn memory_bytes(&self) -> u64 {
        // The padding of this picture may differ from that of another one of the same grid.
        let pixels = u64::from(self.size.0 + MAX_PADDING) * u64::from(self.size.1 + MAX_PADDING);
        let samples = match self.subsampling {
            Some((x, y)) => pixels + 2 * pixels / u64::from(x * y),
            None => pixels,
        };
        // Samples of 16 bits, a copy of the largest plane for SAO, 13 bytes for 16 pixels, and 112 for a block of 256.
        2 * samples + 2 * pixels + pixels * 13 / 16 + pixels * 112 / 256 + (64 << 10)
    }
}

/// Parameter sets of a coded picture, by its `hvcC` property (ISO/IEC 14496-15, 8.3.3).
pub(crate) struct Configuration {
    sets: ParameterSets,
    length_bytes: usize,
    pub(crate) format: Format,
}

impl Configuration {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        if body.len() > MAX_CONFIGURATION_BYTES {
            return Err(Error::LimitExceeded("bytes of a decoder configuration"));
        }
        let mut reader = Reader::new(body);
        reader.take(21)?;
        let length_bytes = usize::from(reader.u8()? & 3) + 1;
        let mut units = Vec::new();
        for _ in 0..reader.u8()? {
            reader.u8()?;
            for _ in 0..reader.u16()? {
                let length = reader.u16()?;
                let bytes = reader.take(length.into())?;
                units.push(NalUnit::parse(bytes).map_err(|_| Error::Corrupt("invalid NAL unit header"))?);
            }
        }
        let mut sets = ParameterSets::default();
        // Picture parameter sets are read by the sequence's.
        for kind in [NalUnitType::Sps, NalUnitType::Pps] {
            for unit in units.iter().filter(|unit| unit.header.unit_type == kind && unit.header.layer_id == 0)
            {
                let invalid = Error::Corrupt("invalid parameter set");
                sets.add(unit).map_err(|error| refusal(&error, invalid))?;
            }
        }
        let sps = sets.sps.iter().flatten().next().ok_or(Error::Corrupt("missing sequence parameter set"))?;
        let format = Format::of(sps)?;
        Ok(Self { sets, length_bytes, format })
    }

    /// Decodes a picture from its item data: NAL units behind their lengths.
    ///
    /// # Errors
    /// Damage of this picture alone is [`Error::Corrupt`], or `Unsupported` for tools that are not decoded.
    pub(crate) fn decode(&self, data: &[u8], should_stop: &mut dyn FnMut() -> bool) -> Result<Frame, Error> {
        let mut state: Option<(u8, Picture<'_>, Reconstructor<'_>)> = None;
        let mut previous: Option<SliceHeader> = None;
        let mut reader = Reader::new(data);
        while !reader.rest.is_empty() {
            let length =
                reader.take(self.length_bytes)?.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
            let bytes = reader.take(length)?;
            // Metadata, filler and parameter sets: those of an `hvc1` item are in its configuration.
            let Some(&[first, second]) = bytes.first_chunk() else { continue };
            let layer = (first & 1) << 5 | second >> 3;
            if !NalUnitType::from_raw(first >> 1 & 0x3f).is_slice() || layer != 0 {
                continue;
            }
            if should_stop() {
                return Err(Error::Stopped);
            }
            let unit = NalUnit::parse(bytes).map_err(|_| Error::Corrupt("invalid NAL unit header"))?;
            let is_first = unit.rbsp.first().is_some_and(|byte| byte & 0x80 != 0);
            if is_first && state.is_some() {
                break;
            }
            let header = SliceHeader::parse(&unit.rbsp, &unit.header, &self.sets, previous.as_ref())
                .map_err(|error| refusal(&error, Error::Corrupt("invalid slice header")))?;
            let id = header.slice_pic_parameter_set_id;
            let damaged = Error::Corrupt("damaged slice");
            let qp = header.slice_qp_y(&self.sets).map_err(|_| damaged)?;
            let (pps, sps) = self.sets.get(id.into()).map_err(|_| damaged)?;
            if state.is_none() {
                self.check(pps, sps)?;
            }
            let (active, picture, recon) =
                state.get_or_insert_with(|| (id, Picture::new(sps, pps), Reconstructor::new(sps, pps)));
            // Each slice starts where the one before it ends: no block is decoded twice.
            let address = usize::try_from(header.slice_segment_address).unwrap_or(usize::MAX);
            let place = picture.layout.rs_to_ts.get(address);
            if *active != id || place != Some(&picture.decoded_ctbs) {
                return Err(Error::Corrupt("a slice at the wrong place"));
            }
            recon.start_slice(&header);
            let payload = unit.rbsp.get(header.header_size..).ok_or(damaged)?;
            let mut sink = Guard { recon, should_stop, units: 0 };
            // What is half done when it unwinds is dropped.
            let slice = AssertUnwindSafe(|| decode_slice_segment(picture, &header, qp, payload, &mut sink));
            match catch_unwind(slice) {
                Ok(decoded) => decoded.map_err(|error| refusal(&error, damaged))?,
                Err(payload) if payload.is::<Stop>() => return Err(Error::Stopped),
                Err(payload) => resume_unwind(payload),
            };
            if let Some(error) = recon.error.take() {
                return Err(refusal(&error, damaged));
            }
            if !header.dependent_slice_segment_flag {
                previous = Some(header);
            }
        }
        let (_, picture, recon) = state.ok_or(Error::Corrupt("no slice"))?;
        if !picture.is_complete() {
            return Err(Error::Corrupt("missing slices"));
        }
        drop(picture);
        if should_stop() {
            return Err(Error::Stopped);
        }
        Ok(recon.finish(false))
    }

    /// Holds the parameter sets that a slice names against those of the header, before anything is allocated for them.
    fn check(&self, pps: &Pps, sps: &Sps) -> Result<(), Error> {
        if Format::of(sps)? != self.format {
            return Err(Error::Corrupt("a slice of another format"));
        }
        let too_many =
            |tiles: &heifer_hevc_dec::params::Tiles| tiles.num_columns.max(tiles.num_rows) > MAX_TILES_A_SIDE;
        if pps.tiles.as_ref().is_some_and(too_many) {
            return Err(Error::LimitExceeded("HEVC tiles"));
        }
        Ok(())
    }
}

fn refusal(error: &heifer_hevc_dec::Error, damage: Error) -> Error {
    match error {
        heifer_hevc_dec::Error::Unimplemented(_) => Error::Unsupported("this kind of HEVC"),
        _ => damage,
    }
}

/// Unwinds from a slice when it is time to stop: the crate's parser has no other way out. No panic hook runs.
struct Stop;

/// Hands blocks to the reconstruction, and asks whether to stop.
struct Guard<'r, 'a> {
    recon: &'r mut Reconstructor<'a>,
    should_stop: &'r mut dyn FnMut() -> bool,
    units: u32,
}

impl Sink for Guard<'_, '_> {
    fn sao(&mut self, x: u32, y: u32, params: &SaoParams) {
        self.recon.sao(x, y, params);
    }

    fn transform_block(&mut self, block: &TransformBlock<'_>) {
        self.recon.transform_block(block);
    }

    fn pcm(&mut self, x: u32, y: u32, log2_size: u8, samples: [&[u16]; 3]) {
        self.recon.pcm(x, y, log2_size, samples);
    }

    fn coding_unit(&mut self, unit: &CodingUnit) {
        self.units += 1;
        if self.units.is_multiple_of(UNITS_A_CHECK) && (self.should_stop)() {
            resume_unwind(Box::new(Stop));
        }
        self.recon.coding_unit(unit);
    }
}
