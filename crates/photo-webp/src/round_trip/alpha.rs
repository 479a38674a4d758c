//! Alpha, decoded by two decoders that are not ours.

use super::*;

/// By libwebp, and by image-webp. Our own decoder has to see what libwebp does.
fn decoded(file: &[u8]) -> [Vec<u8>; 2] {
    let alpha = |pixels: &[u8]| pixels.iter().skip(3).step_by(4).copied().collect();
    let (libwebp, ..) = webpx::decode_rgba(file).unwrap();
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).unwrap();
    assert!(decoder.has_alpha());
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    decoder.read_image(&mut pixels).unwrap();
    let libwebp: Vec<u8> = alpha(&libwebp);
    // Behind the headers of RIFF and `VP8X`.
    assert_eq!(&file[30..34], b"ALPH");
    let length = u32::from_le_bytes(file[34..38].try_into().unwrap()) as usize;
    let limits = &mut DecodeLimits { max_memory_bytes: 1 << 30, should_stop: &mut || false };
    let own = decode_alpha(&file[38..38 + length], decoder.dimensions(), limits).unwrap();
    assert!(own.samples == libwebp && own.loss.is_none(), "our decoder differs");
    [libwebp, alpha(&pixels)]
}

/// Encodes and has both decoders find this very alpha.
fn check(picture: &Picture, alpha: &[u8], options: Options) -> Vec<u8> {
    let file = encode_with_alpha(&picture.planes(), alpha, options).unwrap();
    let [libwebp, image] = decoded(&file);
    assert!(libwebp == alpha, "libwebp differs");
    assert!(image == alpha, "image-webp differs");
    file
}

/// What alpha looks like: cut out, soft, one value, few values, noise, waves that wrap.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates or wraps")]
fn alphas(width: u32, height: u32) -> Vec<Vec<u8>> {
    let mut grain = noise(5);
    let mut grain = move |share: u8| grain(0, 0, 0) / share;
    let (x0, y0) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    let far = move |x: u32, y: u32| (f64::from(x) - x0).hypot(f64::from(y) - y0) / (x0 + y0);
    let kinds: [Box<dyn FnMut(u32, u32) -> u8>; 9] = [
        Box::new(move |x, y| if far(x, y) < 0.4 { 255 } else { 0 }),
        Box::new(move |x, y| (300.0 - 400.0 * far(x, y)) as u8),
        Box::new(|_, _| 0),
        Box::new(|_, _| 254),
        Box::new(|x, y| ((x / 3 + y / 5) % 3 * 100) as u8),
        Box::new(|x, y| ((x / 2 + y / 3) % 16 * 16) as u8),
        Box::new(|x, y| (x * 3 + y * 2) as u8),
        Box::new(|x, y| (x * x / 9 + y * y / 5) as u8),
        Box::new(move |x, _| grain(if x % 2 == 0 { 1 } else { 64 })),
    ];
    let plane = |mut kind: Box<dyn FnMut(u32, u32) -> u8>| -> Vec<u8> {
        let mut plane: Vec<u8> = (0..width * height).map(|i| kind(i % width, i / width)).collect();
        // What is all opaque has no alpha.
        plane[0] = plane[0].min(254);
        plane
    };
    kinds.into_iter().map(plane).collect()
}

#[test]
fn alpha_is_exact_at_every_size() {
    for (width, height) in [
        (1, 1),
        (1, 2),
        (2, 1),
        (1, 300),
        (300, 1),
        (7, 5),
        (8, 8),
        (17, 9),
        (9, 17),
        (131, 67),
        (300, 200),
        (MAX_SIDE, 1),
        (1, MAX_SIDE),
        (MAX_SIDE, 9),
    ] {
        let picture = scene(width, height);
        for alpha in alphas(width, height) {
            check(&picture, &alpha, at(60));
        }
    }
}

#[test]
fn one_level_of_alpha_beside_opacity_is_kept() {
    let picture = scene(40, 30);
    for place in [0, 39, 600, 1199] {
        let mut alpha = vec![255; 1200];
        alpha[place] = 254;
        check(&picture, &alpha, at(60));
    }
    let opaque = encode_with_alpha(&picture.planes(), &[255; 1200], at(60)).unwrap();
    assert_eq!(opaque, encode(&picture.planes(), at(60)).unwrap());
}

#[test]
fn seen_colours_stay_as_they_are_and_hidden_ones_cost_nothing() {
    let picture = scene(100, 80);
    let opaque = encode(&picture.planes(), at(80)).unwrap();
    // Behind the headers of RIFF and VP8.
    let frame = &opaque[20..];
    let veiled = check(&picture, &[1; 8000], at(80));
    assert!(veiled.windows(frame.len()).any(|window| window == frame), "another frame");
    let hidden = check(&picture, &[0; 8000], at(80));
    assert!(hidden.len() < 500, "{} bytes", hidden.len());
}

#[test]
fn alpha_of_another_size_is_an_error() {
    let picture = scene(5, 5);
    for found in [0, 24, 26] {
        let refused = encode_with_alpha(&picture.planes(), &vec![9; found], at(75));
        assert_eq!(refused, Err(EncodeError::Samples { found, expected: 25 }));
    }
    let planes = Planes { width: 0, height: 1, y: &[], u: &[], v: &[] };
    assert_eq!(encode_with_alpha(&planes, &[], at(75)), Err(EncodeError::Size { width: 0, height: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_alpha_is_exact(
        width in 1_u32..90,
        height in 1_u32..90,
        seed: u32,
        values in 1_u8..=255,
        repeat in 1_usize..40,
        period in 1_usize..3000,
    ) {
        let mut noise = noise(seed);
        // Runs of random values, which come again after a while.
        let count = (width * height) as usize;
        let mut alpha: Vec<u8> = Vec::new();
        while alpha.len() < count {
            let value = noise(0, 0, 0) % values;
            alpha.extend(std::iter::repeat_n(value, 1 + usize::from(noise(0, 0, 0)) % repeat));
        }
        alpha.truncate(count);
        for i in period..count {
            alpha[i] = alpha[i - period];
        }
        check(&scene(width, height), &alpha, at(60));
    }
}
