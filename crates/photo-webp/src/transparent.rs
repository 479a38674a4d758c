//! Colour that nobody sees.
//!
//! Where alpha is zero, colour may be anything, so it becomes what costs least: as libwebp's `WebPCleanupTransparentArea`
//! does it unless it is told to be exact.

use crate::Planes;

/// Side of the squares that are looked at, in pixels.
const SIDE: usize = 8;

/// Planes of their own.
pub(crate) struct Cleaned {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Cleaned {
    /// `None` if no pixel is wholly transparent.
    ///
    /// A square that is becomes one colour, that of the square before it if that one is, too: prediction from it then leaves
    /// nothing to be stored. In the others such pixels get the mean brightness of those that are seen.
    pub(crate) fn of(planes: &Planes<'_>, alpha: &[u8]) -> Option<Self> {
        if !alpha.contains(&0) {
            return None;
        }
        let mut cleaned = Self { y: planes.y.to_vec(), u: planes.u.to_vec(), v: planes.v.to_vec() };
        let (width, height) = (planes.width as usize, planes.height as usize);
        let half = width.div_ceil(2);
        for top in (0..height).step_by(SIDE) {
            let mut color = None;
            for left in (0..width).step_by(SIDE) {
                let square =
                    Square { left, top, right: width.min(left + SIDE), bottom: height.min(top + SIDE) };
                let hidden = square.smooth(alpha, &mut cleaned.y, width);
                if !hidden || !square.is_whole() {
                    color = None;
                    continue;
                }
                let chroma = Square {
                    left: left / 2,
                    top: top / 2,
                    right: left / 2 + SIDE / 2,
                    bottom: top / 2 + SIDE / 2,
                };
                let (at, at_half) = (top * width + left, top / 2 * half + left / 2);
                let [y, u, v] =
                    *color.get_or_insert_with(|| [cleaned.y[at], cleaned.u[at_half], cleaned.v[at_half]]);
                square.fill(&mut cleaned.y, width, y);
                chroma.fill(&mut cleaned.u, half, u);
                chroma.fill(&mut cleaned.v, half, v);
            }
        }
        Some(cleaned)
    }

    pub(crate) fn planes(&self, width: u32, height: u32) -> Planes<'_> {
        Planes { width, height, y: &self.y, u: &self.u, v: &self.v }
    }
}

/// Part of a plane; right and bottom are outside.
#[derive(Clone, Copy)]
struct Square {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Square {
    fn is_whole(self) -> bool {
        self.right - self.left == SIDE && self.bottom - self.top == SIDE
    }

    /// Says whether no pixel is seen; if some are, the others get their mean.
    fn smooth(self, alpha: &[u8], luma: &mut [u8], width: usize) -> bool {
        let rows = self.top..self.bottom;
        let (mut sum, mut count) = (0_usize, 0_usize);
        for row in rows.clone() {
            let (from, to) = (row * width + self.left, row * width + self.right);
            for (&alpha, &luma) in alpha[from..to].iter().zip(&luma[from..to]) {
                let seen = usize::from(alpha != 0);
                count += seen;
                sum += seen * usize::from(luma);
            }
        }
        if count == 0 {
            return true;
        }
        if count < (self.right - self.left) * (self.bottom - self.top) {
            let mean = u8::try_from(sum / count).unwrap_or(u8::MAX);
            for row in rows {
                let (from, to) = (row * width + self.left, row * width + self.right);
                let pixels = alpha[from..to].iter().zip(&mut luma[from..to]);
                pixels.filter(|(alpha, _)| **alpha == 0).for_each(|(_, luma)| *luma = mean);
            }
        }
        false
    }

    fn fill(self, plane: &mut [u8], width: usize, value: u8) {
        for row in self.top..self.bottom {
            plane[row * width + self.left..row * width + self.right].fill(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_is_nothing_changed() {
        let planes = Planes { width: 2, height: 2, y: &[1, 2, 3, 4], u: &[5], v: &[6] };
        assert!(Cleaned::of(&planes, &[1, 255, 7, 9]).is_none());
    }

    #[test]
    fn hidden_pixels_are_flat_and_seen_ones_stay() {
        // 26 x 10: three whole squares and a rest to the right and below.
        let (width, height) = (26_usize, 10_usize);
        let luma: Vec<u8> = (0..width * height).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
        let chroma: Vec<u8> = (0..13 * 5).map(|i| u8::try_from(i * 11 % 251).unwrap()).collect();
        let planes = Planes { width: 26, height: 10, y: &luma, u: &chroma, v: &chroma };
        // Hidden from the tenth column on, but for one row.
        let hidden = |i: usize| i % width >= 10 && i / width != 9;
        let alpha: Vec<u8> = (0..width * height).map(|i| if hidden(i) { 0 } else { 200 }).collect();
        let cleaned = Cleaned::of(&planes, &alpha).unwrap();
        let at = |x: usize, y: usize| y * width + x;
        for i in (0..width * height).filter(|&i| !hidden(i)) {
            assert_eq!(cleaned.y[i], luma[i], "{i}");
        }
        // The third square alone is hidden whole.
        let third: Vec<u8> = (0..8).flat_map(|y| cleaned.y[at(16, y)..at(24, y)].to_vec()).collect();
        assert_eq!(third, vec![luma[at(16, 0)]; 64]);
        let colours: Vec<u8> = (0..4).flat_map(|y| cleaned.u[y * 13 + 8..y * 13 + 12].to_vec()).collect();
        assert_eq!(colours, vec![chroma[8]; 16]);
        let seen: Vec<u8> = (0..8).flat_map(|y| luma[at(8, y)..at(10, y)].to_vec()).collect();
        let mean = seen.iter().map(|&v| usize::from(v)).sum::<usize>() / 16;
        assert!((0..8).all(|y| (10..16).all(|x| usize::from(cleaned.y[at(x, y)]) == mean)));
    }

    #[test]
    fn squares_side_by_side_share_a_colour() {
        let luma: Vec<u8> = (0..=255).collect::<Vec<u8>>()[..24 * 8].to_vec();
        let chroma: Vec<u8> = (0..12 * 4).collect();
        let planes = Planes { width: 24, height: 8, y: &luma, u: &chroma, v: &chroma };
        let cleaned = Cleaned::of(&planes, &[0; 24 * 8]).unwrap();
        assert!(cleaned.y.iter().all(|&y| y == luma[0]) && cleaned.v.iter().all(|&v| v == chroma[0]));
        assert_eq!(cleaned.planes(24, 8).y.len(), 24 * 8);
    }
}
