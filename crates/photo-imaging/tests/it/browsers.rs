//! Odd files that browsers show: what comes out of them is what Chromium 156 draws on a canvas.

use photo_imaging::{Animation, OutputFormat, RenderOptions};

use crate::support::{inside, one_webp, open, read, render, render_bytes};

/// The colours of the patches, 64 px each.
fn patches(name: &str) -> Vec<[u8; 3]> {
    let options = RenderOptions::new(vec![inside(256, OutputFormat::Jpeg)]);
    let picture = open(&render(name, &options).variants[0]).to_rgb8();
    (0..4).map(|patch| picture.get_pixel(patch * 64 + 32, 8).0).collect()
}

#[test]
fn colours_are_those_of_a_browser() {
    let bt709_gray = [4, 54, 121, 189].map(|gray| [gray; 3]);
    let gamma22_gray = [7, 62, 129, 193].map(|gray| [gray; 3]);
    let plain = [[200, 30, 30], [30, 200, 31], [29, 30, 200], [251, 250, 10]];
    for (name, expected) in [
        ("odd-bt709.png", [[197, 18, 18], [18, 197, 18], [18, 18, 197], [250, 250, 1]]),
        ("odd-bt709-gray.png", bt709_gray),
        ("odd-gamma22.png", [[201, 24, 24], [24, 201, 24], [24, 24, 201], [250, 250, 3]]),
        ("odd-gamma22-gray.png", gamma22_gray),
        ("odd-prophoto.png", [[255, 0, 34], [0, 230, 0], [0, 38, 224], [255, 251, 0]]),
        ("odd-gray-in-colours.jpg", gamma22_gray),
        ("odd-gray-in-colours.png", gamma22_gray),
        ("odd-gray-in-colours-16bit.png", gamma22_gray),
        ("odd-cmyk-no-marker.jpg", [[255, 255, 255], [0, 255, 255], [255, 255, 0], [136, 180, 207]]),
        ("odd-jfif-adobe.jpg", plain),
    ] {
        let actual = patches(name);
        // JPEG at quality 90 moves a flat patch by up to 2 levels, and a profile's own rounding by one.
        let near =
            actual.as_flattened().iter().zip(expected.as_flattened()).all(|(a, e)| a.abs_diff(*e) <= 3);
        assert!(near, "{name}: {actual:?}, not {expected:?}");
    }
}

#[test]
fn gray_with_alpha_keeps_it_under_a_profile_for_colours() {
    let rendered = render("odd-gray-alpha-in-colours-16bit.png", &one_webp());
    let picture = open(&rendered.variants[0]).to_rgba8();
    for (patch, gray) in (0..4).zip([7_u8, 62, 129, 193]) {
        let [r, g, b, alpha] = picture.get_pixel(patch * 64 + 32, 8).0;
        assert_eq!(alpha, 128);
        assert!([r, g, b].iter().all(|level| level.abs_diff(gray) <= 4), "{patch}: {r} {g} {b}");
    }
}

#[test]
fn a_webp_has_the_alpha_that_is_in_its_bitstream() {
    for name in ["odd-lossless-alpha.webp", "odd-animated-alpha.webp"] {
        let still = open(&render(name, &one_webp()).variants[0]).to_rgba8();
        let alpha: Vec<u8> = (0..4).map(|patch| still.get_pixel(patch * 16 + 8, 8).0[3]).collect();
        assert_eq!(alpha, [0, 85, 170, 255], "{name}");
    }
}

#[test]
fn a_gif_is_as_large_as_its_first_frame_asks_for() {
    for (name, size, at_corner, first_corner) in [
        ("odd-large-frame.gif", (48, 32), [255, 0, 0, 255], 255),
        ("odd-frame-beside.gif", (48, 32), [255, 0, 0, 255], 0),
        ("odd-no-screen.gif", (48, 32), [255, 0, 0, 255], 0),
        ("odd-large-second-frame.gif", (16, 16), [255, 0, 0, 255], 255),
        ("odd-junk-at-the-end.gif", (16, 16), [255, 0, 0, 255], 255),
    ] {
        let rendered = render(name, &one_webp());
        assert_eq!((rendered.original.width, rendered.original.height), size, "{name}");
        let picture = open(&rendered.variants[0]).to_rgba8();
        let corner = picture.get_pixel(size.0 - 1, size.1 - 1).0;
        assert!(corner.iter().zip(at_corner).all(|(a, e)| a.abs_diff(e) <= 8), "{name}: {corner:?}");
        assert_eq!(picture.get_pixel(0, 0).0[3], first_corner, "{name}");
    }
}

#[test]
fn odd_animations_move() {
    let options = RenderOptions { animation: Animation::Keep, ..one_webp() };
    for (name, size) in [
        ("odd-large-frame.gif", (48, 32)),
        ("odd-large-second-frame.gif", (16, 16)),
        ("odd-junk-at-the-end.gif", (16, 16)),
    ] {
        let variant = &render(name, &options).variants[0];
        assert_eq!((variant.width, variant.height), size, "{name}");
        let frames = variant.bytes.windows(4).filter(|kind| kind == b"ANMF").count();
        assert_eq!(frames, 2, "{name}");
    }
}

#[test]
fn a_gif_that_would_be_too_large_for_its_format_is_damaged() {
    let mut bytes = read("odd-frame-beside.gif");
    let frame = bytes.windows(10).position(|block| block == b"\x2c\x18\0\x08\0\x18\0\x18\0\0").unwrap();
    bytes[frame + 1..frame + 3].copy_from_slice(&[0xff, 0xff]);
    let code = render_bytes(&bytes, &one_webp()).map_err(|error| error.code()).unwrap_err();
    assert!(["TOO_MANY_PIXELS", "CORRUPT_IMAGE"].contains(&code), "{code}");
}
