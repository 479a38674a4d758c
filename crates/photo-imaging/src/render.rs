//! The stages in order: probed → decoded → reduced → sRGB → upright → variants. Each is a type whose only way on is
//! the next, so a wrong order does not compile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use image::metadata::Orientation;

use crate::color;
use crate::decode::{Decoded, Source};
use crate::encode;
use crate::error::ImagingError;
use crate::format::{Format, OutputFormat};
use crate::limits::Limits;
use crate::options::{RenderOptions, VariantSpec};
use crate::orient;
use crate::placeholder;
use crate::plan::{PLACEHOLDER_SIDE, Placement, inside, place};
use crate::pool;
use crate::probe::{Probed, swaps_sides};
use crate::raster::{Channels, Raster};
use crate::resize::{Crop, resize};
use crate::timing::{Laps, StageTimes};

/// What became of a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What came in.
    pub original: Original,
    /// A `ThumbHash`, 5 to 25 bytes.
    pub thumbhash: Vec<u8>,
    /// Red, green and blue of the most frequent kind of colour.
    pub dominant_color: [u8; 3],
    /// In the order of the options.
    pub variants: Vec<Variant>,
}

/// The photo that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// The type that the bytes have.
    pub format: Format,
    /// Width in px as a viewer shows it, after orientation.
    pub width: u32,
    /// Height in px as a viewer shows it, after orientation.
    pub height: u32,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The name in the options.
    pub name: String,
    /// The file format.
    pub format: OutputFormat,
    /// Width in px.
    pub width: u32,
    /// Height in px.
    pub height: u32,
    /// The file.
    pub bytes: Vec<u8>,
}

/// At most the size that the largest variant needs; stored orientation, colours of the profile.
struct Reduced {
    raster: Raster,
    icc: Option<Vec<u8>>,
    orientation: Orientation,
}

/// sRGB, three or four channels; stored orientation.
struct Srgb {
    raster: Raster,
    orientation: Orientation,
}

/// As a viewer shows it.
struct Upright {
    raster: Raster,
}

impl Probed<'_> {
    /// Decodes once and makes every variant. The same bytes and options give the same files.
    ///
    /// Reducing comes before colours and orientation, which then have the largest variant's pixels to do instead of
    /// the photo's.
    ///
    /// # Errors
    /// Damage that only decoding shows, the deadline, a failing encoder, and a panic in any library that sees the
    /// photo's bytes: hostile input must not take the process down.
    pub fn render(self, options: &RenderOptions) -> Result<Rendered, ImagingError> {
        self.render_timed(options).map(|(rendered, _)| rendered)
    }

    /// As [`Probed::render`], and how long each stage took.
    ///
    /// # Errors
    /// Those of [`Probed::render`].
    pub fn render_timed(self, options: &RenderOptions) -> Result<(Rendered, StageTimes), ImagingError> {
        let mut laps = Laps::start();
        let mut times = StageTimes::default();
        let original = Original { format: self.format(), width: self.width(), height: self.height() };
        let limits = self.limits;
        let placements: Vec<_> =
            options.variants.iter().map(|v| place(original.width, original.height, v.fit())).collect();
        let (width, height) = largest(original, &placements);
        let turned = swaps_sides(self.header.orientation);
        let target = if turned { (height, width) } else { (width, height) };

        limits.check_deadline("decode")?;
        let decoded = guarded("decoding", || self.decode(target))?;
        times.decode = laps.lap();
        limits.check_deadline("resize")?;
        let reduced = decoded.reduce(target)?;
        times.reduce = laps.lap();
        let upright = guarded("converting colours", || Ok(reduced.into_srgb()))?.into_upright();
        times.color = laps.lap();
        let rendered = upright.variants(original, &placements, options, &limits, &mut times)?;
        Ok((rendered, times))
    }
}

/// The upright size from which every placement and the placeholder can be made without enlarging.
fn largest(original: Original, placements: &[Placement]) -> (u32, u32) {
    let least = inside(original.width, original.height, PLACEHOLDER_SIDE, PLACEHOLDER_SIDE);
    placements.iter().fold(least, |(w, h), placement| {
        let (nw, nh) = placement.needs(original.width, original.height);
        (w.max(nw), h.max(nh))
    })
}

impl Decoded {
    /// To a stored width and height in px.
    fn reduce(self, (width, height): (u32, u32)) -> Result<Reduced, ImagingError> {
        let Self { source, icc, orientation } = self;
        let raster = match source {
            Source::Planes(planes) => planes.into_raster(width, height)?,
            Source::Pixels(raster) if (raster.width(), raster.height()) == (width, height) => raster,
            Source::Pixels(raster) => resize(&raster, None, width, height)?,
        };
        Ok(Reduced { raster, icc, orientation })
    }
}

impl Reduced {
    fn into_srgb(self) -> Srgb {
        Srgb { raster: color::to_srgb(self.raster, self.icc.as_deref()), orientation: self.orientation }
    }
}

impl Srgb {
    fn into_upright(self) -> Upright {
        Upright { raster: orient::upright(self.raster, self.orientation) }
    }
}

impl Upright {
    fn variants(
        self,
        original: Original,
        placements: &[Placement],
        options: &RenderOptions,
        limits: &Limits,
        times: &mut StageTimes,
    ) -> Result<Rendered, ImagingError> {
        let mut laps = Laps::start();
        let has_alpha = self.raster.channels().has_alpha();
        let mut ladder = Ladder { original, whole: vec![Arc::new(self.raster)] };
        let mut order: Vec<usize> = (0..placements.len()).collect();
        let need = |i: usize| {
            let (w, h) = placements[i].needs(original.width, original.height);
            u64::from(w) * u64::from(h)
        };
        // Large to small, so that each is made from the nearest larger one.
        order.sort_by_key(|&i| std::cmp::Reverse(need(i)));

        let mut pictures: Vec<Picture> = Vec::new();
        let mut picture_of = vec![0; placements.len()];
        for i in order {
            let flat = has_alpha && options.variants[i].format() == OutputFormat::Jpeg;
            let known = pictures.iter().position(|p| p.placement == placements[i] && p.flat == flat);
            picture_of[i] = if let Some(index) = known {
                index
            } else {
                limits.check_deadline("resize")?;
                let raster = ladder.make(&placements[i], flat, options.background)?;
                pictures.push(Picture { placement: placements[i], flat, raster });
                pictures.len() - 1
            };
        }
        let small = ladder.placeholder()?;
        times.resize = laps.lap();
        let thumbhash = placeholder::thumbhash(&small);
        let dominant_color = placeholder::dominant_color(&small, options.background);
        times.placeholder = laps.lap();

        let jobs: Vec<_> =
            options.variants.iter().zip(picture_of).map(|(v, p)| (v, &*pictures[p].raster)).collect();
        let encoded = pool::map(&jobs, options.threads, |(spec, raster)| {
            limits.check_deadline("encode")?;
            let mut laps = Laps::start();
            let variant = guarded("encoding", || encode_variant(spec, raster, options.webp_method))?;
            Ok((variant, laps.lap()))
        })?;
        let (variants, encode) = encoded.into_iter().unzip();
        times.encode = encode;
        Ok(Rendered { original, thumbhash, dominant_color, variants })
    }
}

/// Pixels ready for an encoder, shared by every variant that wants the same.
struct Picture {
    placement: Placement,
    flat: bool,
    raster: Arc<Raster>,
}

/// The whole photo in falling sizes.
struct Ladder {
    original: Original,
    whole: Vec<Arc<Raster>>,
}

impl Ladder {
    fn make(
        &mut self,
        placement: &Placement,
        flat: bool,
        background: [u8; 3],
    ) -> Result<Arc<Raster>, ImagingError> {
        let needs = placement.needs(self.original.width, self.original.height);
        let resized = match placement.crop {
            None => self.at(placement.size)?,
            Some(share) => {
                let source = self.nearest(needs)?;
                let (w, h) = (f64::from(source.width()), f64::from(source.height()));
                let crop = Crop {
                    left: share.left * w,
                    top: share.top * h,
                    width: share.width * w,
                    height: share.height * h,
                };
                Arc::new(resize(&source, Some(crop), placement.size.0, placement.size.1)?)
            }
        };
        let padded = placement.canvas != placement.size;
        let opaque = if flat || (padded && resized.channels().has_alpha()) {
            Arc::new(encode::flatten(&resized, background))
        } else {
            resized
        };
        if padded { pad(&opaque, placement.canvas, background).map(Arc::new) } else { Ok(opaque) }
    }

    /// The whole photo at this size.
    fn at(&mut self, (width, height): (u32, u32)) -> Result<Arc<Raster>, ImagingError> {
        let source = self.nearest((width, height))?;
        if (source.width(), source.height()) == (width, height) {
            return Ok(source);
        }
        let smaller = Arc::new(resize(&source, None, width, height)?);
        self.whole.push(Arc::clone(&smaller));
        Ok(smaller)
    }

    fn nearest(&self, (width, height): (u32, u32)) -> Result<Arc<Raster>, ImagingError> {
        let fits = |r: &&Arc<Raster>| r.width() >= width && r.height() >= height;
        self.whole
            .iter()
            .filter(fits)
            .min_by_key(|r| u64::from(r.width()) * u64::from(r.height()))
            .cloned()
            .ok_or_else(|| ImagingError::Internal(format!("nothing to make {width} x {height} px from")))
    }

    fn placeholder(&mut self) -> Result<Arc<Raster>, ImagingError> {
        let size = inside(self.original.width, self.original.height, PLACEHOLDER_SIDE, PLACEHOLDER_SIDE);
        self.at(size)
    }
}

/// The opaque picture in the middle of a canvas.
fn pad(raster: &Raster, (width, height): (u32, u32), background: [u8; 3]) -> Result<Raster, ImagingError> {
    let mut data = background.repeat(width as usize * height as usize);
    let left = (width - raster.width()) as usize / 2;
    let top = (height - raster.height()) as usize / 2;
    let rows = data.chunks_exact_mut(width as usize * 3).skip(top);
    for (row, source) in rows.zip(raster.data().chunks_exact(raster.width() as usize * 3)) {
        row[left * 3..left * 3 + source.len()].copy_from_slice(source);
    }
    Raster::new(width, height, Channels::Rgb, data)
        .ok_or_else(|| ImagingError::Internal("empty canvas".to_owned()))
}

fn encode_variant(spec: &VariantSpec, raster: &Raster, webp_method: u8) -> Result<Variant, ImagingError> {
    let bytes = match spec.format() {
        OutputFormat::Jpeg => encode::jpeg(raster, spec.quality())?,
        OutputFormat::WebP => encode::webp(raster, spec.quality(), webp_method)?,
    };
    Ok(Variant {
        name: spec.name().to_owned(),
        format: spec.format(),
        width: raster.width(),
        height: raster.height(),
        bytes,
    })
}

/// Turns a panic into an error. Only for steps that leave nothing behind for others to find half done.
fn guarded<T>(step: &'static str, run: impl FnOnce() -> Result<T, ImagingError>) -> Result<T, ImagingError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(ImagingError::Panicked { step }))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::options::Fit;

    fn upright() -> (Upright, Original) {
        let raster = Raster::new(64, 64, Channels::Rgb, vec![9; 64 * 64 * 3]);
        let original = Original { format: Format::Png, width: 64, height: 64 };
        (Upright { raster: raster.unwrap() }, original)
    }

    #[test]
    fn a_deadline_that_passes_after_decoding_stops_the_encoders() {
        let spec = VariantSpec::new("v", Fit::Inside { longest_side: 32 }, OutputFormat::WebP, 80).unwrap();
        let options = RenderOptions::new(vec![spec]);
        let placements = [place(64, 64, Fit::Inside { longest_side: 32 })];
        let (picture, original) = upright();
        let limits = Limits::default().with_deadline(Instant::now());
        let refused =
            picture.variants(original, &placements, &options, &limits, &mut StageTimes::default()).map(drop);
        assert_eq!(refused.map_err(|e| e.code()), Err("PROCESSING_TIMEOUT"));
        let (picture, original) = upright();
        assert!(
            picture
                .variants(original, &placements, &options, &Limits::default(), &mut StageTimes::default())
                .is_ok()
        );
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let caught =
            guarded("testing", || -> Result<(), ImagingError> { panic!("as hostile bytes might make it") });
        assert_eq!(caught.map_err(|e| e.code()), Err("PROCESSING_FAILED"));
    }
}
