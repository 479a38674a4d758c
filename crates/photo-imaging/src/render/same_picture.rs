//! Planes that go straight to the encoders show what pixels would.

use std::sync::Arc;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::*;
use crate::options::Fit;
use crate::probe::probe;

const BACKGROUND: [u8; 3] = [30, 200, 90];

/// A part of a photo with coloured edges, as a JPEG.
fn jpeg(width: u16, height: u16, sampling: Option<SamplingFactor>) -> Vec<u8> {
    // 375 x 250 px.
    let photo = photo_jpeg::Jpeg::parse(include_bytes!("../../testdata/photo-6mp.jpg")).unwrap();
    let small =
        photo.decode(photo_jpeg::Scales::same(photo_jpeg::Scale::LEAST), &mut || false).unwrap().picture;
    let pixels = image::RgbImage::from_raw(small.width, small.height, small.into_pixels()).unwrap();
    let part = image::DynamicImage::from(pixels).crop_imm(60, 50, width.into(), height.into());
    assert_eq!((part.width(), part.height()), (width.into(), height.into()));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 95);
    match sampling {
        Some(sampling) => {
            encoder.set_sampling_factor(sampling);
            encoder.encode(part.to_rgb8().as_raw(), width, height, ColorType::Rgb).unwrap();
        }
        None => encoder.encode(part.to_luma8().as_raw(), width, height, ColorType::Luma).unwrap(),
    }
    bytes
}

/// What an encoder is given: luma, and chroma of half size.
type Given = [Vec<f64>; 3];

fn given(bytes: &[u8], exif: u8, fit: Fit, planar: bool) -> ((u32, u32), Given) {
    let mut probed = probe(bytes, &Limits::default()).unwrap();
    probed.header.orientation = Orientation::from_exif(exif).unwrap();
    let original = Original { format: Format::Jpeg, width: probed.width(), height: probed.height() };
    let placement = place(original.width, original.height, fit);
    let (width, height) = largest(original, &[placement]);
    let turned = swaps_sides(probed.header.orientation);
    let target = if turned { (height, width) } else { (width, height) };
    match probed.upright(target, planar, probed.profile().as_ref(), &mut StageTimes::default()).unwrap().0 {
        Upright::Pixels(raster) => {
            assert!(!planar);
            let made = Ladder::new(original, Arc::new(raster)).make(&placement, false, BACKGROUND).unwrap();
            (made.size(), halved(&made))
        }
        Upright::Planes(planes) => {
            assert!(planar);
            let made = Ladder::new(original, Arc::new(planes)).make(&placement, false, BACKGROUND).unwrap();
            (
                made.size(),
                [&made.y, &made.cb, &made.cr].map(|plane| plane.iter().map(|&v| v.into()).collect()),
            )
        }
    }
}

/// Pixels to planes by the definition (ITU-T T.871), chroma as the mean of two by two.
fn halved(raster: &Raster) -> Given {
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    let pixels: Vec<[f64; 3]> =
        raster.data().as_chunks::<3>().0.iter().map(|pixel| pixel.map(f64::from)).collect();
    let luma = |[r, g, b]: [f64; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
    let mean = |chroma: &dyn Fn([f64; 3]) -> f64| -> Vec<f64> {
        let at = |x: usize, y: usize| chroma(pixels[y.min(height - 1) * width + x.min(width - 1)]);
        let pairs = (0..height).step_by(2).flat_map(|y| (0..width).step_by(2).map(move |x| (x, y)));
        pairs.map(|(x, y)| (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0).collect()
    };
    let cb = mean(&|pixel| 128.0 + (pixel[2] - luma(pixel)) / 1.772);
    let cr = mean(&|pixel| 128.0 + (pixel[0] - luma(pixel)) / 1.402);
    [pixels.iter().copied().map(luma).collect(), cb, cr]
}

/// Peak signal to noise in decibels.
fn psnr(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    let samples = u32::try_from(a.len()).unwrap();
    10.0 * (255.0_f64.powi(2) * f64::from(samples) / sum.max(1e-9)).log10()
}

#[test]
fn planes_are_the_picture_that_pixels_are() {
    let samplings = [
        Some(SamplingFactor::F_1_1),
        Some(SamplingFactor::F_2_1),
        Some(SamplingFactor::F_1_2),
        Some(SamplingFactor::F_2_2),
        Some(SamplingFactor::F_4_1),
        None,
    ];
    let fits = [
        Fit::Inside { longest_side: 400 },
        Fit::Inside { longest_side: 75 },
        Fit::Cover { width: 41, height: 31 },
        Fit::Contain { width: 67, height: 77 },
    ];
    let (mut worst_luma, mut worst_chroma) = (f64::MAX, f64::MAX);
    for sampling in samplings {
        for (width, height) in [(192, 128), (201, 131), (160, 163), (123, 48)] {
            let bytes = jpeg(width, height, sampling);
            for exif in 1..=8 {
                for fit in fits {
                    let what = format!("{width} x {height}, {sampling:?}, orientation {exif}, {fit:?}");
                    let (size, planes) = given(&bytes, exif, fit, true);
                    let (expected_size, pixels) = given(&bytes, exif, fit, false);
                    assert_eq!(size, expected_size, "{what}");
                    let found: Vec<f64> = planes.iter().zip(&pixels).map(|(a, b)| psnr(a, b)).collect();
                    // Luma goes the same way, but for the rounding of pixels and colours that no pixel can have.
                    assert!(found[0] > 41.0, "{what}: luma {found:?}");
                    // Chroma is filtered once instead of twice.
                    assert!(found[1].min(found[2]) > 36.0, "{what}: chroma {found:?}");
                    worst_luma = worst_luma.min(found[0]);
                    worst_chroma = worst_chroma.min(found[1].min(found[2]));
                }
            }
        }
    }
    println!("least PSNR: luma {worst_luma:.1} dB, chroma {worst_chroma:.1} dB");
}

#[test]
fn the_smallest_pictures_have_planes_too() {
    for (width, height) in [(1, 1), (1, 2), (2, 1), (3, 1), (1, 7), (2, 2), (5, 3)] {
        for sampling in [Some(SamplingFactor::F_1_1), Some(SamplingFactor::F_2_2), None] {
            let bytes = jpeg(width, height, sampling);
            for exif in 1..=8 {
                for fit in [
                    Fit::Inside { longest_side: 9 },
                    Fit::Inside { longest_side: 1 },
                    Fit::Cover { width: 1, height: 1 },
                    Fit::Contain { width: 6, height: 9 },
                ] {
                    let what = format!("{width} x {height}, {sampling:?}, orientation {exif}, {fit:?}");
                    let (size, planes) = given(&bytes, exif, fit, true);
                    assert_eq!(size, given(&bytes, exif, fit, false).0, "{what}");
                    let half = (size.0.div_ceil(2) * size.1.div_ceil(2)) as usize;
                    let lengths = planes.map(|plane| plane.len());
                    assert_eq!(lengths, [(size.0 * size.1) as usize, half, half], "{what}");
                }
            }
        }
    }
}

#[test]
fn only_srgb_for_encoders_of_half_chroma_stays_in_planes() {
    let spec =
        |format, quality| VariantSpec::new("v", Fit::Inside { longest_side: 99 }, format, quality).unwrap();
    let (webp, jpeg) = (spec(OutputFormat::WebP, 95), spec(OutputFormat::Jpeg, 80));
    let (fine, avif) = (spec(OutputFormat::Jpeg, 90), spec(OutputFormat::Avif, 50));
    let plain: &[u8] = include_bytes!("../../testdata/orientation-6.jpg");
    let table: [(&[u8], Vec<VariantSpec>, bool); 11] = [
        (plain, vec![webp.clone(), jpeg.clone()], true),
        (plain, vec![], true),
        (plain, vec![jpeg.clone(), fine], false),
        (plain, vec![webp.clone(), avif], false),
        (include_bytes!("../../testdata/grayscale.jpg"), vec![jpeg.clone()], true),
        (include_bytes!("../../testdata/grayscale-gamma.jpg"), vec![jpeg.clone()], false),
        (include_bytes!("../../testdata/display-p3.jpg"), vec![jpeg.clone()], false),
        (include_bytes!("../../testdata/cmyk.jpg"), vec![jpeg.clone()], false),
        (include_bytes!("../../testdata/broken-profile.jpg"), vec![jpeg.clone()], true),
        // A profile of its own making, of sRGB.
        (include_bytes!("../../testdata/metadata.jpg"), vec![jpeg.clone()], true),
        (include_bytes!("../../testdata/rgb.png"), vec![jpeg], false),
    ];
    for (index, (bytes, variants, expected)) in table.into_iter().enumerate() {
        let probed = probe(bytes, &Limits::default()).unwrap();
        let planar = probed.stays_planar(&RenderOptions::new(variants), probed.profile().as_ref());
        assert_eq!(planar, expected, "line {index}");
    }
}
