//! Every kind of right picture.

use image::GenericImageView;
use photo_imaging::{Fit, Format, Limits, OutputFormat, RenderOptions, VariantSpec, probe};

use crate::support::{distance, inside, one_webp, open, read, render, render_bytes};

#[test]
fn every_right_picture_renders_with_its_type_and_size() {
    use Format::{Gif, Jpeg, Png, WebP};
    let table = [
        ("photo-6mp.jpg", Jpeg, 3000, 2000, 1),
        ("metadata.jpg", Jpeg, 320, 213, 1),
        ("progressive.jpg", Jpeg, 320, 213, 1),
        ("subsampling-422.jpg", Jpeg, 320, 213, 1),
        ("subsampling-444.jpg", Jpeg, 320, 213, 1),
        ("restart-markers.jpg", Jpeg, 320, 213, 1),
        ("grayscale.jpg", Jpeg, 320, 213, 1),
        ("cmyk.jpg", Jpeg, 256, 64, 1),
        ("trailing-garbage.jpg", Jpeg, 320, 213, 1),
        ("polyglot-zip.jpg", Jpeg, 320, 213, 1),
        ("orientation-bad.jpg", Jpeg, 120, 80, 1),
        ("rgb.png", Png, 160, 160, 1),
        ("alpha.png", Png, 160, 160, 1),
        ("interlaced.png", Png, 160, 160, 1),
        ("rgb-16bit.png", Png, 96, 96, 1),
        ("gray-16bit.png", Png, 96, 96, 1),
        ("alpha-16bit-interlaced.png", Png, 96, 96, 1),
        ("gray-1bit.png", Png, 160, 160, 1),
        ("gray-alpha.png", Png, 160, 160, 1),
        ("palette-4bit.png", Png, 160, 160, 1),
        ("palette-alpha.png", Png, 160, 160, 1),
        ("one-pixel.png", Png, 1, 1, 1),
        ("wide.png", Png, 4000, 1, 1),
        ("still.gif", Gif, 200, 133, 1),
        ("animated.gif", Gif, 200, 133, 3),
        ("offset-frame.gif", Gif, 8, 6, 1),
        ("polyglot-html.gif", Gif, 8, 6, 1),
        ("lossy.webp", WebP, 320, 213, 1),
        ("lossy-alpha.webp", WebP, 320, 213, 1),
        ("lossless-alpha.webp", WebP, 100, 67, 1),
        ("animated.webp", WebP, 200, 133, 3),
        ("orientation-6.webp", WebP, 320, 213, 1),
        ("orientation-6.png", Png, 160, 160, 1),
        ("metadata.png", Png, 32, 48, 1),
        ("metadata.webp", WebP, 32, 48, 2),
        ("metadata.gif", Gif, 8, 6, 1),
        ("linear-16bit.png", Png, 512, 8, 1),
        ("chunks-cicp.png", Png, 40, 40, 1),
        ("disposal.gif", Gif, 40, 30, 4),
        ("disposal.webp", WebP, 40, 30, 4),
        ("alpha-flag.webp", WebP, 320, 213, 1),
    ];
    for (name, format, width, height, frames) in table {
        let bytes = read(name);
        let probed = probe(&bytes, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            (probed.format(), probed.width(), probed.height(), probed.frames()),
            (format, width, height, frames),
            "{name}"
        );
        let rendered = render(name, &one_webp());
        let original = rendered.original;
        assert_eq!((original.format, original.width, original.height), (format, width, height), "{name}");
        assert!((5..=25).contains(&rendered.thumbhash.len()), "{name}");
    }
}

#[test]
fn all_eight_orientations_render_to_the_same_picture() {
    let spec = |side, format| VariantSpec::new("v", Fit::Inside { longest_side: side }, format, 100).unwrap();
    let options = RenderOptions::new(vec![spec(150, OutputFormat::WebP), spec(301, OutputFormat::Jpeg)]);
    let upright = render("orientation-1.jpg", &options);
    assert_eq!((upright.original.width, upright.original.height), (301, 203));
    for number in 2..=8 {
        let name = format!("orientation-{number}.jpg");
        let bytes = read(&name);
        assert_eq!(probe(&bytes, &Limits::default()).unwrap().orientation(), number);
        let turned = render(&name, &options);
        assert_eq!((turned.original.width, turned.original.height), (301, 203), "{name}");
        for (expected, actual) in upright.variants.iter().zip(&turned.variants) {
            // The files themselves are up to 1.8 levels apart: JPEG blocks fell elsewhere. A wrong turn is 40 off.
            let distance = distance(&open(expected), &open(actual));
            assert!(distance < 2.5, "{name} {} is {distance} levels off", actual.name);
        }
        assert!(
            upright.dominant_color.iter().zip(turned.dominant_color).all(|(a, b)| a.abs_diff(b) < 8),
            "{name}"
        );
    }
}

#[test]
fn orientation_is_read_from_png_and_webp_too() {
    let png = open(&render("orientation-6.png", &one_webp()).variants[0]);
    assert!(distance(&png, &open(&render("rgb.png", &one_webp()).variants[0])) < 1.5);
    let webp = open(&render("orientation-6.webp", &one_webp()).variants[0]);
    let upright = open(&render("lossy.webp", &one_webp()).variants[0]);
    assert!(distance(&webp, &upright) < 4.0, "both went through a lossy encoder, one of them turned");
}

#[test]
fn the_same_photo_looks_the_same_in_every_jpeg_and_png_kind() {
    let jpeg = open(&render("subsampling-444.jpg", &one_webp()).variants[0]);
    for name in ["progressive.jpg", "subsampling-422.jpg", "restart-markers.jpg", "metadata.jpg"] {
        let distance = distance(&jpeg, &open(&render(name, &one_webp()).variants[0]));
        assert!(distance < 3.0, "{name} is {distance} levels off");
    }
    let options = RenderOptions::new(vec![inside(96, OutputFormat::WebP)]);
    let corner = |name| open(&render(name, &one_webp()).variants[0]).crop_imm(0, 0, 96, 96);
    assert!(distance(&corner("rgb.png"), &corner("interlaced.png")) < 0.01);
    assert!(distance(&corner("rgb.png"), &open(&render("rgb-16bit.png", &options).variants[0])) < 2.0);
}

#[test]
fn sixteen_bits_with_alpha_and_interlace_are_the_picture_in_eight() {
    let webp = |name| open(&render(name, &one_webp()).variants[0]).crop_imm(0, 0, 96, 96);
    let (deep, plain) = (webp("alpha-16bit-interlaced.png"), webp("alpha.png"));
    assert!(deep.color().has_alpha());
    assert!(distance(&deep, &plain) < 2.0, "{}", distance(&deep, &plain));
}

#[test]
fn variants_have_exact_sizes_and_are_never_enlarged() {
    let sides = [160, 480, 1280, 5000];
    let formats = [OutputFormat::WebP, OutputFormat::Jpeg];
    let specs = sides.iter().flat_map(|&side| formats.map(|format| inside(side, format))).collect();
    let rendered = render("photo-6mp.jpg", &RenderOptions::new(specs));
    let expected = [(160, 107), (480, 320), (1280, 853), (3000, 2000)];
    assert_eq!(rendered.variants.len(), 8);
    for (index, variant) in rendered.variants.iter().enumerate() {
        let picture = open(variant);
        assert_eq!((variant.width, variant.height), expected[index / 2]);
        assert_eq!(picture.dimensions(), expected[index / 2], "{} {}", variant.name, variant.format);
        assert_eq!(variant.format, formats[index % 2]);
    }
    let tiny = render("one-pixel.png", &RenderOptions::new(vec![inside(160, OutputFormat::Jpeg)]));
    assert_eq!(open(&tiny.variants[0]).dimensions(), (1, 1));
    let wide = render("wide.png", &RenderOptions::new(vec![inside(160, OutputFormat::WebP)]));
    assert_eq!(open(&wide.variants[0]).dimensions(), (160, 1));
}

#[test]
fn a_reduced_photo_is_the_photo() {
    // Against the decoder's own pixels, averaged in blocks: nothing of our resizing in it.
    let rendered = render("photo-6mp.jpg", &RenderOptions::new(vec![inside(300, OutputFormat::WebP)]));
    let small = open(&rendered.variants[0]);
    let full = open(
        &render("photo-6mp.jpg", &RenderOptions::new(vec![inside(3000, OutputFormat::Jpeg)])).variants[0],
    );
    let averaged = full.thumbnail_exact(300, 200);
    let distance = distance(&small, &averaged);
    assert!(distance < 3.0, "{distance} levels off");
}

#[test]
fn animations_give_their_first_frame() {
    let still = open(&render("still.gif", &one_webp()).variants[0]);
    assert!(distance(&still, &open(&render("animated.gif", &one_webp()).variants[0])) < 0.01);
    let webp = open(&render("animated.webp", &one_webp()).variants[0]);
    assert!(distance(&still, &webp) < 12.0, "the GIF has 64 colours only");
}

#[test]
fn a_frame_smaller_than_its_canvas_stands_where_it_belongs() {
    let rendered = render("offset-frame.gif", &one_webp());
    let picture = open(&rendered.variants[0]).to_rgba8();
    assert_eq!(picture.dimensions(), (8, 6));
    for (x, y, pixel) in picture.enumerate_pixels() {
        let inside = (3..5).contains(&x) && (1..3).contains(&y);
        assert_eq!(pixel[3], if inside { 255 } else { 0 }, "({x}, {y})");
    }
}

#[test]
fn alpha_is_kept_in_webp_and_flattened_in_jpeg() {
    let mut options =
        RenderOptions::new(vec![inside(160, OutputFormat::WebP), inside(160, OutputFormat::Jpeg)]);
    options.background = [0, 128, 255];
    for name in ["alpha.png", "gray-alpha.png", "lossy-alpha.webp", "lossless-alpha.webp"] {
        let rendered = render(name, &options);
        let webp = open(&rendered.variants[0]).to_rgba8();
        assert_eq!(webp.get_pixel(0, 0)[3], 0, "{name}");
        let (x, y) = (webp.width() / 2, webp.height() / 2);
        assert_eq!(webp.get_pixel(x, y)[3], 255, "{name}");
        let jpeg = open(&rendered.variants[1]).to_rgb8();
        let corner = jpeg.get_pixel(0, 0).0;
        assert!(corner.iter().zip([0, 128, 255]).all(|(a, b)| a.abs_diff(b) < 8), "{name}: {corner:?}");
        let middle = jpeg.get_pixel(x, y).0;
        let expected = webp.get_pixel(x, y).0;
        assert!(
            middle.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 40),
            "{name}: {middle:?} {expected:?}"
        );
    }
}

#[test]
fn hidden_colour_does_not_bleed_into_edges() {
    let rendered = render("hidden-colour.png", &RenderOptions::new(vec![inside(37, OutputFormat::Jpeg)]));
    for pixel in open(&rendered.variants[0]).to_rgb8().pixels() {
        let [r, g, b] = pixel.0;
        // On white, red fades to white: green and blue go together.
        assert!(r > 230 && g.abs_diff(b) < 30, "{pixel:?}");
    }
}

#[test]
fn cover_and_contain_give_the_shape_asked_for() {
    let cover =
        |w, h, format| VariantSpec::new("cover", Fit::Cover { width: w, height: h }, format, 90).unwrap();
    let contain =
        |w, h, format| VariantSpec::new("contain", Fit::Contain { width: w, height: h }, format, 90).unwrap();
    let mut options = RenderOptions::new(vec![
        cover(100, 100, OutputFormat::Jpeg),
        cover(300, 50, OutputFormat::WebP),
        contain(200, 200, OutputFormat::Jpeg),
        contain(400, 100, OutputFormat::WebP),
        cover(4000, 4000, OutputFormat::Jpeg),
        inside(150, OutputFormat::WebP),
    ]);
    options.background = [0, 0, 255];
    // Stored on its side: the shape asked for is that of the upright photo.
    let rendered = render("orientation-6.jpg", &options);
    let pictures: Vec<_> = rendered.variants.iter().map(open).collect();
    let sizes: Vec<_> = pictures.iter().map(GenericImageView::dimensions).collect();
    assert_eq!(sizes, [(100, 100), (300, 50), (200, 200), (400, 100), (203, 203), (150, 101)]);

    let whole = open(
        &render("orientation-1.jpg", &RenderOptions::new(vec![inside(301, OutputFormat::WebP)])).variants[0],
    );
    let middle = whole.crop_imm(49, 0, 203, 203).thumbnail_exact(100, 100);
    assert!(distance(&pictures[0], &middle) < 6.0, "the middle of the photo");
    let bars = pictures[2].to_rgb8();
    let bar = bars.get_pixel(100, 3).0;
    assert!(bar[0] < 20 && bar[1] < 20 && bar[2] > 235, "background above: {bar:?}");
    let photo = pictures[2].crop_imm(0, 33, 200, 135);
    assert!(distance(&photo, &whole.thumbnail_exact(200, 135)) < 6.0, "the photo between the bars");
}

#[test]
fn output_is_deterministic_on_any_number_of_threads() {
    let specs =
        [100, 480, 1280].iter().flat_map(|&s| [inside(s, OutputFormat::WebP), inside(s, OutputFormat::Jpeg)]);
    let options = RenderOptions::new(specs.collect());
    let first = render("photo-6mp.jpg", &options);
    assert_eq!(first, render("photo-6mp.jpg", &options));
    assert_eq!(first, render("photo-6mp.jpg", &RenderOptions { threads: 3, ..options }));
}

#[test]
fn a_photo_without_variants_still_has_a_placeholder() {
    let rendered = render("photo-6mp.jpg", &RenderOptions::new(Vec::new()));
    assert_eq!(rendered.variants, []);
    let (r, g, b, a) = thumbhash::thumb_hash_to_average_rgba(&rendered.thumbhash).unwrap();
    assert!(r > g && g > b && a > 0.99, "a brown table with a cup: {r} {g} {b} {a}");
}

#[test]
fn a_baseline_jpeg_with_a_scan_for_each_component_keeps_its_colours() {
    let photo = open(&render("metadata.jpg", &one_webp()).variants[0]).to_rgb8();
    let (width, height) = (u16::try_from(photo.width()).unwrap(), u16::try_from(photo.height()).unwrap());
    let encode = |optimized, factor| {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
        encoder.set_optimized_huffman_tables(optimized);
        encoder.set_sampling_factor(factor);
        encoder.encode(photo.as_raw(), width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        render_bytes(&bytes, &one_webp()).unwrap()
    };
    for factor in [jpeg_encoder::SamplingFactor::F_1_1, jpeg_encoder::SamplingFactor::F_2_2] {
        let (together, apart) = (encode(false, factor), encode(true, factor));
        let distance = distance(&open(&together.variants[0]), &open(&apart.variants[0]));
        assert!(distance < 1.5, "{factor:?}: {distance} levels off");
    }
}

#[test]
fn a_webp_that_says_alpha_and_has_none_is_opaque() {
    let flagged = open(&render("alpha-flag.webp", &one_webp()).variants[0]);
    assert!(!flagged.color().has_alpha());
    assert!(distance(&flagged, &open(&render("lossy.webp", &one_webp()).variants[0])) < 0.01);
}

#[test]
fn a_box_bounds_both_sides() {
    let within =
        |w, h| VariantSpec::new("w", Fit::Within { width: w, height: h }, OutputFormat::WebP, 80).unwrap();
    let options = RenderOptions::new(vec![within(200, 50), within(100, 400), within(1000, 1000)]);
    let sizes: Vec<_> =
        render("orientation-6.jpg", &options).variants.iter().map(|v| open(v).dimensions()).collect();
    assert_eq!(sizes, [(74, 50), (100, 67), (301, 203)]);
}

#[test]
fn the_placeholder_is_that_of_the_upright_photo_and_of_the_first_frame() {
    let of = |name: &str| render(name, &RenderOptions::new(Vec::new()));
    let shape = |hash: &[u8]| thumbhash::thumb_hash_to_approximate_aspect_ratio(hash).unwrap();
    let upright = of("orientation-1.jpg");
    for number in 2..=8 {
        let name = format!("orientation-{number}.jpg");
        let turned = of(&name);
        assert!((shape(&turned.thumbhash) - shape(&upright.thumbhash)).abs() < 0.01, "{number}");
        let (_, _, a) = thumbhash::thumb_hash_to_rgba(&upright.thumbhash).unwrap();
        let (_, _, b) = thumbhash::thumb_hash_to_rgba(&turned.thumbhash).unwrap();
        let off: u64 = a.iter().zip(&b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(off < 4 * a.len() as u64, "{number}: {off} levels in {} samples", a.len());
    }
    assert_eq!(of("animated.gif").thumbhash, of("still.gif").thumbhash);
    assert_eq!(of("animated.gif").dominant_color, of("still.gif").dominant_color);
    // The corners of this one are clear, and so are those of its placeholder.
    let clear = of("alpha.png");
    let (width, _, pixels) = thumbhash::thumb_hash_to_rgba(&clear.thumbhash).unwrap();
    assert!(pixels[3] < 64 && pixels[(width * (width / 2) + width / 2) * 4 + 3] > 192);
}
