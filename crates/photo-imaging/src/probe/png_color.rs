//! What a PNG says of its colours, as a profile (PNG specification, third edition, 11.3.2).
//!
//! `cICP` before `iCCP` before `sRGB` before `gAMA` with `cHRM`.

use std::ops::RangeInclusive;

use moxcms::{Chromaticity, ColorPrimaries, ColorProfile, ToneReprCurve, XyY};

use super::png::PngFile;
use crate::icc;
use crate::profile::{self, Profile};

/// 1 / 2.2 within 5 % in PNG's unit: as in Chromium sRGB, unless chromaticities stand beside it.
const SRGB_GAMMAS: RangeInclusive<u32> = 43_182..=47_727;

/// White, red, green and blue of sRGB in PNG's unit.
const SRGB_CHROMATICITIES: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];

/// Returns the profile that is embedded or stands for the other chunks. `None` if the file names no colours, or those that are
/// assumed anyhow.
pub(crate) fn profile(bytes: &[u8]) -> Option<Profile> {
    let file = PngFile::parse(bytes).ok()?;
    // RGB in full range is all that PNG can hold.
    if let Some([primaries, transfer, 0, 1]) = file.cicp
        && let Some(profile) = Profile::from_cicp(primaries, transfer, peak_nits(&file))
    {
        return Some(profile);
    }
    // A broken profile counts for nothing.
    if let Some(profile) = embedded(&file) {
        return Some(profile);
    }
    if file.srgb.is_some() {
        return None;
    }
    let (gamma, chromaticities) = gamma(&file)?;
    Some(by_gamma(gamma, chromaticities.unwrap_or(SRGB_CHROMATICITIES), file.shape.is_gray()))
}

/// Returns the gamma and the chromaticities that count if nothing else names the colours. `None` if these are those that are
/// assumed anyhow or, as in Chromium, if the chromaticities are impossible.
pub(crate) fn gamma(file: &PngFile<'_>) -> Option<(u32, Option<[u32; 8]>)> {
    /// Beyond these every picture is black or white.
    const LEAST: u32 = 10;
    const LARGEST: u32 = 10_000_000;
    let gamma = file.gamma?.clamp(LEAST, LARGEST);
    match file.chromaticities {
        None if SRGB_GAMMAS.contains(&gamma) => None,
        Some(chromaticities) if !are_possible(chromaticities) => None,
        chromaticities => Some((gamma, chromaticities)),
    }
}

/// Reads the embedded profile. `None` if there is none that is whole.
pub(crate) fn embedded(file: &PngFile<'_>) -> Option<Profile> {
    Profile::parse(&icc::inflate(file.icc?)?)
}

/// The brightest light of the picture in cd/m², or of the display that it was made on.
fn peak_nits(file: &PngFile<'_>) -> Option<f32> {
    /// Both chunks count in steps of so much.
    const STEP: f64 = 0.0001;
    let number = |bytes: &[u8]| bytes.first_chunk().map(|number| u32::from_be_bytes(*number));
    let light = file.light.and_then(|light| number(&light)).filter(|&light| light > 0);
    let steps = light.or_else(|| file.mastering.and_then(|display| number(&display[16..])))?;
    #[expect(clippy::cast_possible_truncation)]
    let nits = (f64::from(steps) * STEP) as f32;
    (steps > 0).then_some(nits)
}

fn are_possible(chromaticities: [u32; 8]) -> bool {
    let [_, wy, rx, ry, gx, gy, bx, by] = chromaticities.map(|n| f64::from(n) / 100_000.0);
    // A y of zero is no colour, and three on one line make no others. ProPhoto's blue has the least y there is.
    let area = (gx - rx) * (by - ry) - (bx - rx) * (gy - ry);
    [wy, ry, gy, by].iter().all(|&y| y > 0.0)
        && chromaticities.iter().all(|&n| n <= 100_000)
        && area.abs() >= 0.001
}

fn by_gamma(gamma: u32, chromaticities: [u32; 8], is_gray: bool) -> Profile {
    // A gamma that is a short fraction exactly.
    #[expect(clippy::cast_possible_truncation)]
    let exponent = (100_000.0 / f64::from(gamma)) as f32;
    if is_gray {
        return ColorProfile::new_gray_with_gamma(exponent).into();
    }
    let [wx, wy, rx, ry, gx, gy, bx, by] = chromaticities.map(|n| f64::from(n) / 100_000.0);
    #[expect(clippy::cast_possible_truncation)]
    let at = |x: f64, y: f64| Chromaticity::new(x as f32, y as f32);
    let primaries = ColorPrimaries { red: at(rx, ry), green: at(gx, gy), blue: at(bx, by) };
    let mut profile = ColorProfile::new_srgb();
    profile.update_rgb_colorimetry(XyY { x: wx, y: wy, yb: 1.0 }, primaries);
    profile::set_curve(&mut profile, &ToneReprCurve::Parametric(vec![exponent]));
    profile.into()
}
