//! Whole renders and their stages, as far as the public interface tells them apart.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use photo_imaging::{Fit, Limits, OutputFormat, RenderOptions, VariantSpec, probe};

const PHOTO: &[u8] = include_bytes!("../testdata/photo-6mp.jpg");
const ALPHA: &[u8] = include_bytes!("../testdata/alpha.png");

fn options(sides: &[u32], formats: &[OutputFormat]) -> RenderOptions {
    let variants = sides.iter().flat_map(|&longest_side| {
        formats
            .iter()
            .filter_map(move |&format| VariantSpec::new("v", Fit::Inside { longest_side }, format, 80).ok())
    });
    RenderOptions::new(variants.collect())
}

fn bench(c: &mut Criterion) {
    let limits = Limits::default();
    let render =
        |bytes: &[u8], options: &RenderOptions| probe(bytes, &limits).and_then(|p| p.render(options));
    let both = [OutputFormat::WebP, OutputFormat::Jpeg];

    let mut group = c.benchmark_group("photo-6mp");
    group.sample_size(10);
    group.bench_function("probe", |b| b.iter(|| probe(black_box(PHOTO), &limits)));
    group.bench_function("decode and placeholder", |b| {
        b.iter(|| render(black_box(PHOTO), &options(&[], &[])));
    });
    group.bench_function("one jpeg of 1280", |b| {
        b.iter(|| render(PHOTO, &options(&[1280], &[OutputFormat::Jpeg])));
    });
    group.bench_function("one webp of 1280", |b| {
        b.iter(|| render(PHOTO, &options(&[1280], &[OutputFormat::WebP])));
    });
    group.bench_function("six variants", |b| b.iter(|| render(PHOTO, &options(&[160, 480, 1280], &both))));
    for method in [0, 4] {
        let six = RenderOptions { webp_method: method, ..options(&[160, 480, 1280], &both) };
        group.bench_function(format!("six variants, webp method {method}"), |b| {
            b.iter(|| render(PHOTO, &six));
        });
    }
    let threaded = RenderOptions { threads: 2, ..options(&[160, 480, 1280], &both) };
    group.bench_function("six variants, two threads", |b| b.iter(|| render(PHOTO, &threaded)));
    group.finish();
    c.bench_function("alpha.png to six variants", |b| {
        b.iter(|| render(ALPHA, &options(&[40, 80, 160], &both)));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
