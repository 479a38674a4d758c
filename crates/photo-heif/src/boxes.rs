//! Boxes and numbers of ISO BMFF (ISO/IEC 14496-12, 4.2).

use crate::Error;

/// Boxes of one container, and items of a file. Grids of 1,000 tiles occur in practice.
pub(crate) const MAX_BOXES: usize = 4_000;

/// A box without its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BmffBox<'a> {
    pub(crate) kind: [u8; 4],
    pub(crate) body: &'a [u8],
}

/// The boxes of a container, in file order.
pub(crate) struct Boxes<'a> {
    reader: Reader<'a>,
    count: usize,
    /// The file's own boxes: the last of them may be cut off.
    is_file: bool,
}

impl<'a> Boxes<'a> {
    /// Boxes of a file, of which the last may be longer than the rest of the file.
    pub(crate) fn of_file(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), count: 0, is_file: true }
    }

    /// Boxes of a box. Zeros or a damaged box behind them end the list: the only error is [`Error::LimitExceeded`].
    pub(crate) fn inside(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), count: 0, is_file: false }
    }

    fn read(&mut self) -> Result<BmffBox<'a>, Error> {
        self.count += 1;
        if self.count > MAX_BOXES {
            return Err(Error::LimitExceeded("boxes"));
        }
        let before = self.reader.rest.len();
        let short = u64::from(self.reader.u32()?);
        let kind = self.reader.array()?;
        let length = match short {
            // To the end of the file: a box inside another one has its own length.
            0 if self.is_file => before as u64,
            1 => self.reader.u64()?,
            length => length,
        };
        let header = (before - self.reader.rest.len()) as u64;
        let body = length.checked_sub(header).ok_or(Error::Corrupt("a box is shorter than its header"))?;
        let left = self.reader.rest.len();
        let body = match usize::try_from(body) {
            Ok(body) if body <= left => body,
            // A file that is cut off inside of its media data still has the pictures before.
            _ if self.is_file && &kind != b"meta" => left,
            _ => return Err(Error::Corrupt("a box is longer than its container")),
        };
        Ok(BmffBox { kind, body: self.reader.take(body)? })
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<BmffBox<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.rest.is_empty() {
            return None;
        }
        let found = self.read();
        if found.is_err() {
            self.reader.rest = &[];
        }
        if !self.is_file && matches!(found, Err(Error::Corrupt(_))) {
            return None;
        }
        Some(found)
    }
}

/// Reads big-endian numbers from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(Error::Corrupt("a box ends inside a field"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or(Error::Corrupt("a box ends inside a field"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// 16 bits, or 32 in the newer version of a box.
    pub(crate) fn id(&mut self, is_wide: bool) -> Result<u32, Error> {
        if is_wide { self.u32() } else { self.u16().map(u32::from) }
    }

    /// Version and flags of a full box.
    pub(crate) fn version_and_flags(&mut self) -> Result<(u8, u32), Error> {
        let [version, a, b, c] = self.array()?;
        Ok((version, u32::from_be_bytes([0, a, b, c])))
    }

    /// A number of 0, 4 or 8 bytes.
    pub(crate) fn sized(&mut self, bytes: u8) -> Result<u64, Error> {
        match bytes {
            0 => Ok(0),
            4 => self.u32().map(u64::from),
            8 => self.u64(),
            _ => Err(Error::Corrupt("invalid field size of item locations")),
        }
    }
}
