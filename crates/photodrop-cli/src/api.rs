//! The HTTP API and S3 as a client uses them: tried again where that can help, refused with a reason where not.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::RwLock;

use crate::error::CliError;
use crate::target::{SignIn, Target};
use crate::token::Token;

/// The path of the photo API.
pub(crate) const BASE_PATH: &str = "/api/v4/photo";

/// How long a host may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may pause. An upload counts as such a pause only once all bytes are sent.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// How long before its end a signature counts as ended.
const SIGNATURE_MARGIN: Duration = Duration::from_secs(5);
/// The longest wait before another attempt.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// An RFC 9457 problem document.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Problem {
    /// The HTTP status.
    #[serde(default)]
    pub(crate) status: u16,
    /// The stable code.
    #[serde(default)]
    pub(crate) code: String,
    /// What to know of it.
    #[serde(default)]
    pub(crate) detail: String,
    /// For support.
    #[serde(default)]
    pub(crate) request_id: String,
    /// What is wrong, field by field.
    #[serde(default)]
    pub(crate) errors: Vec<FieldProblem>,
}

/// One wrong field.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FieldProblem {
    /// Where it is.
    #[serde(default)]
    pub(crate) pointer: String,
    /// What is wrong.
    #[serde(default)]
    pub(crate) detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.detail)?;
        for error in &self.errors {
            write!(f, " [{}: {}]", error.pointer, error.detail)?;
        }
        if !self.request_id.is_empty() {
            write!(f, " (request {})", self.request_id)?;
        }
        Ok(())
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) bytes: Bytes,
}

impl Reply {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, read as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        serde_json::from_slice(&self.bytes).map_err(|error| CliError::Answer(error.to_string()))
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
    }

    /// What an S3 error document or a problem document has to say.
    pub(crate) fn problem(&self) -> Problem {
        let mut problem: Problem = serde_json::from_slice(&self.bytes).unwrap_or_default();
        problem.status = self.status.as_u16();
        if problem.code.is_empty() {
            self.status
                .canonical_reason()
                .unwrap_or("UNKNOWN")
                .to_uppercase()
                .replace(' ', "_")
                .clone_into(&mut problem.code);
        }
        if problem.detail.is_empty() {
            problem.detail = String::from_utf8_lossy(&self.bytes).chars().take(200).collect();
        }
        problem
    }
}

/// What is sent.
pub(crate) struct Outgoing<'a> {
    /// The method.
    pub(crate) method: Method,
    /// The URL.
    pub(crate) url: &'a str,
    /// The headers, by name.
    pub(crate) headers: Vec<(String, String)>,
    /// Makes the body; once for each attempt.
    pub(crate) body: &'a (dyn Fn() -> reqwest::Body + Sync),
    /// Whether another attempt may bring another answer: of the API [`is_passing`], of S3 as `storage` has it.
    pub(crate) is_passing: fn(&Reply) -> bool,
    /// When the signature in the URL ends, where that is known.
    pub(crate) expires_at: Option<SystemTime>,
}

impl Outgoing<'_> {
    /// Whether the signature has ended, or ends before another attempt arrives.
    pub(crate) fn has_expired(&self) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= SystemTime::now() + SIGNATURE_MARGIN)
    }
}

/// A client of one API.
pub(crate) struct Api {
    http: reqwest::Client,
    base_url: String,
    token: RwLock<Option<Token>>,
    sign_in: Option<SignIn>,
    retries: u32,
}

impl Api {
    /// A client of the target's API.
    pub(crate) fn new(target: &Target, retries: u32) -> Result<Self, CliError> {
        let url: Url = target
            .api_url
            .parse()
            .ok()
            .filter(|url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| CliError::Usage(format!("{:?} is no http(s) URL of an API", target.api_url)))?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("photodrop-cli/", env!("CARGO_PKG_VERSION")));
        // What runs on this machine is not asked for through a proxy.
        if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| CliError::Answer(error.to_string()))?;
        Ok(Self {
            http,
            base_url: target.api_url.trim_end_matches('/').to_owned(),
            token: RwLock::new(target.token.clone().map(Token::given)),
            sign_in: target.sign_in.clone(),
            retries,
        })
    }

    /// The API's URL.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Sends a request to any URL until there is an answer that another attempt would not change. A request without an answer whose
    /// signature has expired is not sent again: S3 can only refuse it.
    pub(crate) async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Reply, CliError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &outgoing.headers {
            let name: HeaderName = name.parse().map_err(|_| CliError::Answer(format!("header {name:?}")))?;
            let value =
                HeaderValue::from_str(value).map_err(|_| CliError::Answer(format!("header {name}")))?;
            headers.insert(name, value);
        }
        for attempt in 0.. {
            let sent = self
                .http
                .request(outgoing.method.clone(), outgoing.url)
                .headers(headers.clone())
                .body((outgoing.body)())
                .send()
                .await;
            let last = attempt >= self.retries;
            let asked_for = match read(sent).await {
                Ok(reply) if last || !may_pass(&reply, outgoing.is_passing) => return Ok(reply),
                Ok(reply) => reply.retry_after(),
                Err(error) if last => return Err(unreachable(outgoing.url, &error)),
                Err(error) if outgoing.has_expired() => {
                    tokio::time::sleep(pause(attempt, None)).await;
                    return Err(unreachable(outgoing.url, &error));
                }
                Err(_) => None,
            };
            tokio::time::sleep(pause(attempt, asked_for)).await;
        }
        Err(CliError::Answer("no attempt was made".to_owned()))
    }

    /// One call of the API as the caller; `path` begins with a slash.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, CliError> {
        let text = body.map(Value::to_string);
        let url = format!("{}{path}", self.base_url);
        let mut token = self.current().await?;
        for again in [true, false] {
            let mut all = vec![("authorization".to_owned(), format!("Bearer {}", token.text))];
            all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            if text.is_some() {
                all.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            let make = || text.clone().map_or_else(reqwest::Body::default, reqwest::Body::from);
            let method = method.clone();
            let url = &url;
            let outgoing = Outgoing { method, url, headers: all, body: &make, is_passing, expires_at: None };
            let reply = self.send(&outgoing).await?;
            if reply.status != StatusCode::UNAUTHORIZED {
                return Ok(reply);
            }
            if !again || self.sign_in.is_none() {
                let reason = if token.has_ended() { "has expired" } else { "is expired or another stack's" };
                return Err(CliError::Auth(format!("the API refuses the token: it {reason}")));
            }
            token = self.renew(Some(&token.text)).await?;
        }
        Err(CliError::Auth("the API refuses a fresh token".to_owned()))
    }

    /// The token to send: renewed if it ends soon and there is a way to a fresh one.
    async fn current(&self) -> Result<Token, CliError> {
        let token = self.token.read().await.clone();
        match token {
            Some(token) if self.sign_in.is_none() || !token.ends_soon() => Ok(token),
            Some(token) => match self.renew(Some(&token.text)).await {
                // Sign-in is not reachable. The token is still good for some seconds.
                Err(_) if !token.has_ended() => Ok(token),
                renewed => renewed,
            },
            None if self.sign_in.is_some() => self.renew(None).await,
            None => Err(CliError::Auth("no token: set PHOTODROP_TOKEN or give --token-file".to_owned())),
        }
    }

    /// Whose photos they are, as far as the token tells.
    pub(crate) async fn subject(&self) -> Result<Option<String>, CliError> {
        Ok(self.current().await?.subject())
    }

    /// The same, where any other status than these is a refusal.
    pub(crate) async fn expect(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
        expected: &[StatusCode],
    ) -> Result<Reply, CliError> {
        let reply = self.call(method, path, headers, body).await?;
        if expected.contains(&reply.status) { Ok(reply) } else { Err(CliError::Api(reply.problem())) }
    }

    /// `GET` of a path that needs no token, once.
    pub(crate) async fn open(&self, path: &str) -> Result<Reply, CliError> {
        let url = format!("{}{path}", self.base_url);
        read(self.http.get(&url).send().await).await.map_err(|error| unreachable(&url, &error))
    }

    /// Whether there is a token, or a way to one.
    pub(crate) async fn can_sign_in(&self) -> bool {
        self.sign_in.is_some() || self.token.read().await.is_some()
    }

    /// A fresh token instead of `refused`, for all requests that come.
    async fn renew(&self, refused: Option<&str>) -> Result<Token, CliError> {
        let mut token = self.token.write().await;
        // Another request may have been faster.
        if let Some(current) = token.as_ref()
            && Some(current.text.as_str()) != refused
        {
            return Ok(current.clone());
        }
        let Some(sign_in) = &self.sign_in else {
            return Err(CliError::Auth("no token".to_owned()));
        };
        let body = sign_in.request().to_string();
        let make = || reqwest::Body::from(body.clone());
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth"),
        ];
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (method, url) = (Method::POST, &sign_in.endpoint);
        let outgoing = Outgoing { method, url, headers, body: &make, is_passing, expires_at: None };
        let reply = self.send(&outgoing).await?;
        let answer: Value = reply.json().unwrap_or_default();
        let result = &answer["AuthenticationResult"];
        let Some(text) = result["AccessToken"].as_str() else {
            return Err(CliError::Auth(format!(
                "the demo user cannot sign in ({}): run make up again",
                reply.status
            )));
        };
        let fresh = Token::issued(text.to_owned(), result["ExpiresIn"].as_u64());
        *token = Some(fresh.clone());
        Ok(fresh)
    }
}

async fn read(sent: Result<reqwest::Response, reqwest::Error>) -> Result<Reply, reqwest::Error> {
    let response = sent?;
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Reply { status, headers, bytes: response.bytes().await? })
}

/// Whether an answer of the API may be another the next time: throttled, or a failure of the server's own.
pub(crate) fn is_passing(reply: &Reply) -> bool {
    let status = reply.status;
    status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

/// Whether a request is sent again: not if the server asks for a wait that is too long, as with a quota of the day.
fn may_pass(reply: &Reply, is_passing: fn(&Reply) -> bool) -> bool {
    is_passing(reply) && reply.retry_after().is_none_or(|asked_for| asked_for <= MAX_PAUSE)
}

/// How long to wait before another attempt: what the server asked for, or twice as long each time, from 0.2 s
/// on, less up to a half so that many clients do not come back together.
fn pause(attempt: u32, asked_for: Option<Duration>) -> Duration {
    let grown =
        Duration::from_millis(200).saturating_mul(2_u32.saturating_pow(attempt.min(10))).min(MAX_PAUSE);
    // The random bits of an identifier serve as well as a generator of our own.
    let share = u32::from(uuid::Uuid::now_v7().as_bytes()[15]);
    let jittered = grown.saturating_sub(grown.saturating_mul(share) / 512);
    asked_for.map_or(jittered, |asked| asked.max(jittered))
}

/// The innermost cause says most ("Connection refused"); URLs may carry signatures and are not shown.
fn unreachable(url: &str, error: &reqwest::Error) -> CliError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let host = url.parse::<Url>().ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
    });
    let reason = if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() };
    CliError::Unreachable { host: host.unwrap_or_default(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            bytes: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn a_refusal_is_told_whoever_wrote_it() {
        let document = r#"{"code":"INVALID_REQUEST","detail":"bad","request_id":"r1",
            "errors":[{"pointer":"/size_bytes","detail":"is missing"}]}"#;
        let shown = reply(400, document).problem().to_string();
        assert_eq!(shown, "INVALID_REQUEST (400): bad [/size_bytes: is missing] (request r1)");
        // API Gateway's own answers are no problem documents.
        let shown = reply(503, r#"{"message":"Service Unavailable"}"#).problem().to_string();
        assert_eq!(shown, r#"SERVICE_UNAVAILABLE (503): {"message":"Service Unavailable"}"#);
    }

    #[test]
    fn pauses_grow_to_a_bound_and_a_server_may_ask_for_more() {
        for attempt in 0..40 {
            let grown = pause(attempt, None);
            assert!(grown >= Duration::from_millis(100) && grown <= MAX_PAUSE, "{attempt}: {grown:?}");
        }
        assert!(pause(0, Some(Duration::from_secs(3))) >= Duration::from_secs(3));
    }

    #[test]
    fn only_what_may_be_otherwise_the_next_time_is_tried_again() {
        for (status, again) in [
            (200, false),
            (400, false),
            (403, false),
            (412, false),
            (408, true),
            (429, true),
            (500, true),
            (501, false),
            (503, true),
        ] {
            assert_eq!(may_pass(&reply(status, ""), is_passing), again, "{status}");
        }
        let mut quota = reply(429, "");
        for (seconds, again) in [("1", true), ("20", true), ("3600", false)] {
            quota.headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
            assert_eq!(may_pass(&quota, is_passing), again, "{seconds} s");
        }
    }
}
