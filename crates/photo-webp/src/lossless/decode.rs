//! Decodes VP8L (RFC 9649, 3): lossless pictures, and the alpha of lossy ones.
//!
//! What a picture takes is known before it is there: everything that its size or its file decides is charged to a [`Budget`] before it
//! is allocated, and of the groups of prefix codes only those are kept that a tile uses.

mod bits;
#[cfg(test)]
mod hostile;
mod image;
mod predictor;
mod prefix;
mod transform;

use crate::{DecodeError, Loss};
use bits::BitReader;
use image::{Count, Painting};

/// Red, green, blue, alpha.
type Pixel = [u8; 4];

const CORRUPT: DecodeError = DecodeError::Corrupt("invalid VP8L stream");
const TRUNCATED: DecodeError = DecodeError::Corrupt("the VP8L stream ends too early");
/// What stands for missing rows of an opaque picture.
const GRAY: Pixel = [128, 128, 128, 255];
const HEADER_BYTES: usize = 5;
pub(super) const SIGNATURE: u8 = 0x2f;

/// What decoding may cost.
pub struct DecodeLimits<'a> {
    /// Most memory in bytes.
    pub max_memory_bytes: u64,
    /// Asked again and again; a true answer ends in [`DecodeError::Stopped`].
    pub should_stop: &'a mut dyn FnMut() -> bool,
}

/// A decoded lossless picture, 8 bits a sample, no padding between rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LosslessPicture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Whether the file says that it has alpha, or a pixel has some.
    pub has_alpha: bool,
    /// RGBA if there is alpha, otherwise RGB.
    pub samples: Vec<u8>,
    /// What is missing of it; those rows are transparent if there is alpha, otherwise gray.
    pub loss: Option<Loss>,
}

/// Decodes the content of a `VP8L` chunk to pixels.
///
/// The header's bit on alpha is a hint (RFC 9649, 3.4). Alpha counts without it, as in libwebp and Chromium.
///
/// A bitstream that ends too early, or is invalid among its pixels, gives the whole rows in front of that place, and
/// [`LosslessPicture::loss`].
///
/// # Errors
/// Damage in front of the second row. What is over a limit.
pub fn decode_lossless(
    bitstream: &[u8],
    limits: &mut DecodeLimits<'_>,
) -> Result<LosslessPicture, DecodeError> {
    let header = Header::parse(bitstream)?;
    let (width, height) = (header.width, header.height);
    let (mut pixels, loss) = decode(header.data, (width, height), limits, 0)?;
    let has_alpha = header.has_alpha || pixels.iter().any(|&[_, _, _, alpha]| alpha != 255);
    pixels.resize(width as usize * height as usize, if has_alpha { [0; 4] } else { GRAY });
    let mut samples = pixels.into_flattened();
    if !has_alpha {
        let pixels = samples.len() / 4;
        for i in 0..pixels {
            samples.copy_within(4 * i..4 * i + 3, 3 * i);
        }
        samples.truncate(3 * pixels);
    }
    Ok(LosslessPicture { width, height, has_alpha, samples, loss })
}

/// Memory in bytes that [`decode_lossless`] takes at most of this file, without its pixels being decoded: the pixels
/// themselves, transforms, and the tables of all prefix codes, which are read for it.
///
/// # Errors
/// Damage in what stands before the pixels. What is over a limit.
pub fn lossless_memory_bytes(bitstream: &[u8], limits: &mut DecodeLimits<'_>) -> Result<u64, DecodeError> {
    let header = Header::parse(bitstream)?;
    memory_bytes(header.data, (header.width, header.height), limits, 0)
}

/// Returns how many bytes of a `VP8L` chunk a decoder reads. What stands behind them is in no pixel. Prefix codes and pixels are
/// read, and no pixels are kept: it takes less memory than [`lossless_memory_bytes`] says.
///
/// # Errors
/// Every damage, and what is over a limit.
pub fn lossless_length(bitstream: &[u8], limits: &mut DecodeLimits<'_>) -> Result<usize, DecodeError> {
    let header = Header::parse(bitstream)?;
    length(header.data, (header.width, header.height), limits).map(|length| HEADER_BYTES + length)
}

impl DecodeLimits<'_> {
    /// Answers what was asked for, if it is within the limit.
    pub(crate) fn check_memory(&self, bytes: u64) -> Result<u64, DecodeError> {
        if bytes > self.max_memory_bytes {
            return Err(DecodeError::TooMuchMemory { bytes, limit: self.max_memory_bytes });
        }
        Ok(bytes)
    }
}

struct Header<'a> {
    width: u32,
    height: u32,
    has_alpha: bool,
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// RFC 9649, 3.4.
    fn parse(bitstream: &'a [u8]) -> Result<Self, DecodeError> {
        let (header, data) = bitstream.split_first_chunk::<HEADER_BYTES>().ok_or(TRUNCATED)?;
        let [SIGNATURE, a, b, c, d] = *header else { return Err(CORRUPT) };
        let bits = u32::from_le_bytes([a, b, c, d]);
        let (width, height) = (1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff));
        // A version that there is not.
        if bits >> 29 != 0 {
            return Err(CORRUPT);
        }
        Ok(Self { width, height, has_alpha: bits >> 28 & 1 == 1, data })
    }
}

/// Decodes a stream without a header: all rows, or those in front of the loss. The result has room for all. The caller takes as
/// many bytes as it says.
pub(crate) fn decode(
    data: &[u8],
    (width, height): (u32, u32),
    limits: &mut DecodeLimits<'_>,
    callers_bytes: u64,
) -> Result<(Vec<Pixel>, Option<Loss>), DecodeError> {
    let (width, height) = (width as usize, height as usize);
    let mut stream = Stream::new(data, limits, callers_bytes);
    stream.budget.charge(width * height * size_of::<Pixel>())?;
    let (transforms, coded_width) = stream.transforms(width, height)?;
    let codes = stream.codes(coded_width, height, true, true)?;
    let mut pixels = Vec::with_capacity(width * height);
    let received = stream.pixels(&codes, coded_width, height, &mut Painting::new(&mut pixels, &codes))?;
    drop(codes);
    let (mut rows, mut loss) = (height, None);
    if let Some(reason) = received.damage {
        rows = received.pixels / coded_width;
        let received_rows = u32::try_from(rows).ok().filter(|&rows| rows > 0).ok_or(reason)?;
        loss = Some(Loss { received_rows, reason });
        pixels.truncate(rows * coded_width);
    }
    for transform in transforms.iter().rev() {
        transform.invert(&mut pixels, rows, &mut stream.budget)?;
    }
    Ok((pixels, loss))
}

/// What [`decode`] and its caller take.
pub(crate) fn memory_bytes(
    data: &[u8],
    (width, height): (u32, u32),
    limits: &mut DecodeLimits<'_>,
    callers_bytes: u64,
) -> Result<u64, DecodeError> {
    let (width, height) = (width as usize, height as usize);
    let mut stream = Stream::new(data, limits, callers_bytes);
    stream.budget.charge(width * height * size_of::<Pixel>())?;
    let (_, coded_width) = stream.transforms(width, height)?;
    stream.codes(coded_width, height, true, false)?;
    Ok(stream.budget.used)
}

/// How many bytes of a stream without a header [`decode`] reads.
pub(crate) fn length(
    data: &[u8],
    (width, height): (u32, u32),
    limits: &mut DecodeLimits<'_>,
) -> Result<usize, DecodeError> {
    let (width, height) = (width as usize, height as usize);
    let mut stream = Stream::new(data, limits, 0);
    let (_, coded_width) = stream.transforms(width, height)?;
    let codes = stream.codes(coded_width, height, true, true)?;
    stream.pixels(&codes, coded_width, height, &mut Count(0))?.all()?;
    Ok(stream.reader.bytes_read(data.len()))
}

/// A stream on its way to pixels.
struct Stream<'a, 'l> {
    reader: BitReader<'a>,
    budget: Budget<'l>,
}

impl<'a, 'l> Stream<'a, 'l> {
    fn new(data: &'a [u8], limits: &'l mut DecodeLimits<'_>, callers_bytes: u64) -> Self {
        let DecodeLimits { max_memory_bytes, should_stop } = limits;
        let used = Budget::FIXED_BYTES + callers_bytes;
        let budget = Budget { used, limit: *max_memory_bytes, should_stop };
        Self { reader: BitReader::new(data), budget }
    }
}

/// What may still be taken.
struct Budget<'l> {
    used: u64,
    limit: u64,
    should_stop: &'l mut dyn FnMut() -> bool,
}

impl Budget<'_> {
    /// What every stream takes: palette, colour cache, the room that codes are built in.
    const FIXED_BYTES: u64 = 64 << 10;

    /// To be called before so much is allocated. What is freed is not given back.
    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.used = self.used.saturating_add(bytes as u64);
        if self.used > self.limit {
            return Err(DecodeError::TooMuchMemory { bytes: self.used, limit: self.limit });
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), DecodeError> {
        if (self.should_stop)() { Err(DecodeError::Stopped) } else { Ok(()) }
    }
}
