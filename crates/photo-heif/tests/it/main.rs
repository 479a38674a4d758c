//! HEIC files of libheif, of a writer of our own, and hostile ones.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod containers;
mod damage;
mod differential;
mod hevc_tiles;
mod hostile;
mod parameter_sets;
mod support;
