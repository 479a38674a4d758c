//! Any bytes as a lossless picture and as alpha: an error, or a picture of the size that is said, within the memory that was known before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_webp::{
    DecodeError, DecodeLimits, alpha_memory_bytes, decode_alpha, decode_lossless, lossless_memory_bytes,
};

const MOST: u64 = 8 << 20;
/// Of the alpha: larger ones are only slower.
const SIZE: (u32, u32) = (61, 47);

fn within<T>(max_memory_bytes: u64, run: impl FnOnce(&mut DecodeLimits<'_>) -> T) -> T {
    run(&mut DecodeLimits { max_memory_bytes, should_stop: &mut || false })
}

fuzz_target!(|bytes: &[u8]| {
    match within(MOST, |limits| lossless_memory_bytes(bytes, limits)) {
        Ok(known) => match within(known, |limits| decode_lossless(bytes, limits)) {
            Ok(picture) => {
                let channels = if picture.has_alpha { 4 } else { 3 };
                assert_eq!(
                    picture.samples.len(),
                    picture.width as usize * picture.height as usize * channels
                );
            }
            Err(error) => assert!(matches!(error, DecodeError::Corrupt(_)), "{error:?}"),
        },
        Err(error) => assert_eq!(within(MOST, |limits| decode_lossless(bytes, limits)), Err(error)),
    }
    match within(MOST, |limits| alpha_memory_bytes(bytes, SIZE, limits)) {
        Ok(known) => match within(known, |limits| decode_alpha(bytes, SIZE, limits)) {
            Ok(alpha) => assert_eq!(alpha.samples.len(), (SIZE.0 * SIZE.1) as usize),
            Err(error) => assert!(matches!(error, DecodeError::Corrupt(_)), "{error:?}"),
        },
        Err(error) => assert_eq!(within(MOST, |limits| decode_alpha(bytes, SIZE, limits)), Err(error)),
    }
});
