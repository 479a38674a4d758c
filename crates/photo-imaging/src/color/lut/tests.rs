//! Profiles made here against the numbers that Little CMS 2.19 (by Pillow, perceptual intent, no optimisation) and Chromium 156
//! give for the same profiles.

use std::time::Instant;

use crate::color::{DeepConversion, to_srgb};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::raster::{Channels, Raster};

fn be32(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap().to_be_bytes()
}

/// A number of 16.16 bits.
#[expect(clippy::cast_possible_truncation)]
fn fixed(value: f64) -> [u8; 4] {
    ((value * 65_536.0).round() as i32).to_be_bytes()
}

/// A profile of a version (2 or 4) with an `A2B0` tag.
fn profile(version: u8, space: [u8; 4], pcs: [u8; 4], a2b0: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes[8] = version;
    bytes[12..16].copy_from_slice(b"prtr");
    bytes[16..20].copy_from_slice(&space);
    bytes[20..24].copy_from_slice(&pcs);
    bytes[36..40].copy_from_slice(b"acsp");
    bytes.extend(be32(1));
    bytes.extend([&b"A2B0"[..], &be32(144), &be32(a2b0.len()), a2b0].concat());
    let length = be32(bytes.len());
    bytes[..4].copy_from_slice(&length);
    bytes
}

/// The L*a*b* of each node, whose inputs are 0 to 1. The last changes fastest.
fn nodes(inputs: usize, grid: u8, colour: impl Fn(&[f64]) -> [f64; 3]) -> Vec<[f64; 3]> {
    let side = usize::from(grid);
    let node = |index: usize| {
        let places = (0..inputs).rev().map(|axis| index / side.pow(u32::try_from(axis).unwrap()) % side);
        #[expect(clippy::cast_precision_loss)]
        let device: Vec<f64> = places.map(|place| place as f64 / f64::from(grid - 1)).collect();
        colour(&device)
    };
    (0..side.pow(u32::try_from(inputs).unwrap())).map(node).collect()
}

/// How a type of LUT writes L*, a* and b*, by what each is multiplied.
#[derive(Clone, Copy)]
struct Scale {
    lightness: f64,
    chroma: f64,
}

/// `lut16Type`, `lut8Type` and `lutAToBType` of 16 bits.
const OLD: Scale = Scale { lightness: 652.8, chroma: 256.0 };
const EIGHT: Scale = Scale { lightness: 2.55, chroma: 1.0 };
const NEW: Scale = Scale { lightness: 655.35, chroma: 257.0 };

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn encoded(nodes: &[[f64; 3]], scale: Scale) -> Vec<u16> {
    let write = |&[l, a, b]: &[f64; 3]| {
        [l * scale.lightness, (a + 128.0) * scale.chroma, (b + 128.0) * scale.chroma]
            .map(|value| value.round() as u16)
    };
    nodes.iter().flat_map(write).collect()
}

fn sixteen(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn identity_matrix() -> Vec<u8> {
    [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0].map(fixed).concat()
}

fn lut16(inputs: u8, grid: u8, nodes: &[[f64; 3]]) -> Vec<u8> {
    let ramps = |count: u8| [0, 0, 255, 255].repeat(count.into());
    let clut = sixteen(&encoded(nodes, OLD));
    let head = [b"mft2\0\0\0\0", &[inputs, 3, grid, 0][..], &identity_matrix(), &[0, 2, 0, 2]].concat();
    [head, ramps(inputs), clut, ramps(3)].concat()
}

fn lut8(inputs: u8, grid: u8, nodes: &[[f64; 3]]) -> Vec<u8> {
    let ramps = |count: u8| (0..=u8::MAX).collect::<Vec<u8>>().repeat(count.into());
    let clut: Vec<u8> = encoded(nodes, EIGHT).into_iter().map(|v| u8::try_from(v).unwrap()).collect();
    let head = [b"mft1\0\0\0\0", &[inputs, 3, grid, 0][..], &identity_matrix()].concat();
    [head, ramps(inputs), clut, ramps(3)].concat()
}

/// A formula with the first of its parameters, or all five.
fn para(parameters: &[f64]) -> Vec<u8> {
    let kind = if parameters.len() == 1 { 0 } else { 3 };
    let parameters: Vec<u8> = parameters.iter().flat_map(|&parameter| fixed(parameter)).collect();
    [b"para\0\0\0\0\0", &[kind, 0, 0][..], &parameters].concat()
}

/// A curves that are squares, a grid, and straight B curves.
fn mab(inputs: u8, grid: u8, nodes: &[[f64; 3]]) -> Vec<u8> {
    let b_curves = para(&[1.0]).repeat(3);
    let mut sides = [0; 16];
    sides[..usize::from(inputs)].fill(grid);
    let mut clut = [&sides, &[2, 0, 0, 0][..], &sixteen(&encoded(nodes, NEW))].concat();
    clut.resize(clut.len().next_multiple_of(4), 0);
    let clut_place = 32 + b_curves.len();
    let places = [be32(32), be32(0), be32(0), be32(clut_place), be32(clut_place + clut.len())].concat();
    let head = [b"mAB \0\0\0\0", &[inputs, 3, 0, 0][..], &places].concat();
    [head, b_curves, clut, para(&[2.0]).repeat(inputs.into())].concat()
}

/// Inks whose blackest is as light as `black` says, and coloured.
fn inks(black: f64) -> impl Fn(&[f64]) -> [f64; 3] {
    move |device| {
        let [c, m, y, k] = *device.first_chunk().unwrap();
        let ink = (4.0 * c + 4.0 * m + y + 7.0 * k) / 16.0;
        [100.0 - (100.0 - black) * ink, 64.0 * m - 32.0 * c + 8.0 * k, 88.0 * y - 48.0 * c - 16.0 * k]
    }
}

fn shown(icc: &[u8], channels: Channels, pixels: &[u8]) -> Vec<u8> {
    let profile = Profile::parse(icc).unwrap();
    let width = u32::try_from(pixels.len() / channels.count()).unwrap();
    let raster = Raster::new(width, 1, channels, pixels.to_vec()).unwrap();
    let shallow = to_srgb(raster, Some(&profile), &Limits::default()).unwrap().into_data();
    let samples: Vec<[u8; 2]> = pixels.iter().map(|&sample| [sample; 2]).collect();
    let conversion = DeepConversion::new(&profile, channels).unwrap();
    let deep = conversion.apply(&samples, &Limits::default()).unwrap();
    assert_eq!(shallow, deep);
    shallow
}

#[track_caller]
fn assert_near(name: &str, actual: &[u8], expected: &[[u8; 3]], most: u8) {
    let (actual, _) = actual.as_chunks::<3>();
    assert_eq!(actual.len(), expected.len());
    let near = actual.as_flattened().iter().zip(expected.as_flattened()).all(|(a, e)| a.abs_diff(*e) <= most);
    assert!(near, "{name}: {actual:?}, not {expected:?}");
}

#[test]
fn ink_has_the_black_point_of_little_cms() {
    let pixels = [
        [0, 0, 0, 0],
        [255, 0, 0, 0],
        [0, 255, 0, 0],
        [0, 0, 255, 0],
        [0, 0, 0, 255],
        [255, 255, 255, 255],
        [64, 128, 32, 16],
        [30, 20, 10, 200],
        [100, 80, 60, 40],
    ];
    let v2 = [[141, 148, 181], [0, 0, 0], [241, 184, 206], [153, 158, 188], [202, 187, 194]];
    let v4 = [[155, 147, 180], [86, 0, 0], [244, 184, 206], [165, 157, 188], [208, 187, 194]];
    let of_v2 = [[255, 255, 255], [0, 215, 255], [255, 138, 198], [255, 237, 36]];
    let of_v4 = [[255, 255, 255], [0, 214, 255], [255, 140, 198], [255, 237, 33]];
    let light = [[255, 255, 255], [0, 251, 255], [255, 141, 228], [255, 244, 0]];
    let light_mixed = [[168, 194, 234], [148, 74, 72], [255, 203, 233], [178, 200, 237], [226, 215, 224]];
    let dark = [[255, 255, 255], [0, 205, 255], [255, 130, 189], [255, 235, 49]];
    let dark_mixed = [[132, 133, 165], [0, 0, 0], [233, 176, 198], [144, 144, 174], [195, 177, 185]];
    let curved_v2 = [[141, 148, 181], [0, 0, 0], [255, 225, 239], [184, 187, 209], [235, 235, 242]];
    let curved_v4 = [[155, 147, 180], [86, 0, 0], [255, 226, 239], [191, 186, 208], [237, 235, 242]];
    let of = |grid: u8, black: f64| nodes(4, grid, inks(black));
    let cases = [
        ("lut16 of version 2", 2, lut16(4, 2, &of(2, 15.0)), of_v2, v2),
        ("lut16 of version 4", 4, lut16(4, 2, &of(2, 15.0)), of_v4, v4),
        ("a grid of 5", 2, lut16(4, 5, &of(5, 15.0)), of_v2, v2),
        ("lut8", 2, lut8(4, 3, &of(3, 15.0)), of_v2, v2),
        ("black that is light", 2, lut16(4, 2, &of(2, 60.0)), light, light_mixed),
        ("black that is black", 2, lut16(4, 5, &of(5, 0.0)), dark, dark_mixed),
        ("curves of version 2", 2, mab(4, 3, &of(3, 15.0)), of_v2, curved_v2),
        ("curves of version 4", 4, mab(4, 3, &of(3, 15.0)), of_v4, curved_v4),
    ];
    for (name, version, a2b0, pure, mixed) in cases {
        let icc = profile(version, *b"CMYK", *b"Lab ", &a2b0);
        let expected = [&pure[..], &mixed].concat();
        assert_near(name, &shown(&icc, Channels::Cmyk, pixels.as_flattened()), &expected, 1);
    }
}

#[test]
fn black_ink_of_a_neutral_scale_becomes_black() {
    for lightest in [0.0, 5.0, 15.0, 30.0, 50.0] {
        let gray = |device: &[f64]| [100.0 - (100.0 - lightest) * device[3], 0.0, 0.0];
        let icc = profile(2, *b"CMYK", *b"Lab ", &lut16(4, 3, &nodes(4, 3, gray)));
        let pixels: Vec<u8> = (0..=255).flat_map(|k| [0, 0, 0, k]).collect();
        let levels = shown(&icc, Channels::Cmyk, &pixels);
        assert!(levels.chunks(3).map(|rgb| rgb[0]).is_sorted_by(|a, b| a >= b), "{lightest}");
        assert_eq!((&levels[..3], &levels[765..]), (&[255; 3][..], &[0; 3][..]), "{lightest}");
    }
}

/// The profile that jpegli and cjxl embed in XYB JPEGs: a grid of two nodes along each input, cubes, and a matrix to XYZ.
fn xyb() -> Vec<u8> {
    let (offset, scale) =
        ([0.015_386_134, 0.0, 0.277_704_59], [22.995_788_804, 1.183_000_077, 1.502_141_333]);
    let bias = 0.003_793_073_255_275_449_3_f64;
    let both = |a: f64, b: f64| a * b / (a + b);
    let scales = [both(scale[0], scale[1]), both(scale[0], scale[1]), both(scale[1], scale[2])];
    let offsets = [offset[0] + offset[1], offset[1] - offset[0] + 1.0 / scale[0], offset[1] + offset[2]];
    let corners = nodes(3, 2, |device| {
        let [x, y, b] = [0, 1, 2].map(|i| device[i] / scale[i] - offset[i]);
        let mixed = [y + x, y - x, b + y];
        [0, 1, 2].map(|i| (mixed[i] + offsets[i]) * scales[i])
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let corners: Vec<u16> =
        corners.as_flattened().iter().map(|value| (value * 65_535.0).round() as u16).collect();
    let mut sides = [0; 16];
    sides[..3].fill(2);
    let clut = [&sides, &[2, 0, 0, 0][..], &sixteen(&corners)].concat();
    let cubes: Vec<u8> = (0..3)
        .flat_map(|i| {
            let b = bias.cbrt() - offsets[i];
            para(&[3.0, 1.0 / scales[i], b, 0.0, (-b * scales[i]).max(0.0)])
        })
        .collect();
    let matrix = [
        [1.517_009_5, -1.106_522_5, 0.071_623],
        [-0.050_022, 0.568_365_5, -0.018_344],
        [-1.387_676, 1.114_555_5, 0.685_725_5],
    ];
    let intercepts = matrix.map(|row| -bias * row.iter().sum::<f64>());
    let numbers: Vec<u8> = matrix.as_flattened().iter().chain(&intercepts).copied().flat_map(fixed).collect();
    let places = [32, 244, 148, 80, 32].map(be32).concat();
    let head = [b"mAB \0\0\0\0", &[3, 3, 0, 0][..], &places].concat();
    profile(4, *b"RGB ", *b"XYZ ", &[head, para(&[1.0]).repeat(3), clut, cubes, numbers].concat())
}

#[test]
fn an_xyb_picture_is_clipped_for_each_channel() {
    // As jpegli stores sRGB's corners and some colours within it, and what Chromium shows.
    let cases = [
        ([90, 0, 106], [0, 0, 0]),
        ([90, 255, 106], [255, 255, 254]),
        ([90, 135, 106], [128, 128, 128]),
        ([255, 147, 100], [255, 0, 0]),
        ([0, 216, 0], [3, 255, 2]),
        ([90, 84, 255], [0, 1, 255]),
        ([6, 226, 110], [0, 255, 255]),
        ([229, 165, 193], [255, 3, 255]),
        ([90, 247, 27], [255, 255, 3]),
        ([169, 141, 87], [200, 100, 51]),
        ([90, 20, 106], [20, 21, 20]),
        ([90, 6, 106], [5, 6, 5]),
    ];
    let (pixels, expected): (Vec<[u8; 3]>, Vec<[u8; 3]>) = cases.into_iter().unzip();
    assert_near("XYB", &shown(&xyb(), Channels::Rgb, pixels.as_flattened()), &expected, 1);
}

#[test]
fn colours_beyond_srgb_are_clipped_for_each_channel() {
    // A hue whose red is below zero from the first step on: a grid of sRGB colours would mix it with white.
    let cyan = |device: &[f64]| {
        let light = f64::midpoint(device[0], device[1]);
        [90.0 * light, -80.0 * light, -20.0 * light]
    };
    for grid in [2, 3, 9] {
        let nodes = nodes(3, grid, cyan);
        for (version, a2b0) in
            [(2, lut16(3, grid, &nodes)), (4, lut8(3, grid, &nodes)), (4, lut16(3, grid, &nodes))]
        {
            let icc = profile(version, *b"RGB ", *b"Lab ", &a2b0);
            let pixels: Vec<u8> = (60..=255).flat_map(|level| [level; 3]).collect();
            let levels = shown(&icc, Channels::Rgb, &pixels);
            assert!(levels.chunks(3).all(|rgb| rgb[0] == 0), "{version} {grid}: {levels:?}");
        }
    }
}

#[test]
fn colours_keep_the_black_of_their_profile() {
    let gray = |device: &[f64]| [15.0 + 85.0 * device[1], 0.0, 0.0];
    for version in [2, 4] {
        let icc = profile(version, *b"RGB ", *b"Lab ", &lut16(3, 2, &nodes(3, 2, gray)));
        let levels = shown(&icc, Channels::Rgb, &[0, 0, 0, 255, 255, 255]);
        // L* = 15 is level 38.
        assert_near("gray", &levels, &[[38; 3], [255; 3]], 1);
    }
}

#[test]
fn three_inputs_are_mixed_by_all_eight_corners() {
    // White at one corner of eight: the middle is an eighth of it.
    let corner = |device: &[f64]| [100.0 * device.iter().product::<f64>(), 0.0, 0.0];
    let icc = profile(4, *b"RGB ", *b"Lab ", &lut16(3, 2, &nodes(3, 2, corner)));
    // L* = 12.5 is level 34.
    assert_near("middle", &shown(&icc, Channels::Rgb, &[128, 127, 128]), &[[34; 3]], 1);
}

#[test]
fn alpha_stays_beside_a_lut() {
    let gray = |device: &[f64]| [100.0 * device[0], 0.0, 0.0];
    let icc = profile(4, *b"RGB ", *b"Lab ", &lut16(3, 2, &nodes(3, 2, gray)));
    let levels = shown(&icc, Channels::Rgba, &[255, 0, 0, 77, 0, 0, 0, 255]);
    assert_eq!(levels, [255, 255, 255, 77, 0, 0, 0, 255]);
    let levels = shown(&icc, Channels::GrayAlpha, &[255, 77, 0, 255]);
    assert_eq!(levels, [255, 255, 255, 77, 0, 0, 0, 255]);
}

#[test]
fn a_lut_for_other_inputs_is_passed_over() {
    let gray = |device: &[f64]| [100.0 * device[0], 0.0, 0.0];
    let three = lut16(3, 2, &nodes(3, 2, gray));
    let four = lut16(4, 2, &nodes(4, 2, gray));
    let mut no_grid = mab(4, 2, &nodes(4, 2, gray));
    no_grid[24..32].fill(0);
    for (name, icc, channels) in [
        ("inks by three", profile(2, *b"CMYK", *b"Lab ", &three), Channels::Cmyk),
        ("colours by four", profile(2, *b"RGB ", *b"Lab ", &four), Channels::Rgb),
        ("a connection by Yxy", profile(2, *b"CMYK", *b"Yxy ", &four), Channels::Cmyk),
        ("no grid for inks", profile(4, *b"CMYK", *b"Lab ", &no_grid), Channels::Cmyk),
    ] {
        let Some(profile) = Profile::parse(&icc) else { continue };
        let raster = Raster::new(1, 1, channels, vec![10; channels.count()]).unwrap();
        let plain = to_srgb(raster.clone(), None, &Limits::default()).unwrap();
        assert_eq!(to_srgb(raster, Some(&profile), &Limits::default()).unwrap(), plain, "{name}");
    }
}

#[test]
fn numbers_beyond_all_measure_do_no_harm() {
    let gray = |device: &[f64]| [100.0 * device[0], 0.0, 0.0];
    let whole = mab(4, 2, &nodes(4, 2, gray));
    let curves = whole.len() - 4 * 16;
    for parameters in [[0x7fff_ffff_u32; 4], [0x8000_0000; 4], [0, 0x7fff_ffff, 0x8000_0000, 1]] {
        let mut a2b0 = whole.clone();
        for (curve, parameter) in parameters.into_iter().enumerate() {
            a2b0[curves + 16 * curve + 12..][..4].copy_from_slice(&parameter.to_be_bytes());
        }
        // The B curves too.
        for curve in 0..3 {
            a2b0[32 + 16 * curve + 12..][..4].copy_from_slice(&parameters[curve].to_be_bytes());
        }
        let icc = profile(2, *b"CMYK", *b"XYZ ", &a2b0);
        let pixels: Vec<u8> = (0..=255).flat_map(|level| [level, 255 - level, level, 3]).collect();
        assert_eq!(shown(&icc, Channels::Cmyk, &pixels).len(), 3 * 256);
    }
}

#[test]
fn a_deadline_that_passes_stops_a_conversion() {
    let late = Limits::default().with_deadline(Instant::now());
    let gray = |device: &[f64]| [100.0 * device[0], 0.0, 0.0];
    let lut = profile(4, *b"RGB ", *b"Lab ", &lut16(3, 2, &nodes(3, 2, gray)));
    let curves: Profile = moxcms::ColorProfile::new_display_p3().into();
    for profile in [Profile::parse(&lut).unwrap(), curves, Profile::from_cicp(9, 16, None).unwrap()] {
        for channels in [Channels::Gray, Channels::Rgb] {
            let raster = Raster::new(1, 1, channels, vec![9; channels.count()]).unwrap();
            let code = to_srgb(raster, Some(&profile), &late).map(drop).map_err(|error| error.code());
            assert_eq!(code, Err("PROCESSING_TIMEOUT"));
            let samples = vec![[9; 2]; channels.count()];
            let conversion = DeepConversion::new(&profile, channels).unwrap();
            let code = conversion.apply(&samples, &late).map(drop).map_err(|error| error.code());
            assert_eq!(code, Err("PROCESSING_TIMEOUT"));
        }
    }
}
