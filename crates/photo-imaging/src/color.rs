//! Any colours to sRGB, three channels or four with alpha.

use moxcms::{ColorProfile, DataColorSpace, Layout, ToneReprCurve, TransformOptions};

use crate::raster::{Channels, Raster};

/// Applies the profile as browsers do: one that is broken, or for other channels than these, is passed over; one for
/// colours is applied to gray as to equal red, green and blue.
pub(crate) fn to_srgb(raster: Raster, icc: Option<&[u8]>) -> Raster {
    let converted = icc.and_then(|icc| by_profile(&raster, icc)).unwrap_or_else(|| by_formula(raster));
    without_needless_alpha(converted)
}

fn by_profile(raster: &Raster, icc: &[u8]) -> Option<Raster> {
    let profile = read(icc)?;
    if is_gray_in_colours(raster.channels(), &profile) {
        return gray_by_colours(raster, &profile);
    }
    let (space, from, to, channels) = layouts(raster.channels());
    if profile.color_space != space {
        return None;
    }
    let pixels = raster.data().len() / raster.channels().count();
    let mut data = vec![0; pixels * channels.count()];
    to_srgb_8bit(&profile, from, to, raster.data(), &mut data)?;
    raster.with_data(channels, data)
}

fn to_srgb_8bit(
    profile: &ColorProfile,
    from: Layout,
    to: Layout,
    source: &[u8],
    out: &mut [u8],
) -> Option<()> {
    let options = TransformOptions::default();
    let transform = profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, options).ok()?;
    transform.transform(source, out).ok()
}

fn is_gray_in_colours(channels: Channels, profile: &ColorProfile) -> bool {
    matches!(channels, Channels::Gray | Channels::GrayAlpha) && profile.color_space == DataColorSpace::Rgb
}

/// There are 256 grays, whatever the picture's size.
fn gray_by_colours(raster: &Raster, profile: &ColorProfile) -> Option<Raster> {
    let grays: Vec<u8> = (0..=u8::MAX).flat_map(|gray| [gray; 3]).collect();
    let mut converted = vec![0; grays.len()];
    to_srgb_8bit(profile, Layout::Rgb, Layout::Rgb, &grays, &mut converted)?;
    let (colours, _) = converted.as_chunks::<3>();
    Some(if raster.channels() == Channels::Gray {
        raster.map(Channels::Rgb, |[gray]| colours[usize::from(gray)])
    } else {
        raster.map(Channels::Rgba, |[gray, alpha]| {
            let [r, g, b] = colours[usize::from(gray)];
            [r, g, b, alpha]
        })
    })
}

/// Reads a profile so that it means what it says.
///
/// moxcms 0.9.2 takes red's curve for all three if green's equals one of its neighbours (`are_all_trc_the_same`). Where
/// they are not all equal, green's is written otherwise.
fn read(icc: &[u8]) -> Option<ColorProfile> {
    let mut profile = ColorProfile::new_from_slice(icc).ok()?;
    if (profile.red_trc == profile.green_trc) != (profile.green_trc == profile.blue_trc) {
        profile.green_trc = profile.green_trc.map(written_otherwise);
    }
    Some(profile)
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

/// Whether a profile leaves all colours as they are, or would be passed over.
///
/// It is asked rather than read: the sRGB profiles that cameras and programs write differ in their numbers and tables.
pub(crate) fn is_srgb(icc: &[u8], channels: Channels) -> bool {
    /// Levels of a channel that are looked at. A step of 15 meets both ends and every part of the curve.
    const STEPS: u8 = 18;
    let levels = (0..STEPS).map(|step| step * 15);
    let data: Vec<u8> = match channels {
        Channels::Gray => levels.collect(),
        Channels::Rgb => {
            let pairs = levels.clone().flat_map(|r| levels.clone().map(move |g| (r, g)));
            pairs.flat_map(|(r, g)| levels.clone().flat_map(move |b| [r, g, b])).collect()
        }
        _ => return false,
    };
    let pixels = u32::try_from(data.len() / channels.count()).unwrap_or(0);
    let Some(raster) = Raster::new(pixels, 1, channels, data) else { return false };
    let Some(converted) = by_profile(&raster, icc) else { return true };
    let plain = by_formula(raster);
    // One level is what the rounding of a profile's own numbers comes to.
    plain.data().iter().zip(converted.data()).all(|(a, b)| a.abs_diff(*b) <= 1)
}

/// Pixels that are converted at once: their 16-bit copies stay in the cache.
const DEEP_PIXELS: usize = 4096;

/// Samples of 16 bits (native order) through a profile, then to 8 bits. `None` as for a profile that is passed over.
pub(crate) fn deep_to_srgb(
    samples: &[[u8; 2]],
    channels: Channels,
    icc: &[u8],
) -> Option<(Channels, Vec<u8>)> {
    let profile = read(icc)?;
    let spread = is_gray_in_colours(channels, &profile);
    let (space, from, to, target) = layouts(if spread { coloured(channels) } else { channels });
    if profile.color_space != space {
        return None;
    }
    let transform = profile
        .create_transform_16bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
        .ok()?;
    let mut out = Vec::with_capacity(samples.len() / channels.count() * target.count());
    for part in samples.chunks(DEEP_PIXELS * channels.count()) {
        let samples = part.iter().map(|&sample| u16::from_ne_bytes(sample));
        let source: Vec<u16> = match channels {
            Channels::Gray if spread => samples.flat_map(|gray| [gray; 3]).collect(),
            Channels::GrayAlpha if spread => {
                let samples: Vec<u16> = samples.collect();
                samples.as_chunks().0.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]).collect()
            }
            _ => samples.collect(),
        };
        let mut converted = vec![0_u16; part.len() / channels.count() * target.count()];
        transform.transform(&source, &mut converted).ok()?;
        out.extend(converted.into_iter().map(narrow));
    }
    Some((target, out))
}

/// 16 bits to 8, rounded to nearest.
pub(crate) fn narrow(value: u16) -> u8 {
    u8::try_from((u32::from(value) * 255 + 32_767) / 65_535).unwrap_or(u8::MAX)
}

/// The channels of the same picture in colours.
const fn coloured(channels: Channels) -> Channels {
    match channels {
        Channels::Gray => Channels::Rgb,
        Channels::GrayAlpha => Channels::Rgba,
        other => other,
    }
}

/// What a profile must be for, how moxcms calls these channels and those that come out, and what comes out.
fn layouts(channels: Channels) -> (DataColorSpace, Layout, Layout, Channels) {
    match channels {
        Channels::Gray => (DataColorSpace::Gray, Layout::Gray, Layout::Rgb, Channels::Rgb),
        Channels::GrayAlpha => (DataColorSpace::Gray, Layout::GrayAlpha, Layout::Rgba, Channels::Rgba),
        Channels::Rgb => (DataColorSpace::Rgb, Layout::Rgb, Layout::Rgb, Channels::Rgb),
        Channels::Rgba => (DataColorSpace::Rgb, Layout::Rgba, Layout::Rgba, Channels::Rgba),
        // Four inks travel as "Rgba" in moxcms; the profile says what they are.
        Channels::Cmyk => (DataColorSpace::Cmyk, Layout::Rgba, Layout::Rgb, Channels::Rgb),
    }
}

/// What everybody assumes of a picture without a profile: gray and colour are sRGB, ink takes light away.
fn by_formula(raster: Raster) -> Raster {
    match raster.channels() {
        Channels::Gray => raster.map(Channels::Rgb, |[v]| [v; 3]),
        Channels::GrayAlpha => raster.map(Channels::Rgba, |[v, a]| [v, v, v, a]),
        Channels::Rgb | Channels::Rgba => raster,
        Channels::Cmyk => {
            raster.map(Channels::Rgb, |[c, m, y, k]| [c, m, y].map(|ink| product(255 - ink, 255 - k)))
        }
    }
}

/// a × b of 0..=255 standing for 0..=1, rounded.
fn product(a: u8, b: u8) -> u8 {
    let rounded = (u16::from(a) * u16::from(b) + 127) / 255;
    u8::try_from(rounded).unwrap_or(u8::MAX)
}

pub(crate) fn without_needless_alpha(raster: Raster) -> Raster {
    if raster.channels() == Channels::Rgba
        && raster.data().iter().skip(3).step_by(4).all(|&alpha| alpha == 255)
    {
        return raster.map(Channels::Rgb, |[r, g, b, _]| [r, g, b]);
    }
    raster
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_without_a_profile_takes_light_away() {
        let inks = vec![0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 128, 255, 128];
        let raster = Raster::new(4, 1, Channels::Cmyk, inks).unwrap();
        assert_eq!(to_srgb(raster, None).data(), [255, 255, 255, 0, 255, 255, 0, 0, 0, 127, 63, 0]);
    }

    #[test]
    fn alpha_that_hides_nothing_is_dropped() {
        let opaque = Raster::new(1, 2, Channels::Rgba, vec![1, 2, 3, 255, 4, 5, 6, 255]).unwrap();
        assert_eq!(to_srgb(opaque, None).data(), [1, 2, 3, 4, 5, 6]);
        let clear = Raster::new(1, 2, Channels::Rgba, vec![1, 2, 3, 255, 4, 5, 6, 254]).unwrap();
        assert_eq!(to_srgb(clear.clone(), None), clear);
    }

    #[test]
    fn a_profile_is_srgb_if_it_changes_nothing() {
        let srgb = ColorProfile::new_srgb().encode().unwrap();
        assert!(is_srgb(&srgb, Channels::Rgb));
        assert!(is_srgb(&srgb, Channels::Gray), "of other channels: passed over");
        assert!(is_srgb(b"no profile", Channels::Rgb));
        for other in
            [ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb(), ColorProfile::new_bt2020()]
        {
            assert!(!is_srgb(&other.encode().unwrap(), Channels::Rgb));
        }
        let linear = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        assert!(!is_srgb(&linear, Channels::Gray));
    }

    #[test]
    fn a_profile_of_other_channels_is_passed_over() {
        let gray_profile = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let colour = Raster::new(1, 1, Channels::Rgb, vec![77, 78, 79]).unwrap();
        assert_eq!(to_srgb(colour.clone(), Some(&gray_profile)), colour);
        assert_eq!(to_srgb(colour.clone(), Some(b"no profile")), colour);
    }

    #[test]
    fn gray_is_shown_by_a_profile_for_colours_as_equal_colours() {
        let gray = Raster::new(3, 1, Channels::Gray, vec![0, 77, 255]).unwrap();
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        assert!(is_srgb(&p3, Channels::Gray), "its curve is sRGB's");
        assert_eq!(to_srgb(gray.clone(), Some(&p3)), by_formula(gray.clone()));
        let adobe = ColorProfile::new_adobe_rgb().encode().unwrap();
        assert!(!is_srgb(&adobe, Channels::Gray));
        let converted = to_srgb(gray, Some(&adobe));
        let (pixels, _) = converted.data().as_chunks::<3>();
        let middle = level(srgb_curve((77.0_f64 / 255.0).powf(563.0 / 256.0)));
        assert!(pixels[1].iter().all(|value| value.abs_diff(middle) <= 1), "{pixels:?}, {middle}");
        assert_eq!((pixels[0], pixels[2]), ([0; 3], [255; 3]));
    }

    /// sRGB's curve (IEC 61966-2-1), from light.
    fn srgb_curve(light: f64) -> f64 {
        if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn level(value: f64) -> u8 {
        (value.clamp(0.0, 1.0) * 255.0).round() as u8
    }

    #[test]
    fn each_colour_goes_by_its_own_curve_whichever_are_equal() {
        // sRGB's primaries, so that each channel stands for itself: what comes out is its curve and sRGB's.
        let parametric = |gamma: f32| ToneReprCurve::Parametric(vec![gamma]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let table = |gamma: f32| {
            let entries =
                (0..1024_u16).map(|i| ((f32::from(i) / 1023.0).powf(gamma) * 65_535.0).round() as u16);
            ToneReprCurve::Lut(entries.collect())
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let short = |gamma: f32| ToneReprCurve::Lut(vec![(gamma * 256.0) as u16]);
        let kinds: [(&str, &dyn Fn(f32) -> ToneReprCurve); 3] =
            [("parametric", &parametric), ("table", &table), ("gamma", &short)];
        for (kind, curve) in kinds {
            for gammas in [[1.0, 1.0, 2.5], [2.5, 1.0, 1.0], [1.0, 2.5, 1.0], [1.0, 1.5, 2.5], [2.0; 3]] {
                let mut profile = ColorProfile::new_srgb();
                profile.cicp = None;
                let [red, green, blue] = gammas.map(|gamma| Some(curve(gamma)));
                (profile.red_trc, profile.green_trc, profile.blue_trc) = (red, green, blue);
                let icc = profile.encode().unwrap();
                assert!(!is_srgb(&icc, Channels::Rgb));
                for value in [[40_u8, 40, 40], [128, 128, 128], [200, 90, 30]] {
                    let expected: Vec<u8> = value
                        .iter()
                        .zip(gammas)
                        .map(|(&v, gamma)| level(srgb_curve((f64::from(v) / 255.0).powf(gamma.into()))))
                        .collect();
                    let raster = Raster::new(1, 1, Channels::Rgb, value.to_vec()).unwrap();
                    let shallow = to_srgb(raster, Some(&icc));
                    let samples: Vec<[u8; 2]> =
                        value.iter().map(|&v| (u16::from(v) * 257).to_ne_bytes()).collect();
                    let (_, deep) = deep_to_srgb(&samples, Channels::Rgb, &icc).unwrap();
                    for actual in [shallow.data(), &deep] {
                        let near = actual.iter().zip(&expected).all(|(a, e)| a.abs_diff(*e) <= 1);
                        assert!(near, "{kind} {gammas:?} {value:?}: {actual:?}, not {expected:?}");
                    }
                }
            }
        }
    }
}
