//! EXIF orientation, applied to the pixels.

use image::metadata::Orientation;

use crate::probe::swaps_sides;
use crate::raster::{Channels, Raster};

/// The picture as a viewer shows it.
pub(crate) fn upright(raster: Raster, orientation: Orientation) -> Raster {
    if orientation == Orientation::NoTransforms {
        return raster;
    }
    let turned = match raster.channels() {
        Channels::Gray => turn::<1>(&raster, orientation),
        Channels::GrayAlpha => turn::<2>(&raster, orientation),
        Channels::Rgb => turn::<3>(&raster, orientation),
        Channels::Rgba | Channels::Cmyk => turn::<4>(&raster, orientation),
    };
    let (width, height) = if swaps_sides(orientation) {
        (raster.height(), raster.width())
    } else {
        (raster.width(), raster.height())
    };
    Raster::new(width, height, raster.channels(), turned).unwrap_or(raster)
}

fn turn<const N: usize>(raster: &Raster, orientation: Orientation) -> Vec<u8> {
    let (pixels, _) = raster.data().as_chunks::<N>();
    let (w, h) = (raster.width() as usize, raster.height() as usize);
    let (columns, rows) = if swaps_sides(orientation) { (h, w) } else { (w, h) };
    let mut out = Vec::with_capacity(raster.data().len());
    for y in 0..rows {
        for x in 0..columns {
            let (from_x, from_y) = match orientation {
                Orientation::NoTransforms => (x, y),
                Orientation::FlipHorizontal => (w - 1 - x, y),
                Orientation::Rotate180 => (w - 1 - x, h - 1 - y),
                Orientation::FlipVertical => (x, h - 1 - y),
                Orientation::Rotate90FlipH => (y, x),
                Orientation::Rotate90 => (y, h - 1 - x),
                Orientation::Rotate270FlipH => (w - 1 - y, h - 1 - x),
                Orientation::Rotate270 => (w - 1 - y, x),
            };
            out.extend_from_slice(&pixels[from_y * w + from_x]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_moves_each_pixel_where_exif_says() {
        // 1 2 3
        // 4 5 6
        let stored = Raster::new(3, 2, Channels::Gray, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let table: [(u8, u32, [u8; 6]); 8] = [
            (1, 3, [1, 2, 3, 4, 5, 6]),
            (2, 3, [3, 2, 1, 6, 5, 4]),
            (3, 3, [6, 5, 4, 3, 2, 1]),
            (4, 3, [4, 5, 6, 1, 2, 3]),
            (5, 2, [1, 4, 2, 5, 3, 6]),
            (6, 2, [4, 1, 5, 2, 6, 3]),
            (7, 2, [6, 3, 5, 2, 4, 1]),
            (8, 2, [3, 6, 2, 5, 1, 4]),
        ];
        for (exif, width, expected) in table {
            let shown = upright(stored.clone(), Orientation::from_exif(exif).unwrap());
            assert_eq!((shown.width(), shown.data()), (width, expected.as_slice()), "orientation {exif}");
        }
    }
}
