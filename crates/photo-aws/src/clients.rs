//! SDK clients.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

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
    pub shared: aws_config::SdkConfig,
}

impl Clients {
    /// Reads region, credentials and endpoints as every AWS SDK does (`AWS_REGION`, `AWS_ACCESS_KEY_ID`, …,
    /// `AWS_ENDPOINT_URL`). On Lambda all of it is in the environment: no network call is made here.
    pub async fn load(timeouts: Timeouts) -> Self {
        // ring needs no CMake and cross-compiles with zig alone; the SDK's default provider does not.
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = aws_config::from_env()
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(1))
                    .operation_attempt_timeout(timeouts.attempt)
                    .operation_timeout(timeouts.operation)
                    .build(),
            )
            .load()
            .await;
        // A bucket's name is part of the host name on AWS. A local endpoint has no such names.
        let path_style = config.endpoint_url().is_some();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style).build();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
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
        crate::EventBus::new(aws_sdk_eventbridge::Client::new(&self.shared), name)
    }

    /// The queues at these URLs.
    #[cfg(feature = "reconcile")]
    #[must_use]
    pub fn queues<const N: usize>(&self, urls: [String; N]) -> [crate::Queue; N] {
        let client = aws_sdk_sqs::Client::new(&self.shared);
        urls.map(|url| crate::Queue::new(client.clone(), url))
    }

    /// The thumbnail function.
    #[cfg(feature = "reconcile")]
    #[must_use]
    pub fn thumbnail_function(&self, name: String) -> crate::ThumbnailFunction {
        crate::ThumbnailFunction::new(aws_sdk_lambda::Client::new(&self.shared), name)
    }
}
