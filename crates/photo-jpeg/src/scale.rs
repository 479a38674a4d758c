//! How much smaller a picture is decoded.

/// Eighths of the full size, 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(u8);

impl Scale {
    /// The picture as it is.
    pub const FULL: Self = Self(8);
    /// An eighth of it: one sample of a block, its mean.
    pub const LEAST: Self = Self(1);

    /// All there are, small to large.
    pub const ALL: [Self; 8] = [Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(7), Self(8)];

    /// `None` unless 1 to 8.
    #[must_use]
    pub const fn new(eighths: u8) -> Option<Self> {
        if matches!(eighths, 1..=8) { Some(Self(eighths)) } else { None }
    }

    /// 1 to 8.
    #[must_use]
    pub const fn eighths(self) -> u32 {
        self.0 as u32
    }

    /// What a side of this many px becomes, rounded up.
    #[must_use]
    pub const fn of(self, side: u32) -> u32 {
        // A side of more than 16 bits cannot be in a file.
        side.saturating_mul(self.eighths()).div_ceil(8)
    }
}

/// The scales of a picture's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scales {
    /// Of all but chroma.
    pub luma: Scale,
    /// Of chroma (Cb and Cr), in eighths of the full picture whatever it is stored at: a half of chroma stored at half
    /// size is all of it. Less is decoded if less is stored; more than luma's scale is taken as that.
    pub chroma: Scale,
}

impl Scales {
    /// Everything at the same scale, so that as little as possible has to be enlarged.
    #[must_use]
    pub const fn same(scale: Scale) -> Self {
        Self { luma: scale, chroma: scale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_pixel_is_a_pixel() {
        let scale = |eighths| Scale::new(eighths).unwrap();
        for (side, eighths, expected) in
            [(16, 4, 8), (17, 4, 9), (1, 1, 1), (65_535, 8, 65_535), (301, 3, 113)]
        {
            assert_eq!(scale(eighths).of(side), expected, "{side} at {eighths}/8");
        }
        assert_eq!(Scale::new(0), None);
        assert_eq!(Scale::new(9), None);
    }
}
