//! A picture that photos' parts are like, at the sides that thumbnails have.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use photo_webp::{Options, Planes, decode, encode};

/// Slow and fast waves, and grain that looks random but is the same each time.
fn plane(width: u32, height: u32, grain: u32) -> Vec<u8> {
    let mut state = 1_u32;
    (0..width * height)
        .map(|i| {
            let (x, y) = (i % width, i / width);
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let slow = (x / 3 + y / 5) % 128;
            let fast = (x * y / 7) % 32;
            u8::try_from(40 + slow + fast + (state >> 24) % grain).unwrap_or(u8::MAX)
        })
        .collect()
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.sample_size(20);
    for (width, height) in [(160, 107), (480, 320), (1280, 853)] {
        let half = (width / 2, u32::div_ceil(height, 2));
        let (y, u, v) = (plane(width, height, 16), plane(half.0, half.1, 4), plane(half.0, half.1, 3));
        let planes = Planes { width, height, y: &y, u: &u, v: &v };
        group.throughput(Throughput::Elements(u64::from(width * height)));
        group.bench_function(format!("{width} x {height} px, quality 80"), |b| {
            b.iter(|| encode(black_box(&planes), Options { quality: 80.0 }));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("decode");
    let (width, height) = (1280, 853);
    let half = (width / 2, u32::div_ceil(height, 2));
    let (y, u, v) = (plane(width, height, 16), plane(half.0, half.1, 4), plane(half.0, half.1, 3));
    let planes = Planes { width, height, y: &y, u: &u, v: &v };
    let file = encode(&planes, Options { quality: 80.0 }).unwrap_or_default();
    // Behind RIFF's and the chunk's headers.
    let frame = file.get(20..).unwrap_or_default();
    assert!(decode(frame, &mut || false).is_ok());
    group.throughput(Throughput::Elements(u64::from(width * height)));
    group.bench_function(format!("{width} x {height} px, quality 80"), |b| {
        b.iter(|| decode(black_box(frame), &mut || false));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
