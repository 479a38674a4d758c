//! Memory: what a render takes beyond its estimate is bounded, whatever the photo is.

use std::io::Write as _;

use flate2::{Compression, Crc, write::ZlibEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use photo_imaging::{Animation, Limits, OutputFormat, RenderOptions, probe};
use proptest::prelude::*;

use crate::cost::{Job, MIB, measure};
use crate::support::{inside, render_bytes};

/// What a render may take beyond its estimate: the 32 MiB that it has in any case, a copy of a small input, code and tables that
/// are touched for the first time, and what the allocator keeps.
pub(crate) const BEYOND: u64 = 48 * MIB;

/// Bytes that repeat often enough to be packed fast, and seldom enough that an encoder has work.
fn pattern(length: usize) -> impl Iterator<Item = u8> {
    let mut state = 7_u32;
    let tile: Vec<u8> = (0..4099)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    tile.into_iter().cycle().take(length)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "byte strings are references")]
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes()[..], kind, data, &crc.sum().to_be_bytes()].concat()
}

/// A PNG of this depth and colour type, as the standard numbers them.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what a file may have")]
pub(crate) struct Png {
    pub(crate) depth: u8,
    pub(crate) color: u8,
    pub(crate) interlaced: bool,
    pub(crate) transparent: bool,
    pub(crate) animated: bool,
    pub(crate) gamma: bool,
}

pub(crate) const PNG: Png =
    Png { depth: 8, color: 6, interlaced: false, transparent: false, animated: false, gamma: false };

impl Png {
    pub(crate) fn bytes(&self, (width, height): (u32, u32)) -> Vec<u8> {
        let samples: usize = [1, 0, 3, 1, 2, 0, 4][usize::from(self.color)];
        let bits = samples * usize::from(self.depth);
        let passes: &[(u32, u32, u32, u32)] = if self.interlaced {
            &[
                (0, 0, 8, 8),
                (4, 0, 8, 8),
                (0, 4, 4, 8),
                (2, 0, 4, 4),
                (0, 2, 2, 4),
                (1, 0, 2, 2),
                (0, 1, 1, 2),
            ]
        } else {
            &[(0, 0, 1, 1)]
        };
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        for &(left, top, across, down) in passes {
            let columns = width.saturating_sub(left).div_ceil(across);
            // A pass without columns has no rows either.
            let rows = if columns == 0 { 0 } else { height.saturating_sub(top).div_ceil(down) };
            let length = (columns as usize * bits).div_ceil(8);
            let row: Vec<u8> = std::iter::once(0).chain(pattern(length)).collect();
            for _ in 0..rows {
                packed.write_all(&row).unwrap();
            }
        }
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        file.extend(chunk(
            b"IHDR",
            &[&size[..], &[self.depth, self.color, 0, 0, u8::from(self.interlaced)]].concat(),
        ));
        if self.gamma {
            file.extend(chunk(b"gAMA", &100_000_u32.to_be_bytes()));
        }
        if self.animated {
            file.extend(chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]));
            file.extend(chunk(b"fcTL", &[&[0; 4][..], &size, &[0; 14]].concat()));
        }
        if self.color == 3 {
            file.extend(chunk(b"PLTE", &[1, 120, 240].repeat(1 << self.depth)));
        }
        if self.transparent {
            let alpha: &[u8] = match self.color {
                0 => &[0; 2],
                2 => &[0; 6],
                _ => &[0x80; 16][..16.min(1 << self.depth)],
            };
            file.extend(chunk(b"tRNS", alpha));
        }
        file.extend(chunk(b"IDAT", &packed.finish().unwrap()));
        file.extend(chunk(b"IEND", &[]));
        file
    }
}

/// A GIF of one colour. Frames are their offsets and sizes; all but the first are transparent.
pub(crate) fn gif(screen: (u16, u16), frames: &[(u16, u16, u16, u16)]) -> Vec<u8> {
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut file =
        [b"GIF89a", &words(&[screen.0, screen.1])[..], &[0x80, 0, 0, 9, 99, 199, 0, 0, 0]].concat();
    for &(left, top, width, height) in frames {
        file.extend([0x21, 0xf9, 4, 9, 5, 0, 1, 0]);
        file.push(0x2c);
        file.extend(words(&[left, top, width, height]));
        file.extend([0, 2]);
        for block in lzw_zeros(usize::from(width) * usize::from(height)).chunks(255) {
            file.push(u8::try_from(block.len()).unwrap());
            file.extend(block);
        }
        file.push(0);
    }
    file.push(0x3b);
    file
}

/// Zeros, each code twice as long as the one before, of two bits a value.
fn lzw_zeros(mut left: usize) -> Vec<u8> {
    let (mut out, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    let mut put = |code: u32, width: u32| {
        buffer |= code << bits;
        bits += width;
        while bits >= 8 {
            out.push(buffer.to_le_bytes()[0]);
            buffer >>= 8;
            bits -= 8;
        }
    };
    let (clear, end) = (4_u32, 5_u32);
    while left > 0 {
        put(clear, 3);
        put(0, 3);
        left -= 1;
        let (mut next, mut width, mut length) = (end + 1, 3, 1);
        while left > 0 && next < 4095 {
            length += 1;
            if length > left {
                put(if left == 1 { 0 } else { end + u32::try_from(left).unwrap() - 1 }, width);
                left = 0;
                break;
            }
            put(next, width);
            left -= length;
            next += 1;
            if next == 1 << width && width < 12 {
                width += 1;
            }
        }
        if left == 0 {
            put(end, width);
        } else {
            // The decoder has as many codes now as the width can say.
            put(clear, width);
            put(clear, 3);
        }
    }
    put(0, 7);
    out
}

fn jpeg((width, height): (u16, u16), progressive: bool, sampling: jpeg_encoder::SamplingFactor) -> Vec<u8> {
    let pixels: Vec<u8> = pattern(usize::from(width) * usize::from(height) * 3).collect();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 60);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

/// Gives the peak, in bytes beyond the estimate.
#[track_caller]
fn assert_covered(name: &str, photo: &[u8], job: &Job) {
    let cost = measure(photo, job);
    let mib = |bytes: u64| bytes / MIB;
    println!("{name}: estimate {} MiB, peak {} MiB, {:?}", mib(cost.estimate), mib(cost.peak), cost.outcome);
    assert_eq!(cost.outcome, Ok(()), "{name}");
    assert!(
        cost.peak <= cost.estimate + BEYOND,
        "{name}: {} MiB, estimated at {} MiB",
        mib(cost.peak),
        mib(cost.estimate)
    );
}

const SIZE: (u32, u32) = (4400, 4000);

#[test]
fn png_by_rows_and_whole_keeps_to_its_estimate() {
    let palette = Png { color: 3, transparent: true, ..PNG };
    let table = [
        ("RGBA by rows", PNG),
        ("RGBA interlaced", Png { interlaced: true, ..PNG }),
        ("RGBA animated", Png { animated: true, ..PNG }),
        ("gray and alpha interlaced", Png { color: 4, interlaced: true, ..PNG }),
        (
            "gray with one transparent, interlaced",
            Png { color: 0, transparent: true, interlaced: true, ..PNG },
        ),
        ("palette with alpha interlaced", Png { interlaced: true, ..palette.clone() }),
        ("palette of 1 bit with alpha interlaced", Png { depth: 1, interlaced: true, ..palette }),
        ("RGBA of 16 bits interlaced", Png { depth: 16, interlaced: true, ..PNG }),
        ("gray of 16 bits with a gamma", Png { depth: 16, color: 0, gamma: true, ..PNG }),
        ("RGBA of 16 bits with a gamma", Png { depth: 16, gamma: true, ..PNG }),
    ];
    for (name, png) in table {
        assert_covered(name, &png.bytes(SIZE), &Job::default());
    }
}

#[test]
fn gif_keeps_to_its_estimate() {
    let (width, height) = (4400, 4000);
    let whole = (0, 0, width, height);
    let table: [(&str, Vec<u8>, bool); 7] = [
        ("whole", gif((width, height), &[whole]), false),
        ("a part", gif((width, height), &[(1, 1, width - 2, height - 2)]), false),
        ("grown", gif((1, 1), &[whole]), false),
        ("grown by its place", gif((1, 1), &[(width - 1, height - 1, 1, 1)]), false),
        ("kept", gif((width, height), &[whole, whole]), true),
        ("kept in parts", gif((width, height), &[whole, (1, 1, width - 2, height - 2)]), true),
        ("kept, a frame beyond the screen", gif((99, 99), &[(0, 0, 99, 99), (0, 0, 9000, 9000)]), true),
    ];
    for (name, photo, animation) in table {
        assert_covered(name, &photo, &Job { animation, ..Job::default() });
    }
}

/// Decoded one by one these would be 2.5 gigapixels, on a screen of 99 × 99 px.
#[test]
fn frames_beyond_the_screen_count_with_all_their_pixels() {
    let frames: Vec<_> = [(0, 0, 99, 99)].into_iter().chain([(0, 0, 9000, 9000); 31]).collect();
    let cost = measure(&gif((99, 99), &frames), &Job { animation: true, ..Job::default() });
    assert_eq!(cost.outcome, Ok(()));
    assert!(cost.peak < 16 * MIB, "all were decoded: {cost:?}");
}

#[test]
fn jpeg_keeps_to_its_estimate() {
    use jpeg_encoder::SamplingFactor::{F_1_1, F_2_2};
    for (progressive, sampling) in [(false, F_2_2), (true, F_2_2), (true, F_1_1)] {
        let photo = jpeg((4400, 4000), progressive, sampling);
        for longest_side in [320, 1280, 4400] {
            let name = format!("progressive {progressive}, {sampling:?}, {longest_side} px");
            assert_covered(
                &name,
                &photo,
                &Job { longest_side, format: OutputFormat::Jpeg, ..Job::default() },
            );
        }
    }
}

/// A chunk of a RIFF file.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "byte strings are references")]
pub(crate) fn riff(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap();
    let mut out = [kind, &length.to_le_bytes()[..], data].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

fn u24(value: u32) -> [u8; 3] {
    let [a, b, c, _] = value.to_le_bytes();
    [a, b, c]
}

/// A lossy file, by this crate's own encoder.
fn lossy(size: (u32, u32), alpha: bool) -> Vec<u8> {
    let png = Png { color: if alpha { 6 } else { 2 }, ..PNG }.bytes(size);
    let options = RenderOptions::new(vec![inside(size.0.max(size.1), OutputFormat::WebP)]);
    render_bytes(&png, &options).unwrap().variants.remove(0).bytes
}

fn lossless((width, height): (u32, u32), alpha: bool) -> Vec<u8> {
    let (color, samples) = if alpha { (ExtendedColorType::Rgba8, 4) } else { (ExtendedColorType::Rgb8, 3) };
    // A row again and again: the encoder has no work with it.
    let pixels: Vec<u8> = pattern(width as usize * samples).collect::<Vec<u8>>().repeat(height as usize);
    let mut out = Vec::new();
    WebPEncoder::new_lossless(&mut out).write_image(&pixels, width, height, color).unwrap();
    out
}

/// An animation of the picture of a file, which is as large as the canvas, shown so often.
pub(crate) fn animated((width, height): (u32, u32), file: &[u8], times: usize) -> Vec<u8> {
    let mut chunks = &file[12..];
    if chunks.starts_with(b"VP8X") {
        chunks = &chunks[18..];
    }
    let side = [u24(width - 1), u24(height - 1)].concat();
    let frame = [&[0; 6][..], &side, &[50, 0, 0, 0], chunks].concat();
    let mut body = b"WEBP".to_vec();
    body.extend(riff(b"VP8X", &[&[0x12, 0, 0, 0][..], &side].concat()));
    body.extend(riff(b"ANIM", &[0; 6]));
    for _ in 0..times {
        body.extend(riff(b"ANMF", &frame));
    }
    riff(b"RIFF", &body)
}

#[test]
fn webp_keeps_to_its_estimate() {
    let files = [
        ("lossy", lossy(SIZE, false)),
        ("lossy with alpha", lossy(SIZE, true)),
        ("lossless", lossless(SIZE, false)),
        ("lossless with alpha", lossless(SIZE, true)),
    ];
    for (name, file) in files {
        assert_covered(name, &file, &Job::default());
        let twice = animated(SIZE, &file, 2);
        assert_covered(&format!("{name}, first frame"), &twice, &Job::default());
        assert_covered(&format!("{name}, kept"), &twice, &Job { animation: true, ..Job::default() });
    }
}

#[test]
fn variants_as_large_as_the_photo_are_charged() {
    use OutputFormat::{Jpeg, WebP};
    let (width, height) = (2600, 2000);
    let size = (width, height);
    let with_exif = |orientation: u8| {
        let mut file = Png { color: 2, ..PNG }.bytes(size);
        let tiff = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation, 0, 0, 0, 0, 0, 0][..]]
            .concat();
        let exif = chunk(b"eXIf", &tiff);
        let at = file.windows(4).position(|kind| kind == b"IDAT").unwrap() - 4;
        file.splice(at..at, exif);
        file
    };
    let files = [
        ("PNG", Png { color: 2, ..PNG }.bytes(size)),
        ("PNG with alpha", PNG.bytes(size)),
        ("PNG of 16 bits with alpha and a gamma", Png { depth: 16, gamma: true, ..PNG }.bytes(size)),
        ("PNG turned", with_exif(6)),
        ("JPEG", jpeg((2600, 2000), false, jpeg_encoder::SamplingFactor::F_2_2)),
        ("progressive JPEG", jpeg((2600, 2000), true, jpeg_encoder::SamplingFactor::F_1_1)),
        ("lossy WebP", lossy(size, false)),
        ("GIF", gif((2600, 2000), &[(0, 0, 2600, 2000)])),
    ];
    for (name, file) in files {
        for (format, variants) in [(Jpeg, 1), (WebP, 3)] {
            let job = Job { longest_side: width, format, variants, ..Job::default() };
            assert_covered(&format!("{name}, {variants} × {format}"), &file, &job);
        }
    }
}

/// Nothing of them is decoded: the estimate goes by the headers alone.
#[test]
fn photos_of_50_megapixels_are_taken_by_the_default_function() {
    let side = 7071;
    let sized_png = |png: Png| {
        let mut file = png.bytes((8, 8));
        let header: Vec<u8> = [&7071_u32.to_be_bytes()[..], &7071_u32.to_be_bytes(), &file[24..29]].concat();
        file.splice(8..33, chunk(b"IHDR", &header));
        file
    };
    let sized_jpeg = |progressive| {
        let mut file = jpeg((64, 64), progressive, jpeg_encoder::SamplingFactor::F_1_1);
        let frame = file.windows(2).position(|marker| matches!(marker, [0xff, 0xc0..=0xc2])).unwrap();
        file[frame + 5..frame + 9].copy_from_slice(&[27, 159, 27, 159]);
        file
    };
    let interlaced = Png { interlaced: true, ..PNG };
    let files = [
        ("RGBA of 16 bits interlaced", sized_png(Png { depth: 16, ..interlaced.clone() })),
        ("RGBA of 16 bits with a gamma", sized_png(Png { depth: 16, gamma: true, ..PNG })),
        ("RGBA interlaced", sized_png(interlaced)),
        ("progressive JPEG", sized_jpeg(true)),
        ("JPEG", sized_jpeg(false)),
        ("a GIF in a part", gif((side, side), &[(1, 1, side - 2, side - 2)])),
        ("a kept GIF", gif((side, side), &[(1, 1, side - 2, side - 2), (0, 0, side, side)])),
    ];
    let usual = RenderOptions::new(vec![inside(1280, OutputFormat::WebP), inside(1280, OutputFormat::Jpeg)]);
    let usual = RenderOptions { animation: Animation::Keep, ..usual };
    let large = RenderOptions::new(vec![inside(7071, OutputFormat::WebP)]);
    let limits = Limits::default();
    for (name, file) in files {
        let photo = probe(&file, &limits).unwrap_or_else(|e| panic!("{name}: {e}"));
        for options in [&usual, &large] {
            let bytes = photo.clone().render_bytes(options);
            assert!(bytes <= limits.max_decoder_bytes, "{name}: {} MiB", bytes / MIB);
        }
    }
}

/// The old estimate was that of the decoder alone, and took these.
#[test]
fn photos_that_a_small_function_cannot_hold_are_refused() {
    let large = jpeg((2600, 2400), false, jpeg_encoder::SamplingFactor::F_2_2);
    let job = Job { memory_mib: 220, longest_side: 2600, format: OutputFormat::Jpeg, ..Job::default() };
    assert_eq!(measure(&large, &job).outcome, Err("TOO_MANY_PIXELS".to_owned()));
    assert_eq!(measure(&large, &Job { longest_side: 640, ..job }).outcome, Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_png_keeps_to_its_estimate(
        kind in prop::sample::select(vec![(1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (8, 3), (8, 4), (16, 4), (8, 6), (16, 6)]),
        interlaced: bool, transparent: bool, animated: bool, gamma: bool,
        width in 2000_u32..5000, height in 2000_u32..3500,
        longest_side in prop::sample::select(vec![100, 320, 1280, 1920]), variants in 1_u32..3,
    ) {
        let (depth, color) = kind;
        let transparent = transparent && color < 4;
        let png = Png { depth, color, interlaced, transparent, animated, gamma };
        let job = Job { longest_side, variants, ..Job::default() };
        assert_covered(&format!("{png:?}, {width} × {height} px to {longest_side}"), &png.bytes((width, height)), &job);
    }
}
