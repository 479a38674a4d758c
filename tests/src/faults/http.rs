//! As much of HTTP/1.1 as the AWS SDK speaks, and the services' ways to say no.

use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than any call here has.
const MAX_HEADERS: usize = 64;

/// A call, read to its end.
#[derive(Debug)]
pub(super) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// The next request of a connection; none if the caller closes it.
    pub(super) async fn read(connection: &mut TcpStream) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        let (mut request, head_length) = loop {
            if connection.read_buf(&mut bytes).await? == 0 {
                ensure!(bytes.is_empty(), "the caller went away in the middle of its headers");
                return Ok(None);
            }
            if let Some(parsed) = Self::parse_head(&bytes)? {
                break parsed;
            }
        };
        if request.header("transfer-encoding").is_some() {
            connection.write_all(b"HTTP/1.1 501 Not Implemented\r\nconnection: close\r\n\r\n").await?;
            bail!("a chunked {} {}: teach the proxy", request.method, request.target);
        }
        if request.header("expect").is_some() {
            connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let length: usize = request.header("content-length").unwrap_or("0").parse()?;
        request.body = bytes.split_off(head_length);
        while request.body.len() < length {
            ensure!(connection.read_buf(&mut request.body).await? > 0, "the caller went away in its body");
        }
        Ok(Some(request))
    }

    fn parse_head(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = parsed.parse(bytes)? else { return Ok(None) };
        let headers = parsed.headers.iter();
        let request = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            headers: headers.map(|h| (h.name.to_ascii_lowercase(), h.value.to_vec())).collect(),
            body: Vec::new(),
        };
        Ok(Some((request, length)))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The request as it goes on: the same, but the only one on its connection.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            if name != "connection" && name != "expect" {
                bytes.extend_from_slice(name.as_bytes());
                bytes.extend_from_slice(b": ");
                bytes.extend_from_slice(value);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// What a rule may look for: the URL, and the body if that is text.
    pub(super) fn names(&self) -> String {
        let mut names = self.target.clone();
        if self.header("x-amz-target").is_some() || self.service() == "lambda" {
            names.push('\n');
            names.push_str(&String::from_utf8_lossy(&self.body));
        }
        names
    }

    /// The service's name in the signature's scope: `AWS4-HMAC-SHA256 Credential=ID/date/region/service/aws4_request, …`.
    fn service(&self) -> &str {
        let scope = self.header("authorization").and_then(|value| value.split_once("Credential="));
        scope.and_then(|(_, scope)| scope.split('/').nth(3)).unwrap_or_default()
    }

    /// The operation, as IAM names it: `dynamodb:GetItem`.
    pub(super) fn operation(&self) -> String {
        let service = self.service();
        if let Some((_, operation)) = self.header("x-amz-target").and_then(|target| target.split_once('.')) {
            return format!("{service}:{operation}");
        }
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let tagging = query.split('&').any(|part| part == "tagging" || part == "tagging=");
        let has_key = path.trim_matches('/').contains('/');
        let operation = match (service, self.method.as_str()) {
            ("s3", "GET") if tagging => "GetObjectTagging",
            ("s3", "PUT") if tagging => "PutObjectTagging",
            ("s3", "PUT") if self.header("x-amz-copy-source").is_some() => "CopyObject",
            ("s3", "GET") if !has_key => "ListObjects",
            ("s3", "GET") => "GetObject",
            ("s3", "HEAD") => "HeadObject",
            ("s3", "PUT") => "PutObject",
            ("s3", "POST") if !has_key => "DeleteObjects",
            ("s3", "DELETE") => "DeleteObject",
            ("lambda", "POST") => "Invoke",
            _ => return format!("{service}:{} {path}", self.method),
        };
        format!("{service}:{operation}")
    }

    pub(super) fn throttled(&self) -> Vec<u8> {
        match self.service() {
            "s3" => xml(503, "SlowDown", "Please reduce your request rate."),
            "dynamodb" => {
                json(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
            }
            "lambda" => json(429, "TooManyRequestsException"),
            _ => json(400, "ThrottlingException"),
        }
    }

    pub(super) fn server_error(&self) -> Vec<u8> {
        match self.service() {
            "s3" => xml(500, "InternalError", "We encountered an internal error. Please try again."),
            "dynamodb" => json(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
            "lambda" => json(500, "ServiceException"),
            _ => json(500, "InternalFailure"),
        }
    }
}

fn xml(status: u16, code: &str, message: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    answer(status, "application/xml", "", &body)
}

fn json(status: u16, error: &str) -> Vec<u8> {
    let body = serde_json::json!({ "__type": error, "message": "a planned fault" }).to_string();
    answer(status, "application/x-amz-json-1.0", &format!("x-amzn-errortype: {error}\r\n"), &body)
}

fn answer(status: u16, content_type: &str, headers: &str, body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Fault\r\ncontent-type: {content_type}\r\n{headers}");
    // Cannot fail: a String takes everything.
    let _ = write!(text, "content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    text.into_bytes()
}
