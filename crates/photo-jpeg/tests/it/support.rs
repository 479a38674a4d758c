//! Files and other decoders.

use std::path::PathBuf;

use photo_jpeg::{CodedPart, Decoded, Error, Jpeg, Picture, Scale, Scales};

/// The JPEG files of the imaging crate.
fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "photo-imaging", "testdata"].iter().collect()
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// All of the folder's that are whole, without those whose colours decoders tell in different ways.
pub(crate) fn right_files() -> Vec<String> {
    let wrong =
        ["truncated", "garbled", "bomb", "empty", "not-an", "no-end", "regression", "odd-cmyk", "odd-jfif"];
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".jpg") && !wrong.iter().any(|word| name.contains(word)))
        .collect();
    names.sort();
    assert!(names.len() > 20, "the folder is there");
    names
}

pub(crate) fn scale(eighths: u8) -> Scale {
    Scale::new(eighths).unwrap()
}

pub(crate) fn decoded_at(bytes: &[u8], eighths: u8) -> Result<Decoded, Error> {
    Jpeg::parse(bytes)?.decode(Scales::same(scale(eighths)), &mut || false)
}

/// The picture of a file that must be whole: a loss is an error here.
pub(crate) fn decode_at(bytes: &[u8], eighths: u8) -> Result<Picture, Error> {
    let decoded = decoded_at(bytes, eighths)?;
    decoded.loss.map_or(Ok(decoded.picture), |loss| Err(Error::Corrupt(loss.reason)))
}

/// A file written anew of its coded parts.
pub(crate) fn rewritten(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = vec![0xff, 0xd8];
    let mut intervals = 0;
    let mut put = |part: CodedPart<'_>| match part {
        CodedPart::Segment { marker, body } => {
            intervals = 0;
            out.extend([0xff, marker]);
            out.extend((body.len() as u16 + 2).to_be_bytes());
            out.extend(body);
        }
        CodedPart::Data(data) => {
            if intervals > 0 {
                out.extend([0xff, 0xd0 | ((intervals - 1) & 7) as u8]);
            }
            intervals += 1;
            out.extend(data);
        }
    };
    Jpeg::parse(bytes)?.coded_parts(&mut put, &mut || false)?;
    out.extend([0xff, 0xd9]);
    Ok(out)
}

/// The segments of a file before its first scan's data: marker, start and end.
pub(crate) fn segments(bytes: &[u8]) -> Vec<(u8, usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 2);
    loop {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        found.push((bytes[at + 1], at, at + 2 + length));
        if bytes[at + 1] == 0xda {
            return found;
        }
        at += 2 + length;
    }
}

/// Where the first scan's data begin.
pub(crate) fn data_start(bytes: &[u8]) -> usize {
    segments(bytes).last().unwrap().2
}

/// Places of the markers behind the first scan's header.
pub(crate) fn markers(bytes: &[u8]) -> Vec<usize> {
    let start = data_start(bytes);
    (start..bytes.len() - 1).filter(|&at| bytes[at] == 0xff && !matches!(bytes[at + 1], 0 | 0xff)).collect()
}

/// By zune-jpeg, in the file's own channels, or RGB for YCbCr.
pub(crate) fn by_zune(bytes: &[u8]) -> Vec<u8> {
    use zune_core::bytestream::ZCursor;
    use zune_core::colorspace::ColorSpace;
    use zune_core::options::DecoderOptions;
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().unwrap();
    let wanted = match decoder.input_colorspace().unwrap() {
        ColorSpace::YCbCr => ColorSpace::RGB,
        other => other,
    };
    let options = options.jpeg_set_out_colorspace(wanted);
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().unwrap()
}

/// Largest difference, and peak signal-to-noise ratio in dB.
pub(crate) fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let most = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    let squares: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    (most, 10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1) as f64).log10())
}

/// A smooth picture with edges, RGB.
pub(crate) fn painted(width: u16, height: u16) -> Vec<u8> {
    let (w, h) = (usize::from(width), usize::from(height));
    let mut pixels = Vec::with_capacity(w * h * 3);
    for y in 0..h {
        for x in 0..w {
            let wave = ((x as f64 / 9.0).sin() * (y as f64 / 7.0).cos() * 60.0 + 120.0) as u8;
            let edge = if (x / 23 + y / 17) % 2 == 0 { 40 } else { 0 };
            pixels.extend([wave + edge, (x * 200 / w) as u8, (y * 200 / h) as u8 + edge]);
        }
    }
    pixels
}

/// By jpeg-encoder.
pub(crate) fn encoded(
    size: (u16, u16),
    color: jpeg_encoder::ColorType,
    pixels: &[u8],
    set: impl FnOnce(&mut jpeg_encoder::Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 92);
    set(&mut encoder);
    encoder.encode(pixels, size.0, size.1, color).unwrap();
    bytes
}
