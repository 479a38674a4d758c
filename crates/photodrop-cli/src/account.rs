//! `photodrop account`

use photo_aws::operator::AccountConcurrency;
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

/// Says what the account has and what to ask for. It refuses nothing: a stack works with ten concurrent executions.
pub(crate) async fn run(account: &Account, output: &Output) -> Result<(), CliError> {
    let stack = OperatedStack::find(account.stack.as_deref()).await?;
    let found = stack.operator.account_concurrency().await.map_err(operator::failed)?;
    let advice = if stack.local.is_some() { None } else { advice(found) };
    let result = json!({ "concurrent_executions": found.limit, "unreserved": found.unreserved,
        "reservable": reservable(found), "requests_per_second": found.requests_per_second(),
        "quota_code": QUOTA_CODE, "advice": advice });
    output.result(&result, &Text::lines(&[vec![summary(found)], advice.into_iter().collect()].concat()));
    Ok(())
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
    fn an_account_with_the_default_is_not_advised() {
        let found = AccountConcurrency { limit: 1_000, unreserved: 850 };
        assert_eq!(advice(found), None);
        assert_eq!(reservable(found), 750);
    }
}
