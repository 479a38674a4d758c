//! The environment of the thumbnail function; `template.yaml` sets every variable.

mod size;

use std::str::FromStr;

use photo_aws::usage::MIB_PER_VCPU;
use photo_aws::{ConfigError, Environment, Storage, config, quota};
use photo_domain::quota::Quotas;
use photo_domain::{ContentType, Recipe, VariantFormat, VariantName};
use photo_imaging::{Animation, DamagedPhotos, VariantSpec};

pub use size::{InvalidVariantSize, VariantSize};

/// What the function is told by its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `PHOTODROP_TABLE_NAME`, `PHOTODROP_ORIGINALS_BUCKET`, `PHOTODROP_THUMBNAILS_BUCKET`.
    pub storage: Storage,
    /// `PHOTODROP_EVENT_BUS_NAME`: where photos are announced.
    pub event_bus_name: String,
    /// `PHOTODROP_THUMBNAIL_QUEUE_URL`: what delivers events.
    pub thumbnail_queue_url: String,
    /// `PHOTODROP_FAILURE_QUEUE_URL`: its dead-letter queue.
    pub failure_queue_url: String,
    /// `PHOTODROP_ALLOWED_CONTENT_TYPES`: the types of bytes that are decoded, comma-separated.
    pub allowed_content_types: Vec<ContentType>,
    /// `PHOTODROP_MAX_UPLOAD_BYTES`: no more of an original is read.
    pub max_upload_bytes: u64,
    /// `PHOTODROP_MAX_PIXELS`: of the original.
    pub max_pixels: u64,
    /// `PHOTODROP_MAX_SIDE`: of the original, in pixels.
    pub max_side: u32,
    /// Each size of `PHOTODROP_VARIANTS` ([`VariantSize`], comma-separated) in its own formats, or in each format of
    /// `PHOTODROP_VARIANT_FORMATS`, with `PHOTODROP_JPEG_QUALITY`, `PHOTODROP_WEBP_QUALITY` or
    /// `PHOTODROP_AVIF_QUALITY` (1 to 100).
    pub variants: Vec<ConfiguredVariant>,
    /// The fingerprint of all variables that decide how variants look.
    pub recipe: Recipe,
    /// `PHOTODROP_AVIF_SPEED`: rav1e's, 1 (small) to 10 (fast).
    pub avif_speed: u8,
    /// `PHOTODROP_ANIMATION`: `first-frame` or `keep`.
    pub animation: Animation,
    /// `PHOTODROP_SANITIZED_ORIGINAL`: `on` to store the original without its metadata as the variant `original`.
    pub sanitized_original: bool,
    /// `PHOTODROP_DAMAGED_PHOTOS`: `show` or `refuse`. No part of the recipe: it decides which photos have variants, and not how
    /// variants look.
    pub damaged_photos: DamagedPhotos,
    /// `PHOTODROP_BACKGROUND`: sRGB, under transparent pixels where the format has none.
    pub background: Background,
    /// `PHOTODROP_WEBP_METHOD`: the effort of WebP, 0 (fast) to 6 (small).
    pub webp_method: u8,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` in MiB, set by Lambda.
    pub memory_mib: u64,
    /// Threads that encode at the same time: the whole vCPUs that the memory size gives.
    pub threads: usize,
    /// `PHOTODROP_OWNER_PHOTOS_PER_DAY`, `PHOTODROP_OWNER_BYTES_PER_DAY`, `PHOTODROP_OWNER_PENDING_PHOTOS`.
    pub quotas: Quotas,
}

/// One variant to be made of every photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredVariant {
    /// Its name in keys and in the API.
    pub name: VariantName,
    /// Its encoding.
    pub format: VariantFormat,
    /// The same for the imaging pipeline.
    pub spec: VariantSpec,
}

/// The variant's name that a sanitised original has.
pub const ORIGINAL: &str = "original";

/// An sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Background(pub [u8; 3]);

/// The text is no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("six hexadecimal digits are expected, such as ffffff")]
pub struct InvalidBackground;

impl FromStr for Background {
    type Err = InvalidBackground;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(InvalidBackground);
        }
        let [_, red, green, blue] =
            u32::from_str_radix(text, 16).map_err(|_| InvalidBackground)?.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl Config {
    /// Reads the environment through `lookup`; the error names every mistake in it.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut env = Environment::new(lookup);
        let storage = Storage::read(&mut env);
        let event_bus_name = env.text("PHOTODROP_EVENT_BUS_NAME");
        let thumbnail_queue_url = env.text("PHOTODROP_THUMBNAIL_QUEUE_URL");
        let failure_queue_url = env.text("PHOTODROP_FAILURE_QUEUE_URL");
        let allowed_content_types = env.list("PHOTODROP_ALLOWED_CONTENT_TYPES");
        let max_upload_bytes = env.number("PHOTODROP_MAX_UPLOAD_BYTES", 1..=u64::from(u32::MAX));
        let max_pixels = env.number("PHOTODROP_MAX_PIXELS", 1..=1_000_000_000);
        let max_side = env.number("PHOTODROP_MAX_SIDE", 1..=65_535);
        let sizes = env.list::<VariantSize>("PHOTODROP_VARIANTS");
        if let Some(name) = sizes.as_deref().and_then(twice) {
            env.problem("PHOTODROP_VARIANTS", &format!("names {name} twice"));
        }
        let formats = env.list::<VariantFormat>("PHOTODROP_VARIANT_FORMATS");
        let jpeg_quality = env.number("PHOTODROP_JPEG_QUALITY", 1..=100);
        let webp_quality = env.number("PHOTODROP_WEBP_QUALITY", 1..=100);
        let avif_quality = env.number("PHOTODROP_AVIF_QUALITY", 1..=100);
        let avif_speed = env.number("PHOTODROP_AVIF_SPEED", 1..=10);
        let animation = env.choice(
            "PHOTODROP_ANIMATION",
            &[("first-frame", Animation::FirstFrame), ("keep", Animation::Keep)],
        );
        let sanitized_original = env.choice("PHOTODROP_SANITIZED_ORIGINAL", &[("on", true), ("off", false)]);
        let damaged_photos = env.choice(
            "PHOTODROP_DAMAGED_PHOTOS",
            &[("show", DamagedPhotos::Show), ("refuse", DamagedPhotos::Refuse)],
        );
        if sanitized_original == Some(true)
            && sizes.as_deref().is_some_and(|sizes| sizes.iter().any(|size| size.name.as_str() == ORIGINAL))
        {
            env.problem("PHOTODROP_VARIANTS", "names original, which is the sanitised original's name");
        }
        let background = env.parsed("PHOTODROP_BACKGROUND");
        let webp_method = env.number("PHOTODROP_WEBP_METHOD", 0..=6);
        let memory_mib = env.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 128..=1_000_000_usize);
        let quotas = quota::read(&mut env);
        let recipe = config::recipe(&mut env);
        let variants = (|| {
            let quality = |format| match format {
                VariantFormat::Jpeg => jpeg_quality,
                VariantFormat::WebP => webp_quality,
                VariantFormat::Avif => avif_quality,
                // Of originals alone, and not configurable.
                VariantFormat::Png | VariantFormat::Gif => None,
            };
            let mut variants = Vec::new();
            let everywhere = formats?;
            for size in sizes? {
                let formats = if size.formats.is_empty() { &everywhere } else { &size.formats };
                for &format in formats {
                    match size.variant(format, quality(format)?) {
                        Ok(variant) => variants.push(variant),
                        Err(error) => env.problem("PHOTODROP_VARIANTS", &format!("cannot be made: {error}")),
                    }
                }
            }
            Some(variants)
        })();
        let config = (|| {
            Some(Self {
                storage: storage?,
                event_bus_name: event_bus_name?,
                thumbnail_queue_url: thumbnail_queue_url?,
                failure_queue_url: failure_queue_url?,
                allowed_content_types: allowed_content_types?,
                max_upload_bytes: max_upload_bytes?,
                max_pixels: max_pixels?,
                max_side: max_side?,
                variants: variants?,
                recipe: recipe?,
                avif_speed: avif_speed?,
                animation: animation?,
                sanitized_original: sanitized_original?,
                damaged_photos: damaged_photos?,
                background: background?,
                webp_method: webp_method?,
                memory_mib: memory_mib? as u64,
                threads: (memory_mib? / MIB_PER_VCPU as usize).max(1),
                quotas: quotas?,
            })
        })();
        env.finish(config)
    }
}

/// A name that two sizes share: their variants would overwrite each other.
fn twice(sizes: &[VariantSize]) -> Option<&VariantName> {
    sizes
        .iter()
        .enumerate()
        .find(|(i, size)| sizes[..*i].iter().any(|other| other.name == size.name))
        .map(|(_, size)| &size.name)
}

#[cfg(test)]
pub(crate) mod tests {
    use photo_imaging::Fit;

    use super::*;

    pub(crate) fn environment(name: &str) -> Option<String> {
        let value = match name {
            "PHOTODROP_TABLE_NAME" => "photos",
            "PHOTODROP_ORIGINALS_BUCKET" => "originals",
            "PHOTODROP_THUMBNAILS_BUCKET" => "thumbnails",
            "PHOTODROP_EVENT_BUS_NAME" => "photodrop",
            "PHOTODROP_THUMBNAIL_QUEUE_URL" | "PHOTODROP_FAILURE_QUEUE_URL" => "https://sqs/q",
            "PHOTODROP_ALLOWED_CONTENT_TYPES" => "image/jpeg,image/png,image/webp,image/gif,image/heic",
            "PHOTODROP_MAX_UPLOAD_BYTES" => "33554432",
            "PHOTODROP_MAX_PIXELS" => "120000000",
            "PHOTODROP_MAX_SIDE" => "65535",
            "PHOTODROP_VARIANTS" => "small:160,medium:480,large:1280",
            "PHOTODROP_VARIANT_FORMATS" => "webp,jpeg",
            "PHOTODROP_JPEG_QUALITY" | "PHOTODROP_WEBP_QUALITY" => "80",
            "PHOTODROP_AVIF_QUALITY" => "75",
            "PHOTODROP_AVIF_SPEED" => "9",
            "PHOTODROP_ANIMATION" => "first-frame",
            "PHOTODROP_SANITIZED_ORIGINAL" => "off",
            "PHOTODROP_DAMAGED_PHOTOS" => "show",
            "PHOTODROP_BACKGROUND" => "fffEf0",
            "PHOTODROP_WEBP_METHOD" => "3",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => "1769",
            "PHOTODROP_OWNER_PHOTOS_PER_DAY"
            | "PHOTODROP_OWNER_BYTES_PER_DAY"
            | "PHOTODROP_OWNER_PENDING_PHOTOS" => "0",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn problems(variable: &'static str, value: &'static str) -> Vec<String> {
        let lookup = |name: &str| if name == variable { Some(value.to_owned()) } else { environment(name) };
        Config::read(&lookup).map_or_else(|error| error.problems, |_| Vec::new())
    }

    #[test]
    fn the_environment_of_the_template_is_understood() {
        let config = Config::read(&environment).unwrap();
        let variants: Vec<_> =
            config.variants.iter().map(|v| (v.name.as_str(), v.format.as_str(), v.spec.fit())).collect();
        let inside = |longest_side| Fit::Inside { longest_side };
        assert_eq!(
            variants,
            [
                ("small", "webp", inside(160)),
                ("small", "jpeg", inside(160)),
                ("medium", "webp", inside(480)),
                ("medium", "jpeg", inside(480)),
                ("large", "webp", inside(1280)),
                ("large", "jpeg", inside(1280)),
            ]
        );
        assert_eq!(config.threads, 1);
        assert_eq!(config.background, Background([0xff, 0xfe, 0xf0]));
        assert_eq!(config.webp_method, 3);
        assert_eq!(config.damaged_photos, DamagedPhotos::Show);
    }

    #[test]
    fn variants_that_cannot_be_made_are_refused_at_start() {
        for bad in
            ["small", "small:", "small:-1", "Small:160", "a/b:160", "small:160,small:480", "small:160,,"]
        {
            assert_eq!(problems("PHOTODROP_VARIANTS", bad).len(), 1, "{bad}");
        }
        // In WebP and in JPEG; 16384 is too much for WebP alone.
        assert_eq!(problems("PHOTODROP_VARIANTS", "small:0").len(), 2);
        assert_eq!(problems("PHOTODROP_VARIANTS", "huge:16384").len(), 1);
        for bad in ["heic", "png", "webp,webp", "WEBP"] {
            assert_eq!(problems("PHOTODROP_VARIANT_FORMATS", bad).len(), 1, "{bad}");
        }
        for bad in ["white", "fff", "#ffffff", "+fffff"] {
            assert_eq!(problems("PHOTODROP_BACKGROUND", bad).len(), 1, "{bad}");
        }
        for (variable, bad) in [
            ("PHOTODROP_JPEG_QUALITY", "0"),
            ("PHOTODROP_AVIF_QUALITY", "101"),
            ("PHOTODROP_AVIF_SPEED", "0"),
            ("PHOTODROP_AVIF_SPEED", "11"),
            ("PHOTODROP_WEBP_METHOD", "7"),
            ("PHOTODROP_ANIMATION", "true"),
            ("PHOTODROP_SANITIZED_ORIGINAL", "yes"),
            ("PHOTODROP_DAMAGED_PHOTOS", "hide"),
        ] {
            assert_eq!(problems(variable, bad).len(), 1, "{variable} {bad}");
        }
    }

    #[test]
    fn an_empty_environment_names_every_variable_at_once() {
        assert_eq!(Config::read(&|_| None).unwrap_err().problems.len(), 25);
    }

    #[test]
    fn a_size_may_have_a_fit_and_formats_of_its_own() {
        let lookup = |name: &str| match name {
            "PHOTODROP_VARIANTS" => {
                Some("small:160,square:200x200:cover:avif,hero:1920x1080:webp+avif".to_owned())
            }
            _ => environment(name),
        };
        let config = Config::read(&lookup).unwrap();
        let variants: Vec<_> = config
            .variants
            .iter()
            .map(|v| (v.name.as_str(), v.format.as_str(), v.spec.fit(), v.spec.quality()))
            .collect();
        let (square, hero) =
            (Fit::Cover { width: 200, height: 200 }, Fit::Within { width: 1920, height: 1080 });
        assert_eq!(
            variants,
            [
                ("small", "webp", Fit::Inside { longest_side: 160 }, 80),
                ("small", "jpeg", Fit::Inside { longest_side: 160 }, 80),
                ("square", "avif", square, 75),
                ("hero", "webp", hero, 80),
                ("hero", "avif", hero, 75),
            ]
        );
    }

    #[test]
    fn the_name_of_the_sanitised_original_is_taken_only_when_there_is_one() {
        assert_eq!(problems("PHOTODROP_VARIANTS", "original:160"), Vec::<String>::new());
        let lookup = |name: &str| match name {
            "PHOTODROP_VARIANTS" => Some("original:160".to_owned()),
            "PHOTODROP_SANITIZED_ORIGINAL" => Some("on".to_owned()),
            _ => environment(name),
        };
        assert_eq!(
            Config::read(&lookup).unwrap_err().problems,
            ["PHOTODROP_VARIANTS names original, which is the sanitised original's name"]
        );
    }
}
