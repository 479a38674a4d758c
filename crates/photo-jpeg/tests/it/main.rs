//! The decoder from outside: against other decoders, against arithmetic, and against damage.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "arithmetic on small numbers"
)]

mod damage;
mod differential;
mod floods;
mod kinds;
mod scaled;
mod support;
mod tolerance;
