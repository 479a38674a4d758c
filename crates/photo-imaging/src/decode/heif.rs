//! HEIC: decoded tile by tile to planes that are reduced as they come, then by rows to the size that will be made of it.

use photo_heif::{Channels as HeifChannels, Heif, MAX_FACTOR, Picture};

use super::{Decoded, Source};
use crate::color::DeepConversion;
use crate::damage::Loss;
use crate::error::ImagingError;
use crate::limits::Limits;
use crate::probe::Header;
use crate::probe::heif::refused;
use crate::profile::Profile;
use crate::raster::{Channels, Raster};
use crate::strips::RowSink;

/// Planes are reduced to no less than this many times the target's sides: from there on the resizer decides how sharp the
/// picture is, as for JPEG.
const MARGIN: u32 = 3;
const MARGIN_OVER: u32 = 2;

/// Rows between two looks at the clock.
const ROWS_A_CHECK: u32 = 16;

pub(super) fn decode<'p>(
    photo: &Heif<'_>,
    header: &Header,
    target: (u32, u32),
    profile: Option<&'p Profile>,
    limits: &Limits,
) -> Result<Decoded<'p>, ImagingError> {
    let factor = factor(photo, target, limits);
    let picture = photo.decode(factor, &mut || limits.deadline_has_passed()).map_err(refused)?;
    let loss = picture.damage.map(|damage| Loss {
        received: picture.received_rows,
        total: picture.total_rows,
        reason: damage.to_string(),
    });
    let (raster, profile) = reduce(&picture, target, profile, limits)?;
    Ok(Decoded { source: Source::Pixels(raster), profile, orientation: header.orientation, loss })
}

/// Memory in bytes that [`decode`] takes at most, the picture of the target's size included.
pub(crate) fn decoder_bytes(photo: &Heif<'_>, target: (u32, u32), limits: &Limits) -> u64 {
    bytes(photo, target, factor(photo, target, limits))
}

/// The factor by which the planes are reduced. Alpha is not reduced without the resizer if memory allows: hidden colours bleed.
fn factor(photo: &Heif<'_>, (width, height): (u32, u32), limits: &Limits) -> u32 {
    let times = |side: u32, wanted: u32| {
        u64::from(side) * u64::from(MARGIN_OVER) / (u64::from(MARGIN) * u64::from(wanted.max(1)))
    };
    let enough = times(photo.width(), width).min(times(photo.height(), height));
    let wanted = u32::try_from(enough.clamp(1, MAX_FACTOR.into())).unwrap_or(1);
    if photo.has_alpha() && limits.check_memory(bytes(photo, (width, height), 1)).is_ok() {
        return 1;
    }
    photo.factor_at_most(wanted)
}

fn bytes(photo: &Heif<'_>, target: (u32, u32), factor: u32) -> u64 {
    let size = (photo.width().div_ceil(factor), photo.height().div_ceil(factor));
    // A row of 16 bits a sample, twice what an executor makes of it, and 8 bits.
    let deep = if photo.is_deep() { u64::from(size.0) * (8 + 8 + 8 + 4) } else { 0 };
    photo.memory_bytes(factor).max(photo.picture_bytes(factor) + RowSink::bytes(size, target) + deep)
}

/// Pixels of the target's size, and the profile that they are still to be converted by.
fn reduce<'p>(
    picture: &Picture,
    target: (u32, u32),
    profile: Option<&'p Profile>,
    limits: &Limits,
) -> Result<(Raster, Option<&'p Profile>), ImagingError> {
    let channels = match picture.channels() {
        HeifChannels::Gray => Channels::Gray,
        HeifChannels::GrayAlpha => Channels::GrayAlpha,
        HeifChannels::Rgb => Channels::Rgb,
        HeifChannels::Rgba => Channels::Rgba,
    };
    let size = (picture.width(), picture.height());
    // Samples of more than 8 bits go through the profile before the low bits go.
    let deep = profile.filter(|_| picture.is_deep());
    let conversion = deep.and_then(|profile| DeepConversion::new(profile, channels));
    let profile_left = profile.filter(|_| conversion.is_none());
    let shown = conversion.as_ref().map_or(channels, DeepConversion::target);
    let mut sink = RowSink::new(size, shown, target);
    let length = size.0 as usize * channels.count();
    let mut samples = vec![0; if conversion.is_some() { length } else { 0 }];
    let mut row = vec![0; length];
    let mut rows = picture.rows();
    for number in 0..size.1 {
        if number % ROWS_A_CHECK == 0 {
            limits.check_deadline("decode")?;
        }
        if let Some(conversion) = &conversion {
            rows.next_16(&mut samples);
            row.clear();
            conversion.extend(&mut row, &samples)?;
        } else {
            rows.next_8(&mut row);
        }
        sink.push(&row)?;
    }
    Ok((sink.finish()?, profile_left))
}
