//! The imaging pipeline, run beside the async runtime and with its panics caught.

use std::time::Instant;

use photo_domain::{ContentType, DeclaredType, FailureCode, VariantFormat, VariantName};
use photo_imaging::{
    Damage, Format, ImagingError, Limits, OutputFormat, Probed, RenderOptions, StageTimes, Variant, probe,
};

use crate::config::{Config, ORIGINAL};
use crate::error::Failure;

/// What a photo is, and its variants.
#[derive(Clone, Debug)]
pub struct Rendering {
    /// What the bytes are.
    pub format: ContentType,
    /// The original's width in pixels, as displayed.
    pub width: u32,
    /// The original's height in pixels, as displayed.
    pub height: u32,
    /// The placeholder.
    pub thumbhash: Vec<u8>,
    /// sRGB.
    pub dominant_color: [u8; 3],
    /// The variants: sizes in configuration order, each in all its formats; last the sanitised original, if wanted.
    pub variants: Vec<RenderedVariant>,
    /// What is missing of the photo.
    pub damage: Option<Damage>,
    /// How long decoding and encoding took.
    pub timings: StageTimes,
}

/// One variant in memory.
#[derive(Clone, Debug)]
pub struct RenderedVariant {
    /// Its name.
    pub name: VariantName,
    /// Its encoding.
    pub format: VariantFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Makes every variant of a photo. Decoding runs on a thread of its own: the runtime goes on, and a panic
/// ends that thread's work alone.
pub async fn render(
    bytes: Vec<u8>,
    declared: DeclaredType,
    config: &Config,
    deadline: Instant,
) -> Result<Rendering, Failure> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || render_now(&bytes, declared, &config, deadline)).await.unwrap_or_else(
        |panic| {
            Err(Failure::permanent(FailureCode::ProcessingFailed, format!("the decoder panicked: {panic}")))
        },
    )
}

fn render_now(
    bytes: &[u8],
    declared: DeclaredType,
    config: &Config,
    deadline: Instant,
) -> Result<Rendering, Failure> {
    // A type that is not allowed meets no decoder.
    let format = content_type(Format::sniff(bytes)?);
    allow(format, config)?;
    let probed = probe(bytes, &limits(config, deadline))?;
    if !declared.agrees_with(format) {
        return Err(Failure::permanent(
            FailureCode::TypeMismatch,
            format!("{declared} was declared, the bytes are {format}"),
        ));
    }
    let options = RenderOptions {
        background: config.background.0,
        avif_speed: config.avif_speed,
        animation: config.animation,
        damaged_photos: config.damaged_photos,
        webp_method: config.webp_method,
        threads: config.threads,
        ..RenderOptions::new(config.variants.iter().map(|variant| variant.spec.clone()).collect())
    };
    let (rendered, timings) = probed.render_timed(&options)?;
    let mut variants: Vec<_> = config
        .variants
        .iter()
        .zip(rendered.variants)
        .map(|(configured, variant)| RenderedVariant {
            name: configured.name.clone(),
            format: configured.format,
            width: variant.width,
            height: variant.height,
            bytes: variant.bytes,
        })
        .collect();
    if config.sanitized_original {
        let held_bytes = variants.iter().map(|variant| variant.bytes.len()).sum();
        variants.push(sanitized(&probed, &options, rendered.damage.is_some(), held_bytes)?);
    }
    Ok(Rendering {
        format,
        width: rendered.original.width,
        height: rendered.original.height,
        thumbhash: rendered.thumbhash,
        dominant_color: rendered.dominant_color,
        variants,
        damage: rendered.damage,
        timings,
    })
}

/// Refuses a type that is not one of `AllowedContentTypes`.
fn allow(format: ContentType, config: &Config) -> Result<(), Failure> {
    if config.allowed_content_types.contains(&format) {
        return Ok(());
    }
    let reason = format!("the bytes are {format}, which is not one of AllowedContentTypes");
    Err(Failure::permanent(FailureCode::UnsupportedType, reason))
}

/// Writes the original without its metadata: from its own coded parts if they are whole and browsers show the format,
/// otherwise encoded anew as the photo is shown. The variants are held meanwhile and take `held_bytes`.
fn sanitized(
    probed: &Probed<'_>,
    options: &RenderOptions,
    is_damaged: bool,
    held_bytes: usize,
) -> Result<RenderedVariant, Failure> {
    let name = VariantName::parse(ORIGINAL)
        .map_err(|error| Failure::permanent(FailureCode::ProcessingFailed, error.to_string()))?;
    if !is_damaged {
        match probed.sanitize() {
            Ok(bytes) => {
                let format = same_format(content_type(probed.format()));
                let (width, height) = (probed.width(), probed.height());
                return Ok(RenderedVariant { name, format, width, height, bytes });
            }
            // The photo has just been rendered: only the strict writer cannot take it.
            Err(error @ (ImagingError::Corrupt { .. } | ImagingError::UnsupportedType(_))) => {
                tracing::info!(reason = %error, "the sanitised original is encoded anew");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let Variant { format, width, height, bytes, .. } = probed.reencode(options, held_bytes)?;
    let format = match format {
        OutputFormat::Jpeg => VariantFormat::Jpeg,
        OutputFormat::WebP => VariantFormat::WebP,
        OutputFormat::Avif => VariantFormat::Avif,
    };
    Ok(RenderedVariant { name, format, width, height, bytes })
}

/// The format of the sanitised original: the photo's own where browsers show it.
const fn same_format(format: ContentType) -> VariantFormat {
    match format {
        ContentType::Gif => VariantFormat::Gif,
        ContentType::Jpeg | ContentType::Heic => VariantFormat::Jpeg,
        ContentType::Png => VariantFormat::Png,
        ContentType::WebP => VariantFormat::WebP,
    }
}

fn limits(config: &Config, deadline: Instant) -> Limits {
    Limits {
        max_bytes: usize::try_from(config.max_upload_bytes).unwrap_or(usize::MAX),
        max_pixels: config.max_pixels,
        max_side: config.max_side,
        ..Limits::for_lambda_memory(config.memory_mib)
    }
    .with_deadline(deadline)
}

const fn content_type(format: photo_imaging::Format) -> ContentType {
    match format {
        photo_imaging::Format::Gif => ContentType::Gif,
        photo_imaging::Format::Heic => ContentType::Heic,
        photo_imaging::Format::Jpeg => ContentType::Jpeg,
        photo_imaging::Format::Png => ContentType::Png,
        photo_imaging::Format::WebP => ContentType::WebP,
    }
}

#[cfg(test)]
mod tests {
    use photo_imaging::ImagingError;

    use super::*;

    #[test]
    fn every_code_of_the_imaging_crate_is_one_that_a_client_may_get() {
        for code in ImagingError::CODES {
            assert!(code.parse::<FailureCode>().is_ok(), "{code}");
        }
    }

    #[test]
    fn content_types_are_the_same_on_both_sides() {
        use photo_imaging::Format;
        for format in [Format::Gif, Format::Heic, Format::Jpeg, Format::Png, Format::WebP] {
            assert_eq!(content_type(format).as_str(), format.content_type());
        }
    }
}
