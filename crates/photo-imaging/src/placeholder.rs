//! What is shown before a thumbnail has come: a hash that draws a blur, and one colour.

use crate::raster::{Channels, Raster};

/// The `ThumbHash` of a picture of at most 100 px a side.
pub(crate) fn thumbhash(small: &Raster) -> Vec<u8> {
    let hash =
        |rgba: &[u8]| thumbhash::rgba_to_thumb_hash(small.width() as usize, small.height() as usize, rgba);
    match small.channels() {
        Channels::Rgba => hash(small.data()),
        _ => hash(small.map(Channels::Rgba, |[r, g, b]| [r, g, b, 255]).data()),
    }
}

/// Buckets per channel: 16 levels each.
const BUCKETS: usize = 16 * 16 * 16;

/// The mean of the most frequent of 4096 kinds of colour, pixels more than half transparent left out; the background
/// if nothing is left.
pub(crate) fn dominant_color(small: &Raster, background: [u8; 3]) -> [u8; 3] {
    let mut buckets = vec![[0_u32; 4]; BUCKETS];
    for pixel in small.data().chunks_exact(small.channels().count()) {
        let &[r, g, b, ref alpha @ ..] = pixel else { continue };
        if alpha.first().is_some_and(|&a| a < 128) {
            continue;
        }
        let index = usize::from(r >> 4) << 8 | usize::from(g >> 4) << 4 | usize::from(b >> 4);
        let [count, red, green, blue] = &mut buckets[index];
        *count += 1;
        *red += u32::from(r);
        *green += u32::from(g);
        *blue += u32::from(b);
    }
    // The first of equals, so that the answer does not depend on chance.
    let best = buckets.iter().rev().max_by_key(|bucket| bucket[0]);
    match best {
        Some(&[count, sums @ ..]) if count > 0 => {
            sums.map(|sum| u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX))
        }
        _ => background,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dominant_colour_is_the_mean_of_the_fullest_bucket() {
        let pixels = [[200, 10, 10], [206, 14, 12], [0, 0, 255], [40, 90, 40]].concat();
        let raster = Raster::new(4, 1, Channels::Rgb, pixels).unwrap();
        assert_eq!(dominant_color(&raster, [9; 3]), [203, 12, 11]);
    }

    #[test]
    fn hidden_pixels_have_no_say_and_an_invisible_picture_has_the_background() {
        let pixels = [[200, 0, 0, 10], [200, 0, 0, 10], [0, 0, 250, 200]].concat();
        let raster = Raster::new(3, 1, Channels::Rgba, pixels).unwrap();
        assert_eq!(dominant_color(&raster, [9; 3]), [0, 0, 250]);
        let clear = Raster::new(1, 1, Channels::Rgba, vec![200, 0, 0, 0]).unwrap();
        assert_eq!(dominant_color(&clear, [9; 3]), [9; 3]);
    }

    #[test]
    fn a_thumbhash_draws_the_average_colour_again() {
        let raster = Raster::new(60, 40, Channels::Rgb, [180, 60, 60].repeat(2400)).unwrap();
        let (r, g, b, a) = thumbhash::thumb_hash_to_average_rgba(&thumbhash(&raster)).unwrap();
        let near = |x: f32, y: f32| (x * 255.0 - y).abs() < 6.0;
        assert!(near(r, 180.0) && near(g, 60.0) && near(b, 60.0) && near(a, 255.0), "{r} {g} {b} {a}");
    }
}
