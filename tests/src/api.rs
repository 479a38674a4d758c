//! The HTTP API and presigned uploads, as a client uses them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::patience::Wait;
use crate::stack::Stack;

/// The path of the photo API.
pub const BASE_PATH: &str = "/api/v4/photo";

/// A client of the API.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base_url: String,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text, for messages.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The answer to a request for an upload.
#[derive(Clone, Debug, Deserialize)]
pub struct Created {
    /// The photo.
    pub photo_id: String,
    /// Its status.
    pub status: String,
    /// How to upload; none once the bytes have been looked at.
    pub upload: Option<Upload>,
}

/// How to upload.
#[derive(Clone, Debug, Deserialize)]
pub struct Upload {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers, by lower-case name.
    pub headers: Map<String, Value>,
    /// When the URL stops working.
    pub expires_at: String,
}

impl Created {
    /// How to upload; an error if the answer says nothing of it.
    pub fn upload(&self) -> Result<&Upload> {
        self.upload.as_ref().context("the answer has no upload")
    }
}

/// A client of what runs on this machine.
pub(crate) fn http_client() -> reqwest::ClientBuilder {
    // The command line's features are reqwest's for the whole workspace: it then brings TLS but no provider of its
    // own. A second one cannot be there, so the answer tells nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

impl Api {
    /// A client with the demo user's token.
    pub fn new(stack: &Stack) -> Result<Self> {
        let http = http_client().timeout(Duration::from_mins(1)).build()?;
        Ok(Self { http, base_url: stack.api_url.clone(), token: Some(stack.token.clone()) })
    }

    /// A client without an API or a token: for requests that are signed.
    pub fn of_no_stack() -> Result<Self> {
        let http = http_client().timeout(Duration::from_mins(1)).build()?;
        Ok(Self { http, base_url: String::new(), token: None })
    }

    /// The same client with another token, or with none.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// One request to any URL, without the token.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        let mut request = self.http.request(method, url).headers(map);
        if !body.is_empty() {
            request = request.body(body);
        }
        let response = request.send().await.with_context(|| url.to_owned())?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Reply { status, headers, bytes: response.bytes().await?.to_vec() })
    }

    /// One request to a path of the API.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Reply> {
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        if let Some(authorization) = &authorization {
            headers.push(("authorization", authorization));
        }
        self.send(method, &format!("{}{path}", self.base_url), &headers, body.as_bytes().to_vec()).await
    }

    /// `POST` of JSON to a path below that of the photo API, expecting this status.
    pub async fn post_to(&self, path: &str, body: &Value, status: u16) -> Result<Value> {
        let reply = self.call(Method::POST, &format!("{BASE_PATH}/{path}"), &[], &body.to_string()).await?;
        ensure!(reply.status == status, "{path}: {}: {}", reply.status, reply.text());
        Ok(reply.json())
    }

    /// Sends a request that the API has signed.
    pub async fn send_signed(&self, signed: &Value, bytes: Vec<u8>) -> Result<Reply> {
        let empty = Map::new();
        let headers: Vec<_> = signed["headers"]
            .as_object()
            .unwrap_or(&empty)
            .iter()
            .filter(|(name, _)| *name != "content-length")
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        let method = signed["method"].as_str().context("no method")?.parse()?;
        self.send(method, signed["url"].as_str().context("no url")?, &headers, bytes).await
    }

    /// `GET` of a path.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.call(Method::GET, path, &[], "").await
    }

    /// `GET` of a photo.
    pub async fn photo(&self, photo_id: &str) -> Result<Reply> {
        self.get(&format!("{BASE_PATH}/{photo_id}")).await
    }

    /// `DELETE` of a photo.
    pub async fn delete(&self, photo_id: &str) -> Result<Reply> {
        self.call(Method::DELETE, &format!("{BASE_PATH}/{photo_id}"), &[], "").await
    }

    /// `POST …/upload` with any body.
    pub async fn post(&self, body: &str, headers: &[(&str, &str)]) -> Result<Reply> {
        self.call(Method::POST, &format!("{BASE_PATH}/upload"), headers, body).await
    }

    /// Asks for an upload and expects to get it.
    pub async fn create(&self, content_type: &str, size_bytes: usize) -> Result<Created> {
        self.create_with(&json!({ "content_type": content_type, "size_bytes": size_bytes })).await
    }

    /// Asks for an upload by this body and expects to get it.
    pub async fn create_with(&self, body: &Value) -> Result<Created> {
        let reply = self.post(&body.to_string(), &[]).await?;
        ensure!(reply.status == StatusCode::CREATED, "{}: {}", reply.status, reply.text());
        Ok(serde_json::from_slice(&reply.bytes)?)
    }

    /// Puts bytes with exactly the headers that the answer lists; `content-length` comes from the bytes.
    pub async fn put(&self, upload: &Upload, bytes: Vec<u8>) -> Result<Reply> {
        self.put_with(upload, &[], bytes).await
    }

    /// The same with some headers replaced, or left out where the value is empty.
    pub async fn put_with(&self, upload: &Upload, changed: &[(&str, &str)], bytes: Vec<u8>) -> Result<Reply> {
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &upload.headers {
            let value = value.as_str().context("a header is a string")?;
            let value = changed.iter().find(|(other, _)| other == name).map_or(value, |(_, other)| *other);
            if name != "content-length" && !value.is_empty() {
                headers.push((name, value));
            }
        }
        self.send(upload.method.parse()?, &upload.url, &headers, bytes).await
    }

    /// Asks for an upload, puts the bytes and gives the photo's id.
    pub async fn upload(&self, content_type: &str, bytes: &[u8]) -> Result<String> {
        let created = self.create(content_type, bytes.len()).await?;
        let reply = self.put(created.upload()?, bytes.to_vec()).await?;
        ensure!(reply.status == StatusCode::OK, "PUT: {}: {}", reply.status, reply.text());
        Ok(created.photo_id)
    }

    /// Waits until a photo is no longer pending and gives its record.
    pub async fn settled(&self, photo_id: &str) -> Result<Value> {
        self.ask_until_settled(photo_id, |_| false).await
    }

    /// The same under faults: a busy emulator refuses a question now and then (502, 503), and like any client this asks again.
    pub async fn settled_when_busy(&self, photo_id: &str) -> Result<Value> {
        self.ask_until_settled(photo_id, |status| status.is_server_error()).await
    }

    async fn ask_until_settled(&self, photo_id: &str, is_busy: impl Fn(StatusCode) -> bool) -> Result<Value> {
        let mut wait = Wait::begin(format_args!("the end of {photo_id}"));
        loop {
            let reply = self.photo(photo_id).await?;
            if !is_busy(reply.status) {
                ensure!(reply.status == StatusCode::OK, "{photo_id}: {}: {}", reply.status, reply.text());
                let photo = reply.json();
                if photo["status"] != "pending" {
                    return Ok(photo);
                }
            }
            wait.pause(Duration::from_millis(150), reply.text()).await?;
        }
    }

    /// Uploads and waits: the photo's record.
    pub async fn process(&self, content_type: &str, bytes: &[u8]) -> Result<Value> {
        let photo_id = self.upload(content_type, bytes).await?;
        self.settled(&photo_id).await
    }
}
