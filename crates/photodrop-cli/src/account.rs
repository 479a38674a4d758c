//! `photodrop account`

use photo_aws::operator::{AccountConcurrency, FunctionConcurrency, OperatorError};
use serde_json::json;

use crate::args::Account;
use crate::error::CliError;
use crate::operator::{self, OperatedStack};
use crate::output::{Output, Text};

/// AWS's default. New accounts have less: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const DEFAULT_LIMIT: u32 = 1_000;
/// What must stay unreserved: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>
const LEAST_UNRESERVED: u32 = 100;
/// Lambda, concurrent executions.
const QUOTA_CODE: &str = "L-B99A9384";
/// The template's `AutoPublishAlias`.
const ALIAS: &str = "live";

/// Says what the account has and what to ask for. It refuses nothing: a stack works with ten concurrent executions.
pub(crate) async fn run(account: &Account, output: &Output) -> Result<(), CliError> {
    let stack = OperatedStack::find(account.stack.as_deref()).await?;
    let found = stack.operator.account_concurrency().await.map_err(operator::failed)?;
    let advice = if stack.local.is_some() { None } else { advice(found) };
    let throttling = throttling_of(&stack).await?;
    let summary = summary(found);
    let result = json!({ "concurrent_executions": found.limit, "unreserved": found.unreserved,
        "reservable": reservable(found), "requests_per_second": found.requests_per_second(),
        "quota_code": QUOTA_CODE, "summary": summary, "advice": advice, "throttling": throttling });
    let lines: Vec<String> = [Some(summary), advice, throttling].into_iter().flatten().collect();
    output.result(&result, &Text::lines(&lines));
    Ok(())
}

/// Whether the stack's thumbnail function is throttled by its own reserve. A stack that is not deployed yet has none.
async fn throttling_of(stack: &OperatedStack) -> Result<Option<String>, CliError> {
    let function = format!("{}-thumbnail", stack.name);
    match stack.operator.function_concurrency(&function, ALIAS).await {
        Ok(found) => Ok(found.and_then(throttling)),
        Err(OperatorError::Refused { code, .. }) if code == "ResourceNotFoundException" => Ok(None),
        Err(refused @ OperatorError::Refused { .. }) => {
            Output::say(&format!("the concurrency of {function} is not known: {refused}"));
            Ok(None)
        }
        Err(error) => Err(operator::failed(error)),
    }
}

/// What a reserve below the mapping's maximum does.
fn throttling(found: FunctionConcurrency) -> Option<String> {
    let FunctionConcurrency { maximum, reserved } = found;
    (reserved < maximum).then(|| {
        format!(
            "ThumbnailReservedConcurrency ({reserved}) is below ThumbnailConcurrency ({maximum}): Lambda throttles photos \
             while more than {reserved} wait, and each throttle counts as a receive"
        )
    })
}

/// How many executions functions may still reserve.
fn reservable(found: AccountConcurrency) -> u32 {
    found.unreserved.saturating_sub(LEAST_UNRESERVED)
}

fn summary(found: AccountConcurrency) -> String {
    let AccountConcurrency { limit, unreserved } = found;
    format!(
        "{limit} concurrent executions, {unreserved} of them unreserved ({} can be reserved), {} requests a second",
        reservable(found),
        found.requests_per_second()
    )
}

/// What to ask AWS for, where the account has less than AWS's default.
fn advice(found: AccountConcurrency) -> Option<String> {
    (found.limit < DEFAULT_LIMIT).then(|| {
        format!(
            "ask for more: aws service-quotas request-service-quota-increase --service-code lambda --quota-code \
             {QUOTA_CODE} --desired-value {DEFAULT_LIMIT}; set ThumbnailReservedConcurrency when it is granted"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_account_is_told_what_to_ask_for() {
        let found = AccountConcurrency { limit: 10, unreserved: 10 };
        assert_eq!(
            summary(found),
            "10 concurrent executions, 10 of them unreserved (0 can be reserved), 100 requests a second"
        );
        let advice = advice(found).unwrap();
        assert!(advice.contains("--quota-code L-B99A9384 --desired-value 1000"), "{advice}");
    }

    #[test]
    fn a_reserve_below_the_maximum_is_told() {
        let told = |reserved| throttling(FunctionConcurrency { maximum: 5, reserved });
        assert!(
            told(4)
                .unwrap()
                .starts_with("ThumbnailReservedConcurrency (4) is below ThumbnailConcurrency (5)")
        );
        assert_eq!((told(5), told(100)), (None, None));
    }

    #[test]
    fn an_account_with_the_default_is_not_advised() {
        let found = AccountConcurrency { limit: 1_000, unreserved: 850 };
        assert_eq!(advice(found), None);
        assert_eq!(reservable(found), 750);
    }
}
