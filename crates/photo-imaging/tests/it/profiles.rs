//! ICC profiles made to cost time or memory, and those that must go on working.

use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::write::ZlibEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use photo_imaging::{OutputFormat, RenderOptions};

use crate::cost::{Cost, Job, MIB, measure};
use crate::support::{inside, open, read, render_bytes};

/// CPU time of a render of a small photo with any profile, in a build without optimisation.
const CPU: Duration = Duration::from_millis(400);
/// Memory of the same in bytes.
const PEAK: u64 = 64 * MIB;
/// Longest profile that is applied.
const LONGEST: usize = 4 << 20;

/// Reduces PNG by rows.
fn by_rows() -> Job {
    Job { longest_side: 16, ..Job::default() }
}

/// A table of tags: signature and index of the content.
type Tags<'a> = &'a [(&'a [u8; 4], usize)];

/// A profile of version 2, for a display.
fn profile(space: [u8; 4], pcs: [u8; 4], tags: Tags<'_>, contents: &[Vec<u8>]) -> Vec<u8> {
    let first = 132 + 12 * tags.len();
    let starts: Vec<usize> = contents
        .iter()
        .scan(first, |end, content| {
            let start = *end;
            *end += content.len();
            Some(start)
        })
        .collect();
    let entry = |&(signature, content): &(&[u8; 4], usize)| {
        [&signature[..], &be32(starts[content]), &be32(contents[content].len())].concat()
    };
    let table: Vec<u8> = tags.iter().flat_map(entry).collect();
    let mut bytes = vec![0; 128];
    bytes[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    bytes[12..16].copy_from_slice(b"mntr");
    bytes[16..20].copy_from_slice(&space);
    bytes[20..24].copy_from_slice(&pcs);
    bytes[36..40].copy_from_slice(b"acsp");
    bytes.extend(be32(tags.len()));
    bytes.extend(table);
    bytes.extend(contents.concat());
    let length = be32(bytes.len());
    bytes[..4].copy_from_slice(&length);
    bytes
}

pub(crate) fn be32(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap().to_be_bytes()
}

/// A LUT of 16 bits to Lab in the encoding of version 2 (ICC.1:2022, 10.10): black to white along the last input, which is full
/// at white if `rising`.
fn lut16(inputs: u8, grid: u8, rising: bool) -> Vec<u8> {
    let identity = [1, 0, 0, 0, 1, 0, 0, 0, 1].map(|value: u32| (value << 16).to_be_bytes()).concat();
    let ramp = |count: usize| [0, 0, 255, 255].repeat(count);
    let node = |index: usize| {
        let step = u32::try_from(index % usize::from(grid)).unwrap();
        let share = 0xff00 * step / u32::from(grid - 1);
        let lightness = u16::try_from(if rising { share } else { 0xff00 - share }).unwrap();
        [lightness, 0x8000, 0x8000].map(u16::to_be_bytes).concat()
    };
    let nodes = usize::from(grid).pow(inputs.into());
    let clut: Vec<u8> = (0..nodes).flat_map(node).collect();
    let inputs = [inputs, 3, grid, 0];
    [b"mft2\0\0\0\0", &inputs[..], &identity, &[0, 2, 0, 2], &ramp(inputs[0].into()), &clut, &ramp(3)]
        .concat()
}

/// A table of a curve with as many entries as it says, or with a few.
fn curve(says: usize, has: usize) -> Vec<u8> {
    let entries = (0..has).flat_map(|i| u16::try_from(i * 65_535 / has.max(1)).unwrap().to_be_bytes());
    [b"curv\0\0\0\0".to_vec(), be32(says).to_vec(), entries.collect()].concat()
}

/// A `mAB` whose curves all stand at the same place, 52.
fn mab(inputs: u8, curves: &[u8]) -> Vec<u8> {
    let place = be32(52);
    let none = be32(0);
    [b"mAB \0\0\0\0", &[inputs, 3, 0, 0][..], &place, &none, &place, &none, &place, &[0; 20], curves].concat()
}

/// A `mAB` with a table of these sides and few bytes in it.
fn mab_clut(sides: [u8; 16]) -> Vec<u8> {
    let none = be32(0);
    let header = [b"mAB \0\0\0\0", &[3, 3, 0, 0][..], &none, &none, &none, &be32(32), &none].concat();
    [&header[..], &sides, &[2, 0, 0, 0], &[0; 4096]].concat()
}

pub(crate) fn zlib(parts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    parts.for_each(|part| encoder.write_all(&part).unwrap());
    encoder.finish().unwrap()
}

/// A stream of this many MiB of zeros, some kB long.
fn zeros(mib: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(1 << 16);
    let mut compress = Compress::new(Compression::new(9), false);
    // After a full flush the same bits mean the same again.
    compress.compress_vec(&vec![0; 1 << 20], &mut block, FlushCompress::Full).unwrap();
    let checksum = u32::try_from((mib << 20) % 65_521).unwrap() << 16 | 1;
    [&[0x78, 0x9c], &block.repeat(mib)[..], &[3, 0], &checksum.to_be_bytes()].concat()
}

/// A stream of deflate blocks that have codes and nothing else.
fn empty_blocks(length: usize) -> Vec<u8> {
    // Not the last, of codes of its own: 257 for lengths, one for distances, 18 for their lengths.
    let mut bits = vec![(0, 1), (2, 2), (0, 5), (0, 5), (14, 4)];
    // Lengths 18 (zeros) and 1 have a bit each: 0 and 1 by their order.
    bits.extend(
        [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1]
            .map(|length| (i32::from(matches!(length, 18 | 1)), 3)),
    );
    // Of 0 and 256 one bit each, of 138 and 117 between none; one distance; the end of the block.
    bits.extend([(0, 1), (1, 1), (127, 7), (1, 1), (106, 7), (0, 1), (0, 1), (1, 1)]);
    let block: Vec<i32> =
        bits.iter().flat_map(|&(value, count)| (0..count).map(move |bit| value >> bit & 1)).collect();
    let eight: Vec<i32> = block.repeat(8);
    let bytes: Vec<u8> = eight
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::try_from(bit).unwrap()))
        .collect();
    [&[0x78, 0x9c], &bytes.repeat(length / bytes.len())[..], &[3, 0, 0, 0, 0, 1]].concat()
}

pub(crate) fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    [&be32(data.len())[..], &kind, data, &crc.sum().to_be_bytes()].concat()
}

pub(crate) fn iccp(stream: &[u8]) -> Vec<u8> {
    chunk(*b"iCCP", &[b"name\0\0", stream].concat())
}

/// A PNG of a single value, with chunks before its pixels.
pub(crate) fn png(side: usize, (depth, color): (u8, u8), value: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let samples = [1, 0, 3, 1, 2, 0, 4][usize::from(color)];
    let mut row = vec![value; 1 + side * samples * usize::from(depth) / 8];
    row[0] = 0;
    let header = [&be32(side)[..], &be32(side), &[depth, color, 0, 0, 0]].concat();
    let pixels = zlib(std::iter::repeat_n(row, side));
    let (head, tail) = (chunk(*b"IHDR", &header), chunk(*b"IEND", b""));
    [b"\x89PNG\r\n\x1a\n", &head[..], &chunks.concat(), &chunk(*b"IDAT", &pixels), &tail].concat()
}

fn png_with(icc: &[u8]) -> Vec<u8> {
    png(64, (8, 2), 90, &[iccp(&zlib(icc.chunks(1 << 20).map(<[u8]>::to_vec)))])
}

/// A JPEG of 64 x 64 px, with the profile in as many parts as it takes.
pub(crate) fn jpeg_with(icc: &[u8], color: jpeg_encoder::ColorType, pixel: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.add_icc_profile(icc).unwrap();
    encoder.encode(&pixel.repeat(64 * 64), 64, 64, color).unwrap();
    bytes
}

pub(crate) fn lossless_webp_with(icc: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut bytes);
    encoder.set_icc_profile(icc.to_vec()).unwrap();
    encoder.write_image(&[90; 64 * 64 * 3], 64, 64, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// The file with another profile. It has a `VP8X` chunk already.
fn extended_webp_with(name: &str, icc: &[u8]) -> Vec<u8> {
    let file = read(name);
    assert_eq!(&file[12..16], b"VP8X");
    let length = u32::try_from(icc.len()).unwrap();
    let mut padded = icc.to_vec();
    padded.resize(icc.len().next_multiple_of(2), 0);
    let mut bytes = [&file[..30], b"ICCP", &length.to_le_bytes(), &padded, &file[30..]].concat();
    bytes[20] |= 0x20;
    let riff = u32::try_from(bytes.len() - 8).unwrap();
    bytes[4..8].copy_from_slice(&riff.to_le_bytes());
    bytes
}

#[track_caller]
fn assert_cheap(name: &str, photo: &[u8], job: &Job) {
    let cost @ Cost { cpu, peak, .. } = &measure(photo, job);
    assert_eq!(cost.outcome, Ok(()), "{name}");
    assert!(*cpu < CPU, "{name}: {cost:?}");
    assert!(*peak < PEAK, "{name}: {cost:?}");
}

#[test]
fn a_lut_that_very_many_tags_name_costs_nothing() {
    // As many tags as fit below 10 MiB, where moxcms stops: 480,000 that name one LUT of 4.7 MB.
    let lut = lut16(3, 92, true);
    let count = (10 * (1 << 20) - 133 - lut.len()) / 12;
    let many_tags =
        |count: usize| profile(*b"RGB ", *b"Lab ", &vec![(b"A2B0", 0); count], std::slice::from_ref(&lut));
    // Some of them show what all would cost.
    let start = Instant::now();
    moxcms::ColorProfile::new_from_slice(&many_tags(500)).unwrap();
    let unchecked = start.elapsed() * u32::try_from(count / 500).unwrap();
    assert!(unchecked > CPU * 100, "{unchecked:?}");

    let icc = many_tags(count);
    let rgb = jpeg_encoder::ColorType::Rgb;
    let job = Job::default();
    assert_cheap("PNG", &png_with(&icc), &job);
    assert_cheap("JPEG", &jpeg_with(&icc, rgb, &[90, 120, 60]), &job);
    assert_cheap("WebP", &lossless_webp_with(&icc), &job);
    let animation = Job { animation: true, ..Job::default() };
    assert_cheap("animation", &extended_webp_with("animated.webp", &icc), &animation);
}

#[test]
fn no_profile_below_the_limit_costs_much() {
    let whole = LONGEST - 132;
    let big = lut16(3, 88, true);
    let fill = |tags: usize| vec![0; (whole - 12 * tags).min(4_100_000)];
    let readable: &[&[u8; 4]] = &[
        b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"gamt", b"rTRC", b"gTRC", b"bTRC", b"kTRC",
        b"desc", b"cprt", b"vued", b"dmnd", b"dmdd", b"targ",
    ];
    let all_on_one: Vec<_> = readable.iter().map(|&signature| (signature, 0)).collect();
    let again: Vec<_> = all_on_one.iter().cycle().take(100).copied().collect();
    let curves = [(b"rTRC", 0), (b"gTRC", 0), (b"bTRC", 0), (b"kTRC", 0)];
    let long_curves = curve(40_000, 40_000).repeat(50);
    let mut text = [b"mluc\0\0\0\0", &be32(300_000)[..], &be32(12)].concat();
    text.extend([b"enUS", &be32(400_000)[..], &be32(16)].concat().repeat(300_000));
    let mut d2b0 = [b"mpet\0\0\0\0", &[0, 3, 0, 3][..], &be32(0x7fff_ffff)].concat();
    d2b0.extend(fill(1));
    let table = [
        ("17 tags on a LUT of 4.1 MB", profile(*b"RGB ", *b"Lab ", &all_on_one, std::slice::from_ref(&big))),
        ("100 tags on a LUT of 4.1 MB", profile(*b"RGB ", *b"Lab ", &again, std::slice::from_ref(&big))),
        ("17 tags on curves", profile(*b"RGB ", *b"XYZ ", &all_on_one, std::slice::from_ref(&long_curves))),
        ("curves of 2^31 entries", profile(*b"RGB ", *b"XYZ ", &curves, &[curve(1 << 31, 64)])),
        ("curves of 2 million entries", profile(*b"RGB ", *b"XYZ ", &curves, &[curve(2_000_000, 2_000_000)])),
        ("255 curves three times", profile(*b"RGB ", *b"XYZ ", &[(b"A2B0", 0)], &[mab(255, &long_curves)])),
        ("a LUT of 255^3", profile(*b"RGB ", *b"Lab ", &[(b"A2B0", 0)], &[mab_clut([255; 16])])),
        ("17 tags on text", profile(*b"RGB ", *b"XYZ ", &all_on_one, &[text])),
        ("elements without end", profile(*b"RGB ", *b"XYZ ", &[(b"D2B0", 0)], &[d2b0])),
        ("gray", profile(*b"GRAY", *b"XYZ ", &all_on_one, &[long_curves])),
    ];
    for (name, icc) in table {
        assert!(icc.len() <= LONGEST, "{name}: {}", icc.len());
        assert_cheap(name, &png_with(&icc), &Job::default());
        for kind in [(16, 2), (16, 0), (8, 0)] {
            let photo = png(64, kind, 90, &[iccp(&zlib(std::iter::once(icc.clone())))]);
            assert_cheap(name, &photo, &Job::default());
        }
    }
}

#[test]
fn a_profile_in_255_parts_of_a_jpeg_costs_nothing() {
    let icc = profile(*b"RGB ", *b"Lab ", &vec![(b"A2B0", 0); 800_000], &[lut16(3, 110, true)]);
    assert!(icc.len() > 254 * 65_519 / 10 * 9);
    let photo = jpeg_with(&icc[..254 * 65_519], jpeg_encoder::ColorType::Rgb, &[90, 120, 60]);
    assert_cheap("255 parts", &photo, &Job::default());
}

#[test]
fn a_profile_is_inflated_to_the_limit_and_no_further() {
    let bomb = iccp(&zeros(1200));
    assert_cheap("by rows", &png(64, (8, 2), 90, std::slice::from_ref(&bomb)), &by_rows());
    assert_cheap("at once", &png(64, (8, 2), 90, std::slice::from_ref(&bomb)), &Job::default());
    assert_cheap("16 bits", &png(64, (16, 2), 90, std::slice::from_ref(&bomb)), &Job::default());
    assert_cheap("20 chunks", &png(64, (8, 2), 90, &vec![iccp(&zeros(60)); 20]), &Job::default());
}

#[test]
fn a_stream_of_empty_blocks_ends_at_the_deadline() {
    let file = |kind: [u8; 4], data: &[u8]| {
        let header = chunk(*b"IHDR", &[0, 0, 0, 64, 0, 0, 0, 64, 8, 2, 0, 0, 0]);
        [b"\x89PNG\r\n\x1a\n", &header[..], &chunk(kind, data), &chunk(*b"IEND", b"")].concat()
    };
    let flood = file(*b"IDAT", &empty_blocks(30_000_000));
    // Without a deadline it takes many seconds.
    for job in [Job::default(), by_rows()] {
        let cost = measure(&flood, &Job { deadline: Some(Duration::from_millis(500)), ..job });
        assert_eq!(cost.outcome, Err("PROCESSING_TIMEOUT".to_owned()));
        assert!(cost.cpu < Duration::from_secs(2), "{cost:?}");
    }
    // As many as a profile of the longest can be packed in. A longer stream is not begun.
    for (length, most) in [(LONGEST, Duration::from_secs(3)), (30_000_000, CPU)] {
        let photo = png(64, (8, 2), 90, &[iccp(&empty_blocks(length))]);
        let cost = measure(&photo, &Job::default());
        assert_eq!(cost.outcome, Ok(()), "{length}");
        assert!(cost.cpu < most && cost.peak < PEAK, "{length}: {cost:?}");
    }
}

#[test]
fn text_of_a_png_is_not_inflated() {
    let stream = zeros(300);
    let name = b"Raw profile type exif\0".as_slice();
    let texts = [
        chunk(*b"zTXt", &[name, b"\0", &stream].concat()),
        chunk(*b"iTXt", &[name, b"\x01\0\0\0", &stream].concat()),
    ];
    for text in &texts {
        let kind = std::str::from_utf8(&text[4..8]).unwrap();
        assert_cheap(kind, &png(64, (8, 2), 90, &vec![text.clone(); 20]), &Job::default());
        assert_cheap(kind, &png(64, (8, 2), 90, &vec![text.clone(); 20]), &by_rows());
    }
    // What is kept of such chunks counted against the decoder's memory, and made good photos corrupt.
    let plain = chunk(*b"tEXt", &[name, &vec![b'0'; 20 << 20]].concat());
    let exif = chunk(*b"eXIf", &vec![0; 10 << 20]);
    assert_cheap("tEXt and eXIf", &png(64, (8, 2), 90, &[plain, exif]), &Job::default());
}

/// The colour of a photo of one colour.
fn shown(photo: &[u8]) -> [u8; 3] {
    let options = RenderOptions::new(vec![inside(64, OutputFormat::WebP)]);
    let rendered = render_bytes(photo, &options).unwrap();
    open(&rendered.variants[0]).to_rgb8().get_pixel(32, 32).0
}

#[track_caller]
fn assert_gray(name: &str, photo: &[u8], level: u8) {
    let colour = shown(photo);
    assert!(colour.iter().all(|value| value.abs_diff(level) <= 3), "{name}: {colour:?}, not {level}");
}

#[test]
fn a_profile_of_a_printing_condition_is_applied() {
    // As ISO Coated: LUTs of 3 MB in all, and text, curves and tables that a conversion to sRGB leaves out.
    let tags = [
        (b"desc", 0),
        (b"cprt", 0),
        (b"wtpt", 1),
        (b"A2B0", 2),
        (b"A2B1", 3),
        (b"A2B2", 2),
        (b"B2A0", 4),
        (b"B2A1", 4),
        (b"B2A2", 4),
        (b"gamt", 4),
    ];
    let text = [b"text\0\0\0\0", "ISO Coated".repeat(10).as_bytes()].concat();
    let white = [b"XYZ \0\0\0\0".as_slice(), &[0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d]].concat();
    let icc = profile(
        *b"CMYK",
        *b"Lab ",
        &tags,
        &[text, white, lut16(4, 19, false), lut16(4, 20, true), lut16(3, 54, true)],
    );
    assert!((2_500_000..3_500_000).contains(&icc.len()), "{}", icc.len());
    // No black is Lab 100; half of it Lab 50, which is 119 of sRGB. Adobe's files have ink inverted.
    let cmyk = jpeg_encoder::ColorType::Cmyk;
    for (black, level) in [(0, 255), (128, 118), (255, 0)] {
        let photo = jpeg_with(&icc, cmyk, &[40, 90, 200, black]);
        assert_gray("ink", &photo, level);
        assert_cheap("ink", &photo, &Job::default());
    }
}

#[test]
fn the_longest_profile_is_applied_and_one_byte_more_is_not() {
    let fitting = |length: usize| {
        let lut = lut16(3, 60, true);
        let rest = vec![0; length - 132 - 24 - lut.len()];
        profile(*b"RGB ", *b"Lab ", &[(b"A2B0", 0), (b"desc", 1)], &[lut, rest])
    };
    let (longest, longer) = (fitting(LONGEST), fitting(LONGEST + 1));
    // Blue of a half is Lab 50.
    let rgb = jpeg_encoder::ColorType::Rgb;
    for (name, photo) in [
        ("PNG", png(64, (8, 2), 128, &[iccp(&zlib(std::iter::once(longest.clone())))])),
        ("JPEG", jpeg_with(&longest, rgb, &[128; 3])),
    ] {
        assert_gray(name, &photo, 119);
        assert_cheap(name, &photo, &Job::default());
    }
    for (name, photo) in [
        ("PNG", png(64, (8, 2), 128, &[iccp(&zlib(std::iter::once(longer.clone())))])),
        ("JPEG", jpeg_with(&longer, rgb, &[128; 3])),
    ] {
        assert_gray(name, &photo, 128);
    }
}

#[test]
fn tags_that_share_all_their_bytes_are_right() {
    let shared = profile(
        *b"RGB ",
        *b"XYZ ",
        &[(b"rXYZ", 0), (b"gXYZ", 1), (b"bXYZ", 2), (b"rTRC", 3), (b"gTRC", 3), (b"bTRC", 3)],
        &[
            xyz([0x6fa2, 0x38f5, 0x0390]),
            xyz([0x6299, 0xb785, 0x18da]),
            xyz([0x24a0, 0x0f84, 0xb6cf]),
            // Linear light.
            curve(0, 0),
        ],
    );
    // 255 * (1.055 * (90 / 255) ^ (1 / 2.4) - 0.055).
    assert_gray("shared", &png_with(&shared), 160);
    // Red's curve longer than the profile has bytes: broken.
    let mut cut = shared.clone();
    let entry = 132 + 3 * 12;
    cut[entry + 8..entry + 12].copy_from_slice(&be32(shared.len()));
    assert_gray("beyond the end", &png_with(&cut), 90);
    // The header says more than there is.
    let mut lying = shared.clone();
    lying[..4].copy_from_slice(&be32(shared.len() + 1));
    assert_gray("longer than it is", &png_with(&lying), 90);
    // What follows the profile is none of it.
    assert_gray("junk behind", &png_with(&[&shared[..], b"junk"].concat()), 160);
}

fn xyz(values: [u32; 3]) -> Vec<u8> {
    [b"XYZ \0\0\0\0".to_vec(), values.map(u32::to_be_bytes).concat()].concat()
}
