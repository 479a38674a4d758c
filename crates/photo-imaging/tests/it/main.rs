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
mod gif;
mod hdr;
mod heic;
mod hidden;
mod hostile;
mod jpeg_damage;
mod memory;
mod outputs;
mod png;
mod profiles;
mod reencode;
mod sanitize;
mod sizes;
mod support;
mod vp8l;
mod webp_damage;
mod webp_edges;
mod webp_lossless;
