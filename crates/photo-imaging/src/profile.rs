//! The profile of a photo's colours, read once for all that is made of the photo.

use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, MatrixCoefficients, ToneReprCurve,
    TransferCharacteristics,
};

use crate::color::hdr::Hdr;
use crate::format::Format;
use crate::icc;
use crate::probe::{Probed, png_color, webp};

/// The colours of a photo.
pub(crate) enum Profile {
    /// A profile that was checked before the colour library read it, or was made for code points.
    Icc(Box<ColorProfile>),
    /// PQ or HLG.
    Hdr(Hdr),
}

impl Profile {
    /// Reads an embedded profile. `None` if it is broken or over a limit of [`icc::reduce`]: such a one is passed over, as by
    /// browsers.
    pub(crate) fn parse(icc: &[u8]) -> Option<Self> {
        let mut profile = ColorProfile::new_from_slice(&icc::reduce(icc)?).ok()?;
        if let Some(hdr) = Hdr::of_profile(&profile) {
            return Some(Self::Hdr(hdr));
        }
        // moxcms would take the tag's curve in place of the profile's, of a limited range too.
        profile.cicp = None;
        Some(profile.into())
    }

    /// By code points of ITU-T H.273 for primaries and transfer characteristics, of samples that are RGB in full range. `peak_nits`
    /// is the brightest of an HDR picture in cd/m² (`cLLI`, else `mDCV`), if it is known. `None` if a code point stands for nothing.
    pub(crate) fn from_cicp(primaries: u8, transfer: u8, peak_nits: Option<f32>) -> Option<Self> {
        /// The curve of a display that shows what cameras by BT.709 and its kin have recorded (ITU-R BT.1886, as in browsers):
        /// theirs is made for it, and is not its inverse.
        const DISPLAY_GAMMA: f32 = 2.4;
        if let Some(hdr) = Hdr::from_cicp(primaries, transfer, peak_nits) {
            return Some(Self::Hdr(hdr));
        }
        if !matches!(transfer, 1 | 4..=8 | 11 | 13..=15) {
            return None;
        }
        let mut profile = ColorProfile::new_from_cicp(CicpProfile {
            color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
            transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        });
        if profile.color_space != DataColorSpace::Rgb || profile.red_trc.is_none() {
            return None;
        }
        if matches!(transfer, 1 | 6 | 11 | 14 | 15) {
            set_curve(&mut profile, &ToneReprCurve::Parametric(vec![DISPLAY_GAMMA]));
        }
        Some(profile.into())
    }

    pub(crate) fn color_space(&self) -> DataColorSpace {
        match self {
            Self::Icc(profile) => profile.color_space,
            Self::Hdr(_) => DataColorSpace::Rgb,
        }
    }
}

impl From<ColorProfile> for Profile {
    fn from(profile: ColorProfile) -> Self {
        Self::Icc(Box::new(with_distinct_curves(profile)))
    }
}

/// Gives a profile one curve for its three colours.
pub(crate) fn set_curve(profile: &mut ColorProfile, curve: &ToneReprCurve) {
    // It would count for more than the curves.
    profile.cicp = None;
    for trc in [&mut profile.red_trc, &mut profile.green_trc, &mut profile.blue_trc] {
        *trc = Some(curve.clone());
    }
}

/// The transfer characteristics of sRGB in ITU-T H.273.
const SRGB_CURVE: u16 = 13;

impl Probed<'_> {
    /// Reads the profile that the file embeds or, of PNG, names by other chunks. `None` if there is none that can be applied.
    pub(crate) fn profile(&self) -> Option<Profile> {
        match self.header.format {
            Format::Jpeg => Profile::parse(&self.jpeg.as_ref()?.icc_profile()?),
            Format::Png => png_color::profile(self.bytes),
            Format::WebP => Profile::parse(webp::icc(self.bytes)?),
            Format::Heic => {
                let photo = self.heif.as_ref()?;
                if let Some(icc) = photo.icc_profile() {
                    return Profile::parse(icc);
                }
                let colors = photo.nclx();
                // Encoders name the curve of video for pictures in sRGB. libheif and libvips show those as sRGB.
                let transfer = if matches!(colors.transfer, 1 | 6 | 11 | 14 | 15) {
                    SRGB_CURVE
                } else {
                    colors.transfer
                };
                Profile::from_cicp(colors.primaries.try_into().ok()?, transfer.try_into().ok()?, None)
            }
            // As in browsers: the format has none.
            Format::Gif => None,
        }
    }
}

/// moxcms 0.9.2 takes red's curve for all three if green's equals one of its neighbours (`are_all_trc_the_same`). Where
/// they are not all equal, green's is written otherwise.
fn with_distinct_curves(mut profile: ColorProfile) -> ColorProfile {
    if (profile.red_trc == profile.green_trc) != (profile.green_trc == profile.blue_trc) {
        profile.green_trc = profile.green_trc.map(written_otherwise);
    }
    profile
}

/// The same curve to within 1 / 65,535, and unequal to itself.
fn written_otherwise(curve: ToneReprCurve) -> ToneReprCurve {
    match curve {
        // No entry is a straight line, one is a gamma in 1/256 (ICC.1:2022, 10.6).
        ToneReprCurve::Lut(table) if table.is_empty() => ToneReprCurve::Parametric(vec![1.0]),
        ToneReprCurve::Lut(table) if table.len() == 1 => {
            ToneReprCurve::Parametric(table.iter().map(|&gamma| f32::from(gamma) / 256.0).collect())
        }
        ToneReprCurve::Lut(mut table) => {
            let middle = table.len() / 2;
            table[middle] ^= 1;
            ToneReprCurve::Lut(table)
        }
        ToneReprCurve::Parametric(mut parameters) => {
            if let Some(gamma) = parameters.first_mut() {
                *gamma = gamma.next_up();
            }
            ToneReprCurve::Parametric(parameters)
        }
    }
}
