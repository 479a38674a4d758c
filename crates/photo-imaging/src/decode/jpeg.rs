//! JPEG by the decoder that fits the file.
//!
//! `zune-jpeg`, which `image` uses as well, is called directly: `image` turns its strict mode off, so a truncated photo
//! would come out half grey and without an error, and it turns CMYK into RGB before the profile can be applied.
//!
//! Baseline files with a scan for each component go to `jpeg-decoder`: zune-jpeg 0.5.15 gives wrong colours for them and
//! no error (zune-image issues 422 and 448).

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::ImagingError;
use crate::format::Format;
use crate::probe::Header;
use crate::raster::{Channels, Raster};

/// Pixels, gray, RGB or ink, and the profile.
pub(super) fn decode(header: &Header, bytes: &[u8]) -> Result<(Raster, Option<Vec<u8>>), ImagingError> {
    let (channels, data, icc) =
        if header.split_scans { decode_split(header, bytes)? } else { decode_strictly(header, bytes)? };
    let raster = Raster::new(header.width, header.height, channels, data)
        .ok_or_else(|| corrupt("the decoder gave another size than the header"))?;
    Ok((raster, icc))
}

type Decoded = (Channels, Vec<u8>, Option<Vec<u8>>);

fn decode_strictly(header: &Header, bytes: &[u8]) -> Result<Decoded, ImagingError> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(header.width as usize)
        .set_max_height(header.height as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| corrupt(e.to_string()))?;
    let stored = decoder.input_colorspace().unwrap_or(ColorSpace::YCbCr);
    // Four channels come out as they are stored: the profile knows the inks better than a formula.
    let (wanted, channels) = match stored {
        ColorSpace::Luma => (ColorSpace::Luma, Channels::Gray),
        ColorSpace::CMYK | ColorSpace::YCCK => (stored, Channels::Cmyk),
        ColorSpace::YCbCr | ColorSpace::RGB => (ColorSpace::RGB, Channels::Rgb),
        _ => return Err(ImagingError::UnsupportedType("JPEG of an unknown colour space")),
    };
    let icc = decoder.icc_profile();
    let mut decoder =
        JpegDecoder::new_with_options(ZCursor::new(bytes), options.jpeg_set_out_colorspace(wanted));
    let mut data = decoder.decode().map_err(|e| corrupt(e.to_string()))?;
    match stored {
        ColorSpace::YCCK => ycck_to_cmyk(&mut data),
        // Adobe's programs store 255 for no ink, and everybody followed.
        ColorSpace::CMYK if header.adobe => invert(&mut data),
        _ => {}
    }
    Ok((channels, data, icc))
}

fn decode_split(header: &Header, bytes: &[u8]) -> Result<Decoded, ImagingError> {
    use jpeg_decoder::PixelFormat;
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let mut data = decoder.decode().map_err(|e| corrupt(e.to_string()))?;
    let info = decoder.info().ok_or_else(|| corrupt("no frame header"))?;
    if (u32::from(info.width), u32::from(info.height)) != (header.width, header.height) {
        return Err(corrupt("the decoder sees another size than the header"));
    }
    let channels = match info.pixel_format {
        PixelFormat::L8 => Channels::Gray,
        PixelFormat::RGB24 => Channels::Rgb,
        PixelFormat::CMYK32 => {
            // It takes every CMYK file for Adobe's.
            if !header.adobe {
                invert(&mut data);
            }
            Channels::Cmyk
        }
        PixelFormat::L16 => return Err(ImagingError::UnsupportedType("JPEG of more than 8 bits")),
    };
    Ok((channels, data, decoder.icc_profile()))
}

fn invert(data: &mut [u8]) {
    for ink in data {
        *ink = 255 - *ink;
    }
}

fn corrupt(reason: impl Into<String>) -> ImagingError {
    ImagingError::corrupt(Format::Jpeg, reason)
}

/// YCCK is ink as if it were light, as YCbCr (ITU-T T.871 coefficients); K beside it is inverted, as in Adobe's CMYK.
fn ycck_to_cmyk(data: &mut [u8]) {
    // 16.16 fixed point.
    let (pixels, _) = data.as_chunks_mut::<4>();
    for pixel in pixels {
        let [y, cb, cr, k] = pixel.map(i32::from);
        let (cb, cr) = (cb - 128, cr - 128);
        let channel = |offset: i32| clamp_u8(y + ((offset + 0x8000) >> 16));
        *pixel = [
            channel(91_881 * cr),
            channel(-22_554 * cb - 46_802 * cr),
            channel(116_130 * cb),
            255 - clamp_u8(k),
        ];
    }
}

fn clamp_u8(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ycck_becomes_ink() {
        let mut data = vec![0, 128, 128, 255, 255, 128, 128, 0, 76, 85, 255, 200];
        ycck_to_cmyk(&mut data);
        assert_eq!(data[..8], [0, 0, 0, 0, 255, 255, 255, 255]);
        // Y 76, Cb 85, Cr 255 is the primary red (254, 0, 0) as YCbCr: full cyan.
        assert_eq!(data[8..], [254, 0, 0, 55]);
    }
}
