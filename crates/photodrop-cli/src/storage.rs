//! What S3's answers mean to a client.

use crate::api::Reply;
use crate::error::CliError;

/// Codes of a signature, or of the credentials behind it, that has expired. `ExpiredToken` is 400, and not 403:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const EXPIRED: [&str; 3] = ["ExpiredToken", "TokenRefreshRequired", "InvalidAccessKeyId"];
/// Codes of errors that another attempt may not meet, whatever their status.
const TRANSIENT_CODES: [&str; 6] = [
    "RequestTimeout",
    "ConditionalRequestConflict",
    "OperationAborted",
    "SlowDown",
    "ServiceUnavailable",
    "InternalError",
];
/// The same by status, for answers without an error document.
const TRANSIENT_STATUSES: [u16; 6] = [408, 429, 500, 502, 503, 504];
/// Codes after which a `CompleteMultipartUpload` needs a new multipart upload.
const RESTART_CODES: [&str; 2] = ["ConditionalRequestConflict", "NoSuchUpload"];

/// What to do after an answer of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is done.
    Done,
    /// The object is there: an earlier attempt's answer was lost.
    Present,
    /// Ask for a new signature, and send again.
    SignAgain,
    /// Send the same request again after a pause.
    TryAgain,
    /// Begin a new multipart upload.
    Restart,
    /// S3 refuses it.
    Refused,
}

/// What to do after an answer to any request but `CompleteMultipartUpload`.
pub(crate) fn action(reply: &Reply) -> Action {
    decide(reply, false)
}

/// What to do after an answer to `CompleteMultipartUpload`, which may fail after S3 has sent its 200.
pub(crate) fn action_of_completion(reply: &Reply) -> Action {
    decide(reply, true)
}

/// Whether another attempt may help, as [`crate::api::Outgoing`] asks it.
pub(crate) fn is_passing(reply: &Reply) -> bool {
    action(reply) == Action::TryAgain
}

/// The same of `CompleteMultipartUpload`.
pub(crate) fn is_passing_completion(reply: &Reply) -> bool {
    action_of_completion(reply) == Action::TryAgain
}

fn decide(reply: &Reply, is_completion: bool) -> Action {
    let text = String::from_utf8_lossy(&reply.bytes);
    let (code, message) = error(&text).unwrap_or_default();
    let status = reply.status.as_u16();
    if reply.status.is_success() && (!is_completion || code.is_empty()) {
        Action::Done
    } else if status == 412 {
        Action::Present
    } else if EXPIRED.contains(&code) || (code == "AccessDenied" && message == "Request has expired") {
        Action::SignAgain
    } else if is_completion && RESTART_CODES.contains(&code) {
        Action::Restart
    } else if TRANSIENT_CODES.contains(&code) || TRANSIENT_STATUSES.contains(&status) {
        Action::TryAgain
    } else {
        Action::Refused
    }
}

/// The refusal of S3.
pub(crate) fn refusal(reply: &Reply) -> CliError {
    let text = String::from_utf8_lossy(&reply.bytes);
    let (code, message) = error(&text).unwrap_or(("Unknown", ""));
    CliError::Storage { status: reply.status.as_u16(), code: code.to_owned(), message: message.to_owned() }
}

/// Code and message of an error document.
fn error(xml: &str) -> Option<(&str, &str)> {
    let (_, document) = xml.split_once("<Error>")?;
    Some((element(document, "Code")?, element(document, "Message").unwrap_or_default()))
}

/// The text of an XML element that has no elements in it and is there once, as S3 writes them.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let rest = xml.get(start..)?;
    rest.get(..rest.find(&format!("</{name}>"))?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use serde_json::Value;

    use super::*;

    fn named(name: &str) -> Action {
        match name {
            "done" => Action::Done,
            "present" => Action::Present,
            "sign" => Action::SignAgain,
            "again" => Action::TryAgain,
            "begin" => Action::Restart,
            "refused" => Action::Refused,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_refusal_has_the_code_and_the_message_of_s3() {
        let xml = "<?xml version='1.0'?><Error><Code>BadDigest</Code><Message>not the same</Message></Error>";
        let (status, headers) = (StatusCode::BAD_REQUEST, HeaderMap::new());
        let error = refusal(&Reply { status, headers, bytes: Bytes::from_static(xml.as_bytes()) });
        assert_eq!(error.to_string(), "the storage refused the bytes: 400 BadDigest: not the same");
        assert_eq!(element("<A>1</B>", "A"), None);
    }

    #[test]
    fn s3_answers_mean_what_s3_documents() {
        let answers: Vec<Value> =
            serde_json::from_str(include_str!("../../../tests/s3-answers.json")).unwrap();
        assert!(answers.len() > 20);
        for answer in answers {
            let text = |name: &str| answer[name].as_str().unwrap().to_owned();
            let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
            let reply = Reply {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                bytes: Bytes::from(text("body")),
            };
            let expected = named(&text("action"));
            assert_eq!(action(&reply), expected, "{}", answer["name"]);
            let expected = answer["complete"].as_str().map_or(expected, named);
            assert_eq!(action_of_completion(&reply), expected, "{}", answer["name"]);
        }
    }
}
