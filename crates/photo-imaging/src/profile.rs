//! The profile of a photo's colours, read once for all that is made of the photo.

use moxcms::{ColorProfile, ToneReprCurve};

use crate::format::Format;
use crate::icc;
use crate::probe::{Probed, png_color, webp};

/// A profile that was checked before the colour library read it.
pub(crate) struct Profile(ColorProfile);

impl Profile {
    /// Reads an embedded profile. `None` if it is broken or over a limit of [`icc::reduce`]: such a one is passed over, as by
    /// browsers.
    pub(crate) fn parse(icc: &[u8]) -> Option<Self> {
        let profile = ColorProfile::new_from_slice(&icc::reduce(icc)?).ok()?;
        Some(Self(with_distinct_curves(profile)))
    }

    pub(crate) fn as_color_profile(&self) -> &ColorProfile {
        &self.0
    }
}

impl From<ColorProfile> for Profile {
    fn from(profile: ColorProfile) -> Self {
        Self(with_distinct_curves(profile))
    }
}

impl Probed<'_> {
    /// Reads the profile that the file embeds or, of PNG, names by other chunks. `None` if there is none that can be applied.
    pub(crate) fn profile(&self) -> Option<Profile> {
        match self.header.format {
            Format::Jpeg => Profile::parse(&self.jpeg.as_ref()?.icc_profile()?),
            Format::Png => png_color::profile(self.bytes),
            Format::WebP => Profile::parse(webp::icc(self.bytes)?),
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
