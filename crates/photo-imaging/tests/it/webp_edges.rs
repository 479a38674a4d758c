//! Colours under wholly transparent pixels, which no variant shows.

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use photo_imaging::{OutputFormat, RenderOptions, VariantSpec};

use crate::support::{inside, open, render_bytes};

/// A disc of this colour, which varies a little so that no palette has it, on hidden pixels of another.
fn disc(side: u32, seen: [u8; 3], hidden: [u8; 3]) -> Vec<[u8; 4]> {
    let middle = side.cast_signed() / 2;
    let pixel = |i: u32| {
        let (x, y) = ((i % side).cast_signed(), (i / side).cast_signed());
        let is_seen = (x - middle).pow(2) + (y - middle).pow(2) < (middle - 5).pow(2);
        let vary = |level: u8, by: i32| level.saturating_sub(u8::try_from(by % 29).unwrap());
        let [red, green, blue] =
            if is_seen { [vary(seen[0], x), vary(seen[1], y), vary(seen[2], x + y)] } else { hidden };
        [red, green, blue, if is_seen { 255 } else { 0 }]
    };
    (0..side * side).map(pixel).collect()
}

/// The largest error of a channel of a seen pixel in a variant of the same size, and the file's length.
fn worst(side: u32, pixels: &[[u8; 4]], method: u8) -> (u8, usize) {
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(pixels.as_flattened(), side, side, image::ExtendedColorType::Rgba8)
        .unwrap();
    let options =
        RenderOptions { webp_method: method, ..RenderOptions::new(vec![inside(side, OutputFormat::WebP)]) };
    let variant = render_bytes(&png, &options).unwrap().variants.remove(0);
    let found = open(&variant).to_rgba8();
    let pairs = found.as_raw().as_chunks::<4>().0.iter().zip(pixels);
    let mut worst = 0;
    for (found, pixel) in pairs {
        assert_eq!(found[3], pixel[3]);
        let errors = found.iter().zip(pixel).take(3).map(|(a, b)| a.abs_diff(*b));
        worst = worst.max(if pixel[3] == 255 { errors.max().unwrap_or(0) } else { 0 });
    }
    (worst, variant.bytes.len())
}

#[test]
fn hidden_colours_do_not_bleed_into_seen_ones() {
    let [red, green, blue, white, black] = [[255, 30, 30], [0, 255, 0], [30, 30, 255], [255; 3], [0; 3]];
    // By libwebp up to 160 px and at effort 4, otherwise by our own encoder.
    for (side, method) in [(100, 2), (160, 2), (161, 2), (300, 2), (300, 4)] {
        for (seen, hidden) in
            [(red, green), (red, white), (blue, red), (white, black), (white, red), (green, blue)]
        {
            let (alone, length) = worst(side, &disc(side, seen, seen), method);
            let (found, with_hidden) = worst(side, &disc(side, seen, hidden), method);
            let what = format!("{seen:?} over {hidden:?}, {side} px, effort {method}");
            println!("{what}: {found}, over the same colour {alone}; {with_hidden} bytes, {length}");
            // What loss there is comes from the seen colours themselves.
            assert!(found <= alone + 2, "{what}: {found}, over the same colour {alone}");
        }
    }
}

#[test]
fn a_cut_out_of_few_colours_is_exact() {
    let side = 200;
    let mut pixels = disc(side, [255, 0, 0], [0, 255, 0]);
    pixels.iter_mut().filter(|pixel| pixel[3] == 255).for_each(|pixel| *pixel = [255, 0, 0, 255]);
    assert_eq!(worst(side, &pixels, 2).0, 0);
}

#[test]
fn a_variant_without_alpha_shows_the_background_and_no_hidden_colour() {
    let side = 120;
    let pixels = disc(side, [255, 255, 255], [0, 0, 0]);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(pixels.as_flattened(), side, side, image::ExtendedColorType::Rgba8)
        .unwrap();
    let spec =
        VariantSpec::new("v", photo_imaging::Fit::Inside { longest_side: side }, OutputFormat::Jpeg, 95);
    let options = RenderOptions { background: [255; 3], ..RenderOptions::new(vec![spec.unwrap()]) };
    let variant = render_bytes(&png, &options).unwrap().variants.remove(0);
    assert!(open(&variant).to_rgb8().as_raw().iter().all(|&level| level > 190));
}
