//! Pictures of few colours, without loss: a `VP8L` chunk with a palette (RFC 9649, 3.5.4).

use super::bits::BitWriter;
use super::decode::SIGNATURE;
use super::prefix::{PrefixCode, write_single};
use super::runs::Effort;
use super::{GREEN, pack, write_image};

/// Red, green, blue, alpha.
type Pixel = [u8; 4];

/// Most colours of a palette.
const MAX_COLORS: usize = 256;
/// Out of 16 pixels, how many at least are like their neighbour on the left or above. Screenshots and drawings have 13 and
/// more; dithered photos have 4, and are smaller with loss.
const REPEATS_OF_16: usize = 12;
/// Up to so many pixels no picture is larger without loss.
const FEW_PIXELS: usize = 64;

/// A picture by a palette.
pub(crate) struct Indexed {
    width: usize,
    /// In the order of `names`.
    colors: Vec<Pixel>,
    /// Of each pixel the place of its colour, in the order in which colours occur.
    plane: Vec<u8>,
    /// Of each such place the one in `colors`.
    names: [u8; MAX_COLORS],
}

impl Indexed {
    /// `None` if there are more colours than a palette has, or if the picture is not made of areas, so that a lossy file is
    /// smaller. Most photos are known by their first rows.
    pub(crate) fn of(pixels: impl Iterator<Item = Pixel>, width: usize) -> Option<Self> {
        let mut found = Colors::default();
        let (count, _) = pixels.size_hint();
        let mut plane = Vec::new();
        let mut last = None;
        for pixel in pixels {
            // The colour of transparent pixels is not kept.
            let pixel = if pixel[3] == 0 { [0; 4] } else { pixel };
            let index = match last {
                Some((color, index)) if color == pixel => index,
                _ => found.place(pixel)?,
            };
            last = Some((pixel, index));
            if plane.is_empty() {
                plane.reserve_exact(count);
            }
            plane.push(index);
        }
        if !repeats(&plane, width) {
            return None;
        }
        // By green, red and blue, so that neighbours differ by little.
        let mut colors = found.colors.clone();
        colors.sort_unstable_by_key(|&[red, green, blue, alpha]| [alpha, green, red, blue]);
        let mut names = [0; MAX_COLORS];
        for (color, name) in found.colors.iter().zip(&mut names) {
            let sorted = colors.iter().position(|other| other == color).unwrap_or(0);
            *name = u8::try_from(sorted).unwrap_or(u8::MAX);
        }
        Some(Self { width, colors, plane, names })
    }

    /// Whether some pixel is not opaque.
    fn has_alpha(&self) -> bool {
        self.colors.iter().any(|color| color[3] != 255)
    }

    /// The content of a `VP8L` chunk.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let height = self.plane.len() / self.width.max(1);
        let mut writer = BitWriter::with_capacity(self.plane.len() / 16 + 64);
        let side = |side: usize| u32::try_from(side.saturating_sub(1)).unwrap_or(0) & 0x3fff;
        writer.put(SIGNATURE.into(), 8);
        writer.put(side(self.width), 14);
        writer.put(side(height), 14);
        writer.put(self.has_alpha().into(), 1);
        // The version.
        writer.put(0, 3);
        // A transform follows: colour indexing.
        writer.put(1, 1);
        writer.put(3, 2);
        writer.put(u32::try_from(self.colors.len() - 1).unwrap_or(0), 8);
        self.write_colors(&mut writer);
        // No other transform, no colour cache, one set of codes.
        writer.put(0, 3);
        let (packed, packed_width) = pack(&self.plane, self.width, self.colors.len(), &self.names);
        write_image(&mut writer, &packed, packed_width, Effort::MORE);
        writer.finish()
    }

    /// The palette as an image of one row: each colour less the one before it.
    fn write_colors(&self, writer: &mut BitWriter) {
        let before = std::iter::once(&[0; 4]).chain(&self.colors);
        let differences: Vec<Pixel> = self
            .colors
            .iter()
            .zip(before)
            .map(|(color, before)| std::array::from_fn(|i| color[i].wrapping_sub(before[i])))
            .collect();
        // No colour cache.
        writer.put(0, 1);
        // Green has symbols of lengths as well. The order of the file is green, red, blue, alpha.
        let codes = [(1, GREEN), (0, 256), (2, 256), (3, 256)].map(|(channel, symbols)| {
            let mut counts = vec![0_u32; symbols];
            for difference in &differences {
                counts[usize::from(difference[channel])] += 1;
            }
            (channel, PrefixCode::write(writer, &counts))
        });
        // No distances.
        write_single(writer, 0);
        for difference in differences {
            for (channel, code) in &codes {
                code.put(writer, difference[*channel].into());
            }
        }
    }
}

/// Whether most pixels are like their neighbour on the left or above, or there are hardly any.
fn repeats(plane: &[u8], width: usize) -> bool {
    if plane.len() <= FEW_PIXELS {
        return true;
    }
    let mut repeats = 0;
    for (y, row) in plane.chunks(width.max(1)).enumerate() {
        let above = y.checked_sub(1).and_then(|y| plane.get(y * width..)).unwrap_or_default();
        let first = usize::from(above.first() == row.first());
        let others = row
            .windows(2)
            .enumerate()
            .filter(|(x, pair)| pair[0] == pair[1] || above.get(x + 1) == pair.get(1));
        repeats += first + others.count();
    }
    16 * repeats >= REPEATS_OF_16 * plane.len()
}

/// Colours in the order in which they occur.
struct Colors {
    colors: Vec<Pixel>,
    /// Places by hash: one more than the place of a colour, 0 for none. At most a quarter is used.
    slots: [u16; 4 * MAX_COLORS],
}

impl Default for Colors {
    fn default() -> Self {
        Self { colors: Vec::with_capacity(MAX_COLORS), slots: [0; 4 * MAX_COLORS] }
    }
}

impl Colors {
    /// The place of a colour. `None` if it is one too many.
    fn place(&mut self, color: Pixel) -> Option<u8> {
        let mut slot = (u32::from_le_bytes(color).wrapping_mul(0x9e37_79b1) >> 22) as usize;
        loop {
            match usize::from(self.slots[slot & (4 * MAX_COLORS - 1)]) {
                0 => break,
                place if self.colors[place - 1] == color => return u8::try_from(place - 1).ok(),
                _ => slot += 1,
            }
        }
        if self.colors.len() == MAX_COLORS {
            return None;
        }
        self.colors.push(color);
        self.slots[slot & (4 * MAX_COLORS - 1)] = u16::try_from(self.colors.len()).ok()?;
        u8::try_from(self.colors.len() - 1).ok()
    }
}
