//! `photodrop upload`
//!
//! Every photo is asked for under an idempotency key that its bytes and what is announced of them give. Whoever is
//! interrupted runs the same command again: what was uploaded within a day is found, not uploaded twice.

pub(crate) mod batch;
mod multipart;
pub(crate) mod state;

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{Mutex, Semaphore};

use crate::api::{Api, BASE_PATH, Outgoing};
use crate::args::{Global, Upload as Arguments};
use crate::error::CliError;
use crate::output::{Output, Text, as_json};
use crate::photo::Photo;
use crate::progress::{FileProgress, Progress};
use crate::source::Source;
use crate::storage::{self, Action};
use crate::target::Target;
use crate::upload::batch::{RequestHistory, UploadRequest};
use crate::upload::state::State;

/// How often an upload is asked for whose URL did not last.
const MAX_URLS: u32 = 3;
const MIB: u64 = 1024 * 1024;

/// What all files share.
struct Uploader {
    api: Api,
    arguments: Arguments,
    state: State,
    /// Whose photos they are; none where no batch can be remembered, and each file is asked for alone.
    owner: Option<String>,
    /// How files were asked for already.
    history: Mutex<RequestHistory>,
    /// As many requests with bytes are under way at once as there are permits.
    permits: Semaphore,
    /// As many photos are waited for at once as there are permits.
    watchers: Semaphore,
    /// Done once it is said that no unfinished upload is remembered.
    unremembered: Once,
}

/// The answer to a request for an upload.
#[derive(Clone, Debug, Deserialize)]
struct Created {
    photo_id: String,
    status: String,
    upload: Option<How>,
}

/// How to upload.
#[derive(Clone, Debug, Deserialize)]
struct How {
    method: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    expires_at: String,
    #[serde(default)]
    part_size_bytes: u64,
    #[serde(default)]
    part_count: u32,
}

/// A file that was announced, or is to be.
struct Ready {
    source: Source,
    body: Value,
    request: UploadRequest,
    first: Option<Created>,
}

/// What became of a file.
struct Done {
    photo_id: String,
    status: String,
    /// How much of a damaged photo came, in percent; none if it is whole or was not waited for.
    received_percent: Option<u64>,
    size_bytes: u64,
    /// It had been uploaded before this run.
    already: bool,
    /// Parts that had been uploaded before this run.
    resumed_parts: u32,
}

pub(crate) async fn run(global: &Global, arguments: Arguments, output: &Output) -> Result<(), CliError> {
    let api = Api::new(&Target::find(global)?, global.retries)?;
    let state = State::new(arguments.state.as_deref())?;
    let files = arguments.files.clone();
    let jobs = usize::from(arguments.jobs);
    let owner = if state.is_usable() { api.subject().await? } else { None };
    let history = Mutex::new(RequestHistory::new(state.batches(), api.base_url(), owner.as_deref()));
    let (permits, watchers) = (Semaphore::new(jobs), Semaphore::new(jobs));
    let unremembered = Once::new();
    let uploader = Uploader { api, arguments, state, owner, history, permits, watchers, unremembered };
    let size_bytes =
        files.iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum();
    let progress = Progress::new(files.len(), size_bytes);
    let total = files.len();
    let groups = batch::groups(files, uploader.arguments.multipart_from.saturating_mul(MIB));
    let mut under_way = futures::stream::iter(groups)
        .map(|group| uploader.group(group, &progress).boxed())
        .flatten_unordered(jobs);
    let mut failed = 0;
    while let Some((path, outcome)) = under_way.next().await {
        if let Err(error) = outcome {
            failed += 1;
            progress.aside(|| report_failure(*output, &path, &error));
            if error.ends_all() {
                // The others are left where they are: the same command goes on with them.
                progress.finish();
                return Err(error);
            }
        } else if let Ok(done) = outcome {
            progress.aside(|| report(*output, &path, &done));
        }
    }
    progress.finish();
    if failed == 0 { Ok(()) } else { Err(CliError::Some { failed, total, what: "files" }) }
}

fn report(output: Output, path: &Path, done: &Done) {
    let Done { photo_id, status, received_percent, size_bytes, already, resumed_parts } = done;
    let file = path.display().to_string();
    let mut line = json!({ "file": file, "photo_id": photo_id, "status": status, "size_bytes": size_bytes,
        "already": already, "resumed_parts": resumed_parts });
    let mut shown = status.clone();
    if let Some(percent) = received_percent {
        line["damaged"] = json!(true);
        line["received_percent"] = json!(percent);
        shown = format!("{status} damaged {percent} %");
    }
    output.result(&line, &Text::columns(&[photo_id, &shown, &file]));
}

fn report_failure(output: Output, path: &Path, error: &CliError) {
    let file = path.display().to_string();
    let (photo_id, status) = match error {
        CliError::PhotoFailed { photo_id, .. } => (Some(photo_id), "failed"),
        CliError::StillPending { photo_id, .. } => (Some(photo_id), "pending"),
        _ => (None, "error"),
    };
    output.failure(&json!({ "file": file, "photo_id": photo_id, "status": status, "error": as_json(error) }));
    match error {
        // It names the file by itself.
        CliError::Io { .. } => Output::say(&error.to_string()),
        _ => Output::say(&format!("{file}: {error}")),
    }
}

impl Uploader {
    /// Uploads files that are asked for together, and gives each outcome as it comes.
    fn group<'a>(
        &'a self,
        paths: Vec<PathBuf>,
        progress: &'a Progress,
    ) -> impl futures::Stream<Item = (PathBuf, Result<Done, CliError>)> + 'a {
        let prepared = async move {
            let jobs = usize::from(self.arguments.jobs);
            let looks = paths.into_iter().map(|path| self.look_at(path, progress));
            let files: Vec<_> = futures::stream::iter(looks).buffered(jobs).collect().await;
            let announcements: Vec<Value> =
                files.iter().filter_map(|(_, _, found)| Some(found.as_ref().ok()?.1.clone())).collect();
            let requests = self.request_uploads(&announcements).await;
            let outcomes =
                assign_requests(files, requests).into_iter().map(|(path, bar, ready)| async move {
                    let outcome = match ready {
                        Ok(ready) => self.send(ready, &bar).await,
                        Err(error) => Err(error),
                    };
                    bar.finish();
                    (path, outcome)
                });
            outcomes.collect::<futures::stream::FuturesUnordered<_>>()
        };
        futures::stream::once(prepared).flatten()
    }

    /// Reads a file for what is announced of it.
    async fn look_at(&self, path: PathBuf, progress: &Progress) -> File<(Source, Value)> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let size_bytes = path.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        let bar = progress.file(&name, size_bytes);
        let found = Source::look_at(path.clone()).await;
        let found = found.and_then(|source| self.announcement(&source).map(|body| (source, body)));
        (path, bar, found)
    }

    async fn send(&self, ready: Ready, bar: &FileProgress) -> Result<Done, CliError> {
        let Ready { source, body, mut request, mut first } = ready;
        let source = &source;
        let mut resumed_parts = 0;
        let mut lost = None;
        for _ in 0..MAX_URLS {
            let created = match first.take() {
                Some(created) => Some(created),
                None => self.request_upload(&request, &body).await?,
            };
            let Some(created) = created else {
                // The photo was deleted meanwhile: this is to be a new one.
                request = UploadRequest::fresh();
                continue;
            };
            let Some(how) = created.upload else {
                // The bytes came by an earlier request, or the time for them is over.
                let mut status = created.status;
                if status == "pending" {
                    // The API does not know yet whether they came.
                    bar.say("status");
                    let photo = Photo::decided(&self.api, &created.photo_id, self.patience()).await?;
                    photo.status().clone_into(&mut status);
                }
                match status.as_str() {
                    // That photo takes no bytes any more.
                    "expired" => {
                        request = UploadRequest::fresh();
                        continue;
                    }
                    "failed" => return Err(self.failed(created.photo_id).await?),
                    _ => return self.wait(created.photo_id, &status, source, bar, true, 0).await,
                }
            };
            let sent = match &request {
                UploadRequest::Single { key } if how.method == "multipart" => {
                    multipart::send(self, source, &created.photo_id, key, &how, bar).await?
                }
                _ => self.put(source, &request, &created.photo_id, &how, bar).await?,
            };
            match sent {
                Sent::Arrived { resumed } => {
                    resumed_parts += resumed;
                    return self.wait(created.photo_id, "uploaded", source, bar, false, resumed_parts).await;
                }
                Sent::Expired(cause) => lost = cause,
                Sent::Closed => request = UploadRequest::fresh(),
            }
        }
        let expired = || CliError::Answer(format!("no URL of {MAX_URLS} lasted until the bytes were sent"));
        Err(lost.unwrap_or_else(expired))
    }

    /// What is announced of a file.
    fn announcement(&self, source: &Source) -> Result<Value, CliError> {
        let Some(content_type) = self.arguments.content_type.as_deref().or(source.content_type) else {
            return Err(CliError::NotAPhoto(
                "is no picture: its first bytes are no known type's (--content-type sends it all the same)",
            ));
        };
        let metadata: Map<String, Value> =
            self.arguments.metadata.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut body = json!({
            "file_name": source.file_name(),
            "content_type": content_type,
            "size_bytes": source.size_bytes,
            "checksum_sha256": source.checksum_sha256,
        });
        if !metadata.is_empty() {
            body["metadata"] = Value::Object(metadata);
        }
        if source.size_bytes >= self.arguments.multipart_from.saturating_mul(MIB) {
            body["upload_method"] = json!("multipart");
        }
        Ok(body)
    }

    /// Asks for an upload; nothing if the key stands for a photo that is gone.
    async fn create(&self, body: &Value, key: &str) -> Result<Option<Created>, CliError> {
        let headers = [("idempotency-key", key)];
        let path = format!("{BASE_PATH}/upload");
        let expected = [StatusCode::CREATED, StatusCode::OK];
        match self.api.expect(Method::POST, &path, &headers, Some(body), &expected).await {
            Ok(reply) => reply.json().map(Some),
            Err(CliError::Api(problem)) if problem.code == "IDEMPOTENCY_CONFLICT" => Ok(None),
            Err(CliError::Api(problem))
                if body.get("upload_method").is_some()
                    && problem.errors.iter().any(|error| error.pointer == "/upload_method") =>
            {
                // The stack's threshold is higher than ours.
                let mut plainly = body.clone();
                if let Some(members) = plainly.as_object_mut() {
                    members.remove("upload_method");
                }
                Box::pin(self.create(&plainly, &key_of(key, &plainly))).await
            }
            Err(error) => Err(error),
        }
    }

    /// One presigned PUT of the whole file.
    async fn put(
        &self,
        source: &Source,
        request: &UploadRequest,
        photo_id: &str,
        how: &How,
        bar: &FileProgress,
    ) -> Result<Sent, CliError> {
        let Ok(_permit) = self.permits.acquire().await else { return Ok(Sent::Expired(None)) };
        bar.say("sending");
        let transfer = bar.transfer(source.read(0, source.size_bytes).await?);
        let make = || transfer.body();
        let headers = sendable(&how.headers);
        let (method, url, is_passing) = (Method::PUT, &how.url, storage::is_passing as fn(&_) -> _);
        let expires_at = expiry(&how.expires_at);
        let outgoing = Outgoing { method, url, headers, body: &make, is_passing, expires_at };
        let reply = match self.api.send(&outgoing).await {
            Err(error) if outgoing.has_expired() => return Ok(Sent::Expired(Some(error))),
            reply => reply?,
        };
        let action = storage::action(&reply);
        if matches!(action, Action::Done | Action::Present) {
            self.acknowledge(request);
        }
        match action {
            Action::Done => Ok(Sent::Arrived { resumed: 0 }),
            // An earlier attempt had arrived and its answer had not.
            Action::Present => Photo::get(&self.api, photo_id).await.map(|_| Sent::Arrived { resumed: 0 }),
            Action::SignAgain => Ok(Sent::Expired(None)),
            _ => Err(storage::refusal(&reply)),
        }
    }

    /// Why an earlier run's photo has no thumbnails.
    async fn failed(&self, photo_id: String) -> Result<CliError, CliError> {
        let code = Photo::get(&self.api, &photo_id).await?.failure().unwrap_or_default().to_owned();
        Ok(CliError::PhotoFailed { photo_id, code })
    }

    /// How long one photo is waited for.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.arguments.wait_timeout)
    }

    async fn wait(
        &self,
        photo_id: String,
        status: &str,
        source: &Source,
        bar: &FileProgress,
        already: bool,
        resumed_parts: u32,
    ) -> Result<Done, CliError> {
        let (mut status, mut received_percent) = (status.to_owned(), None);
        if self.arguments.wait {
            bar.hide();
            let Ok(_permit) = self.watchers.acquire().await else {
                return Err(CliError::Answer("nothing is waited for".to_owned()));
            };
            bar.say("thumbnails");
            let photo = Photo::settled(&self.api, &photo_id, self.patience()).await?;
            if let Some(code) = photo.failure() {
                return Err(CliError::PhotoFailed { photo_id, code: code.to_owned() });
            }
            photo.status().clone_into(&mut status);
            received_percent = photo.received_percent();
        }
        let size_bytes = source.size_bytes;
        Ok(Done { photo_id, status, received_percent, size_bytes, already, resumed_parts })
    }
}

/// How sending the bytes ended, where it was no error.
enum Sent {
    /// The object is there.
    Arrived {
        /// Parts that an earlier run had sent.
        resumed: u32,
    },
    /// The URL had expired, as S3 said or when the connection was lost: the same photo may be asked for again.
    Expired(Option<CliError>),
    /// The photo takes no bytes any more: another one is needed.
    Closed,
}

/// A file that was looked at, or can be sent.
type File<T> = (PathBuf, FileProgress, Result<T, CliError>);

/// Gives each readable file its request. If the API could not be asked, each fails as it did.
fn assign_requests(
    files: Vec<File<(Source, Value)>>,
    requests: Result<Vec<(UploadRequest, Option<Created>)>, CliError>,
) -> Vec<File<Ready>> {
    let mut requests = requests.map(Vec::into_iter);
    let mut assign = |source, body| match &mut requests {
        Ok(requests) => {
            let (request, first) = requests.next().unwrap_or_else(|| (UploadRequest::fresh(), None));
            Ok(Ready { source, body, request, first })
        }
        Err(error) => Err(error.repeated()),
    };
    files
        .into_iter()
        .map(|(path, bar, found)| (path, bar, found.and_then(|(source, body)| assign(source, body))))
        .collect()
}

/// When a signature ends, where the API says so.
fn expiry(expires_at: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(expires_at, &Rfc3339).ok().map(SystemTime::from)
}

/// The headers to send: `content-length` comes from the body.
fn sendable(headers: &Map<String, Value>) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A key for exactly this announcement at this API: the same file gives the same one.
fn key_of(api_url: &str, body: &Value) -> String {
    let digest = Sha256::digest(format!("photodrop-cli 1\n{api_url}\n{body}"));
    format!("cli-{}", URL_SAFE_NO_PAD.encode(digest))
}

fn fresh_key() -> String {
    format!("cli-{}", uuid::Uuid::now_v7())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_has_the_same_key_and_another_announcement_another() {
        let body = json!({ "file_name": "a.jpg", "size_bytes": 1 });
        assert_eq!(key_of("http://a", &body), key_of("http://a", &body.clone()));
        assert_ne!(key_of("http://a", &body), key_of("http://b", &body));
        assert_ne!(
            key_of("http://a", &body),
            key_of("http://a", &json!({ "file_name": "b.jpg", "size_bytes": 1 }))
        );
        assert_ne!(fresh_key(), fresh_key());
    }

    #[test]
    fn the_length_is_not_sent_twice() {
        let headers = json!({ "content-length": "3", "content-type": "image/png" });
        let sent = sendable(headers.as_object().unwrap());
        assert_eq!(sent, [("content-type".to_owned(), "image/png".to_owned())]);
    }
}
