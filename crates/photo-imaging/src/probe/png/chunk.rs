//! Chunks: length, kind, data and checksum.

use super::Cursor;

/// One chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) kind: [u8; 4],
    /// Up to the end of the file at most.
    pub(crate) data: &'a [u8],
    /// `None` if the file ends before.
    checksum: Option<u32>,
}

impl Chunk<'_> {
    /// Whether the checksum is that of kind and data.
    pub(crate) fn is_intact(&self) -> bool {
        self.checksum == Some(checksum(self.kind, self.data))
    }

    /// Whether the checksum is another one.
    pub(super) fn is_damaged(&self) -> bool {
        self.checksum.is_some() && !self.is_intact()
    }
}

/// Reads chunk after chunk, the last one up to the end of the file if that comes first.
#[derive(Clone, Debug)]
pub(crate) struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that the next chunk begins with.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let mut cursor = Cursor::new(self.rest);
        let length = usize::try_from(cursor.u32_be()?).unwrap_or(usize::MAX);
        let kind = cursor.array()?;
        let data = cursor.take(length.min(cursor.rest().len()))?;
        let checksum = cursor.u32_be();
        self.rest = cursor.rest();
        Some(Chunk { kind, data, checksum })
    }
}

/// CRC-32 of a chunk.
pub(crate) fn checksum(kind: [u8; 4], data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(&kind);
    crc.update(data);
    crc.sum()
}
