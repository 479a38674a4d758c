//! RIFF around the frame: RFC 9649, 2.

use crate::EncodeError;

/// In `VP8X`: there is alpha.
const ALPHA: u8 = 0x10;

/// A file of a frame alone, or with the data of an `ALPH` chunk.
pub(crate) fn file(
    frame: &[u8],
    alpha: Option<&[u8]>,
    (width, height): (u32, u32),
) -> Result<Vec<u8>, EncodeError> {
    let padded = |data: &[u8]| 8 + data.len().next_multiple_of(2);
    let extended = alpha.map(|_| {
        let [right, bottom] = [width - 1, height - 1].map(u32::to_le_bytes);
        [ALPHA, 0, 0, 0, right[0], right[1], right[2], bottom[0], bottom[1], bottom[2]]
    });
    let size = 4 + padded(frame) + alpha.map_or(0, padded) + extended.as_ref().map_or(0, |data| padded(data));
    let mut file = Vec::with_capacity(size + 8);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&length(size)?);
    file.extend_from_slice(b"WEBP");
    for (kind, data) in
        [(b"VP8X", extended.as_ref().map(<[u8; 10]>::as_slice)), (b"ALPH", alpha), (b"VP8 ", Some(frame))]
    {
        if let Some(data) = data {
            file.extend_from_slice(kind);
            file.extend_from_slice(&length(data.len())?);
            file.extend_from_slice(data);
            file.resize(file.len().next_multiple_of(2), 0);
        }
    }
    Ok(file)
}

/// A file of a lossless picture.
pub(crate) fn lossless_file(stream: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let padded = stream.len().next_multiple_of(2);
    let mut file = Vec::with_capacity(padded + 20);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&length(padded + 12)?);
    file.extend_from_slice(b"WEBPVP8L");
    file.extend_from_slice(&length(stream.len())?);
    file.extend_from_slice(stream);
    file.resize(padded + 20, 0);
    Ok(file)
}

fn length(bytes: usize) -> Result<[u8; 4], EncodeError> {
    u32::try_from(bytes).map(u32::to_le_bytes).map_err(|_| EncodeError::TooLarge)
}
