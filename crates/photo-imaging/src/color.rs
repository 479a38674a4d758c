//! Any colours to sRGB, three channels or four with alpha.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::raster::{Channels, Raster};

/// Applies the profile; a profile that is broken, or for other channels than these, is passed over, as browsers do.
pub(crate) fn to_srgb(raster: Raster, icc: Option<&[u8]>) -> Raster {
    let converted = icc.and_then(|icc| by_profile(&raster, icc)).unwrap_or_else(|| by_formula(raster));
    without_needless_alpha(converted)
}

fn by_profile(raster: &Raster, icc: &[u8]) -> Option<Raster> {
    let profile = ColorProfile::new_from_slice(icc).ok()?;
    let (space, from, to, channels) = layouts(raster.channels());
    if profile.color_space != space {
        return None;
    }
    let transform = profile
        .create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
        .ok()?;
    let pixels = raster.data().len() / raster.channels().count();
    let mut data = vec![0; pixels * channels.count()];
    transform.transform(raster.data(), &mut data).ok()?;
    raster.with_data(channels, data)
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
    let profile = ColorProfile::new_from_slice(icc).ok()?;
    let (space, from, to, target) = layouts(channels);
    if profile.color_space != space {
        return None;
    }
    let transform = profile
        .create_transform_16bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
        .ok()?;
    let mut out = Vec::with_capacity(samples.len() / channels.count() * target.count());
    for part in samples.chunks(DEEP_PIXELS * channels.count()) {
        let source: Vec<u16> = part.iter().map(|&sample| u16::from_ne_bytes(sample)).collect();
        let mut converted = vec![0_u16; source.len() / channels.count() * target.count()];
        transform.transform(&source, &mut converted).ok()?;
        out.extend(converted.into_iter().map(narrow));
    }
    Some((target, out))
}

/// 16 bits to 8, rounded to nearest.
pub(crate) fn narrow(value: u16) -> u8 {
    u8::try_from((u32::from(value) * 255 + 32_767) / 65_535).unwrap_or(u8::MAX)
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
        let gray = Raster::new(1, 1, Channels::Gray, vec![77]).unwrap();
        let rgb_profile = ColorProfile::new_display_p3().encode().unwrap();
        assert_eq!(to_srgb(gray.clone(), Some(&rgb_profile)).data(), [77; 3]);
        assert_eq!(to_srgb(gray, Some(b"no profile")).data(), [77; 3]);
    }
}
