//! For tests: a store and objects whose HTTP answers are written down, and which keep what was sent.
//!
//! The SDK is the real one, so requests, retries, signatures and errors are; only its connection is replaced.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{HttpClient, RuntimeComponents};
use aws_smithy_http_client::test_util::{NeverClient, infallible_client_fn};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use serde_json::Value;

use crate::calls::CallLog;
use crate::{Clients, Objects, PhotoStore, Timeouts, telemetry};

/// One answer: status and body.
pub type Answer = (u16, String);

/// One request: method, URI, the operation that `X-Amz-Target` names, headers and body.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The whole URI.
    pub uri: String,
    /// DynamoDB's operation; empty for S3.
    pub target: String,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
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
            headers: request
                .headers()
                .iter()
                .map(|(name, _)| (name.as_str().to_owned(), header(name.as_str())))
                .collect(),
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

/// Clients as a function makes them, whose requests go to `http`.
#[must_use]
pub fn clients(http: impl HttpClient + 'static, timeouts: Timeouts) -> Clients {
    Clients::through(http, timeouts, |name| {
        let value = match name {
            "AWS_REGION" => "eu-central-1",
            "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY" => "secret",
            _ => return None,
        };
        Some(value.to_owned())
    })
}

/// Clients as a function makes them, to which no service answers.
#[must_use]
pub fn silent_clients(timeouts: Timeouts) -> Clients {
    clients(NeverClient::new(), timeouts)
}

/// Clients as a function makes them, whose requests get `answer` after a while.
#[must_use]
pub fn slow_clients(timeouts: Timeouts, takes: std::time::Duration, answer: Answer) -> Clients {
    clients(Slow { takes, answer }, timeouts)
}

/// A service that takes its time.
#[derive(Clone, Debug)]
struct Slow {
    takes: std::time::Duration,
    answer: Answer,
}

impl HttpConnector for Slow {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let Self { takes, answer: (status, body) } = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(takes).await;
            let failed = |error| ConnectorError::other(error, None);
            let response = http::Response::builder().status(status).body(SdkBody::from(body));
            HttpResponse::try_from(response.map_err(|error| failed(error.into()))?)
                .map_err(|error| failed(error.into()))
        })
    }
}

impl HttpClient for Slow {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Clients as a function makes them, whose requests get `answers`, and what they send.
#[must_use]
pub fn answered_clients(timeouts: Timeouts, answers: Vec<Answer>) -> (Clients, Sent) {
    let (client, sent) = http(answers, None);
    (clients(infallible_client_fn(client), timeouts), sent)
}

/// What signs with the credentials of a role, which bring a session token: as on Lambda.
#[must_use]
pub fn signers_of_a_role(session_token: &str) -> (Objects, crate::UploadSigner) {
    let role = Credentials::new("ASIAEXAMPLE", "secret", Some(session_token.to_owned()), None, "test");
    let region = aws_sdk_s3::config::Region::new("eu-central-1");
    let config = aws_sdk_s3::Config::builder()
        .region(region.clone())
        .credentials_provider(role.clone())
        .http_client(NeverClient::new())
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let provider = aws_credential_types::provider::SharedCredentialsProvider::new(role);
    (
        Objects::new(client.clone(), "originals".to_owned(), "thumbnails".to_owned()),
        crate::UploadSigner::new(client, Some(provider), Some(region), "originals".to_owned()),
    )
}

/// A store whose requests get `answers`.
#[must_use]
pub fn store(answers: Vec<Answer>) -> (PhotoStore, Sent) {
    let (client, sent) = http(answers, None);
    let config = aws_sdk_dynamodb::Config::builder()
        .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .interceptor(CallLog)
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
#[cfg(feature = "queues")]
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

/// SQS's answer to a message that it takes.
#[cfg(feature = "queues")]
#[must_use]
pub fn message_taken() -> Answer {
    (200, r#"{"MessageId":"1"}"#.to_owned())
}

fn objects_with(answers: Vec<Answer>, original: Option<Vec<u8>>) -> (Objects, Sent) {
    let (client, sent) = http(answers, original);
    let config = aws_sdk_s3::Config::builder()
        .region(aws_sdk_s3::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .interceptor(CallLog)
        .http_client(infallible_client_fn(client))
        .build();
    (
        Objects::new(aws_sdk_s3::Client::from_conf(config), "originals".to_owned(), "thumbnails".to_owned()),
        sent,
    )
}

/// What a test's own thread logs from its making on.
pub struct Lines {
    page: Page,
    _guard: tracing::subscriber::DefaultGuard,
    /// While there is one subscriber alone, `tracing` asks the thread that comes by a place in the code first whether
    /// anybody listens there, and never again: a test that does not listen would silence one that does.
    _second: tracing::Dispatch,
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
    /// Begins to take lines at the level of production; it ends with the value.
    #[must_use]
    pub fn capture() -> Self {
        Self::capture_at(tracing::Level::INFO)
    }

    /// Begins to take lines from `level` on.
    #[must_use]
    pub fn capture_at(level: tracing::Level) -> Self {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = telemetry::subscriber(level, move || writer.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        Self { page, _guard: guard, _second: second }
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
