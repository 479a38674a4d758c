//! Components of a JPEG or a lossy WebP on their way to pixels.
//!
//! They are resized one by one, each from the resolution that it is stored in, and put together after that, or not at
//! all: chroma that is stored at half size is never enlarged to the photo's, and colours are converted for the largest
//! variant's pixels alone. Resizing and conversion are both linear, so their order does not change the picture.

use photo_jpeg::{Color, Picture, Plane, rgb_of_ycbcr};

use crate::error::ImagingError;
use crate::planar::{Phase, Planar};
use crate::range::{self, Table};
use crate::raster::{Channels, Raster};
use crate::resize::{Crop, PlaneRef, resize_plane};

pub(crate) struct Planes {
    pub(super) picture: Picture,
    /// Samples are in limited range, see [`range`].
    pub(super) limited: bool,
}

impl Planes {
    /// Pixels of this size: gray, RGB, or inks of which 255 is full.
    pub(crate) fn into_raster(self, width: u32, height: u32) -> Result<Raster, ImagingError> {
        let Self { mut picture, limited } = self;
        if limited {
            for (plane, table) in picture.planes.iter_mut().zip(FULL) {
                table.apply(&mut plane.samples);
            }
        }
        let color = picture.color;
        let channels = match color {
            Color::Gray => Channels::Gray,
            Color::YCbCr | Color::Rgb => Channels::Rgb,
            Color::Cmyk | Color::Ycck => Channels::Cmyk,
        };
        let mut data = if (picture.width, picture.height) == (width, height) {
            picture.into_pixels()
        } else {
            // Each is let go of when the smaller one is made.
            let planes = picture.planes.into_iter();
            let resized: Result<Vec<Vec<u8>>, _> =
                planes.map(|plane| resize_to(&plane, width, height)).collect();
            interleave(resized?, color)
        };
        match color {
            Color::Ycck => ycck_to_cmyk(&mut data),
            // Adobe's programs store 255 for no ink, and everybody followed: browsers, Pillow and ImageMagick take CMYK so with
            // and without Adobe's marker. libvips goes by the marker and shows such a file as its negative.
            Color::Cmyk => {
                for ink in &mut data {
                    *ink = 255 - *ink;
                }
            }
            _ => {}
        }
        Raster::new(width, height, channels, data)
            .ok_or_else(|| ImagingError::Internal("planes of a wrong size".to_owned()))
    }

    /// Luma of this size and chroma of half of it. Gray or YCbCr alone.
    pub(crate) fn into_planar(self, width: u32, height: u32, phase: Phase) -> Result<Planar, ImagingError> {
        let planes = self.picture.planes.iter().map(view).collect::<Result<Vec<_>, _>>()?;
        let mut planar = Planar::resized(&planes, Crop::WHOLE, (width, height), phase)?;
        if self.limited {
            // After the resize there is less of it, and what a reduction evens out is not cut off before.
            let planes = [&mut planar.y, &mut planar.cb, &mut planar.cr];
            for (plane, table) in planes.into_iter().zip(FULL) {
                table.apply(plane);
            }
        }
        Ok(planar)
    }
}

/// Of luma, Cb and Cr.
const FULL: [&Table; 3] = [&range::FULL_LUMA, &range::FULL_CHROMA, &range::FULL_CHROMA];

fn resize_to(plane: &Plane, width: u32, height: u32) -> Result<Vec<u8>, ImagingError> {
    resize_plane(&view(plane)?, Crop::WHOLE, (width, height))
}

fn view(plane: &Plane) -> Result<PlaneRef<'_>, ImagingError> {
    let whole = |count: usize| {
        u32::try_from(count).map_err(|_| ImagingError::Internal("a plane beyond all files".to_owned()))
    };
    let size = (whole(plane.width)?, whole(plane.height)?);
    Ok(PlaneRef { samples: &plane.samples, size, exact: (plane.exact_width, plane.exact_height) })
}

fn interleave(mut planes: Vec<Vec<u8>>, color: Color) -> Vec<u8> {
    match &planes[..] {
        [a, b, c] => {
            let mut data = vec![0; 3 * a.len()];
            let pixels = data.as_chunks_mut::<3>().0.iter_mut().zip(a).zip(b).zip(c);
            if color == Color::YCbCr {
                pixels.for_each(|(((pixel, &y), &cb), &cr)| *pixel = rgb_of_ycbcr([y, cb, cr]));
            } else {
                pixels.for_each(|(((pixel, &a), &b), &c)| *pixel = [a, b, c]);
            }
            data
        }
        [a, b, c, d] => {
            let quads = a.iter().zip(b).zip(c).zip(d);
            quads.flat_map(|(((&a, &b), &c), &d)| [a, b, c, d]).collect()
        }
        _ => planes.pop().unwrap_or_default(),
    }
}

/// YCCK is ink as if it were light, as YCbCr (ITU-T T.871 coefficients); K beside it is inverted, as in Adobe's CMYK.
fn ycck_to_cmyk(data: &mut [u8]) {
    for pixel in data.as_chunks_mut::<4>().0 {
        let [y, cb, cr, k] = *pixel;
        let [c, m, y] = rgb_of_ycbcr([y, cb, cr]);
        *pixel = [c, m, y, 255 - k];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ycck_becomes_ink() {
        let mut data = vec![0, 128, 128, 255, 255, 128, 128, 0, 76, 85, 255, 200];
        ycck_to_cmyk(&mut data);
        assert_eq!(data[..8], [0, 0, 0, 0, 255, 255, 255, 255]);
        // Y 76, Cb 85, Cr 255 is the primary red (254, 0, 0) as YCbCr: full cyan.
        assert_eq!(data[8..], [254, 0, 0, 55]);
    }
}
