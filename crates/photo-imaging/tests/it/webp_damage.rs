//! Damage of WebP: what costs no pixel is no damage, and what has arrived is shown.

use photo_imaging::{
    Animation, Damage, DamagedPhotos, ImagingError, Limits, OutputFormat, RenderOptions, Rendered, probe,
};

use crate::support::{inside, open, read, render_bytes};

type Chunk = ([u8; 4], Vec<u8>);

/// Flags of `VP8X`.
const ANIMATION: u8 = 0x02;
const EXIF: u8 = 0x08;
const ALPHA: u8 = 0x10;
const ICC: u8 = 0x20;

fn chunks(bytes: &[u8]) -> Vec<Chunk> {
    let (mut chunks, mut rest) = (Vec::new(), &bytes[12..]);
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes(*head[4..].first_chunk().unwrap()) as usize;
        chunks.push((*head.first_chunk().unwrap(), after[..length].to_vec()));
        rest = after.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
    chunks
}

fn body(chunks: &[Chunk]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, data) in chunks {
        out.extend_from_slice(kind);
        out.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(2), 0);
    }
    out
}

fn riff(size: u32, body: &[u8]) -> Vec<u8> {
    [b"RIFF", &size.to_le_bytes()[..], b"WEBP", body].concat()
}

fn file(chunks: &[Chunk]) -> Vec<u8> {
    let body = body(chunks);
    riff(u32::try_from(body.len() + 4).unwrap(), &body)
}

fn chunk_of(name: &str, kind: [u8; 4]) -> Chunk {
    chunks(&read(name)).into_iter().find(|(found, _)| *found == kind).unwrap()
}

fn u24(value: u32) -> [u8; 3] {
    *value.to_le_bytes().first_chunk().unwrap()
}

fn extended(flags: u8, (width, height): (u32, u32)) -> Chunk {
    (*b"VP8X", [&[flags, 0, 0, 0][..], &u24(width - 1), &u24(height - 1)].concat())
}

/// A frame in the upper left corner that says this size.
fn frame((width, height): (u32, u32), picture: &[Chunk]) -> Chunk {
    let header = [&[0; 6][..], &u24(width - 1), &u24(height - 1), &u24(100), &[0]].concat();
    (*b"ANMF", [header, body(picture)].concat())
}

/// A lossless picture of one colour.
fn plain(side: u32, color: [u8; 3]) -> Chunk {
    let samples = color.repeat((side * side) as usize);
    let file = photo_webp::encode_palette(&samples, 3, (side, side)).unwrap().unwrap();
    chunks(&file).remove(0)
}

fn options() -> RenderOptions {
    RenderOptions::new(vec![inside(160, OutputFormat::WebP), inside(90, OutputFormat::Jpeg)])
}

fn shown(bytes: &[u8], what: &str) -> Rendered {
    render_bytes(bytes, &options()).unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn code(bytes: &[u8]) -> Result<Option<Damage>, &'static str> {
    render_bytes(bytes, &options()).map(|rendered| rendered.damage).map_err(|error| error.code())
}

const FILES: [&str; 6] = [
    "lossy.webp",
    "lossy-alpha.webp",
    "lossless-alpha.webp",
    "animated.webp",
    "orientation-6.webp",
    "display-p3.webp",
];

#[test]
fn a_wrong_size_of_the_container_costs_nothing() {
    for name in FILES {
        let whole = read(name);
        let expected = shown(&whole, name);
        assert_eq!(expected.damage, None);
        let right = u32::try_from(whole.len() - 8).unwrap();
        let sizes = [right, right + 1, right + 2, right + 100, right - 1, right - 2, right - 100, right | 1];
        for size in sizes.into_iter().chain([0, 1, 4, 5, 12, 13, 22, u32::MAX, u32::MAX - 9]) {
            for tail in [&[][..], &[0], &[0; 100], &[0xff; 33], b"EXIF\x10\0\0\0Exif", b"VP8 tail"] {
                // Metadata that end behind the container are not the photo's: nothing is to be seen of the others.
                if name != "lossy.webp" && size < right - 2 && size > 22 {
                    continue;
                }
                let bytes = [&riff(size, &whole[12..]), tail].concat();
                let what = format!("{name}, size {size} of {right}, {} bytes behind", tail.len());
                assert!(shown(&bytes, &what) == expected, "{what}");
            }
        }
    }
}

#[test]
fn bytes_behind_the_last_chunk_inside_the_container_cost_nothing() {
    for name in FILES {
        let expected = shown(&read(name), name);
        for tail in [&[0][..], &[0; 7], &[0; 8], &[0; 100], &[0xff; 40], b"JUNK\xff\xff\xff\xff", b"abc"] {
            let bytes = [&read(name), tail].concat();
            let size = u32::try_from(bytes.len() - 8).unwrap();
            let bytes = riff(size, &bytes[12..]);
            assert!(shown(&bytes, name) == expected, "{name}, {tail:?}");
            // The sanitised original has no byte of them.
            let sanitize = |bytes: &[u8]| probe(bytes, &Limits::default()).unwrap().sanitize().unwrap();
            assert!(sanitize(&bytes) == sanitize(&read(name)), "{name}, {tail:?}");
        }
    }
}

#[test]
fn a_missing_padding_byte_costs_nothing() {
    let (kind, mut data) = chunk_of("lossy.webp", *b"VP8 ");
    data.resize(data.len() | 1, 0);
    let expected = shown(&file(&[(kind, data.clone())]), "padded");
    let unpadded = body(&[(kind, data.clone())]);
    let last = &unpadded[..unpadded.len() - 1];
    assert!(shown(&riff(u32::try_from(last.len() + 4).unwrap(), last), "at the end") == expected);
    // In the middle, in front of the picture.
    let head = [body(&[extended(0, (320, 213))]), b"ABCD\x03\0\0\0xyz".to_vec()].concat();
    let middle = [&head[..], last].concat();
    assert!(shown(&riff(u32::try_from(middle.len() + 4).unwrap(), &middle), "in the middle") == expected);
}

#[test]
fn chunks_that_no_decoder_wants_cost_nothing() {
    let picture = chunk_of("lossy.webp", *b"VP8 ");
    let expected = shown(&file(std::slice::from_ref(&picture)), "alone");
    let size = (320, 213);
    let extra = |kind: &[u8; 4], length: usize| (*kind, vec![b'x'; length]);
    let files = [
        ("unknown in front", vec![extra(b"ABCD", 3), picture.clone()]),
        ("unknown behind a header", vec![extended(0, size), extra(b"ABCD", 5), picture.clone()]),
        ("XMP and EXIF without a header", vec![extra(b"EXIF", 9), extra(b"XMP ", 9), picture.clone()]),
        ("a header behind", vec![picture.clone(), extended(ALPHA, (7, 7))]),
        ("two headers", vec![extended(0, size), extended(ALPHA, (9, 9)), picture.clone()]),
        ("a long header", vec![(*b"VP8X", [extended(0, size).1, vec![0; 6]].concat()), picture.clone()]),
        ("a short header", vec![(*b"VP8X", extended(0, size).1[..9].to_vec()), picture.clone()]),
        ("an empty header", vec![(*b"VP8X", Vec::new()), picture.clone()]),
        ("two pictures", vec![picture.clone(), plain(32, [1, 2, 3])]),
        ("says alpha and has none", vec![extended(ALPHA, size), picture.clone()]),
        ("says EXIF, a profile and XMP and has none", vec![extended(EXIF | ICC | 4, size), picture.clone()]),
        ("says that it moves and does not", vec![extended(ANIMATION, size), picture.clone()]),
        (
            "alpha behind",
            vec![extended(ALPHA, size), picture.clone(), chunk_of("lossy-alpha.webp", *b"ALPH")],
        ),
    ];
    for (what, chunks) in files {
        assert!(shown(&file(&chunks), what) == expected, "{what}");
    }
}

#[test]
fn metadata_behind_the_picture_may_be_cut_off() {
    for name in ["orientation-6.webp", "metadata.webp"] {
        let Ok(whole) = std::fs::read(crate::support::testdata().join(name)) else { continue };
        let at = whole.windows(4).position(|kind| kind == b"EXIF").unwrap();
        let without = shown(&whole[..at], name);
        for length in [at + 1, at + 4, at + 7, at + 8, at + 12] {
            assert_eq!(shown(&whole[..length], name).damage, None);
        }
        assert_eq!((without.original.width, without.damage), (without.original.width, None));
    }
}

#[test]
fn metadata_that_the_header_does_not_announce_are_ignored() {
    for (name, flag) in [("orientation-6.webp", EXIF), ("display-p3.webp", ICC)] {
        let mut chunks = chunks(&read(name));
        let announced = shown(&file(&chunks), name);
        assert_eq!(&chunks[0].0, b"VP8X");
        assert!(chunks[0].1[0] & flag != 0);
        chunks[0].1[0] &= !flag;
        let ignored = shown(&file(&chunks), name);
        chunks.retain(|(kind, _)| !matches!(kind, b"EXIF" | b"ICCP"));
        assert!(ignored == shown(&file(&chunks), name) && ignored != announced, "{name}");
    }
    // The first of two counts.
    let mut chunks = chunks(&read("orientation-6.webp"));
    let expected = shown(&file(&chunks), "one");
    chunks.push((*b"EXIF", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0".to_vec()));
    assert!(shown(&file(&chunks), "two") == expected);
}

#[test]
fn alpha_of_a_lossless_picture_is_in_its_bitstream() {
    let (kind, data) = chunk_of("lossless-alpha.webp", *b"VP8L");
    let bits = u32::from_le_bytes(*data[1..].first_chunk().unwrap());
    let size = (1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff));
    let mut denied = data.clone();
    denied[4] &= !0x10;
    let has_alpha = |chunks: &[Chunk]| {
        let rendered = shown(&file(chunks), "alpha");
        open(&rendered.variants[0]).to_rgba8().pixels().any(|pixel| pixel[3] < 255)
    };
    // As in Chromium 156, where the page is seen through each of them: both bits are hints.
    for (flags, stream, expected) in [
        (None, &data, true),
        (None, &denied, true),
        (Some(ALPHA), &data, true),
        (Some(ALPHA), &denied, true),
        (Some(0), &data, true),
        (Some(0), &denied, true),
    ] {
        let mut chunks = vec![(kind, stream.clone())];
        chunks.splice(..0, flags.map(|flags| extended(flags, size)));
        assert_eq!(has_alpha(&chunks), expected, "{flags:?}, {}", stream[4]);
    }
}

#[test]
fn a_canvas_of_another_size_is_refused_as_in_browsers() {
    let picture = chunk_of("lossy.webp", *b"VP8 ");
    for size in [(321, 213), (320, 214), (10, 10), (320, 200)] {
        assert_eq!(code(&file(&[extended(0, size), picture.clone()])), Err("CORRUPT_IMAGE"), "{size:?}");
    }
}

/// What is shown of each share of the file: how much has come, in percent.
fn percents(bytes: &[u8], from: usize) -> Vec<u8> {
    let mut percents = Vec::new();
    for share in (from..100).step_by(3) {
        let cut = &bytes[..bytes.len() * share / 100];
        match code(cut) {
            Ok(Some(damage)) => percents.push(damage.received_percent),
            Ok(None) => panic!("{share} % are taken for all"),
            Err(code) => assert!(code == "CORRUPT_IMAGE" && percents.is_empty(), "{share} %: {code}"),
        }
    }
    percents
}

#[test]
fn rows_that_have_arrived_are_shown() {
    for (name, least) in [("lossy.webp", 12), ("lossless-alpha.webp", 8), ("lossy-alpha.webp", 8)] {
        let found = percents(&read(name), 20);
        assert!(found.len() >= least && found.is_sorted(), "{name}: {found:?}");
        assert!(found.iter().all(|&percent| (50..100).contains(&percent)), "{name}: {found:?}");
        assert!(*found.last().unwrap() > 80, "{name}: {found:?}");
    }
}

#[test]
fn a_deployment_may_refuse_what_is_damaged() {
    let bytes = read("lossy.webp");
    let options = RenderOptions { damaged_photos: DamagedPhotos::Refuse, ..options() };
    assert!(render_bytes(&bytes, &options).is_ok());
    let cut = &bytes[..bytes.len() * 9 / 10];
    let error = render_bytes(cut, &options).unwrap_err();
    assert!(matches!(error, ImagingError::Corrupt { .. }), "{error}");
    // Of a photo that is shown, the sanitised original is made of what is shown.
    let photo = probe(cut, &Limits::default()).unwrap();
    assert_eq!(photo.sanitize().map_err(|error| error.code()), Err("CORRUPT_IMAGE"));
    assert!(photo.reencode(&self::options(), 0).is_ok());
}

#[test]
fn rows_that_are_missing_are_gray_or_transparent() {
    let whole_size = RenderOptions::new(vec![inside(2000, OutputFormat::WebP)]);
    let variant = |bytes: &[u8]| open(&render_bytes(bytes, &whole_size).unwrap().variants[0]).to_rgba8();
    for (name, alpha) in [("lossy.webp", 255), ("lossless-alpha.webp", 0), ("lossy-alpha.webp", 0)] {
        let bytes = read(name);
        let (whole, part) = (variant(&bytes), variant(&bytes[..bytes.len() * 9 / 10]));
        assert_eq!(whole.dimensions(), part.dimensions(), "{name}");
        let last = part.height() - 1;
        for x in (0..part.width()).step_by(7) {
            let found = part.get_pixel(x, last);
            assert_eq!(found[3], alpha, "{name}");
            assert!(alpha == 0 || (0..3).all(|i| found[i].abs_diff(128) < 6), "{name}: {found:?}");
            // The first rows are those of the whole file.
            let (found, expected) = (part.get_pixel(x, 3), whole.get_pixel(x, 3));
            let near = (0..3).all(|i| found[i].abs_diff(expected[i]) < 40);
            assert!(found[3] == expected[3] && (near || found[3] < 30), "{name}: {found:?}, {expected:?}");
        }
    }
}

#[test]
fn colours_are_shown_whose_alpha_is_damaged() {
    let mut chunks = chunks(&read("lossy-alpha.webp"));
    let at = chunks.iter().position(|(kind, _)| kind == b"ALPH").unwrap();
    let alpha = chunks[at].1.clone();
    let noise: Vec<u8> = (0..alpha.len()).map(|i| u8::try_from(i * i % 251).unwrap()).collect();
    let damaged = [
        Vec::new(),
        alpha[..1].to_vec(),
        alpha[..alpha.len() / 2].to_vec(),
        alpha[..alpha.len() - 4].to_vec(),
        [&[alpha[0] | 3][..], &alpha[1..]].concat(),
        [&alpha[..2], &noise[2..]].concat(),
        // Stored without compression, and too short.
        [&[0][..], &[200; 900]].concat(),
    ];
    for (number, data) in damaged.into_iter().enumerate() {
        chunks[at].1 = data;
        let rendered = shown(&file(&chunks), &number.to_string());
        let percent = rendered.damage.map(|damage| damage.received_percent);
        assert!(percent.is_some_and(|percent| (50..100).contains(&percent)), "{number}: {percent:?}");
        let variant = open(&rendered.variants[0]).to_rgba8();
        let last = variant.get_pixel(variant.width() / 2, variant.height() - 1);
        assert_eq!(last[3], 255, "{number}");
    }
}

fn moving() -> RenderOptions {
    RenderOptions { animation: Animation::Keep, ..options() }
}

fn is_animated(rendered: &Rendered) -> bool {
    rendered.variants[0].bytes.windows(4).any(|kind| kind == b"ANMF")
}

#[test]
fn a_damaged_later_frame_leaves_the_first() {
    let size = (40, 40);
    let (red, blue) = (plain(40, [200, 0, 0]), plain(40, [0, 0, 200]));
    let head = || vec![extended(ANIMATION, size), (*b"ANIM", vec![0; 6])];
    let of = |frames: &[Chunk]| file(&[head(), frames.to_vec()].concat());
    let first = frame(size, std::slice::from_ref(&red));
    let whole = of(&[first.clone(), frame(size, std::slice::from_ref(&blue))]);
    let kept = render_bytes(&whole, &moving()).unwrap();
    assert!(is_animated(&kept) && kept.damage.is_none());
    let photo = chunk_of("lossy.webp", *b"VP8 ");
    let photo_frame = frame((320, 213), std::slice::from_ref(&photo));
    let cut_photo = (*b"ANMF", photo_frame.1[..photo_frame.1.len() * 3 / 4].to_vec());
    let wide_head = vec![extended(ANIMATION, (320, 213)), (*b"ANIM", vec![0; 6])];
    let files = [
        ("cut off in its header", whole[..whole.len() - blue.1.len() - 20].to_vec()),
        ("cut off in its picture", whole[..whole.len() - 6].to_vec()),
        (
            "an invalid stream",
            of(&[first.clone(), frame(size, &[(*b"VP8L", [&blue.1[..5], &[0xff; 40]].concat())])]),
        ),
        ("no picture", of(&[first.clone(), frame(size, &[])])),
        ("beyond the canvas", of(&[first.clone(), frame((41, 40), &[plain(41, [0; 3])])])),
        (
            "a part of a lossy picture",
            file(&[wide_head, vec![photo_frame.clone(), cut_photo.clone()]].concat()),
        ),
    ];
    for (what, bytes) in files {
        let alone = RenderOptions { animation: Animation::FirstFrame, ..moving() };
        let (rendered, expected) = (render_bytes(&bytes, &moving()), render_bytes(&bytes, &alone));
        let (rendered, expected) = (rendered.unwrap_or_else(|e| panic!("{what}: {e}")), expected.unwrap());
        assert!(!is_animated(&rendered) && rendered == expected && rendered.damage.is_none(), "{what}");
    }
}

#[test]
fn a_part_of_the_first_frame_is_shown_and_said() {
    let size = (320, 213);
    let (kind, data) = chunk_of("lossy.webp", *b"VP8 ");
    let cut = (kind, data[..data.len() * 9 / 10].to_vec());
    let whole = frame(size, &[(kind, data)]);
    let head = vec![extended(ANIMATION, size), (*b"ANIM", vec![0; 6])];
    let bytes = file(&[head, vec![frame(size, &[cut]), whole]].concat());
    for options in [options(), moving()] {
        let rendered = render_bytes(&bytes, &options).unwrap();
        assert!(rendered.damage.is_some() && !is_animated(&rendered));
    }
}

#[test]
fn a_frame_has_the_size_of_its_bitstream() {
    let head = vec![extended(ANIMATION, (64, 64)), (*b"ANIM", vec![0; 6])];
    let picture = [plain(40, [200, 10, 10])];
    let of = |size| file(&[head.clone(), vec![frame(size, &picture), frame(size, &picture)]].concat());
    let expected = render_bytes(&of((40, 40)), &moving()).unwrap();
    for size in [(1, 1), (39, 40), (64, 64), (5000, 5000)] {
        assert!(render_bytes(&of(size), &moving()).unwrap() == expected, "{size:?}");
        let sanitized = probe(&of(size), &Limits::default()).unwrap().sanitize().unwrap();
        assert!(sanitized == probe(&of((40, 40)), &Limits::default()).unwrap().sanitize().unwrap());
    }
}

#[test]
fn around_a_first_frame_the_canvas_is_transparent() {
    let mut picture = frame((32, 32), &[plain(32, [200, 30, 30])]);
    picture.1[..6].copy_from_slice(&[u24(8), u24(8)].concat());
    let bytes = file(&[extended(ANIMATION, (64, 64)), (*b"ANIM", vec![0; 6]), picture.clone(), picture]);
    for options in [options(), moving()] {
        let rendered = render_bytes(&bytes, &options).unwrap();
        let webp = open(&rendered.variants[0]).to_rgba8();
        assert_eq!((webp.get_pixel(2, 2)[3], webp.get_pixel(32, 32)[3]), (0, 255));
        let jpeg = open(&rendered.variants[1]).to_rgb8();
        assert!(jpeg.get_pixel(2, 2).0.iter().all(|&level| level > 250), "the background");
    }
}
