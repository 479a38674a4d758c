//! PNG: by rows where rows can be reduced as they come, so that the whole picture is never in memory, and at once otherwise.
//!
//! A damaged picture is decoded a second time, up to where its stream is damaged. What has not arrived is transparent, as in
//! Chromium, and in an interlaced picture shown by the pixels that have.

mod source;

use png::{
    BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, InterlaceInfo, Limits as PngLimits, Reader,
    Transformations,
};

use super::{Decoded, Source, other_size};
use crate::color::{self, DeepConversion};
use crate::damage::Loss;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::Header;
use crate::probe::png::{Picture, PngFile};
use crate::profile::Profile;
use crate::raster::{Channels, Raster};
use crate::sanitize::inflate::inflate;
use crate::strips::{self, Strips};
use source::PixelChunks;

/// Rows between two looks at the clock.
const ROWS_A_CHECK: u32 = 16;

/// Decodes the picture, at the size that will be made of it if rows can be reduced as they come: not if they are interlaced or a
/// part of a canvas, not to be reduced, or of 16 bits whose profile needs all of them.
pub(super) fn decode<'p>(
    bytes: &[u8],
    header: &Header,
    target: (u32, u32),
    profile: Option<&'p Profile>,
    limits: &Limits,
) -> Result<Decoded<'p>, ImagingError> {
    let refused = |reason| ImagingError::corrupt(Format::Png, reason);
    let file = PngFile::parse(bytes).map_err(refused)?;
    let job = Job { file: &file, target, profile, limits };
    let mut decoded = job.tolerant(file.shown().map_err(refused)?);
    if let Some(default) = file.fallback() {
        let is_lost = match &decoded {
            Ok((_, loss)) => loss.as_ref().is_some_and(|loss| 2 * loss.received < loss.total),
            Err(error) => matches!(error, ImagingError::Corrupt { .. }),
        };
        if is_lost {
            drop(decoded);
            decoded = job.tolerant(default);
        }
    }
    let (Output { raster, profile, .. }, loss) = decoded?;
    Ok(Decoded { source: Source::Pixels(raster), profile, orientation: header.orientation, loss })
}

/// Memory in bytes that decoding to this size takes.
pub(crate) fn decoder_bytes(bytes: &[u8], target: (u32, u32)) -> u64 {
    let Ok(file) = PngFile::parse(bytes) else { return 0 };
    let at_once = file.bytes_at_once();
    if !file.comes_by_rows() || !is_smaller(target, file.size()) {
        return at_once;
    }
    let channels = if file.shape.is_gray() { Channels::GrayAlpha } else { Channels::Rgba };
    at_once.min(file.bytes_by_rows() + strips::bytes(file.size(), channels, target))
}

fn is_smaller(target: (u32, u32), size: (u32, u32)) -> bool {
    target != size && target.0 <= size.0 && target.1 <= size.1
}

/// What is to be made of a picture.
#[derive(Clone, Copy)]
struct Job<'f, 'a, 'p> {
    file: &'f PngFile<'a>,
    target: (u32, u32),
    profile: Option<&'p Profile>,
    limits: &'f Limits,
}

/// What was made of a picture.
struct Output<'p> {
    raster: Raster,
    /// By which its pixels are still to be converted.
    profile: Option<&'p Profile>,
    /// Rows that were decoded, of all passes.
    rows: u64,
}

/// How much of the data the decoder is given.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    /// All of it. Damage is an error.
    Whole,
    /// So many rows, of all passes, which have arrived.
    Rows(u64),
}

impl<'p> Job<'_, '_, 'p> {
    /// Decodes a picture as far as it goes.
    fn tolerant(self, picture: Picture<'_>) -> Result<(Output<'p>, Option<Loss>), ImagingError> {
        let shape = picture.shape;
        let loss = |rows, reason| {
            let (received, total) = (shape.pixels_in(rows), shape.pixels_in(u64::MAX));
            Loss { received, total, reason }
        };
        let reason = match self.strict(picture, Extent::Whole) {
            Ok(found) => {
                // Wrong bits that still are rows. The checksum of the rows decides, if it has arrived. It may follow as many rows that
                // are not shown.
                let is_doubtful = picture.data.has_wrong_checksum() && {
                    let limit = 2 * shape.bytes();
                    let inflated = inflate(picture.data.parts(), limit, self.limits, &mut |_| {})?;
                    !inflated.is_sound()
                };
                let reason = "wrong checksums of the image data".to_owned();
                let loss = is_doubtful.then(|| loss(found.rows, reason));
                return Ok((found, loss));
            }
            Err(ImagingError::Corrupt { reason, .. }) => reason,
            Err(error) => return Err(error),
        };
        let inflated = inflate(picture.data.parts(), shape.bytes(), self.limits, &mut |_| {})?;
        let rows = shape.rows_in(inflated.length);
        if rows == 0 {
            return Err(ImagingError::corrupt(Format::Png, reason));
        }
        let found = self.strict(picture, Extent::Rows(rows))?;
        let loss = Some(loss(found.rows, reason)).filter(|loss| loss.received < loss.total);
        Ok((found, loss))
    }

    fn strict(self, picture: Picture<'_>, extent: Extent) -> Result<Output<'p>, ImagingError> {
        let mut reader = self.open(picture, extent)?;
        let (color, depth) = reader.output_color_type();
        let deep = depth == BitDepth::Sixteen;
        let channels = channels(color).ok_or(ImagingError::UnsupportedType("this pixel format"))?;
        let at_once = picture.shape.interlaced
            || !picture.covers(self.file.shape)
            || !is_smaller(self.target, self.file.size())
            || (deep && self.profile.is_some());
        if !at_once {
            let (raster, rows) = self.by_rows(&mut reader, channels, deep, extent)?;
            return Ok(Output { raster, profile: self.profile, rows });
        }
        let (data, rows) = samples_at_once(&mut reader, picture, extent)?;
        let (raster, profile) = self.raster(picture, data, channels, deep)?;
        Ok(Output { raster: on_canvas(raster, picture, self.file.size())?, profile, rows })
    }

    /// Palettes and few bits become 8 bits, and what may not have arrived gets alpha.
    fn open(self, picture: Picture<'_>, extent: Extent) -> Result<Reader<PixelChunks<'_>>, ImagingError> {
        let (source, transformations) = match extent {
            Extent::Whole => (PixelChunks::new(self.file, picture, self.limits), Transformations::EXPAND),
            Extent::Rows(_) => (
                PixelChunks::repaired(self.file, picture, self.limits),
                Transformations::EXPAND | Transformations::ALPHA,
            ),
        };
        let mut options = DecodeOptions::default();
        options.set_ignore_checksums(true);
        let mut decoder = Decoder::new_with_options(source, options);
        let bytes = usize::try_from(self.limits.max_decoder_bytes).unwrap_or(usize::MAX);
        decoder.set_limits(PngLimits { bytes });
        decoder.set_transformations(transformations);
        decoder.read_info().map_err(|e| damaged(&e))
    }

    fn by_rows(
        self,
        reader: &mut Reader<PixelChunks<'_>>,
        channels: Channels,
        deep: bool,
        extent: Extent,
    ) -> Result<(Raster, u64), ImagingError> {
        let size = self.file.size();
        let mut strips = Strips::new(size, channels, self.target);
        let length = size.0 as usize * channels.count();
        let mut row = vec![0; if deep { 2 * length } else { length }];
        let mut narrow = Vec::with_capacity(if deep { length } else { 0 });
        let mut rows = Rows::new(extent, size.1.into());
        for number in 0..size.1 {
            if number % ROWS_A_CHECK == 0 {
                self.limits.check_deadline("decode")?;
            }
            if rows.next(reader, &mut row)?.is_none() {
                row.fill(0);
            }
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
        Ok((strips.finish()?, rows.done))
    }

    /// The picture of all samples, and the profile that its pixels are still to be converted by.
    fn raster(
        self,
        picture: Picture<'_>,
        mut data: Vec<u8>,
        channels: Channels,
        deep: bool,
    ) -> Result<(Raster, Option<&'p Profile>), ImagingError> {
        let raster = |channels, data| {
            Raster::new(picture.shape.width, picture.shape.height, channels, data)
                .ok_or_else(|| other_size(Format::Png))
        };
        // Before the low bytes go: a profile of linear light needs them in the shadows.
        let profile = self.profile.filter(|_| deep);
        if let Some(conversion) = profile.and_then(|profile| DeepConversion::new(profile, channels)) {
            let data = conversion.apply(data.as_chunks::<2>().0, self.limits)?;
            return Ok((raster(conversion.target(), data)?, None));
        }
        if deep {
            narrow(&mut data);
        }
        Ok((raster(channels, data)?, self.profile))
    }
}

/// The rows that are read, of all passes.
struct Rows {
    extent: Extent,
    wanted: u64,
    done: u64,
}

impl Rows {
    fn new(extent: Extent, all: u64) -> Self {
        let wanted = match extent {
            Extent::Whole => all,
            Extent::Rows(rows) => rows.min(all),
        };
        Self { extent, wanted, done: 0 }
    }

    /// Reads a row. `None` if no more have arrived.
    fn next(
        &mut self,
        reader: &mut Reader<PixelChunks<'_>>,
        row: &mut [u8],
    ) -> Result<Option<InterlaceInfo>, ImagingError> {
        if self.done == self.wanted {
            return Ok(None);
        }
        match reader.read_row(row).map_err(|e| damaged(&e)) {
            Ok(place) => {
                self.done += 1;
                Ok(place)
            }
            // A filter that there is not.
            Err(ImagingError::Corrupt { .. }) if self.extent != Extent::Whole => {
                self.wanted = self.done;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// All samples of a picture, and the number of rows that have arrived.
fn samples_at_once(
    reader: &mut Reader<PixelChunks<'_>>,
    picture: Picture<'_>,
    extent: Extent,
) -> Result<(Vec<u8>, u64), ImagingError> {
    let mut data = vec![0; reader.output_buffer_size().ok_or_else(|| other_size(Format::Png))?];
    let stride = reader.output_line_size(picture.shape.width).ok_or_else(|| other_size(Format::Png))?;
    let mut rows = Rows::new(extent, u64::MAX);
    if picture.shape.interlaced {
        let (color, depth) = reader.output_color_type();
        // Both are small numbers.
        let bits = u8::try_from(color.samples() * depth as usize).unwrap_or(u8::MAX);
        let mut row = vec![0; stride];
        while let Some(InterlaceInfo::Adam7(place)) = rows.next(reader, &mut row)? {
            match extent {
                Extent::Whole => png::expand_interlaced_row(&mut data, stride, &row, &place, bits),
                Extent::Rows(_) => png::splat_interlaced_row(&mut data, stride, &row, &place, bits),
            }
        }
    } else {
        for row in data.chunks_exact_mut(stride.max(1)) {
            if rows.next(reader, row)?.is_none() {
                break;
            }
        }
    }
    Ok((data, rows.done))
}

/// A picture at its place on a transparent canvas.
fn on_canvas(
    raster: Raster,
    picture: Picture<'_>,
    (width, height): (u32, u32),
) -> Result<Raster, ImagingError> {
    if (raster.width(), raster.height()) == (width, height) {
        return Ok(raster);
    }
    let raster = match raster.channels() {
        Channels::Gray => raster.map(Channels::GrayAlpha, |[gray]| [gray, 255]),
        Channels::Rgb => raster.map(Channels::Rgba, |[r, g, b]| [r, g, b, 255]),
        _ => raster,
    };
    let count = raster.channels().count();
    let (left, top) = picture.place;
    let mut data = vec![0; width as usize * height as usize * count];
    let rows = data.chunks_exact_mut(width as usize * count).skip(top as usize);
    for (row, part) in rows.zip(raster.data().chunks_exact(raster.width() as usize * count)) {
        row[left as usize * count..][..part.len()].copy_from_slice(part);
    }
    Raster::new(width, height, raster.channels(), data).ok_or_else(|| other_size(Format::Png))
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
mod tests;
