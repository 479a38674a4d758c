//! Every test picture through the public interface.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod animation;
#[cfg(feature = "avif")]
mod avif;
mod browsers;
mod color;
mod cost;
mod damage;
mod floods;
mod formats;
mod hidden;
mod hostile;
mod memory;
mod outputs;
mod profiles;
mod sanitize;
mod support;
mod vp8l;
