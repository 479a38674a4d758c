//! The whole way, in the memory of its estimate. Small limits keep a run fast; libFuzzer's `-timeout` shows what takes long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_imaging::{Animation, Fit, Limits, OutputFormat, RenderOptions, VariantSpec, probe};
use photo_imaging_fuzz::within;

/// What resizing and encoding variants of 40 px, a profile and an inflater may hold in bytes beyond the estimate.
const BESIDE: u64 = 20 << 20;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_pixels: 300_000, max_decoder_bytes: 8 << 20, max_animation_pixels: 100_000, ..Limits::default() };
    let Ok(photo) = probe(bytes, &limits) else { return };
    let (width, height) = (photo.width(), photo.height());
    let variant = |fit, format| VariantSpec::new("v", fit, format, 60).expect("a valid variant");
    let options = RenderOptions {
        webp_method: 0,
        animation: Animation::Keep,
        ..RenderOptions::new(vec![
            variant(Fit::Inside { longest_side: 40 }, OutputFormat::WebP),
            variant(Fit::Cover { width: 16, height: 9 }, OutputFormat::Jpeg),
            variant(Fit::Contain { width: 9, height: 16 }, OutputFormat::WebP),
        ])
    };
    let memory = photo.render_bytes(&options) + BESIDE;
    let Ok(rendered) = within(memory, || photo.render(&options)) else { return };
    assert_eq!((rendered.original.width, rendered.original.height), (width, height));
    assert_eq!(rendered.variants.len(), 3);
    for variant in &rendered.variants {
        assert!(!variant.bytes.is_empty());
        assert!(variant.width <= 40 && variant.height <= 40);
    }
});
