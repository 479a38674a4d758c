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

/// What bounds a function that a queue starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionConcurrency {
    /// `MaximumConcurrency` of its event source mapping.
    pub maximum: u32,
    /// Its reserved concurrency.
    pub reserved: u32,
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

    /// Returns what bounds `function` when a queue starts it by `alias`; `None` where either bound is missing:
    /// `lambda:GetFunctionConcurrency`, `lambda:ListEventSourceMappings`.
    pub async fn function_concurrency(
        &self,
        function: &str,
        alias: &str,
    ) -> Result<Option<FunctionConcurrency>, OperatorError> {
        let client = aws_sdk_lambda::Client::new(&self.config);
        let call = client.get_function_concurrency().function_name(function);
        let output = call.send().await.map_err(|error| refused("lambda:GetFunctionConcurrency", &error))?;
        let Some(reserved) = output.reserved_concurrent_executions else { return Ok(None) };
        let call = client.list_event_source_mappings().function_name(format!("{function}:{alias}"));
        let output = call.send().await.map_err(|error| refused("lambda:ListEventSourceMappings", &error))?;
        let maximum = output
            .event_source_mappings
            .unwrap_or_default()
            .into_iter()
            .find_map(|mapping| mapping.scaling_config?.maximum_concurrency);
        Ok(maximum.map(|maximum| FunctionConcurrency { maximum: count(maximum), reserved: count(reserved) }))
    }
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
