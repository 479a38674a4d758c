//! Compares pictures of few colours without loss by this crate with libwebp's lossless and lossy files: bytes and CPU time, of each
//! PNG named and of its reductions.
//!
//! ```text
//! cargo run --release -p photo-webp --example compare_palette -- screenshot.png photo.png
//! ```

#![expect(clippy::cast_precision_loss, reason = "times, counts and sizes are small")]

use std::error::Error;

use image::RgbImage;
use image::imageops::{FilterType, resize};
use photo_webp::encode_palette;
use rustix::time::{ClockId, clock_gettime};
use webpx::{EncoderConfig, Unstoppable};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;

fn libwebp(picture: &RgbImage, config: EncoderConfig) -> Outcome<Vec<u8>> {
    let encoder = webpx::Encoder::new_rgb(picture.as_raw(), picture.width(), picture.height());
    encoder.config(config).encode(Unstoppable).map_err(|e| format!("{e:?}").into())
}

/// CPU time of this thread in milliseconds.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn main() -> Outcome<()> {
    println!("{:24} bytes / ms: this crate, libwebp lossless (method 2), lossy (quality 80, method 2)", "");
    for path in std::env::args().skip(1) {
        let whole = image::open(&path)?.to_rgb8();
        for side in [whole.width(), 480, 160] {
            let height = (whole.height() * side / whole.width()).max(1);
            let picture = resize(&whole, side, height, FilterType::Lanczos3);
            let picture = if side == whole.width() { &whole } else { &picture };
            let size = picture.dimensions();
            let mut least = [f64::INFINITY; 3];
            let mut files = [None, None, None];
            for _ in 0..ROUNDS {
                for (i, (file, least)) in files.iter_mut().zip(&mut least).enumerate() {
                    let start = cpu_ms();
                    *file = match i {
                        0 => encode_palette(picture.as_raw(), 3, size)?,
                        1 => Some(libwebp(picture, EncoderConfig::new_lossless().method(2).quality(40.0))?),
                        _ => Some(libwebp(picture, EncoderConfig::new().quality(80.0).method(2))?),
                    };
                    *least = f64::min(*least, cpu_ms() - start);
                }
            }
            let name = path.rsplit('/').next().unwrap_or(&path);
            print!("{:24}", format!("{name} {side}"));
            for (file, ms) in files.iter().zip(least) {
                match file {
                    Some(file) => print!(" {:8} {ms:8.3}", file.len()),
                    None => print!(" {:>8} {ms:8.3}", "-"),
                }
            }
            println!();
        }
    }
    Ok(())
}
