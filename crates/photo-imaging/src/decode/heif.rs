//! HEIC: decoded tile by tile to planes that are reduced as they come, then by rows to the size that will be made of it.

use photo_heif::{Channels as HeifChannels, Heif, MAX_FACTOR, Picture};

use super::{Decoded, Source};
use crate::color;
use crate::damage::Loss;
use crate::error::ImagingError;
use crate::limits::Limits;
use crate::probe::Header;
use crate::probe::heif::refused;
use crate::profile::Profile;
use crate::raster::{Channels, Raster};
use crate::strips::{self, Strips};

/// Planes are reduced to no less than this many times the target's sides: from there on the resizer decides how sharp the
/// picture is, as for JPEG.
const MARGIN: u32 = 3;
const MARGIN_OVER: u32 = 2;

/// Pixels of more than 8 bits that are converted at once.
const DEEP_PIXELS: u32 = 1 << 18;

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
    let reducing = if size == target {
        4 * u64::from(size.0) * u64::from(size.1)
    } else {
        strips::bytes(size, Channels::Rgba, target)
    };
    // Samples of 16 bits, the same once more as an executor takes them, and 8 bits.
    let deep = if photo.is_deep() { u64::from(DEEP_PIXELS.max(size.0)) * (8 + 8 + 4) } else { 0 };
    photo.memory_bytes(factor).max(photo.picture_bytes(factor) + reducing + deep)
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
    if picture.is_deep() {
        return reduce_deep(picture, channels, target, profile, limits);
    }
    let mut sink = Sink::new(picture, channels, target);
    let mut row = vec![0; picture.width() as usize * channels.count()];
    let mut rows = picture.rows();
    for number in 0..picture.height() {
        if number % ROWS_A_CHECK == 0 {
            limits.check_deadline("decode")?;
        }
        rows.next_8(&mut row);
        sink.push(&row)?;
    }
    Ok((sink.finish()?, profile))
}

/// Samples of 16 bits go through the profile before the low bytes go.
fn reduce_deep<'p>(
    picture: &Picture,
    channels: Channels,
    target: (u32, u32),
    profile: Option<&'p Profile>,
    limits: &Limits,
) -> Result<(Raster, Option<&'p Profile>), ImagingError> {
    let length = picture.width() as usize * channels.count();
    let rows_at_once = (DEEP_PIXELS / picture.width()).clamp(1, picture.height());
    let mut profile_left = profile;
    let mut sink: Option<Sink> = None;
    let mut rows = picture.rows();
    let mut row = vec![0_u16; length];
    let mut samples: Vec<[u8; 2]> = Vec::with_capacity(length * rows_at_once as usize);
    let mut left = picture.height();
    while left > 0 {
        limits.check_deadline("decode")?;
        samples.clear();
        for _ in 0..rows_at_once.min(left) {
            rows.next_16(&mut row);
            samples.extend(row.iter().map(|sample| sample.to_be_bytes()));
        }
        left -= rows_at_once.min(left);
        let converted = match profile {
            Some(profile) => color::deep_to_srgb(&samples, channels, profile, limits)?,
            None => None,
        };
        let (channels, data) = match converted {
            Some(converted) => {
                profile_left = None;
                converted
            }
            None => (channels, samples.iter().map(|&s| color::narrow(u16::from_be_bytes(s))).collect()),
        };
        let sink = sink.get_or_insert_with(|| Sink::new(picture, channels, target));
        for row in data.chunks_exact(picture.width() as usize * channels.count()) {
            sink.push(row)?;
        }
    }
    let sink = sink.ok_or_else(|| ImagingError::Internal("a picture without rows".to_owned()))?;
    Ok((sink.finish()?, profile_left))
}

/// Takes rows, and reduces them if the target is smaller.
enum Sink {
    Whole { size: (u32, u32), channels: Channels, data: Vec<u8> },
    Reduced(Strips),
}

impl Sink {
    fn new(picture: &Picture, channels: Channels, target: (u32, u32)) -> Self {
        let size = (picture.width(), picture.height());
        if size == target {
            let data = Vec::with_capacity(size.0 as usize * size.1 as usize * channels.count());
            return Self::Whole { size, channels, data };
        }
        Self::Reduced(Strips::new(size, channels, target))
    }

    fn push(&mut self, row: &[u8]) -> Result<(), ImagingError> {
        match self {
            Self::Whole { data, .. } => {
                data.extend_from_slice(row);
                Ok(())
            }
            Self::Reduced(strips) => strips.push(row),
        }
    }

    fn finish(self) -> Result<Raster, ImagingError> {
        match self {
            Self::Whole { size, channels, data } => Raster::new(size.0, size.1, channels, data)
                .ok_or_else(|| ImagingError::Internal("rows are missing".to_owned())),
            Self::Reduced(strips) => strips.finish(),
        }
    }
}
