//! PNG by rows: each strip is reduced as soon as its rows are there, so the whole picture is never in memory.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Limits as PngLimits, Reader, Transformations};

use super::{Decoded, Source};
use crate::color;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::{Header, png_color};
use crate::raster::Channels;
use crate::strips::Strips;

/// Rows between two looks at the clock.
const ROWS_A_CHECK: u32 = 16;
/// Where `IHDR` says whether rows come in seven passes.
const INTERLACE: usize = 28;

/// The picture at the size that will be made of it, and its profile. `None` if rows cannot be reduced as they come: interlaced,
/// animated, not to be reduced, or of 16 bits whose profile needs all of them.
pub(super) fn reduced(
    bytes: &[u8],
    header: &Header,
    target: (u32, u32),
    limits: &Limits,
) -> Result<Option<Decoded>, ImagingError> {
    let size = (header.width, header.height);
    let smaller = target != size && target.0 <= size.0 && target.1 <= size.1;
    if !smaller || bytes.get(INTERLACE) != Some(&0) {
        return Ok(None);
    }
    let mut reader = open(bytes, limits)?;
    if reader.info().size() != size {
        return Err(ImagingError::corrupt(Format::Png, "the decoder sees another size than the header"));
    }
    let (channels, deep) = match reader.output_color_type() {
        (color, BitDepth::Eight) => (channels(color), false),
        (color, BitDepth::Sixteen) => (channels(color), true),
        _ => return Ok(None),
    };
    let Some(channels) = channels else { return Ok(None) };
    let gray = matches!(channels, Channels::Gray | Channels::GrayAlpha);
    let embedded = || reader.info().icc_profile.as_ref().map(|icc| icc.to_vec());
    let icc = png_color::profile(bytes, gray).or_else(embedded);
    if reader.info().animation_control.is_some() || (deep && icc.is_some()) {
        return Ok(None);
    }
    let mut strips = Strips::new(size, channels, target);
    let length = size.0 as usize * channels.count();
    let mut row = vec![0; if deep { 2 * length } else { length }];
    let mut narrow = Vec::with_capacity(length);
    for number in 0..size.1 {
        if number % ROWS_A_CHECK == 0 {
            limits.check_deadline("decode")?;
        }
        reader.read_row(&mut row).map_err(|e| damaged(&e))?;
        if deep {
            narrow.clear();
            narrow.extend(
                row.as_chunks::<2>().0.iter().map(|&sample| color::narrow(u16::from_be_bytes(sample))),
            );
            strips.push(&narrow)?;
        } else {
            strips.push(&row)?;
        }
    }
    // Nothing more comes; what is left of the data is looked at as it is when all rows are read at once.
    reader.read_row(&mut row).map_err(|e| damaged(&e))?;
    let source = Source::Pixels(strips.finish()?);
    Ok(Some(Decoded { source, icc, orientation: header.orientation }))
}

/// As `image` opens it: the same chunks count against the same limit, and palettes and few bits become 8 bits.
fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Reader<Cursor<&'a [u8]>>, ImagingError> {
    let bytes_limit = usize::try_from(limits.max_decoder_bytes).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), PngLimits { bytes: bytes_limit });
    decoder.set_ignore_text_chunk(false);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info().map_err(|e| damaged(&e))
}

fn channels(color: ColorType) -> Option<Channels> {
    match color {
        ColorType::Grayscale => Some(Channels::Gray),
        ColorType::GrayscaleAlpha => Some(Channels::GrayAlpha),
        ColorType::Rgb => Some(Channels::Rgb),
        ColorType::Rgba => Some(Channels::Rgba),
        ColorType::Indexed => None,
    }
}

fn damaged(error: &png::DecodingError) -> ImagingError {
    ImagingError::corrupt(Format::Png, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;
    use crate::probe::probe;
    use crate::raster::Raster;
    use crate::resize::resize;

    fn file(side: (u32, u32), color: ExtendedColorType, samples: usize) -> Vec<u8> {
        let mut state = 5_u32;
        let mut value = 0_u8;
        let count = side.0 as usize * side.1 as usize * samples;
        let data: Vec<u8> = (0..count)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                value = value.wrapping_add(state.to_be_bytes()[0] % 40);
                if i / 700 % 3 == 0 { 255 } else { value }
            })
            .collect();
        let mut out = Vec::new();
        PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&data, side.0, side.1, color)
            .unwrap();
        out
    }

    fn pixels(decoded: Decoded) -> Raster {
        match decoded.source {
            Source::Pixels(raster) => raster,
            Source::Planes(_) => panic!("planes"),
        }
    }

    #[test]
    fn rows_give_the_picture_that_all_of_them_at_once_give() {
        for (color, samples) in [
            (ExtendedColorType::L8, 1),
            (ExtendedColorType::La8, 2),
            (ExtendedColorType::Rgb8, 3),
            (ExtendedColorType::Rgba8, 4),
            (ExtendedColorType::Rgb16, 6),
            (ExtendedColorType::Rgba16, 8),
        ] {
            for (size, target) in [
                ((321, 203), (160, 101)),
                ((97, 301), (40, 124)),
                ((300, 40), (300, 7)),
                ((40, 64), (9, 64)),
                ((33, 500), (1, 3)),
            ] {
                let bytes = file(size, color, samples);
                let probed = probe(&bytes, &Limits::default()).unwrap();
                let found = pixels(reduced(&bytes, &probed.header, target, &probed.limits).unwrap().unwrap());
                // Not to be reduced is the way by the whole picture.
                let whole = pixels(probed.decode(size, false).unwrap());
                assert_eq!((whole.width(), whole.height()), size);
                let expected = resize(&whole, None, target.0, target.1).unwrap();
                assert_eq!(
                    (found.width(), found.height(), found.channels()),
                    (target.0, target.1, expected.channels())
                );
                let alpha = found.channels().has_alpha();
                let pixels = found
                    .data()
                    .chunks(found.channels().count())
                    .zip(expected.data().chunks(found.channels().count()));
                for (a, b) in pixels {
                    // What is hardly seen has hardly a colour: dividing by alpha makes much of one level.
                    let most = if alpha { 255 / u16::from(*b.last().unwrap()).max(1) + 1 } else { 1 };
                    assert!(
                        a.iter().zip(b).all(|(a, b)| u16::from(a.abs_diff(*b)) <= most),
                        "{color:?} {size:?}: {a:?} {b:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_damage_at_once_is_damage_by_rows() {
        let size = (120, 90);
        let whole = file(size, ExtendedColorType::Rgba8, 4);
        let truncated = (40..whole.len()).step_by(61).map(|length| whole[..length].to_vec());
        let flipped = (33..whole.len()).step_by(47).map(|place| {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            bytes
        });
        let mut damaged = 0;
        for bytes in truncated.chain(flipped) {
            let Ok(probed) = probe(&bytes, &Limits::default()) else { continue };
            let by_rows =
                reduced(&bytes, &probed.header, (30, 22), &probed.limits).map(|found| found.is_some());
            let at_once = probed.decode(size, false).map(|_| true);
            damaged += usize::from(at_once.is_err());
            assert_eq!(by_rows.map_err(|e| e.code()), at_once.map_err(|e| e.code()), "{} bytes", bytes.len());
        }
        assert!(damaged > 100, "{damaged} damaged files");
    }

    #[test]
    fn a_deadline_that_passes_stops_the_rows() {
        let bytes = file((64, 64), ExtendedColorType::Rgb8, 3);
        let probed = probe(&bytes, &Limits::default()).unwrap();
        let late = Limits::default().with_deadline(Instant::now());
        let refused = reduced(&bytes, &probed.header, (8, 8), &late).map(drop);
        assert_eq!(refused.map_err(|e| e.code()), Err("PROCESSING_TIMEOUT"));
        assert!(reduced(&bytes, &probed.header, (64, 64), &probed.limits).unwrap().is_none());
    }
}
