//! What a frame header says, and what follows from it.

use crate::error::Error;
use crate::markers::marker::SOF2;
use crate::scale::Scales;

/// What the components of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Color {
    /// One component.
    Gray,
    /// Full-range BT.601, as JFIF says. Comes out as RGB where pixels are asked for.
    YCbCr,
    /// Stored as they are.
    Rgb,
    /// Four inks. Adobe's programs store 255 for no ink, see [`crate::Jpeg::adobe_transform`].
    Cmyk,
    /// Cyan, magenta and yellow as if they were light, as luma and chroma; black as it is.
    Ycck,
}

impl Color {
    /// Whether the component of this index is Cb or Cr.
    pub(crate) fn is_chroma(self, index: usize) -> bool {
        matches!(self, Self::YCbCr | Self::Ycck) && matches!(index, 1 | 2)
    }
}

/// One component of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Horizontal and vertical sampling factor: blocks of an MCU, side by side and one below the other.
    pub(crate) h: u32,
    pub(crate) v: u32,
    /// Number of its quantisation table.
    pub(crate) quantisation: u8,
}

/// A frame header within its bounds: sides from 1, one, three or four components, factors 1 to 4.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) progressive: bool,
    pub(crate) components: Vec<Component>,
    pub(crate) h_max: u32,
    pub(crate) v_max: u32,
    /// MCUs of an interleaved scan, in a row and in a column.
    pub(crate) horizontal_mcus: u32,
    pub(crate) vertical_mcus: u32,
}

impl Frame {
    pub(crate) fn parse(marker: u8, segment: &[u8]) -> Result<Self, Error> {
        let Some((&[precision, h1, h0, w1, w0, count], listed)) = segment.split_first_chunk::<6>() else {
            return Err(Error::Corrupt("short frame header"));
        };
        if precision != 8 {
            return Err(Error::Unsupported("JPEG of more than 8 bits"));
        }
        let height = u32::from(u16::from_be_bytes([h1, h0]));
        let width = u32::from(u16::from_be_bytes([w1, w0]));
        if width == 0 {
            return Err(Error::Corrupt("a side is zero"));
        }
        if height == 0 {
            return Err(Error::Unsupported("JPEG that tells its height at its end"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Error::Unsupported("JPEG that is neither gray, colour nor CMYK"));
        }
        let (listed, rest) = listed.as_chunks::<3>();
        if listed.len() != usize::from(count) || !rest.is_empty() {
            return Err(Error::Corrupt("a frame header of the wrong length"));
        }
        let mut components: Vec<Component> = Vec::with_capacity(listed.len());
        for &[id, factors, quantisation] in listed {
            let (h, v) = (u32::from(factors >> 4), u32::from(factors & 15));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return Err(Error::Corrupt("sampling factor out of range"));
            }
            if quantisation > 3 {
                return Err(Error::Corrupt("a quantisation table that cannot be"));
            }
            components.push(Component { id, h, v, quantisation });
        }
        let h_max = components.iter().map(|c| c.h).max().unwrap_or(1);
        let v_max = components.iter().map(|c| c.v).max().unwrap_or(1);
        Ok(Self {
            width,
            height,
            progressive: marker == SOF2,
            components,
            h_max,
            v_max,
            horizontal_mcus: width.div_ceil(8 * h_max),
            vertical_mcus: height.div_ceil(8 * v_max),
        })
    }

    /// As libjpeg-turbo decides, and with it browsers (`default_decompress_parms`): a JFIF marker says that colour is YCbCr,
    /// whatever Adobe's marker says. `transform` is that of the Adobe marker, if there is one.
    pub(crate) fn color(&self, transform: Option<u8>, jfif: bool) -> Color {
        let ids: Vec<u8> = self.components.iter().map(|c| c.id).collect();
        match (self.components.len(), transform) {
            (1, _) => Color::Gray,
            (3, Some(0)) if !jfif => Color::Rgb,
            (3, None) if !jfif && ids == *b"RGB" => Color::Rgb,
            (3, _) => Color::YCbCr,
            (_, None | Some(0)) => Color::Cmyk,
            _ => Color::Ycck,
        }
    }

    /// Blocks of a component, in a row and in a column, without those that only pad MCUs.
    pub(crate) fn blocks(&self, component: &Component) -> (u32, u32) {
        (
            (self.width * component.h).div_ceil(8 * self.h_max),
            (self.height * component.v).div_ceil(8 * self.v_max),
        )
    }

    /// The same with those that pad MCUs.
    pub(crate) fn padded_blocks(&self, component: &Component) -> (u32, u32) {
        (self.horizontal_mcus * component.h, self.vertical_mcus * component.v)
    }

    /// How a component is decoded when the picture is decoded at these scales.
    pub(crate) fn layout(&self, index: usize, color: Color, scales: Scales) -> Layout {
        let component = &self.components[index];
        let wanted =
            if color.is_chroma(index) { scales.chroma.min(scales.luma) } else { scales.luma }.eighths();
        // What is stored with half the columns may be decoded at twice the scale: then it needs no enlarging.
        let side = |factor: u32, max: u32| (wanted * max / factor).clamp(1, 8);
        let (block_width, block_height) = (side(component.h, self.h_max), side(component.v, self.v_max));
        let extent = |side: u32, factor: u32, max: u32, block: u32| {
            // Exact in 64 bits; the samples cover the last one's whole width at most.
            (u64::from(side) * u64::from(factor) * u64::from(block), 8 * u64::from(max))
        };
        let (x, x_of) = extent(self.width, component.h, self.h_max, block_width);
        let (y, y_of) = extent(self.height, component.v, self.v_max, block_height);
        // At most 65,535 × 4 × 8 / 8.
        #[expect(clippy::cast_possible_truncation)]
        let (width, height) = (x.div_ceil(x_of) as usize, y.div_ceil(y_of) as usize);
        // Far below 2⁵³.
        #[expect(clippy::cast_precision_loss)]
        let (exact_width, exact_height) = (x as f64 / x_of as f64, y as f64 / y_of as f64);
        Layout {
            block_width: block_width as usize,
            block_height: block_height as usize,
            width,
            height,
            exact_width,
            exact_height,
        }
    }
}

/// Sizes of a component at a scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    /// Samples that a block of 8 × 8 becomes.
    pub(crate) block_width: usize,
    pub(crate) block_height: usize,
    /// Samples of the picture.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// The same, not rounded up.
    pub(crate) exact_width: f64,
    pub(crate) exact_height: f64,
}
