//! What a photo may cost. Checked from the header, before any decode.

use std::time::Instant;

use crate::error::ImagingError;

/// Limits on one photo. Every field is checked before the first pixel is decoded, except the deadline, which is
/// checked before each step, and while a decoder reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest input in bytes.
    pub max_bytes: usize,
    /// Most pixels, width × height. 120 million are a phone's 108 megapixels and every camera's.
    pub max_pixels: u64,
    /// Longest side in px.
    pub max_side: u32,
    /// Most frames of an animation that is kept. A longer one becomes its first frame.
    pub max_frames: u32,
    /// Most pixels in all frames of an animation that is kept, frames × width × height. A larger one becomes its first frame.
    pub max_frame_pixels: u64,
    /// Most pixels to be encoded of an animation that is kept, frames × pixels, summed over its variants. A larger one
    /// becomes its first frame.
    pub max_animation_pixels: u64,
    /// Most memory in bytes that a render may take, by [`crate::Probed::render_bytes`].
    pub max_decoder_bytes: u64,
    /// No step is begun after this.
    pub deadline: Option<Instant>,
}

/// 1 MiB in bytes.
const MIB: u64 = 1 << 20;

/// Memory in MiB that is no decoder's: the runtime, its libraries, the SDK's buffers and the original itself.
const RESERVED_MIB: u64 = 128;

impl Default for Limits {
    /// 32 MiB, 120 MP, 65535 px a side; of an animation that is kept 1000 frames, 2000 MP in all frames and 200 MP encoded; the
    /// decoder memory of a function of 1769 MiB (where Lambda gives one whole vCPU), no deadline.
    fn default() -> Self {
        Self {
            max_bytes: 32 << 20,
            max_pixels: 120_000_000,
            max_side: 65_535,
            max_frames: 1000,
            max_frame_pixels: 2_000_000_000,
            max_animation_pixels: 200_000_000,
            max_decoder_bytes: decoder_bytes(1769),
            deadline: None,
        }
    }
}

impl Limits {
    /// The default limits with the decoder memory of a Lambda function of `memory_mib` MiB
    /// (`AWS_LAMBDA_FUNCTION_MEMORY_SIZE`):
    ///
    /// `max_decoder_bytes = (memory − 128 MiB) × 3/4`
    ///
    /// 128 MiB is for the runtime, the SDK and the original. The remaining quarter is for what the estimate does not
    /// count: the first 32 MiB of resizing and encoding, a copy of the original (put right, or without metadata), and what the
    /// allocator keeps. 512 MiB give 288 MiB. A JPEG takes of it what its largest variant needs: 50 MP to 1280 px some
    /// 20 MB, progressive ones 60 MB.
    #[must_use]
    pub fn for_lambda_memory(memory_mib: u64) -> Self {
        Self { max_decoder_bytes: decoder_bytes(memory_mib), ..Self::default() }
    }

    /// The same limits with a deadline.
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    pub(crate) fn check_bytes(&self, bytes: usize) -> Result<(), ImagingError> {
        if bytes > self.max_bytes {
            return Err(ImagingError::TooLarge { bytes, limit: self.max_bytes });
        }
        Ok(())
    }

    pub(crate) fn check_size(&self, width: u32, height: u32) -> Result<(), ImagingError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(ImagingError::TooManyPixels { width, height, limit: self.max_pixels });
        }
        if width.max(height) > self.max_side {
            return Err(ImagingError::SideTooLong { width, height, limit: self.max_side });
        }
        Ok(())
    }

    /// Whether an animation of so many frames of this size may be kept.
    pub(crate) fn keeps_frames(&self, frames: u32, width: u32, height: u32) -> bool {
        let pixels = (u64::from(width) * u64::from(height)).saturating_mul(frames.into());
        frames <= self.max_frames && pixels <= self.max_frame_pixels
    }

    pub(crate) fn check_memory(&self, bytes: u64) -> Result<(), ImagingError> {
        if bytes > self.max_decoder_bytes {
            return Err(ImagingError::TooMuchMemory { bytes, limit: self.max_decoder_bytes });
        }
        Ok(())
    }

    pub(crate) fn check_deadline(&self, step: &'static str) -> Result<(), ImagingError> {
        if self.deadline_has_passed() { Err(ImagingError::DeadlinePassed { step }) } else { Ok(()) }
    }

    pub(crate) fn deadline_has_passed(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

const fn decoder_bytes(memory_mib: u64) -> u64 {
    memory_mib.saturating_sub(RESERVED_MIB).saturating_mul(MIB) / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoder_memory_is_three_quarters_of_what_the_runtime_leaves() {
        assert_eq!(Limits::for_lambda_memory(512).max_decoder_bytes, 288 * MIB);
        assert_eq!(Limits::for_lambda_memory(128).max_decoder_bytes, 0);
        assert_eq!(Limits::for_lambda_memory(0).max_decoder_bytes, 0);
    }

    #[test]
    fn a_limit_itself_is_allowed() {
        let limits = Limits {
            max_pixels: 100,
            max_side: 50,
            max_frames: 2,
            max_frame_pixels: 200,
            ..Limits::default()
        };
        assert!(limits.check_size(50, 2).is_ok());
        assert_eq!(limits.check_size(51, 1).map_err(|e| e.code()), Err("TOO_MANY_PIXELS"));
        assert_eq!(limits.check_size(11, 10).map_err(|e| e.code()), Err("TOO_MANY_PIXELS"));
        assert!(limits.keeps_frames(2, 50, 2));
        assert!(!limits.keeps_frames(3, 1, 1) && !limits.keeps_frames(2, 101, 1));
        assert!(!limits.keeps_frames(2, u32::MAX, u32::MAX));
        assert_eq!(limits.check_size(u32::MAX, u32::MAX).map_err(|e| e.code()), Err("TOO_MANY_PIXELS"));
    }
}
