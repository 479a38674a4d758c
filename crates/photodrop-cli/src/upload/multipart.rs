//! A large file in parts: what arrived before an interruption is not sent again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::{Outgoing, Reply};
use crate::error::CliError;
use crate::output::Output;
use crate::photo::{self, Photo};
use crate::progress::FileProgress;
use crate::source::Source;
use crate::storage::{self, Action, element};
use crate::upload::state::Unfinished;
use crate::upload::{How, MAX_URLS, Sent, Uploader, expiry, sendable};

/// How often an upload is begun anew that S3 does not know (any more).
const MAX_BEGINNINGS: u32 = 3;
/// How long a photo may take to show that an upload which S3 does not know any more was completed.
const COMPLETED_GRACE: Duration = Duration::from_secs(3);

/// One signed request.
#[derive(Debug, Deserialize)]
struct Signed {
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    expires_at: String,
}

/// The entity tags of the parts that S3 has, by number.
type Parts = BTreeMap<u32, String>;

struct Session<'a> {
    uploader: &'a Uploader,
    source: &'a Source,
    photo_id: &'a str,
    part_size_bytes: u64,
    part_count: u32,
    bar: &'a FileProgress,
}

pub(super) async fn send(
    uploader: &Uploader,
    source: &Source,
    photo_id: &str,
    key: &str,
    how: &How,
    bar: &FileProgress,
) -> Result<Sent, CliError> {
    let (part_size_bytes, part_count) = (how.part_size_bytes, how.part_count);
    if part_size_bytes == 0 || u64::from(part_count) != source.size_bytes.div_ceil(part_size_bytes) {
        return Err(CliError::Answer(format!("{part_count} parts of {part_size_bytes} bytes")));
    }
    let session = Session { uploader, source, photo_id, part_size_bytes, part_count, bar };
    let mut resumed = 0;
    for _ in 0..MAX_BEGINNINGS {
        let (upload_id, parts) = match session.begin(key).await {
            Ok(begun) => begun,
            Err(error) if is_closed(&error) => return session.closed(key).await,
            Err(error) => return Err(error),
        };
        resumed = resumed.max(u32::try_from(parts.len()).unwrap_or_default());
        match session.finish(&upload_id, parts).await {
            Ok(true) => {
                uploader.state.forget(key);
                return Ok(Sent::Arrived { resumed });
            }
            // S3 does not know the upload: it was completed and the answer was lost, or it was aborted.
            Ok(false) => {
                uploader.state.forget(key);
                if Photo::settled(&uploader.api, photo_id, COMPLETED_GRACE).await.is_ok() {
                    return Ok(Sent::Arrived { resumed });
                }
            }
            Err(error) if is_closed(&error) => return session.closed(key).await,
            Err(error) => return Err(error),
        }
    }
    Err(CliError::Answer(format!("S3 forgot {MAX_BEGINNINGS} multipart uploads of {photo_id}")))
}

/// Whether the photo takes no more of this: what is left is to look at it, or to begin with another one.
fn is_closed(error: &CliError) -> bool {
    let codes = ["UPLOAD_CLOSED", "TOO_MANY_UPLOADS"];
    matches!(error, CliError::Api(problem) if codes.contains(&problem.code.as_str()))
}

impl Session<'_> {
    /// The photo takes no more requests: its bytes are there, or its time is over.
    async fn closed(&self, key: &str) -> Result<Sent, CliError> {
        self.uploader.state.forget(key);
        let photo = Photo::get(&self.uploader.api, self.photo_id).await?;
        Ok(if matches!(photo.status(), "ready" | "failed") {
            Sent::Arrived { resumed: 0 }
        } else {
            Sent::Closed
        })
    }

    /// The upload that was begun before, with its parts, or a new one.
    async fn begin(&self, key: &str) -> Result<(String, Parts), CliError> {
        let state = &self.uploader.state;
        let before = state.recall(key).filter(|before| {
            before.photo_id == self.photo_id && before.part_size_bytes == self.part_size_bytes
        });
        if let Some(before) = before {
            self.bar.say("resuming");
            let reply =
                self.request("ListParts", Some(&before.upload_id), None, &reqwest::Body::default).await?;
            match reply.status {
                StatusCode::OK => {
                    let parts = self.parts_of(&String::from_utf8_lossy(&reply.bytes));
                    for number in parts.keys() {
                        self.bar.skip(self.length(*number));
                    }
                    return Ok((before.upload_id, parts));
                }
                StatusCode::NOT_FOUND => state.forget(key),
                _ => return Err(storage::refusal(&reply)),
            }
        }
        let reply = self.request("CreateMultipartUpload", None, None, &reqwest::Body::default).await?;
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        let Some(upload_id) = element(&text, "UploadId").filter(|_| reply.status == StatusCode::OK) else {
            return Err(storage::refusal(&reply));
        };
        let upload_id = unescaped(upload_id);
        let unfinished = Unfinished {
            photo_id: self.photo_id.to_owned(),
            upload_id: upload_id.clone(),
            part_size_bytes: self.part_size_bytes,
        };
        if let Err(error) = state.remember(key, &unfinished) {
            // The upload can be done all the same. Only after an interruption it begins again.
            let warn = || Output::say(&format!("no unfinished upload is remembered: {error}"));
            self.uploader.unremembered.call_once(|| self.bar.aside(warn));
        }
        Ok((upload_id, Parts::new()))
    }

    /// Sends the parts that are missing and completes the upload; `false` if S3 does not know it.
    async fn finish(&self, upload_id: &str, mut parts: Parts) -> Result<bool, CliError> {
        self.bar.say("sending");
        let missing: Vec<u32> = (1..=self.part_count).filter(|number| !parts.contains_key(number)).collect();
        let sent: Vec<(u32, Option<String>)> = futures::stream::iter(missing)
            .map(|number| self.send_part(upload_id, number))
            .buffer_unordered(usize::from(self.uploader.arguments.jobs))
            .try_collect()
            .await?;
        for (number, etag) in sent {
            let Some(etag) = etag else { return Ok(false) };
            parts.insert(number, etag);
        }
        self.bar.say("completing");
        let body = complete_body(&parts);
        let make = || reqwest::Body::from(body.clone());
        let reply = self.request("CompleteMultipartUpload", Some(upload_id), None, &make).await?;
        match storage::action_of_completion(&reply) {
            Action::Done | Action::Present => Ok(true),
            Action::Restart => Ok(false),
            _ => Err(storage::refusal(&reply)),
        }
    }

    /// Sends one part and gives its ETag; none if S3 does not know the upload.
    async fn send_part(&self, upload_id: &str, number: u32) -> Result<(u32, Option<String>), CliError> {
        let Ok(_permit) = self.uploader.permits.acquire().await else { return Ok((number, None)) };
        let start = u64::from(number - 1) * self.part_size_bytes;
        let transfer = self.bar.transfer(self.source.read(start, self.length(number)).await?);
        let make = || transfer.body();
        let reply = self.request("UploadPart", Some(upload_id), Some(number), &make).await?;
        match (reply.status, reply.header("etag")) {
            (StatusCode::OK, Some(etag)) => Ok((number, Some(etag.to_owned()))),
            (StatusCode::OK, None) => Err(CliError::Answer(format!("part {number} has no ETag"))),
            (StatusCode::NOT_FOUND, _) => Ok((number, None)),
            _ => Err(storage::refusal(&reply)),
        }
    }

    /// Has a request signed and sends it; again with a new signature if that one was too old.
    async fn request(
        &self,
        operation: &str,
        upload_id: Option<&str>,
        part_number: Option<u32>,
        make: &(dyn Fn() -> reqwest::Body + Sync),
    ) -> Result<Reply, CliError> {
        let mut body = json!({ "operation": operation });
        if let Some(upload_id) = upload_id {
            body["upload_id"] = json!(upload_id);
        }
        if let Some(part_number) = part_number {
            body["part_number"] = json!(part_number);
        }
        let path = format!("{}/sign", photo::path(self.photo_id)?);
        let api = &self.uploader.api;
        let is_completion = operation == "CompleteMultipartUpload";
        let is_passing = if is_completion { storage::is_passing_completion } else { storage::is_passing };
        for signatures in 1.. {
            let reply = api.expect(Method::POST, &path, &[], Some(&body), &[StatusCode::OK]).await?;
            let signed: Signed = reply.json()?;
            let method: Method =
                signed.method.parse().map_err(|_| CliError::Answer(format!("method {:?}", signed.method)))?;
            let headers = sendable(&signed.headers);
            let (url, body) = (signed.url.as_str(), make);
            let expires_at = expiry(&signed.expires_at);
            let outgoing = Outgoing { method, url, headers, body, is_passing, expires_at };
            let reply = match api.send(&outgoing).await {
                Err(_) if outgoing.has_expired() && signatures < MAX_URLS => continue,
                reply => reply?,
            };
            let action =
                if is_completion { storage::action_of_completion(&reply) } else { storage::action(&reply) };
            if action != Action::SignAgain || signatures == MAX_URLS {
                return Ok(reply);
            }
        }
        Err(CliError::Answer("no request was signed".to_owned()))
    }

    /// The length of a part in bytes; the last is as long as what is left.
    fn length(&self, number: u32) -> u64 {
        part_length(self.source.size_bytes, self.part_size_bytes, number)
    }

    /// The parts of a `ListPartsResult` that are whole. Those of further pages are sent again.
    fn parts_of(&self, xml: &str) -> Parts {
        listed(xml)
            .filter(|(number, _, size)| {
                (1..=self.part_count).contains(number) && *size == self.length(*number)
            })
            .map(|(number, etag, _)| (number, etag))
            .collect()
    }
}

fn part_length(size_bytes: u64, part_size_bytes: u64, number: u32) -> u64 {
    let start = u64::from(number.saturating_sub(1)) * part_size_bytes;
    size_bytes.saturating_sub(start).min(part_size_bytes)
}

/// Number, ETag and size of every part in S3's list.
fn listed(xml: &str) -> impl Iterator<Item = (u32, String, u64)> + '_ {
    xml.split("<Part>").skip(1).filter_map(|part| {
        let number = element(part, "PartNumber")?.parse().ok()?;
        Some((number, unescaped(element(part, "ETag")?), element(part, "Size")?.parse().ok()?))
    })
}

/// The body that completes an upload.
fn complete_body(parts: &Parts) -> String {
    let mut xml =
        String::from(r#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
    for (number, etag) in parts {
        let _ = write!(xml, "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", escaped(etag));
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_s3_lists_are_understood() {
        let xml = "<ListPartsResult><UploadId>u</UploadId><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag>\
            <Size>5</Size></Part><Part><PartNumber>3</PartNumber><LastModified>x</LastModified><ETag>\"c\"</ETag>\
            <Size>2</Size></Part><Part><PartNumber>x</PartNumber></Part></ListPartsResult>";
        let parts: Vec<_> = listed(xml).collect();
        assert_eq!(parts, [(1, "\"a\"".to_owned(), 5), (3, "\"c\"".to_owned(), 2)]);
    }

    #[test]
    fn an_upload_is_completed_by_its_parts_in_order() {
        let parts = Parts::from([(2, "\"b\"".to_owned()), (1, "\"a&\"".to_owned())]);
        assert_eq!(
            complete_body(&parts),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Part><PartNumber>1</PartNumber><ETag>\"a&amp;\"</ETag></Part>\
             <Part><PartNumber>2</PartNumber><ETag>\"b\"</ETag></Part></CompleteMultipartUpload>"
        );
    }

    proptest::proptest! {
        #[test]
        fn the_parts_are_the_whole_file(size in 1_u64..1_000_000, part in 1_u64..5_000) {
            let count = u32::try_from(size.div_ceil(part)).unwrap();
            let lengths: Vec<u64> = (1..=count).map(|number| part_length(size, part, number)).collect();
            assert_eq!(lengths.iter().sum::<u64>(), size);
            assert!(lengths.iter().rev().skip(1).all(|length| *length == part));
            assert!(lengths.iter().all(|length| *length > 0));
        }
    }
}
