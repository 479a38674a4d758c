//! Calls that an operator makes from a terminal, never a function.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde_json::Value;

use crate::error_chain;

/// A function runs for 15 minutes at most; its answer is waited for a little longer.
const CALL_TIMEOUT: Duration = Duration::from_mins(16);

/// Who may invoke a stack's functions.
#[derive(Clone, Debug)]
pub struct Operator {
    lambda: Client,
}

/// Why a function's answer was not had.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No region is set.
    #[error("no region: set AWS_REGION, or AWS_PROFILE to a profile that has one")]
    NoRegion,
    /// Nobody said who the caller is, or AWS does not take it.
    #[error("AWS does not know the caller: {0}")]
    Credentials(String),
    /// AWS cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// AWS refused the call.
    #[error("lambda:InvokeFunction: {0}")]
    Refused(String),
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
        Ok(Self { lambda: Client::new(&config) })
    }

    /// The owner of a local stack, by the credentials of its emulator's root user; no setting of the user's is looked at.
    pub async fn local(endpoint: &str, region: &str, access_key_id: &str, secret_access_key: &str) -> Self {
        let config = settings(aws_config::from_env())
            .endpoint_url(endpoint)
            .region(aws_config::Region::new(region.to_owned()))
            .credentials_provider(Credentials::new(access_key_id, secret_access_key, None, None, "local"))
            .load()
            .await;
        Self { lambda: Client::new(&config) }
    }

    /// Invokes a function and waits for its answer.
    pub async fn invoke(&self, function: &str, request: &Value) -> Result<Value, OperatorError> {
        let call = self.lambda.invoke().function_name(function).payload(Blob::new(request.to_string()));
        let output = call.send().await.map_err(|error| refused(&error))?;
        let answer = output.payload.map(Blob::into_inner).unwrap_or_default();
        if output.function_error.is_some() {
            return Err(OperatorError::Function(error_message(&answer)));
        }
        serde_json::from_slice(&answer).map_err(|error| OperatorError::Function(error.to_string()))
    }
}

/// What a function says of its failure: `errorMessage`, or whatever there is.
fn error_message(answer: &[u8]) -> String {
    let document: Option<Value> = serde_json::from_slice(answer).ok();
    let message = document.as_ref().and_then(|document| document.get("errorMessage")?.as_str());
    message.map_or_else(|| String::from_utf8_lossy(answer).into_owned(), str::to_owned)
}

fn settings(loader: aws_config::ConfigLoader) -> aws_config::ConfigLoader {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(CALL_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    loader
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
}

fn refused<E, R>(error: &SdkError<E, R>) -> OperatorError
where
    E: std::error::Error + aws_sdk_lambda::error::ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    let chain = error_chain(error);
    match error {
        SdkError::ServiceError(inner) => {
            let code = inner.err().code().unwrap_or_default();
            let unknown =
                ["UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"];
            if unknown.contains(&code) {
                OperatorError::Credentials(chain)
            } else {
                OperatorError::Refused(chain)
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
    fn a_functions_failure_is_told_by_its_message() {
        let answer = br#"{"errorType":"BackfillError","errorMessage":"limit is 0"}"#;
        assert_eq!(error_message(answer), "limit is 0");
        assert_eq!(error_message(b"Task timed out"), "Task timed out");
    }
}
