//! Pictures of several HEVC tiles, written by their bits (ITU-T H.265) with PCM samples: the encoder of the other files has no tiles.

use heifer_hevc_dec::cabac::{ContextModel, RANGE_TAB_LPS};
use heifer_hevc_dec::contexts::{Contexts, ctx};
use photo_heif::Heif;

use crate::parameter_sets::{Bits, PPS, SPS, configuration, fixed, ue, unit};
use crate::support::{Coded, Container, Pixels};

/// NAL unit type of an IDR picture without leading pictures.
const IDR: u8 = 20;

/// Side of a coding tree block in px.
const BLOCK: usize = 16;
/// Coding tree blocks of the picture.
const COLUMNS: usize = 6;
const ROWS: usize = 4;
const SIZE: (u32, u32) = (96, 64);
/// Columns and rows of HEVC tiles.
const TILES: (usize, usize) = (2, 2);
const QP: i32 = 26;

/// The arithmetic encoder (9.3.5).
struct Encoder {
    bits: Bits,
    low: u32,
    range: u32,
    outstanding: usize,
    is_first: bool,
}

impl Encoder {
    fn new() -> Self {
        Self { bits: Bits::new(), low: 0, range: 510, outstanding: 0, is_first: true }
    }

    fn put(&mut self, bit: bool) {
        if !self.is_first {
            self.bits.push(bit);
        }
        self.is_first = false;
        self.bits.resize(self.bits.len() + self.outstanding, !bit);
        self.outstanding = 0;
    }

    fn renormalise(&mut self) {
        while self.range < 256 {
            match self.low {
                0..256 => self.put(false),
                512.. => {
                    self.low -= 512;
                    self.put(true);
                }
                _ => {
                    self.low -= 256;
                    self.outstanding += 1;
                }
            }
            self.range *= 2;
            self.low *= 2;
        }
    }

    fn encode(&mut self, context: &mut ContextModel, bin: u8) {
        let part = (self.range >> 6 & 3) as usize;
        let least_probable = u32::from(RANGE_TAB_LPS[usize::from(context.state)][part]);
        self.range -= least_probable;
        if bin != context.mps {
            self.low += self.range;
            self.range = least_probable;
        }
        context.update(bin);
        self.renormalise();
    }

    fn terminate(&mut self, bin: bool) {
        self.range -= 2;
        if bin {
            self.low += self.range;
            self.range = 2;
        }
        self.renormalise();
        if bin {
            self.put(self.low >> 9 & 1 == 1);
            self.bits.extend([self.low >> 8 & 1 == 1, true]);
        }
    }

    fn bytes(self) -> Vec<u8> {
        bytes(&self.bits)
    }
}

/// Packs bits, the last byte filled up with zeros.
fn bytes(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |sum, &bit| sum >> 1 | u8::from(bit) << 7);
    bits.chunks(8).map(byte).collect()
}

fn flags(flags: &[u8]) -> Bits {
    flags.iter().map(|&flag| flag == 1).collect()
}

fn sequence_parameter_set() -> Vec<u8> {
    let bits = [
        // Number of the video parameter set, sub-layers, nesting, and profile.
        [fixed(1, 8), fixed(0, 48), fixed(0, 48)].concat(),
        // Number, 4:2:0, size; no window, 8 bits.
        [ue(0), ue(1), ue(SIZE.0.into()), ue(SIZE.1.into())].concat(),
        [flags(&[0]), ue(0), ue(0)].concat(),
        // Order of pictures.
        [ue(0), flags(&[1]), ue(0), ue(0), ue(0)].concat(),
        // Coding blocks of 16, transform blocks of 4 to 16, without a hierarchy.
        [ue(1), ue(0), ue(0), ue(2), ue(0), ue(0)].concat(),
        // No scaling lists, asymmetric partitions or SAO, but PCM of 8 bits in blocks of 16, without filters.
        [flags(&[0, 0, 0, 1]), fixed(0x77, 8), ue(1), ue(0), flags(&[1])].concat(),
        // No references, vectors, smoothing, VUI or extension; the stop bit.
        [ue(0), flags(&[0, 0, 0, 0, 0, 1])].concat(),
    ];
    unit(SPS, &bits.concat())
}

fn picture_parameter_set() -> Vec<u8> {
    let bits = [
        // Numbers; no dependent slices, output flags, further header bits, hidden signs or initial contexts.
        [ue(0), ue(0), flags(&[0, 0, 0, 0, 0, 0, 0])].concat(),
        // References and QP; no constrained prediction, transform skip or QP differences.
        [ue(0), ue(0), ue(0), flags(&[0, 0, 0]), ue(0), ue(0)].concat(),
        // No chroma QP of slices, weights or bypass, but tiles of equal sizes; no wavefronts, no filters across tiles.
        flags(&[0, 0, 0, 0, 1, 0]),
        [ue(TILES.0 as u64 - 1), ue(TILES.1 as u64 - 1), flags(&[1, 0])].concat(),
        // No filters across slices and no deblocking; no lists, merges, extensions; the stop bit.
        [flags(&[0, 1, 0, 1, 0, 0]), ue(0), flags(&[0, 0, 1])].concat(),
    ];
    unit(PPS, &bits.concat())
}

/// Luma of a block.
fn level((x, y): (usize, usize)) -> u8 {
    u8::try_from(20 + 8 * (y * COLUMNS + x)).unwrap()
}

/// Blocks of each tile, in the order in which they are coded.
fn tiles() -> Vec<Vec<(usize, usize)>> {
    let (width, height) = (COLUMNS / TILES.0, ROWS / TILES.1);
    let tile = |number: usize| {
        let (left, top) = (number % TILES.0 * width, number / TILES.0 * height);
        (0..width * height).map(|i| (left + i % width, top + i / width)).collect()
    };
    (0..TILES.0 * TILES.1).map(tile).collect()
}

/// Data of a tile, and where each of its blocks ends.
fn tile_data(blocks: &[(usize, usize)], is_last_of_slice: bool) -> (Vec<u8>, Vec<usize>) {
    let mut part_mode = Contexts::new(QP).models[ctx::PART_MODE];
    let (mut data, mut ends) = (Vec::new(), Vec::new());
    for (number, &block) in blocks.iter().enumerate() {
        let mut encoder = Encoder::new();
        if number > 0 {
            // end_of_slice_segment_flag.
            encoder.terminate(false);
        }
        // Not parted, and PCM.
        encoder.encode(&mut part_mode, 1);
        encoder.terminate(true);
        data.extend(encoder.bytes());
        data.extend([level(block); BLOCK * BLOCK]);
        data.extend([128; BLOCK * BLOCK / 2]);
        ends.push(data.len());
    }
    let mut encoder = Encoder::new();
    if !is_last_of_slice {
        // Of the slice, before end_of_subset_one_bit.
        encoder.terminate(false);
    }
    encoder.terminate(true);
    data.extend(encoder.bytes());
    (data, ends)
}

/// A picture of one slice or of one for each tile, and where each block ends in its data, in the order in which they are coded.
fn picture(is_one_slice: bool) -> (Coded, Vec<usize>) {
    let mut coded = Coded::of("yuv420.heic");
    coded.configuration =
        configuration(&coded, &[(SPS, sequence_parameter_set()), (PPS, picture_parameter_set())]);
    coded.data.clear();
    let tiles = tiles();
    let slices: Vec<_> = if is_one_slice { vec![&tiles[..]] } else { tiles.chunks(1).collect() };
    let mut ends = Vec::new();
    for slice in slices {
        let parts: Vec<_> =
            slice.iter().zip(1..).map(|(tile, n)| tile_data(tile, n == slice.len())).collect();
        let (x, y) = slice[0][0];
        let address = (y * COLUMNS + x) as u64;
        let mut header = flags(&[u8::from(address == 0), 0, 1]);
        if address > 0 {
            header.extend(fixed(address, 5));
        }
        // An I slice by the QP of the picture.
        header.extend([ue(2), ue(0), ue(parts.len() as u64 - 1)].concat());
        if parts.len() > 1 {
            header.extend(ue(31));
            header.extend(parts[1..].iter().flat_map(|(data, _)| fixed(data.len() as u64 - 1, 32)));
        }
        header.push(true);
        let header = bytes(&header);
        let payload: Vec<u8> = header.iter().chain(parts.iter().flat_map(|part| &part.0)).copied().collect();
        let bits: Bits = payload.iter().flat_map(|&byte| fixed(byte.into(), 8)).collect();
        let unit = unit(IDR, &bits);
        let added = unit.len() - 2 - payload.len();
        coded.data.extend(u32::try_from(unit.len()).unwrap().to_be_bytes());
        let mut at = coded.data.len() + 2 + added + header.len();
        for (data, of_tile) in parts {
            ends.extend(of_tile.iter().map(|end| at + end));
            at += data.len();
        }
        coded.data.extend(unit);
    }
    (coded, ends)
}

/// Rows of blocks that are there as a whole if so many blocks are.
fn complete_rows(count: usize) -> usize {
    let came = &tiles().concat()[..count];
    let is_whole = |y: usize| (0..COLUMNS).all(|x| came.contains(&(x, y)));
    (0..ROWS).take_while(|&y| is_whole(y)).count()
}

#[test]
fn rows_of_tiles_side_by_side_are_shown_before_a_cut() {
    for is_one_slice in [false, true] {
        let (coded, ends) = picture(is_one_slice);
        let bytes = Container::single(&coded, SIZE).bytes();
        let decode =
            |missing: usize| Heif::parse(&bytes[..bytes.len() - missing]).unwrap().decode(1, &mut || false);
        let whole = decode(0).unwrap();
        assert_eq!(whole.damage, None);
        let whole = Pixels::of(&whole);
        for (x, y) in tiles().concat() {
            let block = whole.part(x * BLOCK, y * BLOCK, BLOCK, BLOCK);
            // In limited range.
            let gray = (f64::from(level((x, y))) - 16.0) * 255.0 / 219.0;
            assert!(block.samples.iter().all(|&value| (f64::from(value) - gray).abs() < 0.6), "{x} {y}");
        }
        let mut seen = Vec::new();
        for missing in 1..coded.data.len() {
            let length = coded.data.len() - missing;
            let rows = complete_rows(ends.iter().filter(|&&end| end < length).count());
            let Ok(picture) = decode(missing) else {
                assert_eq!(rows, 0, "{is_one_slice}, {length} bytes");
                continue;
            };
            assert_eq!(picture.received_rows, (rows * BLOCK) as u64, "{is_one_slice}, {length} bytes");
            assert_eq!(picture.damage.is_some(), rows < ROWS);
            let (found, height) = (Pixels::of(&picture), rows * BLOCK);
            assert!(found.part(0, 0, whole.width, height) == whole.part(0, 0, whole.width, height));
            let below = found.part(0, height, whole.width, whole.height - height);
            assert!(below.samples.iter().all(|&value| value == 130), "gray");
            if seen.last() != Some(&rows) {
                seen.push(rows);
            }
        }
        assert_eq!(seen, [4, 3, 2, 1], "{is_one_slice}");
    }
}

#[test]
fn a_missing_slice_costs_the_rows_from_its_tile_on() {
    let (coded, _) = picture(false);
    let length = |at: usize| u32::from_be_bytes(coded.data[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 0;
    for tile in 0..TILES.0 * TILES.1 {
        let end = at + 4 + length(at);
        let data = [&coded.data[..at], &coded.data[end..]].concat();
        let bytes = Container::single(&Coded { data, ..coded.clone() }, SIZE).bytes();
        let picture = Heif::parse(&bytes).unwrap().decode(1, &mut || false);
        let received = picture.map_or(0, |picture| picture.received_rows);
        assert_eq!(received, (tile / TILES.0 * ROWS / TILES.1 * BLOCK) as u64, "{tile}");
        at = end;
    }
}
