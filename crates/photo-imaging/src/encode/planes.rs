//! RGB to luma and chroma, mostly of half size, which is what JPEG and WebP store (ITU-R BT.601).

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv420,
    rgb_to_yuv444, rgba_to_yuv420,
};

use crate::planar::Planar;
use crate::range;
use crate::raster::{Channels, Raster};

/// Full-range planes for the JPEG encoder.
pub(super) struct PlanesRef<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: &'a [u8],
    pub(super) cb: &'a [u8],
    pub(super) cr: &'a [u8],
    pub(super) full_chroma: bool,
}

/// Planes without padding.
#[derive(Debug)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) cb: Vec<u8>,
    pub(super) cr: Vec<u8>,
    /// Chroma is as large as luma; otherwise it has half the width and height, rounded up.
    pub(super) full_chroma: bool,
}

/// Which of the 256 values black and white have.
#[derive(Clone, Copy)]
pub(super) enum Range {
    /// 0 and 255, as JPEG has it.
    Full,
    /// 16 and 235, as WebP has it.
    Limited,
}

impl<'a> From<&'a Planes> for PlanesRef<'a> {
    fn from(planes: &'a Planes) -> Self {
        let &Planes { width, height, ref y, ref cb, ref cr, full_chroma } = planes;
        Self { width, height, y, cb, cr, full_chroma }
    }
}

impl<'a> From<&'a Planar> for PlanesRef<'a> {
    fn from(picture: &'a Planar) -> Self {
        let &Planar { width, height, ref y, ref cb, ref cr } = picture;
        Self { width: width as usize, height: height as usize, y, cb, cr, full_chroma: false }
    }
}

impl Planes {
    /// As WebP has them.
    pub(super) fn limited(picture: &Planar) -> Self {
        Self {
            width: picture.width as usize,
            height: picture.height as usize,
            y: range::LIMITED_LUMA.of(&picture.y),
            cb: range::LIMITED_CHROMA.of(&picture.cb),
            cr: range::LIMITED_CHROMA.of(&picture.cr),
            full_chroma: false,
        }
    }

    /// Of an opaque picture, three channels.
    pub(super) fn of(raster: &Raster, range: Range, full_chroma: bool) -> Result<Self, String> {
        if raster.channels() != Channels::Rgb {
            return Err(format!("{:?} pixels", raster.channels()));
        }
        Self::converted(raster, range, full_chroma)
    }

    /// Of a picture with alpha, four channels: limited range, chroma of half size, and the alpha.
    pub(super) fn with_alpha(raster: &Raster) -> Result<(Self, Vec<u8>), String> {
        if raster.channels() != Channels::Rgba {
            return Err(format!("{:?} pixels", raster.channels()));
        }
        let mut planes = Self::converted(raster, Range::Limited, false)?;
        planes.weigh_chroma(raster.data().as_chunks::<4>().0);
        Ok((planes, raster.data().iter().skip(3).step_by(4).copied().collect()))
    }

    /// Chroma of pixels that are seen unequally: their mean weighted by alpha, as libwebp has it (`AccumulateRGBA` of its
    /// `picture_csp_enc.c`, but not in linear light). Otherwise what hides beside an edge would colour it.
    fn weigh_chroma(&mut self, pixels: &[[u8; 4]]) {
        let width = self.width;
        let half = width.div_ceil(2);
        let chroma = self.cb.chunks_mut(half).zip(self.cr.chunks_mut(half));
        for (rows, (cb, cr)) in pixels.chunks(2 * width).zip(chroma) {
            let (upper, lower) = rows.split_at(width.min(rows.len()));
            for (x, (cb, cr)) in cb.iter_mut().zip(cr).enumerate() {
                let pair = |row: &'_ [[u8; 4]]| [row.get(2 * x).copied(), row.get(2 * x + 1).copied()];
                let seen = [pair(upper), pair(lower)].into_iter().flatten().flatten();
                let alpha = |[_, _, _, alpha]: [u8; 4]| alpha;
                let most = seen.clone().map(alpha).max();
                if most != seen.clone().map(alpha).min() {
                    (*cb, *cr) = chroma_of(seen);
                }
            }
        }
    }

    fn converted(raster: &Raster, range: Range, full_chroma: bool) -> Result<Self, String> {
        let (width, height) = (raster.width(), raster.height());
        let shrink = if full_chroma { 1 } else { 2 };
        let (chroma_width, chroma_height) = (width.div_ceil(shrink), height.div_ceil(shrink));
        let area = |w: u32, h: u32| vec![0; w as usize * h as usize];
        let mut image = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Owned(area(width, height)),
            y_stride: width,
            u_plane: BufferStoreMut::Owned(area(chroma_width, chroma_height)),
            u_stride: chroma_width,
            v_plane: BufferStoreMut::Owned(area(chroma_width, chroma_height)),
            v_stride: chroma_width,
            width,
            height,
        };
        let range = match range {
            Range::Full => YuvRange::Full,
            Range::Limited => YuvRange::Limited,
        };
        let (matrix, mode) = (YuvStandardMatrix::Bt601, YuvConversionMode::Balanced);
        let convert = match (raster.channels(), full_chroma) {
            (Channels::Rgba, _) => rgba_to_yuv420,
            (_, true) => rgb_to_yuv444,
            (_, false) => rgb_to_yuv420,
        };
        let stride = raster.data().len() / height as usize;
        let stride = u32::try_from(stride).map_err(|e| e.to_string())?;
        convert(&mut image, raster.data(), stride, range, matrix, mode).map_err(|e| e.to_string())?;
        let owned = |plane| match plane {
            BufferStoreMut::Owned(plane) => plane,
            BufferStoreMut::Borrowed(plane) => plane.to_vec(),
        };
        Ok(Self {
            width: width as usize,
            height: height as usize,
            y: owned(image.y_plane),
            cb: owned(image.u_plane),
            cr: owned(image.v_plane),
            full_chroma,
        })
    }
}

/// Limited-range Cb and Cr of the mean of these pixels, weighted by alpha, of which some is not zero.
fn chroma_of(pixels: impl Iterator<Item = [u8; 4]>) -> (u8, u8) {
    let (mut sum, mut weight) = ([0.0_f32; 3], 0.0_f32);
    for [r, g, b, alpha] in pixels {
        let alpha = f32::from(alpha);
        for (sum, channel) in sum.iter_mut().zip([r, g, b]) {
            *sum += alpha * f32::from(channel);
        }
        weight += alpha;
    }
    let [r, g, b] = sum.map(|sum| sum / weight);
    // In range by what they are of; a cast saturates all the same.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let level = |difference: f32| (128.5 + difference) as u8;
    (
        level(-0.148_223 * r - 0.290_993 * g + 0.439_216 * b),
        level(0.439_216 * r - 0.367_788 * g - 0.071_427 * b),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_have_the_values_of_the_standard() {
        let table: [([u8; 3], [u8; 3], [u8; 3]); 5] = [
            ([0, 0, 0], [0, 128, 128], [16, 128, 128]),
            ([255, 255, 255], [255, 128, 128], [235, 128, 128]),
            ([255, 0, 0], [76, 85, 255], [81, 90, 240]),
            ([0, 255, 0], [150, 44, 21], [145, 54, 34]),
            ([0, 0, 255], [29, 255, 107], [41, 240, 110]),
        ];
        for (rgb, full, limited) in table {
            // An odd size has chroma at its last column and row too.
            let raster = Raster::new(35, 3, Channels::Rgb, rgb.repeat(105)).unwrap();
            for (range, expected) in [(Range::Full, full), (Range::Limited, limited)] {
                let planes = Planes::of(&raster, range, false).unwrap();
                assert_eq!((planes.y.len(), planes.cb.len(), planes.cr.len()), (105, 36, 36));
                for (plane, value) in [&planes.y, &planes.cb, &planes.cr].into_iter().zip(expected) {
                    assert!(plane.iter().all(|v| v.abs_diff(value) <= 1), "{rgb:?}: {value}, {plane:?}");
                }
            }
        }
    }

    #[test]
    fn chroma_is_that_of_what_is_seen() {
        let (red, green, clear_green) = ([255, 0, 0, 255], [0, 255, 0, 255], [0, 255, 0, 0]);
        // Three columns, three rows: red beside hidden green, hidden green alone, both seen.
        let pixels = [red, clear_green, red, clear_green, red, clear_green, clear_green, clear_green, green];
        let raster = Raster::new(3, 3, Channels::Rgba, pixels.concat()).unwrap();
        let (planes, alpha) = Planes::with_alpha(&raster).unwrap();
        assert_eq!(alpha, [255, 0, 255, 0, 255, 0, 0, 0, 255]);
        let near = |found: u8, wanted: u8| found.abs_diff(wanted) <= 1;
        // Red, red, hidden green, green; luma as it is.
        for (place, (cb, cr)) in [(90, 240), (90, 240), (54, 34), (54, 34)].into_iter().enumerate() {
            assert!(near(planes.cb[place], cb) && near(planes.cr[place], cr), "{place}: {planes:?}");
        }
        assert!(near(planes.y[0], 81) && near(planes.y[1], 145));
        // A third of the weight.
        let (cb, cr) = chroma_of([[255, 0, 0, 60], [0, 255, 0, 120]].into_iter());
        assert!(near(cb, 66) && near(cr, 103), "{cb}, {cr}");
    }

    #[test]
    fn opaque_pixels_with_alpha_have_the_planes_of_those_without() {
        let (width, height) = (37, 21);
        let pixels: Vec<[u8; 3]> = (0..width * height)
            .map(|i| [i * 7 % 256, i * 13 % 256, i * i % 256].map(|v| u8::try_from(v).unwrap()))
            .collect();
        let opaque = Raster::new(width, height, Channels::Rgb, pixels.concat()).unwrap();
        let expected = Planes::of(&opaque, Range::Limited, false).unwrap();
        let (planes, _) =
            Planes::with_alpha(&opaque.map(Channels::Rgba, |[r, g, b]| [r, g, b, 255])).unwrap();
        assert_eq!((planes.y, planes.cb, planes.cr), (expected.y, expected.cb, expected.cr));
    }
}
