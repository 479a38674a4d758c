//! What is encoded, decoded by two decoders that are not ours and by ours.

mod alpha;
mod damaged;
mod lossless;
mod others;
mod palette;
mod trimmed;

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::segments::Tuning;

impl Picture {
    fn new(width: u32, height: u32, mut pixel: impl FnMut(u32, u32, u32) -> u8) -> Self {
        let mut plane = |number, width, height| {
            (0..width * height).map(|i| pixel(number, i % width, i / width)).collect()
        };
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let y = plane(0, width, height);
        let u = plane(1, half_width, half_height);
        let v = plane(2, half_width, half_height);
        Self { width, height, y, u, v, loss: None }
    }

    fn planes(&self) -> Planes<'_> {
        Planes { width: self.width, height: self.height, y: &self.y, u: &self.u, v: &self.v }
    }

    /// Encodes without a filter and holds both decoders' pixels against the encoder's own.
    fn check_exact(&self, options: Options) -> Vec<u8> {
        let mut own = Self::new(self.width, self.height, |_, _, _| 0);
        let tuning = Tuning { spatial: 50, filter: 0 };
        let frame = encode::encode(&self.planes(), options, tuning, &mut |column, row, pixels| {
            let half = (own.width.div_ceil(2), own.height.div_ceil(2));
            paste(&mut own.y, (own.width, own.height), (column, row), &pixels.y, 16);
            paste(&mut own.u, half, (column, row), &pixels.u, 8);
            paste(&mut own.v, half, (column, row), &pixels.v, 8);
        })
        .unwrap();
        let file = container::file(&frame, None, (self.width, self.height)).unwrap();
        let [libwebp, image] = decoded(&file);
        assert!(libwebp.same(&own), "libwebp differs: {:?}", libwebp.first_difference(&own));
        assert!(image.same(&own), "image-webp differs: {:?}", image.first_difference(&own));
        file
    }

    fn same(&self, other: &Self) -> bool {
        (self.width, self.height) == (other.width, other.height)
            && (&self.y, &self.u, &self.v) == (&other.y, &other.u, &other.v)
    }

    fn first_difference(&self, other: &Self) -> Option<(char, u32, u32)> {
        let find =
            |a: &[u8], b: &[u8]| a.iter().zip(b).position(|(a, b)| a != b).map(|i| u32::try_from(i).unwrap());
        let half = self.width.div_ceil(2);
        find(&self.y, &other.y)
            .map(|i| ('y', i % self.width, i / self.width))
            .or_else(|| find(&self.u, &other.u).map(|i| ('u', i % half, i / half)))
            .or_else(|| find(&self.v, &other.v).map(|i| ('v', i % half, i / half)))
    }

    /// Decibels over all samples.
    fn psnr(&self, other: &Self) -> f64 {
        let pairs = [(&self.y, &other.y), (&self.u, &other.u), (&self.v, &other.v)];
        let pairs = pairs.into_iter().flat_map(|(a, b)| a.iter().zip(b));
        let (sum, count) = pairs.fold((0.0, 0.0), |(sum, count), (&a, &b)| {
            (sum + (f64::from(a) - f64::from(b)).powi(2), count + 1.0)
        });
        10.0 * (255.0 * 255.0 * count / f64::max(sum, 1e-9)).log10()
    }
}

fn paste(
    plane: &mut [u8],
    (width, height): (u32, u32),
    (column, row): (usize, usize),
    block: &[u8],
    side: usize,
) {
    for (i, &pixel) in block.iter().enumerate() {
        let (x, y) = (column * side + i % side, row * side + i / side);
        if x < width as usize && y < height as usize {
            plane[y * width as usize + x] = pixel;
        }
    }
}

/// By libwebp, and by image-webp. Our own decoder has to see what libwebp does.
fn decoded(file: &[u8]) -> [Picture; 2] {
    let planes = webpx::decode_yuv(file).unwrap();
    let crop = |plane: &[u8], stride: usize, width: u32, height: u32| -> Vec<u8> {
        let rows = plane.chunks(stride).take(height as usize);
        rows.flat_map(|row| row[..width as usize].to_vec()).collect()
    };
    let (width, height) = (planes.width, planes.height);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let libwebp = Picture {
        width,
        height,
        y: crop(&planes.y, planes.y_stride, width, height),
        u: crop(&planes.u, planes.u_stride, half_width, half_height),
        v: crop(&planes.v, planes.v_stride, half_width, half_height),
        loss: None,
    };
    let length = u32::from_le_bytes(file[16..20].try_into().unwrap()) as usize;
    let own = decode(&file[20..20 + length], &mut || false).unwrap();
    assert_eq!(own.loss, None);
    assert!(own.same(&libwebp), "our decoder differs: {:?}", own.first_difference(&libwebp));
    let frame = image_webp::vp8::Vp8Decoder::decode_frame(Cursor::new(&file[20..20 + length])).unwrap();
    // Its planes are whole macroblocks.
    let stride = frame.width.div_ceil(16) as usize * 16;
    let image = Picture {
        width: frame.width.into(),
        height: frame.height.into(),
        y: crop(&frame.ybuf, stride, width, height),
        u: crop(&frame.ubuf, stride / 2, half_width, half_height),
        v: crop(&frame.vbuf, stride / 2, half_width, half_height),
        loss: None,
    };
    [libwebp, image]
}

/// Numbers that look random, the same each time.
fn noise(seed: u32) -> impl FnMut(u32, u32, u32) -> u8 {
    let mut state = u64::from(seed) << 32 | 1;
    move |_, _, _| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    }
}

/// Waves, an edge and some grain: what photos are made of.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn scene(width: u32, height: u32) -> Picture {
    let mut grain = noise(7);
    Picture::new(width, height, |plane, x, y| {
        let (fx, fy) = (f64::from(x), f64::from(y));
        let wave = 60.0 * (fx / 11.0).sin() * (fy / 17.0).cos() + 30.0 * ((fx + 2.0 * fy) / 3.1).sin();
        let edge = if x > y { 40.0 } else { 0.0 };
        let grain = f64::from(grain(0, 0, 0)) / 32.0;
        let value = if plane == 0 { 100.0 + wave + edge + grain } else { 128.0 + wave / 3.0 };
        value.clamp(0.0, 255.0) as u8
    })
}

fn at(quality: u8) -> Options {
    Options { quality: f32::from(quality) }
}

#[test]
fn decoders_see_what_the_encoder_saw_at_every_quality() {
    let picture = scene(83, 61);
    let mut sizes = Vec::new();
    for quality in 0..=101 {
        sizes.push(picture.check_exact(at(quality)).len());
    }
    assert!(sizes[1] < sizes[50] && sizes[50] < sizes[80] && sizes[80] < sizes[100], "{sizes:?}");
    assert_eq!((sizes[0], sizes[101]), (sizes[1], sizes[100]));
    for (quality, same) in [(f32::NAN, 1), (f32::INFINITY, 100), (-1.0, 1)] {
        assert_eq!(picture.check_exact(Options { quality }).len(), sizes[same], "{quality}");
    }
}

#[test]
fn odd_and_extreme_sizes_are_exact() {
    for (width, height) in [
        (1, 1),
        (1, 2),
        (2, 1),
        (1, 100),
        (100, 1),
        (15, 16),
        (16, 15),
        (16, 16),
        (17, 33),
        (33, 17),
        (31, 31),
        (32, 48),
        (MAX_SIDE, 1),
        (1, MAX_SIDE),
        (MAX_SIDE, 17),
    ] {
        scene(width, height).check_exact(at(75));
    }
}

#[test]
fn flat_noisy_and_extreme_pictures_are_exact() {
    for quality in [1, 30, 75, 95, 98, 99, 100] {
        for value in [0, 1, 127, 128, 255] {
            Picture::new(50, 40, |_, _, _| value).check_exact(at(quality));
        }
        Picture::new(70, 70, noise(3)).check_exact(at(quality));
        // Black and white: single pixels, blocks and macroblocks of them.
        for cell in [1, 3, 4, 16, 17] {
            Picture::new(70, 70, |_, x, y| if (x / cell + y / cell) % 2 == 0 { 0 } else { 255 })
                .check_exact(at(quality));
        }
    }
}

#[test]
fn filtered_pictures_are_the_same_in_both_decoders_and_near_the_source() {
    let picture = scene(200, 150);
    let mut last = 0.0;
    for (quality, least) in [(10, 24.0), (50, 27.0), (80, 30.0), (95, 36.0)] {
        let [libwebp, image] = decoded(&encode(&picture.planes(), at(quality)).unwrap());
        assert!(libwebp.same(&image), "{:?}", libwebp.first_difference(&image));
        let psnr = picture.psnr(&libwebp);
        assert!(psnr > least && psnr > last, "quality {quality}: {psnr:.1} dB");
        last = psnr;
    }
}

#[test]
fn sides_and_planes_that_do_not_fit_are_errors() {
    let none: &[u8] = &[];
    for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (u32::MAX, u32::MAX)] {
        let planes = Planes { width, height, y: none, u: none, v: none };
        assert_eq!(encode(&planes, at(75)), Err(EncodeError::Size { width, height }));
    }
    let picture = scene(5, 5);
    for plane in 0..3 {
        let mut planes = picture.planes();
        let shorter = |samples: &mut &[u8]| *samples = &samples[1..];
        match plane {
            0 => shorter(&mut planes.y),
            1 => shorter(&mut planes.u),
            _ => shorter(&mut planes.v),
        }
        let expected = if plane == 0 { 25 } else { 9 };
        assert_eq!(encode(&planes, at(75)), Err(EncodeError::Samples { found: expected - 1, expected }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_picture_is_exact(
        width in 1_u32..70,
        height in 1_u32..70,
        quality in 1_u8..=100,
        seed: u32,
        smooth in 0_u32..4,
    ) {
        let mut noise = noise(seed);
        let mut last = 0_u8;
        // From noise to slow walks.
        let picture = Picture::new(width, height, |_, _, _| {
            let step = noise(0, 0, 0);
            last = match smooth {
                0 => step,
                1 => last.wrapping_add(step / 16).wrapping_sub(8),
                2 => last.saturating_add(step % 3).saturating_sub(1),
                _ if step < 20 => step.wrapping_mul(12),
                _ => last,
            };
            last
        });
        picture.check_exact(at(quality));
    }
}
