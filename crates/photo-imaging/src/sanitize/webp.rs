//! WebP: the header, the colour profile, and each bitstream with its alpha.

use image::metadata::Orientation;

use super::{profile, tiff};
use crate::decode::webp::within;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::webp::{self, Extended, flag, put_chunk};

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

    /// Writes each stream up to the end that its decoder finds.
    fn write(&self, size: (u32, u32), limits: &Limits, out: &mut Vec<u8>) -> Result<(), ImagingError> {
        let (kind, data) = self.bitstream.ok_or_else(damaged)?;
        if let Some(alpha) = self.alpha {
            put(out, *b"ALPH", &alpha_plane(alpha, size, limits)?)?;
        }
        if &kind == b"VP8L" {
            let length = within(limits, |limits| photo_webp::lossless_length(data, limits));
            put(out, kind, up_to(data, length)?)
        } else {
            put(out, kind, &within(limits, |limits| photo_webp::trim_frame(data, limits.should_stop))?)
        }
    }
}

pub(super) fn write(
    bytes: &[u8],
    size: (u32, u32),
    orientation: Orientation,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), ImagingError> {
    let chunks = read(bytes).ok_or_else(damaged)?;
    put_all(&chunks, size, orientation, limits, out)
}

fn damaged() -> ImagingError {
    ImagingError::corrupt(Format::WebP, "the file ends inside a chunk")
}

fn put(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Result<(), ImagingError> {
    put_chunk(out, kind, data).ok_or_else(damaged)
}

/// Returns the part of a stream that its decoder reads. A later frame that takes more memory than the renderer may have is not
/// decoded there either: the animation ends before it.
fn up_to(data: &[u8], length: Result<usize, ImagingError>) -> Result<&[u8], ImagingError> {
    match length {
        Err(ImagingError::TooMuchMemory { .. }) => Err(damaged()),
        length => data.get(..length?).ok_or_else(damaged),
    }
}

fn read(bytes: &[u8]) -> Option<Chunks<'_>> {
    let mut found = Chunks { profile: webp::icc(bytes), ..Chunks::default() };
    // Where the header does not come first, or a frame is damaged, the first frame is shown alone.
    let moves = webp::frames(bytes).is_some();
    for (kind, data) in webp::Chunks::of_file(bytes)? {
        match &kind {
            b"VP8X" if found.still.bitstream.is_none() && found.frames.is_empty() => {
                found.flags = found.flags.or(Extended::parse(data).map(|header| header.flags));
            }
            // The last counts, as in the walk over the frames.
            b"ANIM" => found.animation = data.first_chunk().copied(),
            b"ANMF" if moves || found.frames.is_empty() => found.frames.push(data),
            _ => found.still.add(kind, data, found.flags.is_some_and(|flags| flags & flag::ALPHA != 0)),
        }
    }
    Some(found)
}

fn put_all(
    chunks: &Chunks<'_>,
    size: (u32, u32),
    orientation: Orientation,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), ImagingError> {
    let turned = orientation != Orientation::NoTransforms;
    out.extend_from_slice(b"RIFF\0\0\0\0WEBP");
    // Only behind a header can a file say that it is to be turned.
    if let Some(flags) = chunks.flags.or(turned.then_some(0)) {
        let profile = chunks.profile.and_then(|profile| profile::clean(profile, profile::COLOR));
        let set = |flag: u8, set: bool| if set { flag } else { 0 };
        let flags = flags & flag::ALPHA
            | set(flag::ANIMATION, !chunks.frames.is_empty())
            | set(flag::EXIF, turned)
            | set(flag::ICC, profile.is_some());
        let [w0, w1, w2, _] = size.0.checked_sub(1).ok_or_else(damaged)?.to_le_bytes();
        let [h0, h1, h2, _] = size.1.checked_sub(1).ok_or_else(damaged)?.to_le_bytes();
        put(out, *b"VP8X", &[flags, 0, 0, 0, w0, w1, w2, h0, h1, h2])?;
        if let Some(profile) = &profile {
            put(out, *b"ICCP", profile)?;
        }
        if chunks.frames.is_empty() {
            chunks.still.write(size, limits, out)?;
        } else {
            // Browsers show no background. Frames are shown for ever, if it is not said how often.
            let [_, _, _, _, low, high] = chunks.animation.unwrap_or_default();
            put(out, *b"ANIM", &[0, 0, 0, 0, low, high])?;
            for (index, &data) in chunks.frames.iter().enumerate() {
                match frame(data, limits) {
                    // Browsers stop at a frame that cannot be decoded. A first one is an error, as it is in the renderer.
                    Err(ImagingError::Corrupt { .. }) if index > 0 => break,
                    frame => put(out, *b"ANMF", &frame?)?,
                }
            }
        }
        if turned {
            put(out, *b"EXIF", &tiff(orientation))?;
        }
    } else {
        // Without a header, a file is its first bitstream.
        chunks.still.write(size, limits, out)?;
    }
    let length =
        out.len().checked_sub(8).and_then(|length| u32::try_from(length).ok()).ok_or_else(damaged)?;
    out.get_mut(4..8).ok_or_else(damaged)?.copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// A frame of an animation: its place, its time and its picture.
fn frame(data: &[u8], limits: &Limits) -> Result<Vec<u8>, ImagingError> {
    let (header, chunks) = data.split_first_chunk::<16>().ok_or_else(damaged)?;
    let mut picture = Picture::default();
    for (kind, data) in webp::Chunks::of_frame(chunks) {
        picture.add(kind, data, true);
    }
    let (kind, bitstream) = picture.bitstream.ok_or_else(damaged)?;
    let size = webp::bitstream_size(kind, bitstream)?;
    let less_one = |length: u32| length.checked_sub(1).map(u32::to_le_bytes).ok_or_else(damaged);
    let ([w0, w1, w2, _], [h0, h1, h2, _]) = (less_one(size.0)?, less_one(size.1)?);
    let mut header = *header;
    header[6..12].copy_from_slice(&[w0, w1, w2, h0, h1, h2]);
    header[15] &= FRAME_FLAGS;
    let mut out = header.to_vec();
    picture.write(size, limits, &mut out)?;
    Ok(out)
}

/// An alpha plane without reserved bits and without a tail.
fn alpha_plane(data: &[u8], size: (u32, u32), limits: &Limits) -> Result<Vec<u8>, ImagingError> {
    /// Preprocessing, filter and compression.
    const METHODS: u8 = 0x3f;
    let length = within(limits, |limits| photo_webp::alpha_length(data, size, limits));
    let mut out = up_to(data, length)?.to_vec();
    *out.first_mut().ok_or_else(damaged)? &= METHODS;
    Ok(out)
}
