//! Every test picture through the public interface.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod color;
mod damage;
mod formats;
mod hostile;
mod outputs;
mod support;
