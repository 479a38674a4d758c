//! Chunks that say colours and orientation: which count.

use super::{
    Chunks, SIZE, assert_same, be32, chunk, damaged, data, deflated, end, file, header, pixels, rows, shown,
    with,
};

const SRGB: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
const P3: [u32; 8] = [31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000];

fn gamma(value: u32) -> Vec<u8> {
    chunk(*b"gAMA", &be32(&[value]))
}

fn exif(orientation: u8) -> Vec<u8> {
    [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation, 0, 0, 0, 0, 0, 0][..]].concat()
}

/// The content of an `iCCP` chunk with the profile of Display P3.
fn profile() -> Vec<u8> {
    let file = crate::support::read("display-p3.png");
    let at = file.windows(4).position(|kind| kind == b"iCCP").unwrap();
    let length = u32::from_be_bytes(*file[at - 4..].first_chunk().unwrap()) as usize;
    file[at + 4..][..length].to_vec()
}

/// A content of each kind that changes what is seen, with chunks that it needs in front of it.
fn contents() -> Vec<(&'static str, [u8; 4], Vec<u8>, Chunks)> {
    vec![
        ("gamma", *b"gAMA", be32(&[220_000]), vec![]),
        ("chromaticities", *b"cHRM", be32(&P3), vec![gamma(60_000)]),
        ("sRGB", *b"sRGB", vec![0], vec![gamma(220_000)]),
        ("code points", *b"cICP", vec![12, 13, 0, 1], vec![]),
        ("profile", *b"iCCP", profile(), vec![]),
        ("orientation", *b"eXIf", exif(6), vec![]),
        ("transparent colour", *b"tRNS", vec![0, 0, 0, 0, 0, 255], vec![]),
    ]
}

#[test]
fn a_chunk_of_colours_with_a_wrong_checksum_is_ignored() {
    for (name, kind, content, before) in contents() {
        let control = shown(&with(&before, &[])).unwrap();
        let good = [before.clone(), vec![chunk(kind, &content)]].concat();
        assert!(shown(&with(&good, &[])).unwrap() != control, "{name}: changes nothing");
        let bad = [before, vec![damaged(kind, &content)]].concat();
        assert_same(name, &with(&bad, &[]), &control);
    }
}

#[test]
fn a_chunk_of_colours_of_another_length_is_ignored() {
    for (name, kind, content, before) in contents() {
        // These have no fixed length.
        if matches!(&kind, b"iCCP" | b"eXIf") {
            continue;
        }
        let control = shown(&with(&before, &[])).unwrap();
        let shorter = content[..content.len() - 1].to_vec();
        let longer = [&content[..], &[0]].concat();
        let contents = if kind == *b"tRNS" { vec![shorter] } else { vec![shorter, longer, vec![]] };
        for content in contents {
            let bad = [before.clone(), vec![chunk(kind, &content)]].concat();
            assert_same(&format!("{name} of {} bytes", content.len()), &with(&bad, &[]), &control);
        }
    }
}

#[test]
fn a_chunk_of_colours_behind_the_image_data_is_ignored() {
    for (name, kind, content, before) in contents() {
        let control = shown(&with(&before, &[])).unwrap();
        assert_same(name, &with(&before, &[chunk(kind, &content)]), &control);
    }
}

#[test]
fn the_first_intact_chunk_of_a_kind_counts() {
    let other: [(&str, [u8; 4], Vec<u8>); 6] = [
        ("gamma", *b"gAMA", be32(&[100_000])),
        ("chromaticities", *b"cHRM", be32(&SRGB)),
        ("code points", *b"cICP", vec![1, 8, 0, 1]),
        ("profile", *b"iCCP", b"x\0\0broken".to_vec()),
        ("orientation", *b"eXIf", exif(3)),
        ("transparent colour", *b"tRNS", vec![0; 6]),
    ];
    for (name, kind, content, before) in contents().into_iter().filter(|content| &content.1 != b"sRGB") {
        let (_, _, second) = other.iter().find(|other| other.1 == kind).unwrap();
        let control = shown(&with(&[before.clone(), vec![chunk(kind, &content)]].concat(), &[])).unwrap();
        let twice = [before.clone(), vec![chunk(kind, &content), chunk(kind, second)]].concat();
        assert_same(&format!("{name} twice"), &with(&twice, &[]), &control);
        let behind_damage = [before, vec![damaged(kind, second), chunk(kind, &content)]].concat();
        assert_same(&format!("{name} behind damage"), &with(&behind_damage, &[]), &control);
    }
}

#[test]
fn chunks_of_senseless_values_leave_others_in_force() {
    let control = shown(&with(&[gamma(220_000)], &[])).unwrap();
    let table: [(&str, [u8; 4], &[u8]); 10] = [
        ("no profile", *b"iCCP", b""),
        ("a broken stream", *b"iCCP", b"x\0\0garbage"),
        ("no name", *b"iCCP", &[b"\0\0", &profile()[4..]].concat()),
        ("a broken profile", *b"iCCP", &[b"x\0\0", &deflated(&b"garbage".repeat(30))[..]].concat()),
        ("an intent of 4", *b"sRGB", &[4]),
        ("limited range", *b"cICP", &[12, 13, 0, 0]),
        ("a range of 2", *b"cICP", &[12, 13, 0, 2]),
        ("a matrix", *b"cICP", &[12, 13, 1, 1]),
        ("unknown primaries", *b"cICP", &[99, 13, 0, 1]),
        ("a gamma of 0", *b"gAMA", &[0; 4]),
    ];
    for (name, kind, content) in table {
        assert_same(name, &with(&[chunk(kind, content), gamma(220_000)], &[]), &control);
    }
    // Impossible primaries take the gamma with them, and the first chromaticities count.
    let plain = shown(&with(&[], &[])).unwrap();
    for impossible in [[0; 8], [31_270; 8], [31_270, 32_900, 640_000, 33_000, 30_000, 60_000, 15_000, 6_000]]
    {
        let chunks = [chunk(*b"cHRM", &be32(&impossible)), chunk(*b"cHRM", &be32(&P3)), gamma(100_000)];
        assert_same("impossible chromaticities", &with(&chunks, &[]), &plain);
    }
    assert_same("chromaticities alone", &with(&[chunk(*b"cHRM", &be32(&P3))], &[]), &plain);
}

#[test]
fn a_profile_for_other_channels_counts_for_more_than_a_gamma() {
    let gray = crate::support::read("grayscale-gamma.jpg");
    let gray = photo_jpeg::Jpeg::parse(&gray).unwrap().icc_profile().unwrap();
    let profile = chunk(*b"iCCP", &[b"x\0\0", &deflated(&gray)[..]].concat());
    let plain = shown(&with(&[], &[])).unwrap();
    assert_same("gray profile", &with(&[profile, gamma(220_000)], &[]), &plain);
}

#[test]
fn palettes_stand_behind_cicp_and_in_front_of_their_alphas() {
    let plain = shown(&with(&[], &[])).unwrap();
    let palette = chunk(*b"PLTE", &[7; 30]);
    let points = chunk(*b"cICP", &[1, 8, 0, 1]);
    assert_same("cICP behind PLTE", &with(&[palette.clone(), points], &[]), &plain);
    let control = shown(&with(&[gamma(220_000)], &[])).unwrap();
    assert_same("gAMA behind PLTE", &with(&[palette.clone(), gamma(220_000)], &[]), &control);
    // For these pictures it is a suggestion.
    assert_same("PLTE with a wrong checksum", &with(&[damaged(*b"PLTE", &[7; 30])], &[]), &plain);
    assert_same("PLTE of a wrong length", &with(&[chunk(*b"PLTE", &[7; 31])], &[]), &plain);
    assert_same("PLTE twice", &with(&[palette.clone(), palette], &[]), &plain);
}

/// Levels 16, 100 and 200 of gray and one colour.
fn patches(colour: u8, before: &[Vec<u8>]) -> [[u8; 3]; 4] {
    let level = |x: u8| [16, 100, 200, 200][usize::from(x / 24)];
    let stream = match colour {
        0 => rows(SIZE, 0, |x, _| [level(x)]),
        _ => rows(SIZE, 0, |x, _| if x < 72 { [level(x); 3] } else { [200, 100, 50] }),
    };
    let start = [vec![header(SIZE, 8, colour, false)], before.to_vec()].concat();
    let picture = pixels(&file(&[start, vec![data(&deflated(&stream)), end()]].concat()));
    [12, 36, 60, 84].map(|x| {
        let [r, g, b, _] = picture.get_pixel(x, 32).0;
        [r, g, b]
    })
}

#[track_caller]
fn assert_near(name: &str, actual: [[u8; 3]; 4], expected: [[u8; 3]; 4]) {
    // Lossy WebP moves a flat patch by some levels.
    let is_near = actual.as_flattened().iter().zip(expected.as_flattened()).all(|(a, e)| a.abs_diff(*e) <= 4);
    assert!(is_near, "{name}: {actual:?}, not {expected:?}");
}

#[test]
fn gammas_are_applied_as_chromium_applies_them() {
    let srgb = chunk(*b"cHRM", &be32(&SRGB));
    let grays = |a: u8, b: u8, c: u8, colour: [u8; 3]| [[a; 3], [b; 3], [c; 3], colour];
    let plain = grays(16, 100, 200, [200, 100, 50]);
    let pure = grays(7, 100, 201, [201, 100, 46]);
    let table: [(&str, Chunks, [[u8; 3]; 4]); 12] = [
        ("2.2", vec![gamma(45_455)], plain),
        ("2.2 and sRGB's chromaticities", vec![gamma(45_455), srgb.clone()], pure),
        ("2.2, chromaticities and sRGB", vec![gamma(45_455), srgb.clone(), chunk(*b"sRGB", &[0])], plain),
        ("5 % less", vec![gamma(43_182)], plain),
        ("more than 5 % less", vec![gamma(43_181)], grays(5, 95, 199, [199, 95, 42])),
        ("5 % less and chromaticities", vec![gamma(43_200), srgb.clone()], grays(5, 95, 199, [199, 95, 42])),
        ("5 % more", vec![gamma(47_727)], plain),
        ("more than 5 % more", vec![gamma(47_728)], grays(10, 105, 204, [204, 105, 51])),
        ("linear", vec![gamma(100_000)], grays(71, 168, 229, [229, 168, 122])),
        ("the other way", vec![gamma(220_000)], grays(145, 211, 243, [243, 211, 184])),
        ("Display P3", vec![gamma(45_455), chunk(*b"cHRM", &be32(&P3))], grays(7, 100, 201, [216, 93, 24])),
        ("next to nothing", vec![gamma(2_000_000)], grays(240, 250, 254, [254, 250, 246])),
    ];
    for (name, before, expected) in table {
        assert_near(name, patches(2, &before), expected);
        let gray = [expected[0], expected[1], expected[2], expected[2]];
        if name != "Display P3" {
            assert_near(&format!("{name}, gray"), patches(0, &before), gray);
        }
    }
}

#[test]
fn every_gamma_ends_in_a_picture() {
    let primaries = chunk(*b"cHRM", &be32(&P3));
    for value in [1, 9, 99, 1000, 20_000, 3_000_000, 10_000_001, u32::MAX] {
        for (depth, colour) in [(8, 0), (8, 2), (16, 0), (16, 2)] {
            for before in [vec![gamma(value)], vec![gamma(value), primaries.clone()]] {
                let samples =
                    vec![0x99; 64 * (usize::from(depth) / 8 * if colour == 0 { 96 } else { 288 } + 1)];
                let samples: Vec<u8> =
                    samples.chunks(samples.len() / 64).flat_map(|row| [&[0], &row[1..]].concat()).collect();
                let start = [vec![header(SIZE, depth, colour, false)], before].concat();
                let bytes = file(&[start, vec![data(&deflated(&samples)), end()]].concat());
                let level = pixels(&bytes).get_pixel(40, 40).0[1];
                // 0.6 to the power of 1 / gamma.
                let expected = if value <= 1000 {
                    0
                } else if value >= 3_000_000 {
                    252
                } else {
                    95
                };
                let name = format!("gamma {value}, {depth} bits, colour type {colour}");
                assert!(
                    level.abs_diff(expected) <= 5 || (value == 20_000 && level.abs_diff(expected) < 30),
                    "{name}: {level}"
                );
            }
        }
    }
}

#[test]
fn exif_behind_the_prefix_that_jpeg_has_is_ignored() {
    let plain = shown(&with(&[], &[])).unwrap();
    let prefixed = chunk(*b"eXIf", &[b"Exif\0\0", &exif(6)[..]].concat());
    assert_same("Exif", &with(&[prefixed], &[]), &plain);
    assert_same(
        "an empty one in front",
        &with(&[chunk(*b"eXIf", b""), chunk(*b"eXIf", &exif(6))], &[]),
        &plain,
    );
}
