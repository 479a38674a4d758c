//! Sizes: pure arithmetic, so that it can be tested without pixels.

use crate::options::Fit;
use crate::resize::Crop;

/// The longest side in px of the picture behind the placeholder. 100 is the most that `ThumbHash` allows; it keeps
/// seven waves a side, for which 100 px are plenty.
pub(crate) const PLACEHOLDER_SIDE: u32 = 100;

/// Where a photo's pixels go in a variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    /// Part of the upright photo, as shares of its sides; `None` for all of it.
    pub(crate) crop: Option<Crop>,
    /// Size of the resized pixels in px.
    pub(crate) size: (u32, u32),
    /// Size of the file in px; larger than `size` if the photo is padded.
    pub(crate) canvas: (u32, u32),
}

/// Places an upright photo of `width` × `height` px.
pub(crate) fn place(width: u32, height: u32, fit: Fit) -> Placement {
    match fit {
        Fit::Inside { longest_side } => {
            let size = inside(width, height, longest_side, longest_side);
            Placement { crop: None, size, canvas: size }
        }
        Fit::Within { width: w, height: h } => {
            let size = inside(width, height, w, h);
            Placement { crop: None, size, canvas: size }
        }
        Fit::Contain { width: w, height: h } => {
            Placement { crop: None, size: inside(width, height, w, h), canvas: (w, h) }
        }
        Fit::Cover { width: w, height: h } => cover(width, height, w, h),
    }
}

/// The largest size of this shape within `max_width` × `max_height`, at most the size itself, at least 1 × 1.
pub(crate) fn inside(width: u32, height: u32, max_width: u32, max_height: u32) -> (u32, u32) {
    if width <= max_width && height <= max_height {
        return (width, height);
    }
    let (w, h) = (u64::from(width), u64::from(height));
    let (max_w, max_h) = (u64::from(max_width), u64::from(max_height));
    // Integers: the same on every machine, and exact where a side is the limit itself.
    if w * max_h >= h * max_w {
        (max_width, scaled(h, max_w, w, max_height))
    } else {
        (scaled(w, max_h, h, max_width), max_height)
    }
}

/// side × numerator / denominator, rounded, within 1..=max.
fn scaled(side: u64, numerator: u64, denominator: u64, max: u32) -> u32 {
    let rounded = (side * numerator + denominator / 2) / denominator;
    u32::try_from(rounded).unwrap_or(max).clamp(1, max)
}

fn cover(width: u32, height: u32, w: u32, h: u32) -> Placement {
    // The largest part of that shape: all of one side, a share of the other.
    let part = inside_shape(width, height, w, h);
    let size =
        if u64::from(w) <= u64::from(part.0) && u64::from(h) <= u64::from(part.1) { (w, h) } else { part };
    let (exact_w, exact_h) = exact_shape(width, height, w, h);
    let (share_w, share_h) = (exact_w / f64::from(width), exact_h / f64::from(height));
    let crop =
        Crop { left: (1.0 - share_w) / 2.0, top: (1.0 - share_h) / 2.0, width: share_w, height: share_h };
    Placement { crop: Some(crop), size, canvas: size }
}

/// Whole px of the largest part of the shape `w` : `h`.
fn inside_shape(width: u32, height: u32, w: u32, h: u32) -> (u32, u32) {
    let (w, h) = (u64::from(w), u64::from(h));
    if u64::from(width) * h >= u64::from(height) * w {
        (scaled(u64::from(height), w, h, width), height)
    } else {
        (width, scaled(u64::from(width), h, w, height))
    }
}

/// The same in fractions of a px.
fn exact_shape(width: u32, height: u32, w: u32, h: u32) -> (f64, f64) {
    let (width, height, w, h) = (f64::from(width), f64::from(height), f64::from(w), f64::from(h));
    if width * h >= height * w { (height * w / h, height) } else { (width, width * h / w) }
}

impl Placement {
    /// The least size in px that the whole upright photo must have for this placement not to enlarge anything.
    pub(crate) fn needs(&self, width: u32, height: u32) -> (u32, u32) {
        let Some(crop) = self.crop else { return self.size };
        let side = |size: u32, share: f64, most: u32| {
            // A thousandth of a px is rounding error, not a reason for another pixel.
            let exact = (f64::from(size) / share - 1e-3).ceil().clamp(1.0, f64::from(most));
            // In range by the line above.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let whole = exact as u32;
            whole
        };
        (side(self.size.0, crop.width, width), side(self.size.1, crop.height, height))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_inside_are_exact() {
        let table = [
            ((4000, 3000), 1280, (1280, 960)),
            ((3000, 4000), 1280, (960, 1280)),
            ((301, 203), 160, (160, 108)),
            ((1280, 960), 1280, (1280, 960)),
            ((1281, 960), 1280, (1280, 959)),
            ((100, 50), 160, (100, 50)),
            ((4000, 1), 160, (160, 1)),
            ((1, 4000), 160, (1, 160)),
            ((1, 1), 1, (1, 1)),
            ((65_535, 65_535), 1, (1, 1)),
        ];
        for ((w, h), side, expected) in table {
            assert_eq!(inside(w, h, side, side), expected, "{w} x {h} in {side}");
        }
    }

    #[test]
    fn cover_cuts_the_middle_and_never_enlarges() {
        let placed = place(400, 200, Fit::Cover { width: 50, height: 50 });
        assert_eq!(placed.size, (50, 50));
        assert_eq!(placed.crop, Some(Crop { left: 0.25, top: 0.0, width: 0.5, height: 1.0 }));
        assert_eq!(placed.needs(400, 200), (100, 50));
        // Too small for 500 x 500: the largest square there is.
        assert_eq!(place(400, 200, Fit::Cover { width: 500, height: 500 }).size, (200, 200));
        assert_eq!(place(400, 200, Fit::Cover { width: 1000, height: 100 }).size, (400, 40));
    }

    #[test]
    fn contain_keeps_the_canvas_and_the_shape() {
        let placed = place(400, 200, Fit::Contain { width: 100, height: 100 });
        assert_eq!((placed.size, placed.canvas), ((100, 50), (100, 100)));
        let small = place(40, 20, Fit::Contain { width: 100, height: 100 });
        assert_eq!((small.size, small.canvas), ((40, 20), (100, 100)));
    }

    proptest! {
        #[test]
        fn a_size_inside_keeps_shape_and_bounds(w in 1_u32..70_000, h in 1_u32..70_000, mw in 1_u32..5000, mh in 1_u32..5000) {
            let (width, height) = inside(w, h, mw, mh);
            prop_assert!((1..=mw.min(w)).contains(&width) && (1..=mh.min(h)).contains(&height));
            if (width, height) != (w, h) {
                prop_assert!(width == mw || height == mh, "one side is as long as it may be");
                // The other side is off its exact value by half a px at most, or held at 1.
                let scale = (f64::from(mw) / f64::from(w)).min(f64::from(mh) / f64::from(h));
                prop_assert!((f64::from(width) - f64::from(w) * scale).abs() <= 0.5001 || width == 1);
                prop_assert!((f64::from(height) - f64::from(h) * scale).abs() <= 0.5001 || height == 1);
            }
        }

        #[test]
        fn any_placement_can_be_cut_from_the_size_that_it_needs(
            w in 1_u32..20_000, h in 1_u32..20_000, mw in 1_u32..5000, mh in 1_u32..5000, kind in 0..4,
        ) {
            let fit = match kind {
                0 => Fit::Inside { longest_side: mw },
                1 => Fit::Within { width: mw, height: mh },
                2 => Fit::Cover { width: mw, height: mh },
                _ => Fit::Contain { width: mw, height: mh },
            };
            let placed = place(w, h, fit);
            let (nw, nh) = placed.needs(w, h);
            prop_assert!((1..=w).contains(&nw) && (1..=h).contains(&nh));
            prop_assert!(placed.size.0 <= nw && placed.size.1 <= nh, "nothing is enlarged");
            prop_assert!(placed.size.0 <= placed.canvas.0 && placed.size.1 <= placed.canvas.1);
            if let Some(crop) = placed.crop {
                prop_assert!(crop.left >= 0.0 && crop.top >= 0.0);
                prop_assert!(crop.left + crop.width <= 1.0 + 1e-9 && crop.top + crop.height <= 1.0 + 1e-9);
            }
        }
    }
}
