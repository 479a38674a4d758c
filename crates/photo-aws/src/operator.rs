//! Calls that an operator makes from a terminal, never a function.

mod account;
mod redrive;
mod users;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::SdkConfig;
use serde_json::Value;

pub use self::account::{AccountConcurrency, FunctionConcurrency};
pub use self::redrive::{DeadLetterQueue, MoveStatus, MoveTask};
pub use self::users::{Invitation, UserPool};

use crate::error_chain;

/// The longest that a call may take, its retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A function runs for 15 minutes at most; its answer is waited for a little longer.
const INVOCATION_TIMEOUT: Duration = Duration::from_mins(16);

/// A caller of AWS's APIs, with the permissions of its credentials.
#[derive(Clone, Debug)]
pub struct Operator {
    config: SdkConfig,
}

/// Why an operator's call failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No region is set.
    #[error("no region: set AWS_REGION, or AWS_PROFILE to a profile that has one")]
    NoRegion,
    /// Missing or rejected credentials.
    #[error(
        "AWS does not know the caller (aws sso login or aws login signs in, AWS_PROFILE names a profile): {0}"
    )]
    Credentials(String),
    /// AWS cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// AWS refused the call.
    #[error("{operation}: {reason}")]
    Refused {
        /// The API operation, such as `lambda:InvokeFunction`.
        operation: &'static str,
        /// The service's error code, such as `UsernameExistsException`.
        code: String,
        /// The service's text.
        reason: String,
    },
    /// An answer of AWS lacks what its documentation promises.
    #[error("{operation}: {missing} is missing in the answer")]
    Incomplete {
        /// The API operation.
        operation: &'static str,
        /// What is missing.
        missing: &'static str,
    },
    /// The function failed.
    #[error("the function failed: {0}")]
    Function(String),
}

impl Operator {
    /// The caller whom the environment and the profiles name, as for every AWS tool.
    pub async fn on_aws() -> Result<Self, OperatorError> {
        let config = settings(aws_config::from_env()).load().await;
        if config.region().is_none() {
            return Err(OperatorError::NoRegion);
        }
        Ok(Self { config })
    }

    /// The owner of a local stack, by the credentials of its emulator's root user; no setting of the user's is looked at.
    pub async fn local(endpoint: &str, region: &str, access_key_id: &str, secret_access_key: &str) -> Self {
        let config = settings(aws_config::from_env())
            .endpoint_url(endpoint)
            .region(aws_config::Region::new(region.to_owned()))
            .credentials_provider(Credentials::new(access_key_id, secret_access_key, None, None, "local"))
            .load()
            .await;
        Self { config }
    }

    /// Invokes a function and waits for its answer.
    pub async fn invoke(&self, function: &str, request: &Value) -> Result<Value, OperatorError> {
        let patient = aws_sdk_lambda::config::Builder::from(&self.config)
            .timeout_config(timeouts(INVOCATION_TIMEOUT))
            .build();
        let call = aws_sdk_lambda::Client::from_conf(patient)
            .invoke()
            .function_name(function)
            .payload(Blob::new(request.to_string()));
        let output = call.send().await.map_err(|error| refused("lambda:InvokeFunction", &error))?;
        let answer = output.payload.map(Blob::into_inner).unwrap_or_default();
        if output.function_error.is_some() {
            return Err(OperatorError::Function(error_message(&answer)));
        }
        serde_json::from_slice(&answer).map_err(|error| OperatorError::Function(error.to_string()))
    }
}

/// The `errorMessage` of a function that failed; without one the whole answer.
fn error_message(answer: &[u8]) -> String {
    let document: Option<Value> = serde_json::from_slice(answer).ok();
    let message = document.as_ref().and_then(|document| document.get("errorMessage")?.as_str());
    message.map_or_else(|| String::from_utf8_lossy(answer).into_owned(), str::to_owned)
}

fn settings(loader: aws_config::ConfigLoader) -> aws_config::ConfigLoader {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    loader
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts(CALL_TIMEOUT))
}

fn timeouts(longest: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(longest)
        .operation_timeout(longest)
        .build()
}

fn refused<E, R>(operation: &'static str, error: &SdkError<E, R>) -> OperatorError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    let chain = error_chain(error);
    match error {
        SdkError::ServiceError(inner) => {
            let code = inner.err().code().unwrap_or_default();
            let unknown = [
                "UnrecognizedClientException",
                "ExpiredTokenException",
                "InvalidSignatureException",
                "InvalidClientTokenId",
                "ExpiredToken",
                "SignatureDoesNotMatch",
            ];
            if unknown.contains(&code) {
                OperatorError::Credentials(chain)
            } else {
                OperatorError::Refused { operation, code: code.to_owned(), reason: chain }
            }
        }
        SdkError::DispatchFailure(failure) if !failure.is_io() && !failure.is_timeout() => {
            OperatorError::Credentials(chain)
        }
        _ => OperatorError::Unreachable(chain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_an_invitation_hides_the_password() {
        assert_eq!(format!("{:?}", Invitation::Password("Aa1-x".to_owned())), "Password(…)");
    }

    #[test]
    fn a_functions_failure_is_told_by_its_message() {
        let answer = br#"{"errorType":"BackfillError","errorMessage":"limit is 0"}"#;
        assert_eq!(error_message(answer), "limit is 0");
        assert_eq!(error_message(b"Task timed out"), "Task timed out");
    }
}
