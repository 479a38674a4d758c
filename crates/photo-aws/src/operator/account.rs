//! What the account allows.

use super::{Operator, OperatorError, refused};

/// Synchronous requests a second for each concurrent execution:
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html#rps-limits>
const REQUESTS_PER_EXECUTION: u32 = 10;

/// Lambda's concurrency in the account and region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountConcurrency {
    /// Functions that may run at once, all of the account's together.
    pub limit: u32,
    /// Of these, how many no function has reserved.
    pub unreserved: u32,
}

impl AccountConcurrency {
    /// Synchronous requests a second that Lambda accepts.
    #[must_use]
    pub fn requests_per_second(self) -> u32 {
        self.limit.saturating_mul(REQUESTS_PER_EXECUTION)
    }
}

impl Operator {
    /// Asks what the account has: `lambda:GetAccountSettings`.
    pub async fn account_concurrency(&self) -> Result<AccountConcurrency, OperatorError> {
        let operation = "lambda:GetAccountSettings";
        let call = aws_sdk_lambda::Client::new(&self.config).get_account_settings();
        let output = call.send().await.map_err(|error| refused(operation, &error))?;
        let limits =
            output.account_limit.ok_or(OperatorError::Incomplete { operation, missing: "AccountLimit" })?;
        let limit = count(limits.concurrent_executions);
        Ok(AccountConcurrency {
            limit,
            unreserved: limits.unreserved_concurrent_executions.map_or(limit, count),
        })
    }
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
