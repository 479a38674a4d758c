//! Decoding at each scale, beside zune-jpeg (which has full size alone) and jpeg-decoder's own scaling.
//!
//! The imaging crate's 6 MP photo, and 12 and 24 MP, sequential and progressive, made of it here: the same pixels,
//! repeated and encoded anew.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use photo_jpeg::{Jpeg, Scale, Scales};
use zune_core::bytestream::ZCursor;

const PHOTO: &[u8] = include_bytes!("../../photo-imaging/testdata/photo-6mp.jpg");

/// The photo `across` × `down` times.
fn enlarged(across: usize, down: usize, progressive: bool) -> Option<Vec<u8>> {
    let picture = Jpeg::parse(PHOTO).ok()?.decode(Scales::same(Scale::FULL), &mut || false).ok()?.picture;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let once: Vec<u8> =
        picture.into_pixels().chunks_exact(width * 3).flat_map(|row| row.repeat(across)).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_progressive(progressive);
    let (width, height) = (u16::try_from(width * across).ok()?, u16::try_from(height * down).ok()?);
    encoder.encode(&once.repeat(down), width, height, ColorType::Rgb).ok()?;
    Some(bytes)
}

fn bench(c: &mut Criterion) {
    let photos = [
        ("6 MP", Some(PHOTO.to_vec())),
        ("12 MP", enlarged(2, 1, false)),
        ("24 MP", enlarged(2, 2, false)),
        ("24 MP progressive", enlarged(2, 2, true)),
    ];
    for (name, photo) in photos.iter().filter_map(|(name, photo)| Some((name, photo.as_deref()?))) {
        let Ok(jpeg) = Jpeg::parse(photo) else { continue };
        let mut group = c.benchmark_group(*name);
        group.sample_size(10);
        group.bench_function("parse", |b| b.iter(|| Jpeg::parse(black_box(photo))));
        for scale in [8, 4, 3, 2, 1].into_iter().filter_map(Scale::new) {
            group.bench_function(
                BenchmarkId::new("photo-jpeg planes", format!("{}/8", scale.eighths())),
                |b| {
                    b.iter(|| jpeg.decode(Scales::same(scale), &mut || false));
                },
            );
        }
        group.bench_function(BenchmarkId::new("photo-jpeg RGB", "8/8"), |b| {
            b.iter(|| {
                let decoded = jpeg.decode(Scales::same(Scale::FULL), &mut || false);
                decoded.map(|decoded| decoded.picture.into_pixels())
            });
        });
        group.bench_function(BenchmarkId::new("zune-jpeg RGB", "8/8"), |b| {
            b.iter(|| zune_jpeg::JpegDecoder::new(ZCursor::new(black_box(photo))).decode());
        });
        for divisor in [1, 2, 4, 8] {
            group.bench_function(BenchmarkId::new("jpeg-decoder RGB", format!("{}/8", 8 / divisor)), |b| {
                b.iter(|| {
                    let mut decoder = jpeg_decoder::Decoder::new(black_box(photo));
                    let side = |side: u32| u16::try_from(side.div_ceil(divisor)).unwrap_or(u16::MAX);
                    let scaled = decoder.scale(side(jpeg.width()), side(jpeg.height()));
                    scaled.and_then(|_| decoder.decode())
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
