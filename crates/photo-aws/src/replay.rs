//! For tests: a store and objects whose HTTP answers are written down, and which keep what was sent.
//!
//! The SDK is the real one, so requests, retries, signatures and errors are; only its connection is replaced.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_smithy_http_client::test_util::infallible_client_fn;
use serde_json::Value;

use crate::{Objects, PhotoStore, telemetry};

/// One answer: status and body.
pub type Answer = (u16, String);

/// One request: method, URI, the operation that `X-Amz-Target` names, and the body.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The whole URI.
    pub uri: String,
    /// DynamoDB's operation; empty for S3.
    pub target: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What was sent, in order.
#[derive(Clone, Default)]
pub struct Sent(Arc<Mutex<Vec<Request>>>);

impl Sent {
    /// The requests so far.
    #[must_use]
    pub fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An HTTP client that gives `answers` in order and, after the last, `500`; a GET gets `object`, if there is one.
fn http(
    answers: Vec<Answer>,
    object: Option<Vec<u8>>,
) -> (impl Fn(http::Request<SdkBody>) -> http::Response<Vec<u8>> + Send + Sync, Sent) {
    let sent = Sent::default();
    let answers = Mutex::new(VecDeque::from(answers));
    let log = sent.clone();
    let client = move |request: http::Request<SdkBody>| {
        let header = |name: &str| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        log.0.lock().unwrap_or_else(PoisonError::into_inner).push(Request {
            method: request.method().to_string(),
            uri: request.uri().to_string(),
            target: header("x-amz-target"),
            body: request.body().bytes().unwrap_or_default().to_vec(),
        });
        let (status, body) = match &object {
            Some(object) if request.method() == http::Method::GET => (200, object.clone()),
            _ => {
                let next = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                next.map_or((500, Vec::new()), |(status, body)| (status, body.into_bytes()))
            }
        };
        let mut response = http::Response::new(body);
        *response.status_mut() =
            http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert("etag", http::HeaderValue::from_static("\"0123\""));
        response
    };
    (client, sent)
}

type SdkBody = aws_sdk_s3::primitives::SdkBody;

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

/// A store whose requests get `answers`.
#[must_use]
pub fn store(answers: Vec<Answer>) -> (PhotoStore, Sent) {
    let (client, sent) = http(answers, None);
    let config = aws_sdk_dynamodb::Config::builder()
        .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .http_client(infallible_client_fn(client))
        .build();
    (PhotoStore::new(aws_sdk_dynamodb::Client::from_conf(config), "photos".to_owned()), sent)
}

/// Objects whose requests get `answers`.
#[must_use]
pub fn objects(answers: Vec<Answer>) -> (Objects, Sent) {
    objects_with(answers, None)
}

/// Objects whose GET requests get `original`, and whose other requests get `answers`.
#[must_use]
pub fn objects_holding(original: Vec<u8>, answers: Vec<Answer>) -> (Objects, Sent) {
    objects_with(answers, Some(original))
}

/// A signer of uploads to the bucket of [`objects`]. It has nobody to ask: a call would fail.
#[must_use]
pub fn upload_signer() -> (crate::UploadSigner, Sent) {
    let (client, sent) = http(Vec::new(), None);
    let region = aws_sdk_s3::config::Region::new("eu-central-1");
    let config = aws_sdk_s3::Config::builder()
        .region(region.clone())
        .credentials_provider(credentials())
        .http_client(infallible_client_fn(client))
        .build();
    let provider = aws_credential_types::provider::SharedCredentialsProvider::new(credentials());
    let client = aws_sdk_s3::Client::from_conf(config);
    (crate::UploadSigner::new(client, Some(provider), Some(region), "originals".to_owned()), sent)
}

/// An event bus whose requests get `answers`.
#[cfg(feature = "events")]
#[must_use]
pub fn event_bus(answers: Vec<Answer>) -> (crate::EventBus, Sent) {
    let (client, sent) = http(answers, None);
    let config = aws_sdk_eventbridge::Config::builder()
        .region(aws_sdk_eventbridge::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_eventbridge::config::retry::RetryConfig::disabled())
        .http_client(infallible_client_fn(client))
        .build();
    (crate::EventBus::new(aws_sdk_eventbridge::Client::from_conf(config), "photodrop".to_owned()), sent)
}

/// EventBridge's answer to an event that it takes.
#[cfg(feature = "events")]
#[must_use]
pub fn event_taken() -> Answer {
    (200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#.to_owned())
}

/// A queue whose requests get `answers`.
#[cfg(feature = "reconcile")]
#[must_use]
pub fn queue(answers: Vec<Answer>) -> (crate::Queue, Sent) {
    let (client, sent) = http(answers, None);
    let config = aws_sdk_sqs::Config::builder()
        .region(aws_sdk_sqs::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .http_client(infallible_client_fn(client))
        .build();
    let url = "https://sqs.eu-central-1.amazonaws.com/123456789012/queue".to_owned();
    (crate::Queue::new(aws_sdk_sqs::Client::from_conf(config), url), sent)
}

/// A thumbnail function whose invocations get `answers`.
#[cfg(feature = "reconcile")]
#[must_use]
pub fn thumbnail_function(answers: Vec<Answer>) -> (crate::ThumbnailFunction, Sent) {
    let (client, sent) = http(answers, None);
    let config = aws_sdk_lambda::Config::builder()
        .region(aws_sdk_lambda::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_lambda::config::retry::RetryConfig::disabled())
        .http_client(infallible_client_fn(client))
        .build();
    (crate::ThumbnailFunction::new(aws_sdk_lambda::Client::from_conf(config), "thumbnail".to_owned()), sent)
}

fn objects_with(answers: Vec<Answer>, original: Option<Vec<u8>>) -> (Objects, Sent) {
    let (client, sent) = http(answers, original);
    let config = aws_sdk_s3::Config::builder()
        .region(aws_sdk_s3::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .http_client(infallible_client_fn(client))
        .build();
    (
        Objects::new(aws_sdk_s3::Client::from_conf(config), "originals".to_owned(), "thumbnails".to_owned()),
        sent,
    )
}

/// What a test's own thread logs from its making on, at the level of production.
pub struct Lines {
    page: Page,
    _guard: tracing::subscriber::DefaultGuard,
}

/// A place that lines are written to.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Begins to take lines; it ends with the value.
    #[must_use]
    pub fn capture() -> Self {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = telemetry::subscriber(tracing::Level::INFO, move || writer.clone());
        Self { page, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// Every line so far. One that is no JSON is a text.
    #[must_use]
    pub fn all(&self) -> Vec<Value> {
        let bytes = self.page.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into())).collect()
    }

    /// The lines whose member has this value.
    #[must_use]
    pub fn with(&self, member: &str, value: &str) -> Vec<Value> {
        self.all().into_iter().filter(|line| line[member] == value).collect()
    }

    /// The lines that have this member.
    #[must_use]
    pub fn having(&self, member: &str) -> Vec<Value> {
        self.all().into_iter().filter(|line| line.get(member).is_some()).collect()
    }

    /// The values of a metric.
    #[must_use]
    pub fn metric(&self, name: &str) -> Vec<f64> {
        self.having(name).iter().filter_map(|line| line[name].as_f64()).collect()
    }
}
