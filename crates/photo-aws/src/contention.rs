//! Writes that DynamoDB refuses for a moment.
//!
//! A transaction that is in progress refuses every other write of its items: another transaction is cancelled with the
//! reason `TransactionConflict`, and a `PutItem`, `UpdateItem` or `DeleteItem` fails with `TransactionConflictException`
//! ([Amazon DynamoDB Developer Guide, "Transaction conflict handling in DynamoDB"][guide]). A transaction that finds too
//! little capacity is cancelled with `ThrottlingError` or `ProvisionedThroughputExceeded`
//! ([Amazon DynamoDB API Reference, `TransactWriteItems`][reference]). The SDK tries none of these again.
//!
//! [guide]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
//! [reference]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::CancellationReason;
use tokio::time::Instant;

use crate::Timeouts;

/// The first wait is shorter than this; each wait may be twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// The longest wait for another transaction, which takes some 10 to 20 ms.
const LONGEST_CONFLICT_WAIT: Duration = Duration::from_millis(160);

/// The longest wait for capacity.
const LONGEST_THROTTLE_WAIT: Duration = Duration::from_millis(1_280);

/// Why a write may succeed a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Another transaction has the item.
    Conflict,
    /// The table or the partition has no capacity left.
    Throttled,
}

impl Busy {
    /// Reads the code of a cancellation reason, or of an error that the SDK does not retry.
    pub(crate) fn of(code: &str) -> Option<Self> {
        match code {
            "TransactionConflict" | "TransactionConflictException" => Some(Self::Conflict),
            "ThrottlingError" | "ProvisionedThroughputExceeded" => Some(Self::Throttled),
            _ => None,
        }
    }

    /// Reads all reasons of a cancelled transaction; a lack of capacity takes longer.
    pub(crate) fn of_all(reasons: &[CancellationReason]) -> Option<Self> {
        let all = || reasons.iter().filter_map(|reason| Self::of(reason.code()?));
        all().find(|busy| *busy == Self::Throttled).or_else(|| all().next())
    }

    const fn longest_wait(self) -> Duration {
        match self {
            Self::Conflict => LONGEST_CONFLICT_WAIT,
            Self::Throttled => LONGEST_THROTTLE_WAIT,
        }
    }
}

/// The waits between the attempts at one write.
#[derive(Debug)]
pub(crate) struct Backoff {
    ends: Instant,
    next: Duration,
}

impl Backoff {
    /// Begins the waits of one write. No attempt begins later than the time that a client's call may take, its own
    /// retries included ([`Timeouts::operation`]).
    pub(crate) fn of(client: &Client) -> Self {
        let timeouts = client.config().timeout_config();
        let patience = timeouts.and_then(aws_sdk_dynamodb::config::timeout::TimeoutConfig::operation_timeout);
        Self { ends: Instant::now() + patience.unwrap_or(Timeouts::REQUEST.operation), next: FIRST_WAIT }
    }

    /// Waits before the next attempt; false if there is no time for another.
    ///
    /// The wait is random, or the same writes would meet again.
    pub(crate) async fn wait(&mut self, busy: Busy) -> bool {
        let wait = jittered(self.next.min(busy.longest_wait()));
        if Instant::now() + wait >= self.ends {
            return false;
        }
        self.next = (self.next * 2).min(LONGEST_THROTTLE_WAIT);
        tokio::time::sleep(wait).await;
        true
    }
}

/// Sends one write; sends it again while a transaction has its item.
pub(crate) async fn write<T, E, F>(client: &Client, send: impl Fn() -> F) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut backoff = Backoff::of(client);
    loop {
        let result = send().await;
        let busy = result.as_ref().err().and_then(|error| Busy::of(error.code()?));
        match busy {
            Some(busy) if backoff.wait(busy).await => {}
            _ => return result,
        }
    }
}

/// Somewhere between nothing and a time. The standard library's hash keys are random.
fn jittered(most: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0) >> 48).unwrap_or_default();
    most * random / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_longer_than_its_time_and_rarely_the_same() {
        let most = Duration::from_millis(160);
        let waits: Vec<_> = (0..50).map(|_| jittered(most)).collect();
        assert!(waits.iter().all(|wait| *wait <= most), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }

    #[test]
    fn capacity_is_waited_for_longer_than_a_conflict() {
        let reasons = |codes: &[&str]| -> Vec<_> {
            codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
        };
        for (codes, busy) in [
            (&["None", "None"][..], None),
            (&["ConditionalCheckFailed", "None"], None),
            (&["ItemCollectionSizeLimitExceeded", "ValidationError"], None),
            (&["None", "TransactionConflict"], Some(Busy::Conflict)),
            (&["TransactionConflict", "ThrottlingError"], Some(Busy::Throttled)),
            (&["ProvisionedThroughputExceeded", "None"], Some(Busy::Throttled)),
        ] {
            assert_eq!(Busy::of_all(&reasons(codes)), busy, "{codes:?}");
        }
    }
}
