//! The LZW codes of a GIF image (`GIF89a`, appendix F).

use super::{Image, SubBlocks};
use crate::error::ImagingError;
use crate::limits::Limits;

/// Most bits of a code.
const MAX_WIDTH: u32 = 12;
/// Most bits of a colour: clear and end follow the colours.
const MAX_CODE_SIZE: u8 = 11;
/// Codes between two looks at the clock.
const CODES_A_CHECK: u32 = 1 << 16;

/// Why codes end before the last pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// An end code.
    End,
    /// The sub-blocks end.
    OutOfData,
    /// A code that stands for nothing yet, or colours of more bits than codes have.
    Invalid,
}

impl Stop {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::End => "the LZW codes end before the last pixel",
            Self::OutOfData => "the image data ends before the last pixel",
            Self::Invalid => "invalid LZW code",
        }
    }
}

/// What a code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The strings are forgotten.
    Clear,
    /// One pixel of this colour.
    Color(u8),
    /// As many pixels as `length`, which are those from `start` on. The last of them may be the first of this string.
    String { start: usize, length: usize },
}

/// A code as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    pub(crate) value: u32,
    /// In bits.
    pub(crate) width: u32,
    pub(crate) meaning: Meaning,
}

/// Reads the codes of an image up to its last pixel.
///
/// A string is its first place among the pixels, so that it is copied at once and takes no chain of codes.
pub(crate) struct Codes<'a> {
    blocks: SubBlocks<'a>,
    block: std::slice::Iter<'a, u8>,
    buffer: u32,
    bits: u32,
    code_size: u8,
    width: u32,
    /// Start and length of each string, beginning with the code behind the end code.
    strings: Vec<(usize, usize)>,
    previous: Option<(usize, usize)>,
    /// Pixels so far.
    position: usize,
    pixels: usize,
    /// Codes so far.
    count: u32,
}

impl<'a> Codes<'a> {
    pub(crate) fn new(image: &Image<'a>) -> Self {
        Self {
            blocks: image.codes.clone(),
            block: [].iter(),
            buffer: 0,
            bits: 0,
            code_size: image.code_size,
            width: u32::from(image.code_size) + 1,
            strings: Vec::with_capacity(1 << MAX_WIDTH),
            previous: None,
            position: 0,
            pixels: usize::try_from(image.pixels()).unwrap_or(usize::MAX),
            count: 0,
        }
    }

    /// `None` when every pixel has come.
    pub(crate) fn next(&mut self, limits: &Limits) -> Result<Option<Result<Code, Stop>>, ImagingError> {
        self.count = self.count.wrapping_add(1);
        if self.count.is_multiple_of(CODES_A_CHECK) {
            limits.check_deadline("the end of the image")?;
        }
        Ok((self.position < self.pixels).then(|| self.code()))
    }

    /// Width in bits of a code that would follow the last pixel, and the end code.
    pub(crate) fn end(&self) -> (u32, u32) {
        (self.width, (1 << self.code_size) + 1)
    }

    fn code(&mut self) -> Result<Code, Stop> {
        if self.code_size > MAX_CODE_SIZE {
            return Err(Stop::Invalid);
        }
        let (clear, end) = (1 << self.code_size, (1 << self.code_size) + 1);
        let width = self.width;
        let value = self.read().ok_or(Stop::OutOfData)?;
        if value == end {
            return Err(Stop::End);
        }
        if value == clear {
            self.strings.clear();
            (self.width, self.previous) = (u32::from(self.code_size) + 1, None);
            return Ok(Code { value, width, meaning: Meaning::Clear });
        }
        let next = end as usize + 1 + self.strings.len();
        // A full table keeps its strings until they are cleared.
        if let Some((start, length)) = self.previous.filter(|_| next < 1 << MAX_WIDTH) {
            self.strings.push((start, length + 1));
            if next + 1 == 1 << self.width && self.width < MAX_WIDTH {
                self.width += 1;
            }
        }
        let (meaning, length) = if value < clear {
            (Meaning::Color(value.to_le_bytes()[0]), 1)
        } else {
            let &(start, length) = self.strings.get((value - end - 1) as usize).ok_or(Stop::Invalid)?;
            (Meaning::String { start, length }, length)
        };
        self.previous = Some((self.position, length));
        self.position += length;
        Ok(Code { value, width, meaning })
    }

    /// The next code, least significant bit first.
    fn read(&mut self) -> Option<u32> {
        while self.bits < self.width {
            let Some(&byte) = self.block.next() else {
                self.block = self.blocks.next()?.iter();
                continue;
            };
            self.buffer |= u32::from(byte) << self.bits;
            self.bits += 8;
        }
        let value = self.buffer & ((1 << self.width) - 1);
        self.buffer >>= self.width;
        self.bits -= self.width;
        Some(value)
    }
}

/// The colour of each pixel in the order of the file, as far as they have come, and what ended them early.
pub(crate) fn decode(image: &Image<'_>, limits: &Limits) -> Result<(Vec<u8>, Option<Stop>), ImagingError> {
    let mut codes = Codes::new(image);
    let mut out = Vec::with_capacity(codes.pixels);
    let stop = loop {
        match codes.next(limits)? {
            None => break None,
            Some(Err(stop)) => break Some(stop),
            Some(Ok(code)) => match code.meaning {
                Meaning::Clear => {}
                Meaning::Color(index) => out.push(index),
                Meaning::String { start, length } => {
                    let here = out.len();
                    // The last string may be longer than the picture.
                    let length = length.min(codes.pixels - here);
                    out.extend_from_within(start..(start + length).min(here));
                    if start + length > here {
                        out.push(out[here]);
                    }
                }
            },
        }
    };
    Ok((out, stop))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of this many pixels in one row, of two bits, with these codes and their widths.
    fn file(pixels: u8, codes: &[(u32, u32)]) -> Vec<u8> {
        let (mut value, mut bits) = (0_u128, 0);
        for &(code, width) in codes {
            value |= u128::from(code) << bits;
            bits += width;
        }
        let data = &value.to_le_bytes()[..(bits as usize).div_ceil(8)];
        let head = [0x2c, 0, 0, 0, 0, pixels, 0, 1, 0, 0, 2, u8::try_from(data.len()).unwrap()];
        [b"GIF89a\x08\0\x01\0\0\0\0", &head[..], data, &[0]].concat()
    }

    fn decoded(pixels: u8, codes: &[(u32, u32)]) -> (Vec<u8>, Option<Stop>) {
        let bytes = file(pixels, codes);
        let image = super::super::Gif::parse(&bytes).unwrap().images().next().unwrap();
        decode(&image, &Limits::default()).unwrap()
    }

    #[test]
    fn codes_become_colours() {
        // Clear, 1, 6 (which is 1 1, a code for itself), 3: four pixels.
        let codes = [(4, 3), (1, 3), (6, 3), (3, 3), (5, 4)];
        assert_eq!(decoded(4, &codes), (vec![1, 1, 1, 3], None));
        assert_eq!(decoded(2, &codes), (vec![1, 1], None), "a string is cut at the last pixel");
        assert_eq!(decoded(5, &codes), (vec![1, 1, 1, 3], Some(Stop::End)));
        assert_eq!(decoded(4, &codes[1..]), (vec![1, 1, 1, 3], None), "a missing clear code costs nothing");
        assert_eq!(decoded(4, &codes[..4]), (vec![1, 1, 1, 3], None), "nor does a missing end code");
    }

    #[test]
    fn codes_that_break_off_say_why() {
        assert_eq!(decoded(9, &[(4, 3), (1, 3), (7, 3)]), (vec![1], Some(Stop::Invalid)));
        assert_eq!(decoded(9, &[(4, 3), (6, 3)]), (vec![], Some(Stop::Invalid)));
        assert_eq!(decoded(9, &[(4, 3), (1, 3), (2, 3), (3, 4), (2, 3)]).1, Some(Stop::OutOfData));
        assert_eq!(decoded(9, &[]), (vec![], Some(Stop::OutOfData)));
    }

    #[test]
    fn colours_of_more_bits_than_codes_are_invalid() {
        let mut bytes = file(4, &[(4, 3), (1, 3)]);
        bytes[23] = 12;
        let image = super::super::Gif::parse(&bytes).unwrap().images().next().unwrap();
        assert_eq!(decode(&image, &Limits::default()).unwrap(), (vec![], Some(Stop::Invalid)));
    }
}
