//! EXIF orientation, applied to the pixels.

use image::metadata::Orientation;

use crate::probe::swaps_sides;
use crate::raster::{Channels, Raster};

/// The picture as a viewer shows it.
pub(crate) fn upright(raster: Raster, orientation: Orientation) -> Raster {
    if orientation == Orientation::NoTransforms {
        return raster;
    }
    let size = (raster.width() as usize, raster.height() as usize);
    let turned = match raster.channels() {
        Channels::Gray => turned(raster.data(), size, orientation),
        Channels::GrayAlpha => turned(raster.data().as_chunks::<2>().0, size, orientation).into_flattened(),
        Channels::Rgb => turned(raster.data().as_chunks::<3>().0, size, orientation).into_flattened(),
        Channels::Rgba | Channels::Cmyk => {
            turned(raster.data().as_chunks::<4>().0, size, orientation).into_flattened()
        }
    };
    let (width, height) = if swaps_sides(orientation) {
        (raster.height(), raster.width())
    } else {
        (raster.width(), raster.height())
    };
    Raster::new(width, height, raster.channels(), turned).unwrap_or(raster)
}

/// Which of the stored sides are read from their end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mirrored {
    pub(crate) x: bool,
    pub(crate) y: bool,
}

impl Mirrored {
    pub(crate) fn of(orientation: Orientation) -> Self {
        let (x, y) = match orientation {
            Orientation::NoTransforms | Orientation::Rotate90FlipH => (false, false),
            Orientation::FlipHorizontal | Orientation::Rotate270 => (true, false),
            Orientation::FlipVertical | Orientation::Rotate90 => (false, true),
            Orientation::Rotate180 | Orientation::Rotate270FlipH => (true, true),
        };
        Self { x, y }
    }
}

/// Columns that are turned at once: what is read of them, a cache line of each row, is still in the cache when the next
/// of them is turned.
const STRIPE: usize = 16;

/// Pixels or samples of a stored width and height, turned.
pub(crate) fn turned<T: Copy + Default>(
    pixels: &[T],
    (width, height): (usize, usize),
    orientation: Orientation,
) -> Vec<T> {
    let mirrored = Mirrored::of(orientation);
    let mut out = vec![T::default(); pixels.len()];
    if !swaps_sides(orientation) {
        for (y, row) in out.chunks_exact_mut(width).enumerate() {
            let from = if mirrored.y { height - 1 - y } else { y };
            row.copy_from_slice(&pixels[from * width..][..width]);
            if mirrored.x {
                row.reverse();
            }
        }
        return out;
    }
    // Stored columns become rows of `height` pixels.
    for (stripe, rows) in out.chunks_mut(STRIPE * height).enumerate() {
        for y in 0..height {
            let from = if mirrored.y { height - 1 - y } else { y };
            let row = &pixels[from * width..][..width];
            for (i, out) in rows.chunks_exact_mut(height).enumerate() {
                let x = stripe * STRIPE + i;
                out[y] = row[if mirrored.x { width - 1 - x } else { x }];
            }
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
