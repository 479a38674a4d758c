//! Animated PNGs: which picture is shown.

use image::Rgba;
use photo_imaging::{Limits, OutputFormat, RenderOptions, probe};

use super::{SIZE, be32, chunk, damaged, data, deflated, end, file, header, pixels, rows, sanitized, shown};
use crate::support::{inside, open, render_bytes};

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

fn flat(size: (u32, u32), colour: [u8; 3]) -> Vec<u8> {
    deflated(&rows(size, 0, |_, _| colour))
}

fn animation(frames: u32) -> Vec<u8> {
    chunk(*b"acTL", &be32(&[frames, 0]))
}

fn control(number: u32, size: (u32, u32), place: (u32, u32), modes: [u8; 2]) -> Vec<u8> {
    let numbers = be32(&[number, size.0, size.1, place.0, place.1]);
    [&numbers[..], &[0, 10, 0, 100], &modes].concat()
}

fn frame(number: u32) -> Vec<u8> {
    chunk(*b"fcTL", &control(number, SIZE, (0, 0), [0, 0]))
}

fn frame_data(number: u32, stream: &[u8]) -> Vec<u8> {
    chunk(*b"fdAT", &[&number.to_be_bytes(), stream].concat())
}

fn of(chunks: &[Vec<u8>]) -> Vec<u8> {
    file(&[vec![header(SIZE, 8, 2, false)], chunks.to_vec(), vec![end()]].concat())
}

fn red() -> Vec<u8> {
    data(&flat(SIZE, RED))
}

fn blue(number: u32) -> Vec<u8> {
    frame_data(number, &flat(SIZE, BLUE))
}

#[track_caller]
fn assert_shows(name: &str, bytes: &[u8], colour: [u8; 3]) {
    let rendered = shown(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(rendered.damage, None, "{name}");
    for variant in &rendered.variants {
        let picture = open(variant).to_rgb8();
        let [r, g, b] = picture.get_pixel(picture.width() / 2, picture.height() / 2).0;
        let is_near = [r, g, b].iter().zip(colour).all(|(a, e)| a.abs_diff(e) < 8);
        assert!(is_near, "{name}: {:?}", [r, g, b]);
    }
}

#[test]
fn the_first_frame_of_an_animation_is_shown() {
    let outside = [animation(1), red(), frame(0), blue(1)];
    assert_shows("default picture outside", &of(&outside), BLUE);
    let inside = [animation(2), frame(0), red(), frame(1), blue(2)];
    assert_shows("default picture inside", &of(&inside), RED);
    let stream = flat(SIZE, BLUE);
    let (half, rest) = stream.split_at(20);
    let parts = [frame_data(1, half), frame_data(2, rest)].concat();
    assert_shows("frame in parts", &of(&[animation(1), red(), frame(0), parts]), BLUE);
    let text = chunk(*b"tEXt", b"a\0b");
    assert_shows("text", &of(&[animation(1), red(), text.clone(), frame(0), text, blue(1)]), BLUE);
    assert_shows("broken default", &of(&[animation(1), data(b"junk"), frame(0), blue(1)]), BLUE);
    for modes in [[0, 1], [1, 0], [2, 1]] {
        let control = chunk(*b"fcTL", &control(0, SIZE, (0, 0), modes));
        assert_shows("modes", &of(&[animation(1), red(), control, blue(1)]), BLUE);
    }
    let content = [&1_u32.to_be_bytes(), &flat(SIZE, BLUE)[..]].concat();
    assert_shows(
        "checksum of data",
        &of(&[animation(1), red(), frame(0), damaged(*b"fdAT", &content)]),
        BLUE,
    );
}

#[test]
fn the_default_picture_is_shown_where_no_frame_is_right() {
    let control = |size, place, modes| chunk(*b"fcTL", &control(0, size, place, modes));
    let table: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("no animation", vec![red(), frame(0), blue(1)]),
        ("an animation behind the picture", vec![red(), animation(1), frame(0), blue(1)]),
        (
            "an animation with a wrong checksum",
            vec![damaged(*b"acTL", &be32(&[1, 0])), red(), frame(0), blue(1)],
        ),
        ("no frames", vec![animation(0), red(), frame(0), blue(1)]),
        ("too many frames for the format", vec![animation(1 << 31), red(), frame(0), blue(1)]),
        ("1,001 frames that are not there", vec![animation(1001), red()]),
        ("a control of 25 bytes", vec![animation(1), red(), chunk(*b"fcTL", &[0; 25]), blue(1)]),
        (
            "a control with a wrong checksum",
            vec![animation(1), red(), damaged(*b"fcTL", &frame(0)[8..34]), blue(1)],
        ),
        ("a frame beyond the canvas", vec![animation(1), red(), control(SIZE, (1, 0), [0, 0]), blue(1)]),
        ("a frame without a side", vec![animation(1), red(), control((0, 9), (0, 0), [0, 0]), blue(1)]),
        ("an unknown way to dispose", vec![animation(1), red(), control(SIZE, (0, 0), [3, 0]), blue(1)]),
        ("an unknown way to blend", vec![animation(1), red(), control(SIZE, (0, 0), [0, 2]), blue(1)]),
        ("another number of data", vec![animation(1), red(), frame(0), blue(5)]),
        ("another number of the control", vec![animation(1), red(), frame(1), blue(2)]),
        ("no data", vec![animation(1), red(), frame(0)]),
        ("data without bytes", vec![animation(1), red(), frame(0), frame_data(1, b"")]),
        ("data of three bytes", vec![animation(1), red(), frame(0), chunk(*b"fdAT", &[0; 3])]),
        ("broken data", vec![animation(1), red(), frame(0), frame_data(1, b"junk")]),
        (
            "a control in front with a wrong checksum",
            vec![animation(2), damaged(*b"fcTL", &frame(0)[8..34]), red(), frame(1), blue(2)],
        ),
        ("a control in front of another size", vec![animation(1), control((9, 9), (0, 0), [0, 0]), red()]),
        ("an unknown critical chunk", vec![animation(1), red(), chunk(*b"TEST", b""), frame(0), blue(1)]),
    ];
    for (name, chunks) in table {
        assert_shows(name, &of(&chunks), RED);
    }
}

#[test]
fn frames_that_are_never_decoded_are_not_counted() {
    let limits = Limits { max_frames: 1, ..Limits::default() };
    for frames in [1000, 1001, u32::MAX >> 1] {
        let file = of(&[animation(frames), frame(0), red()]);
        assert_eq!(probe(&file, &limits).unwrap().frames(), 1);
    }
}

#[test]
fn a_frame_smaller_than_the_canvas_is_transparent_around() {
    let small = (40, 30);
    let control = chunk(*b"fcTL", &control(0, small, (8, 16), [0, 1]));
    let bytes = of(&[animation(1), red(), control, frame_data(1, &flat(small, BLUE))]);
    let picture = pixels(&bytes);
    assert_eq!(picture.dimensions(), SIZE);
    for (place, alpha) in
        [((4, 4), 0), ((28, 31), 255), ((28, 60), 0), ((60, 31), 0), ((12, 20), 255), ((44, 42), 255)]
    {
        let Rgba([_, _, b, a]) = *picture.get_pixel(place.0, place.1);
        assert_eq!(a, alpha, "{place:?}");
        assert!(alpha == 0 || b > 245, "{place:?}");
    }
    // A reduced one as well.
    let options = RenderOptions::new(vec![inside(48, OutputFormat::WebP)]);
    let reduced = open(&render_bytes(&bytes, &options).unwrap().variants[0]).to_rgba8();
    assert_eq!((reduced.get_pixel(2, 2).0[3], reduced.get_pixel(14, 15).0[3]), (0, 255));
    // Its original is another file, which the caller encodes from the picture.
    assert_eq!(sanitized(&bytes), Err("CORRUPT_IMAGE"));
}

#[test]
fn the_sanitised_original_is_the_frame_that_is_shown() {
    let bytes = of(&[animation(1), red(), frame(0), blue(1)]);
    let clean = sanitized(&bytes).unwrap();
    assert!(clean == sanitized(&of(&[data(&flat(SIZE, BLUE))])).unwrap());
    assert_shows("sanitised", &clean, BLUE);
}

#[test]
fn a_frame_that_is_half_there_is_shown_and_less_is_not() {
    let part = |rows_there: usize| {
        let rows = rows(SIZE, 0, |_, _| BLUE);
        let stream = deflated(&rows[..rows_there * (1 + 3 * 96)]);
        of(&[animation(1), red(), frame(0), frame_data(1, &stream)])
    };
    let rendered = shown(&part(48)).unwrap();
    assert_eq!(rendered.damage.unwrap().received_percent, 75);
    // The default picture is whole.
    assert_shows("a third of a frame", &part(21), RED);
}
