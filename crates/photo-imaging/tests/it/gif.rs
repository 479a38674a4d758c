//! Damaged and odd GIFs, which come out as Chromium 156 draws them: each file is built here, from four patches of 16 px.

use std::time::Duration;

use image::AnimationDecoder;
use image::codecs::webp::WebPDecoder;
use photo_imaging::{Animation, Damage, DamagedPhotos, Limits, RenderOptions, Rendered, probe};

use crate::cost::{Job, MIB, measure};
use crate::support::{inside, open, read, render_bytes};

const SIDE: usize = 64;
const COLORS: [[u8; 3]; 4] = [[250, 20, 20], [20, 250, 20], [20, 20, 250], [240, 240, 240]];
/// Bits of a colour.
const CODE_SIZE: u8 = 2;

/// Color of a pixel of the picture.
fn index(x: usize, y: usize) -> u8 {
    u8::try_from((x / 16 + y / 16) % 4).unwrap()
}

fn picture() -> Vec<u8> {
    (0..SIDE * SIDE).map(|at| index(at % SIDE, at / SIDE)).collect()
}

/// What goes into a file of the picture.
#[derive(Clone)]
struct Image {
    indices: Vec<u8>,
    size: (u16, u16),
    interlaced: bool,
    code_size: u8,
    clear_first: bool,
    end_code: bool,
    block: usize,
}

impl Image {
    fn new() -> Self {
        Self {
            indices: picture(),
            size: (64, 64),
            interlaced: false,
            code_size: CODE_SIZE,
            clear_first: true,
            end_code: true,
            block: 255,
        }
    }

    fn cut(pixels: usize) -> Self {
        let mut image = Self::new();
        image.indices.truncate(pixels);
        image
    }

    fn interlaced(mut self) -> Self {
        let rows = [(0, 8), (4, 8), (2, 4), (1, 2)];
        let order = rows.into_iter().flat_map(|(from, step)| (from..SIDE).step_by(step));
        let rows: Vec<_> = order.flat_map(|y| (0..SIDE).map(move |x| index(x, y))).collect();
        self.indices = rows[..self.indices.len()].to_vec();
        Self { interlaced: true, ..self }
    }

    /// The codes as bits of their own, each with its width.
    fn codes(&self) -> Vec<(u32, u32)> {
        let (clear, width) = (1 << self.code_size, u32::from(self.code_size) + 1);
        let mut codes = if self.clear_first { vec![(clear, width)] } else { Vec::new() };
        let (mut strings, mut current) = (std::collections::HashMap::new(), Vec::new());
        let (mut next, mut bits) = (clear + 2, width);
        let code = |strings: &std::collections::HashMap<Vec<u8>, u32>, string: &[u8]| match string {
            [color] => u32::from(*color),
            _ => strings[string],
        };
        for &color in &self.indices {
            let longer = [&current[..], &[color]].concat();
            if longer.len() == 1 || strings.contains_key(&longer) {
                current = longer;
                continue;
            }
            codes.push((code(&strings, &current), bits));
            if next < 4096 {
                strings.insert(longer, next);
                bits += u32::from(next == 1 << bits && bits < 12);
                next += 1;
            }
            current = vec![color];
        }
        if !current.is_empty() {
            codes.push((code(&strings, &current), bits));
            bits += u32::from(next == 1 << bits && bits < 12);
        }
        if self.end_code {
            codes.push((clear + 1, bits));
        }
        codes
    }

    fn bytes(&self) -> Vec<u8> {
        self.with_data(&packed(&self.codes()))
    }

    fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let [[w0, w1], [h0, h1]] = [self.size.0.to_le_bytes(), self.size.1.to_le_bytes()];
        let flags = if self.interlaced { 0x40 } else { 0 };
        let mut out = vec![0x2c, 0, 0, 0, 0, w0, w1, h0, h1, flags, self.code_size];
        for block in data.chunks(self.block) {
            out.push(u8::try_from(block.len()).unwrap());
            out.extend_from_slice(block);
        }
        out.push(0);
        out
    }
}

fn packed(codes: &[(u32, u32)]) -> Vec<u8> {
    let (mut out, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for &(code, width) in codes {
        buffer |= code << bits;
        bits += width;
        while bits >= 8 {
            out.push(buffer.to_le_bytes()[0]);
            buffer >>= 8;
            bits -= 8;
        }
    }
    out.push(buffer.to_le_bytes()[0]);
    out
}

fn screen(width: u16, height: u16, colors: &[[u8; 3]]) -> Vec<u8> {
    let flags = match colors.len() {
        0 => 0,
        2 => 0x80,
        4 => 0x81,
        other => panic!("{other} colours"),
    };
    [b"GIF89a", &width.to_le_bytes()[..], &height.to_le_bytes(), &[flags, 0, 0], colors.as_flattened()]
        .concat()
}

fn start() -> Vec<u8> {
    screen(64, 64, &COLORS)
}

fn control(disposal: u8, transparent: Option<u8>) -> Vec<u8> {
    let flags = disposal << 2 | u8::from(transparent.is_some());
    vec![0x21, 0xf9, 4, flags, 10, 0, transparent.unwrap_or(0), 0]
}

fn extension(label: u8, body: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0x21, label];
    for block in body {
        out.push(u8::try_from(block.len()).unwrap());
        out.extend_from_slice(block);
    }
    out.push(0);
    out
}

fn whole() -> Vec<u8> {
    [start(), Image::new().bytes(), b";".to_vec()].concat()
}

fn options(animation: Animation) -> RenderOptions {
    let own_size = vec![inside(64, photo_imaging::OutputFormat::WebP)];
    RenderOptions { animation, ..RenderOptions::new(own_size) }
}

fn still(bytes: &[u8]) -> Rendered {
    render_bytes(bytes, &options(Animation::FirstFrame)).unwrap()
}

/// The pixels of the first variant.
fn shown(bytes: &[u8]) -> image::RgbaImage {
    open(&still(bytes).variants[0]).to_rgba8()
}

fn frames(rendered: &Rendered) -> usize {
    let decoder = WebPDecoder::new(std::io::Cursor::new(&rendered.variants[0].bytes)).unwrap();
    if decoder.has_animation() { decoder.into_frames().count() } else { 1 }
}

/// Files of the picture that lack nothing of it.
fn harmless() -> Vec<(String, Vec<u8>)> {
    let (start, image, trailer) = (start(), Image::new().bytes(), b";".to_vec());
    let join = |parts: &[&[u8]]| parts.concat();
    let no_terminator = &image[..image.len() - 1];
    let mut files = vec![
        ("no trailer".to_owned(), join(&[&start, &image])),
        ("no terminator".to_owned(), join(&[&start, no_terminator])),
        ("zeros before the image".to_owned(), join(&[&start, &[0; 9], &image, &trailer])),
        ("zeros behind the image".to_owned(), join(&[&start, &image, &[0; 9], &trailer])),
        ("zeros for an end".to_owned(), join(&[&start, &image, &[0; 9]])),
        ("junk behind the image".to_owned(), join(&[&start, &image, b"\x55SECRET", &trailer])),
        ("an extension that is cut off".to_owned(), join(&[&start, &image, b"\x21\xfe\x09ab"])),
        ("a control without a terminator".to_owned(), join(&[&start, &image, b"\x21\xf9\x04\0"])),
        ("a control of two bytes".to_owned(), join(&[&start, b"\x21\xf9\x02\x01\0\0", &image, &trailer])),
        ("a screen of no size".to_owned(), join(&[&screen(0, 0, &COLORS), &image, &trailer])),
        ("an image without pixels".to_owned(), {
            let none = Image { size: (0, 64), indices: Vec::new(), ..Image::new() };
            join(&[&start, &none.bytes(), &image, &trailer])
        }),
        ("an ICC profile".to_owned(), {
            let profile = std::fs::read(crate::support::testdata().join("display-p3.jpg")).unwrap();
            let at = profile.windows(4).position(|word| word == b"acsp").unwrap() - 36;
            let blocks: Vec<&[u8]> =
                [&b"ICCRGBG1012"[..]].into_iter().chain(profile[at..at + 500].chunks(250)).collect();
            join(&[&start, &extension(0xff, &blocks), &image, &trailer])
        }),
    ];
    let variants = [
        ("no clear code", Image { clear_first: false, ..Image::new() }),
        ("no end code", Image { end_code: false, ..Image::new() }),
        ("neither", Image { clear_first: false, end_code: false, ..Image::new() }),
        ("blocks of one byte", Image { block: 1, ..Image::new() }),
        ("interlaced", Image::new().interlaced()),
        ("colours of 8 bits", Image { code_size: 8, ..Image::new() }),
        ("colours of 11 bits", Image { code_size: 11, ..Image::new() }),
        ("more pixels", Image { indices: [picture(), vec![1; 999]].concat(), ..Image::new() }),
    ];
    for (name, image) in variants {
        files.push((name.to_owned(), join(&[&start, &image.bytes(), &trailer])));
    }
    let longer = [packed(&Image::new().codes()), b"SECRET".repeat(99)].concat();
    files.push((
        "bytes behind the codes".to_owned(),
        join(&[&start, &Image::new().with_data(&longer), &trailer]),
    ));
    // All but a control, which means something.
    for label in (0..=0xff).filter(|&label| label != 0xf9) {
        let unknown = extension(label, &[b"SECRET", b"abc"]);
        files.push((format!("label {label:02x}"), join(&[&start, &unknown, &image, &unknown, &trailer])));
    }
    files
}

#[test]
fn damage_that_costs_no_pixel_is_no_damage() {
    let expected = still(&whole());
    assert_eq!(expected.damage, None);
    for (name, bytes) in harmless() {
        for animation in [Animation::FirstFrame, Animation::Keep] {
            let rendered =
                render_bytes(&bytes, &options(animation)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(rendered == expected, "{name}");
        }
    }
}

#[test]
fn a_file_cut_off_behind_its_first_image_is_whole() {
    let expected = still(&whole());
    let first = [start(), Image::new().bytes()].concat();
    let second = [control(1, Some(1)), Image::new().bytes()].concat();
    for length in 0..second.len() - 1 {
        let bytes = [&first[..], &second[..length]].concat();
        for animation in [Animation::FirstFrame, Animation::Keep] {
            let rendered = render_bytes(&bytes, &options(animation)).unwrap();
            // The last bytes of the second image are its end code alone.
            assert!(rendered == expected || frames(&rendered) == 2 && length + 4 > second.len(), "{length}");
        }
    }
}

#[test]
fn a_sanitised_original_has_the_picture_and_nothing_else() {
    for (name, bytes) in harmless() {
        let clean =
            probe(&bytes, &Limits::default()).unwrap().sanitize().unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(still(&clean) == still(&whole()), "{name}");
        assert!(!clean.windows(6).any(|word| word == b"SECRET"), "{name}");
        assert_eq!(clean.last(), Some(&b';'), "{name}");
        let again = probe(&clean, &Limits::default()).unwrap().sanitize().unwrap();
        assert!(again == clean, "{name}: once is enough");
        // Strict decoders agree.
        let strict = image::load_from_memory_with_format(&clean, image::ImageFormat::Gif);
        if !name.contains("11 bits") {
            assert_eq!(
                strict.unwrap().to_rgba8().get_pixel(40, 40).0[..3],
                COLORS[usize::from(index(40, 40))],
                "{name}"
            );
        }
    }
}

/// Whether a pixel is of this colour, as far as lossy WebP keeps it.
fn is_near(pixel: [u8; 4], color: [u8; 4]) -> bool {
    if color[3] == 0 { pixel[3] == 0 } else { pixel.iter().zip(color).all(|(a, b)| a.abs_diff(b) < 24) }
}

fn opaque([r, g, b]: [u8; 3]) -> [u8; 4] {
    [r, g, b, 255]
}

#[test]
fn an_index_beyond_the_palette_is_opaque_black() {
    let black = [0, 0, 0, 255];
    let image = Image::new().bytes();
    let [red, green, ..] = COLORS.map(opaque);
    let file = |colors: &[[u8; 3]], transparent| {
        [screen(64, 64, colors), control(0, transparent), image.clone(), b";".to_vec()].concat()
    };
    let table = [
        ("two colours", file(&COLORS[..2], None), [red, green, black, black]),
        ("no palette", file(&[], None), [black; 4]),
        ("a transparent index beyond", file(&COLORS[..2], Some(3)), [red, green, black, [0; 4]]),
        ("no palette, one transparent", file(&[], Some(1)), [black, [0; 4], black, black]),
    ];
    for (name, bytes, expected) in table {
        let picture = shown(&bytes);
        for (patch, color) in (0..4).zip(expected) {
            let pixel = picture.get_pixel(patch * 16 + 8, 8).0;
            assert!(is_near(pixel, color), "{name}, {patch}: {pixel:?}");
        }
        let clean = probe(&bytes, &Limits::default()).unwrap().sanitize().unwrap();
        assert!(still(&clean) == still(&bytes), "{name}");
    }
}

/// The ways in which codes may end behind this pixel.
fn ends_at(pixels: usize) -> Vec<(&'static str, Vec<u8>)> {
    let (start, trailer) = (start(), b";".to_vec());
    let cut = Image::cut(pixels);
    let mut invalid = cut.codes();
    let (_, width) = invalid.pop().unwrap();
    invalid.extend([((1 << width) - 1, width), (0, width), (1, width)]);
    let early = [&start[..], &cut.bytes()].concat();
    let second = [control(0, None), Image::new().bytes()].concat();
    vec![
        ("an end code", [&early[..], &trailer].concat()),
        ("an end code, another image behind", [&early[..], &second, &trailer].concat()),
        ("no more codes", [&start[..], &Image { end_code: false, ..cut.clone() }.bytes(), &trailer].concat()),
        ("an invalid code", [&start[..], &cut.with_data(&packed(&invalid)), &trailer].concat()),
        ("the end of the file", early[..early.len() - 2].to_vec()),
    ]
}

#[test]
fn rows_that_came_are_shown_and_the_rest_is_transparent() {
    for rows in [33, 40, 48, 63] {
        for (name, bytes) in ends_at(rows * SIDE) {
            let rendered = still(&bytes);
            let Some(Damage { received_percent, .. }) = rendered.damage else { panic!("{name}: no damage") };
            let exact = rows * 100 / SIDE;
            assert!(
                usize::from(received_percent).abs_diff(exact) <= 1,
                "{name}: {received_percent} %, not {exact}"
            );
            let picture = shown(&bytes);
            for (x, y) in [(8, 8), (40, 8), (8, 28), (56, 30), (24, rows - 4)] {
                let color = opaque(COLORS[usize::from(index(x, y))]);
                let pixel = picture.get_pixel(u32::try_from(x).unwrap(), u32::try_from(y).unwrap()).0;
                assert!(is_near(pixel, color), "{name}, {rows} rows, {x} {y}: {pixel:?}");
            }
            assert_eq!(picture.get_pixel(60, 63).0[3], 0, "{name}, {rows} rows");
            // A damaged photo does not move.
            assert!(render_bytes(&bytes, &options(Animation::Keep)).unwrap() == rendered, "{name}");
            let sanitized = probe(&bytes, &Limits::default()).unwrap().sanitize();
            assert_eq!(sanitized.map(drop).map_err(|e| e.code()), Err("CORRUPT_IMAGE"), "{name}");
        }
    }
}

#[test]
fn less_than_half_of_a_picture_is_refused() {
    let refusing = RenderOptions { damaged_photos: DamagedPhotos::Refuse, ..options(Animation::FirstFrame) };
    let code =
        |bytes: &[u8], options: &RenderOptions| render_bytes(bytes, options).map(drop).map_err(|e| e.code());
    for pixels in [0, 1, SIDE * 31] {
        for (name, bytes) in ends_at(pixels) {
            assert_eq!(code(&bytes, &options(Animation::Keep)), Err("CORRUPT_IMAGE"), "{name}, {pixels}");
        }
    }
    for (name, bytes) in ends_at(SIDE * 60) {
        assert_eq!(code(&bytes, &options(Animation::FirstFrame)), Ok(()), "{name}");
        assert_eq!(code(&bytes, &refusing), Err("CORRUPT_IMAGE"), "{name}");
    }
    for (_, bytes) in harmless() {
        assert_eq!(code(&bytes, &refusing), Ok(()));
    }
}

#[test]
fn a_file_without_an_image_is_corrupt() {
    let image = Image::new().bytes();
    let colors_of = |code_size| Image { code_size, ..Image::new() }.with_data(&[1; 999]);
    let files = [
        ("a trailer alone", vec![start(), b";".to_vec()]),
        ("nothing behind the palette", vec![start()]),
        ("half a palette", vec![start()[..19].to_vec()]),
        ("half a descriptor", vec![start(), image[..6].to_vec()]),
        ("a descriptor alone", vec![start(), image[..10].to_vec()]),
        ("no data", vec![start(), image[..11].to_vec()]),
        ("junk before the image", vec![start(), b"\x55".to_vec(), image.clone()]),
        ("an image of no width", vec![start(), Image { size: (0, 9), ..Image::new() }.bytes()]),
        ("colours of 12 bits", vec![start(), colors_of(12)]),
        ("colours of 68 bits", vec![start(), colors_of(68)]),
        ("colours of 255 bits", vec![start(), colors_of(255)]),
    ];
    for (name, parts) in files {
        let bytes = parts.concat();
        let result = render_bytes(&bytes, &options(Animation::FirstFrame));
        assert_eq!(result.map(drop).map_err(|e| e.code()), Err("CORRUPT_IMAGE"), "{name}");
        let sanitized = probe(&bytes, &Limits::default()).and_then(|photo| photo.sanitize());
        assert_eq!(sanitized.map(drop).map_err(|e| e.code()), Err("CORRUPT_IMAGE"), "{name}");
    }
}

#[test]
fn rows_that_an_interlaced_image_lacks_are_as_those_above() {
    // Passes of 8, 8, 16 and 32 rows: all of the first three, and ten rows and a quarter of the last.
    let bytes = [start(), Image::cut((32 + 10) * SIDE + 16).interlaced().bytes(), b";".to_vec()].concat();
    assert_eq!(still(&bytes).damage.map(|damage| damage.received_percent), Some(66));
    // The patches are as high as two steps of the first pass, so that nothing shows.
    assert!(still(&bytes).variants == still(&whole()).variants);
    // Two thirds of the file are cut off: rows of the third pass are missing.
    let early = Image::cut(8 * SIDE + 4 * SIDE).interlaced();
    let result = render_bytes(&[start(), early.bytes()].concat(), &options(Animation::FirstFrame));
    assert_eq!(result.map(drop).map_err(|e| e.code()), Err("CORRUPT_IMAGE"));
}

#[test]
fn an_animation_with_a_damaged_image_is_its_first() {
    let expected = still(&whole());
    let keep = |bytes: &[u8]| render_bytes(bytes, &options(Animation::Keep)).unwrap();
    let (start, image) = ([start(), control(1, None)].concat(), Image::new().bytes());
    let other = Image { indices: vec![2; SIDE * SIDE], ..Image::new() };
    let second = [control(1, None), other.bytes()].concat();
    let third = [control(1, None), image.clone()].concat();
    assert_eq!(frames(&keep(&[&start[..], &image, &second, &third, b";"].concat())), 3);
    for pixels in [0, 100, SIDE * 63] {
        let damaged = [control(1, None), Image::cut(pixels).bytes()].concat();
        let bytes = [&start[..], &image, &second, &damaged, &third, b";"].concat();
        assert!(keep(&bytes) == expected, "{pixels}");
        // The sanitised original ends before it.
        let clean = probe(&bytes, &Limits::default()).unwrap().sanitize().unwrap();
        assert_eq!(frames(&keep(&clean)), 2, "{pixels}");
        assert!(still(&clean) == expected);
    }
    // What came before the file was cut off moves.
    let cut = [&start[..], &image, &second, &third[..third.len() / 2]].concat();
    assert_eq!(frames(&keep(&cut)), 2);
}

#[test]
fn images_that_are_not_decoded_are_not_counted() {
    let images = Image::new().bytes().repeat(1001);
    let bytes = [&start()[..], &images, b";"].concat();
    for animation in [Animation::FirstFrame, Animation::Keep] {
        assert!(render_bytes(&bytes, &options(animation)).unwrap() == still(&whole()));
    }
    for name in ["frame-bomb.gif", "frame-bomb.webp"] {
        let rendered = render_bytes(&read(name), &options(Animation::Keep)).unwrap();
        assert_eq!(frames(&rendered), 1, "{name}");
    }
}

#[test]
fn floods_of_zeros_and_codes_are_bounded() {
    const LENGTH: usize = 31_000_000;
    let image = Image::new();
    let zeros = [&start()[..], &vec![0; LENGTH], &image.bytes(), b";"].concat();
    let job = Job { sanitize: true, ..Job::default() };
    let cost = measure(&zeros, &job);
    assert_eq!(cost.outcome, Ok(()));
    assert!(cost.cpu < Duration::from_secs(5) && cost.peak < 100 * MIB, "{cost:?}");
    // Codes that make no pixel.
    let clears = packed(&[(4, 3); 8])[..3].repeat(LENGTH / 3);
    let codes = [&start()[..], &image.with_data(&[clears, packed(&image.codes())].concat()), b";"].concat();
    let deadline = Some(Duration::from_millis(100));
    let cost = measure(&codes, &Job { deadline, ..job });
    assert_eq!(cost.outcome, Err("PROCESSING_TIMEOUT".to_owned()));
    assert!(cost.cpu < Duration::from_secs(3), "{cost:?}");
}
