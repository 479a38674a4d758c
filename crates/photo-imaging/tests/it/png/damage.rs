//! Damage that costs pixels, and damage that costs none.

use photo_imaging::{DamagedPhotos, Limits, RenderOptions, Rendered, probe};
use proptest::prelude::*;

use super::{
    Chunks, SIGNATURE, SIZE, assert_same, chunk, damaged, data, deflated, end, file, gradient, header, of,
    options, pixels, rows, sanitized, shown, with,
};
use crate::support::{open, read, render_bytes};

fn plain() -> (Vec<u8>, Rendered) {
    let bytes = with(&[], &[]);
    let control = shown(&bytes).unwrap();
    assert_eq!(control.damage, None);
    (bytes, control)
}

fn stream() -> Vec<u8> {
    deflated(&gradient())
}

/// A chunk whose length says more than there is.
fn too_long(extra: u32) -> Vec<u8> {
    let mut chunk = data(&stream());
    let length = u32::from_be_bytes(*chunk.first_chunk().unwrap()).saturating_add(extra);
    chunk[..4].copy_from_slice(&length.to_be_bytes());
    chunk
}

#[test]
fn damage_that_costs_no_pixel_is_no_damage() {
    let (whole, control) = plain();
    let without_end = &whole[..whole.len() - 12];
    let head = header(SIZE, 8, 2, false);
    let stream = stream();
    let (half, rest) = stream.split_at(stream.len() / 2);
    let no_checksum = &stream[..stream.len() - 4];
    let more_rows = deflated(&[gradient(), vec![9; 9999]].concat());
    let of_data = |data: &[Vec<u8>]| of(data);
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("no IEND", without_end.to_vec()),
        ("half of IEND", whole[..whole.len() - 5].to_vec()),
        ("a wrong checksum of IEND", [without_end, &damaged(*b"IEND", &[])].concat()),
        ("an IEND with content", [without_end, &chunk(*b"IEND", b"more")].concat()),
        ("bytes behind IEND", [&whole[..], b"garbage", &[0; 99]].concat()),
        ("a PNG behind IEND", [&whole[..], &whole].concat()),
        ("zeros in place of IEND", [without_end, &[0; 999]].concat()),
        ("text in place of IEND", [without_end, &b"garbage ".repeat(9)].concat()),
        ("an end in the checksum of the data", without_end[..without_end.len() - 2].to_vec()),
        ("an end in the checksum of the stream", without_end[..without_end.len() - 6].to_vec()),
        ("an end in front of the checksum of the stream", without_end[..without_end.len() - 8].to_vec()),
        ("unknown chunks", with(&[chunk(*b"teST", b"1")], &[chunk(*b"teST", b"1")])),
        ("unknown chunks with wrong checksums", with(&[damaged(*b"teST", b"1")], &[damaged(*b"teST", b"1")])),
        ("chunks of odd names", with(&[chunk(*b"1\0\xff!", b"1"), chunk(*b"test", b"1")], &[])),
        ("a critical chunk behind the data", with(&[], &[chunk(*b"TEST", b"1")])),
        ("a second header behind the data", with(&[], &[header((9, 9), 8, 0, false)])),
        ("a palette behind the data", with(&[], &[chunk(*b"PLTE", &[1; 6])])),
        ("a wrong checksum of the data", of_data(&[damaged(*b"IDAT", &stream)])),
        ("wrong checksums of parts", of_data(&[damaged(*b"IDAT", half), damaged(*b"IDAT", rest)])),
        ("a wrong checksum of the stream", of_data(&[data(&[no_checksum, b"sums"].concat())])),
        ("no checksum of the stream", of_data(&[data(no_checksum)])),
        ("more rows", of_data(&[data(&more_rows)])),
        ("more rows and a wrong checksum", of_data(&[damaged(*b"IDAT", &more_rows)])),
        ("bytes behind the stream", of_data(&[data(&[&stream[..], &[7; 999]].concat())])),
        ("empty chunks", of_data(&[data(b""), data(half), data(b""), data(rest), data(b"")])),
        ("chunks of a byte", of_data(&stream.iter().map(|&byte| data(&[byte])).collect::<Vec<_>>())),
        ("a chunk that says to be longer", file(&[head.clone(), too_long(500), end()])),
        ("a chunk that says to be endless", file(&[head.clone(), too_long(u32::MAX), end()])),
        ("a small window", {
            let mut stream = stream.clone();
            stream[..2].copy_from_slice(&[0x08, 0x1d]);
            of_data(&[data(&stream)])
        }),
    ];
    let clean = sanitized(&whole).unwrap();
    for (name, bytes) in table {
        assert_same(name, &bytes, &control);
        if name != "a small window" {
            let found = sanitized(&bytes).unwrap_or_else(|code| panic!("{name}: {code}"));
            // A stream without its end gets another one.
            let has_other_end = ["an end in front", "more rows"].iter().any(|start| name.starts_with(start));
            assert!(found == clean || has_other_end, "{name}: sanitised otherwise");
            assert!(shown(&found).unwrap() == control, "{name}: sanitised looks otherwise");
        }
    }
}

#[test]
fn what_no_viewer_shows_is_corrupt() {
    let head = header(SIZE, 8, 2, false);
    let with_field = |field: usize, value: u8| {
        let mut fields = head[8..21].to_vec();
        fields[field] = value;
        file(&[chunk(*b"IHDR", &fields), data(&stream()), end()])
    };
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("a wrong checksum of the header", file(&[damaged(*b"IHDR", &head[8..21]), data(&stream()), end()])),
        (
            "a header of 14 bytes",
            file(&[chunk(*b"IHDR", &[&head[8..21], &[0]].concat()), data(&stream()), end()]),
        ),
        ("two headers", with(std::slice::from_ref(&head), &[])),
        (
            "a text in front of the header",
            file(&[chunk(*b"tEXt", b"a\0b"), head.clone(), data(&stream()), end()]),
        ),
        ("an unknown critical chunk", with(&[chunk(*b"TEST", b"1")], &[])),
        ("no data", file(&[head.clone(), end()])),
        ("empty data", file(&[head.clone(), data(b""), end()])),
        ("data that is no stream", of(&[data(b"garbage")])),
        ("a dictionary", of(&[data(&[b"\x78\xbb", &stream()[2..]].concat())])),
        ("an unknown compression", with_field(10, 1)),
        ("an unknown filter method", with_field(11, 1)),
        ("an unknown interlace method", with_field(12, 2)),
        ("a depth of 3", with_field(8, 3)),
        ("colour type 5", with_field(9, 5)),
        ("the signature alone", SIGNATURE.to_vec()),
        ("another chunk between the data", {
            let stream = stream();
            let (start, rest) = stream.split_at(stream.len() / 3);
            of(&[data(start), chunk(*b"tEXt", b"a\0b"), data(rest)])
        }),
    ];
    for (name, bytes) in table {
        assert_eq!(shown(&bytes).map(drop).map_err(|e| e.code()), Err("CORRUPT_IMAGE"), "{name}");
    }
}

/// The damage of a picture of which so many of 64 rows have arrived.
#[track_caller]
fn assert_arrived(name: &str, bytes: &[u8], arrived: u32) {
    let expected = u8::try_from(arrived * 100 / 64).unwrap();
    let rendered = shown(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let damage = rendered.damage.unwrap_or_else(|| panic!("{name}: no damage"));
    assert_eq!(damage.received_percent, expected, "{name}: {}", damage.reason);
    // As it is, and reduced as its rows come.
    let whole = pixels(&with(&[], &[]));
    for variant in &rendered.variants {
        let picture = open(variant).to_rgba8();
        let height = picture.height();
        let edge = arrived * height / 64;
        for (x, y, pixel) in picture.enumerate_pixels() {
            // The filter of reducing reaches some rows.
            if y + 4 < edge {
                assert_eq!(pixel.0[3], 255, "{name}: {x}, {y}");
                if height == whole.height() {
                    let expected = whole.get_pixel(x, y).0;
                    let is_near = pixel.0.iter().zip(expected).all(|(a, e)| a.abs_diff(e) < 30);
                    assert!(is_near, "{name}: {x}, {y}: {pixel:?}, not {expected:?}");
                }
            } else if y > edge + 4 {
                assert_eq!(pixel.0[3], 0, "{name}: {x}, {y}");
            }
        }
    }
    assert_eq!(sanitized(bytes), Err("CORRUPT_IMAGE"), "{name}");
    let strict = RenderOptions { damaged_photos: DamagedPhotos::Refuse, ..options() };
    assert_eq!(render_bytes(bytes, &strict).map(drop).map_err(|e| e.code()), Err("CORRUPT_IMAGE"), "{name}");
}

#[test]
fn rows_that_have_arrived_are_shown_and_the_rest_is_transparent() {
    let row = 1 + 3 * 96;
    let rows = gradient();
    let upto = |bytes: usize| deflated(&rows[..bytes]);
    assert_arrived("48 rows", &of(&[data(&upto(48 * row))]), 48);
    assert_arrived("48 rows and a half", &of(&[data(&upto(48 * row + row / 2))]), 48);
    assert_arrived("half of all rows", &of(&[data(&upto(32 * row))]), 32);
    let mut broken = rows.clone();
    broken[50 * row] = 5;
    assert_arrived("an unknown filter", &of(&[data(&deflated(&broken))]), 50);
    // Blocks that are not compressed show what is where.
    let stored = |rows: &[u8]| {
        let length = u16::try_from(rows.len()).unwrap();
        [b"\x78\x01\x00", &length.to_le_bytes()[..], &(!length).to_le_bytes(), rows].concat()
    };
    let cut = &stored(&rows)[..7 + 40 * row + 9];
    assert_arrived(
        "an end within a block",
        &file(&[header(SIZE, 8, 2, false), data(cut)])[..8 + 25 + 8 + cut.len()],
        40,
    );
    let broken_block = [&stored(&rows[..45 * row])[..], &[7; 99]].concat();
    assert_arrived("a block of an unknown kind", &of(&[data(&broken_block)]), 45);
    assert_arrived("the same in parts", &of(&broken_block.chunks(100).map(data).collect::<Vec<_>>()), 45);
    for (name, bytes) in [
        ("31 rows", of(&[data(&upto(31 * row + row / 2))])),
        ("an unknown filter in the first row", of(&[data(&deflated(&[&[9], &rows[1..]].concat()))])),
        ("a third of a file", with(&[], &[])[..400].to_vec()),
    ] {
        assert_eq!(shown(&bytes).map(drop).map_err(|e| e.code()), Err("CORRUPT_IMAGE"), "{name}");
    }
}

#[test]
fn wrong_bits_that_both_checksums_show_are_damage() {
    let rows = gradient();
    // Not compressed: any byte may be changed.
    let length = u16::try_from(rows.len()).unwrap();
    let block = [b"\x78\x01\x01", &length.to_le_bytes()[..], &(!length).to_le_bytes(), &rows].concat();
    let sum = &deflated(&rows)[deflated(&rows).len() - 4..];
    let mut stream = [&block[..], sum].concat();
    let whole = of(&[damaged(*b"IDAT", &stream)]);
    assert_eq!(shown(&whole).unwrap().damage, None);
    stream[7 + 60 * 289 + 5] ^= 0x40;
    // Its checksum is right for the wrong byte: the sender meant it.
    assert_eq!(shown(&of(&[data(&stream)])).unwrap().damage, None);
    let damage = shown(&of(&[damaged(*b"IDAT", &stream)])).unwrap().damage.unwrap();
    assert_eq!(damage.received_percent, 99);
}

/// Samples of the passes of an interlaced picture, with their filters.
fn passes() -> Vec<Vec<u8>> {
    const ADAM7: [[usize; 4]; 7] =
        [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
    let rows = gradient();
    let row = 1 + 3 * 96;
    ADAM7
        .iter()
        .map(|&[left, top, right, down]| {
            let pass = (top..64).step_by(down).map(|y| {
                let pixels = (left..96).step_by(right).flat_map(|x| &rows[y * row + 1 + 3 * x..][..3]);
                std::iter::once(0).chain(pixels.copied()).collect::<Vec<u8>>()
            });
            pass.flatten().collect()
        })
        .collect()
}

#[test]
fn an_interlaced_picture_is_filled_from_the_passes_that_arrived() {
    let passes = passes();
    let head = header(SIZE, 8, 2, true);
    let of_bytes = |count: usize| file(&[head.clone(), data(&deflated(&passes.concat()[..count])), end()]);
    let all: usize = passes.iter().map(Vec::len).sum();
    let control = shown(&of_bytes(all)).unwrap();
    assert_eq!(control.damage, None);
    let whole = pixels(&of_bytes(all));
    // Without half of the last pass every fourth row is like the one above.
    let last = passes[6].len();
    let rendered = shown(&of_bytes(all - last / 2)).unwrap();
    assert_eq!(rendered.damage.as_ref().unwrap().received_percent, 75);
    let picture = open(&rendered.variants[0]).to_rgba8();
    for (x, y, pixel) in picture.enumerate_pixels() {
        let source = if y >= 34 && y % 2 == 1 { y - 1 } else { y };
        let expected = whole.get_pixel(x, source).0;
        let is_near = pixel.0.iter().zip(expected).all(|(a, e)| a.abs_diff(e) < 24);
        assert!(is_near && pixel.0[3] == 255, "{x}, {y}: {pixel:?}, not {expected:?}");
    }
    assert_eq!(shown(&of_bytes(all - last)).unwrap().damage.unwrap().received_percent, 50);
    let refused = shown(&of_bytes(all - last - 300)).map(drop).map_err(|e| e.code());
    assert_eq!(refused, Err("CORRUPT_IMAGE"));
}

#[test]
fn photos_that_are_cut_off_show_what_has_arrived() {
    for name in [
        "rgb.png",
        "alpha.png",
        "interlaced.png",
        "alpha-16bit-interlaced.png",
        "palette-alpha.png",
        "gray-16bit.png",
        "gray-1bit.png",
    ] {
        let bytes = read(name);
        let end = bytes.len() - 16;
        let mut last = 100;
        let mut shown_files = 0;
        for length in (0..end).rev().step_by(end / 60 + 1) {
            match shown(&bytes[..length]) {
                Ok(rendered) => {
                    let percent = rendered.damage.as_ref().map_or(100, |damage| damage.received_percent);
                    assert!(percent <= last, "{name} at {length}: {percent} % after {last} %");
                    last = percent;
                    shown_files += 1;
                }
                Err(error) => {
                    assert_eq!(error.code(), if length < 8 { "NOT_AN_IMAGE" } else { "CORRUPT_IMAGE" });
                    last = 0;
                }
            }
        }
        assert!(shown_files > 9, "{name}: {shown_files}");
    }
}

#[test]
fn palettes_of_odd_lengths_are_read_as_chromium_reads_them() {
    let indices = rows(SIZE, 0, |x, _| [x / 24]);
    let of = |chunks: &[Vec<u8>]| {
        let picture = [chunk(*b"IDAT", &deflated(&indices)), end()];
        file(&[&[header(SIZE, 8, 3, false)], chunks, &picture[..]].concat())
    };
    let colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9];
    let palette = chunk(*b"PLTE", &colours);
    let alphas = |alphas: &[u8]| chunk(*b"tRNS", alphas);
    let (plain, clear) = ([[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [9, 9, 9, 255]], [0; 4]);
    let green = [0, 255, 0, 255];
    let half = [0, 255, 0, 128];
    let table: Vec<(&str, Chunks, [[u8; 4]; 4])> = vec![
        ("whole", vec![palette.clone()], plain),
        ("an index beyond it", vec![chunk(*b"PLTE", &colours[..6])], [plain[0], green, green, green]),
        ("7 bytes", vec![chunk(*b"PLTE", &colours[..7])], [plain[0], green, green, green]),
        ("the first of two", vec![palette.clone(), chunk(*b"PLTE", &[1; 12])], plain),
        ("alphas", vec![palette.clone(), alphas(&[0, 128])], [clear, half, plain[2], plain[3]]),
        ("alphas in front", vec![alphas(&[0, 128]), palette.clone()], plain),
        (
            "the first alphas of two",
            vec![palette.clone(), alphas(&[0, 128]), alphas(&[255, 255, 0])],
            [clear, half, plain[2], plain[3]],
        ),
        (
            "more alphas than colours",
            vec![palette.clone(), alphas(&[0, 128, 255, 255, 7, 7])],
            [clear, half, plain[2], plain[3]],
        ),
        ("no alphas", vec![palette.clone(), alphas(&[])], plain),
        ("257 alphas", vec![palette.clone(), alphas(&[0; 257])], plain),
        ("alphas with a wrong checksum", vec![palette.clone(), damaged(*b"tRNS", &[0, 128])], plain),
    ];
    for (name, chunks, expected) in table {
        let bytes = of(&chunks);
        let picture = pixels(&bytes);
        for (x, expected) in [12, 36, 60, 84].into_iter().zip(expected) {
            let found = picture.get_pixel(x, 32).0;
            let is_near = found.iter().zip(expected).all(|(a, e)| a.abs_diff(e) <= 6)
                || (expected[3] == 0 && found[3] == 0);
            assert!(is_near, "{name} at {x}: {found:?}, not {expected:?}");
        }
        let without = sanitized(&bytes).unwrap();
        assert!(pixels(&without) == picture, "{name}: sanitised looks otherwise");
    }
    for (name, chunks) in [
        ("none", vec![]),
        ("an empty one", vec![chunk(*b"PLTE", &[])]),
        ("257 colours", vec![chunk(*b"PLTE", &[1; 771])]),
        ("a wrong checksum", vec![damaged(*b"PLTE", &colours)]),
    ] {
        assert_eq!(shown(&of(&chunks)).map(drop).map_err(|e| e.code()), Err("CORRUPT_IMAGE"), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn damaged_rows_are_those_that_arrived_by_rows_and_at_once(
        cut in any::<prop::sample::Index>(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..2),
    ) {
        let mut bytes = read("rgb.png");
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        bytes.truncate(bytes.len() / 2 + cut.index(bytes.len() / 2));
        let Ok(photo) = probe(&bytes, &Limits::default()) else { return Ok(()) };
        let small = RenderOptions::new(vec![crate::support::inside(40, photo_imaging::OutputFormat::WebP)]);
        let large = RenderOptions::new(vec![crate::support::inside(160, photo_imaging::OutputFormat::WebP)]);
        let damage = |options: &RenderOptions| {
            photo.clone().render(options).map(|rendered| rendered.damage).map_err(|e| e.code())
        };
        prop_assert_eq!(damage(&small), damage(&large));
    }
}
