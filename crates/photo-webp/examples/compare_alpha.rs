//! Compares alpha with libwebp's: bytes of the `ALPH` chunk and CPU time of the whole file, of each PNG named. The third way
//! is the stream of `image-webp`'s lossless encoder without its header.
//!
//! ```text
//! cargo run --release -p photo-webp --example compare_alpha -- 80 logo.png shadow.png
//! ```

#![expect(clippy::cast_precision_loss, reason = "times, counts and sizes are small")]

use std::error::Error;

use image::RgbaImage;
use image_webp::{ColorType, WebPEncoder};
use photo_webp::{Options, Planes, encode_with_alpha};
use rustix::time::{ClockId, clock_gettime};
use webpx::{EncoderConfig, Unstoppable, YuvPlanesRef};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;

/// Gray planes: colour is another example's business.
struct Picture {
    width: u32,
    height: u32,
    luma: Vec<u8>,
    chroma: Vec<u8>,
    alpha: Vec<u8>,
}

impl Picture {
    fn of(picture: &RgbaImage) -> Self {
        let (width, height) = picture.dimensions();
        let luma = picture.pixels().map(|pixel| pixel.0[1] / 4 * 3 + 20).collect();
        let chroma = vec![128; width.div_ceil(2) as usize * height.div_ceil(2) as usize];
        let alpha = picture.pixels().map(|pixel| pixel.0[3]).collect();
        Self { width, height, luma, chroma, alpha }
    }

    fn ours(&self, quality: f32) -> Outcome<Vec<u8>> {
        let Self { width, height, .. } = *self;
        let planes = Planes { width, height, y: &self.luma, u: &self.chroma, v: &self.chroma };
        Ok(encode_with_alpha(&planes, &self.alpha, Options { quality })?)
    }

    fn libwebp(&self, quality: f32) -> Outcome<Vec<u8>> {
        let (width, half) = (self.width as usize, self.width.div_ceil(2) as usize);
        let view = YuvPlanesRef {
            y: &self.luma,
            y_stride: width,
            u: &self.chroma,
            u_stride: half,
            v: &self.chroma,
            v_stride: half,
            a: Some(&self.alpha),
            a_stride: width,
            width: self.width,
            height: self.height,
        };
        let config = EncoderConfig::new().quality(quality).method(2);
        webpx::Encoder::new_yuv(view).config(config).encode(Unstoppable).map_err(|e| format!("{e:?}").into())
    }

    fn by_image(&self) -> Outcome<Vec<u8>> {
        let mut file = Vec::new();
        WebPEncoder::new(&mut file).encode(&self.alpha, self.width, self.height, ColorType::L8)?;
        Ok(file)
    }
}

/// Bytes of the chunk of this kind.
fn chunk(file: &[u8], wanted: [u8; 4]) -> usize {
    let mut rest = file.get(12..).unwrap_or_default();
    while let Some((&[a, b, c, d, ref length @ ..], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes(*length) as usize;
        if [a, b, c, d] == wanted {
            return length;
        }
        rest = after.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
    0
}

/// CPU time of this thread in milliseconds.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let quality: f32 = arguments.next().ok_or("quality, then PNG files")?.parse()?;
    println!("{:28} ALPH: libwebp, ours, image-webp; file, ms: libwebp, ours", "");
    for path in arguments {
        let picture = Picture::of(&image::open(&path)?.to_rgba8());
        let mut least = [f64::INFINITY; 2];
        let mut files = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            for (i, (file, least)) in files.iter_mut().zip(&mut least).enumerate() {
                let start = cpu_ms();
                *file = if i == 0 { picture.libwebp(quality)? } else { picture.ours(quality)? };
                *least = f64::min(*least, cpu_ms() - start);
            }
        }
        let [libwebp, ours] = &files;
        let (theirs, own) = (chunk(libwebp, *b"ALPH"), chunk(ours, *b"ALPH"));
        println!(
            "{:28} {theirs:7} {own:7} ({:+5.1} %) {:7}   {:7} {:7}   {:6.2} {:6.2}",
            path.rsplit('/').next().unwrap_or(&path),
            100.0 * (own as f64 / theirs.max(1) as f64 - 1.0),
            chunk(&picture.by_image()?, *b"VP8L") - 4,
            libwebp.len(),
            ours.len(),
            least[0],
            least[1],
        );
    }
    Ok(())
}
