//! Where a render's time goes.

use std::time::{Duration, Instant};

/// The wall time of each stage of one render. Probing is the caller's to measure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Bytes to pixels.
    pub decode: Duration,
    /// The decoded pixels to the size of the largest variant.
    pub reduce: Duration,
    /// The profile's colours to sRGB, and the stored orientation to upright.
    pub color: Duration,
    /// The largest size to every other one, the placeholder's too.
    pub resize: Duration,
    /// The `ThumbHash` and the dominant colour.
    pub placeholder: Duration,
    /// Each still variant's encoding, in the order of the options.
    pub encode: Vec<Duration>,
    /// All frames of all variants that keep the animation, from bytes to files.
    pub animation: Duration,
}

impl StageTimes {
    /// From bytes to the upright sRGB pixels that every variant is made of.
    #[must_use]
    pub fn decoding(&self) -> Duration {
        self.decode + self.reduce + self.color
    }

    /// From there to the files. Encoders that ran at the same time count each.
    #[must_use]
    pub fn encoding(&self) -> Duration {
        self.resize + self.placeholder + self.encode.iter().sum::<Duration>() + self.animation
    }
}

/// Gives the time since the last stage ended.
pub(crate) struct Laps(Instant);

impl Laps {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.0, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_add_up_to_the_time_that_passed() {
        let before = Instant::now();
        let mut laps = Laps::start();
        std::thread::sleep(Duration::from_millis(2));
        let first = laps.lap();
        let second = laps.lap();
        assert!(first >= Duration::from_millis(2));
        assert!(first + second <= before.elapsed());
    }
}
