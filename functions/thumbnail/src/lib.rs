//! The thumbnail pipeline: it reads a message with an S3 event, and writes variants and a settled record.
//!
//! | module | holds |
//! | --- | --- |
//! | [`event`] | the queue's messages, S3's events, and the originals that they name |
//! | [`receive`] | one message: its events are processed, or it is delivered again later |
//! | [`process`] | the use case: read, render, write, settle |
//! | [`render`] | the imaging pipeline run beside the async runtime, its panics caught |
//! | [`error`] | the one place that decides whether a failure is permanent or transient |
//! | [`config`] | the environment |
//!
//! An event comes late, twice or out of order. Nothing here takes a lock or a lease against that:
//! a photo's variants have deterministic keys and bytes, and the record's one legal step is a
//! conditional write, so running again ends in the same state.

pub mod config;
pub mod error;
pub mod event;
pub mod process;
pub mod receive;
pub mod render;

use std::time::{Duration, Instant, SystemTime};

pub use config::Config;
pub use process::Pipeline;

/// The function's timeout, as `template.yaml` has it.
const FUNCTION_TIMEOUT: Duration = Duration::from_mins(1);

/// What is left of an invocation for writing six small objects and one record after the rendering.
const WRITE_RESERVE: Duration = Duration::from_secs(5);

/// When rendering must have ended, so that its result, or its failure, can still be recorded.
#[must_use]
pub fn deadline(context: &lambda_runtime::Context) -> Instant {
    let remaining = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now() + remaining.saturating_sub(WRITE_RESERVE)
}
