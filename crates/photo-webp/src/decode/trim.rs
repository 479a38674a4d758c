//! A frame without the bytes that no decoder reads.

use super::header::{self, TAG};
use super::levels::Coefficients;
use super::reader::BoolReader;
use super::{Context, DecodeError, TRUNCATED, read_macroblock};

/// Returns the content of a `VP8 ` chunk without the bytes that stand behind the end of the first partition, of each partition
/// of levels, and of the frame. Every decoder sees the same pixels. The result is not longer, and trimming it again changes
/// nothing.
///
/// Modes and levels are read, and no pixels are made of them. `should_stop` is asked before each row of macroblocks; a true
/// answer ends in [`DecodeError::Stopped`].
///
/// # Errors
/// Those of [`crate::decode`], and a frame that ends too early.
pub fn trim_frame(frame: &[u8], should_stop: &mut dyn FnMut() -> bool) -> Result<Vec<u8>, DecodeError> {
    let (header, mut modes, mut partitions) = header::parse(frame)?;
    let (columns, rows) = (header.width.div_ceil(16) as usize, header.height.div_ceil(16) as usize);
    let mut above = vec![Context::default(); columns];
    let mut coefficients = Coefficients::NONE;
    let last_partition = partitions.len() - 1;
    for row in 0..rows {
        if should_stop() {
            return Err(DecodeError::Stopped);
        }
        let levels = &mut partitions[row & last_partition];
        let mut left = Context::default();
        for above in &mut above {
            let (macroblock, _) =
                read_macroblock(&header, (&mut modes, levels), (above, &mut left), &mut coefficients);
            if !macroblock.empty {
                coefficients = Coefficients::NONE;
            }
        }
        if modes.past_end() || levels.past_end() {
            return Err(TRUNCATED);
        }
    }
    write(frame, &modes, &partitions).ok_or(TRUNCATED)
}

/// Writes the frame with the lengths that the readers came to.
fn write(frame: &[u8], modes: &BoolReader<'_>, partitions: &[BoolReader<'_>]) -> Option<Vec<u8>> {
    let (&[a, b, c, ..], rest) = frame.split_first_chunk::<TAG>()?;
    let tag = u32::from_le_bytes([a, b, c, 0]);
    let (first, rest) = rest.split_at_checked((tag >> 5) as usize)?;
    let first = first.get(..modes.bytes_read(first.len()))?;
    let (sizes, mut rest) = rest.split_at_checked(3 * (partitions.len() - 1))?;
    let mut out = Vec::with_capacity(frame.len());
    // The lower five bits of the tag are not the size's.
    let [a, b, c, _] = (u32::try_from(first.len()).ok()? << 5 | tag & 31).to_le_bytes();
    out.extend_from_slice(&[a, b, c]);
    out.extend_from_slice(frame.get(3..TAG)?);
    out.extend_from_slice(first);
    let mut sizes_at = out.len();
    out.extend_from_slice(sizes);
    let mut sizes = sizes.as_chunks::<3>().0.iter();
    for reader in partitions {
        // The last partition has no size in the file.
        let size = sizes.next().map(|&[a, b, c]| u32::from_le_bytes([a, b, c, 0]) as usize);
        let (partition, after) = rest.split_at(size.unwrap_or(rest.len()).min(rest.len()));
        rest = after;
        let start = out.len();
        match reader.bytes_read(partition.len()) {
            // libwebp refuses a frame whose last partition, or one that has rows, is empty.
            0 => out.extend(partition.first().map(|_| 0)),
            length => out.extend_from_slice(partition.get(..length)?),
        }
        if size.is_some() {
            let [a, b, c, _] = u32::try_from(out.len() - start).ok()?.to_le_bytes();
            out.get_mut(sizes_at..sizes_at + 3)?.copy_from_slice(&[a, b, c]);
            sizes_at += 3;
        }
    }
    Some(out)
}
