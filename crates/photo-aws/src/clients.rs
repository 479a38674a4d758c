//! SDK clients.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, HttpClient, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::SdkConfig;
use aws_types::origin::Origin;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::calls::CallLog;
use crate::config::process_environment;

/// What looks a variable up: the process's environment, but in tests.
pub(crate) type Lookup = fn(&str) -> Option<String>;

/// How long a call may take, its retries included.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// One attempt.
    pub attempt: Duration,
    /// All attempts of a call together.
    pub operation: Duration,
}

impl Timeouts {
    /// For the request path: a client waits, and API Gateway gives up at 30 s.
    pub const REQUEST: Self =
        Self { attempt: Duration::from_millis(1_500), operation: Duration::from_secs(4) };
    /// For the pipeline: nobody waits, and an original may be large.
    pub const PIPELINE: Self = Self { attempt: Duration::from_secs(15), operation: Duration::from_secs(40) };
}

/// The clients of both services, and what others are made of.
#[derive(Clone, Debug)]
pub struct Clients {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// What all clients share: region, credentials, endpoint, timeouts and connections.
    pub shared: SdkConfig,
}

impl Clients {
    /// Reads region, credentials and endpoints from where Lambda puts them: the environment (`AWS_REGION`,
    /// `AWS_ACCESS_KEY_ID`, …, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`, …). No network call is made here.
    #[must_use]
    pub fn load(timeouts: Timeouts) -> Self {
        Self::from_environment(timeouts, process_environment)
    }

    /// The SDK's own loader would bring along every other source of credentials, each with its client (STS, the
    /// metadata services) and its reader of profiles: half a megabyte that no function here ever runs.
    fn from_environment(timeouts: Timeouts, lookup: Lookup) -> Self {
        // ring needs no CMake and cross-compiles with zig alone; the SDK's default provider does not.
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        Self::through(http, timeouts, lookup)
    }

    /// Clients whose requests go through `http`.
    pub(crate) fn through(http: impl HttpClient + 'static, timeouts: Timeouts, lookup: Lookup) -> Self {
        let text =
            |name: &str| lookup(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let flag = |name: &str| text(name).map(|text| text.eq_ignore_ascii_case("true"));
        let endpoint = text("AWS_ENDPOINT_URL");
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(text("AWS_REGION").map(Region::new))
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(1))
                    .operation_attempt_timeout(timeouts.attempt)
                    .operation_timeout(timeouts.operation)
                    .build(),
            )
            .service_config(ServiceVariables(lookup));
        // Otherwise the SDK takes them for a service's default, and would set its own.
        builder.insert_origin("retry_config", Origin::shared_config());
        builder.set_use_fips(flag("AWS_USE_FIPS_ENDPOINT"));
        builder.set_use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
        builder.set_credentials_provider(credentials(&text).map(SharedCredentialsProvider::new));
        builder.set_endpoint_url(endpoint.clone());
        let config = builder.build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&config).interceptor(CallLog);
        // A bucket's name is part of the host name on AWS. A local endpoint has no such names.
        let s3 = aws_sdk_s3::config::Builder::from(&config).interceptor(CallLog);
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            s3: aws_sdk_s3::Client::from_conf(s3.force_path_style(endpoint.is_some()).build()),
            shared: config,
        }
    }

    /// A signer of uploads to `bucket`.
    #[must_use]
    pub fn upload_signer(&self, bucket: String) -> crate::UploadSigner {
        let (credentials, region) = (self.shared.credentials_provider(), self.shared.region().cloned());
        crate::UploadSigner::new(self.s3.clone(), credentials, region, bucket)
    }

    /// The event bus called `name`.
    #[cfg(feature = "events")]
    #[must_use]
    pub fn event_bus(&self, name: String) -> crate::EventBus {
        let config = aws_sdk_eventbridge::config::Builder::from(&self.shared).interceptor(CallLog);
        crate::EventBus::new(aws_sdk_eventbridge::Client::from_conf(config.build()), name)
    }

    /// The queues at these URLs.
    #[cfg(feature = "queues")]
    #[must_use]
    pub fn queues<const N: usize>(&self, urls: [String; N]) -> [crate::Queue; N] {
        let config = aws_sdk_sqs::config::Builder::from(&self.shared).interceptor(CallLog);
        let client = aws_sdk_sqs::Client::from_conf(config.build());
        urls.map(|url| crate::Queue::new(client.clone(), url))
    }
}

/// The function's own credentials, which Lambda changes by a new process alone.
fn credentials(text: &impl Fn(&str) -> Option<String>) -> Option<Credentials> {
    let mut builder = Credentials::builder()
        .access_key_id(text("AWS_ACCESS_KEY_ID")?)
        .secret_access_key(text("AWS_SECRET_ACCESS_KEY")?)
        .provider_name("Environment");
    builder.set_session_token(text("AWS_SESSION_TOKEN"));
    Some(builder.build())
}

/// A setting for one service alone: `AWS_ENDPOINT_URL_S3` beside `AWS_ENDPOINT_URL`.
#[derive(Clone, Copy, Debug)]
struct ServiceVariables(Lookup);

impl LoadServiceConfig for ServiceVariables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_ascii_uppercase().replace(' ', "_");
        let found = self.0(&format!("{}_{service}", key.env())).or_else(|| self.0(key.env()));
        found.filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use aws_credential_types::provider::ProvideCredentials as _;
    use aws_sdk_s3::presigning::PresigningConfig;

    use super::*;

    fn on_lambda(name: &str) -> Option<String> {
        let value = match name {
            "AWS_REGION" => "eu-central-1",
            "AWS_ACCESS_KEY_ID" => "ASIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY" => "secret",
            "AWS_SESSION_TOKEN" => "session",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn locally(name: &str) -> Option<String> {
        match name {
            "AWS_ENDPOINT_URL" => Some("http://localhost:4566".to_owned()),
            "AWS_ENDPOINT_URL_S3" => Some("http://localhost:9".to_owned()),
            _ => on_lambda(name),
        }
    }

    fn with_fips(name: &str) -> Option<String> {
        if name == "AWS_USE_FIPS_ENDPOINT" { Some("true".to_owned()) } else { on_lambda(name) }
    }

    async fn presigned(clients: &Clients) -> Result<String, Box<dyn Error>> {
        let expiry = PresigningConfig::expires_in(Duration::from_mins(1))?;
        Ok(clients.s3.get_object().bucket("photos").key("a").presigned(expiry).await?.uri().to_owned())
    }

    #[tokio::test]
    async fn region_and_credentials_come_from_the_environment() -> Result<(), Box<dyn Error>> {
        let clients = Clients::from_environment(Timeouts::REQUEST, on_lambda);
        let provider = clients.shared.credentials_provider().ok_or("no provider of credentials")?;
        let credentials = provider.provide_credentials().await?;
        assert_eq!(credentials.access_key_id(), "ASIAEXAMPLE");
        assert_eq!(credentials.session_token(), Some("session"));
        let url = presigned(&clients).await?;
        assert!(url.starts_with("https://photos.s3.eu-central-1.amazonaws.com/a?"), "{url}");
        assert!(url.contains("X-Amz-Security-Token=session"), "{url}");
        Ok(())
    }

    #[tokio::test]
    async fn a_service_can_have_an_endpoint_of_its_own() -> Result<(), Box<dyn Error>> {
        let clients = Clients::from_environment(Timeouts::REQUEST, locally);
        assert_eq!(clients.shared.endpoint_url(), Some("http://localhost:4566"));
        let url = presigned(&clients).await?;
        assert!(url.starts_with("http://localhost:9/photos/a?"), "{url}");
        Ok(())
    }

    #[tokio::test]
    async fn fips_endpoints_are_used_where_they_are_asked_for() -> Result<(), Box<dyn Error>> {
        let url = presigned(&Clients::from_environment(Timeouts::REQUEST, with_fips)).await?;
        assert!(url.starts_with("https://photos.s3-fips.eu-central-1.amazonaws.com/a?"), "{url}");
        Ok(())
    }

    #[test]
    fn without_credentials_nothing_is_looked_for_elsewhere() {
        let clients = Clients::from_environment(Timeouts::REQUEST, |_| None);
        assert!(clients.shared.credentials_provider().is_none());
    }

    #[test]
    fn the_number_of_attempts_is_ours_for_dynamodb_too() {
        let clients = Clients::from_environment(Timeouts::REQUEST, on_lambda);
        assert_eq!(clients.dynamodb.config().retry_config().map(RetryConfig::max_attempts), Some(3));
    }
}
