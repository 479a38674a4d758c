//! WebP: the header, the colour profile, and each bitstream with its alpha.

use image::metadata::Orientation;

use super::{profile, tiff};
use crate::error::ImagingError;
use crate::format::Format;
use crate::probe::Cursor;
use crate::probe::webp::{self, chunk, put_chunk};

/// Flags of `VP8X`.
const ANIMATION: u8 = 0x02;
const EXIF: u8 = 0x08;
const ALPHA: u8 = 0x10;
const ICC: u8 = 0x20;

/// Flags of a frame of an animation: disposal and blending.
const FRAME_FLAGS: u8 = 0x03;

/// What is shown of a file.
#[derive(Default)]
struct Chunks<'a> {
    /// Flags of `VP8X`, if there is one.
    flags: Option<u8>,
    profile: Option<&'a [u8]>,
    animation: Option<[u8; 6]>,
    frames: Vec<&'a [u8]>,
    still: Picture<'a>,
}

/// A bitstream and its alpha.
#[derive(Default)]
struct Picture<'a> {
    alpha: Option<&'a [u8]>,
    bitstream: Option<([u8; 4], &'a [u8])>,
}

impl<'a> Picture<'a> {
    /// The first of each kind counts, and alpha that stands in front of its bitstream.
    fn add(&mut self, kind: [u8; 4], data: &'a [u8], may_have_alpha: bool) {
        match &kind {
            b"ALPH" if self.bitstream.is_none() => self.alpha = self.alpha.or(Some(data)),
            b"VP8 " | b"VP8L" if self.bitstream.is_none() => {
                // Of lossless pictures, alpha is in the bitstream.
                self.alpha = self.alpha.filter(|_| may_have_alpha && &kind == b"VP8 ");
                self.bitstream = Some((kind, data));
            }
            _ => {}
        }
    }

    fn write(&self, (width, height): (u32, u32), out: &mut Vec<u8>) -> Option<()> {
        let (kind, data) = self.bitstream?;
        if let Some(alpha) = self.alpha {
            put_chunk(out, *b"ALPH", &alpha_plane(alpha, width, height)?)?;
        }
        put_chunk(out, kind, data)
    }
}

pub(super) fn write(
    bytes: &[u8],
    size: (u32, u32),
    orientation: Orientation,
    out: &mut Vec<u8>,
) -> Result<(), ImagingError> {
    let damaged = || ImagingError::corrupt(Format::WebP, "the file ends inside a chunk");
    let chunks = read(bytes).ok_or_else(damaged)?;
    put(&chunks, size, orientation, out).ok_or_else(damaged)
}

fn read(bytes: &[u8]) -> Option<Chunks<'_>> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(4)?;
    let size = usize::try_from(cursor.u32_le()?).ok()?;
    let mut cursor = Cursor::new(cursor.take(size.min(cursor.rest().len()))?);
    cursor.take(4)?;
    let mut found = Chunks { profile: webp::icc(bytes), ..Chunks::default() };
    // Where the header does not come first, or a frame is damaged, the first frame is shown alone.
    let moves = webp::frames(bytes).is_some();
    while let Some((kind, data)) = chunk(&mut cursor) {
        match &kind {
            b"VP8X" => found.flags = found.flags.or(data.first().copied()),
            // The last counts, as in the walk over the frames.
            b"ANIM" => found.animation = data.first_chunk().copied(),
            b"ANMF" if moves || found.frames.is_empty() => found.frames.push(data),
            _ => found.still.add(kind, data, found.flags.is_some_and(|flags| flags & ALPHA != 0)),
        }
    }
    Some(found)
}

fn put(chunks: &Chunks<'_>, size: (u32, u32), orientation: Orientation, out: &mut Vec<u8>) -> Option<()> {
    let turned = orientation != Orientation::NoTransforms;
    out.extend_from_slice(b"RIFF\0\0\0\0WEBP");
    // Only behind a header can a file say that it is to be turned.
    if let Some(flags) = chunks.flags.or(turned.then_some(0)) {
        let profile = chunks.profile.and_then(|profile| profile::clean(profile, profile::COLOR));
        let flag = |flag: u8, set: bool| if set { flag } else { 0 };
        let flags = flags & ALPHA
            | flag(ANIMATION, !chunks.frames.is_empty())
            | flag(EXIF, turned)
            | flag(ICC, profile.is_some());
        let [w0, w1, w2, _] = size.0.checked_sub(1)?.to_le_bytes();
        let [h0, h1, h2, _] = size.1.checked_sub(1)?.to_le_bytes();
        put_chunk(out, *b"VP8X", &[flags, 0, 0, 0, w0, w1, w2, h0, h1, h2])?;
        if let Some(profile) = &profile {
            put_chunk(out, *b"ICCP", profile)?;
        }
        if chunks.frames.is_empty() {
            chunks.still.write(size, out)?;
        } else {
            // Browsers show no background. Frames are shown for ever, if it is not said how often.
            let [_, _, _, _, low, high] = chunks.animation.unwrap_or_default();
            put_chunk(out, *b"ANIM", &[0, 0, 0, 0, low, high])?;
            for &data in &chunks.frames {
                put_chunk(out, *b"ANMF", &frame(data)?)?;
            }
        }
        if turned {
            put_chunk(out, *b"EXIF", &tiff(orientation))?;
        }
    } else {
        // Without a header, a file is its first bitstream.
        chunks.still.write(size, out)?;
    }
    let length = u32::try_from(out.len().checked_sub(8)?).ok()?;
    out.get_mut(4..8)?.copy_from_slice(&length.to_le_bytes());
    Some(())
}

/// A frame of an animation: its place, its time and its picture.
fn frame(data: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(data);
    let mut header: [u8; 16] = cursor.array()?;
    let [_, _, _, _, _, _, w0, w1, w2, h0, h1, h2, ..] = header;
    let size = (u32::from_le_bytes([w0, w1, w2, 0]) + 1, u32::from_le_bytes([h0, h1, h2, 0]) + 1);
    header[15] &= FRAME_FLAGS;
    let mut out = header.to_vec();
    let mut picture = Picture::default();
    while let Some((kind, data)) = chunk(&mut cursor) {
        picture.add(kind, data, true);
    }
    picture.write(size, &mut out)?;
    Some(out)
}

/// An alpha plane without reserved bits, and without a tail if it is not compressed. The end of a compressed one is known to a
/// decoder alone.
fn alpha_plane(data: &[u8], width: u32, height: u32) -> Option<Vec<u8>> {
    /// Preprocessing, filter and compression.
    const METHODS: u8 = 0x3f;
    const COMPRESSION: u8 = 0x03;
    let (&info, mut rest) = data.split_first()?;
    if info & COMPRESSION == 0 {
        let pixels = usize::try_from(u64::from(width) * u64::from(height)).ok()?;
        rest = rest.get(..pixels).unwrap_or(rest);
    }
    let mut out = Vec::with_capacity(rest.len() + 1);
    out.push(info & METHODS);
    out.extend_from_slice(rest);
    Some(out)
}
