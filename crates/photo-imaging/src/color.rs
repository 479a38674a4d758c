//! Any colours to sRGB, three channels or four with alpha.
//!
//! moxcms converts what has curves and a matrix. [`lut`] has the profiles with a LUT, [`hdr`] PQ and HLG, [`deep`] samples of 16
//! bits.

mod curve;
mod deep;
pub(crate) mod hdr;
mod lut;
mod srgb;

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};

use crate::error::ImagingError;
use crate::limits::Limits;
use crate::profile::Profile;
use crate::raster::{Channels, Raster};
pub(crate) use deep::DeepConversion;
use lut::LutTransform;

/// A conversion to sRGB of one pixel at a time.
trait PixelTransform {
    /// From three colours or four inks of 0 to 1.
    fn convert(&self, samples: [f32; 4]) -> [u8; 3];
}

/// A profile made ready for pixels of 8 bits a channel.
pub(crate) struct Conversion<'p> {
    source: Channels,
    target: Channels,
    method: Method<'p>,
}

enum Method<'p> {
    Library(Arc<Transform8BitExecutor>),
    Pixels(Box<dyn PixelTransform + Send + Sync + 'p>),
    /// Gray by a profile for colours: what becomes of each of the 256 levels.
    Grays(Vec<[u8; 3]>),
}

impl<'p> Conversion<'p> {
    /// `None` if the profile is for other channels, or is not complete.
    pub(crate) fn new(profile: &'p Profile, source: Channels) -> Option<Self> {
        if is_gray_in_colours(source, profile) {
            let colours = Self::new(profile, Channels::Rgb)?;
            let grays: Vec<u8> = (0..=u8::MAX).flat_map(|gray| [gray; 3]).collect();
            let mut converted = Vec::with_capacity(grays.len());
            colours.extend(&mut converted, &grays)?;
            let method = Method::Grays(converted.as_chunks().0.to_vec());
            return Some(Self { source, target: coloured(source), method });
        }
        let (space, from, to, target) = layouts(source);
        if profile.color_space() != space {
            return None;
        }
        let method = match by_pixels(profile, source)? {
            ByPixels::Yes(transform) => Method::Pixels(transform),
            ByPixels::No(profile) => {
                let options = TransformOptions::default();
                let srgb = ColorProfile::new_srgb();
                Method::Library(profile.create_transform_8bit(from, &srgb, to, options).ok()?)
            }
        };
        Some(Self { source, target, method })
    }

    /// Appends converted pixels.
    fn extend(&self, out: &mut Vec<u8>, pixels: &[u8]) -> Option<()> {
        match &self.method {
            Method::Library(transform) => {
                let start = out.len();
                out.resize(start + pixels.len() / self.source.count() * self.target.count(), 0);
                transform.transform(pixels, &mut out[start..]).ok()
            }
            Method::Pixels(transform) => {
                extend_by_pixels(out, pixels, self.source, &**transform, curve::eight, |alpha| alpha);
                Some(())
            }
            Method::Grays(grays) => {
                let gray = |gray: u8| grays[usize::from(gray)];
                if self.source.has_alpha() {
                    let pixels = pixels.as_chunks().0.iter();
                    out.extend(pixels.flat_map(|&[level, alpha]| {
                        let [r, g, b] = gray(level);
                        [r, g, b, alpha]
                    }));
                } else {
                    out.extend(pixels.iter().flat_map(|&level| gray(level)));
                }
                Some(())
            }
        }
    }

    fn apply(&self, raster: &Raster, limits: &Limits) -> Result<Option<Raster>, ImagingError> {
        if self.source != raster.channels() {
            return Ok(None);
        }
        let pixels = raster.data().len() / self.source.count();
        let mut data = Vec::with_capacity(pixels * self.target.count());
        for part in raster.data().chunks(PIXELS_A_CHECK * self.source.count()) {
            limits.check_deadline("convert colours")?;
            if self.extend(&mut data, part).is_none() {
                return Ok(None);
            }
        }
        Ok(raster.with_data(self.target, data))
    }
}

enum ByPixels<'p> {
    Yes(Box<dyn PixelTransform + Send + Sync + 'p>),
    /// By moxcms.
    No(&'p ColorProfile),
}

/// `None` if the profile cannot be applied to these channels.
fn by_pixels(profile: &Profile, channels: Channels) -> Option<ByPixels<'_>> {
    let profile = match profile {
        Profile::Hdr(hdr) => return Some(ByPixels::Yes(Box::new(hdr.tone_map()))),
        Profile::Icc(profile) => &**profile,
    };
    let inputs = match channels {
        Channels::Rgb | Channels::Rgba => 3,
        Channels::Cmyk => 4,
        Channels::Gray | Channels::GrayAlpha => return Some(ByPixels::No(profile)),
    };
    Some(match &profile.lut_a_to_b_perceptual {
        Some(lut) => ByPixels::Yes(Box::new(LutTransform::new(profile, lut, inputs)?)),
        None => ByPixels::No(profile),
    })
}

/// Appends converted pixels. A pixel like the one before it costs nothing.
fn extend_by_pixels<T: Copy + PartialEq>(
    out: &mut Vec<u8>,
    samples: &[T],
    channels: Channels,
    transform: &dyn PixelTransform,
    unit: impl Fn(T) -> f32,
    level: impl Fn(T) -> u8,
) {
    let colours = channels.count() - usize::from(channels.has_alpha());
    let mut last: Option<(&[T], [u8; 3])> = None;
    for pixel in samples.chunks_exact(channels.count()) {
        let (device, alpha) = pixel.split_at(colours);
        let rgb = match last {
            Some((same, rgb)) if same == device => rgb,
            _ => {
                let mut values = [0.0; 4];
                values.iter_mut().zip(device).for_each(|(value, &sample)| *value = unit(sample));
                if let [gray] = *device {
                    values = [unit(gray); 4];
                }
                transform.convert(values)
            }
        };
        last = Some((device, rgb));
        out.extend(rgb);
        out.extend(alpha.iter().map(|&alpha| level(alpha)));
    }
}

/// Applies the profile as browsers do: one for other channels than these is passed over; one for colours is applied to gray as
/// to equal red, green and blue.
pub(crate) fn to_srgb(
    raster: Raster,
    profile: Option<&Profile>,
    limits: &Limits,
) -> Result<Raster, ImagingError> {
    let conversion = profile.and_then(|profile| Conversion::new(profile, raster.channels()));
    convert(raster, conversion.as_ref(), limits)
}

/// As [`to_srgb`], for several pictures by one profile.
pub(crate) fn convert(
    raster: Raster,
    conversion: Option<&Conversion<'_>>,
    limits: &Limits,
) -> Result<Raster, ImagingError> {
    let converted = match conversion {
        Some(conversion) => conversion.apply(&raster, limits)?,
        None => None,
    };
    Ok(without_needless_alpha(converted.unwrap_or_else(|| by_formula(raster))))
}

fn is_gray_in_colours(channels: Channels, profile: &Profile) -> bool {
    matches!(channels, Channels::Gray | Channels::GrayAlpha) && profile.color_space() == DataColorSpace::Rgb
}

/// Whether a profile leaves all colours as they are, or would be passed over.
///
/// It is asked rather than read: the sRGB profiles that cameras and programs write differ in their numbers and tables.
pub(crate) fn is_srgb(profile: &Profile, channels: Channels) -> bool {
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
    let conversion = Conversion::new(profile, channels);
    let converted = conversion.map(|conversion| conversion.apply(&raster, &Limits::default()));
    let Some(Ok(Some(converted))) = converted else { return true };
    let plain = by_formula(raster);
    // One level is what the rounding of a profile's own numbers comes to.
    plain.data().iter().zip(converted.data()).all(|(a, b)| a.abs_diff(*b) <= 1)
}

/// Pixels that are converted between two looks at the clock. Their 16-bit copies stay in the cache.
const PIXELS_A_CHECK: usize = 4096;

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
    use moxcms::ToneReprCurve;

    use super::*;

    /// The profile as a file has it.
    fn read(profile: &ColorProfile) -> Profile {
        Profile::parse(&profile.encode().unwrap()).unwrap()
    }

    fn shown(raster: Raster, profile: Option<&Profile>) -> Raster {
        to_srgb(raster, profile, &Limits::default()).unwrap()
    }

    #[test]
    fn ink_without_a_profile_takes_light_away() {
        let inks = vec![0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 128, 255, 128];
        let raster = Raster::new(4, 1, Channels::Cmyk, inks).unwrap();
        assert_eq!(shown(raster, None).data(), [255, 255, 255, 0, 255, 255, 0, 0, 0, 127, 63, 0]);
    }

    #[test]
    fn alpha_that_hides_nothing_is_dropped() {
        let opaque = Raster::new(1, 2, Channels::Rgba, vec![1, 2, 3, 255, 4, 5, 6, 255]).unwrap();
        assert_eq!(shown(opaque, None).data(), [1, 2, 3, 4, 5, 6]);
        let clear = Raster::new(1, 2, Channels::Rgba, vec![1, 2, 3, 255, 4, 5, 6, 254]).unwrap();
        assert_eq!(shown(clear.clone(), None), clear);
    }

    #[test]
    fn a_profile_is_srgb_if_it_changes_nothing() {
        let srgb = read(&ColorProfile::new_srgb());
        assert!(is_srgb(&srgb, Channels::Rgb));
        assert!(is_srgb(&srgb, Channels::Gray), "its curve is sRGB's");
        for other in
            [ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb(), ColorProfile::new_bt2020()]
        {
            assert!(!is_srgb(&read(&other), Channels::Rgb));
        }
        let linear = read(&ColorProfile::new_gray_with_gamma(1.0));
        assert!(!is_srgb(&linear, Channels::Gray));
        assert!(is_srgb(&linear, Channels::Rgb), "of other channels: passed over");
    }

    #[test]
    fn a_profile_of_other_channels_is_passed_over() {
        let gray_profile = read(&ColorProfile::new_gray_with_gamma(1.0));
        let colour = Raster::new(1, 1, Channels::Rgb, vec![77, 78, 79]).unwrap();
        assert_eq!(shown(colour.clone(), Some(&gray_profile)), colour);
    }

    #[test]
    fn gray_is_shown_by_a_profile_for_colours_as_equal_colours() {
        let gray = Raster::new(3, 1, Channels::Gray, vec![0, 77, 255]).unwrap();
        let p3 = read(&ColorProfile::new_display_p3());
        assert!(is_srgb(&p3, Channels::Gray), "its curve is sRGB's");
        assert_eq!(shown(gray.clone(), Some(&p3)), by_formula(gray.clone()));
        let adobe = read(&ColorProfile::new_adobe_rgb());
        assert!(!is_srgb(&adobe, Channels::Gray));
        let converted = shown(gray, Some(&adobe));
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
                let icc = read(&profile);
                assert!(!is_srgb(&icc, Channels::Rgb));
                for value in [[40_u8, 40, 40], [128, 128, 128], [200, 90, 30]] {
                    let expected: Vec<u8> = value
                        .iter()
                        .zip(gammas)
                        .map(|(&v, gamma)| level(srgb_curve((f64::from(v) / 255.0).powf(gamma.into()))))
                        .collect();
                    let raster = Raster::new(1, 1, Channels::Rgb, value.to_vec()).unwrap();
                    let shallow = shown(raster, Some(&icc));
                    let samples: Vec<[u8; 2]> =
                        value.iter().map(|&v| (u16::from(v) * 257).to_be_bytes()).collect();
                    let conversion = DeepConversion::new(&icc, Channels::Rgb).unwrap();
                    let deep = conversion.apply(&samples, &Limits::default()).unwrap();
                    for actual in [shallow.data(), &deep] {
                        let near = actual.iter().zip(&expected).all(|(a, e)| a.abs_diff(*e) <= 1);
                        assert!(near, "{kind} {gammas:?} {value:?}: {actual:?}, not {expected:?}");
                    }
                }
            }
        }
    }
}
