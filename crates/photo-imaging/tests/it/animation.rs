//! Animations that are kept: frames, times, repetitions, what each frame leaves behind, and what they may cost.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::metadata::LoopCount;
use image::{AnimationDecoder, RgbaImage};
use photo_imaging::{Animation, Fit, Limits, OutputFormat, RenderOptions, Variant, VariantSpec, probe};

use crate::support::{inside, open, read};

fn keeping(variants: Vec<VariantSpec>) -> RenderOptions {
    RenderOptions { animation: Animation::Keep, ..RenderOptions::new(variants) }
}

fn render(name: &str, options: &RenderOptions) -> Vec<Variant> {
    let bytes = read(name);
    probe(&bytes, &Limits::default())
        .unwrap()
        .render(options)
        .unwrap_or_else(|e| panic!("{name}: {e}"))
        .variants
}

/// Frames with their times in ms, and how often they are shown (0 is for ever), by another decoder's canvas: ours needs
/// neither blending nor disposal.
fn play(variant: &Variant) -> (Vec<(u32, RgbaImage)>, u32) {
    let decoder = WebPDecoder::new(Cursor::new(&variant.bytes)).unwrap();
    assert!(decoder.has_animation());
    let loops = match decoder.loop_count() {
        LoopCount::Infinite => 0,
        LoopCount::Finite(n) => n.get(),
    };
    let frames = decoder.into_frames().map(|frame| {
        let frame = frame.unwrap();
        let (ms, per) = frame.delay().numer_denom_ms();
        (ms / per, frame.into_buffer())
    });
    (frames.collect(), loops)
}

fn near(pixel: [u8; 4], expected: [u8; 4]) -> bool {
    if expected[3] == 0 { pixel[3] == 0 } else { pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 14) }
}

#[test]
fn frames_times_and_repetitions_are_kept() {
    let table = [
        ("animated.gif", 3, vec![100; 3], 1),
        ("animated.webp", 3, vec![100; 3], 0),
        ("disposal.gif", 4, vec![50, 120, 200, 70], 3),
        ("disposal.webp", 4, vec![50, 120, 200, 70], 3),
    ];
    for (name, count, times, loops) in table {
        let variants = render(name, &keeping(vec![inside(100, OutputFormat::WebP)]));
        let (frames, repeated) = play(&variants[0]);
        assert_eq!(frames.len(), count, "{name}");
        assert_eq!(frames.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), times, "{name}");
        assert_eq!(repeated, loops, "{name}");
        for (_, frame) in &frames {
            assert_eq!(frame.dimensions(), (variants[0].width, variants[0].height), "{name}");
        }
    }
}

#[test]
fn what_a_frame_leaves_behind_is_what_browsers_show() {
    const BLUE: [u8; 4] = [0, 0, 255, 255];
    const RED: [u8; 4] = [255, 0, 0, 255];
    const GREEN: [u8; 4] = [0, 255, 0, 255];
    const NONE: [u8; 4] = [0; 4];
    // In the middle of the red, the green and the white.
    let table = [
        (
            "disposal.gif",
            [[BLUE, BLUE, BLUE], [RED, BLUE, BLUE], [NONE, GREEN, BLUE], [NONE, BLUE, [255; 4]]],
        ),
        (
            "disposal.webp",
            [[BLUE, BLUE, BLUE], [RED, BLUE, BLUE], [NONE, GREEN, BLUE], [NONE, GREEN, [128, 128, 255, 255]]],
        ),
    ];
    for (name, expected) in table {
        // As it is, so that nothing is resized.
        let variants = render(name, &keeping(vec![inside(40, OutputFormat::WebP)]));
        for (number, ((_, frame), expected)) in play(&variants[0]).0.iter().zip(expected).enumerate() {
            for ((x, y), expected) in [(9, 9), (25, 15), (31, 21)].into_iter().zip(expected) {
                let pixel = frame.get_pixel(x, y).0;
                assert!(
                    near(pixel, expected),
                    "{name}, frame {number} at {x}, {y}: {pixel:?}, not {expected:?}"
                );
            }
        }
    }
}

#[test]
fn only_webp_moves_and_by_default_nothing_does() {
    let specs = || {
        vec![
            inside(100, OutputFormat::Jpeg),
            inside(50, OutputFormat::WebP),
            VariantSpec::new("c", Fit::Contain { width: 60, height: 60 }, OutputFormat::WebP, 80).unwrap(),
            VariantSpec::new("s", Fit::Cover { width: 32, height: 32 }, OutputFormat::WebP, 80).unwrap(),
        ]
    };
    let kept = render("animated.gif", &keeping(specs()));
    let still = render("animated.gif", &RenderOptions::new(specs()));
    let sizes = |variants: &[Variant]| variants.iter().map(|v| (v.width, v.height)).collect::<Vec<_>>();
    assert_eq!(sizes(&kept), sizes(&still));
    assert_eq!(kept[0], still[0], "JPEG has its first frame");
    for (moving, still) in kept.iter().zip(&still).skip(1) {
        let frames = play(moving).0;
        assert_eq!(frames.len(), 3, "{}", moving.name);
        let first = image::DynamicImage::ImageRgba8(frames[0].1.clone());
        assert!(crate::support::distance(&first, &open(still)) < 2.0, "{}", moving.name);
        assert_ne!(frames[0].1, frames[2].1, "{}", moving.name);
    }
}

#[test]
fn an_animation_on_its_side_stands_upright_in_every_frame() {
    let variants = render("metadata.webp", &keeping(vec![inside(48, OutputFormat::WebP)]));
    let (frames, _) = play(&variants[0]);
    assert_eq!((frames.len(), frames[1].1.dimensions()), (2, (32, 48)));
    for word in [b"SECRET".as_slice(), b"EXIF", b"XMP "] {
        assert!(!variants[0].bytes.windows(word.len()).any(|w| w == word));
    }
}

#[test]
fn output_of_an_animation_is_deterministic_on_any_number_of_threads() {
    let options = keeping(vec![inside(100, OutputFormat::WebP), inside(60, OutputFormat::WebP)]);
    let first = render("animated.gif", &options);
    assert_eq!(first, render("animated.gif", &RenderOptions { threads: 3, ..options }));
}

#[test]
fn an_animation_beyond_its_limits_becomes_its_first_frame() {
    let options = keeping(vec![inside(40, OutputFormat::WebP)]);
    let is_still = |name: &str, limits: Limits| {
        let bytes = read(name);
        let rendered = probe(&bytes, &limits).unwrap().render(&options).unwrap();
        !WebPDecoder::new(Cursor::new(&rendered.variants[0].bytes)).unwrap().has_animation()
    };
    let fits = Limits::default();
    // Four frames of 40 x 30 px.
    assert!(!is_still("disposal.gif", Limits { max_animation_pixels: 4800, ..fits }));
    assert!(is_still("disposal.gif", Limits { max_animation_pixels: 4799, ..fits }));
    // Enough to decode the first frame of them.
    assert!(is_still("disposal.gif", Limits { max_decoder_bytes: 12_000, ..fits }));
    // A later frame that lies beyond the canvas, or would take 17 GB.
    for name in ["frame-outside.webp", "huge-frame.gif"] {
        assert!(is_still(name, fits), "{name}");
    }
    // One that lies about its size has that of its bitstream, as in browsers.
    assert!(!is_still("lying-frame.webp", fits));
}
