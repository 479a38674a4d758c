//! Smaller pictures against the definition: the inverse transform of the lowest frequencies, in 64-bit floats.

use std::f64::consts::PI;

use jpeg_encoder::ColorType;
use photo_jpeg::{Jpeg, Scale, Scales};

use crate::support::{decode_at, encoded, painted, read, right_files, scale};

/// Coefficients of an 8 × 8 block of samples, orthonormal.
fn forward(samples: &[f64; 64]) -> [f64; 64] {
    let basis = |x: usize, u: usize| {
        let norm = if u == 0 { (1.0_f64 / 8.0).sqrt() } else { 0.5 };
        norm * ((2 * x + 1) as f64 * u as f64 * PI / 16.0).cos()
    };
    let mut out = [0.0; 64];
    for (i, out) in out.iter_mut().enumerate() {
        for y in 0..8 {
            for x in 0..8 {
                *out += samples[8 * y + x] * basis(x, i % 8) * basis(y, i / 8);
            }
        }
    }
    out
}

fn inverse(coefficients: &[f64; 64], n: usize) -> Vec<f64> {
    let basis = |x: usize, u: usize| {
        let norm = if u == 0 { (1.0 / n as f64).sqrt() } else { (2.0 / n as f64).sqrt() };
        norm * ((2 * x + 1) as f64 * u as f64 * PI / (2 * n) as f64).cos()
    };
    let mut out = Vec::new();
    for y in 0..n {
        for x in 0..n {
            let mut sum = 0.0;
            for v in 0..n {
                for u in 0..n {
                    sum += coefficients[8 * v + u] * basis(x, u) * basis(y, v);
                }
            }
            out.push(sum * n as f64 / 8.0);
        }
    }
    out
}

#[test]
fn a_smaller_picture_is_the_transform_of_its_lowest_frequencies() {
    let size = (64, 48);
    let gray: Vec<u8> = painted(size.0, size.1).as_chunks::<3>().0.iter().map(|pixel| pixel[0]).collect();
    for progressive in [false, true] {
        let bytes = encoded(size, ColorType::Luma, &gray, |encoder| encoder.set_progressive(progressive));
        let full = decode_at(&bytes, 8).unwrap().planes.remove(0);
        for n in 1..8 {
            let small = decode_at(&bytes, n).unwrap().planes.remove(0);
            let n = usize::from(n);
            for (by, bx) in (0..6).flat_map(|by| (0..8).map(move |bx| (by, bx))) {
                let mut block = [0.0; 64];
                for (i, sample) in block.iter_mut().enumerate() {
                    *sample = f64::from(full.row(8 * by + i / 8)[8 * bx + i % 8]);
                }
                for (i, exact) in inverse(&forward(&block), n).into_iter().enumerate() {
                    let actual = f64::from(small.row(n * by + i / n)[n * bx + i % n]);
                    // Half a level of rounding here, and what the full picture's rounding and clamping left.
                    assert!(
                        (actual - exact.clamp(0.0, 255.0)).abs() < 2.5,
                        "{n}/8 at block ({bx}, {by}): {actual}, not {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn sizes_are_rounded_up_and_say_how_far() {
    for name in right_files() {
        let bytes = read(&name);
        let jpeg = Jpeg::parse(&bytes).unwrap();
        for eighths in 1..=8 {
            let picture = decode_at(&bytes, eighths).unwrap();
            assert_eq!(picture.width, (jpeg.width() * u32::from(eighths)).div_ceil(8), "{name}");
            for plane in &picture.planes {
                assert_eq!(plane.samples.len(), plane.width * plane.height);
                assert!(
                    plane.exact_width <= plane.width as f64 && plane.exact_width > plane.width as f64 - 1.0
                );
            }
            let channels = picture.planes.len();
            let pixels = picture.width as usize * picture.height as usize;
            assert_eq!(picture.into_pixels().len(), pixels * channels, "{name}");
        }
    }
}

#[test]
fn chroma_at_its_own_scale_is_as_large_as_asked_or_stored() {
    let bytes = read("progressive.jpg");
    let jpeg = Jpeg::parse(&bytes).unwrap();
    // Stored: 320 x 213 luma, 160 x 107 chroma.
    for (luma, chroma, expected) in
        [(8, 8, 160), (4, 4, 160), (4, 2, 80), (8, 1, 40), (2, 8, 80), (3, 3, 120)]
    {
        let scales = Scales { luma: scale(luma), chroma: scale(chroma) };
        let picture = jpeg.decode(scales, &mut || false).unwrap().picture;
        assert_eq!(picture.planes[1].width, expected, "{luma}, {chroma}");
        assert_eq!(picture.planes[0].width, usize::from(luma) * 40);
    }
}

#[test]
fn memory_is_what_is_allocated_and_grows_with_the_scale() {
    for name in ["photo-6mp.jpg", "progressive.jpg", "subsampling-422.jpg", "grayscale.jpg", "cmyk.jpg"] {
        let bytes = read(name);
        let jpeg = Jpeg::parse(&bytes).unwrap();
        let charged: Vec<u64> =
            Scale::ALL.iter().map(|&scale| jpeg.memory_bytes(Scales::same(scale))).collect();
        assert!(charged.is_sorted(), "{name}: {charged:?}");
        let planes: usize =
            decode_at(&bytes, 8).unwrap().planes.iter().map(|plane| plane.samples.len()).sum();
        assert!(charged[7] >= planes as u64, "{name}");
    }
}
