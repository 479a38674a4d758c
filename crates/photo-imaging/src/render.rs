//! The stages in order: probed → decoded → reduced → sRGB → upright → variants. Each is a type whose only way on is
//! the next, so a wrong order does not compile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use image::metadata::Orientation;

use crate::animation::Kept;
use crate::color;
use crate::damage::{self, Damage, Loss};
use crate::decode::{self, Decoded, Source};
use crate::encode;
use crate::error::ImagingError;
use crate::format::{Format, OutputFormat};
use crate::ladder::{Ladder, Picture};
use crate::limits::Limits;
use crate::memory::Work;
use crate::options::{Animation, RenderOptions, VariantSpec};
use crate::orient;
use crate::placeholder;
use crate::plan::{PLACEHOLDER_SIDE, Placement, inside, place};
use crate::planar::{Phase, Planar};
use crate::pool;
use crate::probe::{Probed, swaps_sides};
use crate::profile::Profile;
use crate::raster::{Channels, Raster};
use crate::strips;
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
    /// What is missing of the photo; `None` if every pixel has arrived.
    pub damage: Option<Damage>,
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

/// What goes from stage to stage.
enum Form {
    Pixels(Raster),
    /// Of a JPEG or a lossy WebP in sRGB whose files all have chroma at half size: pixels would be made to be taken apart again.
    Planes(Planar),
}

/// At most the size that the largest variant needs; stored orientation, colours of the profile.
struct Reduced<'a> {
    form: Form,
    profile: Option<&'a Profile>,
    orientation: Orientation,
}

/// sRGB; pixels have three channels or four. Stored orientation.
struct Srgb {
    form: Form,
    orientation: Orientation,
}

/// As a viewer shows it.
enum Upright {
    Pixels(Raster),
    Planes(Planar),
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
    pub fn render(&self, options: &RenderOptions) -> Result<Rendered, ImagingError> {
        self.render_timed(options).map(|(rendered, _)| rendered)
    }

    /// As [`Probed::render`], and how long each stage took.
    ///
    /// # Errors
    /// Those of [`Probed::render`].
    pub fn render_timed(&self, options: &RenderOptions) -> Result<(Rendered, StageTimes), ImagingError> {
        let mut laps = Laps::start();
        let mut times = StageTimes::default();
        let original = Original { format: self.format(), width: self.width(), height: self.height() };
        let limits = self.limits;
        let placements: Vec<_> =
            options.variants.iter().map(|v| place(original.width, original.height, v.fit())).collect();
        let (width, height) = largest(original, &placements);
        let target = self.stored((width, height));
        let (profile, planar) = guarded("reading the profile", || {
            let profile = self.profile();
            let planar = self.stays_planar(options, profile.as_ref());
            Ok((profile, planar))
        })?;
        let threads = self.affordable_threads(options, &placements, (width, height), planar)?;
        let options = &RenderOptions { threads, ..options.clone() };
        let kept = Kept::of(self, &self.work(options, &placements, (width, height)));
        let (upright, loss) = self.upright(target, planar, profile.as_ref(), &mut times)?;
        let damage = damage::judge(self.format(), loss, options.damaged_photos)?;
        laps.lap();
        let kept = kept.filter(|_| damage.is_none());
        let Some(kept) = kept else {
            let rendered = upright.variants(original, &placements, options, &limits, &mut times)?;
            return Ok((Rendered { damage, ..rendered }, times));
        };

        let stands = |i: &usize| !kept.variants.contains(i);
        let still: Vec<usize> = (0..placements.len()).filter(stands).collect();
        let still_placements: Vec<_> = still.iter().map(|&i| placements[i]).collect();
        let still_options = RenderOptions {
            variants: still.iter().map(|&i| options.variants[i].clone()).collect(),
            ..options.clone()
        };
        let mut rendered =
            upright.variants(original, &still_placements, &still_options, &limits, &mut times)?;
        laps.lap();
        let moving = kept.render(self, profile.as_ref(), original, (width, height), &placements, options);
        if matches!(moving, Err(ImagingError::Corrupt { .. })) {
            // A later frame is damaged: the photo is its first frame.
            return self.render_timed(&RenderOptions { animation: Animation::FirstFrame, ..options.clone() });
        }
        let moving = moving?;
        times.animation = laps.lap();
        let mut all: Vec<_> = still.into_iter().zip(rendered.variants).collect();
        all.extend(kept.variants.into_iter().zip(moving));
        all.sort_by_key(|(index, _)| *index);
        rendered.variants = all.into_iter().map(|(_, variant)| variant).collect();
        Ok((rendered, times))
    }

    /// Memory in bytes that [`Probed::render`] takes at most with these options, by the header alone. The first 32 MiB of
    /// resizing and encoding are not counted, for every render may take them. More than [`Limits::max_decoder_bytes`]
    /// is refused, unless fewer threads or, of an animation, the first frame will do.
    #[must_use]
    pub fn render_bytes(&self, options: &RenderOptions) -> u64 {
        let original = Original { format: self.format(), width: self.width(), height: self.height() };
        let placements: Vec<_> =
            options.variants.iter().map(|v| place(original.width, original.height, v.fit())).collect();
        let work = self.work(options, &placements, largest(original, &placements));
        let kept = Kept::of(self, &work).map_or(0, |kept| kept.bytes);
        self.picture_bytes(&work, false).max(kept)
    }

    fn work<'w>(
        &self,
        options: &'w RenderOptions,
        placements: &'w [Placement],
        target: (u32, u32),
    ) -> Work<'w> {
        let has_alpha = match &self.heif {
            Some(photo) => photo.has_alpha(),
            None => self.jpeg.is_none() && !self.is_planar_webp(),
        };
        Work { target, placements, options, threads: options.threads.max(1), has_alpha }
    }

    /// Returns an upright width and height as the file stores them, before its orientation is applied.
    pub(crate) fn stored(&self, (width, height): (u32, u32)) -> (u32, u32) {
        if swaps_sides(self.header.orientation) { (height, width) } else { (width, height) }
    }

    /// Memory in bytes that the photo takes, or the first frame of an animation.
    fn picture_bytes(&self, work: &Work<'_>, planar: bool) -> u64 {
        let pixels = u64::from(self.header.width) * u64::from(self.header.height);
        if self.header.format == Format::Gif {
            let size = (self.header.width, self.header.height);
            let decoder = decode::gif::decoder_bytes(self.header.decoder_bytes, size, work.target);
            let (width, height) = work.target;
            return work.bytes(decoder, 4 * u64::from(width) * u64::from(height));
        }
        if let Some(photo) = &self.heif {
            let (width, height) = work.target;
            let decoder = decode::heif::decoder_bytes(photo, self.stored(work.target), &self.limits);
            return work.bytes(decoder, 4 * u64::from(width) * u64::from(height));
        }
        let decoder = match &self.jpeg {
            Some(photo) => decode::jpeg::decoder_bytes(photo, self.stored(work.target), planar, &self.limits),
            None if self.header.format == Format::Png => {
                decode::png::decoder_bytes(self.bytes, self.stored(work.target))
            }
            None => self.header.decoder_bytes,
        };
        work.bytes(decoder, decoder.min(4 * pixels))
    }

    /// As many threads as are asked for, or as there is memory for; an error if there is not enough for one.
    fn affordable_threads(
        &self,
        options: &RenderOptions,
        placements: &[Placement],
        target: (u32, u32),
        planar: bool,
    ) -> Result<usize, ImagingError> {
        let work = self.work(options, placements, target);
        let bytes = |threads| self.picture_bytes(&Work { threads, ..work }, planar);
        // More threads than variants take nothing.
        let most = work.threads.min(placements.len()).max(1);
        let fits = |&threads: &usize| self.limits.check_memory(bytes(threads)).is_ok();
        match (1..=most).rev().find(fits) {
            Some(threads) if threads == most => Ok(work.threads),
            Some(threads) => Ok(threads),
            None => self.limits.check_memory(bytes(1)).map(|()| 1),
        }
    }

    /// Whether planes can go from the decoder to all encoders: no profile changes their colours, and no file has more
    /// chroma than a quarter of luma's.
    fn stays_planar(&self, options: &RenderOptions, profile: Option<&Profile>) -> bool {
        let channels = match self.jpeg.as_ref().map(photo_jpeg::Jpeg::color) {
            Some(photo_jpeg::Color::Gray) => Channels::Gray,
            Some(photo_jpeg::Color::YCbCr) => Channels::Rgb,
            None if self.is_planar_webp() => Channels::Rgb,
            _ => return false,
        };
        options.variants.iter().all(encode::takes_planes)
            && profile.is_none_or(|profile| color::is_srgb(profile, channels))
    }

    /// The stages that all variants share. `target` is a stored width and height in px.
    fn upright(
        &self,
        target: (u32, u32),
        planar: bool,
        profile: Option<&Profile>,
        times: &mut StageTimes,
    ) -> Result<(Upright, Option<Loss>), ImagingError> {
        let mut laps = Laps::start();
        self.limits.check_deadline("decode")?;
        let mut decoded = guarded("decoding", || self.decode(target, planar, profile))?;
        times.decode = laps.lap();
        self.limits.check_deadline("resize")?;
        let loss = decoded.loss.take();
        let reduced = decoded.reduce(target, planar)?;
        times.reduce = laps.lap();
        let upright = guarded("converting colours", || reduced.into_srgb(&self.limits))?.into_upright();
        times.color = laps.lap();
        Ok((upright, loss))
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

impl<'a> Decoded<'a> {
    /// To a stored width and height in px.
    fn reduce(self, (width, height): (u32, u32), planar: bool) -> Result<Reduced<'a>, ImagingError> {
        let Self { source, profile, orientation, .. } = self;
        let form = match source {
            Source::Planes(planes) if planar => {
                let phase = Phase::before(orientation, width, height);
                Form::Planes(planes.into_planar(width, height, phase)?)
            }
            Source::Planes(planes) => Form::Pixels(planes.into_raster(width, height)?),
            Source::Pixels(raster) => Form::Pixels(strips::reduced(raster, (width, height))?),
        };
        Ok(Reduced { form, profile, orientation })
    }
}

impl Reduced<'_> {
    fn into_srgb(self, limits: &Limits) -> Result<Srgb, ImagingError> {
        let form = match self.form {
            Form::Pixels(raster) => Form::Pixels(color::to_srgb(raster, self.profile, limits)?),
            // Chosen for it.
            Form::Planes(planes) => Form::Planes(planes),
        };
        Ok(Srgb { form, orientation: self.orientation })
    }
}

impl Srgb {
    fn into_upright(self) -> Upright {
        match self.form {
            Form::Pixels(raster) => Upright::Pixels(orient::upright(raster, self.orientation)),
            Form::Planes(planes) => Upright::Planes(planes.upright(self.orientation)),
        }
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
        match self {
            Self::Pixels(raster) => variants(raster, original, placements, options, limits, times),
            Self::Planes(planes) => variants(planes, original, placements, options, limits, times),
        }
    }
}

fn variants<P: Picture>(
    upright: P,
    original: Original,
    placements: &[Placement],
    options: &RenderOptions,
    limits: &Limits,
    times: &mut StageTimes,
) -> Result<Rendered, ImagingError> {
    let mut laps = Laps::start();
    let has_alpha = upright.has_alpha();
    let mut ladder = Ladder::new(original, Arc::new(upright));
    let mut order: Vec<usize> = (0..placements.len()).collect();
    let need = |i: usize| {
        let (w, h) = placements[i].needs(original.width, original.height);
        u64::from(w) * u64::from(h)
    };
    // Large to small, so that each is made from the nearest larger one.
    order.sort_by_key(|&i| std::cmp::Reverse(need(i)));

    let mut prepared: Vec<Prepared<P>> = Vec::new();
    let mut prepared_for = vec![0; placements.len()];
    for i in order {
        let flat = has_alpha && options.variants[i].format() == OutputFormat::Jpeg;
        let known = prepared.iter().position(|p| p.placement == placements[i] && p.flat == flat);
        prepared_for[i] = if let Some(index) = known {
            index
        } else {
            limits.check_deadline("resize")?;
            let picture = ladder.make(&placements[i], flat, options.background)?;
            prepared.push(Prepared { placement: placements[i], flat, picture });
            prepared.len() - 1
        };
    }
    let small = ladder.placeholder()?;
    times.resize = laps.lap();
    let thumbhash = placeholder::thumbhash(&small);
    let dominant_color = placeholder::dominant_color(&small, options.background);
    times.placeholder = laps.lap();

    let jobs: Vec<_> =
        options.variants.iter().zip(prepared_for).map(|(v, p)| (v, &*prepared[p].picture)).collect();
    let encoded = pool::map(&jobs, options.threads, |(spec, picture)| {
        limits.check_deadline("encode")?;
        let mut laps = Laps::start();
        let variant = guarded("encoding", || encode_variant(spec, *picture, options))?;
        Ok((variant, laps.lap()))
    })?;
    let (variants, encode) = encoded.into_iter().unzip();
    times.encode = encode;
    Ok(Rendered { original, thumbhash, dominant_color, variants, damage: None })
}

/// A picture ready for an encoder, shared by every variant that wants the same.
struct Prepared<P> {
    placement: Placement,
    flat: bool,
    picture: Arc<P>,
}

fn encode_variant(
    spec: &VariantSpec,
    picture: &impl Picture,
    options: &RenderOptions,
) -> Result<Variant, ImagingError> {
    let (width, height) = picture.size();
    let bytes = picture.encoded(spec, options)?;
    Ok(Variant { name: spec.name().to_owned(), format: spec.format(), width, height, bytes })
}

/// Turns a panic into an error. Only for steps that leave nothing behind for others to find half done.
pub(crate) fn guarded<T>(
    step: &'static str,
    run: impl FnOnce() -> Result<T, ImagingError>,
) -> Result<T, ImagingError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(ImagingError::Panicked { step }))
}

#[cfg(test)]
mod same_picture;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::options::Fit;

    fn upright() -> (Upright, Original) {
        let raster = Raster::new(64, 64, Channels::Rgb, vec![9; 64 * 64 * 3]);
        let original = Original { format: Format::Png, width: 64, height: 64 };
        (Upright::Pixels(raster.unwrap()), original)
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
