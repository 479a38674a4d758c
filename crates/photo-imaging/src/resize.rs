//! Resizing by SIMD, Lanczos of three lobes, colours premultiplied by alpha on the way.

use fast_image_resize::ImageError;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{Filter, FilterType, MulDiv, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::error::ImagingError;
use crate::raster::{Channels, Raster};
use crate::transpose::transposed;

/// A part of a picture in px, not necessarily on whole pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crop {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Crop {
    /// All of a picture, as shares of its sides.
    pub(crate) const WHOLE: Self = Self { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };

    /// Shares of these sides in px.
    pub(crate) fn times(self, (width, height): (f64, f64)) -> Self {
        Self {
            left: self.left * width,
            top: self.top * height,
            width: self.width * width,
            height: self.height * height,
        }
    }
}

/// One channel of a picture.
#[derive(Clone, Copy)]
pub(crate) struct PlaneRef<'a> {
    pub(crate) samples: &'a [u8],
    /// Columns and rows.
    pub(crate) size: (u32, u32),
    /// Of which, from the upper left on, this much is picture.
    pub(crate) exact: (f64, f64),
}

/// Resizes the whole picture, or a part of it. With alpha this takes a copy of the picture: see [`crate::strips::reduced`].
pub(crate) fn resize(
    source: &Raster,
    crop: Option<Crop>,
    width: u32,
    height: u32,
) -> Result<Raster, ImagingError> {
    let (size, channels) = ((source.width(), source.height()), source.channels());
    // Of these alone: otherwise the fourth ink would be taken for alpha.
    let options = options(channels.has_alpha(), crop);
    let data = resized(source.data(), size, channels, (width, height), &options)?;
    Raster::new(width, height, channels, data).ok_or_else(|| unfit(&"empty target"))
}

/// Resizes a part of samples that are a picture of this size, premultiplied if there is alpha, and so is what comes out.
pub(crate) fn resize_premultiplied(
    samples: &[u8],
    size: (u32, u32),
    channels: Channels,
    part: Crop,
    target: (u32, u32),
) -> Result<Vec<u8>, ImagingError> {
    resized(samples, size, channels, target, &options(false, Some(part)))
}

/// Multiplies colours by alpha, in place.
pub(crate) fn multiply_alpha(
    samples: &mut [u8],
    size: (u32, u32),
    channels: Channels,
) -> Result<(), ImagingError> {
    match channels {
        Channels::GrayAlpha => {
            by_alpha::<U8x2>(samples, size, |mul_div, view| mul_div.multiply_alpha_inplace_typed(view))
        }
        Channels::Rgba => {
            by_alpha::<U8x4>(samples, size, |mul_div, view| mul_div.multiply_alpha_inplace_typed(view))
        }
        Channels::Gray | Channels::Rgb | Channels::Cmyk => Ok(()),
    }
}

/// Divides colours by alpha, in place.
pub(crate) fn divide_alpha(
    samples: &mut [u8],
    size: (u32, u32),
    channels: Channels,
) -> Result<(), ImagingError> {
    match channels {
        Channels::GrayAlpha => {
            by_alpha::<U8x2>(samples, size, |mul_div, view| mul_div.divide_alpha_inplace_typed(view))
        }
        Channels::Rgba => {
            by_alpha::<U8x4>(samples, size, |mul_div, view| mul_div.divide_alpha_inplace_typed(view))
        }
        Channels::Gray | Channels::Rgb | Channels::Cmyk => Ok(()),
    }
}

fn by_alpha<P: PixelTrait>(
    samples: &mut [u8],
    (width, height): (u32, u32),
    apply: impl Fn(&MulDiv, &mut TypedImage<'_, P>) -> Result<(), ImageError>,
) -> Result<(), ImagingError> {
    let mut view = TypedImage::<P>::from_buffer(width, height, samples).map_err(|e| unfit(&e))?;
    apply(&MulDiv::new(), &mut view).map_err(|e| unfit(&e))
}

fn resized(
    samples: &[u8],
    size: (u32, u32),
    channels: Channels,
    target: (u32, u32),
    options: &ResizeOptions,
) -> Result<Vec<u8>, ImagingError> {
    match channels {
        Channels::Gray => convolved::<U8>(samples, size, target, options),
        Channels::GrayAlpha => convolved::<U8x2>(samples, size, target, options),
        Channels::Rgb => convolved::<U8x3>(samples, size, target, options),
        Channels::Rgba | Channels::Cmyk => convolved::<U8x4>(samples, size, target, options),
    }
}

fn options(alpha: bool, crop: Option<Crop>) -> ResizeOptions {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter())).use_alpha(alpha);
    match crop {
        Some(Crop { left, top, width, height }) => options.crop(left, top, width, height),
        None => options,
    }
}

/// Of the filter, on each side of its middle.
const LOBES: f64 = 3.0;

/// The library's Lanczos with half of its sines: they are as many as the taps of all rows and columns, for each plane and size.
fn filter() -> FilterType {
    Filter::new("Lanczos3", lanczos3, LOBES).map_or(FilterType::Lanczos3, FilterType::Custom)
}

/// `sinc(x) sinc(x / 3)` within three lobes (Turkowski, Filters for Common Resampling Tasks, Graphics Gems, 1990), by
/// `sin 3a = 3 sin a - 4 sin³ a`.
fn lanczos3(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    if x.abs() >= LOBES {
        return 0.0;
    }
    let third = std::f64::consts::PI * x / LOBES;
    let sine = third.sin();
    // Divided first: the square of the smallest numbers is zero.
    (sine / third).powi(2) * (1.0 - sine * sine * 4.0 / 3.0)
}

/// Pixels of one kind at another size. The kinds are named one by one: asked for any, the library is compiled for all of its
/// thirteen, which takes minutes and megabytes.
fn convolved<P: PixelTrait>(
    pixels: &[u8],
    (columns, rows): (u32, u32),
    (width, height): (u32, u32),
    options: &ResizeOptions,
) -> Result<Vec<u8>, ImagingError> {
    let view = TypedImageRef::<P>::from_buffer(columns, rows, pixels).map_err(|e| unfit(&e))?;
    let mut out = vec![0; width as usize * height as usize * P::size()];
    let mut target = TypedImage::<P>::from_buffer(width, height, &mut out).map_err(|e| unfit(&e))?;
    Resizer::new().resize_typed(&view, &mut target, options)?;
    Ok(out)
}

/// Resizes one channel. `part` is in shares of the picture's sides and may reach beyond them: the edges go on there.
pub(crate) fn resize_plane(
    plane: &PlaneRef<'_>,
    part: Crop,
    target: (u32, u32),
) -> Result<Vec<u8>, ImagingError> {
    let (part, size) = (part.times(plane.exact), plane.size);
    let more = Margins::of(part, size);
    if more != Margins::default() {
        let (samples, size) = more.added(plane.samples, size);
        let part =
            Crop { left: part.left + f64::from(more.left), top: part.top + f64::from(more.top), ..part };
        return resize_within(&samples, size, part, target);
    }
    resize_within(plane.samples, size, part, target)
}

/// Rounding error of a place in px.
const NEAR: f64 = 1e-6;

/// A pass over rows, which takes 64 columns at a time, costs a seventh of one over columns, so rows become columns for
/// the second pass and back.
fn resize_within(
    samples: &[u8],
    (columns, rows): (u32, u32),
    part: Crop,
    (width, height): (u32, u32),
) -> Result<Vec<u8>, ImagingError> {
    let (left, top) = (part.left.max(0.0), part.top.max(0.0));
    let across = part.width.min(f64::from(columns) - left);
    let down = part.height.min(f64::from(rows) - top);
    // Columns that the second pass looks at: the filter's three lobes on both sides.
    let reach = LOBES * (across / f64::from(width)).max(1.0) + 1.0;
    // In range by the clamp.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let column = |place: f64| place.clamp(0.0, f64::from(columns)) as u32;
    let (first, last) = (column(left - reach), column((left + across + reach).ceil()));

    let lines = resize_rows(samples, (columns, rows), (first, last), (top, down), height)?;
    let seen = last - first;
    if is_whole(left - f64::from(first), across, seen) && seen == width {
        return Ok(lines);
    }
    let turned = transposed(&lines, seen as usize, height as usize);
    // Not two of them at once with what comes next.
    drop(lines);
    let lines = resize_rows(&turned, (height, seen), (0, height), (left - f64::from(first), across), width)?;
    drop(turned);
    Ok(transposed(&lines, height as usize, width as usize))
}

/// Resizes the columns from `first` up to `last` downwards: of `rows` rows the part from `top` on to `height` rows.
fn resize_rows(
    samples: &[u8],
    (columns, rows): (u32, u32),
    (first, last): (u32, u32),
    (top, down): (f64, f64),
    height: u32,
) -> Result<Vec<u8>, ImagingError> {
    let part = Crop { left: f64::from(first), top, width: f64::from(last - first), height: down };
    convolved::<U8>(samples, (columns, rows), (last - first, height), &options(false, Some(part)))
}

fn is_whole(start: f64, length: f64, side: u32) -> bool {
    start.abs() < NEAR && (length - f64::from(side)).abs() < NEAR
}

/// Columns and rows that a plane lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Margins {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Margins {
    fn of(part: Crop, (width, height): (u32, u32)) -> Self {
        // A sample or two, by what callers ask for.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = |beyond: f64| (beyond - NEAR).ceil().max(0.0) as u32;
        Self {
            left: whole(-part.left),
            top: whole(-part.top),
            right: whole(part.left + part.width - f64::from(width)),
            bottom: whole(part.top + part.height - f64::from(height)),
        }
    }

    /// The plane with its edges repeated.
    fn added(self, samples: &[u8], (width, height): (u32, u32)) -> (Vec<u8>, (u32, u32)) {
        let size = (width + self.left + self.right, height + self.top + self.bottom);
        let mut out = Vec::with_capacity(size.0 as usize * size.1 as usize);
        for y in 0..size.1 {
            let from = y.saturating_sub(self.top).min(height.saturating_sub(1));
            let row = &samples[(from * width) as usize..][..width as usize];
            let edge = |sample: Option<&u8>, count: u32| {
                std::iter::repeat_n(sample.copied().unwrap_or_default(), count as usize)
            };
            out.extend(edge(row.first(), self.left));
            out.extend_from_slice(row);
            out.extend(edge(row.last(), self.right));
        }
        (out, size)
    }
}

/// Cannot happen with a [`Raster`], whose buffer fits its size; an error rather than a panic all the same.
fn unfit(reason: &impl std::fmt::Display) -> ImagingError {
    ImagingError::Internal(reason.to_string())
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn colour_under_transparency_does_not_bleed() {
        // Opaque red left, transparent green right.
        let row: Vec<u8> = [[255, 0, 0, 255]; 32].into_iter().chain([[0, 255, 0, 0]; 32]).flatten().collect();
        let source = Raster::new(64, 8, Channels::Rgba, row.repeat(8)).unwrap();
        let small = resize(&source, None, 9, 1).unwrap();
        for pixel in small.data().chunks(4) {
            assert!(pixel[3] == 0 || pixel[1] < 3, "{pixel:?}");
        }
    }

    #[test]
    fn the_filter_is_the_product_of_both_sinc() {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        let odd = [f64::MIN_POSITIVE, -1e-200, 1e-9, 2.999_999_999];
        for x in (-3500..=3500).map(|x| f64::from(x) / 1000.0).chain(odd) {
            let expected = if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 };
            assert!((lanczos3(x) - expected).abs() < 1e-14, "{x}: {} for {expected}", lanczos3(x));
        }
        assert!(matches!(filter(), FilterType::Custom(_)));
    }

    #[test]
    fn beyond_its_edges_a_plane_goes_on() {
        let samples = [10, 20, 30, 40, 50, 60];
        let plane = PlaneRef { samples: &samples, size: (3, 2), exact: (3.0, 2.0) };
        let beyond = Crop { left: -1.0 / 3.0, top: 0.0, width: 5.0 / 3.0, height: 1.5 };
        let out = resize_plane(&plane, beyond, (5, 3)).unwrap();
        assert_eq!(out, [10, 10, 20, 30, 30, 40, 40, 50, 60, 60, 40, 40, 50, 60, 60]);
        // Nearly all of it is all of it.
        let nearly = Crop { left: -1e-12, width: 1.0 + 1e-11, ..Crop::WHOLE };
        assert_eq!(Margins::of(nearly.times((3.0, 2.0)), (3, 2)), Margins::default());
        assert_eq!(resize_plane(&plane, nearly, (3, 2)).unwrap(), samples);
    }

    #[test]
    fn the_fourth_ink_is_no_alpha() {
        let source = Raster::new(8, 8, Channels::Cmyk, [200, 100, 50, 0].repeat(64)).unwrap();
        assert_eq!(resize(&source, None, 3, 3).unwrap().data(), [200, 100, 50, 0].repeat(9));
    }
}
