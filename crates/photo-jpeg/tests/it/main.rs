//! The decoder from outside: against other decoders, against arithmetic, and against damage.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod differential;
mod support;
