//! The codes of a GIF image: written anew up to the last pixel, and which colours they name.

use crate::error::ImagingError;
use crate::gif::Image;
use crate::gif::lzw::{Codes, Meaning, Stop};
use crate::limits::Limits;

/// Which of 256 colours a pixel has.
pub(super) type Used = [bool; 256];

/// Copies the codes that make the image's pixels, with an end code behind them, without what stands behind. Marks the colours
/// that occur. Answers why not all pixels came instead.
///
/// Every pixel's colour goes back to a code that is a colour itself, so those codes are the colours that are used.
pub(super) fn copy(
    image: &Image<'_>,
    used: &mut Used,
    limits: &Limits,
) -> Result<Result<Vec<u8>, Stop>, ImagingError> {
    let mut codes = Codes::new(image);
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(code) = codes.next(limits)? {
        let code = match code {
            Ok(code) => code,
            Err(stop) => return Ok(Err(stop)),
        };
        if let Meaning::Color(index) = code.meaning {
            used[usize::from(index)] = true;
        }
        put(&mut out, at, code.value as usize, code.width);
        at += code.width as usize;
    }
    let (width, end) = codes.end();
    put(&mut out, at, end as usize, width);
    Ok(Ok(out))
}

/// Writes a code at a bit, which is in the last byte or behind it, least significant bit first.
pub(super) fn put(out: &mut Vec<u8>, at: usize, code: usize, width: u32) {
    out.resize((at + width as usize).div_ceil(8), 0);
    let [b0, b1, b2, ..] = (code << (at % 8)).to_le_bytes();
    for (byte, bits) in out[at / 8..].iter_mut().zip([b0, b1, b2]) {
        *byte |= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gif::Gif;

    /// An image of this many pixels in one row, of two bits.
    fn copied(pixels: u8, data: &[u8]) -> Result<(Vec<u8>, Vec<usize>), Stop> {
        let head = [0x2c, 0, 0, 0, 0, pixels, 0, 1, 0, 0, 2, u8::try_from(data.len()).unwrap()];
        let file = [b"GIF89a\x08\0\x01\0\0\0\0", &head[..], data, &[0]].concat();
        let image = Gif::parse(&file).unwrap().images().next().unwrap();
        let mut used = [false; 256];
        let codes = copy(&image, &mut used, &Limits::default()).unwrap()?;
        Ok((codes, (0..256).filter(|&i| used[i]).collect()))
    }

    fn coded(codes: &[(usize, u32)]) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        for &(code, width) in codes {
            put(&mut out, at, code, width);
            at += width as usize;
        }
        out
    }

    #[test]
    fn codes_end_with_the_last_pixel() {
        // Clear, 1, 6 (which is 1 1), 3: four pixels.
        let codes = [(4, 3), (1, 3), (6, 3), (3, 3)];
        let whole = coded(&[&codes[..], &[(5, 4)]].concat());
        let expected = Ok((whole.clone(), vec![1, 3]));
        assert_eq!(copied(4, &whole), expected);
        assert_eq!(copied(4, &coded(&codes)), expected, "an end code is added");
        // More colours in place of the end, and bytes behind it.
        assert_eq!(copied(4, &coded(&[&codes[..], &[(2, 4), (2, 4), (5, 4), (2, 4)]].concat())), expected);
        let tail = [whole.clone(), b"SECRET".to_vec()].concat();
        assert_eq!(copied(4, &tail), expected);
        assert_eq!(copied(40, &tail), Err(Stop::End));
    }

    #[test]
    fn codes_that_break_off_are_told() {
        let wild = coded(&[(4, 3), (1, 3), (7, 3), (1, 3)]);
        assert_eq!(copied(40, &wild), Err(Stop::Invalid));
        assert_eq!(copied(40, &[]), Err(Stop::OutOfData));
    }
}
