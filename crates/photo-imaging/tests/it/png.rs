//! PNGs that other programs show, and what must come of them. Each expectation was seen in Chromium 156, and where Chromium shows
//! nothing, in libvips.

mod colors;
mod damage;
mod frames;

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::RgbaImage;
use photo_imaging::{ImagingError, OutputFormat, RenderOptions, Rendered, probe};

use crate::support::{inside, open, render_bytes};

/// Chunks that stand in front of the image data.
type Chunks = Vec<Vec<u8>>;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Length and name of a chunk, content, and the checksum that is given.
fn chunk_with_checksum(kind: [u8; 4], data: &[u8], checksum: u32) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes(), &kind[..], data, &checksum.to_be_bytes()].concat()
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(&kind);
    crc.update(data);
    chunk_with_checksum(kind, data, crc.sum())
}

/// The same with a wrong checksum.
fn damaged(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = chunk(kind, data);
    *chunk.last_mut().unwrap() ^= 0x55;
    chunk
}

fn be32(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn header((width, height): (u32, u32), depth: u8, colour: u8, interlaced: bool) -> Vec<u8> {
    let fields = [depth, colour, 0, 0, u8::from(interlaced)];
    chunk(*b"IHDR", &[&be32(&[width, height])[..], &fields].concat())
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn end() -> Vec<u8> {
    chunk(*b"IEND", &[])
}

/// A file of these chunks.
fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    [SIGNATURE.to_vec(), chunks.concat()].concat()
}

const SIZE: (u32, u32) = (96, 64);

/// Rows, each behind its filter, of pixels of a function of the place.
fn rows<const N: usize>(
    (width, height): (u32, u32),
    filter: u8,
    pixel: impl Fn(u8, u8) -> [u8; N],
) -> Vec<u8> {
    let at = |n: u32| u8::try_from(n).unwrap();
    let row = |y: u32| (0..width).flat_map(move |x| [at(x), at(y)]).collect::<Vec<_>>();
    (0..height)
        .flat_map(|y| {
            let pixels =
                row(y).as_chunks::<2>().0.iter().flat_map(|&[x, y]| pixel(x, y)).collect::<Vec<u8>>();
            [vec![filter], pixels].concat()
        })
        .collect()
}

/// A picture whose every row and column differs.
fn gradient() -> Vec<u8> {
    rows(SIZE, 0, |x, y| [x * 2, y * 3, 255 - x - y])
}

fn data(stream: &[u8]) -> Vec<u8> {
    chunk(*b"IDAT", stream)
}

/// An RGB picture with chunks in front of its data and behind it.
fn with(before: &[Vec<u8>], behind: &[Vec<u8>]) -> Vec<u8> {
    let start =
        [vec![header(SIZE, 8, 2, false)], before.to_vec(), vec![data(&deflated(&gradient()))]].concat();
    file(&[start, behind.to_vec(), vec![end()]].concat())
}

/// The same, of this image data.
fn of(chunks: &[Vec<u8>]) -> Vec<u8> {
    file(&[vec![header(SIZE, 8, 2, false)], chunks.to_vec(), vec![end()]].concat())
}

fn options() -> RenderOptions {
    RenderOptions::new(vec![inside(96, OutputFormat::WebP), inside(40, OutputFormat::WebP)])
}

fn shown(bytes: &[u8]) -> Result<Rendered, ImagingError> {
    render_bytes(bytes, &options())
}

/// The first variant, which has the picture's own size up to 96 px.
fn pixels(bytes: &[u8]) -> RgbaImage {
    let rendered = shown(bytes).unwrap_or_else(|e| panic!("{e}"));
    open(&rendered.variants[0]).to_rgba8()
}

#[track_caller]
fn assert_same(name: &str, bytes: &[u8], control: &Rendered) {
    let rendered = shown(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(rendered == *control, "{name}: looks otherwise, {:?}", rendered.damage);
}

/// What is left of the photo without metadata.
fn sanitized(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    probe(bytes, &photo_imaging::Limits::default()).unwrap().sanitize().map_err(|e| e.code())
}
