//! AVIF by rav1e, apart from the imaging crate for one reason: rav1e is generic over the kind of sample, so that a
//! crate that calls it may compile much of it again. Behind these two functions, which are never inlined, it is compiled once.

use ravif::{AlphaColorMode, BitDepth, EncodedImage, Encoder, Error, Img, RGB8, RGBA8};

/// How a picture is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Width in px.
    pub width: usize,
    /// Height in px.
    pub height: usize,
    /// 1 to 100, of colour and of alpha.
    pub quality: u8,
    /// rav1e's, 1 (small) to 10 (fast); beyond it the nearest of them.
    pub speed: u8,
}

/// Opaque pixels, row by row.
///
/// # Errors
/// What the encoder said.
#[inline(never)]
pub fn encode_rgb(pixels: &[[u8; 3]], settings: Settings) -> Result<Vec<u8>, String> {
    check(pixels.len(), settings)?;
    let pixels: Vec<_> = pixels.iter().map(|&[r, g, b]| RGB8::new(r, g, b)).collect();
    file(encoder(settings).encode_rgb(Img::new(pixels.as_slice(), settings.width, settings.height)))
}

/// Pixels with alpha, not premultiplied, row by row.
///
/// # Errors
/// What the encoder said.
#[inline(never)]
pub fn encode_rgba(pixels: &[[u8; 4]], settings: Settings) -> Result<Vec<u8>, String> {
    check(pixels.len(), settings)?;
    let pixels: Vec<_> = pixels.iter().map(|&[r, g, b, a]| RGBA8::new(r, g, b, a)).collect();
    file(encoder(settings).encode_rgba(Img::new(pixels.as_slice(), settings.width, settings.height)))
}

/// `Img` would panic.
fn check(pixels: usize, settings: Settings) -> Result<(), String> {
    let wanted = settings.width.checked_mul(settings.height);
    if pixels == 0 || wanted != Some(pixels) {
        return Err(format!("{pixels} pixels for {} x {} px", settings.width, settings.height));
    }
    Ok(())
}

fn encoder(settings: Settings) -> Encoder<'static> {
    Encoder::new()
        .with_quality(f32::from(settings.quality))
        .with_alpha_quality(f32::from(settings.quality))
        .with_speed(settings.speed.clamp(1, 10))
        // The pixels have 8 bits; ten would only cost time here and in every decoder.
        .with_bit_depth(BitDepth::Eight)
        // Colour under transparency is replaced by what costs least, so none that was hidden gets out.
        .with_alpha_color_mode(AlphaColorMode::UnassociatedClean)
        // The variants are encoded side by side already.
        .with_num_threads(Some(1))
}

fn file(encoded: Result<EncodedImage, Error>) -> Result<Vec<u8>, String> {
    encoded.map(|image| image.avif_file).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_that_are_too_few_or_none_are_an_error() {
        let settings = Settings { width: 2, height: 2, quality: 60, speed: 10 };
        assert_eq!(encode_rgb(&[[0; 3]; 3], settings), Err("3 pixels for 2 x 2 px".to_owned()));
        assert!(encode_rgba(&[], Settings { width: 0, ..settings }).is_err());
    }
}
