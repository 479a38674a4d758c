//! Every call to AWS of an invocation: each one as a line at `debug`, their sum in the invocation's document of metrics.
//!
//! It answers which call took the time, which X-Ray cannot: the SDK for Rust sends it no subsegments
//! (`docs/adr/053-calls-in-the-log.md`).
//!
//! A function serves one invocation at a time, on one thread: its runtime is `current_thread`. The sum is that
//! thread's, so that tests beside each other do not count each other's calls.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::metrics::Document;

thread_local! {
    static SUMS: RefCell<BTreeMap<String, Sum>> = const { RefCell::new(BTreeMap::new()) };
}

/// The calls of one operation.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    calls: u64,
    retries: u64,
    time: Duration,
}

/// Watches a client's calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLog;

#[dyn_dispatch_hint]
impl Intercept for CallLog {
    fn name(&self) -> &'static str {
        "CallLog"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = bag.load::<Call>() {
            call.attempts.fetch_add(1, Ordering::Relaxed);
        } else {
            let operation = bag.load::<Metadata>().map_or_else(String::new, |metadata| {
                // As IAM and `AwsError` write it.
                format!("{}:{}", metadata.service().to_ascii_lowercase(), metadata.name())
            });
            bag.interceptor_state().store_put(Call::begin(operation));
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(call) = bag.load::<Call>() else { return Ok(()) };
        let status = context.response().map_or(0, |response| response.status().as_u16());
        call.status.store(status, Ordering::Relaxed);
        let outcome = match context.output_or_error() {
            None => Outcome::Presigned,
            Some(Ok(_)) => Outcome::Answered,
            Some(Err(error)) if error.is_timeout_error() => Outcome::TimedOut,
            Some(Err(error)) if error.is_operation_error() => Outcome::Refused,
            Some(Err(_)) => Outcome::Failed,
        };
        let _ = call.outcome.set(outcome);
        Ok(())
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing was sent.
    Presigned,
    /// By an answer.
    Answered,
    /// By an error that the service answered.
    Refused,
    /// By the client's timeout.
    TimedOut,
    /// By the connection, or by an answer that cannot be read.
    Failed,
    /// The function stopped waiting.
    Cancelled,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Presigned => "presigned",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::TimedOut => "timed out",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A call in progress. It is counted when it is dropped: a call that the function stops waiting for reaches no other hook.
#[derive(Debug)]
struct Call {
    operation: String,
    began: Instant,
    attempts: AtomicU32,
    status: AtomicU16,
    outcome: OnceLock<Outcome>,
}

impl Storable for Call {
    type Storer = StoreReplace<Self>;
}

impl Call {
    fn begin(operation: String) -> Self {
        Self {
            operation,
            began: Instant::now(),
            attempts: AtomicU32::new(1),
            status: AtomicU16::new(0),
            outcome: OnceLock::new(),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let outcome = self.outcome.get().copied().unwrap_or(Outcome::Cancelled);
        if outcome == Outcome::Presigned {
            return;
        }
        let (time, retries) = (self.began.elapsed(), self.attempts.load(Ordering::Relaxed).saturating_sub(1));
        tracing::debug!(
            operation = self.operation,
            outcome = outcome.as_str(),
            status = self.status.load(Ordering::Relaxed),
            retries,
            duration_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            "AWS called"
        );
        let operation = std::mem::take(&mut self.operation);
        // A thread that ends has no sum any more.
        let _ = SUMS.try_with(|sums| {
            let mut sums = sums.borrow_mut();
            let sum = sums.entry(operation).or_default();
            sum.calls += 1;
            sum.retries += u64::from(retries);
            sum.time += time;
        });
    }
}

/// Begins to count: an invocation begins.
pub(crate) fn begin() {
    SUMS.with(|sums| sums.borrow_mut().clear());
}

/// Adds to a document how many calls there were, how often the SDK tried one again, and how long they took. Calls beside
/// each other count each its own time.
pub(crate) fn report(document: Document) -> Document {
    SUMS.with(|sums| {
        let sums = sums.borrow();
        let calls: u64 = sums.values().map(|sum| sum.calls).sum();
        let retries: u64 = sums.values().map(|sum| sum.retries).sum();
        let time: Duration = sums.values().map(|sum| sum.time).sum();
        let document = document
            .property("aws_calls", calls)
            .property("aws_retries", retries)
            .property("aws_ms", milliseconds(time));
        match sums.iter().max_by_key(|(_, sum)| sum.time) {
            None => document,
            Some((operation, sum)) => document
                .property("aws_slowest", operation.as_str())
                .property("aws_slowest_ms", milliseconds(sum.time)),
        }
    })
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
