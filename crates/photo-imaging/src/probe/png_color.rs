//! What a PNG says of its colours, as a profile (PNG specification, third edition, 11.3.2).
//!
//! `cICP` before `iCCP` before `sRGB` before `gAMA` with `cHRM`. HDR curves (PQ, HLG) are left out: without tone mapping
//! they would look worse than taken for sRGB.

use flate2::Crc;
use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, XyY,
};

use super::cursor::Cursor;
use crate::icc;
use crate::profile::Profile;

/// 1 / 2.2 in PNG's unit, the gamma that everybody writes for sRGB.
const SRGB_GAMMA: u32 = 45_455;

/// White, red, green and blue of sRGB in PNG's unit.
const SRGB_CHROMATICITIES: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];

/// What the chunks before the pixels say.
#[derive(Default)]
struct Chunks<'a> {
    is_gray: bool,
    cicp: Option<[u8; 4]>,
    has_srgb: bool,
    /// The first intact chunk, as in libpng.
    icc: Option<&'a [u8]>,
    gamma: Option<u32>,
    chromaticities: Option<[u32; 8]>,
}

/// Returns the profile that is embedded or stands for the other chunks. `None` if the file names no colours, or those that are
/// assumed anyhow, or by a chunk that is broken.
pub(crate) fn profile(bytes: &[u8]) -> Option<Profile> {
    let chunks = read(bytes)?;
    if let Some(cicp) = chunks.cicp
        && let Some(profile) = by_cicp(cicp)
    {
        return Some(profile.into());
    }
    if let Some(chunk) = chunks.icc {
        return Profile::parse(&icc::inflate(chunk)?);
    }
    if chunks.has_srgb {
        return None;
    }
    let gamma = chunks.gamma.filter(|gamma| (1_000..=1_000_000).contains(gamma))?;
    let chromaticities = chunks.chromaticities.unwrap_or(SRGB_CHROMATICITIES);
    let is_srgb = gamma.abs_diff(SRGB_GAMMA) < 500
        && chromaticities.iter().zip(SRGB_CHROMATICITIES).all(|(a, b)| a.abs_diff(b) < 200);
    if is_srgb {
        return None;
    }
    // A gamma that is a short fraction exactly.
    #[expect(clippy::cast_possible_truncation)]
    let exponent = (100_000.0 / f64::from(gamma)) as f32;
    let profile = if chunks.is_gray {
        ColorProfile::new_gray_with_gamma(exponent)
    } else {
        by_gamma(exponent, chromaticities)?
    };
    Some(profile.into())
}

fn by_cicp([primaries, transfer, matrix, full_range]: [u8; 4]) -> Option<ColorProfile> {
    /// The curve of a display that shows what cameras by BT.709 and its kin have recorded (ITU-R BT.1886, as in browsers):
    /// theirs is made for it, and is not its inverse.
    const DISPLAY_GAMMA: f32 = 2.4;
    // RGB in full range is all that PNG can hold.
    if matrix != 0 || full_range != 1 || !matches!(transfer, 1 | 4..=8 | 11 | 13..=15) {
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
        set_curve(&mut profile, ToneReprCurve::Parametric(vec![DISPLAY_GAMMA]));
    }
    Some(profile)
}

fn set_curve(profile: &mut ColorProfile, curve: ToneReprCurve) {
    // It would count for more than the curves.
    profile.cicp = None;
    profile.red_trc = Some(curve.clone());
    profile.green_trc = Some(curve.clone());
    profile.blue_trc = Some(curve);
}

fn by_gamma(exponent: f32, chromaticities: [u32; 8]) -> Option<ColorProfile> {
    let [wx, wy, rx, ry, gx, gy, bx, by] = chromaticities.map(|n| f64::from(n) / 100_000.0);
    // A y of zero is no colour, and three on one line make no others. ProPhoto's blue has the least y there is.
    let area = (gx - rx) * (by - ry) - (bx - rx) * (gy - ry);
    if [wy, ry, gy, by].iter().any(|&y| y <= 0.0)
        || chromaticities.iter().any(|&n| n > 100_000)
        || area.abs() < 0.001
    {
        return None;
    }
    #[expect(clippy::cast_possible_truncation)]
    let at = |x: f64, y: f64| Chromaticity::new(x as f32, y as f32);
    let primaries = ColorPrimaries { red: at(rx, ry), green: at(gx, gy), blue: at(bx, by) };
    let mut profile = ColorProfile::new_srgb();
    profile.update_rgb_colorimetry(XyY { x: wx, y: wy, yb: 1.0 }, primaries);
    set_curve(&mut profile, ToneReprCurve::Parametric(vec![exponent]));
    Some(profile)
}

fn read(bytes: &[u8]) -> Option<Chunks<'_>> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(8)?;
    let mut chunks = Chunks::default();
    loop {
        let length = usize::try_from(cursor.u32_be()?).ok()?;
        let kind: [u8; 4] = cursor.array()?;
        let data = cursor.take(length)?;
        let checksum = cursor.u32_be()?;
        match &kind {
            // Gray, with alpha or without: colour types 0 and 4.
            b"IHDR" => chunks.is_gray = matches!(data.get(9), Some(0 | 4)),
            b"cICP" => chunks.cicp = data.first_chunk().copied(),
            b"sRGB" => chunks.has_srgb = true,
            b"iCCP" if chunks.icc.is_none() => {
                let mut crc = Crc::new();
                crc.update(&kind);
                crc.update(data);
                chunks.icc = (crc.sum() == checksum).then_some(data);
            }
            b"gAMA" => chunks.gamma = data.first_chunk().map(|n| u32::from_be_bytes(*n)),
            b"cHRM" => {
                let (numbers, _) = data.as_chunks::<4>();
                chunks.chromaticities =
                    numbers.first_chunk::<8>().map(|numbers| numbers.map(u32::from_be_bytes));
            }
            b"IDAT" | b"IEND" => return Some(chunks),
            _ => {}
        }
    }
}
