//! PNG: by rows where rows can be reduced as they come, so that the whole picture is never in memory, and at once otherwise.

mod source;

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits as PngLimits, Reader, Transformations};

use super::{Decoded, Source, other_size};
use crate::color;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::Header;
use crate::profile::Profile;
use crate::raster::{Channels, Raster};
use crate::strips::Strips;
use source::PixelChunks;

/// Rows between two looks at the clock.
const ROWS_A_CHECK: u32 = 16;

/// Decodes the picture, at the size that will be made of it if rows can be reduced as they come: not if they are interlaced or
/// animated, not to be reduced, or of 16 bits whose profile needs all of them.
pub(super) fn decode<'p>(
    bytes: &[u8],
    header: &Header,
    target: (u32, u32),
    profile: Option<&'p Profile>,
    limits: &Limits,
) -> Result<Decoded<'p>, ImagingError> {
    let size = (header.width, header.height);
    let mut reader = open(bytes, limits)?;
    let info = reader.info();
    if info.size() != size {
        return Err(other_size(Format::Png));
    }
    let (channels, deep) = match reader.output_color_type() {
        (color, BitDepth::Eight) => (channels(color), false),
        (color, BitDepth::Sixteen) => (channels(color), true),
        _ => (None, false),
    };
    let channels = channels.ok_or(ImagingError::UnsupportedType("this pixel format"))?;
    let smaller = target != size && target.0 <= size.0 && target.1 <= size.1;
    let whole =
        !smaller || info.interlaced || info.animation_control.is_some() || (deep && profile.is_some());
    let (raster, profile) = if whole {
        at_once(&mut reader, size, channels, deep, profile)?
    } else {
        (by_rows(&mut reader, size, channels, deep, target, limits)?, profile)
    };
    Ok(Decoded { source: Source::Pixels(raster), profile, orientation: header.orientation, loss: None })
}

fn by_rows(
    reader: &mut Reader<PixelChunks<'_>>,
    size: (u32, u32),
    channels: Channels,
    deep: bool,
    target: (u32, u32),
    limits: &Limits,
) -> Result<Raster, ImagingError> {
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
    strips.finish()
}

/// The whole picture, and the profile that its pixels are still to be converted by.
fn at_once<'p>(
    reader: &mut Reader<PixelChunks<'_>>,
    (width, height): (u32, u32),
    channels: Channels,
    deep: bool,
    profile: Option<&'p Profile>,
) -> Result<(Raster, Option<&'p Profile>), ImagingError> {
    let mut data = vec![0; reader.output_buffer_size().ok_or_else(|| other_size(Format::Png))?];
    reader.next_frame(&mut data).map_err(|e| damaged(&e))?;
    let raster = |channels, data| Raster::new(width, height, channels, data);
    // Before the low bytes go: a profile of linear light needs them in the shadows.
    let converted = profile
        .filter(|_| deep)
        .and_then(|profile| color::deep_to_srgb(data.as_chunks::<2>().0, channels, profile));
    if let Some((channels, data)) = converted {
        return Ok((raster(channels, data).ok_or_else(|| other_size(Format::Png))?, None));
    }
    if deep {
        narrow(&mut data);
    }
    Ok((raster(channels, data).ok_or_else(|| other_size(Format::Png))?, profile))
}

/// 16 bits a channel to 8, in place, rounded to nearest.
fn narrow(data: &mut Vec<u8>) {
    let half = data.len() / 2;
    for i in 0..half {
        data[i] = color::narrow(u16::from_be_bytes([data[2 * i], data[2 * i + 1]]));
    }
    data.truncate(half);
    data.shrink_to_fit();
}

/// Palettes and few bits become 8 bits.
fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Reader<PixelChunks<'a>>, ImagingError> {
    let bytes_limit = usize::try_from(limits.max_decoder_bytes).unwrap_or(usize::MAX);
    let source = PixelChunks::new(bytes, limits.deadline);
    let mut decoder = Decoder::new_with_limits(source, PngLimits { bytes: bytes_limit });
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

fn damaged(error: &DecodingError) -> ImagingError {
    match error {
        DecodingError::IoError(error) if source::is_late(error) => {
            ImagingError::DeadlinePassed { step: "the end of decoding" }
        }
        _ => ImagingError::corrupt(Format::Png, error.to_string()),
    }
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

    fn pixels(decoded: Decoded<'_>) -> Raster {
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
                let found = pixels(probed.decode(target, false, None).unwrap());
                // Not to be reduced is the way by the whole picture.
                let whole = pixels(probed.decode(size, false, None).unwrap());
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
            let code = |target| probed.decode(target, false, None).map(drop).map_err(|e| e.code());
            let (by_rows, at_once) = (code((30, 22)), code(size));
            damaged += usize::from(at_once.is_err());
            assert_eq!(by_rows, at_once, "{} bytes", bytes.len());
        }
        assert!(damaged > 100, "{damaged} damaged files");
    }

    #[test]
    fn a_deadline_that_passes_stops_both_ways() {
        let bytes = file((64, 64), ExtendedColorType::Rgb8, 3);
        let probed = probe(&bytes, &Limits::default()).unwrap();
        let late = Limits::default().with_deadline(Instant::now());
        for target in [(8, 8), (64, 64)] {
            let refused = decode(&bytes, &probed.header, target, None, &late).map(drop);
            assert_eq!(refused.map_err(|e| e.code()), Err("PROCESSING_TIMEOUT"));
        }
    }

    #[test]
    fn sixteen_bits_are_rounded_to_the_nearest_of_eight() {
        let mut data: Vec<u8> = [0_u16, 128, 129, 257, 32_896, 65_406, 65_407, 65_535]
            .into_iter()
            .flat_map(u16::to_be_bytes)
            .collect();
        narrow(&mut data);
        assert_eq!(data, [0, 0, 1, 1, 128, 254, 255, 255]);
    }
}
