//! The chunks of a RIFF container, as far as a file has them.

/// Bytes in front of the first chunk: `RIFF`, the size, `WEBP`.
const FILE_HEADER: usize = 12;
/// Bytes in front of a chunk's content: its kind and its length.
const HEADER: usize = 8;

/// Kinds that a decoder knows.
const KNOWN: [&[u8; 4]; 9] =
    [b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "];

/// Kind and content of a chunk.
pub(crate) type Chunk<'a> = ([u8; 4], &'a [u8]);

/// Walks through chunks. One that reaches beyond the end of the file ends there, and is the last one. An odd one whose
/// padding byte is missing ends where a known chunk begins.
#[derive(Clone)]
pub(crate) struct Chunks<'a> {
    rest: &'a [u8],
    /// How many bytes of `rest` belong to the container by its size.
    inside: usize,
    /// Whether the picture has come.
    has_picture: bool,
}

impl<'a> Chunks<'a> {
    /// Of a file. What begins behind the end of the container is not the photo's, unless the container ends
    /// in front of the picture's end, so that its size is wrong.
    pub(crate) fn of_file(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<FILE_HEADER>()?;
        let [_, _, _, _, size @ .., _, _, _, _] = *header;
        let size = usize::try_from(u32::from_le_bytes(size)).unwrap_or(usize::MAX);
        // The size counts `WEBP`.
        Some(Self { rest, inside: size.saturating_sub(4), has_picture: false })
    }

    /// Of a frame of an animation: what stands behind the frame's own header.
    pub(crate) fn of_frame(data: &'a [u8]) -> Self {
        Self { rest: data, inside: data.len(), has_picture: false }
    }

    fn pass(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
        self.inside = self.inside.saturating_sub(count);
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_picture && self.inside == 0 {
            return None;
        }
        let (&[k0, k1, k2, k3, length @ ..], rest) = self.rest.split_first_chunk::<HEADER>()?;
        let kind = [k0, k1, k2, k3];
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let data = rest.get(..length).unwrap_or(rest);
        if matches!(&kind, b"VP8 " | b"VP8L" | b"ANMF") {
            self.has_picture = true;
            if HEADER + data.len() > self.inside {
                self.inside = self.rest.len();
            }
        }
        self.pass(HEADER + data.len());
        let next = self.rest.first_chunk::<4>();
        if data.len() % 2 == 1 && !next.is_some_and(|kind| KNOWN.contains(&kind)) {
            self.pass(1);
        }
        Some((kind, data))
    }
}
