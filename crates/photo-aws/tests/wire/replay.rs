//! SDK clients whose HTTP answers are written down, and which keep what was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_smithy_http_client::test_util::infallible_client_fn;
use photo_aws::{Objects, PhotoStore};
use serde_json::Value;

/// One answer: status and body.
pub(crate) type Answer = (u16, String);

/// One request: method, URI, the operation that `X-Amz-Target` names, and the body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What was sent, in order.
#[derive(Clone, Default)]
pub(crate) struct Sent(Arc<Mutex<Vec<Request>>>);

impl Sent {
    pub(crate) fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }
}

/// An HTTP client that gives `answers` in order and, after the last, `500`.
fn http(
    answers: Vec<Answer>,
) -> (impl Fn(http::Request<SdkBody>) -> http::Response<String> + Send + Sync, Sent) {
    let sent = Sent::default();
    let answers = Mutex::new(VecDeque::from(answers));
    let log = sent.clone();
    let client = move |request: http::Request<SdkBody>| {
        let header = |name: &str| {
            request.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        log.0.lock().unwrap().push(Request {
            method: request.method().to_string(),
            uri: request.uri().to_string(),
            target: header("x-amz-target"),
            body: request.body().bytes().unwrap_or_default().to_vec(),
        });
        let (status, body) = answers.lock().unwrap().pop_front().unwrap_or((500, String::new()));
        http::Response::builder().status(status).header("etag", "\"0123\"").body(body).unwrap()
    };
    (client, sent)
}

type SdkBody = aws_sdk_s3::primitives::SdkBody;

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

/// A store that gets `answers`.
pub(crate) fn store(answers: Vec<Answer>) -> (PhotoStore, Sent) {
    let (client, sent) = http(answers);
    let config = aws_sdk_dynamodb::Config::builder()
        .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .http_client(infallible_client_fn(client))
        .build();
    (PhotoStore::new(aws_sdk_dynamodb::Client::from_conf(config), "photos".to_owned()), sent)
}

/// Objects that get `answers`.
pub(crate) fn objects(answers: Vec<Answer>) -> (Objects, Sent) {
    let (client, sent) = http(answers);
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
