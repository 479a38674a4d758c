//! Colour under wholly transparent pixels.
//!
//! It is not seen and may be anything. So it becomes what costs least, as in libwebp's `WebPCleanupTransparentArea`, and beside
//! seen pixels it becomes theirs, luma and chroma: a block that is coded as a whole would carry it across the edge otherwise.

use crate::Planes;

/// Side of the squares that are looked at, in pixels.
const SIDE: usize = 8;

/// Planes whose wholly transparent pixels have colours of their surroundings.
pub struct Cleaned {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Cleaned {
    /// `None` if no pixel is wholly transparent.
    ///
    /// A square of 8 x 8 that is becomes one colour, that of a pixel beside it: prediction from it then leaves nothing to be
    /// stored, and a macroblock that is seen in part has no other colour. In the others such pixels get the mean colour of those that are seen.
    ///
    /// `alpha` has a sample for each of luma.
    #[must_use]
    pub fn of(planes: &Planes<'_>, alpha: &[u8]) -> Option<Self> {
        if !alpha.contains(&0) || planes.check().is_err() || alpha.len() != planes.y.len() {
            return None;
        }
        let mut cleaned = Self { y: planes.y.to_vec(), u: planes.u.to_vec(), v: planes.v.to_vec() };
        let (width, height) = (planes.width as usize, planes.height as usize);
        let (across, down) = (width.div_ceil(SIDE), height.div_ceil(SIDE));
        let squares = || (0..across * down).map(|place| Square::at(place, across, (width, height)));
        let mut known = Vec::with_capacity(across * down);
        for square in squares() {
            let hidden = square.smooth(alpha, &mut cleaned.y, width);
            if hidden == Hidden::Some {
                let planes = [&mut cleaned.u[..], &mut cleaned.v[..]];
                square.halved().smooth_chroma(alpha, planes, (width, height));
            }
            known.push(hidden != Hidden::All);
        }
        if !known.contains(&true) {
            // One colour for all.
            known.iter_mut().take(1).for_each(|known| *known = true);
            squares().take(1).for_each(|square| cleaned.fill(square, (0, 0), width));
        }
        // From the left or from above, and where nothing is seen there from the right or from below.
        for (place, square) in squares().enumerate() {
            let Square { left, top, .. } = square;
            let source = if left > 0 && known[place - 1] {
                (left - 1, top)
            } else if top > 0 && known[place - across] {
                (left, top - 1)
            } else {
                continue;
            };
            if !std::mem::replace(&mut known[place], true) {
                cleaned.fill(square, source, width);
            }
        }
        for place in (0..across * down).rev() {
            let square = Square::at(place, across, (width, height));
            let source = if square.right < width && known[place + 1] {
                (square.right, square.top)
            } else if square.bottom < height && known[place + across] {
                (square.left, square.bottom)
            } else {
                continue;
            };
            if !std::mem::replace(&mut known[place], true) {
                cleaned.fill(square, source, width);
            }
        }
        Some(cleaned)
    }

    /// Fills a square with the colour of a pixel.
    fn fill(&mut self, square: Square, (x, y): (usize, usize), width: usize) {
        let half = width.div_ceil(2);
        let (luma, chroma) = (self.y[y * width + x], y / 2 * half + x / 2);
        let (u, v) = (self.u[chroma], self.v[chroma]);
        square.fill(&mut self.y, width, luma);
        square.halved().fill(&mut self.u, half, u);
        square.halved().fill(&mut self.v, half, v);
    }

    /// The planes, of the size that those had which they were made of.
    #[must_use]
    pub fn planes(&self, width: u32, height: u32) -> Planes<'_> {
        Planes { width, height, y: &self.y, u: &self.u, v: &self.v }
    }
}

/// How many pixels of a square are wholly transparent.
#[derive(Clone, Copy, PartialEq)]
enum Hidden {
    None,
    Some,
    All,
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
    /// The square in this place, of which there are so many across.
    fn at(place: usize, across: usize, (width, height): (usize, usize)) -> Self {
        let (left, top) = (place % across * SIDE, place / across * SIDE);
        Self { left, top, right: width.min(left + SIDE), bottom: height.min(top + SIDE) }
    }

    /// The same of chroma.
    fn halved(self) -> Self {
        let (right, bottom) = (self.right.div_ceil(2), self.bottom.div_ceil(2));
        Self { left: self.left / 2, top: self.top / 2, right, bottom }
    }

    /// Gives hidden pixels the mean of those that are seen, if there are both.
    fn smooth(self, alpha: &[u8], luma: &mut [u8], width: usize) -> Hidden {
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
            return Hidden::All;
        }
        if count == (self.right - self.left) * (self.bottom - self.top) {
            return Hidden::None;
        }
        let mean = u8::try_from(sum / count).unwrap_or(u8::MAX);
        for row in rows {
            let (from, to) = (row * width + self.left, row * width + self.right);
            let pixels = alpha[from..to].iter().zip(&mut luma[from..to]);
            pixels.filter(|(alpha, _)| **alpha == 0).for_each(|(_, luma)| *luma = mean);
        }
        Hidden::Some
    }

    /// The same of chroma: of samples of whose pixels none is seen. The size is that of alpha.
    fn smooth_chroma(self, alpha: &[u8], planes: [&mut [u8]; 2], (width, height): (usize, usize)) {
        let half = width.div_ceil(2);
        let seen = |x: usize, y: usize| {
            let (rows, right) = (2 * y..(2 * y + 2).min(height), (2 * x + 2).min(width));
            rows.into_iter()
                .any(|row| alpha[row * width + 2 * x..row * width + right].iter().any(|&alpha| alpha != 0))
        };
        let samples = || (self.top..self.bottom).flat_map(|y| (self.left..self.right).map(move |x| (x, y)));
        for plane in planes {
            let (sum, count) = samples()
                .filter(|&(x, y)| seen(x, y))
                .fold((0, 0), |(sum, count), (x, y)| (sum + usize::from(plane[y * half + x]), count + 1));
            // Some pixel of the square is seen, so one of these is.
            let mean = u8::try_from((sum + count / 2) / count.max(1)).unwrap_or(u8::MAX);
            samples().filter(|&(x, y)| !seen(x, y)).for_each(|(x, y)| plane[y * half + x] = mean);
        }
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
        // The third square is hidden whole, as is the part of one on its right.
        let third: Vec<u8> = (0..8).flat_map(|y| cleaned.y[at(16, y)..at(24, y)].to_vec()).collect();
        assert_eq!(third, vec![cleaned.y[at(15, 0)]; 64]);
        let colours: Vec<u8> = (0..4).flat_map(|y| cleaned.u[y * 13 + 8..y * 13 + 12].to_vec()).collect();
        assert_eq!(colours, vec![cleaned.u[7]; 16]);
        // In the second, one column of chroma is seen.
        let seen: usize = (0..4).map(|y| usize::from(chroma[y * 13 + 4])).sum();
        assert!((0..4).all(|y| (5..8).all(|x| usize::from(cleaned.v[y * 13 + x]) == (seen + 2) / 4)));
        assert!((0..5).all(|y| (0..5).all(|x| cleaned.u[y * 13 + x] == chroma[y * 13 + x])));
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
