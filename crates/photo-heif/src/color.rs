//! Colour information (ISO/IEC 14496-12, 12.1.5) and the matrices of ITU-T H.273.

use crate::Error;
use crate::boxes::Reader;

/// Code points of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nclx {
    /// Colour primaries: 1 BT.709, 9 BT.2020, 12 Display P3, 2 unspecified.
    pub primaries: u16,
    /// Transfer characteristics: 13 sRGB, 16 PQ, 18 HLG, 2 unspecified.
    pub transfer: u16,
    /// Matrix coefficients: 1 BT.709, 5 and 6 BT.601, 9 BT.2020, 0 RGB, 2 unspecified.
    pub matrix: u16,
    /// Whether black is 0, and not 16 of 255.
    pub full_range: bool,
}

/// What colour properties say.
#[derive(Clone, Copy, Default)]
pub(crate) struct Colors<'a> {
    pub(crate) icc: Option<&'a [u8]>,
    pub(crate) nclx: Option<Nclx>,
}

impl<'a> Colors<'a> {
    /// Reads a `colr` property. Of two of a kind the first counts, and one that ends early counts for nothing.
    pub(crate) fn read(&mut self, body: &'a [u8]) {
        match body.split_first_chunk() {
            Some((b"nclx", numbers)) => self.nclx = self.nclx.or(nclx(numbers)),
            Some((b"prof" | b"rICC", profile)) => self.icc = self.icc.or(Some(profile)),
            _ => {}
        }
    }

    /// What `self` leaves open, `other` decides.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { icc: self.icc.or(other.icc), nclx: self.nclx.or(other.nclx) }
    }
}

fn nclx(numbers: &[u8]) -> Option<Nclx> {
    let mut reader = Reader::new(numbers);
    let mut number = || reader.u16().ok();
    let (primaries, transfer, matrix) = (number()?, number()?, number()?);
    let full_range = reader.u8().ok()? & 0x80 != 0;
    Some(Nclx { primaries, transfer, matrix, full_range })
}

/// How samples become red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Matrix {
    /// The shares of red and blue in luma.
    Luma { red: f32, blue: f32 },
    /// The planes are green, blue and red.
    Identity,
    /// `YCgCo`.
    YCgCo,
}

impl Matrix {
    /// BT.601 is meant where nothing is said, as in libheif.
    pub(crate) fn of(nclx: Nclx) -> Result<Self, Error> {
        let (red, blue) = match nclx.matrix {
            0 => return Ok(Self::Identity),
            8 => return Ok(Self::YCgCo),
            1 => (0.2126, 0.0722),
            4 => (0.3, 0.11),
            7 => (0.212, 0.087),
            9 | 10 => (0.2627, 0.0593),
            // Derived from the primaries.
            12 | 13 => match nclx.primaries {
                1 => (0.2126, 0.0722),
                6 | 7 => (0.2124, 0.0866),
                9 => (0.2627, 0.0593),
                12 => (0.228_97, 0.079_29),
                _ => (0.299, 0.114),
            },
            11 | 14.. => return Err(Error::Unsupported("this colour matrix")),
            _ => (0.299, 0.114),
        };
        Ok(Self::Luma { red, blue })
    }
}
