//! Pictures in PQ or HLG (ITU-R BT.2100), shown on an SDR display as Chromium 156 shows them.
//!
//! 1. Light. PQ (SMPTE ST 2084) stands for cd/m², of which 203 are the white of text (ITU-R BT.2408). HLG goes through its
//!    inverse OETF and, in the primaries of BT.2020, through the OOTF of gamma 1.2 of a display of 1,000 cd/m².
//! 2. Tone mapping (SMPTE ST 2094-50, Annex C; `PopulateUsingRwtmo` of Skia) by the largest of red, green and blue in
//!    BT.2020's primaries, which keeps their proportions: up to the white of text half of the light, above it a curve that meets
//!    SDR's white at the picture's peak.
//! 3. The primaries of sRGB, each channel clipped.

use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, MatrixCoefficients,
    TransferCharacteristics,
};

use super::PixelTransform;
use super::curve::Curve;
use super::srgb::{self, Matrix, multiply};

/// White of text in cd/m².
const WHITE_NITS: f32 = 203.0;
/// Peak in cd/m² of a picture that names none.
const PEAK_NITS: f32 = 1000.0;
/// Peak in cd/m² of the display for which HLG is meant.
const HLG_NITS: f32 = 1000.0;

/// The colours of a picture in PQ or HLG.
pub(crate) struct Hdr {
    transfer: Transfer,
    to_bt2020: Matrix,
    /// The brightest of the picture, in cd/m².
    peak_nits: f32,
}

#[derive(Clone, Copy)]
enum Transfer {
    Pq,
    Hlg,
}

impl Transfer {
    fn of(transfer: TransferCharacteristics) -> Option<Self> {
        match transfer {
            TransferCharacteristics::Smpte2084 => Some(Self::Pq),
            TransferCharacteristics::Hlg => Some(Self::Hlg),
            _ => None,
        }
    }
}

impl Hdr {
    /// By code points of ITU-T H.273 for primaries and transfer characteristics. `None` if they are not those of an HDR picture.
    pub(crate) fn from_cicp(primaries: u8, transfer: u8, peak_nits: Option<f32>) -> Option<Self> {
        let transfer = Transfer::of(TransferCharacteristics::try_from(transfer).ok()?)?;
        let colours = colours(CicpColorPrimaries::try_from(primaries).ok()?)?;
        Some(Self::new(transfer, &colours, peak_nits))
    }

    /// By the `cicp` tag of an ICC profile, which counts for more than curves and LUTs, as in browsers. A tag that leaves the
    /// primaries open has those of the profile.
    pub(crate) fn of_profile(profile: &ColorProfile) -> Option<Self> {
        let cicp = profile.cicp.as_ref()?;
        if profile.color_space != DataColorSpace::Rgb
            || cicp.matrix_coefficients != MatrixCoefficients::Identity
            || !cicp.full_range
        {
            return None;
        }
        let transfer = Transfer::of(cicp.transfer_characteristics)?;
        match colours(cicp.color_primaries) {
            Some(colours) => Some(Self::new(transfer, &colours, None)),
            None if profile.is_matrix_shaper() => Some(Self::new(transfer, profile, None)),
            None => None,
        }
    }

    fn new(transfer: Transfer, colours: &ColorProfile, peak_nits: Option<f32>) -> Self {
        let to_bt2020 = colours.transform_matrix(&ColorProfile::new_bt2020());
        let peak_nits = peak_nits.filter(|nits| *nits > 0.0).unwrap_or(PEAK_NITS).min(10_000.0);
        Self { transfer, to_bt2020: to_bt2020.to_f32().v, peak_nits }
    }

    pub(super) fn tone_map(&self) -> ToneMap {
        let to_srgb = ColorProfile::new_bt2020().transform_matrix(&ColorProfile::new_srgb());
        ToneMap {
            light: match self.transfer {
                Transfer::Pq => Curve::sampled(|value| pq_nits(value) / WHITE_NITS),
                Transfer::Hlg => Curve::sampled(hlg_scene_light),
            },
            is_scene: matches!(self.transfer, Transfer::Hlg),
            to_bt2020: self.to_bt2020,
            knee: Knee::new(self.peak_nits),
            to_srgb: to_srgb.to_f32().v,
        }
    }
}

/// A profile with the primaries of a code point. `None` if it stands for none.
fn colours(color_primaries: CicpColorPrimaries) -> Option<ColorProfile> {
    let profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries,
        transfer_characteristics: TransferCharacteristics::Linear,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    profile.is_matrix_shaper().then_some(profile)
}

/// PQ's EOTF in cd/m² (SMPTE ST 2084, 5.2).
fn pq_nits(value: f32) -> f32 {
    const M1: f64 = 2610.0 / 16_384.0;
    const M2: f64 = 2523.0 / 4096.0 * 128.0;
    const C1: f64 = 3424.0 / 4096.0;
    const C2: f64 = 2413.0 / 4096.0 * 32.0;
    const C3: f64 = 2392.0 / 4096.0 * 32.0;
    let root = f64::from(value).powf(1.0 / M2);
    let nits = 10_000.0 * ((root - C1).max(0.0) / (C2 - C3 * root)).powf(1.0 / M1);
    #[expect(clippy::cast_possible_truncation, reason = "0 to 10,000")]
    {
        nits as f32
    }
}

/// HLG's inverse OETF, the scene's light from 0 to 1 (ITU-R BT.2100, table 5).
fn hlg_scene_light(value: f32) -> f32 {
    const A: f32 = 0.178_832_77;
    const B: f32 = 1.0 - 4.0 * A;
    const C: f32 = 0.559_910_7;
    if value <= 0.5 { value * value / 3.0 } else { (((value - C) / A).exp() + B) / 12.0 }
}

/// HLG's OOTF (ITU-R BT.2100, table 5): the display's light over the white of text.
fn hlg_display_light(scene: [f32; 3]) -> [f32; 3] {
    let [r, g, b] = scene;
    let luminance = 0.2627 * r + 0.678 * g + 0.0593 * b;
    let gain = luminance.max(0.0).powf(0.2) * (HLG_NITS / WHITE_NITS);
    scene.map(|light| light * gain)
}

pub(super) struct ToneMap {
    light: Curve,
    /// Whether the light is the scene's, as in HLG.
    is_scene: bool,
    to_bt2020: Matrix,
    knee: Knee,
    to_srgb: Matrix,
}

impl PixelTransform for ToneMap {
    fn convert(&self, [r, g, b, _]: [f32; 4]) -> [u8; 3] {
        let light = multiply(&self.to_bt2020, [r, g, b].map(|value| self.light.at(value)));
        let light = if self.is_scene { hlg_display_light(light) } else { light };
        let gain = self.knee.gain(light[0].max(light[1]).max(light[2]));
        srgb::encode(multiply(&self.to_srgb, light.map(|light| light * gain)))
    }
}

/// A curve of light over the white of text: a straight line to the white, then a quadratic Bézier curve to the peak.
struct Knee {
    /// What becomes of the white.
    white: f32,
    peak: f32,
    /// The curve's coefficients of t² and t, across and up.
    across: (f32, f32),
    up: (f32, f32),
}

impl Knee {
    fn new(peak_nits: f32) -> Self {
        /// How far along the way to the peak the Bézier curve's middle point is.
        const MIDDLE: f32 = 0.65;
        let peak = (peak_nits / WHITE_NITS).max(1.0);
        let headroom = (peak.log2() / (PEAK_NITS / WHITE_NITS).log2()).min(1.0);
        let white = 1.0 - 0.5 * headroom;
        let x = (1.0 - MIDDLE) + MIDDLE / white;
        let y = (1.0 - MIDDLE) * white + MIDDLE;
        Self {
            white,
            peak,
            across: (1.0 - 2.0 * x + peak, 2.0 * (x - 1.0)),
            up: (white - 2.0 * y + 1.0, 2.0 * (y - white)),
        }
    }

    /// By what the colours of a pixel are multiplied whose largest is `light`.
    fn gain(&self, light: f32) -> f32 {
        if light <= 1.0 {
            return self.white;
        }
        if light >= self.peak {
            return 1.0 / light;
        }
        let (a, b) = self.across;
        let c = light - 1.0;
        // The root of a t² + b t = c, without the difference of two like numbers.
        let t = 2.0 * c / (b + (b * b + 4.0 * a * c).sqrt());
        (self.white + t * (self.up.1 + t * self.up.0)) / light
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(transfer: u8, peak_nits: Option<f32>, value: f32) -> u8 {
        let tone_map = Hdr::from_cicp(9, transfer, peak_nits).unwrap().tone_map();
        let [r, g, b] = tone_map.convert([value, value, value, 0.0]);
        assert!(r.abs_diff(g) <= 1 && g.abs_diff(b) <= 1, "{r} {g} {b}");
        g
    }

    #[test]
    fn curves_meet_the_points_that_the_standards_name() {
        for (value, nits) in
            [(0.0, 0.0), (0.508_078_4, 100.0), (0.580_688_9, 203.0), (0.751_827, 1000.0), (1.0, 1e4)]
        {
            let found = pq_nits(value);
            assert!((found - nits).abs() <= nits / 1000.0, "{value}: {found}, not {nits}");
        }
        for (value, light) in [(0.0, 0.0), (0.5, 1.0 / 12.0), (0.75, 0.265), (1.0, 1.0)] {
            let found = hlg_scene_light(value);
            assert!((found - light).abs() <= 0.0005, "{value}: {found}, not {light}");
        }
    }

    #[test]
    fn tone_mapping_is_monotone_from_black_to_white() {
        for transfer in [16, 18] {
            for peak in [None, Some(100.0), Some(203.1), Some(400.0), Some(4000.0), Some(1e9)] {
                let levels: Vec<u8> =
                    (0..=1000_u16).map(|step| mapped(transfer, peak, f32::from(step) / 1000.0)).collect();
                assert!(levels.is_sorted(), "{transfer} {peak:?}: {levels:?}");
                assert_eq!(levels[0], 0);
            }
            assert_eq!(mapped(transfer, None, 1.0), 255);
        }
    }

    #[test]
    fn grays_are_those_of_chromium() {
        // From 0 to 1 in sixteenths.
        for (transfer, peak_nits, expected) in [
            (16, None, [0, 1, 5, 15, 30, 47, 70, 97, 131, 173, 212, 236, 255, 255, 255, 255, 255]),
            (16, Some(600.0), [0, 1, 6, 19, 35, 55, 80, 111, 149, 196, 235, 253, 255, 255, 255, 255, 255]),
            (16, Some(4000.0), [0, 1, 5, 15, 30, 47, 70, 97, 131, 173, 202, 214, 225, 237, 249, 255, 255]),
            (16, Some(100.0), [0, 1, 9, 24, 43, 67, 96, 133, 178, 234, 255, 255, 255, 255, 255, 255, 255]),
            (18, None, [0, 3, 14, 28, 43, 57, 71, 85, 99, 115, 134, 158, 188, 211, 227, 242, 255]),
            (18, Some(4000.0), [0, 3, 14, 28, 43, 57, 71, 85, 99, 115, 134, 158, 188, 201, 209, 217, 225]),
            (18, Some(400.0), [0, 4, 20, 37, 54, 71, 88, 105, 123, 142, 165, 194, 230, 248, 255, 255, 255]),
        ] {
            for (step, level) in (0_u8..).zip(expected) {
                let found = mapped(transfer, peak_nits, f32::from(step) / 16.0);
                // Chromium computes in half precision.
                assert!(found.abs_diff(level) <= 2, "{transfer} {peak_nits:?} {step}: {found}, not {level}");
            }
        }
    }

    #[test]
    fn code_points_that_name_no_hdr_picture_are_none() {
        for (primaries, transfer) in [(9, 1), (9, 13), (2, 16), (0, 18), (255, 16), (9, 255)] {
            assert!(Hdr::from_cicp(primaries, transfer, None).is_none(), "{primaries} {transfer}");
        }
        assert!(Hdr::from_cicp(12, 18, Some(f32::NAN)).is_some());
    }
}
