//! Compares with libwebp: CPU time, bytes and SSIMULACRA2 of each PNG named, at the quality given.
//!
//! ```text
//! cargo run --release -p photo-webp --example compare -- 80 photo-1280.png photo-480.png
//! ```
//!
//! Encoders take turns; the CPU time is the least of the rounds, in milliseconds. The reference is the PNG, so the score
//! is of the encoder alone.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "samples are clamped; times, counts and sizes are small"
)]

use std::error::Error;

use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use image::RgbImage;
use photo_webp::{Options, Planes, encode};
use rustix::time::{ClockId, clock_gettime};
use webpx::{EncoderConfig, Unstoppable, YuvPlanesRef};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 9;

type Encoder = (&'static str, fn(&Yuv, u8) -> Outcome<Vec<u8>>);

/// One picture's samples.
struct Yuv {
    width: u32,
    height: u32,
    planes: [Vec<u8>; 3],
}

impl Yuv {
    /// BT.601, limited range; chroma is the mean of four pixels.
    fn of(picture: &RgbImage) -> Self {
        let (width, height) = picture.dimensions();
        let at = |x: u32, y: u32| picture.get_pixel(x.min(width - 1), y.min(height - 1)).0.map(f32::from);
        let sample = |[r, g, b]: [f32; 3], [kr, kg, kb]: [f32; 3], zero: f32| {
            (kr * r + kg * g + kb * b + zero + 0.5).clamp(0.0, 255.0) as u8
        };
        let each = |step: u32| {
            (0..height)
                .step_by(step as usize)
                .flat_map(move |y| (0..width).step_by(step as usize).map(move |x| (x, y)))
        };
        let mean = |(x, y): (u32, u32)| {
            let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
            [0, 1, 2].map(|c| four.iter().map(|pixel| pixel[c]).sum::<f32>() / 4.0)
        };
        let luma = |(x, y): (u32, u32)| sample(at(x, y), [0.256_788, 0.504_129, 0.097_906], 16.0);
        let u = |at: (u32, u32)| sample(mean(at), [-0.148_223, -0.290_993, 0.439_216], 128.0);
        let v = |at: (u32, u32)| sample(mean(at), [0.439_216, -0.367_788, -0.071_427], 128.0);
        let planes = [each(1).map(luma).collect(), each(2).map(u).collect(), each(2).map(v).collect()];
        Self { width, height, planes }
    }

    fn ours(&self, quality: u8) -> Outcome<Vec<u8>> {
        let [y, u, v] = &self.planes;
        Ok(encode(
            &Planes { width: self.width, height: self.height, y, u, v },
            Options { quality: f32::from(quality) },
        )?)
    }

    fn libwebp(&self, quality: u8, method: u8) -> Outcome<Vec<u8>> {
        let [y, u, v] = &self.planes;
        let (width, half) = (self.width as usize, self.width.div_ceil(2) as usize);
        let view = YuvPlanesRef {
            y,
            y_stride: width,
            u,
            u_stride: half,
            v,
            v_stride: half,
            a: None,
            a_stride: 0,
            width: self.width,
            height: self.height,
        };
        let config = EncoderConfig::new().quality(f32::from(quality)).method(method);
        webpx::Encoder::new_yuv(view).config(config).encode(Unstoppable).map_err(|e| format!("{e:?}").into())
    }
}

fn score(reference: &RgbImage, file: &[u8]) -> Outcome<f64> {
    let (pixels, width, height) = webpx::decode_rgb(file).map_err(|e| format!("{e:?}"))?;
    let view =
        |pixels| PixelSlice::new(pixels, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB);
    Ok(compute_ssimulacra2(&view(reference.as_raw().as_slice())?, &view(pixels.as_slice())?)?)
}

/// CPU time of this thread in milliseconds.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let quality: u8 = arguments.next().ok_or("quality, then PNG files")?.parse()?;
    let encoders: [Encoder; 3] =
        [("m2", |yuv, q| yuv.libwebp(q, 2)), ("m4", |yuv, q| yuv.libwebp(q, 4)), ("ours", Yuv::ours)];
    let mut totals = [(0.0, 0.0, 0.0); 3];
    let mut count = 0.0;
    for path in arguments {
        count += 1.0;
        let picture = image::open(&path)?.to_rgb8();
        let yuv = Yuv::of(&picture);
        let mut least = [f64::INFINITY; 3];
        let mut files = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (i, (_, encoder)) in encoders.iter().enumerate() {
                let start = cpu_ms();
                files[i] = encoder(&yuv, quality)?;
                least[i] = f64::min(least[i], cpu_ms() - start);
            }
        }
        let name = path.rsplit('/').next().unwrap_or(&path);
        if let Ok(folder) = std::env::var("OUT") {
            for ((label, _), file) in encoders.iter().zip(&files) {
                std::fs::write(format!("{folder}/{name}.{label}.webp"), file)?;
            }
        }
        print!("{name:28}");
        for (i, (label, _)) in encoders.iter().enumerate() {
            let score = score(&picture, &files[i])?;
            print!("  {label:4} {:6.2} ms {:7} B {score:6.2}", least[i], files[i].len());
            totals[i].0 += least[i];
            totals[i].1 += (files[i].len() as f64 / files[1].len() as f64).ln();
            totals[i].2 += score;
        }
        println!();
    }
    for ((label, _), (cpu, bytes, score)) in encoders.iter().zip(totals) {
        let bytes = 100.0 * (f64::exp(bytes / count) - 1.0);
        println!("{label}: {cpu:.2} ms in all, bytes {bytes:+.2} % of m4's, score {:.2}", score / count);
    }
    Ok(())
}
