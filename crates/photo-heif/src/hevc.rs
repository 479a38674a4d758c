//! Parameter sets of a coded picture, and the limits that the HEVC decoder has not (ITU-T H.265).

mod slices;

pub(crate) use slices::DecodedPicture;

use heifer_hevc_dec::bitreader::BitReader;
use heifer_hevc_dec::nal::{NalUnit, NalUnitType};
use heifer_hevc_dec::params::{ParameterSets, Sps};

use crate::Error;
use crate::boxes::Reader;
use crate::color::Nclx;

/// Longest decoder configuration in bytes. Encoders write 100 to 2,000.
const MAX_CONFIGURATION_BYTES: usize = 16 << 10;

/// Samples that a side may be longer than the conformance window: coded sides are whole coding blocks.
const MAX_PADDING: u32 = 64;

/// Luma samples of a side. Level 6.2 has at most 16,888 (A.4.1), and the decoder multiplies two of them as `u32`.
const MAX_SIDE: u32 = u16::MAX as u32;

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
        if size.0 == 0 || size.1 == 0 {
            return Err(Error::Corrupt("an empty conformance window"));
        }
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

    /// Pixels and samples of a picture at most: the padding of one tile may differ from that of another.
    fn samples(&self) -> (u64, u64) {
        let pixels = u64::from(self.size.0 + MAX_PADDING) * u64::from(self.size.1 + MAX_PADDING);
        let chroma = self.subsampling.map_or(0, |(x, y)| 2 * pixels / u64::from(x * y));
        (pixels, pixels + chroma)
    }

    /// Memory in bytes of the decoded samples, of 16 bits each.
    pub(crate) fn frame_bytes(&self) -> u64 {
        2 * self.samples().1
    }

    /// Memory in bytes that decoding a picture takes at most.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let pixels = self.samples().0;
        // A copy of the largest plane for SAO, 13 bytes for 16 pixels, and 112 for a block of 256.
        self.frame_bytes() + 2 * pixels + pixels * 13 / 16 + pixels * 112 / 256 + (64 << 10)
    }
}

/// Formats of the pictures that a configuration is for, by the number of their picture parameter set.
pub(crate) struct Formats {
    of_sets: Vec<(u32, Format)>,
    length_bytes: usize,
}

impl Formats {
    /// The format, if all pictures have the same.
    pub(crate) fn single(&self) -> Option<Format> {
        let (&(_, first), others) = self.of_sets.split_first()?;
        others.iter().all(|&(_, format)| format == first).then_some(first)
    }

    /// The format of a picture, by the parameter sets that its first slice names.
    pub(crate) fn of(&self, data: &[u8]) -> Result<Format, Error> {
        let mut units = Units { reader: Reader::new(data), length_bytes: self.length_bytes };
        let slice = units.find(|unit| is_slice(unit.bytes));
        let set = slice.and_then(|slice| {
            let (&[first, _], rest) = slice.bytes.split_first_chunk()?;
            let is_irap = matches!(NalUnitType::from_raw(first >> 1 & 0x3f), NalUnitType::IrapSlice(_));
            let mut reader = BitReader::new(rest);
            // first_slice_segment_in_pic_flag and no_output_of_prior_pics_flag.
            reader.skip(if is_irap { 2 } else { 1 }).ok()?;
            reader.ue().ok()
        });
        let named = self.of_sets.iter().find(|(number, _)| Some(*number) == set);
        // A picture without a slice is damaged, which its decoding finds.
        named.or(self.of_sets.first()).map(|&(_, format)| format).ok_or(NO_SETS)
    }
}

const NO_SETS: Error = Error::Corrupt("missing parameter sets");

/// NAL units behind their lengths.
struct Units<'a> {
    reader: Reader<'a>,
    length_bytes: usize,
}

/// A NAL unit of an item.
struct Unit<'a> {
    bytes: &'a [u8],
    /// Whether the data ends before the unit does.
    is_cut_off: bool,
}

impl<'a> Iterator for Units<'a> {
    type Item = Unit<'a>;

    fn next(&mut self) -> Option<Unit<'a>> {
        let length = self.reader.take(self.length_bytes).ok()?;
        let length = length.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
        let left = self.reader.rest.len();
        let bytes = self.reader.take(length.min(left)).ok()?;
        Some(Unit { bytes, is_cut_off: length > left })
    }
}

/// Whether a NAL unit is a slice of the picture itself. Metadata, filler and parameter sets are not: those of an `hvc1` item are in
/// its configuration.
fn is_slice(unit: &[u8]) -> bool {
    let Some(&[first, second]) = unit.first_chunk() else { return false };
    let layer = (first & 1) << 5 | second >> 3;
    NalUnitType::from_raw(first >> 1 & 0x3f).is_slice() && layer == 0
}

/// Parameter sets of a coded picture, by its `hvcC` property (ISO/IEC 14496-15, 8.3.3).
pub(crate) struct Configuration {
    sets: ParameterSets,
    length_bytes: usize,
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
            // All of them: which one counts is said by each slice.
            let is_large =
                |sps: &Sps| sps.pic_width_in_luma_samples.max(sps.pic_height_in_luma_samples) > MAX_SIDE;
            if sets.sps.iter().flatten().any(is_large) {
                return Err(Error::Corrupt("a coded picture that is too large"));
            }
        }
        Ok(Self { sets, length_bytes })
    }

    /// Formats of the pictures that can name these parameter sets.
    ///
    /// # Errors
    /// What is wrong with the first parameter sets, if no picture can be decoded by any.
    pub(crate) fn formats(&self) -> Result<Formats, Error> {
        let (mut of_sets, mut refused) = (Vec::new(), NO_SETS);
        for (number, _) in (0..).zip(&self.sets.pps).filter(|(_, set)| set.is_some()) {
            let format = self.sets.get(number as usize).map_err(|_| NO_SETS);
            match format.and_then(|(_, sps)| Format::of(sps)) {
                Ok(format) => of_sets.push((number, format)),
                Err(error) if refused == NO_SETS => refused = error,
                Err(_) => {}
            }
        }
        if of_sets.is_empty() {
            return Err(refused);
        }
        Ok(Formats { of_sets, length_bytes: self.length_bytes })
    }
}

fn refusal(error: &heifer_hevc_dec::Error, damage: Error) -> Error {
    match error {
        heifer_hevc_dec::Error::Unimplemented(_) => Error::Unsupported("this kind of HEVC"),
        _ => damage,
    }
}
