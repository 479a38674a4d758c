//! The codes of a GIF image: where they end, and which colours they name.

use crate::error::ImagingError;
use crate::limits::Limits;

/// Codes have at most 12 bits.
const MAX_CODES: usize = 1 << 12;
const MAX_WIDTH: u32 = 12;
/// Codes between two looks at the clock.
const CODES_A_CHECK: u32 = 1 << 16;

/// Which of 256 colours a pixel has.
pub(super) type Used = [bool; 256];

/// Keeps the codes that make `pixels` pixels, with an end code behind them, without what stands behind the end. Codes that break off
/// before have no end code in the output either. Marks the colours that occur.
///
/// Every pixel's colour goes back to a code that is a colour itself, so those codes are the colours that are used.
pub(super) fn trim(
    min_code_size: u8,
    data: &mut Vec<u8>,
    pixels: u64,
    used: &mut Used,
    limits: &Limits,
) -> Result<(), ImagingError> {
    let clear = 1_usize << min_code_size;
    let end = clear + 1;
    let first_width = u32::from(min_code_size) + 1;
    // How many pixels each code stands for.
    let mut lengths = vec![1_u64; MAX_CODES];
    let (mut next, mut width) = (clear + 2, first_width);
    let mut previous: Option<u64> = None;
    let (mut at, mut left, mut codes) = (0_usize, pixels, 0_u32);
    let complete = loop {
        codes = codes.wrapping_add(1);
        if codes.is_multiple_of(CODES_A_CHECK) {
            limits.check_deadline("the end of sanitizing")?;
        }
        if left == 0 {
            break true;
        }
        let Some(code) = read(data, at, width) else { break false };
        if code == end {
            break true;
        }
        let behind = at + width as usize;
        if code == clear {
            (next, width, previous) = (clear + 2, first_width, None);
        } else {
            let length = match previous {
                _ if code < clear => 1,
                Some(_) if code < next => lengths[code],
                Some(previous) if code == next => previous + 1,
                _ => break false,
            };
            if let Some(used) = used.get_mut(code)
                && code < clear
            {
                *used = true;
            }
            if let Some(previous) = previous
                && let Some(entry) = lengths.get_mut(next)
            {
                *entry = previous + 1;
                next += 1;
                if next == 1 << width && width < MAX_WIDTH {
                    width += 1;
                }
            }
            previous = Some(length);
            left = left.saturating_sub(length);
        }
        at = behind;
    };
    data.truncate(at.div_ceil(8));
    if let Some(last) = data.last_mut()
        && !at.is_multiple_of(8)
    {
        *last &= (1 << (at % 8)) - 1;
    }
    if complete {
        put(data, at, end, width);
    }
    Ok(())
}

/// The code at a bit, least significant bit first.
fn read(data: &[u8], at: usize, width: u32) -> Option<usize> {
    let byte = |place: usize| data.get(place).map(|&byte| usize::from(byte));
    if at + width as usize > data.len() * 8 {
        return None;
    }
    let start = at / 8;
    let word = byte(start)? | byte(start + 1).unwrap_or(0) << 8 | byte(start + 2).unwrap_or(0) << 16;
    Some(word >> (at % 8) & ((1 << width) - 1))
}

/// Writes a code at a bit, which is in the last byte or behind it.
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

    fn trimmed(data: &[u8], pixels: u64) -> (Vec<u8>, Vec<usize>) {
        let mut used = [false; 256];
        let mut out = data.to_vec();
        trim(2, &mut out, pixels, &mut used, &Limits::default()).unwrap();
        (out, (0..256).filter(|&i| used[i]).collect())
    }

    /// Codes of these widths, least significant bit first.
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
        assert_eq!(trimmed(&whole, 4), (whole.clone(), vec![1, 3]));
        // More colours in place of the end, and bytes behind it.
        let longer = coded(&[&codes[..], &[(2, 4), (2, 4), (5, 4), (2, 4)]].concat());
        assert_eq!(trimmed(&longer, 4), (whole.clone(), vec![1, 3]));
        let tail = [whole.clone(), b"SECRET".to_vec()].concat();
        assert_eq!(trimmed(&tail, 4), (whole.clone(), vec![1, 3]));
        assert_eq!(trimmed(&tail, 400), (whole, vec![1, 3]), "an end code ends a short picture");
    }

    #[test]
    fn codes_that_break_off_get_no_end() {
        let codes = coded(&[(4, 3), (1, 3), (2, 3)]);
        // The bits that fill up the last byte are a code as well.
        assert_eq!(trimmed(&codes, 40), (codes, vec![0, 1, 2]));
        // 7 is not known yet.
        let wild = coded(&[(4, 3), (1, 3), (7, 3), (1, 3)]);
        assert_eq!(trimmed(&wild, 40), (coded(&[(4, 3), (1, 3)]), vec![1]));
        assert_eq!(trimmed(&[], 40), (vec![], vec![]));
    }
}
