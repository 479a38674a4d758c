//! Photos at the limits of size: each kind is rendered within the memory of the function, or refused by its header.
//!
//! All files are of one colour, so that they are made and decoded fast.

use photo_imaging::{Animation, Fit, Limits, OutputFormat, RenderOptions, VariantSpec, probe};

use crate::cost::{Job, MIB, measure};
use crate::heic;
use crate::memory::{BEYOND, PNG, Png, animated, gif, riff};
use crate::support::{inside, open, render_bytes};
use Takes::{With512, With1769};

/// 120 million pixels.
const LARGE: (u16, u16) = (12_000, 10_000);
/// As wide as a JPEG can be.
const PANORAMA: (u16, u16) = (65_535, 1800);
const SCREENSHOT: (u16, u16) = (1080, 65_535);
/// As wide as a WebP can be.
const WEBP: (u16, u16) = (16_383, 7300);

fn wide((width, height): (u16, u16)) -> (u32, u32) {
    (width.into(), height.into())
}

/// Bits, the most significant first.
#[derive(Default)]
struct Bits(Vec<u8>, usize);

impl Bits {
    fn zeros(&mut self, count: usize) {
        self.1 += count;
        self.0.resize(self.1.div_ceil(8), 0);
    }

    fn one(&mut self) {
        self.zeros(1);
        if let Some(last) = self.0.last_mut() {
            *last |= 0x80 >> ((self.1 - 1) % 8);
        }
    }
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap();
    [&[0xff, marker], &length.to_be_bytes()[..], body].concat()
}

/// A gray JPEG of three components: each code of its two tables that is used begins with a zero.
fn jpeg((width, height): (u16, u16), progressive: bool, halved: bool) -> Vec<u8> {
    let [[h0, h1], [w0, w1]] = [height.to_be_bytes(), width.to_be_bytes()];
    let sampling = if halved { 0x22 } else { 0x11 };
    let frame = [8, h0, h1, w0, w1, 3, 1, sampling, 0, 2, 0x11, 0, 3, 0x11, 0];
    // DC: category 0. AC: end of 16,384 blocks, end of a block; or the latter alone.
    let direct = [&[0, 1][..], &[0; 15], &[0]].concat();
    let runs = [&[0x10, 1, 1][..], &[0; 14], &[0xe0, 0]].concat();
    let ends = [&[0x10, 1][..], &[0; 15], &[0]].concat();
    let mut file = b"\xff\xd8".to_vec();
    file.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    file.extend(segment(if progressive { 0xc2 } else { 0xc0 }, &frame));
    file.extend(segment(0xc4, &direct));
    file.extend(segment(0xc4, if progressive { &runs } else { &ends }));
    let side = if halved { 16 } else { 8 };
    let mcus = usize::from(width).div_ceil(side) * usize::from(height).div_ceil(side);
    let blocks = mcus * if halved { 6 } else { 3 };
    let last = if progressive { 0 } else { 63 };
    file.extend(segment(0xda, &[3, 1, 0, 2, 0, 3, 0, 0, last, 0]));
    let mut bits = Bits::default();
    bits.zeros(if progressive { blocks } else { 2 * blocks });
    file.extend(bits.0);
    if progressive {
        for component in 1..=3 {
            let side = if halved && component > 1 { 16 } else { 8 };
            let blocks = usize::from(width).div_ceil(side) * usize::from(height).div_ceil(side);
            file.extend(segment(0xda, &[1, component, 0, 1, 63, 0]));
            let mut bits = Bits::default();
            bits.zeros(blocks / 16_384 * 15);
            for _ in 0..blocks % 16_384 {
                bits.one();
                bits.zeros(1);
            }
            file.extend(bits.0);
        }
    }
    file.extend(b"\xff\xd9");
    file
}

/// A lossy WebP in which every bit is false: subblocks as their neighbours, no coefficients (RFC 6386).
fn lossy((width, height): (u16, u16)) -> Vec<u8> {
    let macroblocks = usize::from(width).div_ceil(16) * usize::from(height).div_ceil(16);
    // A false bit takes a part of a bit. Modes take some 4 bits a macroblock, tokens some 6.
    let (modes, tokens) = (macroblocks * 5 / 8 + 1000, macroblocks);
    let tag = (u32::try_from(modes).unwrap() << 5 | 0x10).to_le_bytes();
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    let body = [&tag[..3], b"\x9d\x01\x2a", &size, &vec![0; modes + tokens]].concat();
    riff(b"RIFF", &[b"WEBP".to_vec(), riff(b"VP8 ", &body)].concat())
}

/// A lossless WebP whose prefix codes have one symbol each, which takes no bits.
fn lossless((width, height): (u16, u16)) -> Vec<u8> {
    let (mut value, mut at) = (0_u128, 0);
    let mut put = |bits: u32, count: u32| {
        value |= u128::from(bits) << at;
        at += count;
    };
    put(0x2f, 8);
    put(u32::from(width) - 1, 14);
    put(u32::from(height) - 1, 14);
    // No alpha, version 0; no transform, no colour cache, no groups.
    put(0, 1 + 3 + 3);
    // Green, red, blue, alpha, distance: simple, one symbol of 8 bits.
    for symbol in [200, 30, 90, 255, 0] {
        put(0b101, 3);
        put(symbol, 8);
    }
    riff(b"RIFF", &[b"WEBP".to_vec(), riff(b"VP8L", &[&value.to_le_bytes()[..], &[0; 8]].concat())].concat())
}

fn whole_gif(size: (u16, u16)) -> Vec<u8> {
    gif(size, &[(0, 0, size.0, size.1)])
}

/// Renders it with the memory of a function. Answers whether it is taken.
#[track_caller]
fn is_taken(name: &str, photo: &[u8], job: &Job) -> bool {
    let cost = measure(photo, job);
    let mib = |bytes: u64| bytes / MIB;
    let (estimate, peak) = (mib(cost.estimate), mib(cost.peak));
    println!(
        "{name}, {} MiB: estimate {estimate}, peak {peak}, {:?} {:?}",
        job.memory_mib, cost.outcome, cost.cpu
    );
    match &cost.outcome {
        Ok(()) => {
            assert!(cost.peak <= cost.estimate + BEYOND, "{name}: {peak} MiB, estimated at {estimate} MiB");
        }
        Err(code) => assert_eq!(code, "TOO_MANY_PIXELS", "{name}"),
    }
    cost.outcome.is_ok()
}

/// The least memory of a function in MiB that takes the photo.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    With512,
    With1769,
}

/// Renders each with 512 MiB, and those that are refused then with 1769 MiB. More memory changes nothing for the others.
#[track_caller]
fn check(table: &[(&str, Vec<u8>, Takes)], job: &Job) {
    for (name, photo, takes) in table {
        let with = |memory_mib| is_taken(name, photo, &Job { memory_mib, ..job.clone() });
        assert_eq!(with(512), *takes == Takes::With512, "{name}");
        assert!(*takes == Takes::With512 || with(1769), "{name}");
    }
}

#[test]
fn a_jpeg_at_the_limits_is_taken() {
    let table = [
        ("4:2:0", jpeg(LARGE, false, true), With512),
        ("4:4:4", jpeg(LARGE, false, false), With512),
        ("progressive 4:2:0", jpeg(LARGE, true, true), With512),
        ("progressive 4:4:4", jpeg(LARGE, true, false), With512),
        ("panorama", jpeg(PANORAMA, false, true), With512),
        ("progressive panorama", jpeg(PANORAMA, true, true), With512),
        ("screenshot", jpeg(SCREENSHOT, false, false), With512),
    ];
    check(&table, &Job { format: OutputFormat::Jpeg, ..Job::default() });
}

#[test]
fn a_png_at_the_limits_is_taken_or_refused() {
    let large = wide(LARGE);
    let table = [
        ("RGB", Png { color: 2, ..PNG }.bytes(large), With512),
        ("palette", Png { color: 3, ..PNG }.bytes(large), With512),
        ("gray of 16 bits", Png { depth: 16, color: 0, ..PNG }.bytes(large), With512),
        ("RGB interlaced", Png { color: 2, interlaced: true, ..PNG }.bytes(large), With1769),
        ("RGB panorama", Png { color: 2, ..PNG }.bytes(wide(PANORAMA)), With512),
        ("RGB screenshot", Png { color: 2, ..PNG }.bytes(wide(SCREENSHOT)), With512),
    ];
    check(&table, &Job::default());
}

#[test]
fn a_gif_at_the_limits_is_taken() {
    let kept = gif((8000, 4000), &[(0, 0, 8000, 4000), (0, 0, 8000, 4000)]);
    let table = [
        ("whole", whole_gif(LARGE), With512),
        ("panorama", whole_gif(PANORAMA), With512),
        ("screenshot", whole_gif(SCREENSHOT), With512),
        // Its first image alone.
        ("kept", kept, With512),
    ];
    check(&table, &Job { animation: true, ..Job::default() });
}

#[test]
fn a_webp_at_the_limits_is_taken_or_refused() {
    let (lossy, lossless) = (lossy(WEBP), lossless(WEBP));
    // Its first frame alone.
    let kept = animated(wide(WEBP), &lossy, 2);
    let table = [("lossy", lossy, With512), ("lossless", lossless, With1769), ("kept", kept, With512)];
    check(&table, &Job { animation: true, ..Job::default() });
}

/// Single pictures of 10 bits, each at the limit of 512 or 1769 MiB or at the limit of pixels.
#[test]
fn a_deep_heic_at_the_limits_is_taken() {
    let table = [
        ("large-422-40mp.heic", 512),
        ("large-422-119mp.heic", 1769),
        ("large-444-31mp.heic", 512),
        ("large-444-119mp.heic", 1769),
        ("large-alpha-25mp.heic", 512),
        ("large-alpha-74mp.heic", 1769),
    ];
    for (name, memory_mib) in table {
        let photo = heic::read(name);
        let job = Job { memory_mib, ..Job::default() };
        assert!(is_taken(name, &photo, &job), "{name}");
        let limits = Limits::for_lambda_memory(memory_mib);
        let probed = probe(&photo, &limits).unwrap();
        let options = RenderOptions::new(vec![inside(job.longest_side, job.format)]);
        let pixels = u64::from(probed.width()) * u64::from(probed.height());
        let is_full = 100 * probed.render_bytes(&options) > 97 * limits.max_decoder_bytes;
        assert!(is_full || 100 * pixels > 99 * limits.max_pixels, "{name} is far from every limit");
    }
}

/// By their headers alone: nothing is decoded.
#[test]
fn photos_of_200_megapixels_are_taken_by_parameter() {
    let photo = (16_320, 12_240);
    let options =
        RenderOptions::new(vec![inside(1280, OutputFormat::WebP), inside(1280, OutputFormat::Jpeg)]);
    for (progressive, halved) in [(false, true), (false, false), (true, true)] {
        let bytes = jpeg(photo, progressive, halved);
        assert_eq!(probe(&bytes, &Limits::default()).map(drop).map_err(|e| e.code()), Err("TOO_MANY_PIXELS"));
        let limits = Limits { max_pixels: 200_000_000, ..Limits::for_lambda_memory(1769) };
        let estimate = probe(&bytes, &limits).unwrap().render_bytes(&options);
        assert!(estimate < limits.max_decoder_bytes, "{} MiB", estimate / MIB);
    }
}

#[test]
fn a_line_of_pixels_becomes_a_line() {
    let sides = [(65_535_u16, 1_u16), (1, 65_535), (65_535, 2), (3, 65_535)];
    let specs = || {
        let spec = |name, fit, format| VariantSpec::new(name, fit, format, 80).unwrap();
        let formats = [OutputFormat::WebP, OutputFormat::Jpeg];
        let fits = [
            ("i", Fit::Inside { longest_side: 1280 }),
            ("w", Fit::Within { width: 640, height: 360 }),
            ("c", Fit::Cover { width: 200, height: 200 }),
            ("p", Fit::Contain { width: 320, height: 200 }),
        ];
        fits.into_iter().flat_map(move |(name, fit)| formats.map(|format| spec(name, fit, format))).collect()
    };
    for side in sides {
        let files = [
            ("JPEG 4:2:0", jpeg(side, false, true)),
            ("JPEG 4:4:4", jpeg(side, false, false)),
            ("progressive JPEG", jpeg(side, true, true)),
            ("PNG", PNG.bytes(wide(side))),
            ("interlaced PNG", Png { interlaced: true, ..PNG }.bytes(wide(side))),
            ("GIF", whole_gif(side)),
        ];
        for (name, file) in files {
            let options = RenderOptions { animation: Animation::Keep, ..RenderOptions::new(specs()) };
            let rendered = render_bytes(&file, &options).unwrap_or_else(|e| panic!("{name}, {side:?}: {e}"));
            assert_eq!((rendered.original.width, rendered.original.height), wide(side), "{name}");
            for variant in &rendered.variants {
                let picture = open(variant);
                assert_eq!((picture.width(), picture.height()), (variant.width, variant.height));
                assert!(variant.width > 0 && variant.height > 0 && variant.width.max(variant.height) <= 1280);
            }
        }
    }
}

#[test]
fn a_side_over_the_limit_is_refused() {
    for size in [(65_536, 1), (1, 65_536), (65_535, 65_535), (12_001, 10_000)] {
        let mut file = PNG.bytes((8, 8));
        file[16..20].copy_from_slice(&u32::to_be_bytes(size.0));
        file[20..24].copy_from_slice(&u32::to_be_bytes(size.1));
        let mut crc = flate2::Crc::new();
        crc.update(&file[12..29]);
        file[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let code = probe(&file, &Limits::default()).map(drop).map_err(|e| e.code());
        assert_eq!(code, Err("TOO_MANY_PIXELS"), "{size:?}");
    }
}
